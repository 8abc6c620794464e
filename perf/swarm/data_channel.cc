#include "perf/swarm/data_channel.h"

#include <cstring>

namespace culvert::swarm {
namespace {

/// Packets of many clients pass queues of the kernel side by side; one client's stay in order but for a burst or two.
constexpr uint32_t kWindow = 4096;

void set_nonce(aead::Job& job, const uint8_t* packet_id, const std::array<uint8_t, 8>& iv) {
  std::memcpy(job.nonce.data(), packet_id, wire::kPacketIdSize);
  std::memcpy(job.nonce.data() + wire::kPacketIdSize, iv.data(), iv.size());
}

}  // namespace

bool DataChannel::carry_out(const abi::Command& command, aead::Engine& engine) {
  switch (command.kind) {
    case abi::CommandKind::kInstallSession:
      session_ = command.body.install_session;
      return session_.framing == abi::Framing::kNone;
    case abi::CommandKind::kInstallKey:
      return install(command.body.install_key, engine);
    case abi::CommandKind::kSendWithKey:
      sending_ = command.body.key.key_id;
      return keys_[*sending_ & wire::kKeyIdMask] != nullptr;
    case abi::CommandKind::kRemoveKey:
      keys_[command.body.key.key_id & wire::kKeyIdMask].reset();
      if (sending_ == command.body.key.key_id) sending_.reset();
      return true;
    case abi::CommandKind::kRemoveSession:
      for (auto& key : keys_) key.reset();
      sending_.reset();
      return true;
    default:
      return true;
  }
}

bool DataChannel::install(const abi::InstallKey& key, aead::Engine& engine) {
  if (key.format != abi::KeyFormat::kAead || !abi::is_aead(key.cipher)) return false;
  auto slot = std::make_unique<KeySlot>();
  engine.expand(key.cipher, key.send.key, slot->send);
  engine.expand(key.cipher, key.receive.key, slot->receive);
  std::memcpy(slot->send_iv.data(), key.send.implicit_iv.data(), slot->send_iv.size());
  std::memcpy(slot->receive_iv.data(), key.receive.implicit_iv.data(), slot->receive_iv.size());
  slot->cipher = key.cipher;
  slot->next_packet_id = static_cast<uint32_t>(key.first_packet_id);
  slot->seen.reset(kWindow, key.replay_floor);
  uint8_t id = key.key_id & wire::kKeyIdMask;
  keys_[id] = std::move(slot);
  if (key.send_at_once) sending_ = id;
  return true;
}

void DataChannel::seal(uint8_t* first, size_t count, size_t stride, size_t length, aead::Engine& engine) {
  std::array<aead::Job, kMostPackets> jobs;
  KeySlot& key = *keys_[*sending_];
  bool v2 = session_.format == abi::DataFormat::kV2;
  for (size_t i = 0; i < count; ++i) {
    uint8_t* packet = first + i * stride;
    packet[0] = wire::opcode_byte(v2 ? wire::Opcode::kDataV2 : wire::Opcode::kDataV1, *sending_);
    size_t opcode_bytes = v2 ? 4 : 1;
    for (size_t byte = 1; byte < opcode_bytes; ++byte)
      packet[byte] = static_cast<uint8_t>(session_.remote_peer_id >> (8 * (3 - byte)));
    wire::be32 packet_id(key.next_packet_id++);
    std::memcpy(packet + opcode_bytes, &packet_id, sizeof packet_id);
    aead::Job& job = jobs[i];
    job.key = &key.send;
    job.cipher = key.cipher;
    job.aad = v2 ? packet : packet + opcode_bytes;
    job.aad_length = v2 ? 8 : 4;
    job.tag = packet + opcode_bytes + sizeof packet_id;
    job.text = packet + front();
    job.length = static_cast<uint32_t>(length);
    set_nonce(job, packet + opcode_bytes, key.send_iv);
  }
  engine.seal(std::span(jobs).first(count));
}

void DataChannel::open(std::span<const std::span<uint8_t>> packets, std::span<OpenedPacket> out, aead::Engine& engine) {
  std::array<aead::Job, kMostPackets> jobs;
  std::array<size_t, kMostPackets> place;
  size_t count = 0;
  for (size_t i = 0; i < packets.size(); ++i) {
    uint8_t* packet = packets[i].data();
    out[i] = {};
    out[i].key_id = packet[0] & wire::kKeyIdMask;
    KeySlot* key = keys_[out[i].key_id].get();
    size_t opcode_bytes = packet[0] >> 3 == static_cast<uint8_t>(wire::Opcode::kDataV2) ? 4 : 1;
    size_t header = opcode_bytes + wire::kPacketIdSize + aead::kTagSize;
    if (key == nullptr || packets[i].size() <= header) continue;
    aead::Job& job = jobs[count];
    job.key = &key->receive;
    job.cipher = key->cipher;
    job.aad = opcode_bytes == 4 ? packet : packet + opcode_bytes;
    job.aad_length = opcode_bytes == 4 ? 8 : 4;
    job.tag = packet + header - aead::kTagSize;
    job.text = packet + header;
    job.length = static_cast<uint32_t>(packets[i].size() - header);
    set_nonce(job, packet + opcode_bytes, key->receive_iv);
    place[count++] = i;
  }
  engine.open(std::span(jobs).first(count));
  for (size_t j = 0; j < count; ++j) {
    OpenedPacket& done = out[place[j]];
    KeySlot& key = *keys_[done.key_id];
    done.verdict = Opened::kForged;
    if (!jobs[j].authentic) continue;
    wire::be32 packet_id;
    std::memcpy(&packet_id, jobs[j].nonce.data(), sizeof packet_id);
    done.verdict = Opened::kReplayed;
    if (key.seen.check(packet_id.get()) != session::ReplayVerdict::kFresh) continue;
    key.seen.commit(packet_id.get());
    done.verdict = Opened::kFresh;
    done.first_of_key = !key.used;
    key.used = true;
    done.inner = {jobs[j].text, jobs[j].length};
  }
}

}  // namespace culvert::swarm
