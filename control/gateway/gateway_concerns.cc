// What an operator should look at: found, logged, and kept for `culvert status`.
#include <algorithm>

#include "control/gateway/concerns.h"
#include "control/gateway/gateway.h"

namespace culvert::gateway {
namespace {

constexpr auto kConcernsEvery = std::chrono::hours(1);

}  // namespace

std::vector<std::string> Gateway::standing_concerns() const {
  std::vector<const config::ServerConfig*> servers;
  for (const auto& instance : instances_) servers.push_back(&instance->config);
  return concerns(servers, kernel_forwarding(), io::now().wall);
}

std::vector<std::string> Gateway::present_concerns() const {
  std::vector<std::string> present = standing_concerns();
  for (std::string& text : losses_.concerns(dataplane_drops())) present.push_back(std::move(text));
  return present;
}

void Gateway::look_at_concerns() {
  std::vector<std::string> present = standing_concerns();
  for (const std::string& text : present)
    if (std::ranges::find(told_concerns_, text) == told_concerns_.end()) io::log(io::LogLevel::kWarning, text);
  told_concerns_ = std::move(present);
}

void Gateway::watch_concerns() {
  look_at_concerns();
  loop_.at(io::mono_now() + kConcernsEvery, [this] { watch_concerns(); });
}

/// What the workers have dropped, all together; nothing without a dataplane.
LossWatch::Drops Gateway::dataplane_drops() const {
  LossWatch::Drops sum{};
  if (!link_.mapping()) return sum;
  const abi::LinkView& view = link_.mapping()->view();
  for (uint32_t worker = 0; worker < view.workers(); ++worker) {
    const abi::Tally tally = view.worker(worker).counters.read();
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += tally.drops[i];
  }
  return sum;
}

void Gateway::watch_losses() {
  for (const std::string& text : losses_.sample(dataplane_drops())) io::log(io::LogLevel::kWarning, text);
  loop_.at(io::mono_now() + LossWatch::kSampleEvery, [this] { watch_losses(); });
}

}  // namespace culvert::gateway
