#include "control/openvpn/control_packet.h"

#include <gtest/gtest.h>

namespace culvert::openvpn {
namespace {

using wire::Opcode;
using Bytes = std::vector<uint8_t>;

constexpr wire::SessionId kPeer = {1, 2, 3, 4, 5, 6, 7, 8};

AckList acks(size_t count) {
  AckList list;
  for (size_t i = 0; i < count; ++i) list.ids[i] = static_cast<uint32_t>(0x01020304 * (i + 1));
  list.count = count;
  return list;
}

TEST(ControlPacket, RoundTripAndEveryTruncation) {
  for (Opcode opcode : {Opcode::kControl, Opcode::kSoftReset, Opcode::kAck}) {
    bool ack = opcode == Opcode::kAck;
    for (size_t count = ack ? 1 : 0; count <= kMaxAcks; ++count) {
      Bytes payload = ack ? Bytes{} : Bytes{9, 8, 7};
      Bytes bytes = build_control(opcode, acks(count), kPeer, 0xdeadbeef, payload);
      if (!ack) {
        EXPECT_EQ(bytes.size(), control_overhead(count) + payload.size());
      }
      auto packet = parse_control(opcode, bytes);
      ASSERT_TRUE(packet) << count;
      EXPECT_EQ(packet->acks, acks(count));
      if (count) {
        EXPECT_EQ(packet->acked_session, kPeer);
      }
      if (!ack) {
        EXPECT_EQ(packet->id, 0xdeadbeef);
      }
      EXPECT_EQ(Bytes(packet->payload.begin(), packet->payload.end()), payload);
      for (size_t size = 0; size < bytes.size() - payload.size(); ++size)
        EXPECT_FALSE(parse_control(opcode, std::span(bytes).first(size))) << count << " " << size;
    }
  }
}

TEST(ControlPacket, RefusesTooManyAcknowledgements) {
  for (int count = 9; count < 256; ++count) {
    Bytes bytes(2048, 0);
    bytes[0] = static_cast<uint8_t>(count);
    EXPECT_FALSE(parse_control(Opcode::kControl, bytes));
    EXPECT_FALSE(parse_control(Opcode::kAck, bytes));
  }
}

TEST(ControlPacket, AnAckHoldsAcknowledgementsAndNothingElse) {
  EXPECT_FALSE(parse_control(Opcode::kAck, Bytes{0}));
  Bytes bytes = build_control(Opcode::kAck, acks(2), kPeer, 0, {});
  bytes.push_back(0);
  EXPECT_FALSE(parse_control(Opcode::kAck, bytes));
}

}  // namespace
}  // namespace culvert::openvpn
