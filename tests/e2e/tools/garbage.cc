// Sends what no honest peer sends, fast, and says how much of it went out.
//
//   garbage outer TARGET_IPV4 PORT COUNT PER_SECOND SEED CAPTURE SPOOFED_IPV4 SPOOFED_PORT
//     To a gateway's UDP port: random bytes, random bytes behind a good opcode, data packets for random peer-ids, and
//     captured packets (CAPTURE: records of a 16-bit big-endian length and the datagram) replayed as they are, cut
//     short, or with bits flipped; half of it under the spoofed source of a connected client, half from our own address
//     and random ports.
//   garbage inner INTERFACE COUNT PER_SECOND SEED
//     Into a TUN: random bytes, IP headers that lie about their length, cut-off headers, destinations that nobody has.
//
// Prints one line of JSON: how many packets of each kind the kernel took. Same seed, same packets.
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "tests/e2e/tools/garbage_kinds.h"

namespace {

using culvert::e2e::Bytes;
using culvert::e2e::Dice;
using culvert::e2e::Kind;

constexpr size_t kBatch = 64;

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "garbage: %s: %s\n", what.c_str(), std::strerror(errno));
  std::exit(1);
}

/// Sends `count` packets, the kinds in turn, at `rate` per second. `send` takes a batch and tells how many went out.
void send_all(std::vector<Kind>& kinds, Dice& dice, uint64_t count, uint64_t rate,
              const std::function<size_t(std::vector<Bytes>&)>& send) {
  int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
  itimerspec tick{.it_interval = {.tv_sec = 0, .tv_nsec = 1'000'000}, .it_value = {.tv_sec = 0, .tv_nsec = 1'000'000}};
  if (timer < 0 || timerfd_settime(timer, 0, &tick, nullptr) != 0) fail("timer");
  uint64_t done = 0;
  uint64_t due_milli = 0;  // packets due, times 1000
  while (done < count) {
    uint64_t ticks = 0;
    if (::read(timer, &ticks, sizeof ticks) < 0) fail("timer");
    // Late ticks are made up for only in part: a burst would overflow the receiver and prove nothing.
    due_milli += std::min<uint64_t>(ticks, 4) * rate;
    for (; due_milli >= kBatch * 1000 && done < count; due_milli -= kBatch * 1000) {
      std::vector<Bytes> batch;
      std::vector<size_t> kind_of;
      for (size_t i = 0; i < kBatch && done + i < count; ++i) {
        kind_of.push_back((done + i) % kinds.size());
        batch.push_back(kinds[kind_of.back()].make(dice));
      }
      size_t taken = send(batch);
      for (size_t i = 0; i < taken; ++i) ++kinds[kind_of[i]].sent;
      done += batch.size();
    }
  }
  ::close(timer);
}

