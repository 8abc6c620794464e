// The host behind the gateway: a thread in the gateway's network namespace that takes what clients send, sends to their
// tunnel addresses, and returns echoes.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "dataplane/abi/result.h"
#include "drivers/file_descriptor.h"
#include "perf/swarm/pace.h"
#include "perf/swarm/packet.h"
#include "perf/swarm/sequence.h"

namespace culvert::swarm {

/// What the thread does in a phase.
struct InnerTask {
  uint32_t phase = 0;
  bool sends = false;
  double rate = 0;      ///< packets per second; 0: as fast as they arrive
  uint64_t window = 0;  ///< packets on the way at most
  size_t burst = 1;     ///< packets of one client that go together
  size_t size = 0;      ///< of an inner packet
  std::vector<Ip4> clients;
};

class InnerHost {
 public:
  /// Starts the thread in the network namespace behind the file `net_namespace` (/run/netns/NAME, /proc/PID/ns/net).
  static Result<std::unique_ptr<InnerHost>> start(const std::string& net_namespace);
  ~InnerHost();

  void begin(InnerTask task);
  /// Stops sending; what arrives still counts.
  void stop_sending();
  /// What clients sent, as it arrived here, in this phase (Account::sent is the caller's).
  Account arrived();

  Flight in;   ///< from clients: sent by the caller, received here
  Flight out;  ///< to clients: sent here, received by the caller

 private:
  InnerHost() = default;
  Status open_sockets();
  void run();
  void take_data();
  void take_echoes();
  void send_some();

  drivers::FileDescriptor data_, echo_, epoll_;
  std::vector<uint8_t> buffer_;
  std::mutex mutex_;  ///< of everything below; the thread holds it while it works
  InnerTask task_;
  Pace pace_{0, 1, 0};
  std::vector<Sequence> sequences_;
  std::vector<uint64_t> numbers_;
  size_t turn_ = 0;
  Account account_;
  std::atomic<bool> ends_{false};
  std::thread thread_;
};

}  // namespace culvert::swarm
