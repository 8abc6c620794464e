#include "drivers/udp_offload.h"

#include <netinet/in.h>
#include <netinet/udp.h>

#include <cstring>

#include "drivers/socket_options.h"

namespace culvert::drivers {

UdpOffloads turn_on_offloads(int fd) {
  UdpOffloads offloads;
  offloads.segment =
      static_cast<bool>(set_option(fd, SOL_UDP, UDP_SEGMENT, 0));  // 0: no default size, but the option is known
  offloads.gro = static_cast<bool>(set_option(fd, SOL_UDP, UDP_GRO, 1));
  return offloads;
}

void write_segment_size(uint16_t size, PacketInfoBuffer& buffer, msghdr& message) {
  auto* header = reinterpret_cast<cmsghdr*>(buffer.bytes.data() + message.msg_controllen);
  header->cmsg_level = SOL_UDP;
  header->cmsg_type = UDP_SEGMENT;
  header->cmsg_len = CMSG_LEN(sizeof size);
  std::memcpy(CMSG_DATA(header), &size, sizeof size);
  message.msg_control = &buffer;
  message.msg_controllen += CMSG_SPACE(sizeof size);
}

uint32_t read_segment_size(const msghdr& message) {
  auto* mutable_message = const_cast<msghdr*>(&message);  // CMSG_NXTHDR's parameter is not const
  for (cmsghdr* header = CMSG_FIRSTHDR(mutable_message); header; header = CMSG_NXTHDR(mutable_message, header)) {
    if (header->cmsg_level != SOL_UDP || header->cmsg_type != UDP_GRO || header->cmsg_len < CMSG_LEN(sizeof(int)))
      continue;
    int size = 0;
    std::memcpy(&size, CMSG_DATA(header), sizeof size);
    return size > 0 ? static_cast<uint32_t>(size) : 0;
  }
  return 0;
}

}  // namespace culvert::drivers
