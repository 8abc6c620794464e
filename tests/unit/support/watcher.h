// Somebody who traces a path: the plan, its ring, and what is read out of it.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/path.h"
#include "dataplane/steps/burst.h"
#include "dataplane/steps/trace.h"
#include "tests/unit/support/inner_packets.h"

namespace culvert::testing {

class Watcher {
 public:
  /// Asks for every packet in both directions, without bytes; `change(TraceRequest&)` makes something else of it.
  explicit Watcher(auto change, uint32_t slots = 256) {
    plan_.what = {};
    plan_.what.directions = abi::trace_direction::kBoth;
    plan_.what.every = 1;
    plan_.what.reason = abi::kNoDropReason;
    plan_.what.session.peer_id = abi::kNoPeerId;
    change(plan_.what);
    shape_ = abi::TraceShape::of(1, plan_.what.snap);
    shape_.slots = slots;
    memory_.reset(static_cast<std::byte*>(std::aligned_alloc(64, shape_.total_size())));
    std::memset(memory_.get(), 0, shape_.total_size());
    scratch_.resize(steps::kBurst * size_t{plan_.what.snap});
    plan_.scratch = scratch_;
    plan_.ring = abi::TraceWriter(memory_.get(), shape_);
    reader_ = abi::TraceReader(memory_.get(), shape_);
  }
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  /// Traces `path` from now on; outlives it.
  void follow(dataplane::Path& path) {
    path.follow_traces(&mailbox);
    mailbox.post(&plan_);
    path.flush();
    EXPECT_TRUE(mailbox.is_adopted());
  }

  struct Seen {
    abi::TraceEntry entry;
    Bytes bytes;
    std::string step() const { return entry.step.data(); }
    std::string reason() const {
      return entry.reason == abi::kNoDropReason ? "" : std::string(abi::kDropInfo[entry.reason].name);
    }
  };
  /// What has been told since the last call.
  std::vector<Seen> seen() {
    std::vector<Seen> all;
    std::vector<uint8_t> buffer(shape_.slot_size);
    Seen one{};
    std::span<const uint8_t> bytes;
    while (true) {
      auto status = reader_.read(one.entry, buffer, bytes);
      EXPECT_NE(status, abi::TraceReader::Status::kBad);
      if (status != abi::TraceReader::Status::kEntry) return all;
      one.bytes.assign(bytes.begin(), bytes.end());
      all.push_back(one);
    }
  }

  steps::TraceMailbox mailbox;

 private:
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  std::unique_ptr<std::byte, Free> memory_;
  abi::TraceShape shape_;
  std::vector<uint8_t> scratch_;
  steps::TracePlan plan_{};
  abi::TraceReader reader_;
};

}  // namespace culvert::testing
