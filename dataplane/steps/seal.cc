#include "dataplane/packet.h"
#include "dataplane/steps/data_formats.h"
#include "dataplane/steps/steps.h"

namespace culvert::steps {
namespace {

using abi::DropReason;

bool has_room(const Packet& packet, const session::SendKey& key) {
  const rte_mbuf& mbuf = *packet.mbuf;
  auto* start = static_cast<const uint8_t*>(mbuf.buf_addr);
  if (packet.data - start < key.front) return false;
  if (key.format == abi::KeyFormat::kAead) [[likely]]
    return true;
  return packet.data + packet.length + kMostBehind <= start + mbuf.buf_len;
}

// Puts the header in front and fills `job`.
Verdict prepare(Packet& packet, aead::Job& job, PathContext& context) {
  session::Session& session = *packet.session;
  session::SendState& send = session.send;
  if (send.key == nullptr) return Verdict::drop(DropReason::key_not_ready);
  session::SendKey& key = *send.key;
  if (!has_room(packet, key)) return Verdict::drop(DropReason::no_headroom);
  packet.packet_id = key.take_packet_id();
  if (packet.packet_id == 0) return Verdict::drop(DropReason::packet_id_exhausted);

  if (key.count_sealed(packet.length)) [[unlikely]]
    context.events.near_limit(session, key.key_id);
  if (packet.length >= wire::kSmallestInnerPacket) [[likely]] {
    ++send.packets;
    send.bytes += packet.length;
  }
  send.last_ns = context.now_ns;

  aead::prefetch(key.aead);
  job.key = &key.aead;
  job.cipher = key.cipher;
  uint8_t* front = packet.data - key.front;
  std::memcpy(front, key.header.data(), key.header.size());  // V1 has less, and the format overwrites the rest
  AnyFormat::prepare_seal(packet, key, job);
  packet.data = front;
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
