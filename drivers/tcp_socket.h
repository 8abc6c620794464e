// Opens the kernel's TCP socket for an outer port: bound, listening, non-blocking.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dataplane/abi/endpoint.h"
#include "dataplane/abi/result.h"
#include "drivers/file_descriptor.h"
#include "drivers/socket_options.h"

namespace culvert::drivers {

/// Buffers of 0: the kernel sizes them itself, by need (tcp(7), tcp_rmem and tcp_wmem).
struct TcpSettings : SocketSettings {
  bool no_delay = false;                    ///< TCP_NODELAY on every connection
  uint32_t hand_window_ms = 60'000;         ///< a connection without a session is closed after so long …
  uint32_t first_packet_ms = 10'000;        ///< … and one that has not sent a whole packet after so long
  uint32_t most_waiting = 1024;             ///< connections without a session; a further one pushes the oldest out …
  uint32_t most_waiting_per_network = 256;  ///< … also per IPv4 /32 and IPv6 /64
  uint32_t most_streams = 0xFFFF;           ///< connections; more can't be numbered, and tests want fewer
  abi::Endpoint share;  ///< where connections go that don't speak OpenVPN (port-share); family kNone: closed

  friend bool operator==(const TcpSettings&, const TcpSettings&) = default;
};

struct TcpSocket {
  FileDescriptor fd;
  abi::Endpoint local;                ///< as bound, with the real port
  std::vector<std::string> warnings;  ///< what is not as asked for but works, for the log
};

/// Opens, binds and listens. Errors name the address and the way out: taken, not ours, privileged, no such device.
Result<TcpSocket> open_tcp_socket(const TcpSettings& settings);

/// Goes on with a socket that open_tcp_socket() has opened with these settings, perhaps in another process. Error: it
/// is no such socket.
Result<TcpSocket> adopt_tcp_socket(const TcpSettings& settings, FileDescriptor fd);

/// "tcp 0.0.0.0:443"
std::string tcp_name(const abi::Endpoint& local);

}  // namespace culvert::drivers
