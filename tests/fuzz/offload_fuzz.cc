// Super-packets of the TUN. The first byte says which way. Even: what follows is a vnet header and a packet, as if the
// kernel had handed them out. Odd: the bytes are the choices of a corpus of flows, whose streams must come through
// joining and cutting as they were; or, on 3, packets as they are, each behind its length.
#include "drivers/offload/segment.h"
#include "tests/fuzz/input.h"
#include "tests/unit/support/super_packets.h"

namespace culvert::fuzz {
namespace {

using namespace drivers::offload;
using testing::PacketBytes;

void cut_anything(Input& input) {
  auto header = input.value<VnetHeader>();
  auto bytes = input.rest();
  PacketBytes packet(bytes.begin(), bytes.end());
  if (auto super = SuperPacket::read(header, packet)) {
    require(!super->done() && super->longest() <= packet.size() + header.segment_size);
    size_t left = super->left();
    for (; !super->done(); --left) {
      require(left == super->left());
      PacketBytes segment(super->longest());  // of its own, so that a byte too many is noticed
      size_t length = super->write_next(segment.data());
      require(length <= segment.size() && length > header.checksum_start);
    }
    require(left == 0);
  }
  PacketBytes before = packet;
  if (!complete_checksum(header, packet)) require(packet == before);
}

void join_and_cut(const std::vector<PacketBytes>& packets, TunOffloads offloads) {
  Coalescer coalescer(offloads);
  auto frames = testing::join(coalescer, packets);
  auto out = testing::cut(frames);
  require(out.has_value());
  require(testing::same_streams(packets, *out));
}

}  // namespace
}  // namespace culvert::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace culvert::fuzz;
  Input input(data, size);
  uint8_t way = input.byte();
  if (way % 2 == 0) {
    cut_anything(input);
    return 0;
  }
  culvert::drivers::offload::TunOffloads offloads{.vnet_header = true, .tcp = (way & 4) == 0, .udp = (way & 8) == 0};
  std::vector<PacketBytes> packets;
  if ((way & 2) != 0) {
    while (!input.empty() && packets.size() < 200) {
      auto bytes = input.take(input.u16() % 2048);
      if (culvert::wire::read_ip(bytes)) packets.emplace_back(bytes.begin(), bytes.end());  // the path lets no other by
    }
  } else {
    culvert::testing::FlowCorpus corpus([&](uint32_t n) { return input.empty() ? n - 1 : input.u16() % n; });
    packets = corpus.burst(100);
  }
  join_and_cut(packets, offloads);
  return 0;
}
