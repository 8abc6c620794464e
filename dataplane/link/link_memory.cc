#include "dataplane/link/link_memory.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

namespace culvert::dataplane {
namespace {

Error no_link(const char* what) {
  return Error{std::string("cannot make the link: ") + what + ": " + std::strerror(errno)};
}

void fill_header(const abi::LinkView& view, uint64_t size, const char* version) {
  abi::LinkHeader& header = view.header();
  header.magic = abi::kLinkMagic;
  header.abi_version = abi::kAbiVersion;
  header.header_size = sizeof(abi::LinkHeader);
  header.total_size = size;
  header.workers = view.workers();
  header.sessions = view.sessions();
  header.worker_area_size = sizeof(abi::WorkerArea);
  header.session_record_size = sizeof(abi::SessionRecord);
  header.seen_ids_size = sizeof(abi::SeenIds);
  header.network_list_size = sizeof(abi::NetworkList);
  while (header.boot_id == 0)
    if (getrandom(&header.boot_id, sizeof header.boot_id, 0) < 0) header.boot_id = static_cast<uint64_t>(getpid());
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  header.started_mono_ns = static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
  header.dataplane_pid = getpid();
  std::string_view text(version);
  std::copy_n(text.begin(), std::min(text.size(), header.version.size() - 1), header.version.begin());
}

}  // namespace

Result<LinkMemory> LinkMemory::make(uint32_t workers, uint32_t sessions, const char* version) {
  LinkMemory link;
  link.size_ = abi::layout_for(workers, sessions).total_size;
  link.memory_ = drivers::FileDescriptor(memfd_create("culvert-link", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!link.memory_) return no_link("memfd_create");
  if (ftruncate(link.memory_.get(), static_cast<off_t>(link.size_)) != 0) return no_link("no memory");
  // Neither side can change the size any more, so neither can make the other fault on a page that is gone.
  if (fcntl(link.memory_.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) return no_link("sealing");
  link.base_ = mmap(nullptr, link.size_, PROT_READ | PROT_WRITE, MAP_SHARED, link.memory_.get(), 0);
  if (link.base_ == MAP_FAILED) {
    link.base_ = nullptr;
    return no_link("no memory");
  }
  link.locked_ = mlock2(link.base_, link.size_, MLOCK_ONFAULT) == 0;
  madvise(link.base_, link.size_, MADV_DONTDUMP);
  for (uint32_t i = 0; i < workers; ++i) {
    link.worker_doorbells_.emplace_back(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    link.control_doorbells_.emplace_back(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!link.worker_doorbells_.back() || !link.control_doorbells_.back()) return no_link("eventfd");
  }
  link.view_ = abi::LinkView(link.base_, workers, sessions);
  fill_header(link.view_, link.size_, version);
  return link;
}

LinkMemory::LinkMemory(LinkMemory&& other) noexcept {
  *this = std::move(other);
}

LinkMemory& LinkMemory::operator=(LinkMemory&& other) noexcept {
  std::swap(memory_, other.memory_);
  std::swap(worker_doorbells_, other.worker_doorbells_);
  std::swap(control_doorbells_, other.control_doorbells_);
  std::swap(view_, other.view_);
  std::swap(base_, other.base_);
  std::swap(size_, other.size_);
  std::swap(locked_, other.locked_);
  return *this;
}

LinkMemory::~LinkMemory() {
  // No wiping: control may live on and serve a new dataplane from this very memory (setup.h).
  if (base_) munmap(base_, size_);
}

std::vector<int> LinkMemory::handover() const {
  std::vector<int> fds = {memory_fd()};
  for (uint32_t i = 0; i < view_.workers(); ++i) {
    fds.push_back(worker_doorbell(i));
    fds.push_back(control_doorbell(i));
  }
  return fds;
}

void ring_doorbell(int fd) {
  // The flag O_NONBLOCK belongs to both processes: the neighbour may have taken it away.
  pollfd writable{fd, POLLOUT, 0};
  if (poll(&writable, 1, 0) != 1) return;
  uint64_t one = 1;
  [[maybe_unused]] ssize_t written = write(fd, &one, sizeof one);
}

}  // namespace culvert::dataplane
