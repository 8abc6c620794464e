// One case: gateways with their sessions, and packets that are prepared and checked outside the measured part.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dataplane/abi/layout.h"
#include "dataplane/crypto/aead.h"
#include "dataplane/path.h"
#include "drivers/port.h"
#include "perf/bench_path/options.h"
#include "perf/bench_path/pages.h"

namespace culvert::perf {

struct Case {
  Direction direction;
  abi::Cipher cipher;
  uint32_t size;  ///< bytes of inner packet, kImix, or kAnySize
  uint32_t sessions;
};

/// What is measured, in turns.
enum class Kind : uint8_t { kRaw, kPathOnly, kWhole };
inline constexpr std::array kKinds = {Kind::kRaw, Kind::kPathOnly, Kind::kWhole};

/// Takes packets as a port does, and keeps their order for the check.
class Sink final : public drivers::Port {
 public:
  explicit Sink(size_t room) { packets.reserve(room); }
  uint16_t rx_burst(std::span<rte_mbuf*>, abi::Tally&) override { return 0; }
  void tx_burst(std::span<rte_mbuf*> sent, abi::Tally&) override {
    packets.insert(packets.end(), sent.begin(), sent.end());
  }
  int wake_fd() const override { return -1; }
  drivers::Side side() const override { return drivers::Side::kInner; }
  std::string name() const override { return "sink"; }

  std::vector<rte_mbuf*> packets;
};

/// A path with the case's sessions, all with keys, in memory of its own.
class Gateway {
 public:
  Gateway(const Case& what, aead::Engine& aead, rte_mempool* pool, size_t packets);

  /// Takes the events that are there for control.
  void read_events();

  Sink sink;
  std::unique_ptr<dataplane::Path> path;

 private:
  Pages link_;
  abi::Consumer<abi::Event, abi::EventRing::kCapacity> events_;
};

/// The packets of a case. All buffers go through one pass and are then written anew; packet-ids go on from pass to
/// pass, so that every packet is valid once, as on a wire.
class Traffic {
 public:
  /// `mbufs`: all packet buffers; `engine` prepares, checks, and is what kRaw measures.
  Traffic(const Case& what, aead::Engine& engine, std::vector<rte_mbuf*> mbufs);

  /// Writes the packets of the next pass, for `kind`.
  void prepare(Kind kind);
  /// Likewise, but the sessions in turn, from session `first` on, instead of scattered.
  void prepare_in_turn(Kind kind, uint32_t first);
  std::span<rte_mbuf* const> mbufs() const { return mbufs_; }
  /// kRaw: the AEAD's work on the prepared packets.
  std::span<aead::Job> jobs() { return jobs_; }
  /// Empty when every packet of the pass came out right; otherwise what is wrong. `sent`: what the gateway's sink got.
  std::string check(Kind kind, std::span<rte_mbuf* const> sent);

 private:
  bool inbound() const { return case_.direction == Direction::kOuterToInner; }
  void write_packets(Kind kind);
  uint32_t session_of(size_t index) const;
  uint32_t size_of(size_t index) const;
  void write_inner(uint8_t* at, size_t index) const;
  void write_header(uint8_t* header, uint32_t session, uint32_t packet_id) const;
  /// Work on the packet whose tunnel header is at `header`.
  aead::Job job_at(uint8_t* header, size_t index) const;
  std::string check_one(Kind kind, const rte_mbuf* mbuf, size_t index);

  Case case_;
  aead::Engine& engine_;
  std::vector<rte_mbuf*> mbufs_;
  std::vector<aead::Job> jobs_;
  std::vector<uint32_t> packet_ids_;              ///< by packet of the pass
  std::array<std::vector<uint32_t>, 2> last_id_;  ///< of the AEAD alone and of the path, by session
  Pages keys_;                                    ///< aead::Key by session
  uint64_t pass_ = 0;
  std::optional<uint32_t> in_turn_from_;  ///< first session of this pass, when they come in turn
};

}  // namespace culvert::perf
