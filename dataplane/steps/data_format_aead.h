// KeyFormat::kAead: [opcode, peer-id][packet-id][tag][ciphertext]. Authenticated are opcode, peer-id and packet-id
// (V2), or the packet-id (V1); the nonce is packet-id and implicit IV (RFC, AEAD; crypto.c).
#pragma once

#include <cstring>

#include "dataplane/steps/burst.h"

namespace culvert::steps {

struct AeadFormat {
  static Verdict prepare_open(Packet& packet, aead::Job& job) {
    bool v2 = packet.opcode == wire::Opcode::kDataV2;
    uint32_t header = v2 ? sizeof(wire::DataV2Header) : sizeof(wire::DataV1Header);
    uint32_t before_tag = header - aead::kTagSize;
    wire::be32 packet_id;
    std::memcpy(&packet_id, packet.data + before_tag - sizeof packet_id, sizeof packet_id);
    packet.packet_id = packet_id.get();
    job.key = &packet.key->aead;
    job.cipher = packet.key->cipher;
    job.aad_length = v2 ? 8 : 4;
    job.aad = packet.data + before_tag - job.aad_length;
    job.tag = packet.data + before_tag;
    job.text = packet.data + header;
    job.length = packet.length - header;
    std::memcpy(job.nonce.data(), &packet_id, sizeof packet_id);
    std::memcpy(job.nonce.data() + sizeof packet_id, packet.key->implicit_iv.data(), packet.key->implicit_iv.size());
    return Verdict::go_on();
  }

  /// Takes an authentic packet's header off.
  static Verdict finish_open(Packet& packet, const aead::Job& job) {
    packet.data = job.text;
    packet.length = job.length;
    return Verdict::go_on();
  }

  /// Writes the header in front of the packet, where there is room for it, behind the opcode bytes.
  static void prepare_seal(Packet& packet, const session::SendKey& key, aead::Job& job) {
    uint8_t* front = packet.data - key.front;
    wire::be32 packet_id(static_cast<uint32_t>(packet.packet_id));
    std::memcpy(front + key.opcode_bytes, &packet_id, sizeof packet_id);
    bool v2 = key.opcode_bytes != 1;
    job.aad = v2 ? front : front + 1;
    job.aad_length = v2 ? 8 : 4;
    job.tag = front + key.opcode_bytes + sizeof packet_id;
    job.text = packet.data;
    job.length = packet.length;
    std::memcpy(job.nonce.data(), &packet_id, sizeof packet_id);
    std::memcpy(job.nonce.data() + sizeof packet_id, key.implicit_iv.data(), sizeof(session::ImplicitIv));
    packet.length += key.front;
  }
};

}  // namespace culvert::steps
