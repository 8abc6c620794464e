// Packets of many flows as tunnels see them, from a source of numbers: sizes, flags, options, reordering, damaged
// checksums, both IP versions, extension headers, fragments. Slow and plain on purpose: what the drivers' super-packets
// are held against. No test framework in it: the fuzz target uses it, too.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dataplane/wire/checksum.h"
#include "dataplane/wire/ip.h"
#include "dataplane/wire/tcp.h"
#include "dataplane/wire/udp.h"

namespace culvert::testing {

using PacketBytes = std::vector<uint8_t>;

/// Transport checksum over `packet` from `transport` on, the field as it stands; 0 when right.
inline uint16_t transport_checksum(std::span<const uint8_t> packet, size_t transport, uint8_t protocol) {
  auto ip = *wire::read_ip(packet);
  uint32_t sum = wire::pseudo_header_sum(ip.version, ip.source, ip.destination, protocol,
                                         static_cast<uint32_t>(packet.size() - transport));
  return wire::finish_checksum(wire::add_to_checksum(packet.subspan(transport), sum));
}

inline void set_ip_checksum(PacketBytes& packet) {
  auto& ip = *reinterpret_cast<wire::Ipv4Header*>(packet.data());
  ip.checksum.set(0);
  size_t length = (ip.version_and_words & 15) * size_t{4};
  ip.checksum.set(wire::finish_checksum(wire::add_to_checksum(std::span(packet).first(length))));
}

class FlowCorpus {
 public:
  /// `below(n)`: a number from 0 to n - 1.
  explicit FlowCorpus(std::function<uint32_t(uint32_t)> below) : below_(std::move(below)) {
    size_t count = 1 + below_(5);
    for (size_t i = 0; i < count; ++i) flows_.push_back(make_flow(static_cast<uint8_t>(i)));
  }

  /// The next packets on the wire: runs of one flow or of several at a time, now and then out of order or damaged.
  std::vector<PacketBytes> burst(size_t size) {
    std::vector<PacketBytes> packets;
    size_t current = 0;
    while (packets.size() < size) {
      if (one_in(4)) current = below_(static_cast<uint32_t>(flows_.size()));
      packets.push_back(next(flows_[current]));
      if (one_in(24)) damage(packets.back());
    }
    for (size_t i = 1; i < packets.size(); ++i)
      if (one_in(24)) std::swap(packets[i - 1], packets[i]);
    return packets;
  }

 private:
  struct Flow {
    uint8_t version, number, traffic_class, ttl;
    bool udp, dont_fragment, counts;
    uint16_t size, identification, window;
    uint32_t sequence, acknowledgment;
    std::vector<uint8_t> options;
  };

  bool one_in(uint32_t n) { return below_(n) == 0; }

  Flow make_flow(uint8_t number) {
    Flow flow{};
    flow.number = number;
    flow.version = one_in(2) ? 6 : 4;
    flow.udp = one_in(3);
    flow.dont_fragment = !one_in(3);
    flow.counts = !one_in(3);
    flow.ttl = 64;
    flow.traffic_class = static_cast<uint8_t>(below_(4));
    flow.size = static_cast<uint16_t>(one_in(2) ? 1200 + below_(200) : 1 + below_(600));
    flow.identification = static_cast<uint16_t>(0xFFF0 + below_(0x10));
    flow.sequence = 0xFFFF'0000 + below_(0x1'0000);
    flow.window = 500;
    if (one_in(2)) flow.options = {1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2};
    return flow;
  }

