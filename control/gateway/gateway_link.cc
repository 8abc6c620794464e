// What the dataplane says: that it is there, is gone, what its workers tell.
#include <algorithm>
#include <utility>

#include "control/gateway/gateway.h"
#include "control/gateway/names.h"
#include "control/io/secrets.h"
#include "dataplane/abi/endpoint_text.h"
#include "dataplane/wire/openvpn.h"

namespace culvert::gateway {
namespace {

constexpr auto kRefusedLongEnough = std::chrono::seconds(2);
constexpr auto kPortsAgainAfter = std::chrono::seconds(1);
constexpr auto kInstalledWithin = std::chrono::seconds(5);
constexpr auto kInstalledYet = std::chrono::milliseconds(1);

/// Is this the beginning of a handshake, or the answer to its cookie?
bool starts_session(std::span<const uint8_t> packet) {
  auto opcode = wire::read_opcode(packet);
  return opcode && (wire::is_hard_reset_of_client(opcode->opcode) || opcode->opcode == wire::Opcode::kControlWkc);
}

}  // namespace

void Gateway::on_attached(const std::shared_ptr<io::LinkMapping>& old) {
  const abi::LinkHeader& header = link_.mapping()->header();
  bool first = !peer_ids_;
  bool same = old && old->header().boot_id == header.boot_id;
  if (old && !same) held_packets_.take_unsent(*old);
  if (first || same) unmute();
  if (old && old->header().sessions != header.sessions)
    return fail("the new dataplane has room for " + std::to_string(header.sessions) + " sessions, the old one had " +
                std::to_string(old->header().sessions) + ": start control again");
  io::log(io::LogLevel::kInfo, "attached to dataplane " + field_text(header.version) + ", pid " +
                                   std::to_string(header.dataplane_pid) + ", " + std::to_string(header.workers) +
                                   " worker(s), " + std::to_string(header.sessions) + " session slots");
  refused_since_.reset();
  state_text_ = "opening ports";
  if (first) {
    make_servers(header.sessions);
    baseline_ = link_.mapping()->view().control_counters().read();
    adopt_sessions();
  } else if (!same && old) {
    losses_.begin_anew();
    reinstall_sessions(*old);
    ports_may_open_ = io::mono_now() + kInstalledWithin;
  }
  if (ports_->are_found()) return on_ports_found();
  ports_->find(known_ports(), [this] { on_ports_found(); });
}

PortKeeper::Numbers Gateway::known_ports() {
  PortKeeper::Numbers known;
  book_->each([&](abi::SessionRef session, BookEntry&) {
    abi::ControlRecord record{};
    if (link_.mapping()->view().session(session.peer_id).control.read(record) && record.settings.port < known.size())
      known.set(record.settings.port);
    io::wipe(&record, sizeof record);
  });
  return known;
}

/// From here on it is known which server block a packet is for.
void Gateway::on_ports_found() {
  for (auto& lane : link_.lanes()) drain(*lane);
  open_when_free();
}

void Gateway::open_when_free() {
  if (!link_.attached() || !ports_->are_found() || ports_->open()) return;
  if (held()) {
    state_text_ = "held: waiting for `hold release` on the management interface";
    io::log(io::LogLevel::kInfo, state_text_);
    return;
  }
  // In sockets that the dataplane before had, packets of these sessions may wait.
  const bool installed = std::ranges::all_of(link_.lanes(), [](const auto& lane) { return lane->is_settled(); });
  if (!installed && io::mono_now() < ports_may_open_) {
    if (std::exchange(ports_wait_, true)) return;
    loop_.at(io::mono_now() + kInstalledYet, [this] {
      ports_wait_ = false;
      open_when_free();
    });
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

void Gateway::unmute() {
  is_mute_ = false;
  for (size_t lost = held_packets_.release(link_.lanes()); lost > 0; --lost)
    tally_.drop(abi::DropReason::control_link_full);
}

void Gateway::on_ports_open() {
  unmute();
  replace_lost_keys();
  for (auto& lane : link_.lanes()) drain(*lane);  // of which sessions the new ports have no connection
  starting_ = tun_scripts_.any();
  if (starting_) state_text_ = "ports are open: running up";
  tun_scripts_.up(identity_of_tun(ports_->tun_name(), link_.mapping()->header().boot_id), [this](const Status& status) {
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
  if (!was_ready) watch_losses();
  if (!was_ready && when_ready_) when_ready_();
}

void Gateway::on_detached(const std::string& why) {
  ports_->lost();
  is_mute_ = true;
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
  if (ports_->are_found()) drain(lane);  // else soon, see on_attached()
}

void Gateway::drain(io::WorkerLane& lane) {
  bool more = lane.drain(*this, !leaving_);
  for (size_t i = 0; i < instances_.size(); ++i) carry_out(i, lane.worker());
  for (auto& each : link_.lanes()) each->flush();  // sessions are told to all
  // The lane is looked up again: a new dataplane may have fewer of them.
  if (more) {
    loop_.at(io::mono_now(), [this, worker = lane.worker()] {
      if (worker < link_.lanes().size()) drain(*link_.lanes()[worker]);
    });
  }
}

void Gateway::on_event(uint32_t worker, const abi::Event& event) {
  Now now = io::now();
  if (event.kind == abi::EventKind::kStreamClosed) {
    book_->forget(event.endpoint);
    if (auto instance = ports_->instance_of(event.port)) instances_[*instance]->server->on_event(event, now);
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
  std::optional<size_t> listener = ports_->instance_of(packet.port);
  // Until ports are open, one that the configuration no longer has may still be.
  if (!listener) return ports_->open() ? on_bad_message(worker) : tally_.drop(abi::DropReason::control_no_session);
  if (stopping_ && starts_session(packet.bytes())) return tally_.drop(abi::DropReason::control_unexpected_opcode);
  if (starting_ && starts_session(packet.bytes())) return tally_.drop(abi::DropReason::control_starting);
  if (link_.lanes().size() > 1 && packet.remote.transport == abi::Transport::kTcp) book_->saw(packet.remote, worker);
  size_t instance = *listener;
  instances_[instance]->server->receive(
      {.remote = packet.remote, .local = packet.local, .port = packet.port, .bytes = packet.bytes()}, io::now());
  carry_out(instance, worker);
}

void Gateway::on_bad_message(uint32_t worker) {
  tally_.drop(abi::DropReason::control_bad_link_message);
  io::log_within(log_budget_, io::mono_now(), io::LogLevel::kError,
                 "worker " + std::to_string(worker) + " sent a message that makes no sense: it was ignored");
}

void Gateway::forget_in_dataplane(abi::SessionRef session) {
  abi::Command command{};
  command.kind = abi::CommandKind::kRemoveSession;
  command.session = session;
  tell_workers(command, 0);
}

}  // namespace culvert::gateway
