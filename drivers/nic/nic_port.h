// A NIC port of one worker: one queue of a device, and the kernel's twin beside it.
//
// Received frames are sorted: tunnel packets for our listeners (outer), packets that the kernel's routes send into the
// TUN (inner), and the rest, which the twin gets. The fast path takes what is plain; whatever needs a decision (ARP,
// fragments, options, an expired TTL, a packet too big for the tunnel, forwarding between NICs) is the kernel's, as if
// it had received it itself.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "dataplane/abi/counters.h"
#include "dataplane/abi/endpoint.h"
#include "drivers/nic/ethdev.h"
#include "drivers/nic/forwarding_table.h"
#include "drivers/nic/frame.h"
#include "drivers/nic/nic_state.h"
#include "drivers/nic/twin.h"
#include "drivers/port.h"

namespace culvert::drivers {

/// A UDP listener of ours: what is sent there is an outer packet.
struct Listener {
  abi::Endpoint local;     ///< the wildcard address: any of the gateway's addresses
  bool ipv6_only = false;  ///< of :: without IPv4
  uint16_t port = 0;       ///< index of the outer port
};

/// Counts what a device lost since `seen`, which becomes `now`. A device that was reset counts from 0 again; one that
/// did not answer changes nothing.
void count_losses(const std::optional<EthDevice::Losses>& now, EthDevice::Losses& seen, abi::Tally& tally);

class NicPort {
 public:
  static constexpr size_t kBurst = 64;

  /// `device`, `table` and `state` outlive the port. `number`: of NextHop::nic(). `queue`: this worker's.
  NicPort(const EthDevice& device, uint8_t number, uint16_t queue, std::unique_ptr<Twin> twin,
          const ForwardingTable& table, NicState& state);
  ~NicPort();
  NicPort(const NicPort&) = delete;
  NicPort& operator=(const NicPort&) = delete;

  struct Received {
    std::array<rte_mbuf*, kBurst> outer;  ///< as Port::rx_burst of an outer port leaves them
    std::array<rte_mbuf*, kBurst> inner;  ///< likewise of an inner port
    uint16_t outer_count = 0;
    uint16_t inner_count = 0;
  };
  /// One burst from the device, and one from the twin, which goes out at the next flush(). False: nothing came.
  bool receive(Received& out, abi::Tally& tally);

  /// Takes an IP packet whose Ethernet header has room in front of it, to send to `neighbour`. `ol_flags` are the
  /// caller's. Once the device has taken it, it counts as sent: one packet, and `bytes`, of that side; else as dropped.
  void send(rte_mbuf* packet, const wire::MacAddress& neighbour, Side side, uint16_t bytes, abi::Tally& tally);
  /// Sends what is staged.
  void flush(abi::Tally& tally);

  void set_listeners(std::vector<Listener> listeners) { listeners_ = std::move(listeners); }
  /// What the device has lost since the last call; the whole device's, at its first queue's port. Now and then: a
  /// system call with some drivers.
  void count_losses(abi::Tally& tally) {
    if (queue_ == 0) drivers::count_losses(device_.losses(), seen_losses_, tally);
  }

  const EthDevice& device() const { return device_; }
  /// Bytes that an IP packet may have to leave here, as the kernel has it now.
  uint32_t mtu() const { return state_.mtu.load(std::memory_order_relaxed); }
  const ForwardingTable& table() const { return table_; }
  /// "net_af_packet0 (net_af_packet), queue 0, twin tap nic0"
  std::string text() const;

 private:
  struct Candidate {
    rte_mbuf* mbuf;
    Frame frame;
    NextHop hop;
  };
  enum class Place : uint8_t { kOuter, kInner, kKernel, kDropped };

  bool read(rte_mbuf* mbuf, Candidate& candidate, abi::Tally& tally);
  void look_up(std::span<Candidate> candidates) const;
  Place place(Candidate& candidate, abi::Tally& tally) const;
  Place place_inner(Candidate& candidate, abi::Tally& tally) const;
  bool may_be_partial(const rte_mbuf* mbuf) const;
  void finish_checksum(rte_mbuf* mbuf, const Frame& frame) const;
  const Listener* listener_for(const Frame& frame) const;
  void notice_too_big(std::span<const uint8_t> bytes, const Frame& frame) const;
  void to_kernel(rte_mbuf* mbuf);
  /// What a staged frame counts as when it is sent; those of the twin have been counted.
  struct Account {
    enum class Of : uint8_t { kTwin, kOuter, kInner } of = Of::kTwin;
    uint16_t bytes = 0;
  };
  void stage(rte_mbuf* frame, Account account, abi::Tally& tally);
  void count_sent(size_t frames, abi::Tally& tally) const;
  void take_from_twin(abi::Tally& tally);

  const EthDevice& device_;
  uint8_t number_;
  uint16_t queue_;
  std::unique_ptr<Twin> twin_;
  const ForwardingTable& table_;
  NicState& state_;
  std::vector<Listener> listeners_;
  EthDevice::Losses seen_losses_;
  uint32_t passes_ = 0;
  std::array<rte_mbuf*, kBurst> staged_;
  std::array<Account, kBurst> accounts_;  // of staged_
  size_t staged_count_ = 0;
  std::array<rte_mbuf*, kBurst> for_kernel_;
  size_t for_kernel_count_ = 0;
};

}  // namespace culvert::drivers
