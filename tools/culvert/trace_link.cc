#include "tools/culvert/trace_link.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "control/io/unix_socket.h"
#include "dataplane/abi/layout.h"

namespace culvert::cli {
namespace {

constexpr int kAnswerWithinMs = 5000;
constexpr size_t kMostAtOnce = 4096;  ///< of one ring, before the next has its turn

const char* const kNonsense =
    "what the dataplane answers makes no sense: are culvert and culvert-dataplane of different versions?";

}  // namespace

abi::TraceRequest trace_everything() {
  abi::TraceRequest request{};
  request.magic = abi::kTraceMagic;
  request.version = abi::kTraceVersion;
  request.directions = abi::trace_direction::kBoth;
  request.reason = abi::kNoDropReason;
  request.every = 1;
  request.session.peer_id = abi::kNoPeerId;
  return request;
}

Result<std::unique_ptr<TraceLink>> TraceLink::start(const std::string& run_dir, const abi::TraceRequest& request) {
  const std::string path = run_dir + "/trace.sock";
  Result<io::Fd> fd = io::connect_unix(path, SOCK_SEQPACKET);
  if (!fd) {
    if (fd.error().ends_with(std::strerror(EACCES))) return Error{fd.error() + ": run it as root"};
    return Error{"no dataplane runs with run dir " + run_dir + " (" + fd.error() + ")"};
  }
  std::unique_ptr<TraceLink> link(new TraceLink);
  link->socket_ = std::move(*fd);
  if (send(link->socket_.get(), &request, sizeof request, MSG_NOSIGNAL) != static_cast<ssize_t>(sizeof request))
    return Error{path + ": " + std::strerror(errno)};
  pollfd wait{link->socket_.get(), POLLIN, 0};
  if (poll(&wait, 1, kAnswerWithinMs) != 1) return Error{"the dataplane of " + run_dir + " does not answer"};
  abi::TraceReply reply{};
  auto got = io::receive_with_fds(link->socket_.get(), std::as_writable_bytes(std::span(&reply, 1)));
  if (!got) return Error{got.error()};
  if (got->size != sizeof reply || got->truncated) return Error{kNonsense};
  reply.text.back() = '\0';
  if (reply.failed != 0) return Error{std::string(reply.text.data())};
  if (got->fds.size() != 1) return Error{kNonsense};
  if (Status mapped = link->map(got->fds[0].get(), reply); !mapped) return Error{mapped.error()};
  return link;
}

Status TraceLink::map(int fd, const abi::TraceReply& reply) {
  shape_ = {reply.workers, reply.slots, reply.slot_size};
  bool sane = shape_.workers >= 1 && shape_.workers <= abi::kMaxWorkers && shape_.slot_size % 64 == 0 &&
              shape_.slot_size >= sizeof(abi::TraceEntry) &&
              shape_.slot_size <= sizeof(abi::TraceEntry) + abi::kMaxTraceSnap && shape_.slots >= 1 &&
              shape_.slots <= abi::TraceShape::kMostSlots;
  struct stat about {};
  int seals = fcntl(fd, F_GET_SEALS);
  // One that could still shrink would end us with a signal.
  sane = sane && seals >= 0 && (seals & F_SEAL_SHRINK) != 0 && fstat(fd, &about) == 0 &&
         static_cast<uint64_t>(about.st_size) >= shape_.total_size();
  if (!sane) return Error{kNonsense};
  void* base = mmap(nullptr, shape_.total_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (base == MAP_FAILED) return Error{std::string("cannot map the trace: ") + std::strerror(errno)};
  base_ = static_cast<std::byte*>(base);
  for (uint32_t i = 0; i < shape_.workers; ++i) rings_.emplace_back(base_ + i * shape_.ring_size(), shape_);
  return {};
}

TraceLink::~TraceLink() {
  if (base_ != nullptr) munmap(base_, shape_.total_size());
}

Result<std::vector<TraceLink::Sample>> TraceLink::read_all() {
  std::vector<Sample> samples;
  std::vector<uint8_t> buffer(shape_.slot_size);
  for (uint32_t worker = 0; worker < shape_.workers; ++worker) {
    for (size_t i = 0; i < kMostAtOnce; ++i) {
      Sample sample{};
      std::span<const uint8_t> bytes;
      auto status = rings_[worker].read(sample.entry, buffer, bytes);
      if (status == abi::TraceReader::Status::kEmpty) break;
      if (status == abi::TraceReader::Status::kBad) return Error{"the dataplane writes entries that make no sense"};
      sample.bytes.assign(bytes.begin(), bytes.end());
      sample.worker = worker;
      samples.push_back(std::move(sample));
    }
  }
  std::ranges::stable_sort(samples, {}, [](const Sample& sample) { return sample.entry.time_ns; });
  return samples;
}

Result<std::vector<TraceLink::Sample>> TraceLink::take(int timeout_ms) {
  auto samples = read_all();
  if (!samples || !samples->empty()) return samples;
  pollfd wait{socket_.get(), POLLIN, 0};
  if (poll(&wait, 1, timeout_ms) == 1) return Error{"the dataplane has ended"};
  return read_all();
}

uint64_t TraceLink::lost() const {
  uint64_t sum = 0;
  for (const abi::TraceReader& ring : rings_) sum += ring.lost();
  return sum;
}

}  // namespace culvert::cli
