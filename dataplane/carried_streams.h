// TCP connections that outlive this process, in one descriptor for the descriptor store (descriptor_store.h): the
// receiving end of a socket pair, in whose queue the connections' sockets are under way, behind a memfd that says what
// belongs to each. So the keeper keeps one descriptor, however many connections there are.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "drivers/file_descriptor.h"
#include "drivers/left_stream.h"

namespace culvert::dataplane {

struct CarriedStream {
  std::string port;  ///< under which name its listener is kept (kept_names.h), at most 255 characters
  drivers::LeftStream stream;
};

/// Bytes of connections that are carried in all: those behind that are left out, and end with this process.
inline constexpr size_t kMostCarried = 256 << 20;

/// An empty descriptor: nothing could be packed. What has no room (kMostCarried, the kernel's bounds for descriptors
/// under way) is closed.
drivers::FileDescriptor pack_streams(std::vector<CarriedStream> streams);
/// What is in such a descriptor; nothing of what another version has packed.
std::vector<CarriedStream> unpack_streams(drivers::FileDescriptor carrier);

/// What the memfd has in it; without the sockets.
std::vector<uint8_t> to_bytes(std::span<const CarriedStream> streams);
/// Nothing: those are not such bytes.
std::optional<std::vector<CarriedStream>> from_bytes(std::span<const uint8_t> bytes);

}  // namespace culvert::dataplane
