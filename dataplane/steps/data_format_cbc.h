// KeyFormat::kCbcHmac: [opcode, peer-id][HMAC][IV][ciphertext of packet-id, inner packet, padding]. The HMAC covers IV
// and ciphertext (crypto.c, openvpn_encrypt_v1); padding as of PKCS #7 (RFC 5652, section 6.3).
#pragma once

#include <cstring>

#include "dataplane/steps/burst.h"

namespace culvert::steps {

struct CbcFormat {
  static constexpr uint32_t kBlock = aead::kIvSize;

  static Verdict prepare_open(Packet& packet, aead::Job& job) {
    uint32_t opcode_bytes = packet.opcode == wire::Opcode::kDataV2 ? 4 : 1;
    uint32_t header = opcode_bytes + packet.key->aead->cbc.tag_size + kBlock;
    if (packet.length < header + kBlock) return Verdict::drop(abi::DropReason::outer_too_short);
    job.key = packet.key->aead;
    job.cipher = packet.key->cipher;
    job.tag = packet.data + opcode_bytes;
    job.text = packet.data + header;
    job.length = packet.length - header;
    // No such ciphertext can be made, so this is corrupted or forged.
    return job.length % kBlock == 0 ? Verdict::go_on() : Verdict::drop(abi::DropReason::aead_bad_tag);
  }

  /// Only who has the key gets here, so what is wrong from here on tells a forger nothing.
  static Verdict finish_open(Packet& packet, const aead::Job& job) {
    uint8_t padding = job.text[job.length - 1];
    bool whole = padding >= 1 && padding <= kBlock && padding + wire::kPacketIdSize <= job.length;
    for (uint32_t i = 1; whole && i <= padding; ++i) whole = job.text[job.length - i] == padding;
    if (!whole) return Verdict::drop(abi::DropReason::cbc_bad_padding);
    wire::be32 packet_id;
    std::memcpy(&packet_id, job.text, sizeof packet_id);
    packet.packet_id = packet_id.get();
    packet.data = job.text + sizeof packet_id;
    packet.length = job.length - padding - static_cast<uint32_t>(sizeof packet_id);
    return Verdict::go_on();
  }

  static void prepare_seal(Packet& packet, const session::SendKey& key, aead::Job& job) {
    wire::be32 packet_id(static_cast<uint32_t>(packet.packet_id));
    job.text = packet.data - sizeof packet_id;
    std::memcpy(job.text, &packet_id, sizeof packet_id);
    uint32_t length = packet.length + static_cast<uint32_t>(sizeof packet_id);
    uint8_t padding = padding_of(packet.length);
    std::memset(job.text + length, padding, padding);
    job.length = length + padding;
    job.tag = packet.data - key.front + key.opcode_bytes;
    packet.length += key.front + padding;
  }

  static uint8_t padding_of(uint32_t inner_length) {
    return static_cast<uint8_t>(kBlock - (inner_length + wire::kPacketIdSize) % kBlock);
  }
};

}  // namespace culvert::steps
