// What the kernel's UDP and TCP sockets have in common: options of server.conf, buffers, and what errors mean.
#pragma once

#include <cstdint>
#include <string>

#include "dataplane/abi/endpoint.h"
#include "dataplane/abi/result.h"

namespace culvert::drivers {

/// Options that every outer socket may be given.
struct SocketSettings {
  abi::Endpoint local;          ///< address (also a wildcard) and port; port 0: the kernel chooses
  bool ipv6_only = false;       ///< for the wildcard address ::, which otherwise takes IPv4 too
  uint32_t receive_buffer = 0;  ///< bytes; 0: the driver's default
  uint32_t send_buffer = 0;
  uint32_t mark = 0;   ///< SO_MARK, 0: none
  std::string device;  ///< SO_BINDTODEVICE, empty: none
  /// Several sockets of this process, one for each worker, share address and port (SO_REUSEPORT): the kernel sends each
  /// peer's packets to the same one.
  bool is_shared = false;

  friend bool operator==(const SocketSettings&, const SocketSettings&) = default;
};

Status set_option(int fd, int level, int option, int value);

/// AF_INET or AF_INET6, as the address to bind to demands; 0: neither.
int family_of(const abi::Endpoint& local);

/// ipv6_only, mark, device and is_shared.
Status apply_options(int fd, int family, const SocketSettings& settings);

enum class Buffer : uint8_t { kReceive, kSend };
/// Asks for a buffer of `wanted` bytes, past the sysctl limit when permitted. Returns a warning when the kernel gives
/// less, else an empty text.
std::string size_buffer(int fd, Buffer which, uint32_t wanted);

/// Binds; errors say what is wrong and the way out. `listed_by`: options of ss that show sockets of the kind ("-lunp").
Status bind_to(int fd, int family, const abi::Endpoint& local, const char* listed_by);

/// Is it a socket of this type (SOCK_DGRAM, SOCK_STREAM), bound to `local`, of which a port 0 fits any?
bool is_bound_to(int fd, int type, const abi::Endpoint& local);

/// The port that the socket has got.
uint16_t bound_port(int fd);

}  // namespace culvert::drivers
