// What a dataplane has on behalf of control: its outer ports and its TUN. Opens and closes them in the main thread and
// hands each worker its own; makes the TUN again when somebody deletes it.
#pragma once

#include <rte_mempool.h>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/carried_streams.h"
#include "dataplane/descriptor_store.h"
#include "dataplane/link/setup_server.h"
#include "dataplane/nic_mode.h"
#include "dataplane/port_settings.h"
#include "dataplane/port_table.h"
#include "drivers/tun_watch.h"

namespace culvert::dataplane {

class Gateway final : public SetupHandler {
 public:
  struct Options {
    std::vector<rte_mempool*> packets;                 ///< by worker, for its ports
    int main_doorbell;                                 ///< the workers' answer; non-blocking, read here only
    std::function<void(const std::string&)> log = {};  ///< one line per call; may be empty
    uint64_t adopt_deadline_ns = 2'000'000'000;        ///< time that the workers have to adopt new ports
    NicMode* nics = nullptr;                           ///< outlives the gateway; null: kernel mode
    DescriptorStore* store = nullptr;                  ///< outlives the gateway; null: the next dataplane opens its own
  };

  struct WorkerEnd {
    PortMailbox* mailbox;  ///< outlives the gateway; the worker polls it from now on (or soon)
    int doorbell;          ///< wakes the worker
  };

  /// `workers` by number, one at least.
  Gateway(std::vector<WorkerEnd> workers, Options options);

  Result<std::string> open_port(const abi::OpenPort& request) override;
  Result<std::string> find_port(const abi::OpenPort& request) override;
  Result<std::string> keep_ports(const abi::KeepPorts& request) override;
  /// The text is the TUN's name.
  Result<std::string> open_tun(const abi::OpenTun& request) override;

  /// The worker rang main_doorbell, or deadline_ns() has come: looks after the TUN, its losses, and ports that a hung
  /// worker had. `now_ns`: CLOCK_MONOTONIC.
  void look_after(uint64_t now_ns);
  /// Turns readable when look_after() is wanted because of what somebody did to the TUN; -1: there is no such
  /// descriptor.
  int wake_fd() const { return tun_watch_ ? tun_watch_->wake_fd() : -1; }
  /// Asks what the TUN's queues have lost: a last time, before the workers are stopped.
  void look_at_losses();
  /// Has the TCP connections of all ports kept for the next dataplane. When the workers have been stopped.
  void leave_streams();
  /// When look_after() is wanted next even if nobody rings; UINT64_MAX: never.
  uint64_t deadline_ns() const { return std::min(next_attempt_ns_, takeover_ends_ns_); }

  static constexpr uint64_t kTunRetry = 200'000'000;  ///< ns between attempts to make a deleted TUN again
  /// ns from control's first request on, in which it asks for all that the dataplane before had open. Workers get their
  /// ports when all of that is open again, or when this is over: what waits in one would else find the others missing.
  static constexpr uint64_t kTakeover = 500'000'000;

 private:
  using Ports = std::vector<std::unique_ptr<PortTable>>;  // by worker
  using OuterPorts = std::vector<std::shared_ptr<drivers::Port>>;

  Ports copy_of_ports() const;
  Status hand_over(Ports next);
  bool are_adopted() const;
  bool wait_until_adopted();
  Status close_port(uint16_t index);
  Status start_port(uint16_t index, const OuterSettings& settings);
  /// Opens a socket for `settings` for each worker, or goes on with those that were kept, and makes the ports.
  Result<OuterPorts> make_ports(uint16_t index, const OuterSettings& settings);
  Result<OuterPorts> open_ports(uint16_t index, const OuterSettings& settings);
  Result<OuterPorts> adopt_ports(uint16_t index, const OuterSettings& settings,
                                 std::vector<drivers::FileDescriptor> kept);
  /// `kept`: the socket to go on with, which is kept under `name`; none: a new one, which is kept from now on if `name`
  /// is not empty.
  Result<std::shared_ptr<drivers::Port>> make_port(uint16_t index, const OuterSettings& settings, uint16_t worker,
                                                   const std::string& name, drivers::FileDescriptor kept = {});
  /// Those that the dataplane before has left of the port whose listener was kept under this name.
  std::vector<drivers::LeftStream> take_left_streams(const std::string& name);
  /// In NIC mode: puts the worker's NICs in front of a port on the kernel.
  std::shared_ptr<drivers::Port> with_nics(const drivers::UdpSettings& settings, std::shared_ptr<drivers::Port> port,
                                           uint16_t worker);
  std::vector<drivers::Listener> listeners() const;
  Status start_tun(const drivers::TunSettings& settings, const std::string& requested_name);
  Result<std::vector<drivers::TunDevice>> make_tun_queues(const drivers::TunSettings& settings,
                                                          const std::string& requested_name);
  /// Control asks for the first of what the dataplane before had open: see kTakeover.
  void begin_takeover();
  /// Its time is over: the rest is closed, and the workers get what there is.
  void end_takeover();
  bool is_tun_gone() const;
  void remake_tun(uint64_t now_ns);
  void restore_tun();
  void log(const std::string& line) const;

  std::vector<WorkerEnd> workers_;
  Options options_;
  Ports tables_;                // as the workers have them
  std::vector<Ports> retired_;  // a worker that hangs may still use them: closed when all have tables_
  std::array<OuterSettings, abi::kMaxPorts> outer_;  // of the ports in tables_
  std::optional<drivers::TunSettings> tun_;          // with the real name
  std::string tun_requested_;                        // name as control asked for it
  unsigned tun_index_ = 0;                           // of its interface; 0: there is none
  std::optional<drivers::TunWatch> tun_watch_;       // none: the kernel has no netlink for us
  std::shared_ptr<drivers::TunLosses> tun_losses_;   // of the TUN in tables_
  uint64_t next_attempt_ns_ = UINT64_MAX;
  DescriptorStore no_store_;
  DescriptorStore& store_;
  uint64_t takeover_ends_ns_ = UINT64_MAX;   // UINT64_MAX: has not begun, or is over
  std::vector<CarriedStream> left_streams_;  // of the dataplane before, whose ports are not open yet
  std::string last_trouble_;
};

}  // namespace culvert::dataplane
