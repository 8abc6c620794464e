#include "control/management/client_auth.h"

#include <utility>

#include "control/management/status_text.h"

namespace culvert::management {
void ClientAuth::begin(const auth::AuthRequest& request, Done done) {
  uint32_t kid = next_kid_[request.session]++;
  asked_[request.session] = {kid, std::move(done)};
  const char* event = request.renewal ? "REAUTH" : "CONNECT";
  tell_(">CLIENT:" + std::string(event) + "," + std::to_string(cid_of_(request.session)) + "," + std::to_string(kid));
  tell_environment(environment_of_(request));
}

void ClientAuth::challenge_response(abi::SessionRef session, std::string_view response) {
  auto found = asked_.find(session);
  if (found == asked_.end()) return;
  tell_(">CLIENT:CR_RESPONSE," + std::to_string(cid_of_(session)) + "," + std::to_string(found->second.kid) + "," +
        one_field(response));
  tell_environment({});
}

void ClientAuth::cancel(abi::SessionRef session) {
  asked_.erase(session);
}

ClientAuth::Asked* ClientAuth::find(uint64_t cid, uint32_t kid) {
  for (auto& [session, asked] : asked_)
    if (asked.kid == kid && asked.done && cid_of_(session) == cid) return &asked;
  return nullptr;
}

bool ClientAuth::allow(uint64_t cid, uint32_t kid, std::vector<std::string> config) {
  Asked* asked = find(cid, kid);
  if (!asked) return false;
  // The answer may cancel or begin requests: nothing of `asked` is used behind it.
  Done done = std::exchange(asked->done, nullptr);
  done(auth::Allow{std::move(config)});
  return true;
}

bool ClientAuth::deny(uint64_t cid, uint32_t kid, const std::string& reason, const std::string& client_reason) {
  Asked* asked = find(cid, kid);
  if (!asked) return false;
  Done done = std::exchange(asked->done, nullptr);
  done(auth::Deny{client_reason, "denied by the management program: " + reason});
  return true;
}

bool ClientAuth::pending(uint64_t cid, uint32_t kid, const std::string& extra, std::chrono::seconds timeout) {
  Asked* asked = find(cid, kid);
  if (!asked || extra.size() > kLongestExtra) return false;
  Done done = asked->done;
  done(auth::Pending{timeout, extra});
  return true;
}

void ClientAuth::established(abi::SessionRef session, const Environment& environment) {
  tell_(">CLIENT:ESTABLISHED," + std::to_string(cid_of_(session)));
  tell_environment(environment);
}

void ClientAuth::address(abi::SessionRef session, const std::string& address, bool primary) {
  tell_(">CLIENT:ADDRESS," + std::to_string(cid_of_(session)) + "," + address + (primary ? ",1" : ",0"));
}

void ClientAuth::disconnected(abi::SessionRef session, const Environment& environment) {
  asked_.erase(session);
  // Who was never announced is not taken leave of.
  if (next_kid_.erase(session) == 0) return;
  tell_(">CLIENT:DISCONNECT," + std::to_string(cid_of_(session)));
  tell_environment(environment);
}

void ClientAuth::renumber(abi::SessionRef from, abi::SessionRef to) {
  asked_.erase(from);
  auto next = next_kid_.extract(from);
  if (!next) return;
  next.key() = to;
  next_kid_.insert(std::move(next));
}

void ClientAuth::tell_environment(const Environment& environment) {
  // Values are the peer's choice: none may end its line and begin another.
  for (const std::string& variable : environment) tell_(">CLIENT:ENV," + one_field(variable));
  tell_(">CLIENT:ENV,END");
}

}  // namespace culvert::management
