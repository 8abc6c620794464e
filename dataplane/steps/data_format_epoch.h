// KeyFormat::kEpoch: [opcode, peer-id][16-bit epoch, 48-bit counter][ciphertext][tag]. Authenticated is all in front of
// the ciphertext (V1: without the opcode); the nonce is epoch and counter, XORed with the epoch's IV (RFC, epoch data
// keys).
#pragma once

#include <cstring>

#include "dataplane/session/epochs.h"
#include "dataplane/steps/burst.h"

namespace culvert::steps {

struct EpochFormat {
  static constexpr uint32_t kPacketId = 8;

  static Verdict prepare_open(Packet& packet, aead::Job& job) {
    uint32_t opcode_bytes = packet.opcode == wire::Opcode::kDataV2 ? 4 : 1;
    uint32_t header = opcode_bytes + kPacketId;
    if (packet.length < header + aead::kTagSize) return Verdict::drop(abi::DropReason::outer_too_short);
    wire::be64 packet_id;
    std::memcpy(&packet_id, packet.data + opcode_bytes, sizeof packet_id);
    packet.packet_id = packet_id.get();
    session::EpochKey* key = packet.key->epochs->find(abi::epoch_of(packet.packet_id));
    if (key == nullptr) return Verdict::drop(abi::DropReason::epoch_unknown);
    if (key->exhausted) return Verdict::drop(abi::DropReason::aead_key_exhausted);
    packet.key = key;
    aead::prefetch(*key->aead);
    job.key = key->aead;
    job.cipher = key->cipher;
    job.aad = opcode_bytes == 4 ? packet.data : packet.data + 1;
    job.aad_length = opcode_bytes == 4 ? 12 : 8;
    job.text = packet.data + header;
    job.length = packet.length - header - aead::kTagSize;
    job.tag = job.text + job.length;
    job.nonce = nonce(packet.packet_id, key->iv);
    return Verdict::go_on();
  }

  static Verdict finish_open(Packet& packet, const aead::Job& job) {
    auto& key = static_cast<session::EpochKey&>(*packet.key);
    packet.session->receive.keys[packet.key_id]->epochs->follow(key);
    packet.data = job.text;
    packet.length = job.length;
    return Verdict::go_on();
  }

  static void prepare_seal(Packet& packet, const session::SendKey& key, aead::Job& job) {
    uint8_t* front = packet.data - key.front;
    wire::be64 packet_id(packet.packet_id);
    std::memcpy(front + key.opcode_bytes, &packet_id, sizeof packet_id);
    bool v2 = key.opcode_bytes != 1;
    job.aad = v2 ? front : front + 1;
    job.aad_length = v2 ? 12 : 8;
    job.text = packet.data;
    job.length = packet.length;
    job.tag = packet.data + packet.length;
    job.nonce = nonce(packet.packet_id, key.implicit_iv);
    packet.length += key.front + static_cast<uint32_t>(aead::kTagSize);
  }

 private:
  static std::array<uint8_t, aead::kNonceSize> nonce(uint64_t packet_id, const session::EpochIv& iv) {
    std::array<uint8_t, aead::kNonceSize> out = iv;
    uint64_t start;
    std::memcpy(&start, out.data(), sizeof start);
    start ^= __builtin_bswap64(packet_id);
    std::memcpy(out.data(), &start, sizeof start);
    return out;
  }
};

}  // namespace culvert::steps
