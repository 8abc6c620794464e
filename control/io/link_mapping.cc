#include "control/io/link_mapping.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace culvert::io {

Result<std::shared_ptr<LinkMapping>> LinkMapping::map(Fd memfd) {
  int seals = fcntl(memfd.get(), F_GET_SEALS);
  if (seals < 0) return Error{"link: the descriptor handed over is no memfd"};
  if ((seals & (F_SEAL_SHRINK | F_SEAL_GROW)) != (F_SEAL_SHRINK | F_SEAL_GROW))
    return Error{"link: its size is not sealed, so it can't be trusted: not a culvert dataplane"};
  struct stat status {};
  if (fstat(memfd.get(), &status) != 0) return Error{std::string("link: fstat: ") + std::strerror(errno)};
  auto size = static_cast<size_t>(status.st_size);
  if (size < sizeof(abi::LinkHeader)) return Error{"link: shorter than its header: not a culvert dataplane"};

  void* base = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, memfd.get(), 0);
  if (base == MAP_FAILED) return Error{std::string("link: mmap: ") + std::strerror(errno)};
  abi::LinkHeader header{};
  std::memcpy(static_cast<void*>(&header), base, sizeof header);
  if (const char* why = abi::why_not_usable(header, size)) {
    munmap(base, size);
    return Error{std::string("link: ") + why};
  }
  // It holds keys: not into a core file, and into swap only where memory may not be locked.
  madvise(base, size, MADV_DONTDUMP);
  (void)mlock2(base, size, MLOCK_ONFAULT);
  return std::shared_ptr<LinkMapping>(new LinkMapping(base, header));
}

LinkMapping::~LinkMapping() {
  munmap(base_, header_.total_size);
}

}  // namespace culvert::io
