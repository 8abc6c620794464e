#include "dataplane/steps/framing.h"

namespace culvert::steps {
namespace {

using abi::Framing;

constexpr uint8_t kUncompressed = 0xFA;      ///< comp.h, NO_COMPRESS_BYTE
constexpr uint8_t kUncompressedSwap = 0xFB;  ///< NO_COMPRESS_BYTE_SWAP
constexpr uint8_t kV2Escape = 0x50;  ///< COMP_ALGV2_INDICATOR_BYTE; COMP_ALGV2_UNCOMPRESSED_BYTE follows, which is 0

Verdict strip(Packet& packet, uint32_t bytes) {
  packet.data += bytes;
  packet.length -= bytes;
  return Verdict::go_on();
}

}  // namespace

Verdict RemoveFraming::remove(Packet& packet) {
  if (packet.length == 0) return Verdict::go_on();
  const Verdict compressed = Verdict::drop(DropReason::inner_compressed);
  uint8_t first = packet.data[0];
  switch (packet.session->where.framing) {
    case Framing::kNone:
      break;
    case Framing::kStubV2:
      if (first != kV2Escape) break;
      return packet.length >= 2 && packet.data[1] == 0 ? strip(packet, 2) : compressed;
    case Framing::kLzoStub:
      return first == kUncompressed ? strip(packet, 1) : compressed;
    case Framing::kStub:
      if (first != kUncompressedSwap) return compressed;
      packet.data[0] = packet.data[--packet.length];
      break;
  }
  return Verdict::go_on();
}

namespace {

Verdict prepend(Packet& packet, std::initializer_list<uint8_t> bytes) {
  if (packet.data - static_cast<uint8_t*>(packet.mbuf->buf_addr) < static_cast<ptrdiff_t>(bytes.size()))
    return Verdict::drop(DropReason::no_headroom);
  packet.data -= bytes.size();
  packet.length += static_cast<uint32_t>(bytes.size());
  std::copy(bytes.begin(), bytes.end(), packet.data);
  return Verdict::go_on();
}

}  // namespace

Verdict AddFraming::add(Packet& packet) {
  switch (packet.session->where.framing) {
    case Framing::kNone:
      break;
    case Framing::kStubV2:
      if (packet.length != 0 && packet.data[0] == kV2Escape) return prepend(packet, {kV2Escape, 0});
      break;
    case Framing::kLzoStub:
      return prepend(packet, {kUncompressed});
    case Framing::kStub: {
      const rte_mbuf& mbuf = *packet.mbuf;
      uint8_t* end = packet.data + packet.length;
      if (packet.length == 0 || end >= static_cast<uint8_t*>(mbuf.buf_addr) + mbuf.buf_len)
        return Verdict::drop(DropReason::no_headroom);
      *end = packet.data[0];
      packet.data[0] = kUncompressedSwap;
      ++packet.length;
      break;
    }
  }
  return Verdict::go_on();
}

}  // namespace culvert::steps
