#include "dataplane/packet.h"
#include "dataplane/steps/steps.h"

namespace culvert::steps {
namespace {

using abi::DropReason;

// Puts the header in front and fills `job`.
Verdict prepare(Packet& packet, aead::Job& job, PathContext& context) {
  session::Session& session = *packet.session;
  session::SendState& send = session.send;
  if (send.key == nullptr) return Verdict::drop(DropReason::key_not_ready);
  bool v2 = session.where.format == abi::DataFormat::kV2;
  uint32_t header = v2 ? sizeof(wire::DataV2Header) : sizeof(wire::DataV1Header);
  if (packet.data - static_cast<uint8_t*>(packet.mbuf->buf_addr) < header)
    return Verdict::drop(DropReason::no_headroom);
  session::SendKey& key = *send.key;
  packet.packet_id = key.take_packet_id();
  if (packet.packet_id == 0) return Verdict::drop(DropReason::packet_id_exhausted);

  uint8_t* front = packet.data - header;
  uint32_t opcode_bytes = v2 ? 4 : 1;
  std::memcpy(front, key.header.data(), opcode_bytes);
  wire::be32 packet_id(packet.packet_id);
  std::memcpy(front + opcode_bytes, &packet_id, sizeof packet_id);

  aead::prefetch(key.aead);
  job.key = &key.aead;
  job.cipher = key.cipher;
  job.aad = v2 ? front : front + opcode_bytes;
  job.aad_length = v2 ? 8 : 4;
  job.tag = front + opcode_bytes + sizeof packet_id;
  job.text = packet.data;
  job.length = packet.length;
  std::memcpy(job.nonce.data(), &packet_id, sizeof packet_id);
  std::memcpy(job.nonce.data() + 4, key.implicit_iv.data(), key.implicit_iv.size());

  if (key.count_sealed(packet.length)) [[unlikely]]
    context.events.near_limit(session, key.key_id);
  ++send.packets;
  send.bytes += packet.length;
  send.last_ns = context.now_ns;
  packet.data = front;
  packet.length += header;
  return Verdict::go_on();
}

}  // namespace

void seal(Burst& burst, PathContext& context) {
  std::array<aead::Job, kBurst> jobs;
  size_t count = 0;
  for (const Packet& packet : burst.packets()) __builtin_prefetch(packet.session->send.key);
  burst.each([&](Packet& packet) {
    Verdict verdict = prepare(packet, jobs[count], context);
    if (verdict.goes_on()) ++count;
    return verdict;
  });
  context.aead.seal({jobs.data(), count});
  context.tally.add(abi::Counter::sealed_packets, count);
}

}  // namespace culvert::steps
