// A DPDK port of the generator with one IPv4 address: frames in and out, and ARP, which is all that a neighbour of the
// gateway must know.
#pragma once

#include <rte_mbuf.h>

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "drivers/nic/ethdev.h"
#include "perf/pktgen/addresses.h"

namespace culvert::pktgen {

/// What an ARP packet (RFC 826, IPv4 over Ethernet) means to a host with one address and one neighbour of interest.
class Arp {
 public:
  Arp(const wire::MacAddress& own_mac, const Ip4& own, const Ip4& gateway)
      : own_mac_(own_mac), own_(own), gateway_(gateway) {}

  static constexpr size_t kFrameSize = 42;
  /// Writes the question for the gateway's MAC address: kFrameSize bytes.
  void write_request(uint8_t* frame) const;
  /// Takes a whole frame of type ARP. True: it asked for us, and `frame` has become the answer.
  bool take(std::span<uint8_t> frame);
  const Ip4& gateway() const { return gateway_; }
  /// Nothing until the gateway has said it.
  const std::optional<wire::MacAddress>& gateway_mac() const { return gateway_mac_; }

 private:
  wire::MacAddress own_mac_;
  Ip4 own_;
  Ip4 gateway_;
  std::optional<wire::MacAddress> gateway_mac_;
};

class NetPort {
 public:
  static constexpr uint16_t kBurst = 32;

  /// `own` is our address on this wire, `gateway` the neighbour's. Errors as EthDevice::open.
  static Result<std::unique_ptr<NetPort>> open(const std::string& device, const Ip4& own, const Ip4& gateway,
                                               rte_mempool* packets);

  /// Frames that are no ARP; that is dealt with.
  uint16_t receive(std::span<rte_mbuf*> out);
  /// Sends what there is room for, frees the rest, and returns how many went out.
  uint16_t send(std::span<rte_mbuf*> frames);
  void ask_gateway();

  bool has_link() const { return device_.has_link(); }
  const wire::MacAddress& mac() const { return device_.mac(); }
  const Ip4& gateway() const { return arp_.gateway(); }
  const std::optional<wire::MacAddress>& gateway_mac() const { return arp_.gateway_mac(); }
  const std::string& device() const { return device_.device(); }

 private:
  NetPort(drivers::EthDevice device, const Ip4& own, const Ip4& gateway, rte_mempool* packets)
      : device_(std::move(device)), arp_(device_.mac(), own, gateway), packets_(packets) {}

  drivers::EthDevice device_;
  Arp arp_;
  rte_mempool* packets_;
};

}  // namespace culvert::pktgen
