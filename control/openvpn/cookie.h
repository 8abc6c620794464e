// The stateless cookie: the session ID that the server answers a first packet with is a keyed hash of who asked and
// when, so nothing is remembered until the client has shown that it receives at its address (ssl_pkt.c,
// calculate_session_id_hmac and check_session_hmac_and_pkt_id).
#pragma once

#include <array>
#include <chrono>
#include <cstdint>

#include "control/now.h"
#include "dataplane/abi/endpoint.h"
#include "dataplane/wire/openvpn.h"

namespace culvert::openvpn {

class Cookie {
 public:
  /// `secret` must outlive a restart of control, or handshakes under way are lost. A slot lasts half of `hand_window`,
  /// rounded up to seconds (30 s by default).
  Cookie(const std::array<uint8_t, 32>& secret, std::chrono::seconds hand_window);
  ~Cookie();

  /// Session ID for the answer to a client with this session ID at this address. Uses the monotonic clock: a step of
  /// the wall clock invalidates nothing. All zero (which is no session ID and never accepted) if libcrypto fails.
  wire::SessionId make(const wire::SessionId& client, const abi::Endpoint& remote, Now now) const;

  /// Was `offered` made for this client and address in the current slot or the two before it?
  bool accepts(const wire::SessionId& offered, const wire::SessionId& client, const abi::Endpoint& remote,
               Now now) const;

 private:
  wire::SessionId compute(const wire::SessionId& client, const abi::Endpoint& remote, int64_t slot) const;

  std::array<uint8_t, 32> secret_;
  std::chrono::seconds slot_;
};

}  // namespace culvert::openvpn
