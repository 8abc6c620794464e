// What stands in front of every packet on a TUN queue with IFF_VNET_HDR: which checksum is left to do, and into what
// segments a super-packet is to be cut. VIRTIO 1.2, section 5.1.6; Linux, include/uapi/linux/virtio_net.h, whose
// version in Debian 12 lacks the UDP segments of Linux 6.2.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace culvert::drivers::offload {

inline constexpr uint8_t kNeedsChecksum = 1;  ///< flag: the checksum field holds the pseudo-header's sum only

inline constexpr uint8_t kGsoNone = 0;
inline constexpr uint8_t kGsoTcp4 = 1;
inline constexpr uint8_t kGsoTcp6 = 4;
inline constexpr uint8_t kGsoUdp = 5;     ///< UDP segments of either family, each with a UDP header
inline constexpr uint8_t kGsoEcn = 0x80;  ///< beside a TCP type: the first segment carries CWR

/// In the machine's own byte order, as a TUN has it unless told otherwise.
struct VnetHeader {
  uint8_t flags = 0;
  uint8_t gso_type = kGsoNone;
  uint16_t header_length = 0;    ///< bytes of all headers; from the kernel a hint only
  uint16_t segment_size = 0;     ///< payload bytes of each segment but the last
  uint16_t checksum_start = 0;   ///< where the checksum's cover begins: the transport header
  uint16_t checksum_offset = 0;  ///< of the checksum field, from there
};
static_assert(sizeof(VnetHeader) == 10);
static_assert(std::endian::native == std::endian::little);

/// What a TUN queue was found to offer.
struct TunOffloads {
  bool vnet_header = false;  ///< every packet has a VnetHeader in front; without it none of the others
  bool tcp = false;          ///< super-packets of TCP, both ways
  bool udp = false;          ///< and of UDP (Linux 6.2)
};

inline constexpr uint16_t kTcpChecksumOffset = 16;
inline constexpr uint16_t kUdpChecksumOffset = 6;
inline constexpr size_t kMaxSuperPacket = 65535;  ///< bytes: what a length field of IP can say

}  // namespace culvert::drivers::offload
