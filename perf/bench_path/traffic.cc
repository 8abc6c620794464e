#include <algorithm>
#include <cstring>

#include "dataplane/packet.h"
#include "dataplane/wire/checksum.h"
#include "dataplane/wire/ip.h"
#include "dataplane/wire/openvpn.h"
#include "perf/bench_path/bench.h"
#include "perf/bench_path/sessions.h"

namespace culvert::perf {

using wire::DataV2Header;

namespace {

constexpr uint32_t kServer = 0xC0000201;  // 192.0.2.1

std::array<uint8_t, 4> bytes_of(uint32_t address) {
  return {static_cast<uint8_t>(address >> 24), static_cast<uint8_t>(address >> 16), static_cast<uint8_t>(address >> 8),
          static_cast<uint8_t>(address)};
}

}  // namespace

Traffic::Traffic(const Case& what, aead::Engine& engine, std::vector<rte_mbuf*> mbufs)
    : case_(what),
      engine_(engine),
      mbufs_(std::move(mbufs)),
      jobs_(mbufs_.size()),
      packet_ids_(mbufs_.size()),
      keys_(what.sessions * sizeof(aead::Key)) {
  for (auto& ids : last_id_) ids.resize(what.sessions);
  auto* keys = static_cast<aead::Key*>(keys_.get());
  for (uint32_t peer_id = 0; peer_id < what.sessions; ++peer_id)
    engine.expand(what.cipher, direction_key(peer_id).key, keys[peer_id]);
}

// Any of all sessions, each as likely as the others whatever came before: the same in every run.
uint32_t Traffic::session_of(size_t index) const {
  if (in_turn_from_) return static_cast<uint32_t>((*in_turn_from_ + index) % case_.sessions);
  uint64_t mixed = (pass_ * mbufs_.size() + index + 1) * 0x9E3779B97F4A7C15u;
  mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9u;
  mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EBu;
  return static_cast<uint32_t>((mixed ^ mixed >> 31) >> 32) % case_.sessions;
}

uint32_t Traffic::size_of(size_t index) const {
  if (case_.size == kAnySize) {
    // Mixed well, so that no branch predictor learns what comes next; the same in every run.
    auto mixed = static_cast<uint32_t>(index) * 2654435761u;
    mixed = (mixed ^ mixed >> 15) * 2246822519u;
    return kLeastOfAny + (mixed ^ mixed >> 13) % (kMostOfAny - kLeastOfAny + 1);
  }
  if (case_.size != kImix) return case_.size;
  constexpr std::array<uint16_t, 12> kMix = {64, 576, 64, 64, 576, 64, 1400, 64, 576, 64, 64, 576};
  return kMix[index % kMix.size()];
}

void Traffic::write_inner(uint8_t* at, size_t index) const {
  uint32_t client = inner_address(session_of(index));
  wire::Ipv4Header ip{};
  ip.version_and_words = 0x45;
  ip.total_length.set(static_cast<uint16_t>(size_of(index)));
  ip.identification.set(static_cast<uint16_t>(index));
  ip.ttl = 64;
  ip.protocol = 17;
  ip.source = bytes_of(inbound() ? client : kServer);
  ip.destination = bytes_of(inbound() ? kServer : client);
  ip.checksum.set(wire::finish_checksum(wire::add_to_checksum({reinterpret_cast<const uint8_t*>(&ip), sizeof ip})));
  std::memcpy(at, &ip, sizeof ip);
  std::memset(at + sizeof ip, static_cast<int>(index & 0xFF), size_of(index) - sizeof ip);
}

void Traffic::write_header(uint8_t* header, uint32_t session, uint32_t packet_id) const {
  DataV2Header out{};
  out.opcode = wire::opcode_byte(wire::Opcode::kDataV2, 0);
  out.peer_id = {static_cast<uint8_t>(session >> 16), static_cast<uint8_t>(session >> 8),
                 static_cast<uint8_t>(session)};
  out.packet_id.set(packet_id);
  std::memcpy(header, &out, sizeof out);
}

aead::Job Traffic::job_at(uint8_t* header, size_t index) const {
  uint32_t session = session_of(index);
  aead::Job job{};
  job.key = static_cast<const aead::Key*>(keys_.get()) + session;
  job.cipher = case_.cipher;
  job.aad = header;
  job.aad_length = 8;
  job.tag = header + 8;
  job.text = header + sizeof(DataV2Header);
  job.length = size_of(index);
  std::memcpy(job.nonce.data(), header + 4, 4);
  std::memcpy(job.nonce.data() + 4, direction_key(session).implicit_iv.data(), 8);
  return job;
}

void Traffic::prepare(Kind kind) {
  ++pass_;
  in_turn_from_.reset();
  write_packets(kind);
}

void Traffic::prepare_in_turn(Kind kind, uint32_t first) {
  in_turn_from_ = first;
  write_packets(kind);
}

void Traffic::write_packets(Kind kind) {
  for (size_t i = 0; i < mbufs_.size(); ++i) {
    rte_mbuf* mbuf = mbufs_[i];
    uint32_t session = session_of(i);
    packet_ids_[i] = ++last_id_[kind == Kind::kRaw ? 0 : 1][session];
    mbuf->data_off = kHeadroom;
    uint8_t* start = rte_pktmbuf_mtod(mbuf, uint8_t*);
    uint8_t* header = inbound() ? start : start - sizeof(DataV2Header);
    uint32_t length = size_of(i) + (inbound() ? sizeof(DataV2Header) : 0);
    mbuf->data_len = static_cast<uint16_t>(length);
    mbuf->pkt_len = length;
    meta(mbuf) = {};
    meta(mbuf).remote = remote_of(session);
    write_inner(header + sizeof(DataV2Header), i);
    if (!inbound() && kind != Kind::kRaw) continue;
    write_header(header, session, packet_ids_[i]);
    jobs_[i] = job_at(header, i);
    if (inbound() && kind != Kind::kPathOnly) engine_.seal({&jobs_[i], 1});
  }
}

std::string Traffic::check(Kind kind, std::span<rte_mbuf* const> sent) {
  if (kind == Kind::kRaw) sent = mbufs_;
  if (sent.size() != mbufs_.size())
    return std::to_string(mbufs_.size() - sent.size()) + " of " + std::to_string(mbufs_.size()) +
           " packets were dropped";
  for (size_t i = 0; i < sent.size(); ++i)
    if (std::string wrong = check_one(kind, sent[i], i); !wrong.empty())
      return "packet " + std::to_string(i) + ": " + wrong;
  return {};
}

std::string Traffic::check_one(Kind kind, const rte_mbuf* mbuf, size_t index) {
  if (mbuf != mbufs_[index]) return "out of order";
  std::array<uint8_t, kMaxSize> expected;
  write_inner(expected.data(), index);
  uint8_t* start = rte_pktmbuf_mtod(mbuf, uint8_t*);
  uint8_t* text = start;
  bool from_path = kind != Kind::kRaw;
  if (inbound()) {
    if (!from_path && !jobs_[index].authentic) return "not authentic";
    if (!from_path) text += sizeof(DataV2Header);
  } else {
    uint8_t* header = from_path ? start : start - sizeof(DataV2Header);
    std::array<uint8_t, sizeof(DataV2Header)> wanted;
    write_header(wanted.data(), session_of(index), packet_ids_[index]);
    if (!std::equal(header, header + 8, wanted.begin())) return "wrong tunnel header";
    if (from_path && meta(const_cast<rte_mbuf*>(mbuf)).remote != remote_of(session_of(index))) return "wrong address";
    aead::Job job = job_at(header, index);
    if (kind != Kind::kPathOnly) {
      engine_.open({&job, 1});
      if (!job.authentic) return "wrong tag";
    }
    text = job.text;
  }
  if (from_path && mbuf->data_len != size_of(index) + (inbound() ? 0 : sizeof(DataV2Header))) return "wrong length";
  return std::equal(text, text + size_of(index), expected.begin()) ? "" : "wrong inner packet";
}

}  // namespace culvert::perf
