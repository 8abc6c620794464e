// A control-channel packet on its way between the processes: punted by a worker, or to be sent for control.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <type_traits>

#include "dataplane/abi/endpoint.h"

namespace culvert::abi {

inline constexpr uint32_t kMaxControlPacket = 1960;  ///< bytes of UDP payload (or TCP frame) that fit a slot

struct PacketMessage {
  uint64_t
      after_command;  ///< control → worker: Producer<Command>::published() at push time; not sent before those are done
  Endpoint remote;
  Endpoint local;  ///< our address; family kNone when control leaves the choice to the kernel
  uint16_t port;   ///< outer port
  uint16_t length;
  uint32_t reserved;
  std::array<uint8_t, kMaxControlPacket> data;
  uint64_t reserved2;

  /// The packet's bytes; empty when the neighbour wrote an impossible length.
  std::span<const uint8_t> bytes() const {
    return length <= kMaxControlPacket ? std::span<const uint8_t>(data.data(), length) : std::span<const uint8_t>();
  }
};

static_assert(std::is_trivially_copyable_v<PacketMessage> && sizeof(PacketMessage) == 2048);

}  // namespace culvert::abi
