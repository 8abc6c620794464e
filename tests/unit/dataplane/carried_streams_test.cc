// TCP connections in one descriptor.
#include "dataplane/carried_streams.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "dataplane/link/link_socket.h"
#include "tests/unit/support/endpoint.h"

namespace culvert::dataplane {
namespace {

using drivers::FileDescriptor;
using testing::endpoint;

/// A connection, and its other end.
struct Pair {
  CarriedStream carried;
  FileDescriptor peer;
};

Pair connection(uint64_t number) {
  std::array<int, 2> ends{};
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  Pair made;
  made.peer = FileDescriptor(ends[1]);
  made.carried.port = "tcp 1194 at 0.0.0.0, 1 of 1";
  drivers::LeftStream& stream = made.carried.stream;
  stream.fd = FileDescriptor(ends[0]);
  stream.id = number << 16 | number;
  stream.remote = endpoint("192.0.2.1", static_cast<uint16_t>(1000 + number), abi::Transport::kTcp);
  stream.remote.stream = stream.id;
  stream.local = endpoint("198.51.100.1", 1194, abi::Transport::kTcp);
  stream.state = static_cast<drivers::StreamState>(number % 3);
  stream.received.assign(number % 5, 1);
  stream.control.bytes = {0, 1, 7};
  stream.data.bytes.assign(number % 2000, 2);
  stream.data.begun_left = static_cast<uint32_t>(number % 2000);
  stream.data.begun_length = 2000;
  return made;
}

void expect_same(const CarriedStream& one, const CarriedStream& other) {
  EXPECT_EQ(one.port, other.port);
  EXPECT_EQ(one.stream.id, other.stream.id);
  EXPECT_EQ(one.stream.remote, other.stream.remote);
  EXPECT_EQ(one.stream.local, other.stream.local);
  EXPECT_EQ(one.stream.state, other.stream.state);
  EXPECT_EQ(one.stream.received, other.stream.received);
  for (auto part : {&drivers::LeftStream::control, &drivers::LeftStream::data}) {
    EXPECT_EQ((one.stream.*part).bytes, (other.stream.*part).bytes);
    EXPECT_EQ((one.stream.*part).begun_length, (other.stream.*part).begun_length);
    EXPECT_EQ((one.stream.*part).begun_left, (other.stream.*part).begun_left);
  }
}

TEST(CarriedStreams, ArriveWithTheirSockets) {
  constexpr uint64_t kCount = 2000;  // more messages of descriptors than net.unix.max_dgram_qlen
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  limit.rlim_cur = std::max<rlim_t>(limit.rlim_cur, std::min<rlim_t>(limit.rlim_max, 3 * kCount));
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  std::vector<FileDescriptor> peers;
  std::vector<CarriedStream> streams;
  for (uint64_t i = 0; i < kCount; ++i) {
    Pair made = connection(i);
    peers.push_back(std::move(made.peer));
    streams.push_back(std::move(made.carried));
  }
  FileDescriptor carrier = pack_streams(std::move(streams));
  ASSERT_TRUE(carrier);
  for (const FileDescriptor& peer : peers) ASSERT_EQ(write(peer.get(), "x", 1), 1) << "it is open while under way";
  const auto arrived = unpack_streams(std::move(carrier));
  ASSERT_EQ(arrived.size(), kCount);
  for (uint64_t i = 0; i < kCount; ++i) {
    expect_same(arrived[i], connection(i).carried);
    char byte = 0;
    ASSERT_EQ(write(peers[i].get(), &"0123456789"[i % 10], 1), 1);
    EXPECT_EQ(read(arrived[i].stream.fd.get(), &byte, 1), 1);
    EXPECT_EQ(read(arrived[i].stream.fd.get(), &byte, 1), 1);
    EXPECT_EQ(byte, '0' + static_cast<char>(i % 10));
  }
}

TEST(CarriedStreams, AreClosedWithTheirCarrier) {
  Pair made = connection(1);
  std::vector<CarriedStream> streams;
  streams.push_back(std::move(made.carried));
  pack_streams(std::move(streams));  // nobody keeps it
  char byte = 0;
  EXPECT_EQ(read(made.peer.get(), &byte, 1), 0);
}

TEST(CarriedStreams, TooManyBytesAreLeftOut) {
  std::vector<CarriedStream> streams;
  Pair small = connection(3);
  Pair large = connection(4);
  large.carried.stream.received.resize(kMostCarried);
  streams.push_back(std::move(small.carried));
  streams.push_back(std::move(large.carried));
  const auto arrived = unpack_streams(pack_streams(std::move(streams)));
  ASSERT_EQ(arrived.size(), 1u);
  expect_same(arrived[0], connection(3).carried);
  char byte = 0;
  EXPECT_EQ(read(large.peer.get(), &byte, 1), 0) << "closed";
}

TEST(CarriedStreams, WhoMayNotHaveAllOpenGetsTheFirst) {
  std::vector<CarriedStream> streams;
  for (uint64_t i = 0; i < 200; ++i) streams.push_back(connection(i).carried);
  FileDescriptor carrier = pack_streams(std::move(streams));
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  // Numbers are given from below: so many and no more are free.
  const int next = dup(STDERR_FILENO);
  ASSERT_GE(next, 0);
  close(next);
  rlimit few = before;
  few.rlim_cur = static_cast<rlim_t>(next) + 100;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  const auto arrived = unpack_streams(std::move(carrier));
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_LE(arrived.size(), 99u) << "and the memfd";
  ASSERT_GT(arrived.size(), 0u);
  for (uint64_t i = 0; i < arrived.size(); ++i) expect_same(arrived[i], connection(i).carried);
}

TEST(CarriedStreams, ThereAreNoMoreThanSockets) {
  std::vector<CarriedStream> streams;
  for (uint64_t i = 0; i < 3; ++i) streams.push_back(connection(i).carried);
  const std::vector<uint8_t> bytes = to_bytes(streams);
  FileDescriptor memory(memfd_create("streams", MFD_CLOEXEC));
  ASSERT_EQ(write(memory.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  for (size_t sockets = 0; sockets <= 4; ++sockets) {
    std::array<int, 2> ends{};
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()), 0);
    FileDescriptor carrier(ends[0]), sender(ends[1]);
    const std::array<std::byte, 1> nothing{};
    ASSERT_TRUE(send_message(sender.get(), nothing, std::array{memory.get()}));
    for (size_t i = 0; i < sockets; ++i)
      ASSERT_TRUE(send_message(sender.get(), nothing, std::array{streams[i % 3].stream.fd.get()}));
    const auto arrived = unpack_streams(std::move(carrier));
    ASSERT_EQ(arrived.size(), std::min<size_t>(sockets, 3));
    for (const CarriedStream& one : arrived) EXPECT_NE(fcntl(one.stream.fd.get(), F_GETFD), -1);
  }
}

TEST(CarriedStreams, WhatIsNoCarrierHasNothing) {
  EXPECT_TRUE(unpack_streams({}).empty());
  EXPECT_TRUE(unpack_streams(FileDescriptor(dup(STDERR_FILENO))).empty());
}

TEST(CarriedStreams, OtherBytesAreRefusedWhole) {
  std::vector<CarriedStream> streams;
  for (uint64_t i = 1; i < 4; ++i) streams.push_back(connection(i).carried);
  const std::vector<uint8_t> bytes = to_bytes(streams);
  const auto read_again = from_bytes(bytes);
  ASSERT_TRUE(read_again);
  ASSERT_EQ(read_again->size(), 3u);
  for (size_t i = 0; i < 3; ++i) expect_same((*read_again)[i], streams[i]);
  for (size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(from_bytes(std::span(bytes).first(size))) << size;
  std::vector<uint8_t> longer = bytes;
  longer.push_back(0);
  EXPECT_FALSE(from_bytes(longer));
  for (size_t at : {0u, 8u, 12u, 16u, 23u}) {  // magic, version, size of a record, count
    std::vector<uint8_t> other = bytes;
    other[at] ^= 0x80;
    EXPECT_FALSE(from_bytes(other)) << at;
  }
  constexpr size_t kState = 24 + 2 * sizeof(abi::Endpoint) + 8;  // behind the header: of the first record
  std::vector<uint8_t> other = bytes;
  ASSERT_EQ(other[kState], static_cast<uint8_t>(streams[0].stream.state));
  other[kState] = static_cast<uint8_t>(drivers::StreamState::kClosing) + 1;
  EXPECT_FALSE(from_bytes(other)) << "no such state";
}

}  // namespace
}  // namespace culvert::dataplane
