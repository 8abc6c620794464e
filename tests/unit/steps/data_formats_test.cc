// What the formats ask of packets that a peer has authenticated, and of the buffers that they write to.
#include <gtest/gtest.h>

#include "tests/unit/steps/end_of_buffer.h"
#include "tests/unit/support/path_rig.h"

namespace culvert {
namespace {

using abi::Cipher;
using abi::DropReason;
using testing::Bytes;
using testing::ipv4_packet;
using testing::PathRig;
using testing::Peer;

/// What a peer that has the key, but no sense, may send: CBC packets around `plain`, which is whole blocks.
class SenselessCbc : public ::testing::Test {
 protected:
  void send(const Bytes& plain) {
    Bytes packet = peer.opcode();
    Bytes sealed = peer.cbc_to_gateway().seal_unpadded(plain, {});
    packet.insert(packet.end(), sealed.begin(), sealed.end());
    rig.from_outer(packet, peer.remote);
  }
  /// One block or more that ends with `padding`.
  static Bytes block(size_t size, const Bytes& padding) {
    Bytes plain(size, 0);
    std::copy(padding.rbegin(), padding.rend(), plain.rbegin());
    return plain;
  }

  PathRig rig;
  Peer peer = rig.connect(0, [](auto&, auto& key) {
    key.cipher = Cipher::kAes256Cbc;
    key.format = abi::KeyFormat::kCbcHmac;
    key.digest = abi::Digest::kSha256;
  });
};

TEST_F(SenselessCbc, PaddingMustLeaveThePacketId) {
  for (uint8_t padding : {13, 15, 16}) send(block(16, Bytes(padding, padding)));
  EXPECT_EQ(rig.drops(DropReason::cbc_bad_padding), 3u);
  EXPECT_EQ(rig.dropped().size(), 1u);
  Bytes empty = block(16, Bytes(12, 12));
  empty[3] = 1;  // its packet-id
  send(empty);
  EXPECT_EQ(rig.drops(DropReason::inner_empty), 1u) << "the longest that does";
}

TEST_F(SenselessCbc, EveryByteOfThePaddingMustBeIts) {
  for (size_t wrong = 0; wrong < 9; ++wrong) {
    Bytes padding(9, 9);
    padding[wrong] = 10;
    send(block(32, padding));
  }
  send(block(32, {0}));
  EXPECT_EQ(rig.drops(DropReason::cbc_bad_padding), 10u);
  EXPECT_EQ(rig.dropped().size(), 1u);
}

TEST_F(SenselessCbc, WithoutABlockThereIsNoPacket) {
  send({});
  EXPECT_EQ(rig.drops(DropReason::outer_too_short), 1u);
  EXPECT_EQ(rig.dropped().size(), 1u);
}

TEST(Seal, WhatTheFormatPutsBehindMustHaveRoom) {
  for (auto [format, cipher] :
       {std::pair{abi::KeyFormat::kCbcHmac, Cipher::kAes256Cbc}, std::pair{abi::KeyFormat::kEpoch, Cipher::kAes256Gcm},
        std::pair{abi::KeyFormat::kAead, Cipher::kAes256Gcm}}) {
    for (uint16_t room : {0, 15, 16}) {
      PathRig rig;
      rig.connect(0, [&](auto&, auto& key) {
        key.format = format;
        key.cipher = cipher;
        if (format == abi::KeyFormat::kCbcHmac) key.digest = abi::Digest::kSha256;
        if (format == abi::KeyFormat::kEpoch)
          key.first_packet_id = (key.replay_floor = uint64_t{1} << abi::kEpochShift) + 1;
      });
      Bytes inner = ipv4_packet("192.0.2.1", "10.8.0.2", 1000);
      rte_mbuf* packet = testing::packet_near_the_end(rig.pool, inner, room);
      rig.path->inner_burst({&packet, 1}, rig.now);
      rig.path->flush();
      bool fits = room >= 16 || format == abi::KeyFormat::kAead;
      EXPECT_EQ(rig.sent_outer().size(), fits ? 1u : 0u) << static_cast<int>(format) << " " << room;
      EXPECT_EQ(rig.drops(DropReason::no_headroom), fits ? 0u : 1u) << static_cast<int>(format) << " " << room;
    }
  }
}

}  // namespace
}  // namespace culvert
