#include "dataplane/steps/seal.h"

#include "dataplane/steps/data_formats.h"

namespace culvert::steps {
namespace {

struct PrepareSeal {
  static constexpr StepName kName{"seal"};
  aead::Job* next;
  ColdJobs& cold;

  Verdict operator()(Packet& packet, PathContext& context) {
    session::SendState& send = packet.session->send;
    session::SendKey* key = send.key;
    if (key == nullptr) [[unlikely]]
      return Verdict::drop(DropReason::key_not_ready);
    const uint32_t length = packet.length;
    const bool is_aead = key->format == abi::KeyFormat::kAead;
    if (!has_room_in_front(packet, *key) || (!is_aead && !has_room_behind(packet))) [[unlikely]]
      return Verdict::drop(DropReason::no_headroom);
    const uint64_t packet_id = key->take_packet_id();
    if (packet_id == 0) [[unlikely]]
      return Verdict::drop(DropReason::packet_id_exhausted);
    packet.packet_id = packet_id;
    if (key->count_sealed(length)) [[unlikely]]
      context.events.near_limit(*packet.session, key->key_id);
    if (length >= wire::kSmallestInnerPacket) [[likely]] {
      ++send.packets;
      send.bytes += length;
    }
    send.last_ns = context.now_ns;

    aead::Job& job = *next++;
    job.key = key->aead;
    job.cipher = key->cipher;
    cold.add(*key, job);
    uint8_t* front = packet.data - key->front;
    if (is_aead) [[likely]] {
      AeadFormat::prepare_seal(packet, *key, job);
    } else {
      std::memcpy(front, key->header.data(), key->header.size());  // V1 has less, and the format overwrites the rest
      OtherFormat::prepare_seal(packet, *key, job);
    }
    packet.data = front;
    return Verdict::go_on();
  }

 private:
  static bool has_room_in_front(const Packet& packet, const session::SendKey& key) {
    return packet.data - static_cast<const uint8_t*>(packet.mbuf->buf_addr) >= key.front;
  }
  static bool has_room_behind(const Packet& packet) {
    const rte_mbuf& mbuf = *packet.mbuf;
    return packet.data + packet.length + kMostBehind <= static_cast<const uint8_t*>(mbuf.buf_addr) + mbuf.buf_len;
  }
};

}  // namespace

void seal(Burst& burst, PathContext& context) {
  std::array<aead::Job, kBurst> jobs;
  ColdJobs cold(context.clock, context.table->live().size());
  for (const Packet& packet : burst.packets()) session::prefetch(packet.session->send.key);
  burst.each(context, PrepareSeal{jobs.data(), cold});
  cold.expand(context.aead);
  context.aead.seal({jobs.data(), burst.size()});
  context.clock += static_cast<uint32_t>(burst.size());
  context.tally.add(abi::Counter::sealed_packets, burst.size());
}

}  // namespace culvert::steps
