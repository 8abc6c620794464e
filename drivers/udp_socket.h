// Opens the kernel's UDP socket for an outer port: bound, non-blocking, large buffers, told to say which of our
// addresses each datagram came to.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dataplane/abi/endpoint.h"
#include "dataplane/abi/result.h"
#include "drivers/file_descriptor.h"
#include "drivers/socket_options.h"
#include "drivers/udp_offload.h"

namespace culvert::drivers {

inline constexpr uint32_t kDefaultSocketBuffer = 4u << 20;  ///< bytes, when the settings leave it open

using UdpSettings = SocketSettings;

struct UdpSocket {
  FileDescriptor fd;
  int family = 0;                     ///< AF_INET or AF_INET6
  abi::Endpoint local;                ///< as bound, with the real port
  UdpOffloads offloads;               ///< what the kernel has
  std::vector<std::string> warnings;  ///< what is not as asked for but works, for the log
};

/// Opens and binds. Errors name the address and the way out: taken, not ours, privileged, no such device.
Result<UdpSocket> open_udp_socket(const UdpSettings& settings);

/// Goes on with a socket that open_udp_socket() has opened with these settings, perhaps in another process. Error: it
/// is no such socket.
Result<UdpSocket> adopt_udp_socket(const UdpSettings& settings, FileDescriptor fd);

/// "udp 0.0.0.0:1194"
std::string udp_name(const abi::Endpoint& local);

}  // namespace culvert::drivers
