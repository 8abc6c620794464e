#include "perf/pktgen/options.h"

#include <CLI/CLI.hpp>

#include <charconv>
#include <cstdio>

#include "dataplane/abi/endpoint_text.h"
#include "dataplane/abi/result.h"

namespace culvert::pktgen {
namespace {

/// The options whose texts CLI11 does not read by itself.
struct Texts {
  std::string outer_address, outer_gateway, inner_address, inner_gateway, client_network;
  std::vector<std::string> directions, sizes;
};

Status read_address(const char* option, const std::string& text, Ip4& address) {
  if (text.empty()) return {};
  auto parsed = abi::parse_ip(text);
  if (!parsed || parsed->family != abi::Family::kIpv4)
    return Error{std::string(option) + " " + text + ": give an IPv4 address such as 192.0.2.2"};
  std::copy_n(parsed->bytes.begin(), address.size(), address.begin());
  return {};
}

Status read_sizes(const std::vector<std::string>& texts, std::vector<uint32_t>& sizes) {
  if (!texts.empty()) sizes.clear();
  for (const std::string& text : texts) {
    if (text == "rfc2544") {
      // RFC 2544, section 9.1, as inner packets; the largest is what fits.
      for (uint32_t each : {64u, 128u, 256u, 512u, 1024u, 1280u, kLargestSize}) sizes.push_back(each);
      continue;
    }
    uint32_t size = kImix;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
    bool number = error == std::errc() && end == text.data() + text.size();
    if (text != "imix" && (!number || size < kSmallestSize || size > kLargestSize))
      return Error{"--size " + text + ": give bytes of an inner IP packet from " + std::to_string(kSmallestSize) +
                   " (headers and our stamp) to " + std::to_string(kLargestSize) + ", imix, or rfc2544"};
    sizes.push_back(text == "imix" ? kImix : size);
  }
  return {};
}

Status read_directions(const std::vector<std::string>& texts, std::vector<Direction>& directions) {
  if (!texts.empty()) directions.clear();
  for (const std::string& text : texts) {
    std::optional<Direction> found;
    for (Direction each : {Direction::kDecrypt, Direction::kEncrypt, Direction::kBoth})
      if (to_text(each) == text) found = each;
    if (!found) return Error{"--direction " + text + ": choose from decrypt, encrypt, both"};
    directions.push_back(*found);
  }
  return {};
}

Status check_together(const Options& options) {
  if (options.rate_mpps > 0 && options.rate_gbps > 0)
    return Error{"--rate and --rate-gbps: give one of them, they mean the same"};
  if (options.clients / options.client_addresses + ClientGrid::kFirstPort >= 65535)
    return Error{"--clients " + std::to_string(options.clients) + ": more than " +
                 std::to_string(options.client_addresses) + " addresses have ports for; raise --client-addresses"};
  if (options.reflect && options.loopback) return Error{"--reflect and --loopback: one pktgen does one of them"};
  if (options.reflect && options.outer_device.empty() && options.inner_device.empty())
    return Error{"--reflect: name a port with --outer DEVICE, --inner DEVICE, or both"};
  if (options.loopback && options.outer_device.empty() != options.inner_device.empty())
    return Error{"--loopback: give both of --outer and --inner, or none for rings"};
  if (options.loopback || options.reflect) return {};
  for (auto [option, missing] : {std::pair{"--outer DEVICE", options.outer_device.empty()},
                                 {"--inner DEVICE", options.inner_device.empty()},
                                 {"--profile FILE", options.profile.empty()},
                                 {"--outer-address IP", options.outer_address == Ip4{}},
                                 {"--inner-address IP", options.inner_address == Ip4{}},
                                 {"--inner-gateway IP", options.inner_gateway == Ip4{}}})
    if (missing)
      return Error{std::string(option) + " is missing; perf/pktgen/run sets up a gateway and gives all of them"};
  return {};
}

Status finish(const Texts& texts, Options& options) {
  for (const Status& status :
       {read_address("--outer-address", texts.outer_address, options.outer_address),
        read_address("--outer-gateway", texts.outer_gateway, options.outer_gateway),
        read_address("--inner-address", texts.inner_address, options.inner_address),
        read_address("--inner-gateway", texts.inner_gateway, options.inner_gateway),
        read_address("--client-network", texts.client_network, options.client_network),
        read_sizes(texts.sizes, options.sizes), read_directions(texts.directions, options.directions)})
    if (!status) return status;
  return check_together(options);
}

void add_wire_options(CLI::App& app, Options& options, Texts& texts) {
  app.add_option("--outer", options.outer_device,
                 "DPDK device towards the gateway's outer port, such as "
                 "net_memif0,role=client,socket-abstract=no,socket=/tmp/wan.sock")
      ->type_name("DEVICE");
  app.add_option("--inner", options.inner_device, "likewise towards its inner port")->type_name("DEVICE");
  app.add_option("--profile", options.profile,
                 "a client's .ovpn file (culvert client add); all clients use it, so "
                 "the gateway needs duplicate-cn")
      ->type_name("FILE");
  app.add_option("--outer-address", texts.outer_address,
                 "our address on the outer wire: the router before the clients");
  app.add_option("--outer-gateway", texts.outer_gateway, "the gateway's address there; default: the profile's remote");
  app.add_option("--inner-address", texts.inner_address,
                 "our address on the inner wire: the host that clients talk to");
  app.add_option("--inner-gateway", texts.inner_gateway, "the gateway's address there");
  app.add_option("--client-network", texts.client_network,
                 "first outer address of the clients; default 198.18.0.0; the "
                 "gateway needs a route to them by --outer-address");
  app.add_option("--client-addresses", options.client_addresses,
                 "outer addresses that clients are spread over; default 64")
      ->check(CLI::Range(1u, 65536u));
  app.add_option("--clients", options.clients, "sessions; default 1")->check(CLI::Range(1u, 100000u));
  app.add_option("--flows", options.flows, "UDP flows in each session; default 4")->check(CLI::Range(1u, 1000u));
}

void add_trial_options(CLI::App& app, Options& options, Texts& texts) {
  app.add_option("--direction", texts.directions, "decrypt (clients to host), encrypt, both; default decrypt,encrypt")
      ->delimiter(',');
  app.add_option("--size", texts.sizes,
                 "bytes of inner IP packets, imix, or rfc2544 (its sizes); default "
                 "64,512,1400,imix")
      ->delimiter(',');
  app.add_option("--cipher", options.cipher, "offer this data cipher only")
      ->check(CLI::IsMember({"AES-128-GCM", "AES-192-GCM", "AES-256-GCM", "CHACHA20-POLY1305"}));
  app.add_option("--rate", options.rate_mpps, "no search: one trial at so many million packets per second")
      ->check(CLI::Range(0.000001, 1000.0));
  app.add_option("--rate-gbps", options.rate_gbps, "likewise, in Gb/s of inner packets")
      ->check(CLI::Range(0.000001, 1000.0));
  app.add_option("--max-rate", options.max_mpps, "where the search begins, in million packets per second; default 20")
      ->check(CLI::Range(0.001, 1000.0));
  app.add_option("--trial", options.trial_seconds, "seconds of one trial; default 1")->check(CLI::Range(0.01, 3600.0));
  app.add_option("--patience", options.patience_seconds,
                 "seconds without a packet, behind a trial, after which what has not come is lost; default 0.2. Longer "
                 "where somebody else may take the gateway's core away")
      ->check(CLI::Range(0.01, kDrainSeconds));
  app.add_option("--resolution", options.resolution_percent, "of the search, in per cent of the result; default 1")
      ->check(CLI::Range(0.01, 50.0));
  app.add_option("--pdr-loss", options.loss_percent, "loss that PDR allows, in per cent; default 0.5")
      ->check(CLI::Range(0.0, 50.0));
  app.add_option(
         "--tries", options.tries,
         "trials that must all lose too much before a rate counts as too high, and trials of which the middle one "
         "gives the latency; default 1")
      ->check(CLI::Range(1u, 100u));
  app.add_option("--load", options.loads, "loads at which latency is measured, in per cent of PDR; default 10,50,90")
      ->delimiter(',')
      ->check(CLI::Range(0.1, 100.0));
  app.add_flag("!--no-udp-checksum", options.udp_checksum,
               "clients leave the outer UDP checksum out, which spares the gateway what a NIC would check for it");
}

}  // namespace

std::string to_text(Direction direction) {
  return direction == Direction::kDecrypt ? "decrypt" : direction == Direction::kEncrypt ? "encrypt" : "both";
}

std::string size_text(uint32_t size) {
  return size == kImix ? "imix" : std::to_string(size);
}

double mean_size(uint32_t size) {
  return size == kImix ? (7 * 64 + 4 * 576 + 1400) / 12.0 : size;
}

Parsed parse_options(int argc, const char* const* argv) {
  Parsed parsed;
  Options& options = parsed.options;
  Texts texts;
  bool huge_off = false, quiet = false;
  CLI::App app{
      "Plays OpenVPN clients and the host behind the gateway, on two DPDK ports; finds the highest rates without "
      "loss (NDR) and with little (PDR), and the latency below them. perf/pktgen/run starts a gateway for it."};
  add_wire_options(app, options, texts);
  add_trial_options(app, options, texts);
  app.add_flag(
      "--loopback", options.loopback,
      "what the generator does by itself: sessions without handshake, on ports that lead back to it (rings of its "
      "own, unless --outer and --inner name others)");
  app.add_flag("--reflect", options.reflect,
               "send everything back to the port that it came from, until SIGTERM: the far end for another pktgen's "
               "--loopback with --outer and --inner, which shows what the ports cost");
  app.add_option("--core", options.core, "core to stay on")->check(CLI::Range(0u, 1023u));
  app.add_flag("--no-huge", huge_off, "ordinary memory though there are hugepages");
  app.add_option("--json", options.json, "file to write all results to")->type_name("FILE");
  app.add_option("--svg", options.svg, "file to plot them into")->type_name("FILE");
  app.add_flag("--quiet", quiet, "no progress on stderr");
  // perf/pktgen/run gives some, and what its user adds counts.
  for (CLI::Option* option : app.get_options())
    if (option->get_items_expected_max() == 1) option->take_last();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    parsed.exit_status = app.exit(error) == 0 ? 0 : 2;
    return parsed;
  }
  options.huge = !huge_off;
  options.progress = !quiet;
  if (Status status = finish(texts, options); !status) {
    std::fprintf(stderr, "pktgen: %s\n", status.error().c_str());
    parsed.exit_status = 2;
  }
  return parsed;
}

}  // namespace culvert::pktgen
