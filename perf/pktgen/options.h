// What the generator is asked to do.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "perf/pktgen/addresses.h"

namespace culvert::pktgen {

/// Which way packets go through the gateway.
enum class Direction : uint8_t {
  kDecrypt,  ///< from the clients to the host behind the gateway
  kEncrypt,  ///< from that host to the clients
  kBoth,     ///< half of the packets each way
};
std::string to_text(Direction direction);

inline constexpr uint32_t kImix = 0;            ///< among sizes: 7 × 64, 4 × 576, 1 × 1400 bytes
inline constexpr uint32_t kSmallestSize = 60;   ///< bytes: IP and UDP header, and our stamp
inline constexpr uint32_t kLargestSize = 1448;  ///< with 52 bytes of tunnel it fills an outer packet of 1500
std::string size_text(uint32_t size);
/// Bytes of an inner packet, on average.
double mean_size(uint32_t size);

inline constexpr double kDrainSeconds = 2;  ///< how long a trial waits for its last packets (RFC 2544, section 23)

struct Options {
  std::string outer_device;  ///< as DPDK names it; towards the gateway's outer port
  std::string inner_device;
  std::string profile;  ///< .ovpn file of a client
  Ip4 outer_address{};  ///< ours on the outer wire: the router before all clients
  Ip4 outer_gateway{};  ///< the gateway's there; 0.0.0.0: the profile's `remote`
  Ip4 inner_address{};  ///< ours on the inner wire: the host that clients talk to
  Ip4 inner_gateway{};
  Ip4 client_network{198, 18, 0, 0};  ///< clients' outer addresses are counted from here (RFC 2544's own network)
  uint32_t client_addresses = 64;
  uint32_t clients = 1;
  uint32_t flows = 4;  ///< UDP flows inside each session

  std::vector<Direction> directions{Direction::kDecrypt, Direction::kEncrypt};
  std::vector<uint32_t> sizes{64, 512, 1400, kImix};
  std::string cipher;  ///< empty: what the gateway prefers

  double rate_mpps = 0;  ///< above 0: one trial at this rate instead of a search …
  double rate_gbps = 0;  ///< … likewise, in bits of inner packets
  double max_mpps = 20;
  double trial_seconds = 1;
  double patience_seconds = 0.2;  ///< behind a trial, without a packet: what has not come by then is lost
  double resolution_percent = 1;
  double loss_percent = 0.5;  ///< that PDR allows
  uint32_t tries = 1;
  std::vector<double> loads{10, 50, 90};  ///< per cent of PDR at which latency is measured
  bool udp_checksum = true;               ///< of the clients' outer packets
  bool loopback = false;                  ///< the generator by itself
  bool reflect = false;                   ///< be the far end of another generator's loopback

  std::optional<uint32_t> core;  ///< that the generator stays on; none: the kernel's choice
  bool huge = true;
  std::string json;  ///< file to write; empty: none
  std::string svg;
  bool progress = true;

  bool searches() const { return rate_mpps == 0 && rate_gbps == 0; }
};

struct Parsed {
  Options options;
  std::optional<int> exit_status;  ///< set: end with it; all that is to be said has been said
};
Parsed parse_options(int argc, const char* const* argv);

}  // namespace culvert::pktgen
