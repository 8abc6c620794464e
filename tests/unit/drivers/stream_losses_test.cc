// What is lost with a TCP connection is counted: packets that were read of it or queued on it, and itself when it finds
// no place.
#include <list>

#include "tests/unit/drivers/tcp_rig.h"
#include "tests/unit/support/seeded_random.h"

namespace culvert::drivers {
namespace {

using testing::SeededRandom;

void append(Bytes& bytes, const Bytes& more) {
  bytes.insert(bytes.end(), more.begin(), more.end());
}

/// Takes the whole packets at the front of `bytes` away. Returns how many there were.
size_t take_packets(Bytes& bytes) {
  size_t count = 0;
  size_t used = 0;
  std::span<const uint8_t> rest(bytes);
  for (CutFrame cut = cut_frame(rest); cut.verdict == Cut::kFrame; cut = cut_frame(rest.subspan(used)), ++count)
    used += cut.used;
  bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(used));
  return count;
}

class StreamLosses : public TcpRig {
 protected:
  /// Sends until packets wait in the connection's queue. Returns how many it sent.
  size_t send_until_some_wait(uint64_t stream) {
    size_t sent = 0;
    for (; port_->has_room(stream); ++sent) send(stream, Bytes(1400, 0x48));
    return sent;
  }
  /// What the client finds in its connection until that ends, in packets.
  size_t packets_received_by(Client& client) {
    Bytes bytes;
    size_t count = 0;
    EXPECT_TRUE(passes_until([&] {
      append(bytes, client.receive());
      count += take_packets(bytes);
      return client.ended;
    }));
    return count;
  }
  /// Every packet that was given to the port, and had room, has been sent as a whole or is counted as lost.
  void expect_sent_or_lost(size_t given) {
    EXPECT_EQ(counted(Counter::outer_tx_packets) + dropped(DropReason::tx_stream_closed), given);
    EXPECT_GT(dropped(DropReason::tx_stream_closed), 0u);
    EXPECT_EQ(counted(Counter::outer_tx_bytes), counted(Counter::outer_tx_packets) * 1400);
  }
};

TEST_F(StreamLosses, WhatAClosingConnectionStillSends) {
  open();
  Client client(port_->local());
  close(introduce(client), false);
  Bytes bytes;
  for (uint8_t i = 0; i < 4; ++i) append(bytes, frame(Bytes(100, i)));
  auto middle = bytes.begin() + 350;  // in the last packet
  client.send({bytes.begin(), middle});
  EXPECT_TRUE(passes_until([&] { return dropped(DropReason::stream_closing) == 3; }));
  client.send({middle, bytes.end()});
  EXPECT_TRUE(passes_until([&] { return dropped(DropReason::stream_closing) == 4; }));
  client.send({bytes.begin(), middle});
  client.finish_sending();
  EXPECT_TRUE(passes_until([&] { return port_->stream_count() == 0; }));
  EXPECT_EQ(dropped(DropReason::stream_closing), 7u) << "what did not come as a whole was no packet";
  EXPECT_TRUE(packets_.empty());
}

TEST_F(StreamLosses, AClosingConnectionThatSendsNoPacketsIsOver) {
  open();
  Client client(port_->local());
  close(introduce(client), false);
  client.send(frame(Bytes(100, 1)));
  client.send({0, 0, 1, 2, 3});
  EXPECT_TRUE(passes_until([&] { return port_->stream_count() == 0; }));
  EXPECT_EQ(dropped(DropReason::stream_closing), 1u);
  EXPECT_EQ(dropped(DropReason::stream_bad_length), 1u);
}

TEST_F(StreamLosses, WhatWaitedForBuffersWhenItsConnectionEnded) {
  open();
  uint64_t expected = 0;
  for (bool at_once : {true, false}) {
    Client client(port_->local());
    uint64_t stream = introduce(client);
    Bytes bytes;
    for (uint8_t i = 0; i < 12; ++i) append(bytes, frame(Bytes(100, i)));
    append(bytes, {0, 9, 1});  // the beginning of a packet
    take_buffers();
    client.send(bytes);
    EXPECT_TRUE(passes_until([&] { return port_->unread() == bytes.size(); }));
    close(stream, at_once);
    expected += 12;
    EXPECT_EQ(dropped(DropReason::stream_closing), expected);
    give_buffers_back();
    client.finish_sending();
    EXPECT_TRUE(passes_until([&] { return port_->stream_count() == 0; }));
    EXPECT_EQ(dropped(DropReason::stream_closing), expected);
    EXPECT_TRUE(packets_.empty());
  }
}

TEST_F(StreamLosses, PacketsInFrontOfABadLengthAreNotLost) {
  open();
  Client client(port_->local());
  introduce(client);
  Bytes bytes;
  for (uint8_t i = 0; i < 12; ++i) append(bytes, frame(Bytes(100, i)));
  append(bytes, {0, 0, 1, 2, 3});
  take_buffers();
  client.send(bytes);
  EXPECT_TRUE(passes_until([&] { return port_->unread() == bytes.size(); }));
  give_buffers_back();
  EXPECT_TRUE(passes_until([&] { return port_->stream_count() == 0; }));
  EXPECT_EQ(packets_.size(), 12u);
  EXPECT_EQ(dropped(DropReason::stream_bad_length), 1u);
  EXPECT_EQ(dropped(DropReason::stream_closing), 0u);
}

TEST_F(StreamLosses, WhatWaitedToBeSentWhenTheConnectionWasClosed) {
  open([](TcpSettings& settings) { settings.send_buffer = 16 << 10; });
  Client client(port_->local());
  uint64_t stream = introduce(client);
  size_t given = send_until_some_wait(stream);
  EXPECT_LT(counted(Counter::outer_tx_packets), given) << "what waits has not been sent";
  close(stream, true);
  expect_sent_or_lost(given);
  EXPECT_EQ(packets_received_by(client), counted(Counter::outer_tx_packets));
}

TEST_F(StreamLosses, WhatWaitedToBeSentWhenThePortWasGivenUp) {
  open([](TcpSettings& settings) { settings.send_buffer = 16 << 10; });
  Client client(port_->local());
  size_t given = send_until_some_wait(introduce(client));
  end_streams();
  expect_sent_or_lost(given);
  EXPECT_EQ(counted(Counter::streams_ended), 1u);
}

TEST_F(StreamLosses, WhatWaitedToBeSentWhenThePeerWentAway) {
  open([](TcpSettings& settings) { settings.send_buffer = 16 << 10; });
  size_t given = 0;
  {
    Client client(port_->local());
    given = send_until_some_wait(introduce(client));
  }
  EXPECT_TRUE(passes_until([&] { return port_->stream_count() == 0; }));
  expect_sent_or_lost(given);
}

TEST_F(StreamLosses, AConnectionThatFindsNoPlace) {
  open([](TcpSettings& settings) { settings.most_streams = 2; });
  Client first(port_->local());
  introduce(first);
  Client second(port_->local());
  introduce(second);
  Client third(port_->local());
  EXPECT_TRUE(passes_until([&] {
    third.receive();
    return third.ended;
  }));
  EXPECT_EQ(dropped(DropReason::stream_no_place), 1u);
  EXPECT_EQ(counted(Counter::streams_accepted), 2u);
  EXPECT_EQ(port_->stream_count(), 2u);
}

/// Connections that come, speak, listen or don't, and end in every way: what the clients have sent is received or
/// counted as lost, and what the port was given to send is sent or counted as lost.
class StreamBalance : public StreamLosses, public ::testing::WithParamInterface<uint64_t> {
 protected:
  struct Connection {
    std::unique_ptr<Client> client;
    uint64_t stream = 0;
    bool listens = false;
  };

