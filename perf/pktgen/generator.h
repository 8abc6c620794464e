// The whole rig: ports, neighbours, clients, and one trial after another.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "control/crypto/primitives.h"
#include "control/io/clock.h"
#include "perf/pktgen/options.h"
#include "perf/pktgen/traffic.h"

namespace culvert::pktgen {

/// What one trial is to do.
struct TrialSettings {
  Direction direction{};
  uint32_t size = 64;
  double rate = 0;  ///< packets per second, both ways together
  double seconds = 1;
};

/// What came of it.
struct TrialResult {
  TrialSettings settings;
  double seconds = 0;  ///< that sending took
  Counts counts;
  bool kept_pace = true;  ///< false: the generator offered more than 5 % less than it should have

  /// Nanoseconds: the longest time that the generator itself did not run, because the kernel or the hypervisor gave its
  /// core to somebody else. A packet that came meanwhile looks as late as that.
  uint64_t longest_pause = 0;

  double offered_rate() const { return static_cast<double>(counts.total().offered()) / seconds; }
  double received_rate() const { return static_cast<double>(counts.total().received) / seconds; }
};

class Generator {
 public:
  using Log = std::function<void(const std::string&)>;

  /// EAL runs; `packets` and `options` outlive it. Opens the ports, finds the gateway, connects all clients. `log` gets
  /// lines about progress. Errors say what, where, and the way out.
  static Result<std::unique_ptr<Generator>> make(const Options& options, rte_mempool* packets, Log log);
  ~Generator();

  /// Error: a session has ended.
  Result<TrialResult> run(const TrialSettings& settings);
  /// The clients say goodbye.
  void leave();

  double handshake_seconds() const { return handshake_seconds_; }
  const char* aead_name() const { return engine_->name(); }
  /// The gateway's choice, of the first client's key: "AES-256-GCM".
  std::string cipher() const;

 private:
  explicit Generator(const Options& options, Log log) : options_(options), log_(std::move(log)) {}
  Status open_ports(rte_mempool* packets, const OuterEnd& gateway);
  Status wait_for_links();
  Status find_gateway();
  Status connect();
  Status warm_up();
  void take_precedence() const;
  void send_for(const TrialSettings& settings, TrialResult& result);
  void drain(TrialResult& result);
  void note_pause(TrialResult& result);
  bool serve();
  Status health() const;

  const Options& options_;
  Log log_;
  crypto::SystemRandom random_;
  std::unique_ptr<aead::Engine> engine_;
  std::unique_ptr<NetPort> outer_, inner_;
  std::unique_ptr<Clients> clients_;
  std::unique_ptr<Judge> judge_;
  std::unique_ptr<Traffic> traffic_;
  double tsc_hz_ = 0;
  uint64_t next_service_ = 0;  ///< time-stamp counter
  uint64_t last_pass_ = 0;     ///< likewise
  uint32_t trials_ = 0;
  double handshake_seconds_ = 0;
};

}  // namespace culvert::pktgen
