// The client engine: one session towards one server. The tests' other end, and later the product's.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "control/now.h"
#include "control/openvpn/output.h"
#include "control/openvpn/server.h"
#include "control/openvpn/settings.h"

namespace culvert::openvpn {

class Client {
 public:
  /// `random` outlives the client. `session` names it in the commands that it puts out.
  Client(ClientSettings settings, abi::SessionRef session, Random& random);
  ~Client();
  Client(Client&&) = delete;

  /// Sends the first packet.
  void start(Now now);
  void receive(const Datagram& datagram, Now now);
  void tick(Now now);
  std::optional<MonoTime> next_deadline() const;
  void on_event(const abi::Event& event, Now now);

  /// Starts a renegotiation (soft reset) now.
  void renegotiate(Now now);
  /// Says goodbye over the control channel when the server can read that (cc-exit). True if it did; false: the caller
  /// sends OCC_EXIT through the data channel.
  bool exit(Now now);

  bool connected() const;
  SessionInfo info() const;
  Outputs take_outputs();
  const abi::Tally& tally() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace culvert::openvpn
