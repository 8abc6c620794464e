#include "perf/bench_handshakes/exchange.h"

#include <ctime>
#include <deque>
#include <vector>

#include "control/openvpn/client.h"
#include "control/openvpn/server.h"
#include "dataplane/abi/endpoint_text.h"

namespace culvert::perf {
namespace {

using namespace openvpn;

class SomePeerIds final : public PeerIds {
 public:
  explicit SomePeerIds(uint32_t count) {
    for (uint32_t id = 0; id < count; ++id) free_.push_back(id);
  }
  std::optional<abi::SessionRef> take(Now) override {
    if (free_.empty()) return std::nullopt;
    abi::SessionRef session{free_.front(), ++generation_};
    free_.pop_front();
    return session;
  }
  void give_back(abi::SessionRef session, Now) override { free_.push_back(session.peer_id); }

 private:
  std::deque<uint32_t> free_;
  uint32_t generation_ = 0;
};

abi::Endpoint client_address(uint32_t number) {
  abi::Endpoint at;
  at.address = abi::ipv4({198, 18, static_cast<uint8_t>(number >> 8), static_cast<uint8_t>(number)});
  at.port = 40000;
  return at;
}

/// One client at a time against a server that keeps the sessions of those before.
class Exchange {
 public:
  Exchange(const Credentials& credentials, uint32_t count, Random& random)
      : credentials_(credentials), random_(random), ids_(count + 1), server_(credentials.server, ids_, random) {}

  Status connect(uint32_t number) {
    const abi::Endpoint from = client_address(number);
    const ClientSettings& settings = credentials_.client(number);
    Client client(settings, {0, 1}, random_);
    client.start(now_);
    constexpr int kRounds = 64;  // packets fly both ways at most that often
    for (int round = 0; round < kRounds && !(client.connected() && connected_ > number); ++round) {
      now_.mono += std::chrono::milliseconds(1);
      for (const SendPacket& packet : packets(client.take_outputs())) {
        timed([&] { server_.receive({from, settings.remote, 0, packet.bytes}, now_); });
        for (const SendPacket& answer : server_outputs()) client.receive({{}, {}, 0, answer.bytes}, now_);
      }
    }
    if (client.connected() && connected_ > number) return {};
    return Error{"client " + std::to_string(number) + " did not connect"};
  }
  uint64_t took_ns() const { return took_ns_; }

 private:
  template <class Work>
  void timed(Work work) {
    const uint64_t before = cpu_ns();
    work();
    took_ns_ += cpu_ns() - before;
  }

  static std::vector<SendPacket> packets(Outputs outputs) {
    std::vector<SendPacket> list;
    for (Output& output : outputs)
      if (auto* packet = std::get_if<SendPacket>(&output)) list.push_back(std::move(*packet));
    return list;
  }

  /// What the server engine wants sent; lets clients in on the way.
  std::vector<SendPacket> server_outputs() {
    std::vector<SendPacket> list;
    for (Outputs outputs = server_.take_outputs(); !outputs.empty(); outputs = server_.take_outputs()) {
      for (Output& output : outputs) {
        if (auto* packet = std::get_if<SendPacket>(&output)) list.push_back(std::move(*packet));
        if (std::holds_alternative<SessionConnected>(output)) ++connected_;
        if (auto* request = std::get_if<ConnectRequest>(&output)) {
          ClientGrant grant;
          grant.ip4 = {10, static_cast<uint8_t>(request->session.peer_id >> 16),
                       static_cast<uint8_t>(request->session.peer_id >> 8),
                       static_cast<uint8_t>(request->session.peer_id)};
          grant.ip4_prefix = 8;
          timed([&] { server_.accept(request->session, grant, now_); });
        }
      }
    }
    return list;
  }

  const Credentials& credentials_;
  Random& random_;
  SomePeerIds ids_;
  Server server_;
  Now now_{MonoTime{} + std::chrono::hours(1), credentials_.wall};
  uint32_t connected_ = 0;
  uint64_t took_ns_ = 0;
};

}  // namespace

uint64_t cpu_ns() {
  timespec at{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
  return static_cast<uint64_t>(at.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(at.tv_nsec);
}

Result<double> connect_clients(const Credentials& credentials, uint32_t count, Random& random) {
  Exchange exchange(credentials, count, random);
  for (uint32_t number = 0; number < count; ++number)
    if (Status done = exchange.connect(number); !done) return Error{done.error()};
  return static_cast<double>(exchange.took_ns()) / count;
}

Result<double> tls_alone(const Credentials& credentials, uint32_t count) {
  uint64_t took_ns = 0;
  for (uint32_t number = 0; number < count; ++number) {
    auto client = credentials.client(number).tls->open(credentials.wall);
    client->start();
    uint64_t before = cpu_ns();
    auto server = credentials.server.tls->open(credentials.wall);
    took_ns += cpu_ns() - before;
    while (client->has_output()) {
      const std::vector<uint8_t> flight = client->drain(SIZE_MAX);
      before = cpu_ns();
      server->feed(flight);
      const std::vector<uint8_t> answer = server->drain(SIZE_MAX);
      took_ns += cpu_ns() - before;
      client->feed(answer);
    }
    if (server->status() != crypto::TlsStatus::kEstablished) return Error{"TLS: " + server->error() + client->error()};
    before = cpu_ns();
    server.reset();
    took_ns += cpu_ns() - before;
  }
  return static_cast<double>(took_ns) / count;
}

}  // namespace culvert::perf
