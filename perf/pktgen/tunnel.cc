#include "perf/pktgen/tunnel.h"

#include <cstring>

namespace culvert::pktgen {
namespace {

aead::Job job_at(uint8_t* header, uint32_t length, const TunnelKey& key, bool sending) {
  aead::Job job{};
  job.key = sending ? &key.send : &key.receive;
  job.cipher = key.cipher;
  job.aad = header;
  job.aad_length = 8;
  job.tag = header + 8;
  job.text = header + kTunnelHeader;
  job.length = length;
  std::memcpy(job.nonce.data(), header + 4, 4);
  std::memcpy(job.nonce.data() + 4, (sending ? key.send_iv : key.receive_iv).data(), 8);
  return job;
}

}  // namespace

Status Tunnel::carry_out(const abi::Command& command, aead::Engine& engine) {
  switch (command.kind) {
    case abi::CommandKind::kInstallSession:
      settings_ = command.body.install_session;
      if (settings_.format != abi::DataFormat::kV2 || settings_.framing != abi::Framing::kNone)
        return Error{"the gateway wants data packets without peer-id, or compression: the generator does neither"};
      return {};
    case abi::CommandKind::kInstallKey:
      return install(command.body.install_key, engine);
    case abi::CommandKind::kSendWithKey:
      sending_ = keys_[command.body.key.key_id & wire::kKeyIdMask].get();
      return {};
    case abi::CommandKind::kRemoveKey: {
      auto& key = keys_[command.body.key.key_id & wire::kKeyIdMask];
      if (sending_ == key.get()) sending_ = nullptr;
      key.reset();
      return {};
    }
    case abi::CommandKind::kRemoveSession:
      sending_ = nullptr;
      for (auto& key : keys_) key.reset();
      return {};
    default:
      return {};  // routes and streams: nothing of a client
  }
}

Status Tunnel::install(const abi::InstallKey& from, aead::Engine& engine) {
  if (from.format != abi::KeyFormat::kAead)
    return Error{
        "the gateway chose a cipher without AEAD or keys of epochs: the generator has neither; see its data-ciphers"};
  auto key = std::make_unique<TunnelKey>();
  key->cipher = from.cipher;
  engine.expand(from.cipher, from.send.key, key->send);
  engine.expand(from.cipher, from.receive.key, key->receive);
  std::memcpy(key->send_iv.data(), from.send.implicit_iv.data(), key->send_iv.size());
  std::memcpy(key->receive_iv.data(), from.receive.implicit_iv.data(), key->receive_iv.size());
  uint32_t peer = settings_.remote_peer_id;
  key->header = {wire::opcode_byte(wire::Opcode::kDataV2, from.key_id), static_cast<uint8_t>(peer >> 16),
                 static_cast<uint8_t>(peer >> 8), static_cast<uint8_t>(peer)};
  key->next_id = from.first_packet_id;
  auto& place = keys_[from.key_id & wire::kKeyIdMask];
  bool was_sending = sending_ != nullptr && sending_ == place.get();
  place = std::move(key);
  if (from.send_at_once || was_sending) sending_ = place.get();
  return {};
}

aead::Job Tunnel::seal_job(uint8_t* header, uint32_t length) {
  std::memcpy(header, sending_->header.data(), 4);
  wire::be32 id;
  id.set(static_cast<uint32_t>(sending_->next_id++));
  std::memcpy(header + 4, &id, sizeof id);
  return job_at(header, length, *sending_, true);
}

aead::Job Tunnel::open_job(std::span<uint8_t> packet) const {
  if (packet.size() <= kTunnelHeader) return {};
  auto opcode = wire::read_opcode(packet);
  if (!opcode || opcode->opcode != wire::Opcode::kDataV2) return {};
  const TunnelKey* held = key(opcode->key_id);
  if (held == nullptr) return {};
  return job_at(packet.data(), static_cast<uint32_t>(packet.size() - kTunnelHeader), *held, false);
}

bool Tunnel::note_use(uint8_t key_id) {
  TunnelKey* held = keys_[key_id & wire::kKeyIdMask].get();
  return held != nullptr && !std::exchange(held->was_used, true);
}

}  // namespace culvert::pktgen
