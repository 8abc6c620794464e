#include "dataplane/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdio>

#include "dataplane/abi/layout.h"
#include "drivers/tun_device.h"

namespace culvert::dataplane {
namespace {

/// "any", or a list of cores such as "1" or "2,3,6-8". Throws CLI::ValidationError, which names the option.
std::vector<uint32_t> parse_cores(const std::string& text) {
  if (text == "any") return {kAnyCore};
  auto fail = [&]() -> CLI::ValidationError {
    return CLI::ValidationError("--workers", "'" + text + "' is neither 'any' nor a list of cores such as 2 or 2,4-6");
  };
  std::vector<uint32_t> cores;
  for (const std::string& part : CLI::detail::split(text, ',')) {
    uint32_t first = 0;
    const char* end = part.data() + part.size();
    auto parsed = std::from_chars(part.data(), end, first);
    uint32_t last = first;
    if (parsed.ec == std::errc() && parsed.ptr != end && *parsed.ptr == '-')
      parsed = std::from_chars(parsed.ptr + 1, end, last);
    if (parsed.ec != std::errc() || parsed.ptr != end || last < first || last - first >= abi::kMaxWorkers) throw fail();
    for (uint32_t core = first; core <= last; ++core) cores.push_back(core);
  }
  if (cores.empty()) throw fail();
  if (cores.size() > abi::kMaxWorkers)
    throw CLI::ValidationError("--workers", "at most " + std::to_string(abi::kMaxWorkers) + " workers (got " +
                                                std::to_string(cores.size()) + " cores)");
  for (uint32_t core : cores)
    if (std::count(cores.begin(), cores.end(), core) > 1)
      throw CLI::ValidationError("--workers", "core " + std::to_string(core) + " is named twice: one worker a core");
  return cores;
}

/// Throws CLI::ValidationError.
std::vector<NicOptions> parse_ports(const std::vector<std::string>& texts) {
  std::vector<NicOptions> ports;
  for (const std::string& text : texts) {
    auto port = parse_nic_options(text, ports.size());
    if (!port) throw CLI::ValidationError("--port", "'" + text + "': " + port.error());
    for (const NicOptions& other : ports)
      if (other.name == port->name || other.device == port->device)
        throw CLI::ValidationError("--port", "'" + text + "': another port has this device or name");
    ports.push_back(*port);
  }
  return ports;
}

}  // namespace

std::variant<Options, int> parse_options(int argc, char** argv) {
  Options options;
  std::string workers = "any";
  std::string huge = "auto";
  CLI::App app{
      "culvert's dataplane: owns the sockets and the TUN, encrypts and decrypts. culvert-control tells it what to do."};
  app.set_version_flag("--version", "culvert-dataplane " CULVERT_VERSION);
  bool tell_link_version = false;
  app.add_flag("--link-version", tell_link_version,
               "print the version of the link that this program speaks with control, and end; other options are judged "
               "as at a start");
  app.add_option("--run-dir", options.run_dir, "folder of this instance: link.sock, through which control attaches")
      ->required();
  app.add_option("--workers", workers,
                 "cores, one worker on each, such as 2 or 2,4-6; or 'any' for one that runs where the kernel likes")
      ->capture_default_str();
  app.add_option("--sessions", options.sessions, "most sessions at a time")
      ->check(CLI::Range(1u, abi::kMaxSessions))
      ->capture_default_str();
  app.add_option(
         "--tun-mtu", options.tun_mtu,
         "largest tun-mtu of the configuration: packet buffers are made to hold it, and are never smaller than for "
         "1500")
      ->check(CLI::Range(drivers::kMinTunMtu, drivers::kMaxTunMtu))
      ->capture_default_str();
  app.add_option("--control-uid", options.control_uid,
                 "user that control runs as, besides root and this process's own");
  app.add_option("--control-gid", options.control_gid, "group that control runs as, likewise");
  app.add_option("--huge", huge, "hugepages: auto (when there are free ones) or off")
      ->check(CLI::IsMember({"auto", "off"}))
      ->capture_default_str();
  std::vector<std::string> ports;
  app.add_option("--port", ports,
                 "NIC mode: a DPDK device, such as 0000:3b:00.0 or net_af_xdp0,iface=eth1; then ;name=NAME of its "
                 "interface in the kernel, ;mtu=BYTES, ;address=IP/PREFIX. Once for each port")
      ->type_name("DEVICE[;KEY=VALUE]...")
      ->take_all();
  try {
    app.parse(argc, argv);
    options.ports = parse_ports(ports);
    options.cores = parse_cores(workers);
    options.huge = huge == "off" ? Huge::kOff : Huge::kAuto;
    if (tell_link_version) {
      std::printf("%u\n", abi::kAbiVersion);
      return 0;
    }
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    std::fprintf(stderr, "dataplane: %s\n", error.what());
    return 2;
  }
  return options;
}

}  // namespace culvert::dataplane
