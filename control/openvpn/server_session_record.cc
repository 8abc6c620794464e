// A server session as the other parts of the product see it: the worker, the record that survives a restart, the
// operator.
#include <algorithm>
#include <cstring>

#include "control/openvpn/server_session.h"

namespace culvert::openvpn {
namespace {

template <class Array>
void put_text(Array& out, std::string_view text) {
  out = {};
  std::copy_n(text.begin(), std::min(text.size(), out.size() - 1), out.begin());
}

template <class Array>
std::string get_text(const Array& in) {
  auto end = std::find(in.begin(), in.end(), typename Array::value_type{0});
  return {in.begin(), end};
}

uint16_t seconds16(std::chrono::seconds value) {
  return static_cast<uint16_t>(std::clamp<int64_t>(value.count(), 0, UINT16_MAX));
}

}  // namespace

void ServerSession::install_session() {
  const ServerSettings& settings = server_settings();
  abi::SessionLimit limit = installed_.limit;  // the grant's, or what it was changed to
  installed_ = {};
  installed_.limit = limit;
  installed_.remote = path_.remote;
  installed_.local = path_.local;
  installed_.port = path_.port;
  installed_.format = agreement_.format;
  installed_.framing = agreement_.framing;
  if (settings.client_to_client) installed_.flags |= abi::session_flag::kClientToClient;
  if (settings.may_float) installed_.flags |= abi::session_flag::kMayFloat;
  bool v2 = agreement_.format == abi::DataFormat::kV2;
  installed_.remote_peer_id = v2 ? agreement_.remote_peer_id.value_or(ref_.peer_id) : abi::kNoPeerId;
  installed_.tun_mtu = settings.tun_mtu;
  installed_.mss_limit = settings.mssfix;
  installed_.ping_interval = seconds16(settings.ping);
  installed_.ping_timeout = seconds16(settings.ping_restart);
  installed_.replay_window = settings.replay_window;
  if (!grant_.refused_ip4) installed_.ip4 = grant_.ip4;
  if (!grant_.refused_ip6) installed_.ip6 = grant_.ip6;
  abi::Command command{};
  command.kind = abi::CommandKind::kInstallSession;
  command.body.install_session = installed_;
  send_command(command);
}

void ServerSession::limit(const abi::SessionLimit& limit) {
  installed_.limit = limit;
  abi::Command command{};
  command.kind = abi::CommandKind::kLimitSession;
  command.body.limit = limit;
  send_command(command);
  on_changed();
}

void ServerSession::install_routes() {
  for (const abi::InnerPrefix& route : grant_.routes) {
    abi::Command command{};
    command.kind = abi::CommandKind::kAddRoute;
    command.body.route = route;
    send_command(command);
  }
}

void ServerSession::lose_network(const abi::InnerPrefix& network) {
  std::erase_if(grant_.routes, [&](const abi::InnerPrefix& own) {
    return own.length == network.length && own.address == network.address;
  });
}

abi::ControlRecord ServerSession::make_record() const {
  abi::ControlRecord record{};
  record.state = abi::RecordState::kConnected;
  record.generation = ref_.generation;
  record.local_session_id = ids_.local;
  record.remote_session_id = ids_.remote;
  record.current_key_id = ring_.current().value_or(newest_key_id());
  record.previous_key_id = ring_.previous().value_or(0xFF);
  const std::optional<StaticKey>& key = dynamic_key_ ? dynamic_key_ : wrap_key_;
  record.wrap_is_dynamic = dynamic_key_ ? 1 : 0;
  record.has_wrap_key = dynamic_key_ || settings_.wrap.kind == WrapKind::kTlsCryptV2 ? 1 : 0;
  if (record.has_wrap_key && key) record.wrap_key = *key;
  WrapProgress progress = wrap_progress();
  record.wrap_send_time = progress.sent.time;
  record.wrap_send_id = progress.sent.id;
  record.wrap_seen_time = progress.seen.time;
  record.wrap_seen_id = progress.seen.id;
  put_text(record.common_name, identity_.common_name);
  put_text(record.username, identity_.username);
  put_text(record.certificate_serial, identity_.serial);
  std::copy_n(identity_.certificate_hash.begin(),
              std::min(identity_.certificate_hash.size(), record.certificate_hash.size()),
              record.certificate_hash.begin());
  put_text(record.instance, settings_.name);
  record.connected_wall_seconds = static_cast<uint64_t>(connected_since_.time_since_epoch().count());
  record.protocol_flags = agreement_.flags();
  record.settings = installed_;
  record.cipher = agreement_.cipher;
  record.digest = agreement_.digest;
  put_text(record.client_version, capabilities_.version);
  put_text(record.client_platform, capabilities_.platform);
  record.tls_key_export = agreement_.tls_key_export ? 1 : 0;
  record.has_networks = grant_.routes.empty() ? 0 : 1;
  return record;
}

void ServerSession::on_changed() {
  if (phase_ != Phase::kConnected) return;
  abi::ControlRecord record = make_record();
  if (std::memcmp(&record, &committed_, sizeof record) == 0) return;
  CommitRecord commit{ref_.peer_id, record};
  // A session never gets networks later than with its grant.
  if (record.has_networks > committed_.has_networks) commit.networks = grant_.routes;
  committed_ = record;
  engine_.outputs.push_back(std::move(commit));
}

void ServerSession::adopt(const abi::ControlRecord& record, std::vector<abi::InnerPrefix> networks, Now now) {
  phase_ = Phase::kConnected;
  ever_connected_ = true;
  agreement_ = Agreement::from_flags(static_cast<uint32_t>(record.protocol_flags), record.cipher);
  agreement_.tls_key_export = record.tls_key_export != 0;
  agreement_.digest = record.digest;
  agreement_.framing = record.settings.framing;
  if (record.wrap_is_dynamic) {
    dynamic_key_ = record.wrap_key;
    dynamic_wrap_.emplace(
        WrapKey::tls_crypt(record.wrap_key, side_),
        WrapProgress{{record.wrap_send_time, record.wrap_send_id}, {record.wrap_seen_time, record.wrap_seen_id}});
  }
  identity_.common_name = get_text(record.common_name);
  identity_.username = get_text(record.username);
  identity_.serial = get_text(record.certificate_serial);
  if (record.certificate_hash != std::array<uint8_t, 32>{})
    identity_.certificate_hash.assign(record.certificate_hash.begin(), record.certificate_hash.end());
  capabilities_.version = get_text(record.client_version);
  capabilities_.platform = get_text(record.client_platform);
  connected_since_ =
      std::chrono::sys_seconds(std::chrono::seconds(static_cast<int64_t>(record.connected_wall_seconds)));
  installed_ = record.settings;
  bool own_choice = installed_.remote_peer_id != ref_.peer_id && installed_.remote_peer_id != abi::kNoPeerId;
  if (own_choice) agreement_.remote_peer_id = installed_.remote_peer_id;
  grant_.ip4 = installed_.ip4;
  grant_.ip6 = installed_.ip6;
  grant_.routes = std::move(networks);
  std::optional<uint8_t> previous;
  if (record.previous_key_id <= 7) previous = record.previous_key_id;
  adopt_keys(record.current_key_id, previous, record.cipher, now);
  committed_ = record;
  committed_.has_networks = grant_.routes.empty() ? 0 : 1;
}

SessionInfo ServerSession::info() const {
  SessionInfo info = common_info();
  info.identity = identity_;
  info.grant = grant_;
  info.limit = installed_.limit;
  return info;
}

}  // namespace culvert::openvpn
