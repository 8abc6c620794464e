// Who gets in:
//
//   ConnectRequest ─▶ authenticators (may take long) ─▶ older sessions of the name end ─▶ settings of the client,
//   address
//                  ─▶ client-connect (may take long) ─▶ accept
//
// While something takes long the client stands in Instance::entering; nobody waits for it but the client itself.
#include <algorithm>
#include <utility>

#include "control/gateway/gateway.h"
#include "control/gateway/management_desk.h"
#include "control/hooks/client_environment.h"
#include "control/io/secrets.h"
#include "dataplane/abi/endpoint_text.h"

namespace culvert::gateway {
namespace {

constexpr size_t kLongestName = 64;  // of a common name (RFC 5280, ub-common-name), and what session records hold

void wipe_password(Waiting& client) {
  std::string& password = client.request.identity.password;
  io::wipe(password.data(), password.size());
  password.clear();
}

}  // namespace

void Gateway::make_hooks(Instance& instance) {
  config::ServerConfig& config = instance.config;
  std::string tun(configuration_.tun.name.data(),
                  std::find(configuration_.tun.name.begin(), configuration_.tun.name.end(), '\0'));
  instance.environment = hooks::server_environment(config, tun, io::now().wall);
  if (!config.hooks.auth_user_pass_verify.empty()) {
    instance.password_script = std::make_unique<auth::PasswordScript>(
        loop_, runner_,
        auth::PasswordScript::Settings{.program = config.hooks.auth_user_pass_verify,
                                       .via_environment = config.hooks.password_in_environment,
                                       .tmp_dir = config.hooks.tmp_dir,
                                       .environment = instance.environment,
                                       .challenge_program = config.hooks.client_crresponse});
    instance.authenticators.add(*instance.password_script);
  }
  if (!config.hooks.tls_verify.empty()) {
    instance.certificate_script = std::make_unique<auth::CertificateScript>(
        runner_, auth::CertificateScript::Settings{.program = config.hooks.tls_verify,
                                                   .export_folder = config.hooks.tls_export_cert,
                                                   .environment = instance.environment});
    instance.entrance.add(*instance.certificate_script);
  }
  if (!config.hooks.learn_address.empty())
    instance.address_hook =
        std::make_unique<hooks::AddressHook>(loop_, runner_, config.hooks.learn_address, instance.environment);
  config.settings.verify_renewals = !instance.authenticators.empty() || instance.certificate_script;
  instance.tokens = std::make_unique<auth::TokenGate>(instance.authenticators, random_, [] { return io::now().wall; });
  instance.entrance.add(*instance.tokens);
  set_token_settings(instance);
}

void Gateway::decide(size_t index, Waiting client) {
  Instance& instance = *instances_[index];
  // Left without an answer it tries again, and finds the next gateway.
  if (stopping_) return wipe_password(client);
  bool outer = std::exchange(deciding_, true);
  if (!client.verified && instance.config.settings.verify_renewals) {
    verify(index, std::move(client));
  } else {
    wipe_password(client);
    if (client.request.renewal) {
      instance.server->accept_renewal(client.request.session, client.token_push(), io::now());
      renew_token_later(index, client.request.session);
    } else {
      admit(index, std::move(client));
    }
  }
  deciding_ = outer;
}

void Gateway::verify(size_t index, Waiting client) {
  Instance& instance = *instances_[index];
  const openvpn::ClientIdentity& identity = client.request.identity;
  abi::SessionRef session = client.request.session;
  const config::AccessConfig& access = instance.config.access;
  bool passwords = !instance.authenticators.empty();
  if (passwords && !identity.has_credentials && !access.password_optional) {
    wipe_password(client);
    return refuse(index, session, "",
                  "it sent no username and password: its profile needs auth-user-pass (or the server "
                  "auth-user-pass-optional)");
  }
  if (passwords && identity.username.empty() && !access.password_optional) {
    wipe_password(client);
    return refuse(index, session, "", "it sent an empty username, which only auth-user-pass-optional lets pass");
  }
  if (access.username_as_common_name && identity.username.size() > kLongestName) {
    wipe_password(client);
    return refuse(index, session, "", "its username is longer than 64 bytes, which username-as-common-name can't take");
  }
  stop_entering(index, session);
  auth::AuthRequest request{.session = session,
                            .remote = client.request.remote,
                            .identity = client.request.identity,
                            .renewal = client.request.renewal};
  wipe_password(client);
  instance.entering[session].client = std::move(client);
  instance.entrance.begin(
      request, [this, index, session](auth::Verdict verdict) { on_verdict(index, session, std::move(verdict)); });
  io::wipe(request.identity.password.data(), request.identity.password.size());
}

void Gateway::on_verdict(size_t index, abi::SessionRef session, auth::Verdict verdict) {
  Instance& instance = *instances_[index];
  auto found = instance.entering.find(session);
  if (found == instance.entering.end()) return;
  uint32_t worker = found->second.client.worker;
  if (auto* pending = std::get_if<auth::Pending>(&verdict)) {
    if (found->second.client.request.renewal)
      io::log_within(log_budget_, io::mono_now(), io::LogLevel::kWarning,
                     found->second.client.request.identity.common_name +
                         " can't be asked for more at a renegotiation, and keeps its key as long as that lasts: "
                         "auth-gen-token spares users the question");
    instance.server->auth_pending(session, pending->timeout, pending->extra, io::now());
  } else if (auto* deny = std::get_if<auth::Deny>(&verdict)) {
    instance.entering.erase(found);
    refuse(index, session, deny->for_client, deny->for_operator);
  } else {
    Waiting client = std::move(found->second.client);
    instance.entering.erase(found);
    client.verified = true;
    client.allowed = std::move(std::get<auth::Allow>(verdict));
    if (client.allowed.username) client.request.identity.username = *client.allowed.username;
    instance.waiting.push_back(std::move(client));
  }
  if (!deciding_) carry_out(index, worker);
}

void Gateway::refuse(size_t index, abi::SessionRef session, std::string_view for_client,
                     std::string_view for_operator) {
  instances_[index]->server->refuse(session, for_client, for_operator, io::now());
}

bool Gateway::end_same_name(size_t index, const openvpn::ConnectRequest& request) {
  Instance& instance = *instances_[index];
  const std::string& name = request.identity.common_name;
  if (instance.config.duplicate_cn || name.empty()) return false;
  std::vector<abi::SessionRef> same = book_->named(index, name);
  std::erase(same, request.session);
  for (abi::SessionRef session : same)
    instance.server->disconnect(
        session, openvpn::Goodbye::kSilent, openvpn::EndReason::kClientRestarted,
        "the same common name connects from " + abi::to_text(request.remote) + " (duplicate-cn would keep both)",
        io::now());
  return !same.empty();
}

/// What is known of a client by its session's number goes along to the number that it takes over.
bool Gateway::take_place_of_older(size_t index, Waiting& client) {
  Instance& instance = *instances_[index];
  const abi::SessionRef asked = client.request.session;
  auto place = instance.server->take_place(asked, io::now());
  if (!place) return false;
  // It keeps its addresses as well, with which it goes on.
  if (BookEntry* entry = book_->find(place->older); entry && entry->lease) client.before = entry->lease->slot;
  client.request.session = place->own;
  instance.tokens->renumber(asked, place->own);
  for (auto& desk : desks_)
    if (desk->instance() == index) desk->renumber(asked, place->own);
  return true;
}

void Gateway::admit(size_t index, Waiting client) {
  Instance& instance = *instances_[index];
  openvpn::ConnectRequest& request = client.request;
  Now now = io::now();
  refresh_crls(false);
  request.identity.common_name = policy::session_name(instance.config, request.identity);
  const bool goes_on = !client.alone && take_place_of_older(index, client);
  if (!client.alone && (end_same_name(index, request) || goes_on)) {
    // Their addresses must be free before the decision: this client is next when that has been carried out.
    client.alone = true;
    client.verified = true;
    instance.waiting.push_front(std::move(client));
    return;
  }
  policy::ClientSettings own = policy::settings_for_all(instance.config);
  policy::apply_client_config_dir(own, request.identity.common_name, instance.config, loader_);
  const abi::SessionLimit configured = own.limits.rate;
  std::string lines;
  for (const std::string& line : client.allowed.config) lines += line + "\n";
  policy::apply_lines(own, lines, "lines for " + request.identity.common_name, instance.config, loader_);
  bool revoked = instance.revoked(request.identity.serial);
  auto decision = policy::decide(instance.config, request, revoked, own, instance.addresses, now.mono, client.before);
  if (auto* refused = std::get_if<policy::Refused>(&decision))
    return refuse(index, request.session, refused->for_client, refused->for_operator);
  auto& admitted = std::get<policy::Admitted>(decision);
  BookEntry* entry = book_->open(request.session, client.worker, index);
  if (!entry) {
    if (admitted.lease) instance.addresses.give_back(*admitted.lease, now.mono);
    return refuse(index, request.session, "", "its peer-id is outside the session table");
  }
  entry->lease = admitted.lease;
  book_->admit(request.session, *entry, request.identity.common_name);
  entry->configured = configured;
  entry->since = now.wall;
  connect(index, std::move(client), std::move(own), std::move(admitted.grant));
}

void Gateway::connect(size_t index, Waiting client, policy::ClientSettings own, openvpn::ClientGrant grant) {
  Instance& instance = *instances_[index];
  abi::SessionRef session = client.request.session;
  Entering& entering = instance.entering[session];
  entering.client = std::move(client);
  entering.own = std::move(own);
  entering.grant = std::move(grant);
  const openvpn::ConnectRequest& request = entering.client.request;
  entering.environment = instance.environment;
  hooks::add_identity(entering.environment, request.identity);
  hooks::add_remote(entering.environment, request.remote, false);
  hooks::add_remote(entering.environment, request.remote, true);
  hooks::add_addresses(entering.environment, entering.grant);
  hooks::add_token(entering.environment, entering.client.allowed.token_session, entering.client.allowed.token_state);
  if (BookEntry* entry = book_->find(session)) hooks::add_time(entering.environment, entry->since);
  if (instance.config.hooks.client_connect.empty()) return finish_client_connect(index, session);
  if (run_client_connect(index, session)) return;
  instance.entering.erase(session);
  refuse(index, session, "TEMP:server is busy", "client-connect could not be run");
}

void Gateway::stop_entering(size_t index, abi::SessionRef session) {
  Instance& instance = *instances_[index];
  instance.entrance.cancel(session);
  std::erase_if(instance.waiting, [&](const Waiting& client) { return client.request.session == session; });
  auto found = instance.entering.find(session);
  if (found == instance.entering.end()) return;
  loop_.cancel(found->second.timer);
  if (found->second.job != 0) runner_.cancel(found->second.job);
  instance.entering.erase(found);
}

}  // namespace culvert::gateway
