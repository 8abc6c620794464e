#include "dataplane/steps/steps.h"

namespace culvert::steps {
namespace {

using abi::DropReason;

Verdict find_key(Packet& packet) {
  packet.key = packet.session->receive.keys[packet.key_id];
  if (packet.key == nullptr) return Verdict::drop(DropReason::key_unknown);
  if (packet.key->exhausted) return Verdict::drop(DropReason::aead_key_exhausted);
  aead::prefetch(packet.key->aead);
  return Verdict::go_on();
}

// The tag stands between header and ciphertext. Authenticated are opcode, peer-id and packet-id (V2), or the packet-id
// (V1).
void prepare(const Packet& packet, aead::Job& job) {
  bool v2 = packet.opcode == wire::Opcode::kDataV2;
  uint32_t header = v2 ? sizeof(wire::DataV2Header) : sizeof(wire::DataV1Header);
  uint32_t before_tag = header - aead::kTagSize;
  const uint8_t* packet_id = packet.data + before_tag - 4;
  job.key = &packet.key->aead;
  job.cipher = packet.key->cipher;
  job.aad_length = v2 ? 8 : 4;
  job.aad = packet.data + before_tag - job.aad_length;
  job.tag = packet.data + before_tag;
  job.text = packet.data + header;
  job.length = packet.length - header;
  std::memcpy(job.nonce.data(), packet_id, 4);
  std::memcpy(job.nonce.data() + 4, packet.key->implicit_iv.data(), 8);
}

Verdict finish(Packet& packet, const aead::Job& job, PathContext& context) {
  if (!job.authentic) [[unlikely]] {
    if (packet.key->count_forgery()) context.events.near_limit(*packet.session, packet.key_id);
    break_stream(packet, context);
    return Verdict::drop(DropReason::aead_bad_tag);
  }
  packet.data = job.text;
  packet.length = job.length;
  return Verdict::go_on();
}

}  // namespace

void open(Burst& burst, PathContext& context) {
  burst.each(find_key);
  std::array<aead::Job, kBurst> jobs;
  size_t count = 0;
  for (const Packet& packet : burst.packets()) prepare(packet, jobs[count++]);
  context.aead.open({jobs.data(), count});

  size_t next = 0;
  burst.each([&](Packet& packet) { return finish(packet, jobs[next++], context); });
  context.tally.add(abi::Counter::opened_packets, burst.size());
}

}  // namespace culvert::steps
