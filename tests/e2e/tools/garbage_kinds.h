// The kinds of packets that garbage.cc sends: what an attacker, a broken client or a damaged line might come up with.
#pragma once

#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <functional>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace culvert::e2e {

using Bytes = std::vector<uint8_t>;

inline constexpr size_t kMaxPayload = 1472;  ///< what fits into one Ethernet frame
inline constexpr size_t kMaxInner = 1500;

/// Random choices, the same for the same seed.
class Dice {
 public:
  explicit Dice(uint64_t seed) : engine_(seed) {}
  /// A number in [0, limit).
  size_t below(size_t limit) { return static_cast<size_t>(engine_() % limit); }
  Bytes bytes(size_t length) {
    Bytes out(length);
    for (uint8_t& byte : out) byte = static_cast<uint8_t>(engine_());
    return out;
  }

 private:
  std::mt19937_64 engine_;
};

/// One way to make a packet, and how many of its packets went out.
struct Kind {
  const char* name;
  std::function<Bytes(Dice&)> make;
  uint64_t sent = 0;
};

/// Records of a 16-bit big-endian length and the datagram. Empty when the file can't be read or holds none.
inline std::vector<Bytes> read_capture(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::vector<Bytes> packets;
  std::array<char, 2> head;
  while (in.read(head.data(), head.size())) {
    Bytes packet(size_t{static_cast<uint8_t>(head[0])} << 8 | static_cast<uint8_t>(head[1]));
    if (!in.read(reinterpret_cast<char*>(packet.data()), static_cast<std::streamsize>(packet.size()))) break;
    if (!packet.empty() && packet.size() <= kMaxPayload) packets.push_back(std::move(packet));
  }
  return packets;
}

inline Bytes with_opcode(Dice& dice) {
  Bytes packet = dice.bytes(1 + dice.below(kMaxPayload));
  packet[0] = static_cast<uint8_t>((3 + dice.below(9)) << 3 | dice.below(8));
  return packet;
}

inline Bytes random_data_packet(Dice& dice) {
  Bytes packet = dice.bytes(8 + dice.below(kMaxPayload - 8));
  packet[0] = static_cast<uint8_t>(9 << 3 | dice.below(8));
  packet[1] = packet[2] = 0;
  packet[3] = static_cast<uint8_t>(dice.below(32));  // small peer-ids exist
  return packet;
}

/// For a gateway's UDP port.
inline std::vector<Kind> outer_kinds(const std::vector<Bytes>& captured) {
  auto pick = [&captured](Dice& dice) { return captured[dice.below(captured.size())]; };
  return {
      {"random", [](Dice& dice) { return dice.bytes(dice.below(kMaxPayload + 1)); }},
      {"opcode", with_opcode},
      {"data", random_data_packet},
      {"replayed", pick},
      {"truncated",
       [pick](Dice& dice) {
         Bytes packet = pick(dice);
         packet.resize(dice.below(packet.size()));
         return packet;
       }},
      {"flipped",
       [pick](Dice& dice) {
         Bytes packet = pick(dice);
         size_t bit = dice.below(packet.size() * 8);
         packet[bit / 8] = static_cast<uint8_t>(packet[bit / 8] ^ 1 << bit % 8);
         return packet;
       }},
  };
}

inline Bytes ipv4_to(Dice& dice, std::array<uint8_t, 4> destination, size_t payload) {
  Bytes packet = dice.bytes(20 + payload);
  packet[0] = 0x45;
  packet[2] = static_cast<uint8_t>(packet.size() >> 8);
  packet[3] = static_cast<uint8_t>(packet.size());
  packet[6] = packet[7] = 0;
  packet[9] = IPPROTO_UDP;
  std::copy(destination.begin(), destination.end(), packet.begin() + 16);
  return packet;
}

/// For its TUN.
inline std::vector<Kind> inner_kinds() {
  return {
      {"random", [](Dice& dice) { return dice.bytes(1 + dice.below(kMaxInner)); }},
      {"wrong_length",
       [](Dice& dice) {
         Bytes packet = ipv4_to(dice, {10, 8, 0, 2}, dice.below(1000));
         packet[2] = static_cast<uint8_t>(packet[2] + 8);  // 2048 bytes longer than it is
         return packet;
       }},
      {"cut_header",
       [](Dice& dice) {
         Bytes packet = ipv4_to(dice, {10, 8, 0, 2}, 0);
         packet.resize(1 + dice.below(19));
         return packet;
       }},
      {"cut_header_ipv6",
       [](Dice& dice) {
         Bytes packet = dice.bytes(1 + dice.below(39));
         packet[0] = 0x60;
         return packet;
       }},
      {"nobody",
       [](Dice& dice) {
         return ipv4_to(dice, {10, 8, 0, 250}, dice.below(1000));
       }},
      {"multicast",
       [](Dice& dice) {
         return ipv4_to(dice, {224, 0, 0, 251}, dice.below(1000));
       }},
  };
}

}  // namespace culvert::e2e
