// What a packet on its way into the kernel says of its flow, and whether it may be joined with others of it.
#pragma once

#include <cstdint>
#include <span>

#include "dataplane/wire/ip.h"

namespace culvert::drivers::offload {

enum class Joinable : uint8_t {
  kUnknownFlow,  ///< no ports to be read: fragment, IPv6 extension header, another protocol
  kNo,           ///< of a known flow, but to be sent alone: SYN, FIN, no payload, IP options …
  kTcp,
  kUdp,
};

struct FlowView {
  Joinable joinable = Joinable::kUnknownFlow;
  uint16_t transport = 0;            ///< offset of the transport header
  uint16_t headers = 0;              ///< bytes of all headers
  uint16_t payload = 0;              ///< bytes behind them
  uint32_t sequence = 0;             ///< of TCP
  uint16_t identification = 0;       ///< of IPv4
  bool free_identification = false;  ///< it means nothing: IPv4 with DF, IPv6
  bool closes = false;               ///< nothing may be joined behind it: PSH
};

/// Reads the headers of a whole IP packet. No checksum is looked at.
FlowView read_flow(std::span<const uint8_t> packet);

/// A number that packets of one flow have in common. Only for views that are not kUnknownFlow.
uint32_t flow_hash(const FlowView& view, std::span<const uint8_t> packet);

/// Can `packet` be a segment of the super-packet that begins with `first`? Everything but sizes, identification and
/// checksums: addresses, ports, traffic class with ECN, TTL, DF, TCP options, window, acknowledgment and flags, and
/// that the sequence number is `sequence`. Both are of the same Joinable.
bool continues(const FlowView& first_view, std::span<const uint8_t> first, uint32_t sequence, const FlowView& view,
               std::span<const uint8_t> packet);

/// Are the checksums of the IP and the transport header right? A UDP packet without checksum is not.
bool has_right_checksums(const FlowView& view, std::span<const uint8_t> packet);

}  // namespace culvert::drivers::offload
