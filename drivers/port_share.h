// port-share: connections that don't speak OpenVPN are relayed to a web server, both ways. Bounded: so many relays, so
// many bytes in each direction; idle ones end.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>

#include "dataplane/abi/counters.h"
#include "dataplane/abi/endpoint.h"
#include "drivers/byte_queue.h"
#include "drivers/file_descriptor.h"

namespace culvert::drivers {

class PortShare {
 public:
  static constexpr size_t kMostRelays = 512;
  static constexpr size_t kMostBuffered = 32 << 10;     ///< bytes per direction
  static constexpr uint64_t kIdleNs = 300'000'000'000;  ///< a relay on which nothing moves ends
  static constexpr uint64_t kTag = uint64_t{1} << 63;   ///< set in the epoll tags of relays

  /// Descriptors are watched by `epoll`, which outlives this.
  PortShare(int epoll, const abi::Endpoint& server) : epoll_(epoll), server_(server) {}

  /// Takes a client's connection over; `first` is what it has sent so far. Once the server has taken it, it counts as
  /// streams_shared; before that it may be closed and is stream_not_shared: too many relays, no descriptor left, or a
  /// server that refuses it or does not answer.
  void take(FileDescriptor client, std::span<const uint8_t> first, uint64_t now_ns, abi::Tally& tally);
  /// epoll reported `events` for `tag`, which has kTag set.
  void handle(uint64_t tag, uint32_t events, uint64_t now_ns, abi::Tally& tally);
  /// Ends relays that are idle.
  void close_idle(uint64_t now_ns, abi::Tally& tally);

  size_t count() const { return relays_.size(); }
  size_t buffered() const;

 private:
  struct End {
    FileDescriptor fd;
    ByteQueue to_write;     // towards this end
    bool read_all = false;  // it will send no more
    bool told_end = false;  // we have told it that no more comes
    uint32_t watched = 0;   // epoll events
  };
  struct Relay {
    std::array<End, 2> ends;  // client, server
    bool connected = false;
    uint64_t moved_ns = 0;
  };

  bool begin(FileDescriptor client, std::span<const uint8_t> first, uint64_t now_ns);
  bool pump(Relay& relay, size_t from);
  static bool write_some(End& end);
  bool settle(uint64_t id, Relay& relay);
  bool watch(uint64_t id, size_t side, End& end, uint32_t events);

  int epoll_;
  abi::Endpoint server_;
  uint64_t next_id_ = 0;
  std::unordered_map<uint64_t, Relay> relays_;
};

}  // namespace culvert::drivers
