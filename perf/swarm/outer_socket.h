// One client's way to the server: a UDP socket (sending with UDP_SEGMENT, receiving with UDP_GRO) or a TCP connection.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "dataplane/abi/endpoint.h"
#include "dataplane/abi/result.h"
#include "drivers/file_descriptor.h"

namespace culvert::swarm {

/// Buffers that all sockets receive into: a call's packets are looked at before the next call.
class ReceiveBuffers {
 public:
  static constexpr size_t kMessages = 16;
  static constexpr size_t kMessageSize = 64 << 10;
  ReceiveBuffers() : bytes_(kMessages * kMessageSize) {}
  std::span<uint8_t> message(size_t i) { return std::span(bytes_).subspan(i * kMessageSize, kMessageSize); }
  std::span<uint8_t> all() { return bytes_; }

 private:
  std::vector<uint8_t> bytes_;
};

/// A packet that arrived. It stays good until the next call on any socket.
struct OuterPacket {
  std::span<uint8_t> bytes;
  uint64_t received_ns = 0;  ///< by the kernel, CLOCK_MONOTONIC; 0: not known (TCP)
};

class OuterSocket {
 public:
  using Packets = std::vector<OuterPacket>;
  virtual ~OuterSocket() = default;

  int fd() const { return fd_.get(); }
  /// Bytes that stand in front of each packet (TCP: its length).
  virtual size_t front() const = 0;
  /// Sends `count` packets of `length` bytes in one go. They stand `front()` bytes behind `first`, one behind the other
  /// with front() bytes between them. Returns how many were given to the kernel or are sure to follow.
  virtual size_t send(uint8_t* first, size_t count, size_t length) = 0;
  /// Appends what has arrived to `packets`. False: the connection is over.
  virtual bool receive(ReceiveBuffers& buffers, Packets& packets) = 0;
  /// Writes what waits. False: the connection is over.
  virtual bool flush() = 0;
  /// Does something wait for room in the kernel? Then no more data is taken, and EPOLLOUT tells.
  virtual bool waits() const = 0;

 protected:
  explicit OuterSocket(drivers::FileDescriptor fd) : fd_(std::move(fd)) {}
  drivers::FileDescriptor fd_;
};

/// A socket to `server` (UDP or TCP by its transport). `source`: address to come from, which need not be on an
/// interface as long as it is routed to this host; kNone: the kernel's choice. TCP: connecting goes on in the
/// background.
Result<std::unique_ptr<OuterSocket>> open_outer(const abi::Endpoint& server, const abi::IpAddress& source);

}  // namespace culvert::swarm
