// The TCP port against real sockets on loopback.
#include "tests/unit/drivers/tcp_rig.h"

#include <memory>
#include <set>

namespace culvert::drivers {
namespace {

using KernelTcp = TcpRig;

TEST_F(KernelTcp, SaysWhereAPacketCameFrom) {
  open();
  Client client(port_->local());
  client.send(frame(hard_reset()));
  ASSERT_TRUE(testing::wait_readable(port_->wake_fd()));
  ASSERT_TRUE(receives(1));
  EXPECT_EQ(bytes(0), hard_reset());
  const PacketMeta& about = meta(packets_[0]);
  EXPECT_EQ(abi::to_text(about.remote), abi::to_text(client.local));
  EXPECT_EQ(about.remote.transport, abi::Transport::kTcp);
  EXPECT_NE(about.remote.stream, 0u);
  EXPECT_EQ(abi::to_text(about.local), abi::to_text(port_->local()));
  EXPECT_EQ(about.port, 7);
  EXPECT_EQ(rte_pktmbuf_headroom(packets_[0]), kHeadroom);
}

TEST_F(KernelTcp, DualStackClientsHavePlainIpv4Addresses) {
  open({}, "::");
  Client client(at("127.0.0.1", port_->local().port));
  client.send(frame(hard_reset()));
  ASSERT_TRUE(receives(1));
  EXPECT_EQ(abi::to_text(meta(packets_[0]).remote), abi::to_text(client.local));
}

TEST_F(KernelTcp, StreamIdsAreNeverUsedAgain) {
  open();
  std::set<uint64_t> streams;
  for (int i = 0; i < 50; ++i) {
    Client client(port_->local());
    streams.insert(introduce(client));
  }
  EXPECT_EQ(streams.size(), 50u);
  EXPECT_TRUE(passes_until([&] { return port_->stream_count() == 0; })) << "closed ones are gone";
  EXPECT_EQ(counted(Counter::streams_accepted), 50u);
  EXPECT_EQ(counted(Counter::streams_ended), 50u);
}

TEST_F(KernelTcp, TakesPacketsApartWhereverTheyAreSplit) {
  open();
  Bytes all;
  std::vector<Bytes> expected = {hard_reset(), Bytes(1, 0x48), Bytes(2048, 0x49), Bytes(300, 0x4A)};
  for (const Bytes& packet : expected) {
    Bytes framed = frame(packet);
    all.insert(all.end(), framed.begin(), framed.end());
  }
  // One byte at a time, each seen by the port before the next one leaves.
  Client client(port_->local());
  for (uint8_t byte : all) {
    client.send({byte});
    ASSERT_TRUE(testing::wait_readable(port_->wake_fd()));
    pass();
  }
  ASSERT_TRUE(receives(4));
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(bytes(i), expected[i]) << i;
  drop_packets();
  // In two pieces, at every place.
  for (size_t at = 1; at < all.size(); at += at < 40 ? 1 : 97) {
    Client other(port_->local());
    other.send({all.begin(), all.begin() + static_cast<std::ptrdiff_t>(at)});
    pass();
    other.send({all.begin() + static_cast<std::ptrdiff_t>(at), all.end()});
    ASSERT_TRUE(receives(4)) << at;
    for (size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(bytes(i), expected[i]) << at;
    drop_packets();
  }
  EXPECT_EQ(port_->buffered(), 0u);
}

TEST_F(KernelTcp, ManySmallFramesDoNotHoldOthersUp) {
  open();
  Client busy(port_->local());
  Client calm(port_->local());
  introduce(busy);
  uint64_t calm_stream = introduce(calm);
  Bytes flood;
  for (int i = 0; i < 65536 / 3; ++i) flood.insert(flood.end(), {0, 1, 0x48});
  busy.send(flood);
  calm.send(frame(Bytes(100, 0x4F)));
  size_t position = 0;
  ASSERT_TRUE(passes_until([&] {
    for (; position < packets_.size(); ++position)
      if (meta(packets_[position]).remote.stream == calm_stream) return true;
    drop_packets();
    position = 0;
    return false;
  }));
  // The flood is taken 16 at a time: what came before the calm packet is a few turns, not the flood.
  EXPECT_LE(position, 128u);
  EXPECT_LE(port_->buffered(), KernelTcpPort::kReadSize + kMaxPacket);
  size_t seen = packets_.size();
  drop_packets();
  passes_until([&] {
    seen += packets_.size();
    drop_packets();
    return port_->buffered() == 0 && !testing::wait_readable(port_->wake_fd(), std::chrono::milliseconds(20));
  });
  EXPECT_EQ(port_->stream_count(), 2u) << "frames of one byte are frames";
}

TEST_F(KernelTcp, AFullBurstIsReadWithoutLeftovers) {
  constexpr size_t kBurst = 64;
  open();
  Client client(port_->local());
  introduce(client);
  Bytes all;
  for (size_t i = 0; i < kBurst + 2; ++i) {
    Bytes framed = frame(Bytes(500, 0x48));
    all.insert(all.end(), framed.begin(), framed.end());
  }
  // Bytes may also arrive in pieces: then it is tried again.
  bool was_full = false;
  for (int round = 0; round < 100 && !was_full; ++round) {
    client.send(frame(Bytes(20, 0x48)));
    ASSERT_TRUE(receives(1));
    drop_packets();
    client.send(all);
    size_t received = 0;
    ASSERT_TRUE(passes_until([&] {
      received += packets_.size();
      bool is_first = received == packets_.size();
      if (is_first && packets_.size() == kBurst) {
        was_full = true;
        EXPECT_EQ(port_->buffered(), 0u) << "what does not fit into the burst stays in the kernel";
      }
      drop_packets();
      return received == kBurst + 2;
    }));
  }
  EXPECT_TRUE(was_full) << "frames longer than the ones before still make one burst";
}

TEST_F(KernelTcp, ImpossibleLengthsEndTheConnection) {
  open();
  uint64_t expected = 0;
  for (const Bytes& bad : {Bytes{0, 0}, Bytes{0x08, 0x01}, Bytes{0xFF, 0xFF}}) {
    Client client(port_->local());
    introduce(client);
    client.send(frame(Bytes(40, 0x48)));
    client.send(bad);
    ASSERT_TRUE(passes_until([&] { return port_->stream_count() == 0; }));
    EXPECT_EQ(dropped(DropReason::stream_bad_length), ++expected);
    EXPECT_EQ(packets_.size(), 1u) << "what came before is whole";
    drop_packets();
    EXPECT_TRUE(testing::wait_until([&] {
      client.receive();
      return client.ended;
    }));
  }
}

TEST_F(KernelTcp, ForeignConnectionsAreClosed) {
  open();
  Client client(port_->local());
  std::string request = "GET / HTTP/1.1\r\n\r\n";
  client.send({request.begin(), request.end()});
  ASSERT_TRUE(passes_until([&] { return counted(Counter::streams_ended) == 1; }));
  EXPECT_EQ(dropped(DropReason::stream_not_openvpn), 1u);
  EXPECT_TRUE(packets_.empty());
}

TEST_F(KernelTcp, TellsOfEndsOfConnectionsThatSpoke) {
  open();
  abi::Endpoint ended;
  { Client silent(port_->local()); }
  ASSERT_TRUE(passes_until([&] { return counted(Counter::streams_ended) == 1; }));
  EXPECT_FALSE(port_->take_ended(ended));
  uint64_t stream;
  {
    Client client(port_->local());
    stream = introduce(client);
  }
  ASSERT_TRUE(passes_until([&] { return port_->take_ended(ended); }));
  EXPECT_EQ(ended.stream, stream);
  EXPECT_EQ(ended.transport, abi::Transport::kTcp);
  EXPECT_FALSE(port_->take_ended(ended));
}

TEST_F(KernelTcp, SendsFramesInOrder) {
  open();
  Client client(port_->local());
  uint64_t stream = introduce(client);
  Bytes expected;
  for (uint8_t i = 1; i <= 100; ++i) {
    send(stream, Bytes(i, 0x48));
    Bytes framed = frame(Bytes(i, 0x48));
    expected.insert(expected.end(), framed.begin(), framed.end());
  }
  Bytes all;
  EXPECT_TRUE(testing::wait_until([&] {
    Bytes more = client.receive();
    all.insert(all.end(), more.begin(), more.end());
    return all.size() >= expected.size();
  }));
  EXPECT_EQ(all, expected);
  EXPECT_EQ(counted(Counter::outer_tx_packets), 100u);
  send(stream + 1, Bytes(10, 0x48));
  EXPECT_EQ(dropped(DropReason::tx_stream_closed), 1u);
}

TEST_F(KernelTcp, ASlowReaderCostsBoundedMemoryAndLosesWholeFramesOnly) {
  open([](TcpSettings& settings) { settings.send_buffer = 16 << 10; });
  Client client(port_->local());
  uint64_t stream = introduce(client);
  Bytes packet(1400, 0x48);
  size_t data_frames = 0;
  for (; port_->has_room(stream); ++data_frames) send(stream, packet);
  EXPECT_EQ(dropped(DropReason::tx_queue_full), 0u) << "whoever asks loses nothing";
  for (; dropped(DropReason::tx_queue_full) == 0; ++data_frames) send(stream, packet);
  --data_frames;  // the last one was dropped
  EXPECT_LE(port_->buffered(), StreamSendQueue::kHardLimit);
  // Control gets through before the data that waits, and the frame that was begun stays whole.
  Bytes control(50, 0x20);
  send(stream, control);
  Bytes all;
  size_t frames = 0;
  size_t control_at = 0;
  ASSERT_TRUE(passes_until([&] {
    Bytes more = client.receive();
    all.insert(all.end(), more.begin(), more.end());
    for (CutFrame cut = cut_frame(all); cut.verdict == Cut::kFrame; cut = cut_frame(all)) {
      Bytes one(cut.packet.begin(), cut.packet.end());
      EXPECT_TRUE(one == packet || one == control) << frames;
      if (one == control) control_at = frames;
      ++frames;
      all.erase(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(cut.used));
    }
    return frames == data_frames + 1;
  }));
  EXPECT_GT(control_at, 0u);
  EXPECT_LT(control_at + 300, frames) << "in front of what waited";
  EXPECT_EQ(port_->buffered(), 0u);
  EXPECT_EQ(counted(Counter::outer_tx_packets), frames);
  EXPECT_TRUE(port_->has_room(stream));
}

TEST_F(KernelTcp, WhatWaitsGoesFirstAlsoWhereTheKernelHasRoomAgain) {
  open([](TcpSettings& settings) { settings.send_buffer = 16 << 10; });
  Client client(port_->local());
  uint64_t stream = introduce(client);
  Bytes expected, all;
  auto send_one = [&](uint8_t number) {
    send(stream, Bytes(1400, number));
    Bytes framed = frame(Bytes(1400, number));
    expected.insert(expected.end(), framed.begin(), framed.end());
  };
  auto receive_some = [&] {
    Bytes more = client.receive();
    all.insert(all.end(), more.begin(), more.end());
    return !more.empty();
  };
  uint8_t number = 0x48;  // data, and then whatever
  while (port_->has_room(stream)) send_one(number++ % 8 + 0x48);
  // The client reads, and the port does not look: what it is given meanwhile stands behind what waits.
  ASSERT_TRUE(testing::wait_until([&] { return receive_some() && all.size() > 64 << 10; }));
  for (int i = 0; i < 5; ++i) send_one(0x4F);
  ASSERT_TRUE(passes_until([&] { return receive_some(), all.size() >= expected.size(); }));
  EXPECT_TRUE(all == expected);
  pass();
  EXPECT_FALSE(testing::wait_readable(port_->wake_fd(), std::chrono::milliseconds(0))) << "nothing waits for room";
}

TEST_F(KernelTcp, AnEmptyPacketIsNoFrame) {
  open();
  Client client(port_->local());
  uint64_t stream = introduce(client);
  send(stream, {});
  send(stream, Bytes(10, 0x48));
  Bytes all;
  ASSERT_TRUE(testing::wait_until([&] {
    Bytes more = client.receive();
    all.insert(all.end(), more.begin(), more.end());
    return all.size() >= 12;
  }));
  EXPECT_EQ(all, frame(Bytes(10, 0x48)));
  EXPECT_EQ(dropped(DropReason::no_headroom), 1u);
}

TEST_F(KernelTcp, WithoutPacketBuffersTheBytesWait) {
  open();
  Client client(port_->local());
  introduce(client);
  take_buffers();
  for (uint8_t i = 0; i < 20; ++i) client.send(frame(Bytes(100, i)));
  EXPECT_FALSE(passes_until([&] { return !packets_.empty(); }, std::chrono::milliseconds(30)));
  give_buffers_back();
  ASSERT_TRUE(testing::wait_readable(port_->wake_fd())) << "the worker is woken although no byte comes";
  ASSERT_TRUE(receives(20));
  for (uint8_t i = 0; i < 20; ++i) EXPECT_EQ(bytes(i), Bytes(100, i));
}

TEST_F(KernelTcp, ClosesWhenAllIsSent) {
  open([](TcpSettings& settings) { settings.send_buffer = 16 << 10; });
  Client client(port_->local());
  uint64_t stream = introduce(client);
  size_t sent = 0;
  for (; port_->has_room(stream); ++sent) send(stream, Bytes(1400, 0x48));
  close(stream, false);
  client.send(frame(Bytes(100, 0x48)));
  size_t received = 0;
  ASSERT_TRUE(passes_until([&] {
    received += client.receive().size();
    return client.ended;
  }));
  EXPECT_EQ(received, sent * 1402);
  EXPECT_TRUE(packets_.empty()) << "nothing is read from it any more";
  EXPECT_EQ(port_->stream_count(), 1u) << "the end was said when all was sent, not when the time was up";
  send(stream, Bytes(10, 0x48));
  EXPECT_EQ(dropped(DropReason::tx_stream_closed), 1u);
  client.finish_sending();
  EXPECT_TRUE(passes_until([&] { return port_->stream_count() == 0; }));
  abi::Endpoint ended;
  EXPECT_FALSE(port_->take_ended(ended)) << "who closed it need not be told";
}

TEST_F(KernelTcp, ClosingAtOnceIsAnEnd) {
  open();
  Client client(port_->local());
  uint64_t stream = introduce(client);
  close(stream, true);
  EXPECT_EQ(port_->stream_count(), 0u);
  abi::Endpoint ended;
  EXPECT_TRUE(port_->take_ended(ended));
  pass();
  EXPECT_EQ(counted(Counter::streams_ended), 1u);
}

TEST_F(KernelTcp, GivenUpItTellsOfItsConnections) {
  open();
  Client client(port_->local());
  uint64_t stream = introduce(client);
  Client silent(port_->local());
  ASSERT_TRUE(passes_until([&] { return port_->stream_count() == 2; }));
  end_streams();
  abi::Endpoint ended;
  ASSERT_TRUE(port_->take_ended(ended));
  EXPECT_EQ(ended.stream, stream);
  EXPECT_FALSE(port_->take_ended(ended)) << "of the other one nobody knows";
  EXPECT_EQ(port_->stream_count(), 0u);
  send(stream, Bytes(10, 0x48));
  EXPECT_EQ(dropped(DropReason::tx_stream_closed), 1u);
}

TEST_F(KernelTcp, ThousandSilentConnections) {
  open([](TcpSettings& settings) {
    settings.first_packet_ms = 300;
    settings.hand_window_ms = 600;
    settings.most_waiting_per_network = 100;
    settings.most_waiting = 250;
  });
  Client honest(port_->local(), "127.0.0.9");
  uint64_t stream = introduce(honest);
  ASSERT_TRUE(port_->keep_stream(stream, true)) << "its handshake is done";
  std::vector<std::unique_ptr<Client>> silent;
  for (int i = 0; i < 1000; ++i) {
    silent.push_back(std::make_unique<Client>(port_->local(), "127.0.0." + std::to_string(10 + i % 4)));
    pass();
    EXPECT_LE(port_->waiting_count(), 250u);
  }
  // The one that has a session notices nothing, and newcomers get in.
  honest.send(frame(Bytes(100, 0x4F)));
  EXPECT_TRUE(receives(1));
  drop_packets();
  Client newcomer(port_->local(), "127.0.0.8");
  EXPECT_NE(introduce(newcomer), 0u);
  // All silent ones are closed; the newcomer is as well, after its hand-window.
  ASSERT_TRUE(passes_until([&] { return port_->stream_count() == 1; }));
  EXPECT_EQ(counted(Counter::streams_silent), 1001u);
  EXPECT_TRUE(port_->has_room(stream));
  EXPECT_TRUE(port_->keep_stream(stream, false));
  EXPECT_TRUE(passes_until([&] { return port_->stream_count() == 0; })) << "without a session it has to go";
  EXPECT_FALSE(testing::wait_readable(port_->wake_fd(), std::chrono::milliseconds(200))) << "an empty port sleeps";
}

TEST_F(KernelTcp, ErrorsSayWhatIsWrong) {
  open();
  TcpSettings again;
  again.local = port_->local();
  auto taken = open_tcp_socket(again);
  ASSERT_FALSE(taken);
  EXPECT_NE(taken.error().find("taken by another program; find it with: ss -ltnp"), std::string::npos) << taken.error();
}

}  // namespace
}  // namespace culvert::drivers
