#include "perf/swarm/swarm.h"

#include <cstdio>
#include <cstring>
#include <numeric>

#include "dataplane/abi/endpoint_text.h"
#include "perf/swarm/clock.h"
#include "perf/swarm/process_cpu.h"

namespace culvert::swarm {
namespace {

using namespace std::chrono_literals;

constexpr uint64_t kSecondNs = 1'000'000'000;
constexpr uint64_t kDrainNs = kSecondNs / 2;
constexpr uint32_t kStormSources = 16384;

double gbps(uint64_t bytes, double seconds) {
  return seconds > 0 ? static_cast<double>(bytes) * 8 / seconds / 1e9 : 0;
}

double seconds_since(uint64_t start_ns) {
  return static_cast<double>(now_ns() - start_ns) / 1e9;
}

}  // namespace

double PhaseResult::cpu() const {
  return std::accumulate(cpu_seconds.begin(), cpu_seconds.end(), 0.0);
}

double PhaseResult::gbit_per_cpu_second() const {
  return cpu() > 0 ? (in_gbps + out_gbps) * seconds / cpu() : 0;
}

Result<std::unique_ptr<Swarm>> Swarm::make(const Options& options, const openvpn::ClientSettings& settings) {
  std::unique_ptr<Swarm> swarm(new Swarm(options));
  swarm->settings_ = settings;
  std::memcpy(swarm->inner_.data(), abi::parse_ip(options.inner)->bytes.data(), swarm->inner_.size());
  if (!options.net_namespace.empty()) {
    auto host = InnerHost::start(options.net_namespace);
    if (!host) return Error{"--server-netns: " + host.error()};
    swarm->host_ = *std::move(host);
  }
  Sources sources{abi::parse_ip(options.sources).value_or(abi::IpAddress{}), options.clients};
  auto crowd = Crowd::make(settings, sources, options.clients);
  if (!crowd) return Error{crowd.error()};
  swarm->crowd_ = *std::move(crowd);
  return swarm;
}

Result<ConnectResult> Swarm::connect() {
  ConnectResult result;
  auto before = read_cpu();
  if (!before) return Error{before.error()};
  uint64_t start = now_ns();
  double shown = 0;
  size_t opened = 0, connected = 0;
  std::vector<bool> done(crowd_->size());
  while (connected < crowd_->size()) {
    for (; opened < crowd_->size() && opened - connected < options_.concurrency; ++opened)
      if (Status status = crowd_->open(opened, read_now()); !status) return Error{status.error()};
    pass(false);
    for (size_t i = 0; i < opened; ++i) {
      const Member& member = *crowd_->at(i);
      if (member.state() == Member::State::kFailed)
        return Error{"client " + std::to_string(i) + " did not connect: " + member.error()};
      if (done[i] || member.state() != Member::State::kConnected) continue;
      done[i] = true;
      ++connected;
      result.took_ns.record(static_cast<uint64_t>((member.connected_at() - member.started()).count()));
    }
    double passed = seconds_since(start);
    if (!options_.quiet && passed > shown + 1) {
      shown = passed;
      std::fprintf(stderr, "swarm: %zu of %zu clients connected after %.0f s\n", connected, crowd_->size(), passed);
    }
    if (passed > options_.connect_seconds)
      return Error{std::to_string(connected) + " of " + std::to_string(crowd_->size()) + " clients connected within " +
                   std::to_string(options_.connect_seconds) +
                   " s: allow more with --connect-seconds, or see the server's log"};
  }
  result.clients = options_.clients;
  result.seconds = seconds_since(start);
  auto after = read_cpu();
  if (!after) return Error{after.error()};
  for (size_t i = 0; i < after->size(); ++i) result.cpu_seconds.push_back((*after)[i] - (*before)[i]);
  return result;
}

Status Swarm::begin(PhaseKind kind) {
  ++phase_;
  result_ = {};
  result_.kind = kind;
  crowd_->outer() = {};
  sends_in_ = kind == PhaseKind::kIn || kind == PhaseKind::kBoth;
  sends_echoes_ = kind == PhaseKind::kLatency || kind == PhaseKind::kStorm;
  numbers_.assign(crowd_->size(), 0);
  sequences_.assign(crowd_->size(), {});
  echoes_ = {};
  for (size_t i = 0; i < crowd_->size(); ++i)
    crowd_->at(i)->spread_keepalive(static_cast<double>(i + 1) / static_cast<double>(crowd_->size()), read_now());
  double packets = options_.rate * 1e6 / 8 / static_cast<double>(options_.size);
  uint64_t now = now_ns();
  pace_ = Pace(packets, options_.window, now);
  echo_start_ns_ = now;
  if (host_) {
    InnerTask task;
    task.phase = phase_;
    task.sends = kind == PhaseKind::kOut || kind == PhaseKind::kBoth;
    task.rate = packets;
    task.window = options_.window;
    task.burst = options_.burst;
    task.size = options_.size;
    for (size_t i = 0; i < crowd_->size(); ++i) task.clients.push_back(crowd_->at(i)->address());
    host_->begin(std::move(task));
  }
  if (kind == PhaseKind::kStorm) {
    Sources sources{abi::parse_ip(options_.sources).value_or(abi::IpAddress{}), kStormSources};
    if (sources.first.family != abi::Family::kNone) {
      Sources all{sources.first, UINT32_MAX};
      sources.first = source_at(all, options_.clients);
    }
    auto crowd = Crowd::make(settings_, sources, options_.concurrency);
    if (!crowd) return Error{crowd.error()};
    storm_ = std::make_unique<Storm>(*std::move(crowd));
  }
  return {};
}

Result<PhaseResult> Swarm::run(PhaseKind kind) {
  auto before = read_cpu();
  if (!before) return Error{before.error()};
  if (Status begun = begin(kind); !begun) return Error{begun.error()};
  uint64_t start = now_ns();
  double shown = 0;
  while (seconds_since(start) < options_.seconds) {
    pass(true);
    double passed = seconds_since(start);
    if (options_.quiet || passed < shown + 1) continue;
    shown = passed;
    progress(result_, passed);
  }
  result_.seconds = seconds_since(start);
  auto after = read_cpu();
  if (host_) host_->stop_sending();
  if (!after) return Error{after.error()};
  for (size_t i = 0; i < after->size(); ++i) result_.cpu_seconds.push_back((*after)[i] - (*before)[i]);
  result_.out_gbps = gbps(result_.out.bytes, result_.seconds);
  if (host_) result_.in_gbps = gbps(host_->arrived().bytes, result_.seconds);
  if (storm_) result_.storm = storm_->finish();
  storm_.reset();
  if (Status drained = drain(); !drained) return Error{drained.error()};
  return result_;
}

/// Waits for what is on the way, and closes the accounts.
Status Swarm::drain() {
  uint64_t start = now_ns();
  auto all_here = [&] {
    return !host_ || (host_->in.received >= host_->in.sent && result_.out.received >= host_->out.sent &&
                      result_.rtt_ns.count() >= result_.echoes_sent);
  };
  while (!all_here() && now_ns() - start < kDrainNs) pass(false);
  if (host_) {
    result_.in = host_->arrived();
    result_.in.sent = host_->in.sent;
    result_.out.sent = host_->out.sent;
  }
  result_.out.forged = crowd_->outer().forged;
  result_.out.replayed = crowd_->outer().replayed;
  return check_members();
}

Status Swarm::check_members() {
  for (size_t i = 0; i < crowd_->size(); ++i)
    if (crowd_->at(i)->state() != Member::State::kConnected)
      return Error{"client " + std::to_string(i) + " lost its connection: " + crowd_->at(i)->error()};
  return {};
}

void Swarm::pass(bool sends) {
  bool hurries = sends && (sends_in_ || sends_echoes_);
  std::chrono::nanoseconds pause = hurries ? 50us : 1ms;
  if (hurries && pace_.turn_is_over()) pause = 0ns;  // more may go at once
  crowd_->pass(pause, [this](size_t member, const InnerPacket& packet) { take(member, packet); });
  if (sends && sends_in_) send_data(now_ns());
  if (sends && sends_echoes_) send_echoes(now_ns());
}

void Swarm::send_data(uint64_t now) {
  size_t idle = 0;  // members in a row that can't send now
  pace_.begin_turn();
  while (idle < crowd_->size()) {
    size_t index = turn_++ % crowd_->size();
    Member& member = *crowd_->at(index);
    if (!member.ready_to_send()) {
      ++idle;
      continue;
    }
    size_t count = pace_.allowance(host_->in, options_.burst, now);
    if (count == 0) return;
    size_t sent = member.send(count, options_.size, read_now(), [&](size_t i, uint8_t* at) {
      write_headers(at, options_.size, member.address(), kDataPort, inner_, kDataPort);
      Stamp stamp{kMagic, phase_, static_cast<uint32_t>(index), numbers_[index] + i, now, 0};
      write_payload({at + kInnerHeaders, options_.size - kInnerHeaders}, stamp);
      write_checksum(at, options_.size);
    });
    crowd_->watch_room(index);
    numbers_[index] += sent;
    host_->in.sent.fetch_add(sent, std::memory_order_relaxed);
    idle = sent == 0 ? idle + 1 : 0;
  }
}

void Swarm::send_echoes(uint64_t now) {
  auto due = static_cast<uint64_t>(options_.echo_rate * static_cast<double>(now - echo_start_ns_) / 1e9);
  while (result_.echoes_sent < due) {
    size_t index = echo_turn_++ % crowd_->size();
    Member& member = *crowd_->at(index);
    size_t sent = member.send(1, options_.size, read_now(), [&](size_t, uint8_t* at) {
      write_headers(at, options_.size, member.address(), kDataPort, inner_, kEchoPort);
      Stamp stamp{kMagic, phase_, static_cast<uint32_t>(index), result_.echoes_sent, now_ns(), 0};
      write_payload({at + kInnerHeaders, options_.size - kInnerHeaders}, stamp);
      write_checksum(at, options_.size);
    });
    crowd_->watch_room(index);
    if (sent == 0) return;
    ++result_.echoes_sent;
  }
}

void Swarm::take(size_t index, const InnerPacket& packet) {
  uint16_t port = 0;
  std::span<const uint8_t> payload = udp_payload(packet.bytes, port);
  if (port != kDataPort && port != kEchoPort) return;  // not ours
  Stamp stamp;
  if (!read_payload(payload, stamp) || stamp.client != index) {
    ++result_.out.damaged;
  } else if (stamp.phase != phase_) {
    return;  // left over
  } else if (port == kEchoPort) {
    Account echo;
    echoes_.receive(stamp.number, packet.bytes.size(), echo);
    result_.out.doubled += echo.doubled;
    result_.out.damaged += echo.damaged;
    if (echo.received == 0) return;
    result_.rtt_ns.record(now_ns() - stamp.sent_ns);
    uint64_t not_server = stamp.sent_ns + stamp.echo_wait_ns;
    if (packet.received_ns > not_server) result_.server_ns.record(packet.received_ns - not_server);
  } else {
    uint64_t before = result_.out.received;
    sequences_[index].receive(stamp.number, packet.bytes.size(), result_.out);
    host_->out.received.fetch_add(result_.out.received - before, std::memory_order_relaxed);
  }
}

Result<std::vector<double>> Swarm::read_cpu() const {
  std::vector<double> all;
  for (pid_t pid : options_.pids) {
    auto seconds = cpu_seconds(pid);
    if (!seconds) return Error{seconds.error()};
    all.push_back(*seconds);
  }
  return all;
}

void Swarm::progress(const PhaseResult& so_far, double seconds) const {
  double in = host_ ? gbps(host_->arrived().bytes, seconds) : 0;
  std::fprintf(stderr, "swarm: %s %.0f of %g s: in %.3f Gb/s, out %.3f Gb/s, %llu echoes", to_text(so_far.kind).c_str(),
               seconds, options_.seconds, in, gbps(so_far.out.bytes, seconds),
               static_cast<unsigned long long>(so_far.rtt_ns.count()));
  if (storm_) std::fprintf(stderr, ", %llu handshakes", static_cast<unsigned long long>(storm_->connected()));
  std::fputc('\n', stderr);
}

void Swarm::leave() {
  for (size_t i = 0; i < crowd_->size(); ++i)
    if (crowd_->at(i) != nullptr) crowd_->at(i)->leave(read_now());
}

}  // namespace culvert::swarm
