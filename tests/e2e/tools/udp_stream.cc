// One end of a sequence-numbered UDP stream: sends numbered datagrams at a steady rate, and accounts for those of the
// other end: lost, duplicated, reordered, corrupted, and the longest silence. Two of these, one at each end of a
// tunnel, show whether a rekey, a restart or a move loses or doubles anything.
//
//   udp_stream BIND_ADDRESS PORT PEER_ADDRESS PEER_PORT PACKETS_PER_SECOND PAYLOAD_BYTES
//
// stdin, line by line: "report" prints one line of JSON to stdout, "stop" ends sending (receiving goes on), "quit" or
// the end of the input ends the program.
#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kNumberBytes = 8;
constexpr size_t kMaxPayload = 9000;
constexpr int kSocketBuffer = 4 << 20;
constexpr uint64_t kMaxNumber = 1 << 28;  // a number above this is not ours: corrupted

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "udp_stream: %s: %s\n", what.c_str(), std::strerror(errno));
  std::exit(1);
}

/// Byte `i` of datagram `number`: every datagram differs, so one that arrives under a wrong number shows.
uint8_t pattern(uint64_t number, size_t i) {
  return static_cast<uint8_t>(number * 131 + i * 7 + (number >> 8));
}

struct Received {
  uint64_t unique = 0, duplicated = 0, reordered = 0, corrupted = 0;
  uint64_t highest = 0;
  std::vector<bool> seen;
  Clock::time_point last{};
  Clock::duration longest_silence{};

  void take(const uint8_t* bytes, size_t length, size_t expected_length) {
    uint64_t number = 0;
    if (length == expected_length) {
      for (size_t i = 0; i < kNumberBytes; ++i) number = number << 8 | bytes[i];
    }
    bool intact = length == expected_length && number < kMaxNumber;
    for (size_t i = kNumberBytes; intact && i < length; ++i) intact = bytes[i] == pattern(number, i);
    if (!intact) {
      ++corrupted;
      return;
    }
    if (number >= seen.size()) seen.resize(std::max<size_t>(number + 1, seen.size() * 2));
    if (seen[number]) {
      ++duplicated;
      return;
    }
    seen[number] = true;
    if (unique > 0 && number < highest) ++reordered;
    highest = std::max(highest, number);
    auto now = Clock::now();
    if (unique > 0) longest_silence = std::max(longest_silence, now - last);
    last = now;
    ++unique;
  }
};

class Stream {
 public:
  Stream(int socket, double rate, size_t payload) : socket_(socket), rate_(rate), payload_(payload) {}

  /// Sends what is due by now. A datagram that the kernel does not take keeps its number for the next try.
  void send_due() {
    if (!sending_) return;
    double elapsed = std::chrono::duration<double>(Clock::now() - begin_).count();
    uint64_t due = static_cast<uint64_t>(elapsed * rate_);
    // After a stall (a stopped machine) the missed ones are not sent in one go.
    uint64_t budget = static_cast<uint64_t>(rate_ / 50) + 1;
    if (due - attempts_ > budget) attempts_ = due - budget;
    for (; attempts_ < due; ++attempts_) {
      std::array<uint8_t, kMaxPayload> bytes;
      for (size_t i = 0; i < kNumberBytes; ++i) bytes[i] = static_cast<uint8_t>(sent_ >> (8 * (kNumberBytes - 1 - i)));
      for (size_t i = kNumberBytes; i < payload_; ++i) bytes[i] = pattern(sent_, i);
      if (::send(socket_, bytes.data(), payload_, MSG_DONTWAIT) == static_cast<ssize_t>(payload_)) {
        ++sent_;
      } else {
        ++send_errors_;
      }
    }
  }

  void receive_all() {
    std::array<uint8_t, kMaxPayload> bytes;
    for (;;) {
      ssize_t length = ::recv(socket_, bytes.data(), bytes.size(), MSG_DONTWAIT);
      if (length >= 0) {
        received_.take(bytes.data(), static_cast<size_t>(length), payload_);
      } else if (errno == EAGAIN) {
        return;
      }  // else an ICMP error of an earlier send: ask again
    }
  }

  void start() {
    begin_ = Clock::now();
    sending_ = true;
  }
  void stop() { sending_ = false; }

  void report() const {
    auto silence = std::chrono::duration_cast<std::chrono::milliseconds>(received_.longest_silence).count();
    std::printf(
        "{\"sent\": %llu, \"send_errors\": %llu, \"received\": %llu, \"duplicated\": %llu, \"reordered\": %llu, "
        "\"corrupted\": %llu, \"longest_silence_ms\": %lld}\n",
        static_cast<unsigned long long>(sent_), static_cast<unsigned long long>(send_errors_),
        static_cast<unsigned long long>(received_.unique), static_cast<unsigned long long>(received_.duplicated),
        static_cast<unsigned long long>(received_.reordered), static_cast<unsigned long long>(received_.corrupted),
        static_cast<long long>(silence));
    std::fflush(stdout);
  }

