// NIC mode as the main thread sees it: opens the ports at start, mirrors the kernel's routes, and looks after links and
// neighbours. The packets are the workers' (drivers/nic).
#pragma once

#include <rte_mempool.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dataplane/abi/result.h"
#include "dataplane/nic_options.h"
#include "drivers/nic/ethdev.h"
#include "drivers/nic/forwarding_table.h"
#include "drivers/nic/kernel_watch.h"
#include "drivers/nic/nic_port.h"
#include "drivers/nic/parent_interface.h"
#include "drivers/nic/route_mirror.h"

namespace culvert::dataplane {

class NicMode {
 public:
  using Log = std::function<void(const std::string&)>;
  static constexpr uint64_t kRound = 1'000'000'000;   ///< ns between two rounds over the neighbours in use
  static constexpr uint64_t kLinkRound = 50'000'000;  ///< ns between two looks at the devices' links

  static constexpr uint64_t kDetour = 600'000'000'000;  ///< ns that the kernel remembers a path's MTU (mtu_expires)

  /// Opens `ports`, each with one queue for each worker; `cores` and `packets` are the workers'. EAL runs, privileges
  /// are still there. Errors name the port and the way out.
  static Result<std::unique_ptr<NicMode>> start(const std::vector<NicOptions>& ports,
                                                std::span<rte_mempool* const> packets,
                                                const std::vector<uint32_t>& cores, Log log);

  /// The ports of a worker, by NextHop::nic().
  const std::vector<std::shared_ptr<drivers::NicPort>>& ports(uint16_t worker) const { return by_worker_[worker]; }
  /// The same for ports that send through them, which the NIC mode outlives.
  std::vector<drivers::NicPort*> senders(uint16_t worker) const;
  const drivers::ForwardingTable& table() const { return *table_; }

  /// The TUN is this interface now; index 0: there is none. Packets longer than `mtu` are the kernel's.
  void set_tun(int index, uint32_t mtu);

  /// Turns readable when look_after() has something to do.
  int wake_fd() const { return watch_->wake_fd(); }
  uint64_t deadline_ns() const { return std::min(next_round_ns_, next_link_round_ns_); }
  void look_after(uint64_t now_ns);

 private:
  struct Nic {
    NicOptions options;
    drivers::EthDevice device;
    std::optional<drivers::ParentInterface> parent;
    std::vector<std::unique_ptr<drivers::NicState>> states;  ///< by worker
    bool has_link = true;
    int twin_index;
    uint32_t parent_mtu;                     ///< of the interface below, as last seen
    std::vector<drivers::Twin*> twins = {};  ///< by worker, whose ports they belong to
    bool twin_is_missing = false;            ///< the kernel has said that there is no such interface any more
    std::string twin_trouble = {};           ///< why it could not be made again, as last logged
  };

  explicit NicMode(Log log) : log_(std::move(log)) {}
  Status open(const NicOptions& options, std::span<rte_mempool* const> packets, const std::vector<uint32_t>& cores);
  Result<std::optional<drivers::ParentInterface>> take_parent(const NicOptions& options);
  void on_interface(const drivers::KernelWatch::Interface& interface);
  void set_link(Nic& nic, bool up);
  void follow_mtu(Nic& nic, uint32_t mtu);
  void check_links();
  static drivers::TwinSettings twin_settings(const Nic& nic);
  void mend_twin(Nic& nic);
  Status make_twin_again(Nic& nic);

  Log log_;
  std::unique_ptr<drivers::ForwardingTable> table_;
  std::unique_ptr<drivers::RouteMirror> mirror_;
  std::vector<std::unique_ptr<Nic>> nics_;
  std::vector<std::vector<std::shared_ptr<drivers::NicPort>>> by_worker_;
  std::unique_ptr<drivers::KernelWatch> watch_;
  uint64_t next_round_ns_ = 0;
  uint64_t next_link_round_ns_ = 0;
  bool was_full_ = false;
  std::string last_trouble_;
};

}  // namespace culvert::dataplane
