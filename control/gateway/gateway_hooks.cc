// Scripts of a client's life: client-connect and client-disconnect (script-options.rst).
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <utility>

#include "control/gateway/gateway.h"
#include "control/hooks/client_environment.h"

namespace culvert::gateway {
namespace {

constexpr auto kVerdictLookEvery = std::chrono::milliseconds(200);
constexpr auto kLastCount = std::chrono::milliseconds(100);  // a worker has carried out its commands by then
constexpr size_t kMaxAnswer = 256 * 1024;

bool is_gone(const hooks::TempFile& file) {
  struct stat status {};
  return lstat(file.path().c_str(), &status) != 0 && errno == ENOENT;
}

std::string name_for_log(const std::string& name) {
  return name.empty() ? "a client without a name" : name;
}

}  // namespace

void Gateway::remove_left_secrets() const {
  std::set<std::string> folders;
  for (const auto& instance : instances_)
    if (instance->config.hooks.any()) folders.insert(instance->config.hooks.tmp_dir);
  for (const std::string& folder : folders)
    if (const size_t count = hooks::remove_left_secrets(folder); count > 0)
      io::log(io::LogLevel::kInfo, "removed " + std::to_string(count) + " file(s) with passwords from " + folder +
                                       ", left by a control that was killed");
}

/// False: it can't be run, and the log says why.
bool Gateway::run_client_connect(size_t index, abi::SessionRef session) {
  Instance& instance = *instances_[index];
  Entering& entering = instance.entering.at(session);
  // Who keeps books takes leave of the session before first, as with the reference, which ends that one before it asks.
  if (!instance.config.duplicate_cn && instance.leaving.contains(entering.client.request.identity.common_name)) {
    entering.behind_disconnect = true;
    return true;
  }
  return start_client_connect(index, session);
}

bool Gateway::start_client_connect(size_t index, abi::SessionRef session) {
  Instance& instance = *instances_[index];
  Entering& entering = instance.entering.at(session);
  const std::string name = name_for_log(entering.client.request.identity.common_name);
  auto file = hooks::TempFile::make(instance.config.hooks.tmp_dir, "cc");
  auto deferred = hooks::TempFile::make(instance.config.hooks.tmp_dir, "ccr");
  if (!file || !deferred) {
    io::log(io::LogLevel::kError, "client-connect of " + name + ": " + (file ? deferred : file).error());
    return false;
  }
  entering.file = std::move(*file);
  entering.deferred = std::move(*deferred);
  hooks::Environment environment = entering.environment;
  environment.set("script_type", "client-connect");
  environment.set("client_connect_config_file", entering.file->path());
  environment.set("client_connect_deferred_file", entering.deferred->path());
  hooks::Command command = hooks::command_of(instance.config.hooks.client_connect, environment,
                                             "client-connect of " + name, hooks::client_key(session));
  command.argv.push_back(entering.file->path());
  entering.job = runner_.run(std::move(command), [this, index, session](const hooks::Outcome& outcome) {
    on_client_connect(index, session, outcome);
  });
  if (entering.job == 0)
    io::log_within(log_budget_, io::mono_now(), io::LogLevel::kError,
                   "client-connect of " + name + ": too many scripts wait already ([control] hook_processes)");
  return entering.job != 0;
}

void Gateway::on_client_connect(size_t index, abi::SessionRef session, const hooks::Outcome& outcome) {
  Instance& instance = *instances_[index];
  auto found = instance.entering.find(session);
  if (found == instance.entering.end()) return;
  found->second.job = 0;
  uint32_t worker = found->second.client.worker;
  if (outcome.ok()) return look_at_deferred(index, session);
  instance.entering.erase(found);
  refuse(index, session, outcome.for_client(), "client-connect: " + outcome.text);
  carry_out(index, worker);
}

void Gateway::look_at_deferred(size_t index, abi::SessionRef session) {
  Instance& instance = *instances_[index];
  Entering& entering = instance.entering.at(session);
  uint32_t worker = entering.client.worker;
  std::string state = entering.deferred->read(kMaxAnswer).value_or("");
  entering.timer = 0;
  if (state.starts_with('2')) {
    // Bounded by the handshake's own time limit, at which the session ends.
    entering.timer =
        loop_.at(io::mono_now() + kVerdictLookEvery, [this, index, session] { look_at_deferred(index, session); });
    return;
  }
  if (state.starts_with('0')) {
    instance.entering.erase(session);
    refuse(index, session, "", "client-connect wrote 0 to client_connect_deferred_file");
  } else {
    finish_client_connect(index, session);
  }
  carry_out(index, worker);
}

void Gateway::finish_client_connect(size_t index, abi::SessionRef session) {
  Instance& instance = *instances_[index];
  Entering entering = std::move(instance.entering.at(session));
  instance.entering.erase(session);
  BookEntry* entry = book_->find(session);
  if (!entry) return;
  openvpn::ConnectRequest& request = entering.client.request;
  Now now = io::now();
  // A file that the script has removed says nothing, as with the reference.
  if (entering.file && !is_gone(*entering.file)) {
    auto text = entering.file->read(kMaxAnswer);
    if (!text) return refuse(index, session, "", "what client-connect wrote can't be read, or is larger than 256 KiB");
    auto ip4 = std::exchange(entering.own.ip4, std::nullopt);
    auto ip6 = std::exchange(entering.own.ip6, std::nullopt);
    policy::apply_lines(entering.own, *text, "client-connect of " + name_for_log(entry->name), instance.config,
                        loader_);
    bool moved = entering.own.ip4 || entering.own.ip6;
    if (!entering.own.ip4) entering.own.ip4 = ip4;
    if (!entering.own.ip6) entering.own.ip6 = ip6;
    if (!moved) {
      if (entering.own.disabled) return refuse(index, session, "", "client-connect wrote disable");
      policy::apply(instance.config, entering.own, entering.grant);
    } else {
      if (entry->lease) instance.addresses.give_back(*entry->lease, now.mono);
      entry->lease.reset();
      auto decision = policy::decide(instance.config, request, false, entering.own, instance.addresses, now.mono);
      if (auto* refused = std::get_if<policy::Refused>(&decision))
        return refuse(index, session, refused->for_client, refused->for_operator);
      entry->lease = std::get<policy::Admitted>(decision).lease;
      entering.grant = std::get<policy::Admitted>(decision).grant;
    }
    hooks::add_addresses(entering.environment, entering.grant);
  }
  entry->limits = entering.own.limits;
  for (const policy::Finding& finding : entering.own.findings)
    io::log_within(log_budget_, now.mono, io::LogLevel::kWarning, "left out: " + policy::to_text(finding));
  if (!instance.config.hooks.client_disconnect.empty())
    entry->environment = std::make_shared<hooks::Environment>(entering.environment);
  if (std::string why = take_own_addresses(session, entering.grant); !why.empty())
    return refuse(index, session, policy::kAddressTaken, why);
  for (std::string& option : entering.client.token_push()) entering.grant.push.push_back(std::move(option));
  if (instance.address_hook) return learn_addresses(index, session, std::move(entering));
  let_in(index, session, entering.grant);
}

void Gateway::let_in(size_t index, abi::SessionRef session, const openvpn::ClientGrant& grant) {
  instances_[index]->server->accept(session, grant, io::now());
  renew_token_later(index, session);
}

void Gateway::remember_environment(const Instance& instance, BookEntry& entry, const openvpn::SessionInfo& session) {
  if (instance.config.hooks.client_disconnect.empty()) return;
  entry.environment = std::make_shared<hooks::Environment>(instance.environment);
  hooks::add_identity(*entry.environment, session.identity);
  hooks::add_addresses(*entry.environment, session.grant);
  hooks::add_time(*entry.environment, entry.since);
}

/// What the session has carried, as far as its worker has said.
std::optional<std::pair<uint64_t, uint64_t>> Gateway::traffic_of(abi::SessionRef session) const {
  if (!link_.mapping() || session.peer_id >= link_.mapping()->view().sessions()) return std::nullopt;
  const abi::WorkerRecord& worker = link_.mapping()->view().session(session.peer_id).worker;
  if (worker.generation.load(std::memory_order_acquire) != session.generation) return std::nullopt;
  return std::pair(worker.rx_bytes.load(std::memory_order_relaxed), worker.tx_bytes.load(std::memory_order_relaxed));
}

void Gateway::client_left(size_t index, abi::SessionRef session, const BookEntry& entry, const abi::Endpoint& remote) {
  // The worker counts to the end: it has not had the command to remove the session yet.
  ++disconnects_waiting_;
  // With duplicate-cn too: a reload may end that before the script has run.
  if (!entry.name.empty()) ++instances_[index]->leaving[entry.name];
  auto before = traffic_of(session);
  loop_.at(io::mono_now() + kLastCount, [this, index, session, entry, remote, before] {
    --disconnects_waiting_;
    auto traffic = traffic_of(session);
    if (!traffic) traffic = before;
    run_client_disconnect(index, session, entry, remote, traffic.value_or(std::pair<uint64_t, uint64_t>()));
  });
}

void Gateway::run_client_disconnect(size_t index, abi::SessionRef session, const BookEntry& entry,
                                    const abi::Endpoint& remote, std::pair<uint64_t, uint64_t> traffic) {
  const config::HookConfig& config = instances_[index]->config.hooks;
  if (config.client_disconnect.empty()) return has_left(index, entry.name);  // a reload has taken it away
  uint64_t received = entry.earlier_rx_bytes + traffic.first;
  uint64_t sent = entry.earlier_tx_bytes + traffic.second;
  hooks::Environment environment = *entry.environment;
  hooks::add_remote(environment, remote, true);  // where it was last
  environment.set("script_type", "client-disconnect");
  environment.set("bytes_received", received);
  environment.set("bytes_sent", sent);
  auto duration = std::max<int64_t>(0, (io::now().wall - entry.since).count());
  environment.set("time_duration", static_cast<uint64_t>(duration));
  const std::string label = "client-disconnect of " + name_for_log(entry.name);
  hooks::Command command = hooks::command_of(config.client_disconnect, environment, label, hooks::client_key(session));
  auto job = runner_.run(std::move(command), [this, index, label, name = entry.name](const hooks::Outcome& outcome) {
    if (!outcome.ok()) io::log_within(log_budget_, io::mono_now(), io::LogLevel::kWarning, label + ": " + outcome.text);
    has_left(index, name);
  });
  if (job != 0) return;
  io::log_within(log_budget_, io::mono_now(), io::LogLevel::kError,
                 label + ": not run, too many scripts wait already ([control] hook_processes)");
  has_left(index, entry.name);
}

/// Client-disconnect of a session with this name has been run: who came back meanwhile goes on.
void Gateway::has_left(size_t index, const std::string& name) {
  Instance& instance = *instances_[index];
  auto leaving = instance.leaving.find(name);
  if (leaving == instance.leaving.end()) return;
  if (--leaving->second > 0) return;
  instance.leaving.erase(leaving);
  std::vector<abi::SessionRef> next;
  for (auto& [session, entering] : instance.entering)
    if (entering.client.request.identity.common_name == name && std::exchange(entering.behind_disconnect, false))
      next.push_back(session);
  for (abi::SessionRef session : next) {
    auto found = instance.entering.find(session);
    if (found == instance.entering.end()) continue;  // ended by what came of another's
    const uint32_t worker = found->second.client.worker;
    if (instance.config.hooks.client_connect.empty()) {
      finish_client_connect(index, session);  // a reload has taken it away meanwhile
    } else if (!start_client_connect(index, session)) {
      instance.entering.erase(session);
      refuse(index, session, "TEMP:server is busy", "client-connect could not be run");
    }
    carry_out(index, worker);
  }
}

}  // namespace culvert::gateway
