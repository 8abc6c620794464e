#include "dataplane/link/trace_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "dataplane/steps/burst.h"

namespace culvert::dataplane {
namespace {

Error no_trace_memory(const char* what) {
  return Error{std::string("cannot make the memory of a trace: ") + what + ": " + std::strerror(errno)};
}

}  // namespace

Result<std::unique_ptr<TraceMemory>> TraceMemory::make(uint32_t workers, const abi::TraceRequest& request) {
  std::unique_ptr<TraceMemory> made(new TraceMemory);
  made->shape_ = abi::TraceShape::of(workers, request.snap);
  size_t size = made->shape_.total_size();
  made->memory_ = drivers::FileDescriptor(memfd_create("culvert-trace", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!made->memory_) return no_trace_memory("memfd_create");
  if (ftruncate(made->memory_.get(), static_cast<off_t>(size)) != 0) return no_trace_memory("no memory");
  // A reader that could cut it would make workers fault.
  if (fcntl(made->memory_.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
    return no_trace_memory("sealing");
  void* base = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, made->memory_.get(), 0);
  if (base == MAP_FAILED) return no_trace_memory("no memory");
  made->base_ = static_cast<std::byte*>(base);
  madvise(base, size, MADV_DONTDUMP);  // decrypted packets
  size_t per_worker = steps::kBurst * size_t{request.snap};
  made->scratch_.resize(workers * per_worker);
  for (uint32_t i = 0; i < workers; ++i)
    made->plans_.push_back({.what = request,
                            .ring = abi::TraceWriter(made->base_ + i * made->shape_.ring_size(), made->shape_),
                            .scratch = std::span(made->scratch_).subspan(i * per_worker, per_worker)});
  return made;
}

TraceMemory::~TraceMemory() {
  if (base_ != nullptr) munmap(base_, shape_.total_size());
}

uint64_t TraceMemory::written() const {
  uint64_t sum = 0;
  for (const steps::TracePlan& plan : plans_) sum += plan.ring.written();
  return sum;
}

uint64_t TraceMemory::lost() const {
  uint64_t sum = 0;
  for (const steps::TracePlan& plan : plans_) sum += plan.ring.lost();
  return sum;
}

}  // namespace culvert::dataplane
