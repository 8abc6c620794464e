// TCP connections that go from one port to the next: their peers notice nothing.
#include "tests/unit/drivers/tcp_rig.h"

namespace culvert::drivers {
namespace {

class StreamHandover : public TcpRig {
 protected:
  /// Another port takes over, listener and all.
  void hand_over(const std::function<void(std::vector<LeftStream>&)>& change = {}) {
    std::vector<LeftStream> left = port_->leave_streams();
    EXPECT_EQ(port_->stream_count(), 0u);
    if (change) change(left);
    open();
    port_->adopt(std::move(left));
  }
  /// Sends until packets wait in the connection's queue. Returns how many it sent, all with their number in front.
  uint32_t send_until_some_wait(uint64_t stream) {
    uint32_t sent = 0;
    for (; port_->has_room(stream); ++sent) {
      Bytes packet(1400, 0x48);
      packet[1] = static_cast<uint8_t>(sent >> 8);
      packet[2] = static_cast<uint8_t>(sent);
      send(stream, packet);
    }
    return sent;
  }
  /// The client gets so many packets, in order.
  void expect_numbered(Client& client, uint32_t count) {
    Bytes bytes;
    uint32_t next = 0;
    EXPECT_TRUE(passes_until([&] {
      const Bytes more = client.receive();
      bytes.insert(bytes.end(), more.begin(), more.end());
      size_t used = 0;
      for (CutFrame cut; (cut = cut_frame(std::span(bytes).subspan(used))).verdict == Cut::kFrame; ++next) {
        EXPECT_EQ(cut.packet.size(), 1400u);
        EXPECT_EQ(cut.packet[1] << 8 | cut.packet[2], static_cast<int>(next));
        used += cut.used;
      }
      bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(used));
      return next == count || client.ended;
    }));
    EXPECT_EQ(next, count);
    EXPECT_TRUE(bytes.empty());
  }
};

TEST_F(StreamHandover, GoesOnUnderTheSameNumber) {
  open();
  Client client(port_->local());
  const uint64_t stream = introduce(client);
  hand_over();
  EXPECT_TRUE(port_->has_stream(stream));
  EXPECT_TRUE(port_->keep_stream(stream, true));
  client.send(frame(Bytes(100, 7)));
  ASSERT_TRUE(receives(1));
  EXPECT_EQ(meta(packets_[0]).remote.stream, stream);
  EXPECT_EQ(meta(packets_[0]).remote.port, client.local.port);
  EXPECT_EQ(meta(packets_[0]).local.transport, abi::Transport::kTcp);
  EXPECT_EQ(bytes(0), Bytes(100, 7));
  send(stream, Bytes(50, 0x48));
  EXPECT_TRUE(passes_until([&] { return client.receive() == frame(Bytes(50, 0x48)); }));
  client.finish_sending();
  abi::Endpoint ended;
  EXPECT_TRUE(passes_until([&] { return port_->take_ended(ended); })) << "packets came of it, if not here";
  EXPECT_EQ(ended.stream, stream);
}

TEST_F(StreamHandover, AFrameThatIsHalfReadIsReadToItsEnd) {
  open();
  Client client(port_->local());
  introduce(client);
  Bytes two = frame(Bytes(400, 1));
  const Bytes second = frame(Bytes(300, 2));
  two.insert(two.end(), second.begin(), second.end());
  client.send({two.begin(), two.begin() + 500});
  ASSERT_TRUE(receives(1));
  EXPECT_GT(port_->unread(), 0u);
  hand_over();
  client.send({two.begin() + 500, two.end()});
  ASSERT_TRUE(receives(2));
  EXPECT_EQ(bytes(1), Bytes(300, 2));
}

TEST_F(StreamHandover, PacketsThatWaitedForBuffersAreReceivedThen) {
  open();
  Client client(port_->local());
  introduce(client);
  take_buffers();
  for (uint8_t i = 0; i < 3; ++i) client.send(frame(Bytes(100, i)));
  ASSERT_TRUE(passes_until([&] { return port_->unread() == 3 * 102; }));
  hand_over();
  give_buffers_back();
  EXPECT_TRUE(receives(3)) << "nothing more comes that would wake the port";
}

TEST_F(StreamHandover, WhatWaitedToBeWrittenIsWrittenInOrder) {
  open();
  Client client(port_->local());
  const uint64_t stream = introduce(client);
  const uint32_t before = send_until_some_wait(stream);
  ASSERT_GT(port_->buffered(), 0u);
  const uint64_t counted_before = counted(Counter::outer_tx_packets);
  hand_over();
  EXPECT_GT(port_->buffered(), 0u);
  expect_numbered(client, before);
  EXPECT_EQ(counted(Counter::outer_tx_packets), before) << counted_before << " of them by the port before";
  EXPECT_EQ(counted(Counter::outer_tx_bytes), before * 1400u);
  EXPECT_EQ(port_->buffered(), 0u);
}

TEST_F(StreamHandover, AConnectionThatIsBeingClosedIsClosed) {
  open();
  Client client(port_->local());
  const uint64_t stream = introduce(client);
  const uint32_t before = send_until_some_wait(stream);
  close(stream, false);
  hand_over();
  EXPECT_FALSE(port_->keep_stream(stream, true));
  expect_numbered(client, before);
  EXPECT_TRUE(passes_until([&] { return client.receive().empty() && client.ended; }));
}

TEST_F(StreamHandover, NothingIsSentBehindTheEnd) {
  open();
  Client client(port_->local());
  const uint64_t stream = introduce(client);
  close(stream, false);
  hand_over();
  EXPECT_EQ(port_->stream_count(), 1u) << "the peer may still close its own end";
  EXPECT_FALSE(port_->has_stream(stream));
  send(stream, Bytes(10, 0x48));
  EXPECT_EQ(dropped(DropReason::tx_stream_closed), 1u);
}

TEST_F(StreamHandover, WithoutASessionItsTimeRunsOut) {
  settings_.hand_window_ms = 50;
  open();
  Client kept(port_->local());
  Client other(port_->local());
  const uint64_t stream = introduce(kept);
  introduce(other);
  hand_over();
  ASSERT_TRUE(port_->keep_stream(stream, true));
  EXPECT_TRUE(passes_until([&] { return other.receive().empty() && other.ended; }));
  EXPECT_TRUE(port_->has_stream(stream));
  EXPECT_EQ(port_->stream_count(), 1u);
}

TEST_F(StreamHandover, NewcomersFindTheirPlacesBetweenThem) {
  open();
  std::vector<Client> clients;
  std::vector<uint64_t> streams;
  for (int i = 0; i < 4; ++i) streams.push_back(introduce(clients.emplace_back(port_->local())));
  close(streams[1], true);
  hand_over();
  EXPECT_EQ(port_->stream_count(), 3u);
  Client newcomer(port_->local());
  Client another(port_->local());
  EXPECT_EQ(introduce(newcomer) & KernelTcpPort::kMostStreams, streams[1] & KernelTcpPort::kMostStreams);
  introduce(another);
  EXPECT_EQ(port_->stream_count(), 5u);
  for (int i : {0, 2, 3}) EXPECT_TRUE(port_->has_stream(streams[static_cast<size_t>(i)]));
}

TEST_F(StreamHandover, WhatMakesNoSenseIsClosed) {
  open();
  std::vector<Client> clients;
  std::vector<uint64_t> streams;
  for (int i = 0; i < 8; ++i) streams.push_back(introduce(clients.emplace_back(port_->local())));
  hand_over([](std::vector<LeftStream>& left) {
    left[0].id |= KernelTcpPort::kMostStreams;  // a place that there is not
    left[0].remote.stream = left[0].id;
    left[1].remote.stream += 1 << 16;                 // of another one
    left[2].control.begun_left = 3;                   // of nothing
    left[3].data.bytes = {0, 9, 1};                   // no whole frame
    left[4].id = left[4].remote.stream = left[5].id;  // a place that another one has
    left[4].state = StreamState::kAccepted;
    left[6].received.resize(1 << 20);  // more than is ever read ahead
    left[7].remote.transport = abi::Transport::kUdp;
  });
  EXPECT_EQ(port_->stream_count(), 1u);
  EXPECT_TRUE(port_->has_stream(streams[5]));
  EXPECT_TRUE(passes_until([&] { return clients[5].receive().empty() && clients[5].ended; })) << "whoever comes second";
  for (size_t i : {0u, 1u, 2u, 3u, 6u, 7u}) {
    EXPECT_FALSE(port_->has_stream(streams[i]));
    EXPECT_TRUE(passes_until([&] { return clients[i].receive().empty() && clients[i].ended; }));
  }
}

}  // namespace
}  // namespace culvert::drivers