  uint64_t below(uint64_t limit) { return random_.below(limit); }

  void connect() {
    Connection& made = connections_.emplace_back();
    made.client = std::make_unique<Client>(port_->local());
    made.stream = introduce(*made.client);
    made.listens = below(2) == 0;
    ++sent_by_clients_;
    ++received_;
  }
  /// Each packet is waited for: what is still in the kernel when a connection ends is not the port's to count.
  void client_sends(const Connection& from) {
    Bytes bytes;
    for (uint64_t count = 1 + below(40); count > 0; --count, ++sent_by_clients_)
      append(bytes, frame(Bytes(1 + below(1400), 0x48)));
    from.client->send(bytes);
    take_what_came();
  }
  void take_what_came() {
    EXPECT_TRUE(passes_until([&] {
      received_ += packets_.size();
      drop_packets();
      return received_ + dropped(DropReason::stream_closing) == sent_by_clients_;
    })) << received_
        << " of " << sent_by_clients_;
  }
  /// While there is no buffer for its packets.
  void client_sends_too_much(const Connection& from) {
    take_buffers();
    Bytes bytes;
    for (uint64_t count = 1 + below(12); count > 0; --count, ++sent_by_clients_) append(bytes, frame(Bytes(100, 0x48)));
    from.client->send(bytes);
    EXPECT_TRUE(passes_until([&] { return port_->unread() == bytes.size(); }));
    give_buffers_back();
  }
  void port_sends(const Connection& to) {
    for (uint64_t count = 1 + below(200); count > 0; --count, ++given_) {
      Bytes packet(1 + below(1400), 0x48);
      if (below(4) == 0) packet[0] = 0x20;  // of the control channel: goes first
      send(to.stream, packet);
    }
  }
  void end(std::list<Connection>::iterator one) {
    switch (below(4)) {
      case 0:
        close(one->stream, true);
        break;
      case 1:
        close(one->stream, false);
        if (below(2) == 0) client_sends(*one);
        break;
      case 2:
        one->client->finish_sending();
        break;
      default:
        break;  // the client goes away, with data unread if it does not listen
    }
    gone_.push_back(one->stream);
    connections_.erase(one);
  }
  void something() {
    if (connections_.empty() || (connections_.size() < 5 && below(8) == 0)) return connect();
    auto one = std::next(connections_.begin(), static_cast<std::ptrdiff_t>(below(connections_.size())));
    switch (below(8)) {
      case 0:
        return end(one);
      case 1:
        client_sends_too_much(*one);
        if (below(2) == 0) end(one);
        return take_what_came();
      case 2:
      case 3:
        return client_sends(*one);
      case 4:
        if (gone_.empty()) return;
        return port_sends({nullptr, gone_[below(gone_.size())], false});
      default:
        port_sends(*one);
        if (one->listens) one->client->receive();
    }
  }

