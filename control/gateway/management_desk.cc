#include "control/gateway/management_desk.h"

#include <algorithm>

#include "control/gateway/gateway.h"
#include "control/gateway/session_rows.h"
#include "control/io/privileges.h"
#include "control/management/status_text.h"
#include "dataplane/abi/endpoint_text.h"

namespace culvert::gateway {
namespace {

using management::Client;

/// `verb` of OpenVPN against our levels; the other way round stands in control/config (read_verb).
constexpr io::LogLevel level_of(int verb) {
  if (verb == 0) return io::LogLevel::kError;
  if (verb <= 2) return io::LogLevel::kWarning;
  return verb == 3 ? io::LogLevel::kInfo : io::LogLevel::kDebug;
}

constexpr int verb_of(io::LogLevel level) {
  switch (level) {
    case io::LogLevel::kError:
      return 0;
    case io::LogLevel::kWarning:
      return 1;
    case io::LogLevel::kInfo:
      return 3;
    case io::LogLevel::kDebug:
      return 4;
  }
  return 3;
}

}  // namespace

ManagementDesk::~ManagementDesk() {
  gateway_.loop_.cancel(status_timer_);
}

Status ManagementDesk::open() {
  const config::ServerConfig& config = gateway_.instances_[instance_]->config;
  if (!config.status_file.empty()) {
    auto file = management::StatusFile::open(config.status_file);
    if (!file) return Error{config.file + ": " + file.error()};
    status_file_.emplace(std::move(*file));
    write_status();
  }
  return config.management ? open_management() : Status();
}

Status ManagementDesk::open_management() {
  const config::ServerConfig& config = gateway_.instances_[instance_]->config;
  const config::Management& wanted = *config.management;
  auto identity = io::identity_of(wanted.client_user, "");
  auto group = io::identity_of("", wanted.client_group);
  if (!identity) return Error{config.file + ": management-client-user: " + identity.error()};
  if (!group) return Error{config.file + ": management-client-group: " + group.error()};
  management::Listen listen;
  listen.path = wanted.path;
  listen.tcp = wanted.tcp;
  listen.client_user = identity->uid;
  listen.client_group = group->gid;
  listen.log_lines = wanted.log_lines;
  listen.hold = wanted.hold;
  listen.dialogue = {.password = wanted.password, .status_version = config.status_version};
  auto server = management::Server::listen(gateway_.loop_, std::move(listen), *this);
  if (!server) return Error{config.file + ": " + server.error()};
  server_ = std::move(*server);
  if (wanted.client_auth)
    client_auth_.emplace([this](std::string_view line) { server_->notify(line); },
                         [this](abi::SessionRef session) { return cid_of(session); },
                         [this](const auth::AuthRequest& request) { return asking(request); });
  bool anyone = wanted.password.empty() && !identity->uid && !group->gid;
  std::string where = wanted.path.empty() ? abi::to_text(wanted.tcp) : wanted.path;
  io::log(anyone ? io::LogLevel::kWarning : io::LogLevel::kInfo,
          "management on " + where +
              (anyone ? ": whoever reaches it may end sessions; a password file, or management-client-user, keeps "
                        "others out"
                      : ""));
  set_state("CONNECTING", "", false);
  return {};
}

void ManagementDesk::on_log(io::LogLevel level, std::string_view text) {
  if (server_) server_->on_log(level, text);
}

void ManagementDesk::tell_fatal(const std::string& why) {
  if (server_) server_->notify(">FATAL:" + management::one_field(why));
}

void ManagementDesk::say_leaving() {
  if (status_file_) {
    gateway_.loop_.cancel(status_timer_);
    write_status();
  }
  set_state("RECONNECTING", "control-upgrade", false);
}

void ManagementDesk::set_state(std::string_view state, const std::string& text, bool with_addresses) {
  if (!server_) return;
  const config::ServerConfig& config = gateway_.instances_[instance_]->config;
  // detail, our inner IPv4, then address and port of the remote and of the local end (a server has none), inner IPv6
  std::string details = text + ",";
  if (with_addresses && config.pool4) details += abi::to_text(abi::ipv4(config.pool4->gateway));
  details += ",,,,";
  if (with_addresses && config.pool6) details += "," + abi::to_text(abi::ipv6(config.pool6->gateway));
  server_->set_state(state, details);
}

std::string ManagementDesk::title() const {
  return "culvert " CULVERT_VERSION " x86_64-linux-gnu (management of OpenVPN 2.6)";
}

std::vector<Client> ManagementDesk::clients() const {
  std::vector<Client> clients;
  const Instance& instance = *gateway_.instances_[instance_];
  const auto& mapping = gateway_.link_.mapping();
  if (!instance.server || !mapping) return clients;
  auto now = io::now().wall;
  for (const openvpn::SessionInfo& session : instance.server->sessions()) {
    const BookEntry* entry = gateway_.book_->find(session.session);
    if (!session.connected || !entry) continue;
    admin::SessionRow row = session_row(session, "", entry, mapping->view());
    Client client;
    client.cid = cid_of(session.session);
    client.peer_id = row.id;
    client.common_name = row.common_name;
    client.username = row.username;
    client.remote = session.remote;
    for (const abi::IpAddress& address : {abi::ipv4(session.grant.ip4), abi::ipv6(session.grant.ip6)})
      if (address.family != abi::Family::kNone) client.addresses.push_back(address);
    client.networks = session.grant.routes;
    client.bytes_in = row.rx_bytes;
    client.bytes_out = row.tx_bytes;
    client.connected_since = session.connected_since;
    client.last_seen = row.last_seen_s ? now - std::chrono::seconds(*row.last_seen_s) : session.connected_since;
    client.cipher = row.cipher;
    clients.push_back(std::move(client));
  }
  return clients;
}

template <class Wanted>
std::vector<abi::SessionRef> ManagementDesk::sessions_that(Wanted wanted) const {
  std::vector<abi::SessionRef> found;
  const auto& server = gateway_.instances_[instance_]->server;
  if (!server) return found;
  for (const openvpn::SessionInfo& session : server->sessions())
    if (session.connected && wanted(session)) found.push_back(session.session);
  return found;
}

size_t ManagementDesk::end(const std::vector<abi::SessionRef>& sessions, management::Kill how, const std::string& why,
                           std::string_view for_client) {
  openvpn::Server& server = *gateway_.instances_[instance_]->server;
  auto goodbye = how == management::Kill::kHalt ? openvpn::Goodbye::kHalt : openvpn::Goodbye::kRestart;
  for (abi::SessionRef session : sessions) {
    const BookEntry* entry = gateway_.book_->find(session);
    uint32_t worker = entry ? entry->worker : 0;
    server.disconnect(session, goodbye, openvpn::EndReason::kKilled, why, io::now(), for_client);
    gateway_.carry_out(instance_, worker);
  }
  return sessions.size();
}

size_t ManagementDesk::kill_name(std::string_view common_name) {
  auto found = sessions_that([&](const auto& session) { return session.identity.common_name == common_name; });
  return found.empty() ? 0 : end(found, management::Kill::kRestart, "by the management interface");
}

size_t ManagementDesk::kill_address(const abi::IpAddress& address, uint16_t port, std::optional<bool> tcp) {
  auto found = sessions_that([&](const auto& session) {
    bool is_tcp = session.remote.transport == abi::Transport::kTcp;
    return session.remote.address == address && session.remote.port == port && tcp.value_or(is_tcp) == is_tcp;
  });
  return found.empty() ? 0 : end(found, management::Kill::kRestart, "by the management interface");
}

bool ManagementDesk::kill_client(uint64_t cid, management::Kill how, std::string_view text) {
  const auto& server = gateway_.instances_[instance_]->server;
  if (!server) return false;
  for (const openvpn::SessionInfo& session : server->sessions()) {
    // One that waits for its answer has a number, too, since the program was asked about it.
    if (!session.connected && !cids_.contains(session.session)) continue;
    if (cid_of(session.session) == cid) return end({session.session}, how, "by the management interface", text) > 0;
  }
  return false;
}

void ManagementDesk::log_command(const std::string& line) {
  io::log(io::LogLevel::kDebug, "MANAGEMENT: CMD '" + line + "'");
}

Result<size_t> ManagementDesk::push_update(std::optional<uint64_t> cid, const std::string& options) {
  auto changes = openvpn::parse_push_update(options);
  if (!changes) return Error{changes.error()};
  auto wanted = sessions_that([&](const auto& session) { return !cid || cid_of(session.session) == *cid; });
  return gateway_.push_update(wanted, *changes);
}

void ManagementDesk::signal(management::Signal signal) {
  switch (signal) {
    case management::Signal::kHangup:
      (void)gateway_.reload_and_log();
      return;
    case management::Signal::kTerminate:
      gateway_.stop_for_good();
      return;
    case management::Signal::kRestart:
      return restart_clients("SIGUSR1 of the management interface");
    case management::Signal::kReport:
      return report();
  }
}

void ManagementDesk::restart_clients(const std::string& why) {
  if (auto all = sessions_that([](const auto&) { return true; }); !all.empty())
    end(all, management::Kill::kRestart, why);
}

void ManagementDesk::report() {
  for (const std::string& line : management::status_lines(
           title(), clients(), gateway_.instances_[instance_]->config.status_version, io::now().wall))
    io::log(io::LogLevel::kInfo, line);
  if (!status_file_) return;
  gateway_.loop_.cancel(status_timer_);
  write_status();
}

void ManagementDesk::release_hold() {
  gateway_.open_when_free();
}

int ManagementDesk::verbosity() const {
  return verbosity_.value_or(verb_of(gateway_.configuration_.log_level));
}

void ManagementDesk::set_verbosity(int level) {
  verbosity_ = level;
  io::set_log_level(level_of(level));
}

void ManagementDesk::write_status() {
  const config::ServerConfig& config = gateway_.instances_[instance_]->config;
  auto lines = management::status_lines(title(), clients(), config.status_version, io::now().wall);
  Status written = status_file_->write(lines);
  if (!written && !status_failed_) io::log(io::LogLevel::kError, written.error());
  status_failed_ = !written;
  status_timer_ = gateway_.loop_.at(io::mono_now() + config.status_every, [this] { write_status(); });
}

}  // namespace culvert::gateway
