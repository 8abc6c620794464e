// A client's data channel: the keys that its engine installed. Only what the generator needs of a session: DATA_V2 with
// AEAD keys, and no replay window, because every packet's own number is looked at behind it (sequence.h).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "dataplane/abi/command.h"
#include "dataplane/abi/result.h"
#include "dataplane/crypto/aead.h"
#include "dataplane/wire/openvpn.h"

namespace culvert::pktgen {

inline constexpr size_t kTunnelHeader = sizeof(wire::DataV2Header);

struct TunnelKey {
  aead::Key send;
  aead::Key receive;
  std::array<uint8_t, 8> send_iv{};
  std::array<uint8_t, 8> receive_iv{};
  std::array<uint8_t, 4> header{};  ///< first bytes of what is sent under it
  abi::Cipher cipher{};
  uint64_t next_id = 1;
  bool was_used = false;  ///< an authentic packet has come
};

class Tunnel {
 public:
  /// Carries out what the client's engine wants. Error: a data channel of another kind than the header says.
  Status carry_out(const abi::Command& command, aead::Engine& engine);

  bool can_send() const { return sending_ != nullptr; }
  const TunnelKey* key(uint8_t key_id) const { return keys_[key_id & wire::kKeyIdMask].get(); }
  /// Inner address; 0.0.0.0: none.
  const std::array<uint8_t, 4>& inner() const { return settings_.ip4; }
  /// Seconds; 0: no keepalives.
  uint16_t ping_interval() const { return settings_.ping_interval; }

  /// The next packet-id to send with, and its key-id. can_send() holds.
  uint64_t next_id() const { return sending_->next_id; }
  uint8_t sending_key_id() const { return sending_->header[0] & wire::kKeyIdMask; }

  /// Writes header and nonce for the packet whose plaintext of `length` bytes stands behind the kTunnelHeader bytes at
  /// `header`. can_send() holds.
  aead::Job seal_job(uint8_t* header, uint32_t length);
  /// The job that opens `packet`; nothing (key null) when it is no data packet under a key of ours.
  aead::Job open_job(std::span<uint8_t> packet) const;
  /// True for the first authentic packet under a key, which the engine wants to hear of.
  bool note_use(uint8_t key_id);

 private:
  Status install(const abi::InstallKey& key, aead::Engine& engine);

  abi::InstallSession settings_{};
  std::array<std::unique_ptr<TunnelKey>, 8> keys_;
  TunnelKey* sending_ = nullptr;
};

}  // namespace culvert::pktgen
