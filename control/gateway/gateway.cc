#include "control/gateway/gateway.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "control/gateway/management_desk.h"
#include "control/gateway/operator.h"

namespace culvert::gateway {
namespace {

constexpr auto kCrlEvery = std::chrono::seconds(1);
constexpr auto kStopWithin = std::chrono::milliseconds(500);  // the first goodbye is out; a second would come after 2 s
constexpr auto kHooksWithin = std::chrono::seconds(20);       // client-disconnect of everybody
constexpr auto kBacklogEvery = std::chrono::milliseconds(1);

}  // namespace

Gateway::Gateway(io::EventLoop& loop, config::Configuration configuration, std::string run_dir,
                 config::KeptFiles& loader)
    : loop_(loop),
      configuration_(std::move(configuration)),
      run_dir_(std::move(run_dir)),
      loader_(loader),
      runner_(loop, {.time = configuration_.appliance.hook_timeout,
                     .processes = configuration_.appliance.hook_processes,
                     .waiting = std::max<size_t>(4096, 2 * configuration_.appliance.sessions)}),
      link_(loop, run_dir_ + "/link.sock", *this),
      started_(io::mono_now()),
      state_text_("waiting for the dataplane on " + run_dir_ + "/link.sock") {
  std::vector<PortKeeper::Wanted> ports;
  for (config::ServerConfig& server : configuration_.servers) {
    for (const abi::OpenPort& port : server.listen) ports.push_back({port, server.file, instances_.size()});
    instances_.push_back(std::make_unique<Instance>(server));
    make_hooks(*instances_.back());
    tun_scripts_.add(instances_.back()->config, instances_.back()->environment);
  }
  ports_.emplace(link_, std::move(ports), configuration_.tun);
  operator_ = std::make_unique<Operator>(*this);
}

Gateway::~Gateway() {
  io::set_log_observer({});
}

Status Gateway::start(std::optional<gid_t> admin_group) {
  const std::string path = run_dir_ + "/admin.sock";
  auto admin =
      io::AdminServer::listen(loop_, path, [this](const nlohmann::json& request, const io::PeerCredentials& who) {
        return operator_->answer(request, who);
      });
  if (!admin) return Error{admin.error()};
  admin_ = std::move(*admin);
  if (admin_group && chown(path.c_str(), static_cast<uid_t>(-1), *admin_group) != 0)
    return Error{path + ": can't be given to group " + std::to_string(*admin_group) + ": " + std::strerror(errno)};
  if (Status opened = open_persistent_pools(); !opened) return opened;
  if (Status opened = open_desks(); !opened) return opened;
  if (Status opened = tun_scripts_.open(run_dir_); !opened) return opened;
  link_.start();
  watch_crls();
  watch_sessions();
  return {};
}

Status Gateway::open_persistent_pools() {
  for (size_t i = 0; i < instances_.size(); ++i) {
    Instance& instance = *instances_[i];
    const auto& wanted = instance.config.persistent_pool;
    if (!wanted || instance.config.duplicate_cn) continue;
    auto file = pool::PersistentPool::open(wanted->file, wanted->every.count() == 0);
    if (!file) return Error{file.error()};
    for (const std::string& finding : file->read(instance.addresses, io::mono_now()))
      io::log(io::LogLevel::kWarning, "left out: " + finding);
    instance.persistent_pool.emplace(std::move(*file));
    if (wanted->every.count() > 0) write_pool_later(i);
  }
  return {};
}

void Gateway::write_pool_later(size_t index) {
  loop_.at(io::mono_now() + instances_[index]->config.persistent_pool->every, [this, index] {
    write_pool(index);
    write_pool_later(index);
  });
}

void Gateway::write_pool(size_t index) {
  Instance& instance = *instances_[index];
  if (!instance.persistent_pool) return;
  if (Status written = instance.persistent_pool->write(instance.addresses); !written)
    io::log_within(log_budget_, io::mono_now(), io::LogLevel::kError, written.error());
}

Status Gateway::open_desks() {
  for (size_t i = 0; i < instances_.size(); ++i) {
    const config::ServerConfig& config = instances_[i]->config;
    if (!config.management && config.status_file.empty()) continue;
    desks_.push_back(std::make_unique<ManagementDesk>(*this, i));
    if (Status opened = desks_.back()->open(); !opened) return opened;
    if (auth::Authenticator* program = desks_.back()->authenticator()) {
      instances_[i]->authenticators.add(*program);
      instances_[i]->config.settings.verify_renewals = true;
    }
  }
  io::set_log_observer([this](io::LogLevel level, std::string_view text) {
    for (auto& desk : desks_) desk->on_log(level, text);
  });
  return {};
}

bool Gateway::held() const {
  return std::ranges::any_of(desks_, [](const auto& desk) { return desk->held(); });
}

void Gateway::tell_state(std::string_view state, const std::string& text, bool with_addresses) {
  for (auto& desk : desks_) desk->set_state(state, text, with_addresses);
}

void Gateway::make_servers(uint32_t sessions) {
  peer_ids_.emplace(sessions);
  book_.emplace(sessions);
  networks_.emplace(*book_);
  own_addresses_.emplace(*book_);
  for (auto& instance : instances_)
    instance->server = std::make_unique<openvpn::Server>(instance->config.settings, *peer_ids_, random_);
}

void Gateway::watch_crls() {
  loop_.at(io::mono_now() + kCrlEvery, [this] {
    refresh_crls(false);
    watch_crls();
  });
}

void Gateway::warn_of_unreadable_crls() const {
  for (const auto& instance : instances_) {
    const config::ServerConfig& config = instance->config;
    const std::string& file = config.crl_dir.empty() ? config.crl_file : config.crl_dir;
    if (file.empty() || access(file.c_str(), config.crl_dir.empty() ? R_OK : R_OK | X_OK) == 0) continue;
    io::log(io::LogLevel::kWarning,
            file + " can't be read by user " + configuration_.user +
                ": revocations count only after a restart. Put the CRL where that user may read it");
  }
}

std::optional<MonoTime> Gateway::next_deadline() const {
  std::optional<MonoTime> first;
  auto consider = [&first](std::optional<MonoTime> time) {
    if (time && (!first || *time < *first)) first = time;
  };
  for (const auto& instance : instances_)
    if (instance->server) consider(instance->server->next_deadline());
  if (leaving_) consider(leaving_->look_at);
  if (stopping_) consider(io::mono_now() < stop_deadline_ ? stop_deadline_ : hooks_deadline_);
  return first;
}

void Gateway::tick(Now now) {
  for (size_t i = 0; i < instances_.size(); ++i) {
    openvpn::Server* server = instances_[i]->server.get();
    if (!server) continue;
    auto deadline = server->next_deadline();
    if (deadline && *deadline <= now.mono) server->tick(now);
    carry_out(i, 0);
  }
}

void Gateway::run_pass() {
  auto deadline = next_deadline();
  bool waiting = std::ranges::any_of(link_.lanes(), [](const auto& lane) { return lane->backlog() > 0; });
  // A worker does not say when its ring has room again.
  if (waiting && link_.attached()) {
    MonoTime soon = io::mono_now() + kBacklogEvery;
    deadline = deadline ? std::min(*deadline, soon) : soon;
  }
  loop_.run_once(deadline);
  tick(io::now());
  for (auto& lane : link_.lanes()) lane->flush();
  if (sessions_lost_ && link_.attached() &&
      std::ranges::all_of(link_.lanes(), [](const auto& lane) { return lane->backlog() == 0; })) {
    sessions_lost_ = false;
    reinstall_sessions(*link_.mapping());
  }
  if (leaving_) look_at_leaving();
  publish_counters();
  if (stopping_) {
    bool quiet = !std::ranges::any_of(instances_, [](const auto& instance) {
      return instance->server && instance->server->next_deadline().has_value();
    });
    MonoTime now = io::mono_now();
    bool said = quiet || !link_.attached() || now >= stop_deadline_;
    bool scripts = disconnects_waiting_ + runner_.running() + runner_.waiting() > 0 && now < hooks_deadline_;
    if (said && !scripts && !std::exchange(going_down_, true)) tun_scripts_.down([this] { down_done_ = true; });
    if (going_down_ && (down_done_ || now >= hooks_deadline_)) finished_ = true;
  }
}

void Gateway::stop() {
  if (stopping_ || left_) return;
  leaving_.reset();
  stopping_ = true;
  tell_state("EXITING", "SIGTERM");
  bool goodbyes = std::ranges::any_of(instances_, [](const auto& one) { return one->config.exit_notify > 0; });
  io::log(io::LogLevel::kInfo, goodbyes ? "ending: all sessions end, and clients are told (explicit-exit-notify)"
                                        : "ending: all sessions end; no server.conf has explicit-exit-notify, so "
                                          "clients find out by their ping-restart");
  stop_deadline_ = io::mono_now() + (goodbyes ? kStopWithin : MonoClock::duration::zero());
  hooks_deadline_ = io::mono_now() + kHooksWithin;
  for (auto& instance : instances_)
    if (instance->address_hook) instance->address_hook->hurry();
  for (size_t i = 0; i < instances_.size(); ++i) {
    if (!instances_[i]->server) continue;
    auto goodbye = instances_[i]->config.exit_notify > 0 ? openvpn::Goodbye::kRestart : openvpn::Goodbye::kSilent;
    instances_[i]->server->stop(goodbye, io::now());
    carry_out(i, 0);
    write_pool(i);
  }
}

void Gateway::restart_clients() {
  for (auto& desk : desks_) desk->restart_clients("SIGUSR1");
}

void Gateway::report() {
  for (auto& desk : desks_) desk->report();
}

void Gateway::stop_for_good() {
  io::log(io::LogLevel::kInfo, "ending, as the management interface asks");
  for_good_ = true;
  stop();
}

void Gateway::fail(const std::string& why) {
  if (failure_.empty()) failure_ = why;
  for (auto& desk : desks_) desk->tell_fatal(why);
  finished_ = true;
}

abi::Tally Gateway::control_tally() const {
  abi::Tally sum = tally_;
  auto add = [&sum](const abi::Tally& tally) {
    for (size_t i = 0; i < abi::kCounterCount; ++i) sum.counters[i] += tally.counters[i];
    for (size_t i = 0; i < abi::kDropReasonCount; ++i) sum.drops[i] += tally.drops[i];
  };
  add(baseline_);
  for (const auto& instance : instances_)
    if (instance->server) add(instance->server->tally());
  return sum;
}

void Gateway::publish_counters() {
  if (link_.attached()) link_.mapping()->view().control_counters().publish(control_tally());
}

}  // namespace culvert::gateway