 private:
  int socket_;
  double rate_;
  size_t payload_;
  Clock::time_point begin_{};
  uint64_t attempts_ = 0, sent_ = 0, send_errors_ = 0;
  bool sending_ = false;
  Received received_;
};

sockaddr_storage address_of(const char* host, const char* port, socklen_t& length) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (int code = getaddrinfo(host, port, &hints, &found); code != 0) {
    std::fprintf(stderr, "udp_stream: %s port %s: %s\n", host, port, gai_strerror(code));
    std::exit(2);
  }
  sockaddr_storage address{};
  std::memcpy(&address, found->ai_addr, found->ai_addrlen);
  length = found->ai_addrlen;
  freeaddrinfo(found);
  return address;
}

int open_socket(char** argv) {
  socklen_t length = 0;
  sockaddr_storage own = address_of(argv[1], argv[2], length);
  int descriptor = ::socket(own.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) fail("socket");
  setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &kSocketBuffer, sizeof kSocketBuffer);
  setsockopt(descriptor, SOL_SOCKET, SO_SNDBUFFORCE, &kSocketBuffer, sizeof kSocketBuffer);
  // The tunnel address may come back later (a TUN that is made again): bind all the same.
  int on = 1;
  if (own.ss_family == AF_INET) {
    setsockopt(descriptor, IPPROTO_IP, IP_FREEBIND, &on, sizeof on);
  } else {
    setsockopt(descriptor, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof on);
  }
  if (::bind(descriptor, reinterpret_cast<sockaddr*>(&own), length) != 0) fail("bind " + std::string(argv[1]));
  sockaddr_storage peer = address_of(argv[3], argv[4], length);
  if (::connect(descriptor, reinterpret_cast<sockaddr*>(&peer), length) != 0) fail("connect " + std::string(argv[3]));
  return descriptor;
}

/// Carries out the complete lines in `input`. False: end of the program.
bool obey(std::string& input, Stream& stream) {
  for (size_t end = input.find('\n'); end != std::string::npos; end = input.find('\n')) {
    std::string line = input.substr(0, end);
    input.erase(0, end + 1);
    if (line == "quit") return false;
    if (line == "start") stream.start();
    if (line == "stop") stream.stop();
    if (line == "report") stream.report();
  }
  return true;
}

int run(int socket, double rate, size_t payload) {
  int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  itimerspec tick{.it_interval = {.tv_sec = 0, .tv_nsec = 1'000'000}, .it_value = {.tv_sec = 0, .tv_nsec = 1'000'000}};
  if (timer < 0 || timerfd_settime(timer, 0, &tick, nullptr) != 0) fail("timer");
  Stream stream(socket, rate, payload);
  std::string input;
  std::array<pollfd, 3> watched = {pollfd{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0},
                                   pollfd{.fd = socket, .events = POLLIN, .revents = 0},
                                   pollfd{.fd = timer, .events = POLLIN, .revents = 0}};
  for (;;) {
    if (::poll(watched.data(), watched.size(), -1) < 0 && errno != EINTR) fail("poll");
    uint64_t ticks = 0;
    if (watched[2].revents != 0 && ::read(timer, &ticks, sizeof ticks) > 0) stream.send_due();
    if (watched[1].revents != 0) stream.receive_all();
    if (watched[0].revents != 0) {
      std::array<char, 256> text;
      ssize_t length = ::read(STDIN_FILENO, text.data(), text.size());
      if (length <= 0) return 0;
      input.append(text.data(), static_cast<size_t>(length));
      stream.receive_all();
      if (!obey(input, stream)) return 0;
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) {
    std::fprintf(stderr,
                 "usage: udp_stream BIND_ADDRESS PORT PEER_ADDRESS PEER_PORT PACKETS_PER_SECOND PAYLOAD_BYTES\n");
    return 2;
  }
  double rate = std::atof(argv[5]);
  size_t payload = static_cast<size_t>(std::atoi(argv[6]));
  if (rate <= 0 || payload < kNumberBytes || payload > kMaxPayload) {
    std::fprintf(stderr, "udp_stream: rate above 0 and payload of %zu..%zu bytes, please\n", kNumberBytes, kMaxPayload);
    return 2;
  }
  return run(open_socket(argv), rate, payload);
}
