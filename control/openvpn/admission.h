// The door: what is done with packets of peers of which nothing is known. A first packet is answered without
// remembering anything; a session comes into being when the client shows our cookie (mudp.c, ssl_pkt.c of the
// reference).
#pragma once

#include <memory>
#include <optional>
#include <variant>

#include "control/now.h"
#include "control/openvpn/cookie.h"
#include "control/openvpn/output.h"
#include "control/openvpn/rate_limit.h"
#include "control/openvpn/server.h"
#include "control/openvpn/session.h"
#include "control/openvpn/settings.h"
#include "control/openvpn/tls_crypt_v2.h"
#include "control/openvpn/wrap.h"

namespace culvert::openvpn {

/// A client that may have a session. The packet that got it in is still to be given to that session.
struct Admitted {
  Session::Ids ids;
  Wrap wrap;
  std::optional<ClientKey> client_key;  ///< tls-crypt-v2
  bool resets_done = true;  ///< false: over TCP, or a client without cookie support let in by force_cookie = false
};

class Admission {
 public:
  Admission(const ServerSettings& settings, Engine& engine);

  /// A packet whose session ID belongs to no session at its address. Answers, refuses or admits.
  using Verdict = std::variant<std::monostate, abi::DropReason, Admitted>;
  Verdict judge(const Datagram& datagram, wire::OpcodeByte first, Now now);
  /// Settings changed (reload).
  void reload();

 private:
  struct Opened {
    OpenedPacket packet;
    WrapKey key;
    std::optional<ClientKey> client_key;
  };
  std::variant<Opened, abi::DropReason> open(const Datagram& datagram, wire::OpcodeByte first) const;
  Verdict first_packet(const Datagram& datagram, Opened& opened, wire::OpcodeByte first, Now now);
  Verdict second_packet(const Datagram& datagram, Opened& opened, wire::OpcodeByte first, Now now);
  void answer(const Datagram& datagram, const Opened& opened, bool resend_client_key, Now now);
  /// Logs why a client of another profile gets no answer, which else only a counter shows (as the reference's "TLS
  /// Error: incoming packet authentication failed").
  void tell_way_in(const Datagram& datagram, wire::OpcodeByte first, abi::DropReason reason, Now now);
  void log(LogLevel level, const abi::Endpoint& remote, std::string text, Now now);
  wire::SessionId random_session_id();

  const ServerSettings& settings_;
  Engine& engine_;
  WrapKey key_;
  Cookie cookie_;
  RateLimit limit_;
  RateLimit log_limit_;
  ReplaySender sender_;  // replay IDs of all stateless answers
};

}  // namespace culvert::openvpn
