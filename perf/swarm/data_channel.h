// The data channel of one client: keys as the client engine hands them out, packets sealed and opened in bursts.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "dataplane/abi/command.h"
#include "dataplane/crypto/aead.h"
#include "dataplane/session/replay_window.h"
#include "dataplane/wire/openvpn.h"

namespace culvert::swarm {

/// What became of a packet that was opened.
enum class Opened : uint8_t { kFresh, kNoKey, kForged, kReplayed };

struct OpenedPacket {
  Opened verdict = Opened::kNoKey;
  uint8_t key_id = 0;
  bool first_of_key = false;      ///< tell the engine (kKeyFirstUse)
  std::span<uint8_t> inner = {};  ///< only when kFresh
};

class DataChannel {
 public:
  static constexpr size_t kMostPackets = 64;  ///< of one seal() or open()
  static constexpr size_t kFront = sizeof(wire::DataV2Header);

  /// Carries out a command of the client engine. False: it asks for something that the swarm does not do (CBC, epoch
  /// keys, compression framing).
  bool carry_out(const abi::Command& command, aead::Engine& engine);
  bool can_send() const { return sending_.has_value(); }
  const abi::InstallSession& session() const { return session_; }
  /// Bytes in front of a sealed inner packet.
  size_t front() const { return session_.format == abi::DataFormat::kV2 ? kFront : sizeof(wire::DataV1Header); }

  /// Seals inner packets of `length` bytes that stand front() bytes behind `first`, the next ones `stride` bytes on.
  /// can_send() holds; count is at most kMostPackets.
  void seal(uint8_t* first, size_t count, size_t stride, size_t length, aead::Engine& engine);
  /// Opens data packets in place, at most kMostPackets; `out` has as many places.
  void open(std::span<const std::span<uint8_t>> packets, std::span<OpenedPacket> out, aead::Engine& engine);

 private:
  struct KeySlot {
    aead::Key send, receive;
    std::array<uint8_t, 8> send_iv, receive_iv;
    abi::Cipher cipher;
    uint32_t next_packet_id;
    session::ReplayWindow seen;
    bool used = false;
  };

  bool install(const abi::InstallKey& key, aead::Engine& engine);

  abi::InstallSession session_{};
  std::array<std::unique_ptr<KeySlot>, 8> keys_;
  std::optional<uint8_t> sending_;
};

}  // namespace culvert::swarm