/// Sends `frames` to `to`. Returns how many the kernel took; it counts the last ones of a batch as refused.
size_t send_frames(int socket, std::vector<Bytes>& frames, void* to, socklen_t to_length) {
  std::vector<iovec> vectors(frames.size());
  std::vector<mmsghdr> messages(frames.size());
  for (size_t i = 0; i < frames.size(); ++i) {
    vectors[i] = {.iov_base = frames[i].data(), .iov_len = frames[i].size()};
    messages[i].msg_hdr = {};
    messages[i].msg_hdr.msg_name = to;
    messages[i].msg_hdr.msg_namelen = to_length;
    messages[i].msg_hdr.msg_iov = &vectors[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  size_t taken = 0;
  for (size_t begin = 0; begin < messages.size();) {
    int sent = ::sendmmsg(socket, &messages[begin], static_cast<unsigned>(messages.size() - begin), 0);
    if (sent > 0) {
      begin += static_cast<size_t>(sent);
      taken += static_cast<size_t>(sent);
    } else if (errno != EINTR) {
      ++begin;  // refused: go on behind it
    }
  }
  return taken;
}

void print(const std::vector<Kind>& kinds) {
  uint64_t sum = 0;
  std::printf("{");
  for (const Kind& kind : kinds) {
    std::printf("\"%s\": %llu, ", kind.name, static_cast<unsigned long long>(kind.sent));
    sum += kind.sent;
  }
  std::printf("\"sent\": %llu}\n", static_cast<unsigned long long>(sum));
}

in_addr ipv4(const char* text) {
  in_addr address{};
  if (inet_pton(AF_INET, text, &address) != 1) {
    std::fprintf(stderr, "garbage: %s is no IPv4 address\n", text);
    std::exit(2);
  }
  return address;
}

/// `payload` behind IPv4 and UDP headers. A source of 0 lets the kernel put our own address.
Bytes udp_frame(const Bytes& payload, in_addr source, uint16_t source_port, in_addr target, uint16_t port) {
  iphdr ip{};
  ip.version = 4;
  ip.ihl = 5;
  ip.ttl = 64;
  ip.protocol = IPPROTO_UDP;
  ip.tot_len = htons(static_cast<uint16_t>(sizeof(iphdr) + sizeof(udphdr) + payload.size()));
  ip.saddr = source.s_addr;
  ip.daddr = target.s_addr;
  udphdr udp{};
  udp.source = htons(source_port);
  udp.dest = htons(port);
  udp.len = htons(static_cast<uint16_t>(sizeof(udphdr) + payload.size()));
  Bytes frame(sizeof ip + sizeof udp + payload.size());
  std::memcpy(frame.data(), &ip, sizeof ip);
  std::memcpy(frame.data() + sizeof ip, &udp, sizeof udp);
  std::copy(payload.begin(), payload.end(), frame.begin() + sizeof ip + sizeof udp);
  return frame;
}

int outer(char** argv) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr = ipv4(argv[2]);
  in_addr spoofed = ipv4(argv[8]);
  uint16_t port = static_cast<uint16_t>(std::atoi(argv[3]));
  uint16_t spoofed_port = static_cast<uint16_t>(std::atoi(argv[9]));
  Dice dice(std::strtoull(argv[6], nullptr, 10));
  std::vector<Bytes> captured = culvert::e2e::read_capture(argv[7]);
  if (captured.empty()) fail(std::string(argv[7]) + " holds no packet");
  std::vector<Kind> kinds = culvert::e2e::outer_kinds(captured);
  int socket = ::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);  // we write the IP header: any source
  if (socket < 0) fail("raw socket");
  send_all(kinds, dice, std::strtoull(argv[4], nullptr, 10), std::strtoull(argv[5], nullptr, 10),
           [&](std::vector<Bytes>& batch) {
             for (Bytes& packet : batch) {
               bool spoof = dice.below(2) == 0;
               uint16_t source_port = spoof ? spoofed_port : static_cast<uint16_t>(20000 + dice.below(20000));
               packet = udp_frame(packet, spoof ? spoofed : in_addr{}, source_port, to.sin_addr, port);
             }
             return send_frames(socket, batch, &to, sizeof to);
           });
  print(kinds);
  return 0;
}

int inner(char** argv) {
  Dice dice(std::strtoull(argv[5], nullptr, 10));
  std::vector<Kind> kinds = culvert::e2e::inner_kinds();
  int socket = ::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) fail("packet socket");
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_protocol = htons(ETH_P_IP);
  to.sll_ifindex = static_cast<int>(if_nametoindex(argv[2]));
  if (to.sll_ifindex == 0) fail(argv[2]);
  send_all(kinds, dice, std::strtoull(argv[3], nullptr, 10), std::strtoull(argv[4], nullptr, 10),
           [&](std::vector<Bytes>& batch) { return send_frames(socket, batch, &to, sizeof to); });
  print(kinds);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 10 && std::string(argv[1]) == "outer") return outer(argv);
  if (argc == 6 && std::string(argv[1]) == "inner") return inner(argv);
  std::fprintf(stderr,
               "usage: garbage outer TARGET_IPV4 PORT COUNT PER_SECOND SEED CAPTURE SPOOFED_IPV4 SPOOFED_PORT\n"
               "       garbage inner INTERFACE COUNT PER_SECOND SEED\n");
  return 2;
}
