// KeyFormat::kAead: [opcode, peer-id][packet-id][tag][ciphertext]. Authenticated are opcode, peer-id and packet-id
// (V2), or the packet-id (V1); the nonce is packet-id and implicit IV (RFC, AEAD; crypto.c).
#pragma once

#include <cstring>

#include "dataplane/steps/burst.h"

namespace culvert::steps {

struct AeadFormat {
  /// Takes the header off at once. There is one: classify has asked for its length.
  static void prepare_open(Packet& packet, aead::Job& job) {
    const session::ReceiveKey& key = *packet.key;
    uint32_t header = header_of(packet);
    uint8_t* text = packet.data + header;
    uint8_t* tag = text - aead::kTagSize;
    uint32_t packet_id;
    std::memcpy(&packet_id, tag - sizeof packet_id, sizeof packet_id);
    job.key = key.aead;
    job.cipher = key.cipher;
    job.aad_length = header == sizeof(wire::DataV2Header) ? 8 : 4;
    job.aad = tag - job.aad_length;
    job.tag = tag;
    job.text = text;
    job.length = packet.length - header;
    std::memcpy(job.nonce.data(), &packet_id, sizeof packet_id);
    std::memcpy(job.nonce.data() + sizeof packet_id, key.implicit_iv.data(), sizeof(session::ImplicitIv));
    packet.packet_id = __builtin_bswap32(packet_id);
    packet.data = text;
    packet.length = job.length;
  }
  /// For a packet that is not authentic after all.
  static void put_header_back(Packet& packet) {
    packet.data -= header_of(packet);
    packet.length += header_of(packet);
  }

  /// Writes the header in front of the packet, where there is room for it.
  static void prepare_seal(Packet& packet, const session::SendKey& key, aead::Job& job) {
    uint8_t* text = packet.data;
    uint32_t length = packet.length;
    uint32_t packet_id = __builtin_bswap32(static_cast<uint32_t>(packet.packet_id));
    uint8_t aad_length = key.opcode_bytes == 1 ? 4 : 8;
    // V1 has less in front of the packet-id, which overwrites the rest.
    std::memcpy(text - key.front, key.header.data(), key.header.size());
    uint8_t* tag = text - aead::kTagSize;
    std::memcpy(tag - sizeof packet_id, &packet_id, sizeof packet_id);
    packet.length = length + key.front;
    job.aad = tag - aad_length;
    job.aad_length = aad_length;
    job.tag = tag;
    job.text = text;
    job.length = length;
    std::memcpy(job.nonce.data(), &packet_id, sizeof packet_id);
    std::memcpy(job.nonce.data() + sizeof packet_id, key.implicit_iv.data(), sizeof(session::ImplicitIv));
  }

 private:
  static uint32_t header_of(const Packet& packet) {
    return packet.opcode == wire::Opcode::kDataV2 ? sizeof(wire::DataV2Header) : sizeof(wire::DataV1Header);
  }
};

}  // namespace culvert::steps
