#include "dataplane/workers.h"

#include <rte_launch.h>
#include <rte_lcore.h>

#include <cstring>
#include <future>
#include <string>

#include "dataplane/crypto/engine.h"
#include "dataplane/path.h"
#include "dataplane/precedence.h"
#include "dataplane/privileges.h"
#include "dataplane/worker.h"

namespace culvert::dataplane {

/// All that belongs to one worker.
struct Workers::Kit {
  std::unique_ptr<aead::Engine> aead;  ///< of its own: engines keep state between calls
  std::unique_ptr<Path> path;
  PortMailbox ports;
  steps::TraceMailbox traces;
  std::unique_ptr<Worker> worker;
  std::promise<Status> unprivileged;  ///< by its own thread, before the first packet
};

Workers::Workers() = default;
Workers::~Workers() = default;

Result<std::unique_ptr<Workers>> Workers::make(LinkMemory& link, std::span<rte_mempool* const> packets,
                                               int main_doorbell) {
  std::unique_ptr<Workers> made(new Workers());
  const uint32_t count = link.view().workers();
  if (count > 1) made->rings_ = std::make_unique<steps::HandoffRings>(count);
  for (uint32_t i = 0; i < count; ++i) made->doorbells_.push_back(link.worker_doorbell(i));
  for (uint32_t i = 0; i < count; ++i) {
    Kit& kit = *made->kits_.emplace_back(std::make_unique<Kit>());
    auto aead = aead::make_engine();
    if (!aead) return Error{aead.error()};
    kit.aead = std::move(*aead);
    auto path = Path::make(link.view(), i, packets[i], *kit.aead, {}, made->rings_.get());
    if (!path) return Error{path.error()};
    kit.path = std::move(*path);
    kit.path->follow_traces(&kit.traces);
    kit.worker = std::make_unique<Worker>(
        link.view().worker(i), *kit.path, kit.ports,
        Worker::Doorbells{link.worker_doorbell(i), link.control_doorbell(i), main_doorbell, made->doorbells_});
  }
  return made;
}

/// A worker's life on its lcore.
int Workers::run(void* argument) {
  Kit& kit = *static_cast<Kit*>(argument);
  Status dropped = drop_worker_privileges();
  const bool ok = static_cast<bool>(dropped);
  kit.unprivileged.set_value(std::move(dropped));
  if (!ok) return 1;
  (void)ask_for_short_turns();  // older kernels have longer ones
  ask_for_sharp_timers();
  kit.worker->run();
  return 0;
}

Status Workers::launch(const std::vector<unsigned>& lcores) {
  auto fail = [&](size_t worker, size_t running, const std::string& why) {
    stop(lcores, running);
    return Error{"cannot start worker " + std::to_string(worker) + ": " + why};
  };
  for (size_t i = 0; i < kits_.size(); ++i)
    if (int error = rte_eal_remote_launch(run, kits_[i].get(), lcores[i]); error != 0)
      return fail(i, i, std::strerror(-error));
  for (size_t i = 0; i < kits_.size(); ++i)
    if (Status dropped = kits_[i]->unprivileged.get_future().get(); !dropped)
      return fail(i, kits_.size(), dropped.error());
  return {};
}

void Workers::stop(const std::vector<unsigned>& lcores) {
  stop(lcores, kits_.size());
}
void Workers::stop(const std::vector<unsigned>& lcores, size_t running) {
  for (size_t i = 0; i < running; ++i) kits_[i]->worker->stop();
  for (size_t i = 0; i < running; ++i) rte_eal_wait_lcore(lcores[i]);
  // What was handed over may be handed back once: with an inner packet, to the session that it is for.
  constexpr int kRounds = 3;
  for (int round = 0; round < kRounds; ++round)
    for (size_t i = 0; i < running; ++i) kits_[i]->worker->finish();
  for (size_t i = 0; i < running; ++i) kits_[i]->path->give_back_packet_ids();
}

uint64_t Workers::sessions() const {
  uint64_t sum = 0;
  for (const auto& kit : kits_) sum += kit->worker->sessions();
  return sum;
}

std::vector<Gateway::WorkerEnd> Workers::ends() {
  std::vector<Gateway::WorkerEnd> list;
  for (size_t i = 0; i < kits_.size(); ++i) list.push_back({&kits_[i]->ports, doorbells_[i]});
  return list;
}
std::vector<steps::TraceMailbox*> Workers::traces() {
  std::vector<steps::TraceMailbox*> list;
  for (auto& kit : kits_) list.push_back(&kit->traces);
  return list;
}
const char* Workers::aead_name() const {
  return kits_.front()->aead->name();
}

}  // namespace culvert::dataplane
