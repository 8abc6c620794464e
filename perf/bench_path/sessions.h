// The sessions of a benchmark: addresses and keys that follow from the peer-id.
#pragma once

#include <cstdint>

#include "dataplane/abi/command.h"

namespace culvert::perf {

/// Inner address 10.x.y.z of a session, as a host integer.
constexpr uint32_t inner_address(uint32_t peer_id) {
  return 0x0A080000 + 2 + peer_id;
}

inline abi::Endpoint remote_of(uint32_t peer_id) {
  abi::Endpoint remote;
  remote.address.family = abi::Family::kIpv4;
  remote.address.bytes = {198, 18, static_cast<uint8_t>(peer_id >> 8), static_cast<uint8_t>(peer_id)};
  remote.port = static_cast<uint16_t>(1024 + (peer_id >> 16));
  return remote;
}

/// Both directions have the same key, since both ends are in this process.
inline abi::DirectionKey direction_key(uint32_t peer_id) {
  abi::DirectionKey key{};
  uint64_t state = peer_id + 1;
  for (uint8_t& byte : key.key) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    byte = static_cast<uint8_t>(state >> 56);
  }
  key.implicit_iv = {1,
                     2,
                     3,
                     4,
                     static_cast<uint8_t>(peer_id >> 16),
                     static_cast<uint8_t>(peer_id >> 8),
                     static_cast<uint8_t>(peer_id),
                     8};
  return key;
}

inline abi::Command session_command(uint32_t peer_id) {
  abi::Command command{};
  command.kind = abi::CommandKind::kInstallSession;
  command.session = {peer_id, 1};
  abi::InstallSession& session = command.body.install_session;
  session.remote = remote_of(peer_id);
  session.format = abi::DataFormat::kV2;
  session.flags = abi::session_flag::kMayFloat;
  session.remote_peer_id = peer_id;
  session.tun_mtu = 1500;
  session.mss_limit = 1492;
  session.replay_window = 64;
  uint32_t ip = inner_address(peer_id);
  session.ip4 = {static_cast<uint8_t>(ip >> 24), static_cast<uint8_t>(ip >> 16), static_cast<uint8_t>(ip >> 8),
                 static_cast<uint8_t>(ip)};
  return command;
}

inline abi::Command key_command(abi::Cipher cipher, uint32_t peer_id) {
  abi::Command command{};
  command.kind = abi::CommandKind::kInstallKey;
  command.session = {peer_id, 1};
  abi::InstallKey& key = command.body.install_key;
  key.cipher = cipher;
  key.send_at_once = 1;
  key.first_packet_id = 1;
  key.send = key.receive = direction_key(peer_id);
  return command;
}

}  // namespace culvert::perf
