#include "perf/pktgen/net_port.h"

#include <rte_ethdev.h>

#include <algorithm>
#include <cstring>

#include "dataplane/wire/byte_order.h"

namespace culvert::pktgen {
namespace {

constexpr uint16_t kEtherArp = 0x0806;
constexpr uint16_t kRequest = 1, kReply = 2;
constexpr uint32_t kMtu = 1500;

struct ArpFrame {
  wire::EthernetHeader ethernet;
  wire::be16 hardware;
  wire::be16 protocol;
  uint8_t hardware_size;
  uint8_t protocol_size;
  wire::be16 operation;
  wire::MacAddress sender_mac;
  Ip4 sender;
  wire::MacAddress target_mac;
  Ip4 target;
};
static_assert(sizeof(ArpFrame) == Arp::kFrameSize && alignof(ArpFrame) == 1);

}  // namespace

void Arp::write_request(uint8_t* at) const {
  ArpFrame frame{};
  frame.ethernet.destination.fill(0xFF);
  frame.ethernet.source = own_mac_;
  frame.ethernet.type.set(kEtherArp);
  frame.hardware.set(1);
  frame.protocol.set(wire::kEtherIpv4);
  frame.hardware_size = 6;
  frame.protocol_size = 4;
  frame.operation.set(kRequest);
  frame.sender_mac = own_mac_;
  frame.sender = own_;
  frame.target = gateway_;
  std::memcpy(at, &frame, sizeof frame);
}

bool Arp::take(std::span<uint8_t> bytes) {
  if (bytes.size() < kFrameSize) return false;
  ArpFrame frame;
  std::memcpy(&frame, bytes.data(), sizeof frame);
  if (frame.hardware.get() != 1 || frame.protocol.get() != wire::kEtherIpv4 || frame.hardware_size != 6 ||
      frame.protocol_size != 4)
    return false;
  if (frame.sender == gateway_) gateway_mac_ = frame.sender_mac;
  if (frame.operation.get() != kRequest || frame.target != own_) return false;
  frame.operation.set(kReply);
  frame.target_mac = frame.sender_mac;
  frame.target = frame.sender;
  frame.sender_mac = own_mac_;
  frame.sender = own_;
  frame.ethernet.destination = frame.target_mac;
  frame.ethernet.source = own_mac_;
  std::memcpy(bytes.data(), &frame, sizeof frame);
  return true;
}

Result<std::unique_ptr<NetPort>> NetPort::open(const std::string& device, const Ip4& own, const Ip4& gateway,
                                               rte_mempool* packets) {
  auto opened = drivers::EthDevice::open({.device = device, .mtu = kMtu}, packets);
  if (!opened) return Error{opened.error()};
  return std::unique_ptr<NetPort>(new NetPort(std::move(*opened), own, gateway, packets));
}

uint16_t NetPort::receive(std::span<rte_mbuf*> out) {
  uint16_t count = rte_eth_rx_burst(device_.id(), 0, out.data(), static_cast<uint16_t>(out.size()));
  uint16_t kept = 0;
  for (uint16_t i = 0; i < count; ++i) {
    rte_mbuf* frame = out[i];
    auto* ethernet = rte_pktmbuf_mtod(frame, wire::EthernetHeader*);
    if (frame->data_len < sizeof *ethernet || ethernet->type.get() != kEtherArp) {
      out[kept++] = frame;
    } else if (arp_.take({rte_pktmbuf_mtod(frame, uint8_t*), frame->data_len})) {
      send({&frame, 1});
    } else {
      rte_pktmbuf_free(frame);
    }
  }
  return kept;
}

uint16_t NetPort::send(std::span<rte_mbuf*> frames) {
  auto count = static_cast<uint16_t>(frames.size());
  uint16_t sent = rte_eth_tx_burst(device_.id(), 0, frames.data(), count);
  if (sent < count) rte_pktmbuf_free_bulk(frames.data() + sent, count - sent);
  return sent;
}

void NetPort::ask_gateway() {
  rte_mbuf* frame = rte_pktmbuf_alloc(packets_);
  if (frame == nullptr) return;  // asked again soon
  arp_.write_request(reinterpret_cast<uint8_t*>(rte_pktmbuf_append(frame, Arp::kFrameSize)));
  send({&frame, 1});
}

}  // namespace culvert::pktgen
