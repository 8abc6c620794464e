// A TCP connection on its way from one process to the next: its socket, and what stands between that and whole packets.
#pragma once

#include <cstdint>
#include <vector>

#include "dataplane/abi/endpoint.h"
#include "drivers/file_descriptor.h"

namespace culvert::drivers {

/// Frames of one lane, of which the first may have been begun: as they travel to another process.
struct LeftFrames {
  std::vector<uint8_t> bytes;  ///< still to be written
  uint32_t begun_length = 0;   ///< of the packet in the frame that was begun
  uint32_t begun_left = 0;     ///< bytes of that frame that are still to be written; 0: none was begun
};

enum class StreamState : uint8_t {
  kAccepted,  ///< nothing came yet
  kOpen,      ///< packets came
  kClosing,   ///< what waits is sent, nothing is taken any more
};

struct LeftStream {
  FileDescriptor fd;
  uint64_t id = 0;  ///< Endpoint::stream: control knows the connection by it, so it stays what it is
  abi::Endpoint remote;
  abi::Endpoint local;
  StreamState state = StreamState::kAccepted;
  std::vector<uint8_t> received;  ///< read from the socket, and no packets yet
  LeftFrames control;             ///< still to be written, by lane
  LeftFrames data;

  /// Bytes that travel with it.
  size_t bytes() const { return received.size() + control.bytes.size() + data.bytes.size(); }
};

}  // namespace culvert::drivers
