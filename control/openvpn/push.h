// PUSH_REPLY: what a server tells its client to set up (push.c of the reference), written and read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/openvpn/control_message.h"
#include "control/openvpn/negotiate.h"
#include "control/openvpn/settings.h"
#include "dataplane/abi/result.h"

namespace culvert::openvpn {

inline constexpr size_t kPushBundle = 1024;  ///< longest PUSH_REPLY that every client takes, with its NUL (common.h)

/// The name of an option: what stands in front of its arguments.
inline std::string_view keyword(std::string_view option) {
  return option.substr(0, option.find(' '));
}

/// Longest single option that fits a PUSH_REPLY.
size_t longest_push_option();

/// The options for one client, in the reference's order: those of the grant as they are (`ping` and `ping-restart` are
/// among them: the configuration says what a client is told), then what is generated here. Options that the grant
/// already names (topology, route-gateway, tun-ipv6) are not generated again.
std::vector<std::string> push_options(const ServerSettings& settings, const ClientGrant& grant,
                                      const Agreement& agreement, uint32_t peer_id);

/// The texts after "PUSH_REPLY," (or "PUSH_UPDATE,") of one or more messages, each short enough, linked by
/// push-continuation. Options that are too long for any message, or hold a comma-free control byte, are left out and
/// named in `left_out` (may be null).
std::vector<std::string> split_push_reply(const std::vector<std::string>& options, std::vector<std::string>* left_out,
                                          MessageKind head = MessageKind::kPushReply);

/// Puts a client's PUSH_REPLY together from its parts. Bounded whatever the server sends.
class PushCollector {
 public:
  enum class State : uint8_t { kMore, kComplete, kTooMuch };
  /// `text`: what follows "PUSH_REPLY,".
  State add(std::string_view text);
  std::vector<std::string> take() { return std::move(options_); }

 private:
  static constexpr size_t kMaxOptions = 2048;
  static constexpr size_t kMaxBytes = 128 * 1024;
  std::vector<std::string> options_;
  size_t bytes_ = 0;
};

/// What the client engine itself acts on.
struct PushedSettings {
  std::array<uint8_t, 4> ip4{};
  std::array<uint8_t, 16> ip6{};
  std::optional<uint32_t> peer_id;
  std::optional<abi::Cipher> cipher;
  std::optional<abi::Framing> framing;
  bool tls_key_export = false;
  bool dynamic_tls_crypt = false;
  bool cc_exit = false;
  bool epoch_keys = false;
  std::optional<uint32_t> ping;          ///< seconds
  std::optional<uint32_t> ping_restart;  ///< seconds
  std::optional<uint32_t> tun_mtu;
};
/// Error: an option that we must understand is wrong (address, number, cipher that we did not offer, unknown
/// protocol-flag).
Result<PushedSettings> read_push(const std::vector<std::string>& options, const ClientSettings& settings);

}  // namespace culvert::openvpn
