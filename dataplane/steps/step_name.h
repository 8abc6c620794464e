// Which step a packet is in, for those who watch packets.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

#include "dataplane/abi/trace.h"

namespace culvert::steps {

class StepName {
 public:
  /// `name`: that of the step's source file, "check_source" for dataplane/steps/check_source.h; or of a way that is no
  /// step, for packets that control sends. Lives as long as the name.
  constexpr explicit StepName(std::string_view name) : text_(name) {
    using std::literals::operator""sv;
    constexpr std::array kOuter = {"classify"sv, "find_session"sv, "open"sv, "send_outer"sv, "send_control"sv};
    constexpr std::array kTaking = {"classify"sv, "hand_over"sv, "take_tunnel_messages"sv, "route"sv, "send_outer"sv};
    constexpr std::array kLooked = {"classify"sv, "take_tunnel_messages"sv, "route"sv, "check_room"sv, "send_outer"sv};
    auto is_in = [&](const auto& list) { return std::find(list.begin(), list.end(), name) != list.end(); };
    content_ = is_in(kOuter) ? abi::PacketContent::kOuter : abi::PacketContent::kInner;
    is_looked_at_ = is_in(kLooked);
    is_watched_ = is_looked_at_ || is_in(kTaking);
  }

  constexpr std::string_view text() const { return text_; }
  /// What a packet's bytes are before the step works on it.
  constexpr abi::PacketContent content() const { return content_; }
  /// Packets have to be looked at before this step: it may take them, after which they must not be touched, or what
  /// comes behind it changes them.
  constexpr bool is_looked_at() const { return is_looked_at_; }
  /// They are looked at before it, or it may take them, which is to be told. Whoever watches need not know of others,
  /// unless they drop a packet.
  constexpr bool is_watched() const { return is_watched_; }

 private:
  std::string_view text_;
  abi::PacketContent content_{};
  bool is_looked_at_ = false;
  bool is_watched_ = false;
};
static_assert(StepName("route").is_looked_at() && StepName("hand_over").is_watched() && !StepName("open").is_watched());

}  // namespace culvert::steps
