#include "perf/pktgen/generator.h"

#include <rte_cycles.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "control/openvpn/negotiate.h"
#include "dataplane/abi/endpoint_text.h"
#include "dataplane/crypto/engine.h"
#include "perf/common/profile.h"
#include "perf/pktgen/pacer.h"

namespace culvert::pktgen {
namespace {

using namespace std::chrono_literals;

constexpr double kKeptPace = 0.95;
constexpr auto kLinkWait = 15s;
constexpr auto kArpWait = 5s;
constexpr auto kAskEvery = 200ms;
constexpr auto kWarmUp = 10s;
constexpr auto kGoodbyeWait = 2s;
constexpr Ip4 kLoopAddress{127, 0, 0, 1};

/// For waits in which somebody else must do something: perhaps on our core.
void pause() {
  rte_delay_us_sleep(20);
}

std::string to_text(const Ip4& ip) {
  return abi::to_text(abi::ipv4(ip));
}

/// Two rings that lead back into the ports that write them.
constexpr const char* kOuterLoop = "net_ring0";
constexpr const char* kInnerLoop = "net_ring1";

}  // namespace

Generator::~Generator() = default;

Result<std::unique_ptr<Generator>> Generator::make(const Options& options, rte_mempool* packets, Log log) {
  std::unique_ptr<Generator> made(new Generator(options, std::move(log)));
  made->tsc_hz_ = static_cast<double>(rte_get_tsc_hz());
  auto engine = aead::make_engine();
  if (!engine) return Error{engine.error()};
  made->engine_ = std::move(*engine);
  openvpn::ClientSettings settings;
  if (!options.loopback) {
    auto read = perf::read_profile(options.profile, options.cipher);
    if (!read) return Error{read.error()};
    settings = std::move(*read);
  }
  Ip4 listener = kLoopAddress;
  if (!options.loopback) std::copy_n(settings.remote.address.bytes.begin(), listener.size(), listener.begin());
  OuterEnd gateway{to_number(listener), options.loopback ? uint16_t{1194} : settings.remote.port};
  if (Status open = made->open_ports(packets, gateway); !open) return Error{open.error()};
  ClientGrid grid{to_number(options.client_network) + 1, options.client_addresses, options.clients};
  Generator* self = made.get();
  made->clients_ = std::make_unique<Clients>(
      std::move(settings), grid, *made->engine_, made->random_,
      [self](uint32_t client, std::span<const uint8_t> payload) { self->traffic_->send_payload(client, payload); });
  made->judge_ = std::make_unique<Judge>(options.clients, made->tsc_hz_ / 1e9);
  made->traffic_ = std::make_unique<Traffic>(
      TrafficParts{*made->outer_, *made->inner_, *made->clients_, *made->judge_, *made->engine_, packets}, options,
      grid, gateway);
  if (Status connected = made->connect(); !connected) return Error{connected.error()};
  made->traffic_->prepare_packets();
  if (Status warm = made->warm_up(); !warm) return Error{warm.error()};
  if (options.core) made->take_precedence();
  return made;
}

Status Generator::open_ports(rte_mempool* packets, const OuterEnd& gateway) {
  Ip4 outer_gateway = options_.outer_gateway == Ip4{} ? to_ip4(gateway.address) : options_.outer_gateway;
  Ip4 outer_own = options_.outer_address, inner_own = options_.inner_address, inner_gateway = options_.inner_gateway;
  std::string outer_device = options_.outer_device, inner_device = options_.inner_device;
  if (options_.loopback) {
    outer_own = inner_own = inner_gateway = outer_gateway = kLoopAddress;  // our own answers come back to us
    if (outer_device.empty()) outer_device = kOuterLoop, inner_device = kInnerLoop;
  }
  auto outer = NetPort::open(outer_device, outer_own, outer_gateway, packets);
  if (!outer) return Error{outer.error()};
  outer_ = std::move(*outer);
  auto inner = NetPort::open(inner_device, inner_own, inner_gateway, packets);
  if (!inner) return Error{inner.error()};
  inner_ = std::move(*inner);
  if (Status up = wait_for_links(); !up) return up;
  return find_gateway();
}

Status Generator::wait_for_links() {
  MonoTime end = io::mono_now() + kLinkWait;
  for (NetPort* port : {outer_.get(), inner_.get()}) {
    while (!port->has_link()) {
      if (io::mono_now() >= end)
        return Error{"port " + port->device() +
                     ": no link after 15 s; is the gateway's end up? Of memif, one end needs "
                     "role=server, the other role=client, with the same socket, id and socket-abstract"};
      pause();
    }
  }
  return {};
}

Status Generator::find_gateway() {
  MonoTime end = io::mono_now() + kArpWait;
  for (NetPort* port : {outer_.get(), inner_.get()}) {
    MonoTime ask{};
    while (!port->gateway_mac()) {
      MonoTime now = io::mono_now();
      if (now >= end)
        return Error{"port " + port->device() + ": nobody answers ARP for " + to_text(port->gateway()) +
                     "; does the gateway's interface for this port have that address?"};
      if (now >= ask) {
        port->ask_gateway();
        ask = now + kAskEvery;
      }
      // Before the clients are there, all but ARP is for nobody.
      for (NetPort* each : {outer_.get(), inner_.get()}) {
        std::array<rte_mbuf*, NetPort::kBurst> burst;
        rte_pktmbuf_free_bulk(burst.data(), each->receive(burst));
      }
      pause();
    }
  }
  return {};
}

Status Generator::connect() {
  if (options_.loopback) {
    auto cipher = openvpn::parse_cipher(options_.cipher.empty() ? "AES-256-GCM" : options_.cipher);
    clients_->invent_sessions(*cipher);
    return {};
  }
  MonoTime start = io::mono_now();
  MonoTime say = start + 1s;
  while (clients_->connected() < clients_->count()) {
    // The gateway's control process may share our core: let it run.
    if (!serve()) pause();
    if (Status well = health(); !well) return well;
    if (io::mono_now() < say) continue;
    say = io::mono_now() + 1s;
    log_("clients connected: " + std::to_string(clients_->connected()) + " of " + std::to_string(clients_->count()));
  }
  handshake_seconds_ = std::chrono::duration<double>(io::mono_now() - start).count();
  return {};
}

/// From now on the kernel should leave our core to us: what it runs there meanwhile looks like latency of the gateway.
/// Not before, because the gateway's control process may share the core, and makes the handshakes' other half.
void Generator::take_precedence() const {
  if (setpriority(PRIO_PROCESS, 0, -20) != 0)
    log_(std::string("no precedence over other processes: ") + std::strerror(errno));
}

/// A trickle both ways until none of it is lost: the gateway's kernel has to find its neighbours first.
Status Generator::warm_up() {
  if (options_.loopback) return {};
  TrialSettings trickle{Direction::kBoth, 64, 2000, 0.1};
  trickle.rate = std::max(trickle.rate, 20.0 * clients_->count());  // each client a packet or two
  MonoTime end = io::mono_now() + kWarmUp;
  while (true) {
    auto result = run(trickle);
    if (!result) return Error{result.error()};
    Counts& counts = result->counts;
    if (counts.total().lost() == 0) return {};
    if (io::mono_now() < end) continue;
    bool in = counts.of(Way::kIn).received > 0, out = counts.of(Way::kOut).received > 0;
    if (!in)
      return Error{
          "clients are connected, but nothing that they send reaches " + to_text(options_.inner_address) +
          ": does the gateway forward (sysctl net.ipv4.ip_forward), and is that address on its inner port? culvert "
          "drops says why packets were dropped"};
    if (!out)
      return Error{"clients are connected, but nothing that " + to_text(options_.inner_address) +
                   " sends reaches them: does " + to_text(options_.inner_gateway) +
                   " route their network into the tunnel? culvert drops says why packets were dropped"};
    return Error{"even " + std::to_string(static_cast<int>(trickle.rate)) +
                 " packets per second lose some: culvert drops says why packets were dropped"};
  }
}

/// Both ports, and once a millisecond some of the clients' engines.
bool Generator::serve() {
  bool busy = traffic_->receive();
  if (uint64_t now = rte_rdtsc(); now >= next_service_) {
    constexpr uint32_t kClientsAtOnce = 64;
    clients_->service(io::now(), kClientsAtOnce);
    next_service_ = now + static_cast<uint64_t>(tsc_hz_ / 1000);
  }
  return busy;
}

Status Generator::health() const {
  if (!clients_->trouble().empty()) return Error{clients_->trouble()};
  return {};
}

Result<TrialResult> Generator::run(const TrialSettings& settings) {
  judge_->begin(++trials_);
  traffic_->set_size(settings.size);
  TrialResult result;
  result.settings = settings;
  last_pass_ = rte_rdtsc();
  send_for(settings, result);
  drain(result);
  if (Status well = health(); !well) return Error{well.error()};
  result.counts = judge_->counts();
  result.kept_pace = result.offered_rate() >= kKeptPace * settings.rate;
  return result;
}

void Generator::send_for(const TrialSettings& settings, TrialResult& result) {
  constexpr double kDepth = 2 * NetPort::kBurst;
  bool in = settings.direction != Direction::kEncrypt, out = settings.direction != Direction::kDecrypt;
  double per_cycle = settings.rate / tsc_hz_ / (in && out ? 2 : 1);
  uint64_t start = rte_rdtsc(), now = start;
  auto end = start + static_cast<uint64_t>(settings.seconds * tsc_hz_);
  auto say = start + static_cast<uint64_t>(tsc_hz_);
  Pacer in_pacer(per_cycle, kDepth, start), out_pacer(per_cycle, kDepth, start);
  for (; now < end; now = rte_rdtsc()) {
    if (in) in_pacer.take(traffic_->send(Way::kIn, std::min<uint32_t>(in_pacer.due(now), NetPort::kBurst)));
    if (out) out_pacer.take(traffic_->send(Way::kOut, std::min<uint32_t>(out_pacer.due(now), NetPort::kBurst)));
    serve();
    note_pause(result);
    if (now < say) continue;
    say += static_cast<uint64_t>(tsc_hz_);
    WayCounts so_far = judge_->counts().total();
    double elapsed = static_cast<double>(now - start) / tsc_hz_;
    char text[128];
    std::snprintf(text, sizeof text, "%.0f of %g s: offered %.3f Mpps, received %.3f Mpps", elapsed, settings.seconds,
                  static_cast<double>(so_far.offered()) / elapsed / 1e6,
                  static_cast<double>(so_far.received) / elapsed / 1e6);
    log_(text);
  }
  result.seconds = static_cast<double>(now - start) / tsc_hz_;
}

void Generator::note_pause(TrialResult& result) {
  uint64_t now = rte_rdtsc();
  auto pause_ns = static_cast<uint64_t>(static_cast<double>(now - std::exchange(last_pass_, now)) * 1e9 / tsc_hz_);
  result.longest_pause = std::max(result.longest_pause, pause_ns);
}

/// Takes what is still on its way: until all is there, or nothing has come for a while.
void Generator::drain(TrialResult& result) {
  auto patience = static_cast<uint64_t>(options_.patience_seconds * tsc_hz_);
  auto most = rte_rdtsc() + static_cast<uint64_t>(kDrainSeconds * tsc_hz_);
  uint64_t before = 0;
  for (uint64_t quiet = rte_rdtsc() + patience, now = 0; (now = rte_rdtsc()) < quiet && now < most;) {
    serve();
    note_pause(result);
    WayCounts total = judge_->counts().total();
    if (total.received == total.sent) return;
    if (total.received == before) continue;
    before = total.received;
    quiet = now + patience;
  }
}

std::string Generator::cipher() const {
  for (uint8_t id = 0; id <= wire::kKeyIdMask; ++id)
    if (const TunnelKey* key = clients_->tunnel(0).key(id)) return std::string(openvpn::cipher_name(key->cipher));
  return "none";
}

void Generator::leave() {
  clients_->leave();
  MonoTime end = io::mono_now() + kGoodbyeWait + clients_->count() * 1ms;
  while (!clients_->gone() && io::mono_now() < end)
    if (!serve()) pause();
}

}  // namespace culvert::pktgen
