// The packet path of a worker. The input is a little program: packets from outside, packets that a client sealed
// properly, packets from the TUN, commands of a control process that may have lost its mind, control packets, and time.
#include <algorithm>

#include "tests/fuzz/input.h"
#include "tests/fuzz/path_rig.h"

using namespace culvert;

namespace {

/// Two bits choose the cipher, two the format.
fuzz::KeyKind kind_of(uint8_t choice) {
  uint8_t cipher = choice & 3;
  if ((choice >> 2 & 3) == 1) {
    auto digest = static_cast<abi::Digest>(1 + cipher);
    return {static_cast<abi::Cipher>(static_cast<uint8_t>(abi::Cipher::kAes128Cbc) + cipher % 3),
            abi::KeyFormat::kCbcHmac, digest};
  }
  auto format = (choice >> 2 & 3) == 2 ? abi::KeyFormat::kEpoch : abi::KeyFormat::kAead;
  return {static_cast<abi::Cipher>(1 + cipher), format, abi::Digest::kNone};
}
abi::DataFormat format_of(uint8_t choice) {
  return (choice & 1) != 0 ? abi::DataFormat::kV1 : abi::DataFormat::kV2;
}

/// Packet-ids near the ends of what a key may use, and small ones.
uint32_t packet_id(fuzz::Input& input) {
  uint16_t value = input.u16();
  switch (value >> 14) {
    case 0:
      return value;
    case 1:
      return 0xFF00'0000u - 0x2000 + (value & 0x3FFF);  // around the renegotiation limit
    case 2:
      return 0xFFFF'FFFFu - (value & 0x3FFF);
    default:
      return (value & 0x3FFF) << 8;
  }
}

void raw_command(fuzz::Input& input, fuzz::PathRig& rig) {
  abi::Command command{};
  command.kind = static_cast<abi::CommandKind>(input.byte());
  command.session = {input.byte(), input.byte()};
  auto body = input.take(input.byte());
  std::copy_n(body.begin(), std::min(body.size(), command.body.raw.size()), command.body.raw.begin());
  rig.apply(command);
}

void control_packet(fuzz::Input& input, fuzz::PathRig& rig) {
  abi::PacketMessage message{};
  message.remote = fuzz::PathRig::peer(input.byte());
  message.port = input.byte();
  message.length = input.u16();
  auto bytes = input.take(message.length % 256);
  std::copy(bytes.begin(), bytes.end(), message.data.begin());
  rig.control(message);
}

void one_step(fuzz::Input& input, fuzz::PathRig& rig) {
  switch (input.byte() % 8) {
    case 0: {
      abi::Endpoint from = fuzz::PathRig::peer(input.byte());
      return rig.outer(from, input.take(input.u16()));
    }
    case 1: {
      uint8_t peer = input.byte() % fuzz::kSessions;
      uint8_t key = input.byte();
      uint32_t id = packet_id(input);
      return rig.sealed(peer, key & 7, kind_of(key >> 3), id, format_of(key >> 7), input.take(input.u16() % 2000));
    }
    case 2:
      return rig.inner(input.take(input.u16()));
    case 3:
      return raw_command(input, rig);
    case 4: {
      uint8_t peer = input.byte() % fuzz::kSessions;
      uint8_t generation = input.byte();
      uint8_t flags = input.byte();
      return rig.install_session(peer, generation, flags & 7, format_of(flags >> 7),
                                 static_cast<abi::Framing>(flags >> 3 & 3));
    }
    case 5: {
      uint8_t peer = input.byte() % fuzz::kSessions;
      uint8_t generation = input.byte();
      uint8_t key = input.byte();
      uint32_t first = packet_id(input);
      return rig.install_key(peer, generation, key & 7, kind_of(key >> 3), first, packet_id(input));
    }
    case 6:
      return control_packet(input, rig);
    default:
      return rig.advance(uint64_t{input.byte()} * 1'000'000'000);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  fuzz::PathRig rig;
  while (!input.empty()) one_step(input, rig);
  return 0;
}
