// Outer addresses as the kernel's socket calls want them, both ways. An IPv4 address on a dual-stack socket is
// v4-mapped (RFC 4291, 2.5.5.2) there and plain IPv4 everywhere else in the gateway.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>

#include "dataplane/abi/endpoint.h"

namespace culvert::drivers {

union SocketAddress {
  sockaddr_in6 v6;  ///< first: the larger one, so {} clears all
  sockaddr_in v4;
  sockaddr any;
};

/// Room for the control messages of one message, in or out: our own address, and the size of segments (udp_offload.h).
struct alignas(cmsghdr) PacketInfoBuffer {
  std::array<unsigned char, CMSG_SPACE(sizeof(in6_pktinfo)) + CMSG_SPACE(sizeof(int))> bytes;
};

/// Writes `endpoint` for a socket of `family` (AF_INET or AF_INET6). Returns the length; 0 when such a socket can't
/// reach it.
socklen_t to_socket_address(const abi::Endpoint& endpoint, int family, SocketAddress& out);

/// Reads what recvmsg or getsockname wrote. Family kNone when it is neither IPv4 nor IPv6.
abi::Endpoint from_socket_address(const SocketAddress& address);

/// The address that a received datagram was sent to (IP_PKTINFO, IPV6_PKTINFO); family kNone when the kernel didn't
/// say. The port is left 0: it is that of the socket.
abi::Endpoint read_packet_info(const msghdr& message);

/// Asks sendmsg to send from `local` on a socket of `family`: fills `buffer` and points `message` at it. Family kNone:
/// leaves the choice to the kernel.
void write_packet_info(const abi::Endpoint& local, int family, PacketInfoBuffer& buffer, msghdr& message);

}  // namespace culvert::drivers
