// The end of a control that leaves its sessions to the next one: what is in the middle goes on to its end, first
// packets of clients stay in the link, and nothing is lost that a kill would lose.
#include <algorithm>

#include "control/gateway/gateway.h"
#include "control/gateway/management_desk.h"

namespace culvert::gateway {
namespace {

constexpr auto kLeaveLookEvery = std::chrono::milliseconds(10);

void keep_most(admin::Unfinished& most, const admin::Unfinished& now) {
  most.handshakes = std::max(most.handshakes, now.handshakes);
  most.renegotiations = std::max(most.renegotiations, now.renegotiations);
  most.messages = std::max(most.messages, now.messages);
  most.scripts = std::max(most.scripts, now.scripts);
}

}  // namespace

void Gateway::leave(MonoClock::duration within, MonoClock::duration at_least) {
  if (stopping_ || leaving_ || finished_) return;
  MonoTime now = io::mono_now();
  // Not at once: whoever has asked is to have the answer.
  leaving_ = Leaving{.deadline = now + within, .not_before = now + at_least, .look_at = now + kLeaveLookEvery};
  for (auto& instance : instances_)
    if (instance->server) instance->server->leave();
  if (admin_) admin_->leave_file();
  io::log(io::LogLevel::kInfo, "leaving: sessions stay, and go on with the next control; what is in the middle has " +
                                   std::to_string(std::chrono::ceil<std::chrono::seconds>(within).count()) +
                                   " s to end");
}

admin::Unfinished Gateway::unfinished() const {
  admin::Unfinished sum;
  for (const auto& instance : instances_) {
    if (!instance->server) continue;
    openvpn::Server::Unfinished part = instance->server->unfinished(io::now());
    sum.handshakes += part.handshakes;
    sum.renegotiations += part.renegotiations;
    sum.messages += part.messages;
  }
  sum.scripts = disconnects_waiting_ + runner_.running() + runner_.waiting();
  return sum;
}

bool Gateway::handed_on() {
  bool sessions = std::ranges::any_of(
      instances_, [](const auto& instance) { return instance->server && instance->server->session_count() > 0; });
  if (!link_.attached()) return !sessions;
  return !sessions_lost_ && !is_mute_ &&
         std::ranges::all_of(link_.lanes(), [](const auto& lane) { return lane->backlog() == 0; });
}

void Gateway::look_at_leaving() {
  MonoTime now = io::mono_now();
  if (now < leaving_->look_at) return;
  leaving_->look_at = now + kLeaveLookEvery;
  admin::Unfinished open = unfinished();
  keep_most(leaving_->waited_for, open);
  const bool done = open == admin::Unfinished{} && handed_on();
  if (now >= leaving_->deadline || (done && now >= leaving_->not_before)) return end_leaving(open);
  std::string text = admin::to_text(open);
  if (text.empty()) text = done ? "a moment, to see that the dataplane stays" : "the dataplane";
  state_text_ = "leaving: waiting for " + text;
}

void Gateway::end_leaving(const admin::Unfinished& cut_off) {
  size_t sessions = 0;
  for (size_t i = 0; i < instances_.size(); ++i) {
    write_pool(i);
    if (instances_[i]->server) sessions += instances_[i]->server->census(io::now()).connected;
  }
  if (!handed_on())
    io::log(io::LogLevel::kError, "the dataplane did not take all that it was told in time: sessions may be lost");
  if (cut_off != admin::Unfinished{})
    io::log(io::LogLevel::kWarning, "cut off, since the time is over: " + admin::to_text(cut_off));
  io::log(io::LogLevel::kInfo, "left " + std::to_string(sessions) + " session(s) to the next control");
  for (auto& desk : desks_) desk->say_leaving();
  left_ = finished_ = true;
}

}  // namespace culvert::gateway
