#include "perf/tunnel/ends.h"

#include <signal.h>

#include <CLI/CLI.hpp>

#include <charconv>
#include <csignal>

#include "dataplane/abi/endpoint_text.h"
#include "dataplane/eal.h"

namespace culvert::perf {
namespace {

constexpr uint32_t kPacketBuffers = 8191;
constexpr uint32_t kMemoryMb = 64;

volatile std::sig_atomic_t ending = 0;

/// A whole number that is all of `text`, at most `most`.
std::optional<uint32_t> parse_number(std::string_view text, uint32_t most) {
  uint32_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > most) return std::nullopt;
  return value;
}

}  // namespace

void add_options(CLI::App& app, EndOptions& options) {
  app.add_option("--tun", options.tun, "name of the TUN device to make")->capture_default_str();
  app.add_option("--address", options.address, "its address, as 10.8.0.2/24")->required();
  app.add_option("--mtu", options.mtu, "its MTU")->capture_default_str();
  app.add_option("--remote", options.remote, "the other end, as 192.0.2.1:1194")->required();
  app.add_option("--local", options.local, "address and port to send from")->capture_default_str();
}

Result<abi::Endpoint> parse_endpoint(const std::string& text) {
  size_t colon = text.rfind(':');
  if (colon == std::string::npos) return Error{text + ": a port is missing (ADDRESS:PORT)"};
  std::string host = text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  auto address = abi::parse_ip(host);
  auto port = parse_number(text.substr(colon + 1), 65535);
  if (!address || !port) return Error{text + ": not an address and a port"};
  abi::Endpoint endpoint;
  endpoint.address = *address;
  endpoint.port = static_cast<uint16_t>(*port);
  return endpoint;
}

Result<abi::TunAddress> parse_prefix(const std::string& text) {
  size_t slash = text.find('/');
  auto address = abi::parse_ip(text.substr(0, slash));
  auto length = slash == std::string::npos ? std::nullopt : parse_number(text.substr(slash + 1), 128);
  if (!address || !length) return Error{text + ": not an address with a prefix length"};
  abi::TunAddress prefix{};
  prefix.address = *address;
  prefix.prefix = static_cast<uint8_t>(*length);
  return prefix;
}

Result<Ends> open_ends(const EndOptions& options) {
  auto address = parse_prefix(options.address);
  if (!address) return Error{"--address " + address.error()};
  auto remote = parse_endpoint(options.remote);
  if (!remote) return Error{"--remote " + remote.error()};
  auto local = parse_endpoint(options.local);
  if (!local) return Error{"--local " + local.error()};
  auto eal = dataplane::start_eal({.huge = dataplane::Huge::kOff, .memory_mb = kMemoryMb});
  if (!eal) return Error{eal.error()};
  auto packets = dataplane::make_packet_pool("packets", kPacketBuffers);
  if (!packets) return Error{packets.error()};

  drivers::TunSettings tun_settings;
  tun_settings.name = options.tun;
  tun_settings.mtu = options.mtu;
  tun_settings.addresses = {*address};
  auto device = drivers::make_tun(tun_settings);
  if (!device) return Error{device.error()};
  drivers::UdpSettings udp_settings;
  udp_settings.local = *local;
  auto socket = drivers::open_udp_socket(udp_settings);
  if (!socket) return Error{socket.error()};
  return Ends{*packets, std::make_shared<drivers::TunPort>(*std::move(device), *packets),
              std::make_shared<drivers::KernelUdpPort>(*std::move(socket), uint16_t{0}, *packets), *remote};
}

void catch_signals() {
  struct sigaction action {};
  action.sa_handler = [](int) { ending = 1; };
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
}

bool must_end() {
  return ending != 0;
}

}  // namespace culvert::perf
