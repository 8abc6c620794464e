// A client of the server engine that is led by hand: it says what it is told to, and acknowledges only when it is told
// to. Without a wrap and over a wire that loses nothing.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <vector>

#include "control/crypto/tls.h"
#include "control/openvpn/control_message.h"
#include "tests/sim/crafted.h"

namespace culvert::sim {

class HandmadeClient {
 public:
  /// The world must keep what the server sends.
  HandmadeClient(World& world, openvpn::ClientSettings settings, const abi::Endpoint& address);

  /// First packet, and the beginning of the client's TLS in its second, with the cookie: the server has a session then.
  void begin();
  /// The same with these bytes in the place of TLS.
  void begin_with(const Bytes& payload);
  /// The rest of the handshake: TLS and the key message.
  void connect();
  /// The handshake up to the key message, which is the caller's to say.
  void shake_hands();
  Bytes key_message() const;
  void say(const Bytes& record);
  void ask_for_settings() { say(openvpn::build_message(openvpn::MessageKind::kPushRequest)); }
  /// Acknowledges all that has come in, until nothing more comes.
  void acknowledge();
  /// Sends the last packet that was said again, as after a loss.
  void repeat_last() { send(last_); }
  /// How many messages of this kind have come.
  size_t heard(openvpn::MessageKind kind);

  /// While set, each packet of the server is acknowledged.
  bool acknowledging = true;

 private:
  void send(const Bytes& packet) { world_.server_receives(address_, packet); }
  /// What TLS has to say.
  void write();
  /// Takes in what the server has sent since the last call.
  void listen();
  std::vector<uint32_t> take_owed(size_t most);

  World& world_;
  openvpn::ClientSettings settings_;
  abi::Endpoint address_;
  culvert::wire::SessionId id_{};
  culvert::wire::SessionId server_{};
  std::unique_ptr<crypto::TlsStream> tls_;
  uint32_t next_id_ = 1;
  size_t read_ = 0;                    // of world_.server_sent
  uint32_t taken_ = 0;                 // packets of the server that TLS has had
  std::map<uint32_t, Bytes> arrived_;  // and those that it can't have yet
  std::set<uint32_t> owed_;            // to be acknowledged
  Bytes last_;
  bool key_message_read_ = false;
  std::vector<openvpn::ControlMessage> heard_;
};

}  // namespace culvert::sim
