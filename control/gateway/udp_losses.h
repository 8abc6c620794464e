// What each UDP listener has lost, by the kernel's own table of sockets: workers count losses of all their ports
// together (udp_rx_missed).
#pragma once

#include <compare>
#include <cstdint>
#include <istream>
#include <map>

#include "dataplane/abi/endpoint.h"

namespace culvert::gateway {

class UdpLosses {
 public:
  /// Of the network namespace that control is in, which is the dataplane's. Empty where the kernel shows no table.
  /// Reads all of its UDP sockets: for an operator who asks, not for a timer.
  static UdpLosses read();

  /// Adds the sockets of one table: /proc/net/udp for kIpv4, /proc/net/udp6 for kIpv6 (proc_net_udp in Linux,
  /// udp4_seq_show, udp6_seq_show: the last column is the drops, in 32 bits). Lines of another form are left out.
  void add(std::istream& table, abi::Family family);

  /// Datagrams that the sockets bound to `local` had no room for, or whose checksum was wrong, since they were opened:
  /// those of all workers together, and of listeners that differ in their device alone. 0: none, or no such socket.
  uint64_t of(const abi::Endpoint& local) const;

 private:
  struct Address {
    abi::IpAddress ip;
    uint16_t port = 0;
    friend auto operator<=>(const Address&, const Address&) = default;
  };
  std::map<Address, uint64_t> lost_;
};

}  // namespace culvert::gateway