  SeededRandom random_{GetParam()};
  std::list<Connection> connections_;
  std::vector<uint64_t> gone_;
  uint64_t sent_by_clients_ = 0;
  uint64_t received_ = 0;
  uint64_t given_ = 0;
};

TEST_P(StreamBalance, EveryPacketIsAccountedForOnce) {
  open([](TcpSettings& settings) { settings.send_buffer = 16 << 10; });
  for (int i = 0; i < 400 && !HasFailure(); ++i) something();
  take_what_came();
  end_streams();
  EXPECT_EQ(port_->stream_count(), 0u);
  EXPECT_EQ(port_->buffered(), 0u);
  EXPECT_EQ(received_ + dropped(DropReason::stream_closing), sent_by_clients_);
  EXPECT_EQ(
      counted(Counter::outer_tx_packets) + dropped(DropReason::tx_stream_closed) + dropped(DropReason::tx_queue_full),
      given_);
  EXPECT_EQ(counted(Counter::streams_accepted), counted(Counter::streams_ended));
  for (DropReason reason : {DropReason::stream_closing, DropReason::tx_stream_closed, DropReason::tx_queue_full})
    EXPECT_GT(dropped(reason), 0u) << abi::info(reason).name << ": the mixture does not reach it";
}

INSTANTIATE_TEST_SUITE_P(Seeds, StreamBalance, ::testing::Range<uint64_t>(1, 5));

}  // namespace
}  // namespace culvert::drivers
