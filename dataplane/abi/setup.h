// The unix socket between control and dataplane (SOCK_SEQPACKET, RUN_DIR/link.sock): attaching, and what is too slow or
// too rare for a ring: ports and the TUN. One control at a time; a second is refused with a text.
//
//   control                         dataplane
//   connect                      →  checks SO_PEERCRED
//   Hello                        →  checks magic and version
//                                ←  Reply + file descriptors (SCM_RIGHTS): memfd, then per worker two eventfds:
//                                   "commands or packets for the worker", "events or punts for control"
//   Request                      →  does it in its main thread, not in a worker's poll loop
//                                ←  Reply: kDone, or kFailed with a text for the operator
//   … one request at a time …
//
// Requests say what should be, not what to do: asking for a port or TUN that is already so changes nothing. So a
// control that starts again says everything again, and a port that a new configuration lacks is closed with kKeepPorts.
// Ports have numbers, by which sessions and packets name them; which number is whose only the dataplane knows for sure,
// so a new control asks first (kFindPort): its configuration may list them in another order than that of the control
// before.
// When the socket closes, the dataplane goes on with all it has: nobody is disconnected because control is gone.
// When the dataplane is gone, control connects again until it is back, and installs every session anew from its own
// memory and from the old link, which it keeps mapped until then.
#pragma once

#include <array>
#include <cstdint>
#include <type_traits>

#include "dataplane/abi/endpoint.h"
#include "dataplane/abi/layout.h"

namespace culvert::abi {

inline constexpr uint64_t kSetupMagic = 0x7075'7465'7374'6c63;

enum class RequestKind : uint32_t { kHello = 1, kOpenPort = 2, kKeepPorts = 3, kOpenTun = 4 };

struct Hello {
  uint64_t magic;
  uint32_t abi_version;
  uint32_t reserved;
};

/// Have a socket bound to `local` under the number `port`; for TCP one that accepts connections.
struct OpenPort {
  uint16_t port;
  uint8_t ipv6_only;        ///< for the wildcard address ::
  uint8_t no_delay;         ///< TCP: TCP_NODELAY on every connection
  uint32_t receive_buffer;  ///< bytes; 0: the dataplane's default
  uint32_t send_buffer;
  uint32_t mark;  ///< SO_MARK, 0: none
  Endpoint local;
  std::array<char, 16> device;  ///< SO_BINDTODEVICE, empty: none
  uint32_t hand_window;         ///< TCP: seconds after which a connection without a session is closed
  uint32_t reserved2;
  Endpoint share;  ///< TCP: connections that don't speak OpenVPN are relayed there (port-share); family kNone: closed
};

/// Close every port whose bit is not set.
struct KeepPorts {
  std::array<uint64_t, 4> ports;
};
inline constexpr uint16_t kMaxPorts = 256;
/// As `port` of an OpenPort: a question, which changes nothing. The reply's text is the number under which a port of
/// this `local` and `device` is open, whatever its options, or empty.
inline constexpr uint16_t kFindPort = 0xFFFF;

/// An address of ours on the TUN, and the network it stands for.
struct TunAddress {
  IpAddress address{};  ///< family kNone: none
  uint8_t prefix = 0;   ///< bits

  friend bool operator==(const TunAddress&, const TunAddress&) = default;
};

inline constexpr size_t kMaxTunAddresses = 32;

/// A network that the kernel sends into the TUN, besides those of its addresses.
struct TunRoute {
  IpAddress network{};  ///< family kNone: none
  uint8_t prefix = 0;   ///< bits
  IpAddress gateway{};  ///< inside the tunnel; family kNone: none is named
  uint8_t reserved = 0;
  uint32_t metric = 0;  ///< priority among routes to the same network; 0: the kernel's default

  friend bool operator==(const TunRoute&, const TunRoute&) = default;
};

inline constexpr size_t kMaxTunRoutes = 512;

/// Have the TUN up with these addresses and routes (family kNone: none).
struct OpenTun {
  std::array<char, 16> name;  ///< empty or with %d: the kernel chooses; the reply's text is the name
  uint32_t mtu;
  uint32_t tx_queue_length;
  std::array<TunAddress, kMaxTunAddresses> addresses;  ///< of every server block, in any order
  std::array<TunRoute, kMaxTunRoutes> routes;          ///< likewise
};

struct Request {
  RequestKind kind;
  uint32_t reserved;
  union Body {
    Hello hello;
    OpenPort open_port;
    KeepPorts keep_ports;
    OpenTun open_tun;
  } body;
};

enum class ReplyStatus : uint32_t { kDone = 0, kFailed = 1 };

struct Reply {
  ReplyStatus status;
  uint32_t reserved;
  std::array<char, 504> text;  ///< NUL-terminated; on kFailed what, where and the way out
};

static_assert(std::is_trivially_copyable_v<Request> && std::is_trivially_copyable_v<Reply> && sizeof(Reply) == 512);

}  // namespace culvert::abi
