#include "drivers/socket_address.h"

#include <algorithm>
#include <cstring>

namespace culvert::drivers {
namespace {

using abi::Endpoint;
using abi::Family;
using abi::IpAddress;

in6_addr mapped(const IpAddress& ip4) {
  in6_addr address{};
  address.s6_addr[10] = 0xFF;
  address.s6_addr[11] = 0xFF;
  std::copy_n(ip4.bytes.begin(), 4, &address.s6_addr[12]);
  return address;
}

in6_addr to_in6(const IpAddress& address) {
  if (address.family == Family::kIpv4) return mapped(address);
  in6_addr out;
  std::memcpy(&out, address.bytes.data(), sizeof out);
  return out;
}

IpAddress from_in(const in_addr& address) {
  IpAddress out;
  out.family = Family::kIpv4;
  std::memcpy(out.bytes.data(), &address, sizeof address);
  return out;
}

IpAddress from_in6(const in6_addr& address) {
  IpAddress out;
  if (IN6_IS_ADDR_V4MAPPED(&address)) {
    out.family = Family::kIpv4;
    std::copy_n(&address.s6_addr[12], 4, out.bytes.begin());
  } else {
    out.family = Family::kIpv6;
    std::memcpy(out.bytes.data(), &address, sizeof address);
  }
  return out;
}

}  // namespace

socklen_t to_socket_address(const Endpoint& endpoint, int family, SocketAddress& out) {
  out = {};
  if (endpoint.address.family == Family::kNone) return 0;
  if (family == AF_INET6) {
    out.v6.sin6_family = AF_INET6;
    out.v6.sin6_port = htons(endpoint.port);
    out.v6.sin6_addr = to_in6(endpoint.address);
    out.v6.sin6_scope_id = endpoint.scope_id;
    return sizeof out.v6;
  }
  if (endpoint.address.family != Family::kIpv4) return 0;
  out.v4.sin_family = AF_INET;
  out.v4.sin_port = htons(endpoint.port);
  std::memcpy(&out.v4.sin_addr, endpoint.address.bytes.data(), sizeof out.v4.sin_addr);
  return sizeof out.v4;
}

Endpoint from_socket_address(const SocketAddress& address) {
  Endpoint endpoint;
  if (address.any.sa_family == AF_INET6) {
    endpoint.address = from_in6(address.v6.sin6_addr);
    endpoint.port = ntohs(address.v6.sin6_port);
    if (IN6_IS_ADDR_LINKLOCAL(&address.v6.sin6_addr)) endpoint.scope_id = address.v6.sin6_scope_id;
  } else if (address.any.sa_family == AF_INET) {
    endpoint.address = from_in(address.v4.sin_addr);
    endpoint.port = ntohs(address.v4.sin_port);
  }
  return endpoint;
}

Endpoint read_packet_info(const msghdr& message) {
  Endpoint local;
  auto* mutable_message = const_cast<msghdr*>(&message);  // CMSG_NXTHDR's parameter is not const
  for (cmsghdr* header = CMSG_FIRSTHDR(mutable_message); header; header = CMSG_NXTHDR(mutable_message, header)) {
    if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_PKTINFO &&
        header->cmsg_len >= CMSG_LEN(sizeof(in_pktinfo))) {
      in_pktinfo info;
      std::memcpy(&info, CMSG_DATA(header), sizeof info);
      local.address = from_in(info.ipi_spec_dst);  // a unicast address also when the datagram was a broadcast
    } else if (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_PKTINFO &&
               header->cmsg_len >= CMSG_LEN(sizeof(in6_pktinfo))) {
      in6_pktinfo info;
      std::memcpy(&info, CMSG_DATA(header), sizeof info);
      local.address = from_in6(info.ipi6_addr);
      if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr)) local.scope_id = info.ipi6_ifindex;
    }
  }
  return local;
}

void write_packet_info(const Endpoint& local, int family, PacketInfoBuffer& buffer, msghdr& message) {
  message.msg_control = nullptr;
  message.msg_controllen = 0;
  if (local.address.family == Family::kNone) return;
  if (family == AF_INET && local.address.family != Family::kIpv4) return;
  buffer = {};
  message.msg_control = &buffer;
  auto* header = reinterpret_cast<cmsghdr*>(&buffer);
  if (family == AF_INET) {
    in_pktinfo info{};
    std::memcpy(&info.ipi_spec_dst, local.address.bytes.data(), sizeof info.ipi_spec_dst);
    header->cmsg_level = IPPROTO_IP;
    header->cmsg_type = IP_PKTINFO;
    header->cmsg_len = CMSG_LEN(sizeof info);
    std::memcpy(CMSG_DATA(header), &info, sizeof info);
    message.msg_controllen = CMSG_SPACE(sizeof info);
  } else {
    in6_pktinfo info{};
    info.ipi6_addr = to_in6(local.address);
    info.ipi6_ifindex = local.scope_id;
    header->cmsg_level = IPPROTO_IPV6;
    header->cmsg_type = IPV6_PKTINFO;
    header->cmsg_len = CMSG_LEN(sizeof info);
    std::memcpy(CMSG_DATA(header), &info, sizeof info);
    message.msg_controllen = CMSG_SPACE(sizeof info);
  }
}

}  // namespace culvert::drivers
