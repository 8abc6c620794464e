// UDP_SEGMENT and UDP_GRO of Linux (udp(7)): many datagrams of one size to or from one peer as one message. Since Linux
// 4.18 and 5.0.
#pragma once

#include <sys/socket.h>

#include <cstdint>

#include "drivers/socket_address.h"

namespace culvert::drivers {

struct UdpOffloads {
  bool segment = false;  ///< UDP_SEGMENT: the kernel cuts what is sent
  bool gro = false;      ///< UDP_GRO: the kernel joins what is received; each message says into what sizes to cut it
};

/// Asks the kernel, and turns on what it has.
UdpOffloads turn_on_offloads(int fd);

/// Adds to `message`, whose control messages stand in `buffer`, that it is to be cut into datagrams of `size` bytes.
void write_segment_size(uint16_t size, PacketInfoBuffer& buffer, msghdr& message);

/// Bytes of each datagram but the last in a received message; 0: it is one datagram.
uint32_t read_segment_size(const msghdr& message);

}  // namespace culvert::drivers
