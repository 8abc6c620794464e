// What the dataplane says, and what happens when it or we are new.
#include <algorithm>
#include <cstring>

#include "control/gateway/gateway.h"
#include "control/gateway/limit_origin.h"
#include "control/gateway/names.h"
#include "control/io/secrets.h"
#include "dataplane/abi/endpoint_text.h"
#include "dataplane/wire/openvpn.h"

namespace culvert::gateway {
namespace {

constexpr auto kRefusedLongEnough = std::chrono::seconds(2);
constexpr auto kPortsAgainAfter = std::chrono::seconds(1);

std::string text_of(std::span<const char> field) {
  return {field.data(), std::find(field.data(), field.data() + field.size(), '\0')};
}

/// Is this the beginning of a handshake, or the answer to its cookie?
bool starts_session(std::span<const uint8_t> packet) {
  auto opcode = wire::read_opcode(packet);
  return opcode && (wire::is_hard_reset_of_client(opcode->opcode) || opcode->opcode == wire::Opcode::kControlWkc);
}

/// Can clients have addresses that the pool did not give them?
bool may_set_addresses(const config::ServerConfig& config) {
  return !config.access.client_config_dir.empty() || !config.hooks.client_connect.empty();
}

/// Where packet-ids of a key stand, from the records of the dataplane that installed it.
std::optional<std::pair<uint64_t, uint64_t>> progress_of(void* context, abi::SessionRef session, uint8_t key_id) {
  const auto& view = static_cast<const io::LinkMapping*>(context)->view();
  if (session.peer_id >= view.sessions() || key_id >= abi::kKeyIds) return std::nullopt;
  const abi::WorkerRecord& worker = view.session(session.peer_id).worker;
  if (worker.generation.load(std::memory_order_acquire) != session.generation) return std::nullopt;
  return std::pair(worker.send_reserved[key_id].load(std::memory_order_acquire),
                   view.seen(session.peer_id).highest[key_id].load(std::memory_order_acquire));
}

}  // namespace

void Gateway::on_attached(const std::shared_ptr<io::LinkMapping>& old) {
  const abi::LinkHeader& header = link_.mapping()->header();
  bool first = !peer_ids_;
  bool same = old && old->header().boot_id == header.boot_id;
  if (old && old->header().sessions != header.sessions)
    return fail("the new dataplane has room for " + std::to_string(header.sessions) + " sessions, the old one had " +
                std::to_string(old->header().sessions) + ": start control again");
  io::log(io::LogLevel::kInfo, "attached to dataplane " + text_of(header.version) + ", pid " +
                                   std::to_string(header.dataplane_pid) + ", " + std::to_string(header.workers) +
                                   " worker(s), " + std::to_string(header.sessions) + " session slots");
  refused_since_.reset();
  state_text_ = "opening ports";
  if (first) {
    make_servers(header.sessions);
    baseline_ = link_.mapping()->view().control_counters().read();
    adopt_sessions();
  } else if (!same && old) {
    reinstall_sessions(*old);
  }
  for (auto& lane : link_.lanes()) drain(*lane);
  open_when_free();
}

void Gateway::open_when_free() {
  if (!link_.attached() || ports_->open()) return;
  if (held()) {
    state_text_ = "held: waiting for `hold release` on the management interface";
    io::log(io::LogLevel::kInfo, state_text_);
    return;
  }
  tell_state("ASSIGN_IP", "", true);
  apply_ports();
}

void Gateway::apply_ports() {
  ports_->apply([this](const Status& status) {
    if (status) return on_ports_open();
    if (!ever_ready_ && link_.attached()) return fail(status.error());
    state_text_ = status.error();
    if (!link_.attached()) return;
    io::log(io::LogLevel::kError, status.error() + " (trying again)");
    loop_.at(io::mono_now() + kPortsAgainAfter, [this] {
      if (link_.attached() && !ports_->open()) apply_ports();
    });
  });
}

void Gateway::on_ports_open() {
  starting_ = tun_scripts_.any();
  if (starting_) state_text_ = "ports are open: running up";
  tun_scripts_.up(link_.mapping()->header().boot_id, [this](const Status& status) {
    starting_ = false;
    // Whatever routes or rules it makes may be what keeps strangers out.
    if (!status && !ever_ready_) return fail(status.error());
    if (link_.attached() && !stopping_) serve();
  });
}

void Gateway::serve() {
  state_text_ = "ready";
  tell_state("CONNECTED", "SUCCESS", true);
  bool was_ready = std::exchange(ever_ready_, true);
  std::string where;
  for (const std::string& port : ports_->listening()) where += port + ", ";
  io::log(io::LogLevel::kInfo, "ready: " + where + ports_->tun());
  if (!was_ready) watch_concerns();
  if (!was_ready && when_ready_) when_ready_();
}

void Gateway::on_detached(const std::string& why) {
  ports_->lost();
  state_text_ = "waiting for the dataplane: " + why;
  io::log(ever_ready_ ? io::LogLevel::kError : io::LogLevel::kInfo, state_text_);
  if (ever_ready_ && !stopping_) tell_state("RECONNECTING", "dataplane-gone");
  // A dataplane that has another control refuses us for good; after a control was killed it may take it a moment to
  // notice.
  if (why.find("refuses") == std::string::npos || ever_ready_) return;
  MonoTime now = io::mono_now();
  if (!refused_since_) refused_since_ = now;
  loop_.at(now + kRefusedLongEnough, [this, why] {
    if (refused_since_ && !link_.attached()) fail(why);
  });
}

void Gateway::on_doorbell(io::WorkerLane& lane) {
  drain(lane);
}

void Gateway::drain(io::WorkerLane& lane) {
  bool more = lane.drain(*this);
  for (size_t i = 0; i < instances_.size(); ++i) carry_out(i, lane.worker());
  for (auto& each : link_.lanes()) each->flush();  // sessions are told to all
  // The lane is looked up again: a new dataplane may have fewer of them.
  if (more) {
    loop_.at(io::mono_now(), [this, worker = lane.worker()] {
      if (link_.attached() && worker < link_.lanes().size()) drain(*link_.lanes()[worker]);
    });
  }
}

void Gateway::on_event(uint32_t worker, const abi::Event& event) {
  Now now = io::now();
  if (event.kind == abi::EventKind::kStreamClosed) {
    book_->forget(event.endpoint);
    if (event.port < instance_of_port_.size()) instances_[instance_of_port_[event.port]]->server->on_event(event, now);
    return;
  }
  BookEntry* entry = book_->find(event.session);
  if (!entry) {
    // A session that only the dataplane knows, for instance because control died before it committed the record.
    if (event.kind == abi::EventKind::kPeerTimeout || event.kind == abi::EventKind::kPeerExit)
      forget_in_dataplane(event.session);
    return;
  }
  if (event.kind == abi::EventKind::kFloated && link_.lanes().size() > 1) follow_float(event, *entry);
  if (event.kind == abi::EventKind::kCommandRefused) {
    bool network = event.detail == static_cast<uint16_t>(abi::CommandKind::kAddRoute);
    std::string what = network ? "to route a network to " + entry->name +
                                     " (iroute): it is another client's own address, or this one has too many"
                               : "command " + std::to_string(event.detail) + " for " + entry->name;
    io::log_within(log_budget_, now.mono, io::LogLevel::kWarning,
                   "worker " + std::to_string(worker) + " refused " + what + " (id " +
                       std::to_string(event.session.peer_id) + ")");
  }
  size_t instance = entry->instance;
  instances_[instance]->server->on_event(event, now);
  carry_out(instance, worker);
}

/// The owner has followed a peer: its control packets still leave through the owner, in order with the commands for it,
/// and the other workers learn the new address.
void Gateway::follow_float(const abi::Event& event, const BookEntry& entry) {
  book_->settle(event.endpoint, event.session);
  abi::Command command{};
  command.kind = abi::CommandKind::kMoveSession;
  command.session = event.session;
  command.body.stream = {event.endpoint, event.port};
  tell_workers(command, entry.worker);
  for (auto& lane : link_.lanes()) lane->flush();
}

void Gateway::on_punt(uint32_t worker, const abi::PacketMessage& packet) {
  if (packet.port >= instance_of_port_.size()) return on_bad_message(worker);
  if (stopping_ && starts_session(packet.bytes())) return tally_.drop(abi::DropReason::control_unexpected_opcode);
  if (starting_ && starts_session(packet.bytes())) return tally_.drop(abi::DropReason::control_starting);
  if (link_.lanes().size() > 1 && packet.remote.transport == abi::Transport::kTcp) book_->saw(packet.remote, worker);
  size_t instance = instance_of_port_[packet.port];
  instances_[instance]->server->receive(
      {.remote = packet.remote, .local = packet.local, .port = packet.port, .bytes = packet.bytes()}, io::now());
  carry_out(instance, worker);
}

void Gateway::on_bad_message(uint32_t worker) {
  tally_.drop(abi::DropReason::control_bad_link_message);
  io::log_within(log_budget_, io::mono_now(), io::LogLevel::kError,
                 "worker " + std::to_string(worker) + " sent a message that makes no sense: it was ignored");
}

void Gateway::adopt_sessions() {
  const abi::LinkView& view = link_.mapping()->view();
  size_t adopted = 0;
  size_t given_up = 0;
  for (uint32_t peer_id = 0; peer_id < view.sessions(); ++peer_id) {
    abi::SessionRecord& slot = view.session(peer_id);
    uint32_t worker_generation = slot.worker.generation.load(std::memory_order_acquire);
    abi::ControlRecord record{};
    bool written = slot.control.read(record);
    peer_ids_->seen(peer_id, std::max(written ? record.generation : 0, worker_generation));
    if (written && record.state == abi::RecordState::kConnected) {
      if (adopt_session(peer_id, record, io::now())) {
        ++adopted;
        io::wipe(&record, sizeof record);
        continue;
      }
      ++given_up;
      abi::SessionRef ended{peer_id, record.generation};
      forget_in_dataplane(ended);
      io::wipe(&record, sizeof record);
      record.generation = ended.generation;
      slot.control.write(record);
    } else if (worker_generation > (written ? record.generation : 0)) {
      // Installed, but its record was never committed: the control before us died in the middle of a handshake.
      forget_in_dataplane({peer_id, worker_generation});
    }
    io::wipe(&record, sizeof record);
  }
  for (size_t i = 0; i < instances_.size(); ++i) carry_out(i, 0);
  if (adopted + given_up > 0)
    io::log(io::LogLevel::kInfo, "took over " + std::to_string(adopted) +
                                     " session(s) of the control process before; gave up " + std::to_string(given_up) +
                                     " that the configuration has no place for");
}

bool Gateway::adopt_session(uint32_t peer_id, const abi::ControlRecord& record, Now now) {
  abi::SessionRef session{peer_id, record.generation};
  std::string name = text_of(record.common_name);
  auto found =
      std::ranges::find_if(instances_, [&](const auto& i) { return record_name(i->config.file) == record.instance; });
  if (found == instances_.end()) return false;
  Instance& instance = **found;
  std::optional<pool::Lease> lease = instance.addresses.adopt(name, record.settings.ip4, record.settings.ip6);
  if (!lease && !may_set_addresses(instance.config)) return false;
  if (!lease) {
    // Set by the operator for this client: one of them may lie in the pool.
    for (const abi::IpAddress& address : {abi::ipv4(record.settings.ip4), abi::ipv6(record.settings.ip6)})
      if (!lease && address.family != abi::Family::kNone) lease = instance.addresses.take_exact(name, address).lease;
  }
  abi::Endpoint remote = record.settings.remote;
  const abi::WorkerRecord& worker = link_.mapping()->view().session(peer_id).worker;
  abi::Endpoint moved;
  if (worker.generation.load(std::memory_order_acquire) == record.generation && worker.remote.read(moved) &&
      moved.port != 0)
    remote = moved;
  std::vector<abi::InnerPrefix> networks;
  if (record.has_networks != 0) networks = recorded_networks(session, name);
  if (!peer_ids_->adopt(session) || !instance.server->adopt(peer_id, record, remote, now, networks)) {
    peer_ids_->give_back(session, now);
    if (lease) instance.addresses.give_back(*lease, now.mono);
    return false;
  }
  uint32_t owner = record.owner < link_.lanes().size() ? record.owner : 0;
  BookEntry* entry = book_->open(session, owner, static_cast<size_t>(found - instances_.begin()));
  entry->lease = lease;
  book_->admit(session, *entry, name);
  entry->since = std::chrono::sys_seconds(std::chrono::seconds(record.connected_wall_seconds));
  // What client-connect said is gone; the file of client-config-dir is still there.
  policy::ClientSettings own = policy::settings_for_all(instance.config);
  policy::apply_client_config_dir(own, name, instance.config, loader_);
  entry->limits = own.limits;
  entry->configured = own.limits.rate;
  if (abi::SessionLimit limit = follow_limit_origin(record, entry->configured); limit != record.settings.limit)
    instance.server->limit(session, limit, now);
  auto age = std::max(std::chrono::seconds(0), now.wall - entry->since);
  entry->watch = SessionWatch(entry->limits, now.mono - age, now.mono);
  adopt_networks(session, *entry, networks);
  if (auto info = instance.server->session(session)) {
    remember_environment(instance, *entry, *info);
    if (instance.address_hook) instance.address_hook->adopt(session, addresses_of(info->grant));
  }
  if (link_.lanes().size() > 1) book_->settle(remote, session);
  return true;
}

void Gateway::carry_record_over(abi::SessionRef session, BookEntry& entry, const io::LinkMapping& old) {
  abi::SessionRecord& from = old.view().session(session.peer_id);
  abi::SessionRecord& to = link_.mapping()->view().session(session.peer_id);
  abi::ControlRecord record{};
  if (from.control.read(record) && record.generation == session.generation) {
    record.owner = static_cast<uint8_t>(entry.worker);
    if (record.has_networks != 0)
      std::memcpy(&link_.mapping()->view().networks(session.peer_id), &old.view().networks(session.peer_id),
                  sizeof(abi::NetworkList));
    to.control.write(record);
  }
  io::wipe(&record, sizeof record);
  if (from.worker.generation.load(std::memory_order_acquire) != session.generation) return;
  entry.earlier_rx_bytes += from.worker.rx_bytes.load(std::memory_order_relaxed);
  entry.earlier_tx_bytes += from.worker.tx_bytes.load(std::memory_order_relaxed);
  entry.earlier_rx_packets += from.worker.rx_packets.load(std::memory_order_relaxed);
  entry.earlier_tx_packets += from.worker.tx_packets.load(std::memory_order_relaxed);
}

void Gateway::reinstall_sessions(const io::LinkMapping& old) {
  bool other = &old != link_.mapping().get();
  size_t count = 0;
  for (size_t i = 0; other && i < instances_.size(); ++i) {
    instances_[i]->server->lose_streams(io::now());
    carry_out(i, 0);
  }
  book_->each([&](abi::SessionRef session, BookEntry& entry) {
    ++count;
    if (!other) return;
    entry.worker = static_cast<uint32_t>(entry.worker % link_.lanes().size());
    carry_record_over(session, entry, old);
  });
  for (size_t i = 0; i < instances_.size(); ++i) {
    instances_[i]->server->reinstall(progress_of, const_cast<io::LinkMapping*>(&old), io::now());
    carry_out(i, 0);
  }
  for (auto& lane : link_.lanes()) lane->flush();
  io::log(io::LogLevel::kInfo, "installed " + std::to_string(count) + " session(s) in the dataplane again");
}

void Gateway::forget_in_dataplane(abi::SessionRef session) {
  abi::Command command{};
  command.kind = abi::CommandKind::kRemoveSession;
  command.session = session;
  tell_workers(command, 0);
}

}  // namespace culvert::gateway
