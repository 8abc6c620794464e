// What the engines want done, carried out in their order.
#include <algorithm>
#include <utility>

#include "control/gateway/gateway.h"
#include "control/gateway/limit_origin.h"
#include "control/gateway/management_desk.h"
#include "control/gateway/names.h"
#include "control/gateway/network_list.h"
#include "control/io/secrets.h"
#include "dataplane/abi/endpoint_text.h"

namespace culvert::gateway {
namespace {

/// Without a certificate and username-as-common-name sessions have no name.
std::string who_in_log(const std::string& name, abi::SessionRef session) {
  return (name.empty() ? "client" : name) + " (id " + std::to_string(session.peer_id) + ")";
}

}  // namespace

void Gateway::carry_out(size_t index, uint32_t worker) {
  Instance& instance = *instances_[index];
  if (!instance.server) return;
  for (;;) {
    openvpn::Outputs outputs = instance.server->take_outputs();
    for (openvpn::Output& output : outputs) carry_out_one(index, worker, output);
    if (!outputs.empty()) continue;
    // A decision may end other sessions and brings outputs of its own, so it waits until all that came before it is
    // done.
    if (instance.waiting.empty()) return;
    Waiting client = std::move(instance.waiting.front());
    instance.waiting.pop_front();
    worker = client.worker;
    decide(index, std::move(client));
  }
}

void Gateway::carry_out_one(size_t instance, uint32_t worker, openvpn::Output& output) {
  if (auto* packet = std::get_if<openvpn::SendPacket>(&output)) {
    send_packet(*packet, worker);
  } else if (auto* command = std::get_if<openvpn::SendCommand>(&output)) {
    send_command(instance, command->command, worker);
  } else if (auto* record = std::get_if<openvpn::CommitRecord>(&output)) {
    commit(instance, worker, *record);
  } else if (auto* request = std::get_if<openvpn::ConnectRequest>(&output)) {
    instances_[instance]->waiting.push_back(
        {.request = std::move(*request), .worker = worker, .before = {}, .allowed = {}});
  } else if (auto* response = std::get_if<openvpn::ChallengeResponse>(&output)) {
    instances_[instance]->entrance.challenge_response(response->session, response->text);
  } else if (auto* connected = std::get_if<openvpn::SessionConnected>(&output)) {
    on_connected(instance, *connected);
  } else if (auto* ended = std::get_if<openvpn::SessionEnded>(&output)) {
    on_ended(instance, *ended);
  } else if (auto* line = std::get_if<openvpn::LogLine>(&output)) {
    io::log_within(log_budget_, io::mono_now(), line->level, abi::to_text(line->remote) + ": " + line->text);
  }
}

void Gateway::send_packet(const openvpn::SendPacket& packet, uint32_t worker) {
  static abi::PacketMessage message;  // large, and only ever used here
  auto& lanes = link_.lanes();
  uint32_t through = book_->worker_of(packet.remote, worker);
  if (lanes.empty() || packet.bytes.size() > message.data.size()) {
    tally_.drop(abi::DropReason::control_link_full);
    return;
  }
  message.remote = packet.remote;
  message.local = packet.local;
  message.port = packet.port;
  message.length = static_cast<uint16_t>(packet.bytes.size());
  std::copy(packet.bytes.begin(), packet.bytes.end(), message.data.begin());
  const bool taken =
      is_mute_ ? held_packets_.hold(through, message) : lanes[through % lanes.size()]->push_packet(message);
  if (!taken) tally_.drop(abi::DropReason::control_link_full);
}

void Gateway::close_stream(const abi::Command& command, uint32_t worker) {
  auto& lanes = link_.lanes();
  if (lanes.empty()) return;
  auto& lane = *lanes[book_->worker_of(command.body.stream.remote, worker) % lanes.size()];
  // Strangers bring these about: they must not crowd out what sessions need. The port closes it when hand-window is
  // over.
  if (lane.backlog() == 0) (void)lane.push(command);
}

void Gateway::send_command(size_t instance, abi::Command& command, uint32_t worker) {
  if (command.kind == abi::CommandKind::kCloseStream) return close_stream(command, worker);
  BookEntry* entry = nullptr;
  if (command.kind == abi::CommandKind::kRemoveSession) {
    entry = book_->find(command.session);
  } else {
    bool installs = command.kind == abi::CommandKind::kInstallSession;
    const abi::Endpoint& remote = command.body.install_session.remote;
    entry = book_->open(command.session, installs ? book_->worker_of(remote, worker) : worker, instance);
    if (installs && entry && link_.lanes().size() > 1) book_->settle(remote, command.session);
  }
  if (command.kind == abi::CommandKind::kAddRoute) take_network(command.body.route, command.session);
  tell_workers(command, entry ? entry->worker : worker);
  io::wipe_if_secret(command);
}

void Gateway::tell_workers(abi::Command& command, uint32_t owner) {
  const size_t workers = link_.lanes().size();
  if (workers == 0) return;
  owner = static_cast<uint32_t>(owner % workers);
  command.owner = static_cast<uint16_t>(owner);
  using Kind = abi::CommandKind;
  bool owners_only = command.kind == Kind::kInstallKey || command.kind == Kind::kSendWithKey ||
                     command.kind == Kind::kRemoveKey || command.kind == Kind::kLimitSession;
  // The owner last: what it does with the session, the others must be able to hand to it.
  for (uint32_t other = 0; other < workers && !owners_only; ++other)
    if (other != owner) push_command(command, other);
  if (command.kind != abi::CommandKind::kMoveSession) push_command(command, owner);
}

void Gateway::push_command(const abi::Command& command, uint32_t worker) {
  if (link_.lanes()[worker]->push(command) || sessions_lost_) return;
  sessions_lost_ = true;
  io::log(io::LogLevel::kError,
          "worker " + std::to_string(worker) +
              " takes no commands: sessions will be installed again when it does (culvert workers)");
}

void Gateway::commit(size_t instance, uint32_t worker, openvpn::CommitRecord& commit) {
  const auto& mapping = link_.mapping();
  if (commit.peer_id < mapping->view().sessions()) {
    abi::SessionRef session{commit.peer_id, commit.record.generation};
    BookEntry* entry = commit.record.state == abi::RecordState::kConnected ? book_->open(session, worker, instance)
                                                                           : book_->find(session);
    if (entry) commit.record.owner = static_cast<uint8_t>(entry->worker);
    if (entry && commit.record.state == abi::RecordState::kConnected)
      note_limit_origin(commit.record, entry->configured);
    commit.record.instance = record_name(instances_[instance]->config.file);
    if (!commit.networks.empty())
      write_networks(mapping->view().networks(commit.peer_id), session.generation, commit.networks);
    mapping->view().session(commit.peer_id).control.write(commit.record);
  }
  io::wipe(&commit.record, sizeof commit.record);
}

void Gateway::on_connected(size_t index, const openvpn::SessionConnected& connected) {
  auto info = instances_[index]->server->session(connected.session);
  if (!info) return;
  MonoTime now = io::mono_now();
  if (BookEntry* entry = book_->find(connected.session)) {
    entry->watch = SessionWatch(entry->limits, now, now);
    if (std::exchange(entry->missed_reload, false)) follow_configured_limit(connected.session, *entry);
  }
  for (auto& desk : desks_)
    if (desk->instance() == index) desk->client_connected(*info);
  std::string addresses;
  for (const abi::IpAddress& address : {abi::ipv4(info->grant.ip4), abi::ipv6(info->grant.ip6)})
    if (address.family != abi::Family::kNone) addresses += (addresses.empty() ? "" : " ") + abi::to_text(address);
  io::log_within(log_budget_, io::mono_now(), io::LogLevel::kInfo,
                 who_in_log(info->identity.common_name, connected.session) + " connected from " +
                     abi::to_text(info->remote) + ": " + addresses + ", " + std::string(name_of(connected.cipher)) +
                     ", " + info->identity.tls_version);
}

void Gateway::on_ended(size_t index, const openvpn::SessionEnded& ended) {
  MonoTime now = io::mono_now();
  stop_entering(index, ended.session);
  instances_[index]->tokens->forget(ended.session);
  if (instances_[index]->address_hook) instances_[index]->address_hook->forget(ended.session);
  BookEntry* entry = book_->find(ended.session);
  for (auto& desk : desks_)
    if (desk->instance() == index) desk->client_ended(ended);
  if (entry && entry->environment) client_left(index, ended.session, *entry, ended.remote);
  if (entry && entry->lease) instances_[index]->addresses.give_back(*entry->lease, now);
  book_->close(ended.session);
  std::string reason(text_of(ended.reason));
  if (!ended.text.empty() && ended.text != reason) reason += ": " + ended.text;
  std::string what = ended.was_connected ? " disconnected from " : " not let in from ";
  io::log_within(log_budget_, now, ended.was_connected ? io::LogLevel::kInfo : io::LogLevel::kWarning,
                 who_in_log(ended.common_name, ended.session) + what + abi::to_text(ended.remote) + ": " + reason);
}

}  // namespace culvert::gateway
