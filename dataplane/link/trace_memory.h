// What one trace needs (abi/trace.h): its memory, and a plan for each worker.
#pragma once

#include <memory>
#include <vector>

#include "dataplane/abi/result.h"
#include "dataplane/abi/trace.h"
#include "dataplane/steps/trace.h"
#include "drivers/file_descriptor.h"

namespace culvert::dataplane {

class TraceMemory {
 public:
  /// For `workers`, of what a valid `request` asks for. Everything is allocated and touched here: workers neither
  /// allocate nor fault. Error: no memory.
  static Result<std::unique_ptr<TraceMemory>> make(uint32_t workers, const abi::TraceRequest& request);
  ~TraceMemory();
  TraceMemory(const TraceMemory&) = delete;
  TraceMemory& operator=(const TraceMemory&) = delete;

  int fd() const { return memory_.get(); }
  const abi::TraceShape& shape() const { return shape_; }
  steps::TracePlan* plan(uint32_t worker) { return &plans_[worker]; }
  /// Entries written and lost. Only when no worker uses it any more.
  uint64_t written() const;
  uint64_t lost() const;

 private:
  TraceMemory() = default;

  drivers::FileDescriptor memory_;
  abi::TraceShape shape_;
  std::byte* base_ = nullptr;
  std::vector<uint8_t> scratch_;
  std::vector<steps::TracePlan> plans_;
};

}  // namespace culvert::dataplane
