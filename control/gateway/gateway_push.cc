// PUSH_UPDATE for whoever asks: the operator's command line, or a management program.
#include <string>

#include "control/gateway/gateway.h"

namespace culvert::gateway {

size_t Gateway::push_update(const std::vector<abi::SessionRef>& sessions,
                            const std::vector<openvpn::PushChange>& changes) {
  std::string text;
  for (const openvpn::PushChange& change : changes) text += (text.empty() ? "" : ", ") + openvpn::to_text(change);
  size_t told = 0;
  for (abi::SessionRef session : sessions) {
    const BookEntry* entry = book_->find(session);
    if (!entry) continue;
    size_t instance = entry->instance;
    uint32_t worker = entry->worker;
    if (instances_[instance]->server->push_update(session, changes, io::now())) ++told;
    carry_out(instance, worker);
  }
  io::log(io::LogLevel::kInfo, "push-update: told " + std::to_string(told) + " of " + std::to_string(sessions.size()) +
                                   " client(s): " + text);
  return told;
}

}  // namespace culvert::gateway
