#include "dataplane/eal.h"

#include <fcntl.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>

#include "drivers/file_descriptor.h"

namespace culvert::dataplane {
namespace {

constexpr uint32_t kPoolCache = 256;  ///< buffers that an lcore keeps to itself

/// The CPUs this process may use, as EAL's "0,1,4".
std::string allowed_cpus(const cpu_set_t& allowed) {
  std::string text;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &allowed)) text += (text.empty() ? "" : ",") + std::to_string(cpu);
  return text;
}

/// True when `bytes` of hugepages of `page_size` bytes can really be had: counted as free, and not held back by a
/// cgroup.
bool can_have_hugepages(size_t page_size, size_t bytes) {
  int size_flag = __builtin_ctzll(page_size) << MAP_HUGE_SHIFT;
  size_t length = (bytes + page_size - 1) / page_size * page_size;
  void* probe =
      mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | size_flag, -1, 0);
  if (probe == MAP_FAILED) return false;
  // MADV_POPULATE_WRITE reports what would be a SIGBUS at the first touch.
  bool usable = madvise(probe, length, MADV_POPULATE_WRITE) == 0;
  munmap(probe, length);
  return usable;
}

/// Size of the hugepages to use, in bytes; nothing when there are not `bytes` of them.
std::optional<size_t> find_hugepages(size_t bytes) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/sys/kernel/mm/hugepages", error)) {
    size_t page_kb = 0;
    if (std::sscanf(entry.path().filename().c_str(), "hugepages-%zukB", &page_kb) != 1) continue;
    size_t free_pages = 0;
    std::ifstream(entry.path() / "free_hugepages") >> free_pages;
    if (free_pages * page_kb * 1024 >= bytes && can_have_hugepages(page_kb * 1024, bytes)) return page_kb * 1024;
  }
  return std::nullopt;
}

/// A lock of all instances of this machine, held from the look at the free hugepages until EAL has taken them: those
/// that start together would count the same pages, and EAL can't start a second time. Whoever holds it for longer than
/// a start can take is no reason not to go on.
drivers::FileDescriptor take_hugepage_lock() {
  constexpr int kAttempts = 300;
  constexpr useconds_t kBetween = 10'000;
  drivers::FileDescriptor file(open("/proc/sys/vm/nr_hugepages", O_RDONLY | O_CLOEXEC));
  for (int i = 0; file && i < kAttempts; ++i) {
    if (flock(file.get(), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) break;
    usleep(kBetween);
  }
  return file;
}

/// EAL's lcore map: lcore 0 (main) floats, lcore i + 1 is worker i.
Result<std::string> lcore_map(const std::vector<uint32_t>& cores) {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
    return Error{std::string("cannot read the CPUs of this process: ") + std::strerror(errno)};
  std::string all = allowed_cpus(allowed);
  std::string map = "0@(" + all + ")";
  for (size_t i = 0; i < cores.size(); ++i) {
    bool any = cores[i] == kAnyCore;
    if (!any && (cores[i] >= CPU_SETSIZE || !CPU_ISSET(cores[i], &allowed)))
      return Error{"core " + std::to_string(cores[i]) + " is not one that this process may use (it may use " + all +
                   ")"};
    map += "," + std::to_string(i + 1) + "@(" + (any ? all : std::to_string(cores[i])) + ")";
  }
  return map;
}

/// Runs rte_eal_init with its folder inside `run_dir`, and removes that folder: with no shared configuration it stays
/// empty.
int init_eal(std::vector<std::string> arguments, const std::string& run_dir) {
  const char* before = std::getenv("RUNTIME_DIRECTORY");
  std::string saved = before ? before : "";
  setenv("RUNTIME_DIRECTORY", run_dir.c_str(), 1);
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  int result = rte_eal_init(static_cast<int>(argv.size()), argv.data());
  int reason = rte_errno;
  if (before)
    setenv("RUNTIME_DIRECTORY", saved.c_str(), 1);
  else
    unsetenv("RUNTIME_DIRECTORY");
  rmdir((run_dir + "/dpdk/culvert").c_str());
  rmdir((run_dir + "/dpdk").c_str());
  rte_errno = reason;
  return result;
}

}  // namespace

Result<EalInfo> start_eal(const EalOptions& options) {
  Result<std::string> map = lcore_map(options.cores);
  if (!map) return Error{map.error()};
  EalInfo info;
  std::string megabytes = std::to_string(options.memory_mb);
  std::vector<std::string> arguments = {"culvert-dataplane",
                                        "--no-telemetry",
                                        "--no-shconf",
                                        "--file-prefix",
                                        "culvert",
                                        "--log-level",
                                        "error",
                                        "--lcores",
                                        *map,
                                        "--main-lcore",
                                        "0",
                                        "-m",
                                        megabytes};
  for (const std::string& device : options.pci) arguments.insert(arguments.end(), {"-a", device});
  // With PCI devices, EAL chooses the addresses that their driver and the IOMMU allow.
  if (options.pci.empty()) arguments.insert(arguments.end(), {"--no-pci", "--iova-mode", "va"});
  std::optional<size_t> page;
  drivers::FileDescriptor turn;
  if (options.huge == Huge::kAuto) {
    turn = take_hugepage_lock();
    page = find_hugepages(size_t{options.memory_mb} << 20);
  }
  if (page) {
    // Anonymous hugepages: no mount point, no file. (DPDK 22.11 refuses --in-memory together with --no-huge.)
    arguments.push_back("--in-memory");
    info.memory = "hugepages of " + std::to_string(*page >> 20) + " MB";
  } else {
    arguments.push_back("--no-huge");
    info.memory =
        options.huge == Huge::kOff ? "ordinary memory" : "ordinary memory, no " + megabytes + " MB of free hugepages";
  }
  if (init_eal(arguments, options.run_dir) < 0)
    return Error{"DPDK did not start: " + std::string(rte_strerror(rte_errno)) + " (" + info.memory + ")"};
  for (size_t i = 0; i < options.cores.size(); ++i) info.worker_lcores.push_back(static_cast<unsigned>(i + 1));
  return info;
}

Result<rte_mempool*> make_packet_pool(const std::string& name, uint32_t count, uint16_t largest, int node) {
  uint32_t cache = std::min<uint32_t>(kPoolCache, count / 2);  // DPDK refuses one of more than two thirds of the pool
  auto room = static_cast<uint16_t>(kHeadroom + largest + kTailroom);
  rte_mempool* pool = rte_pktmbuf_pool_create(name.c_str(), count, cache, kPacketPrivateSize, room, node);
  if (!pool) return Error{"no memory for " + std::to_string(count) + " packet buffers: " + rte_strerror(rte_errno)};
  return pool;
}

}  // namespace culvert::dataplane
