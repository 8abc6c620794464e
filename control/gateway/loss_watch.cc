#include "control/gateway/loss_watch.h"

namespace culvert::gateway {

using abi::DropReason;

namespace {

constexpr std::array kLosses = {DropReason::udp_rx_missed, DropReason::tun_rx_missed, DropReason::nic_rx_missed};

}  // namespace

/// Since the oldest sample.
uint64_t LossWatch::lost(const Drops& drops, DropReason reason) const {
  if (samples_.empty()) return 0;
  const auto index = static_cast<size_t>(reason);
  const uint64_t before = samples_.front()[index];
  return drops[index] > before ? drops[index] - before : 0;
}

std::string LossWatch::text(const Drops& drops, DropReason reason) const {
  const abi::DropInfo& about = abi::info(reason);
  return std::to_string(lost(drops, reason)) + " packets were lost within " +
         std::to_string(kSampleEvery.count() * static_cast<int64_t>(kSamples)) + " minutes (" +
         std::string(about.name) + "): " + std::string(about.text);
}

std::vector<std::string> LossWatch::concerns(const Drops& drops) const {
  std::vector<std::string> out;
  for (DropReason reason : kLosses)
    if (is_concern(drops, reason)) out.push_back(text(drops, reason));
  return out;
}

std::vector<std::string> LossWatch::sample(const Drops& drops) {
  std::vector<std::string> out;
  for (DropReason reason : kLosses)
    if (is_concern(drops, reason) && !is_concern(samples_.back(), reason)) out.push_back(text(drops, reason));
  samples_.push_back(drops);
  if (samples_.size() > kSamples) samples_.pop_front();
  return out;
}

}  // namespace culvert::gateway
