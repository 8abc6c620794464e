// The swarm: connects its clients, then runs phases and says what each one gave.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "perf/common/histogram.h"
#include "perf/swarm/crowd.h"
#include "perf/swarm/inner_host.h"
#include "perf/swarm/options.h"
#include "perf/swarm/storm.h"

namespace culvert::swarm {

struct ConnectResult {
  uint32_t clients = 0;
  double seconds = 0;
  perf::Histogram took_ns;  ///< of each client
  std::vector<double> cpu_seconds;
};

struct PhaseResult {
  PhaseKind kind{};
  double seconds = 0;
  Account in, out;     ///< after what was on the way had time to arrive
  double in_gbps = 0;  ///< inner bits that arrived within the phase
  double out_gbps = 0;
  perf::Histogram rtt_ns;
  perf::Histogram server_ns;  ///< of these, without the time in which they had arrived and the swarm did not run (UDP)
  uint64_t echoes_sent = 0;
  std::vector<double> cpu_seconds;  ///< of each --pid within the phase
  std::optional<StormResult> storm;
  /// CPU seconds of all processes together.
  double cpu() const;
  /// Gigabits of inner bytes, both directions, per CPU second of the server; 0 when no process was named.
  double gbit_per_cpu_second() const;
};

class Swarm {
 public:
  static Result<std::unique_ptr<Swarm>> make(const Options& options, const openvpn::ClientSettings& settings);
  /// Error: who could not connect, and why; or not in time.
  Result<ConnectResult> connect();
  /// Error: a client was lost, or a process of the server ended.
  Result<PhaseResult> run(PhaseKind kind);
  /// All clients say goodbye.
  void leave();

 private:
  explicit Swarm(const Options& options) : options_(options) {}
  Status begin(PhaseKind kind);
  void pass(bool sends);
  void send_data(uint64_t now_ns);
  void send_echoes(uint64_t now_ns);
  void take(size_t member, const InnerPacket& packet);
  Status check_members();
  Status drain();
  Result<std::vector<double>> read_cpu() const;
  void progress(const PhaseResult& so_far, double seconds) const;

  const Options& options_;
  openvpn::ClientSettings settings_;
  Ip4 inner_{};
  std::unique_ptr<InnerHost> host_;
  std::unique_ptr<Crowd> crowd_;
  std::unique_ptr<Storm> storm_;

  // The phase that runs.
  PhaseResult result_;
  uint32_t phase_ = 0;
  bool sends_in_ = false, sends_echoes_ = false;
  Pace pace_{0, 1, 0};
  std::vector<uint64_t> numbers_;
  std::vector<Sequence> sequences_;
  Sequence echoes_;  ///< of all members
  size_t turn_ = 0, echo_turn_ = 0;
  uint64_t echo_start_ns_ = 0;
};

}  // namespace culvert::swarm