  /// Payload and transport header.
  std::vector<uint8_t> transport(Flow& flow, size_t size) {
    size_t header = flow.udp ? sizeof(wire::UdpHeader) : sizeof(wire::TcpHeader) + flow.options.size();
    std::vector<uint8_t> bytes(header + size);
    for (size_t i = header; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(flow.sequence + i * 7);
    if (flow.udp) {
      auto& udp = *reinterpret_cast<wire::UdpHeader*>(bytes.data());
      udp.source.set(static_cast<uint16_t>(1000 + flow.number % 2));
      udp.destination.set(2000);
      udp.length.set(static_cast<uint16_t>(bytes.size()));
      return bytes;
    }
    auto& tcp = *reinterpret_cast<wire::TcpHeader*>(bytes.data());
    tcp.source_port.set(static_cast<uint16_t>(1000 + flow.number % 2));
    tcp.destination_port.set(2000);
    tcp.sequence.set(flow.sequence);
    tcp.acknowledgment.set(flow.acknowledgment);
    tcp.words = static_cast<uint8_t>(header / 4 << 4);
    if (one_in(40)) tcp.words |= 1;
    constexpr std::array<uint8_t, 8> kOdd{0x01, 0x02, 0x04, 0x20, 0x80, 0x40, 0x00, 0x18};
    tcp.flags = static_cast<uint8_t>(0x10 | (one_in(12) ? 0x08 : 0));
    if (one_in(30)) tcp.flags = static_cast<uint8_t>((one_in(8) ? 0 : 0x10) | kOdd[below_(kOdd.size())]);
    tcp.window.set(flow.window);
    if (one_in(60)) tcp.urgent.set(7);
    std::copy(flow.options.begin(), flow.options.end(), bytes.begin() + sizeof tcp);
    flow.sequence += static_cast<uint32_t>(size);
    return bytes;
  }

  PacketBytes next(Flow& flow) {
    change(flow);
    size_t size = one_in(12) ? below_(flow.size + 1u) : one_in(40) ? flow.size + below_(40) : flow.size;
    std::vector<uint8_t> bytes = transport(flow, size);
    uint8_t protocol = flow.udp ? 17 : 6;
    if (one_in(60)) protocol = 50;
    PacketBytes packet = flow.version == 4 ? ipv4(flow, protocol) : ipv6(flow, protocol, bytes.size());
    size_t at = packet.size();
    packet.insert(packet.end(), bytes.begin(), bytes.end());
    if (flow.version == 4) {
      reinterpret_cast<wire::Ipv4Header*>(packet.data())->total_length.set(static_cast<uint16_t>(packet.size()));
      set_ip_checksum(packet);
    }
    bool no_checksum = flow.udp && flow.version == 4 && one_in(20);
    size_t field = at + (flow.udp ? 6 : 16);
    auto& checksum = *reinterpret_cast<wire::be16*>(&packet[field]);
    if (!no_checksum) checksum.set(transport_checksum(packet, at, flow.udp ? 17 : 6));
    if (flow.udp && !no_checksum && checksum.get() == 0) checksum.set(0xFFFF);
    return packet;
  }

  /// What may change within a flow from one packet to the next.
  void change(Flow& flow) {
    if (one_in(60)) flow.traffic_class ^= 3;
    if (one_in(80)) flow.ttl ^= 1;
    if (one_in(80)) flow.dont_fragment = !flow.dont_fragment;
    if (one_in(60)) flow.acknowledgment += 1000;
    if (one_in(60)) ++flow.window;
    if (one_in(60)) flow.sequence += 1448;
    if (one_in(60) && !flow.options.empty()) ++flow.options[7];
    if (flow.counts || one_in(60)) ++flow.identification;
  }

  PacketBytes ipv4(const Flow& flow, uint8_t protocol) {
    PacketBytes packet(one_in(40) ? 24 : 20);
    auto& ip = *reinterpret_cast<wire::Ipv4Header*>(packet.data());
    ip.version_and_words = static_cast<uint8_t>(0x40 | packet.size() / 4);
    if (packet.size() == 24) packet[20] = packet[21] = packet[22] = packet[23] = 1;
    ip.traffic_class = flow.traffic_class;
    ip.identification.set(flow.identification);
    uint16_t fragment = flow.dont_fragment ? wire::kDontFragment : 0;
    if (one_in(50)) fragment = static_cast<uint16_t>(one_in(2) ? 0x2000 : below_(0x10000));
    ip.fragment.set(fragment);
    ip.ttl = flow.ttl;
    ip.protocol = protocol;
    ip.source = {10, 8, 0, 2};
    ip.destination = {10, 8, 0, static_cast<uint8_t>(3 + flow.number / 2)};
    return packet;
  }

  PacketBytes ipv6(const Flow& flow, uint8_t protocol, size_t payload) {
    bool extended = one_in(40);  // destination options, eight bytes of padding
    PacketBytes packet(sizeof(wire::Ipv6Header) + (extended ? 8 : 0));
    auto& ip = *reinterpret_cast<wire::Ipv6Header*>(packet.data());
    ip.version_class_flow.set(6u << 28 | uint32_t{flow.traffic_class} << 20 | 0x12345);
    ip.payload_length.set(static_cast<uint16_t>(payload + (extended ? 8 : 0)));
    ip.next_header = extended ? 60 : protocol;
    if (extended) packet[40] = protocol;
    ip.hop_limit = flow.ttl;
    ip.source[0] = ip.destination[0] = 0xFD;
    ip.source[15] = 2;
    ip.destination[15] = static_cast<uint8_t>(3 + flow.number / 2);
    return packet;
  }

  /// Flips a bit behind the fields that say how long the packet is.
  void damage(PacketBytes& packet) {
    size_t from = packet[0] >> 4 == 4 ? 8 : 7;
    packet[from + below_(static_cast<uint32_t>(packet.size() - from))] ^= static_cast<uint8_t>(1 << below_(8));
  }

  std::function<uint32_t(uint32_t)> below_;
  std::vector<Flow> flows_;
};

/// Flow of a packet: version, protocol, addresses and ports; nothing when ports can't be read.
inline std::optional<std::string> flow_key(std::span<const uint8_t> packet) {
  auto ip = wire::read_ip(packet);
  if (!ip || (ip->protocol != 6 && ip->protocol != 17)) return std::nullopt;
  if (ip->version == 4) {
    uint16_t fragment = reinterpret_cast<const wire::Ipv4Header*>(packet.data())->fragment.get();
    if ((fragment & 0x3FFF) != 0) return std::nullopt;
  }
  if (packet.size() < ip->header_length + size_t{4}) return std::nullopt;
  size_t addresses = ip->version == 4 ? 8 : 32;
  std::string key{static_cast<char>(ip->version), static_cast<char>(ip->protocol)};
  key.append(ip->source, ip->source + addresses);
  key.append(&packet[ip->header_length], &packet[ip->header_length] + 4);
  return key;
}

/// Is `out` what `in` may become on its way through a super-packet: itself, or with DF set and a right header checksum,
/// itself with another identification?
inline bool same_packet(const PacketBytes& in, const PacketBytes& out) {
  if (in == out) return true;
  if (in.size() != out.size() || in[0] != 0x45) return false;
  const auto& before = *reinterpret_cast<const wire::Ipv4Header*>(in.data());
  PacketBytes renumbered = in;
  if (wire::finish_checksum(wire::add_to_checksum(std::span(in).first(20))) != 0) return false;
  if ((before.fragment.get() & wire::kDontFragment) == 0) return false;
  reinterpret_cast<wire::Ipv4Header*>(renumbered.data())->identification =
      reinterpret_cast<const wire::Ipv4Header*>(out.data())->identification;
  set_ip_checksum(renumbered);
  return renumbered == out;
}

/// Is every flow of `in` the same stream in `out`, and is nothing lost, added, or moved past a packet whose flow can't
/// be told?
inline bool same_streams(const std::vector<PacketBytes>& in, const std::vector<PacketBytes>& out) {
  if (in.size() != out.size()) return false;
  using Stream = std::vector<const PacketBytes*>;
  auto split = [](const std::vector<PacketBytes>& packets) {
    std::map<std::string, Stream> streams;
    Stream unknown;
    for (const PacketBytes& packet : packets) {
      auto key = flow_key(packet);
      if (!key) {
        unknown.push_back(&packet);
        for (auto& [_, stream] : streams) stream.push_back(&packet);
        continue;
      }
      auto [stream, is_new] = streams.try_emplace(*key, unknown);
      stream->second.push_back(&packet);
    }
    streams[""] = unknown;
    return streams;
  };
  auto before = split(in);
  auto after = split(out);
  return std::ranges::equal(before, after, [](const auto& a, const auto& b) {
    return a.first == b.first &&
           std::ranges::equal(a.second, b.second,
                              [](const PacketBytes* one, const PacketBytes* two) { return same_packet(*one, *two); });
  });
}

}  // namespace culvert::testing
