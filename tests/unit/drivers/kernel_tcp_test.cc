// The TCP port against real sockets on loopback.
#include "drivers/kernel_tcp.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <poll.h>

#include <algorithm>
#include <functional>
#include <set>
#include <string>

#include "dataplane/abi/endpoint_text.h"
#include "dataplane/packet.h"
#include "drivers/socket_address.h"
#include "tests/unit/support/eal.h"
#include "tests/unit/support/wait.h"

namespace culvert::drivers {
namespace {

using abi::Counter;
using abi::DropReason;
using Bytes = std::vector<uint8_t>;

abi::Endpoint at(const std::string& address, uint16_t port) {
  abi::Endpoint endpoint;
  endpoint.address = *abi::parse_ip(address);
  endpoint.port = port;
  endpoint.transport = abi::Transport::kTcp;
  return endpoint;
}

Bytes frame(const Bytes& packet) {
  Bytes bytes(kFrameHeader + packet.size());
  bytes[0] = static_cast<uint8_t>(packet.size() >> 8);
  bytes[1] = static_cast<uint8_t>(packet.size());
  std::copy(packet.begin(), packet.end(), bytes.begin() + kFrameHeader);
  return bytes;
}

/// A client's first packet, as far as the port looks at it.
Bytes hard_reset() {
  Bytes packet(14, 1);
  packet[0] = 0x38;
  return packet;
}

/// A client's connection.
class Client {
 public:
  explicit Client(const abi::Endpoint& server, const std::string& from = "") {
    int family = family_of(server);
    fd_ = FileDescriptor(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    SocketAddress address;
    if (!from.empty()) {
      socklen_t length = to_socket_address(at(from, 0), family, address);
      EXPECT_EQ(bind(fd_.get(), &address.any, length), 0);
    }
    socklen_t length = to_socket_address(server, family, address);
    EXPECT_EQ(connect(fd_.get(), &address.any, length), 0) << std::strerror(errno);
    getsockname(fd_.get(), &address.any, &length);
    local = from_socket_address(address);
    fcntl(fd_.get(), F_SETFL, O_NONBLOCK);
    (void)set_option(fd_.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  }
  void send(const Bytes& bytes) const {
    ASSERT_EQ(::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  /// Everything that has come so far; sets `ended` when the other side is done.
  Bytes receive() {
    Bytes bytes(1 << 16);
    ssize_t got = recv(fd_.get(), bytes.data(), bytes.size(), 0);
    if (got == 0 || (got < 0 && errno != EAGAIN)) ended = true;
    bytes.resize(got > 0 ? static_cast<size_t>(got) : 0);
    return bytes;
  }
  void finish_sending() const { shutdown(fd_.get(), SHUT_WR); }
  int fd() const { return fd_.get(); }

  abi::Endpoint local;
  bool ended = false;

 private:
  FileDescriptor fd_;
};

class KernelTcp : public ::testing::Test {
 protected:
  void TearDown() override { drop_packets(); }

  void open(const std::function<void(TcpSettings&)>& change = {}, const std::string& address = "127.0.0.1") {
    settings_.local = at(address, 0);
    if (change) change(settings_);
    auto socket = open_tcp_socket(settings_);
    ASSERT_TRUE(socket) << socket.error();
    auto port = KernelTcpPort::make(std::move(*socket), settings_, 7, pool_.get());
    ASSERT_TRUE(port) << port.error();
    port_ = *port;
  }
  /// One pass of a worker; the packets stay in packets_.
  void pass() {
    std::array<rte_mbuf*, 64> burst;
    uint16_t count = port_->rx_burst(burst, tally_);
    packets_.insert(packets_.end(), burst.begin(), burst.begin() + count);
  }
  /// Passes until the condition holds.
  bool passes_until(const auto& condition, std::chrono::milliseconds limit = std::chrono::seconds(5)) {
    return testing::wait_until(
        [&] {
          pass();
          return condition();
        },
        limit);
  }
  bool receives(size_t count) {
    return passes_until([&] { return packets_.size() >= count; });
  }
  Bytes bytes(size_t index) const {
    auto* data = rte_pktmbuf_mtod(packets_[index], const uint8_t*);
    return {data, data + packets_[index]->data_len};
  }
  void drop_packets() {
    rte_pktmbuf_free_bulk(packets_.data(), static_cast<unsigned>(packets_.size()));
    packets_.clear();
  }
  /// A client whose first packet has arrived; returns its stream.
  uint64_t introduce(const Client& client) {
    drop_packets();
    client.send(frame(hard_reset()));
    EXPECT_TRUE(receives(1));
    uint64_t stream = packets_.empty() ? 0 : meta(packets_[0]).remote.stream;
    drop_packets();
    return stream;
  }
  void send(uint64_t stream, const Bytes& packet) {
    rte_mbuf* mbuf = pool_.packet(packet);
    meta(mbuf).remote = at("127.0.0.1", 1);
    meta(mbuf).remote.stream = stream;
    port_->tx_burst({&mbuf, 1}, tally_);
  }
  uint64_t dropped(DropReason reason) const { return tally_.drops[static_cast<size_t>(reason)]; }
  uint64_t counted(Counter counter) const { return tally_.counters[static_cast<size_t>(counter)]; }

  testing::PacketPool pool_{1023};
  abi::Tally tally_;
  TcpSettings settings_;
  std::shared_ptr<KernelTcpPort> port_;
  std::vector<rte_mbuf*> packets_;
};

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
  while (port_->has_room(stream)) send(stream, packet);
  EXPECT_EQ(dropped(DropReason::tx_queue_full), 0u) << "whoever asks loses nothing";
  while (dropped(DropReason::tx_queue_full) == 0) send(stream, packet);
  EXPECT_LE(port_->buffered(), StreamSendQueue::kHardLimit);
  // Control gets through before the data that waits, and the frame that was begun stays whole.
  Bytes control(50, 0x20);
  send(stream, control);
  uint64_t data_frames = counted(Counter::outer_tx_packets) - 1;
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
  EXPECT_TRUE(port_->has_room(stream));
}

TEST_F(KernelTcp, WithoutPacketBuffersTheBytesWait) {
  open();
  Client client(port_->local());
  introduce(client);
  std::vector<rte_mbuf*> held;
  while (rte_mbuf* packet = rte_pktmbuf_alloc(pool_.get())) held.push_back(packet);
  for (uint8_t i = 0; i < 20; ++i) client.send(frame(Bytes(100, i)));
  EXPECT_FALSE(passes_until([&] { return !packets_.empty(); }, std::chrono::milliseconds(30)));
  rte_pktmbuf_free_bulk(held.data(), static_cast<unsigned>(held.size()));
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
  port_->close_stream(stream, false);
  client.send(frame(Bytes(100, 0x48)));
  size_t received = 0;
  ASSERT_TRUE(passes_until([&] {
    received += client.receive().size();
    return client.ended;
  }));
  EXPECT_EQ(received, sent * 1402);
  EXPECT_TRUE(packets_.empty()) << "nothing is read from it any more";
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
  port_->close_stream(stream, true);
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
  port_->end_streams();
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
