#include "perf/swarm/storm.h"

#include <sys/resource.h>
#include <unistd.h>

#include "perf/swarm/clock.h"

namespace culvert::swarm {
namespace {

/// The storm's own work (a handshake costs a client as much as the server) must not stand in the way of the server and
/// of those who measure latency.
constexpr int kNice = 10;

}  // namespace

Storm::Storm(std::unique_ptr<Crowd> crowd) : crowd_(std::move(crowd)), thread_([this] { run(); }) {}

Storm::~Storm() {
  ends_ = true;
  if (thread_.joinable()) thread_.join();
}

StormResult Storm::finish() {
  ends_ = true;
  thread_.join();
  return result_;
}

void Storm::run() {
  (void)setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kNice);
  while (!ends_) {
    for (size_t i = 0; i < crowd_->size() && !ends_; ++i) {
      Member* member = crowd_->at(i);
      if (member != nullptr && member->state() == Member::State::kConnecting) continue;
      if (member != nullptr && member->state() == Member::State::kConnected) {
        result_.took_ns.record(static_cast<uint64_t>((member->connected_at() - member->started()).count()));
        ++result_.connected;
        connected_ = result_.connected;
        member->leave(read_now());
      } else if (member != nullptr) {
        ++result_.failed;
        result_.error = member->error();
      }
      crowd_->close(i);
      if (Status opened = crowd_->open(i, read_now()); !opened) {
        ++result_.failed;
        result_.error = opened.error();
        return;
      }
    }
    crowd_->pass(std::chrono::milliseconds(1), [](size_t, const InnerPacket&) {});
  }
  for (size_t i = 0; i < crowd_->size(); ++i)
    if (crowd_->at(i) != nullptr) crowd_->at(i)->leave(read_now());
}

}  // namespace culvert::swarm
