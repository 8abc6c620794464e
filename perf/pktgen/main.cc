// pktgen: clients and the host behind the gateway, on two DPDK ports. README.md of this folder says how to read the
// figures.
#include <rte_eal.h>
#include <sched.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "dataplane/eal.h"
#include "drivers/nic/xdp_messages.h"
#include "perf/common/result_file.h"
#include "perf/pktgen/reflect.h"
#include "perf/pktgen/report.h"

namespace {

using namespace culvert;
using namespace culvert::pktgen;

constexpr uint32_t kPacketBuffers = 16383;  ///< two ports of 1,024 descriptors each way, 4,096 with AF_XDP

/// Progress, on stderr: stdout has the results.
void say(const std::string& text) {
  std::fprintf(stderr, "pktgen: %s\n", text.c_str());
}

Status stay_on(uint32_t core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  if (sched_setaffinity(0, sizeof set, &set) == 0) return {};
  return Error{"--core " + std::to_string(core) + ": " + std::strerror(errno) +
               "; nproc says how many cores there are"};
}

Result<std::vector<Case>> run_cases(Generator& generator, const Options& options) {
  std::vector<Case> cases;
  auto log = [&](const std::string& text) {
    if (options.progress) say(text);
  };
  for (Direction direction : options.directions) {
    for (uint32_t size : options.sizes) {
      auto done = run_case(
          direction, size, options, [&](const TrialSettings& trial) { return generator.run(trial); }, log);
      if (!done) return Error{done.error()};
      cases.push_back(std::move(*done));
    }
  }
  return cases;
}

/// Exit status: 0, or 1 when packets came back wrong.
Result<int> measure(const Options& options, rte_mempool* packets) {
  auto log = [&](const std::string& text) {
    if (options.progress) say(text);
  };
  auto generator = Generator::make(options, packets, log);
  if (!generator) return Error{generator.error()};
  Setting setting{(*generator)->cipher(), (*generator)->aead_name(), (*generator)->handshake_seconds()};
  std::printf("%s%u clients, %s; the generator's AEAD: %s\n", options.loopback ? "The generator by itself: " : "",
              options.clients, setting.cipher.c_str(), setting.aead.c_str());
  if (!options.loopback)
    std::printf("%u handshakes in %.2f s (both ends on this machine)\n", options.clients, setting.handshake_seconds);
  auto cases = run_cases(**generator, options);
  (*generator)->leave();
  if (!cases) return Error{cases.error()};
  std::printf("\n%s", to_table(*cases).c_str());
  if (Status written = perf::write_file(options.json, to_json(*cases, setting, options)); !written)
    return Error{written.error()};
  if (Status written = perf::write_file(options.svg, to_svg(*cases, setting, options)); !written)
    return Error{written.error()};
  std::string complaints = to_complaints(*cases);
  if (!complaints.empty()) std::fprintf(stderr, "%s", complaints.c_str());
  return complaints.empty() ? 0 : 1;
}

Result<int> run(const Options& options) {
  for (const std::string& file : {options.json, options.svg})
    if (Status writable = perf::check_writable(file); !writable) return Error{writable.error()};
  drivers::quiet_xdp_libraries();
  dataplane::EalOptions eal;
  eal.huge = options.huge ? dataplane::Huge::kAuto : dataplane::Huge::kOff;
  eal.memory_mb = 128;
  eal.cores = {};  // one thread, this one
  auto started = dataplane::start_eal(eal);
  if (!started) return Error{started.error()};
  if (options.core)
    if (Status pinned = stay_on(*options.core); !pinned) return Error{pinned.error()};
  auto packets = dataplane::make_packet_pool("pktgen", kPacketBuffers);
  if (!packets) return Error{packets.error()};
  Result<int> done = 0;
  if (!options.reflect)
    done = measure(options, *packets);
  else if (Status reflected = reflect(options, *packets); !reflected)
    done = Error{reflected.error()};
  rte_eal_cleanup();
  return done;
}

}  // namespace

int main(int argc, char** argv) {
  auto [options, exit_status] = parse_options(argc, argv);
  if (exit_status) return *exit_status;
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  auto done = run(options);
  if (!done) say(done.error());
  return done ? *done : 1;
}
