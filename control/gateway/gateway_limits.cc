// Limits of sessions. Those that depend on what they carry: the dataplane counts, and we look once a second. Those of
// what they may carry: the dataplane holds them to it, and we follow the configuration.
#include <algorithm>
#include <string>
#include <vector>

#include "control/gateway/gateway.h"
#include "control/io/heap.h"

namespace culvert::gateway {
namespace {

constexpr auto kPassEvery = std::chrono::seconds(1);
/// Each may have a file to be read, and renegotiations wait meanwhile.
constexpr size_t kSessionsPerPass = 64;

}  // namespace

std::vector<std::string> Gateway::follow_configured_limit(abi::SessionRef session, BookEntry& entry) {
  Instance& instance = *instances_[entry.instance];
  auto info = instance.server->session(session);
  if (!info || !info->connected) {
    entry.missed_reload = true;
    return {};
  }
  policy::ClientSettings own = policy::settings_for_all(instance.config);
  policy::apply_client_config_dir(own, entry.name, instance.config, loader_);
  if (std::exchange(entry.file_unread, false)) {
    // What client-connect said to the control before is gone; the file is still there.
    const Now now = io::now();
    entry.limits = own.limits;
    entry.watch =
        SessionWatch(own.limits, now.mono - std::max(std::chrono::seconds(0), now.wall - entry.since), now.mono);
  }
  const abi::SessionLimit before = std::exchange(entry.configured, own.limits.rate);
  abi::SessionLimit limit = info->limit;
  if (limit.from_client == before.from_client) limit.from_client = entry.configured.from_client;
  if (limit.to_client == before.to_client) limit.to_client = entry.configured.to_client;
  if (limit != info->limit) instance.server->limit(session, limit, io::now());
  std::vector<std::string> findings;
  for (const policy::Finding& finding : own.findings) findings.push_back(policy::to_text(finding));
  return findings;
}

std::vector<std::string> Gateway::follow_configured_limits() {
  if (!book_) return {};
  // Of a reload before, whose tour has not ended, sessions know themselves how far they have followed it.
  if (limit_tour_) loop_.cancel(limit_tour_->timer);
  limit_tour_.emplace();
  return follow_next_limits();
}

std::vector<std::string> Gateway::follow_next_limits() {
  std::vector<std::string> findings;
  uint32_t& next = limit_tour_->next_peer_id;
  for (size_t looked_at = 0; next < book_->size() && looked_at < kSessionsPerPass; ++next) {
    const abi::SessionRef session = book_->at(next);
    BookEntry* entry = book_->find(session);
    if (!entry || !entry->admitted) continue;  // the new configuration is there for its decision
    ++looked_at;
    for (std::string& finding : follow_configured_limit(session, *entry))
      if (limit_tour_->findings.insert(finding).second) findings.push_back(std::move(finding));
  }
  if (next < book_->size())
    limit_tour_->timer = loop_.at(io::mono_now(), [this] {
      for (const std::string& finding : follow_next_limits())
        io::log_within(log_budget_, io::mono_now(), io::LogLevel::kWarning, "left out: " + finding);
    });
  else
    limit_tour_.reset();
  for (size_t i = 0; i < instances_.size(); ++i) carry_out(i, 0);
  return findings;
}

void Gateway::watch_sessions() {
  loop_.at(io::mono_now() + kPassEvery, [this] {
    look_at_sessions();
    look_at_memory();
    watch_sessions();
  });
}

void Gateway::look_at_memory() {
  size_t sessions = 0;
  for (const auto& instance : instances_)
    if (instance->server) sessions += instance->server->session_count();
  if (ebb_.is_due(sessions, io::mono_now())) io::give_back_freed_memory();
}

void Gateway::look_at_sessions() {
  if (!book_ || stopping_) return;
  using Verdict = SessionWatch::Verdict;
  struct Due {
    abi::SessionRef session;
    size_t instance;
    uint32_t worker;
    Verdict verdict;
  };
  std::vector<Due> due;
  MonoTime now = io::mono_now();
  book_->each([&](abi::SessionRef session, BookEntry& entry) {
    if (!entry.watch.has_limits()) return;
    const openvpn::Server& server = *instances_[entry.instance]->server;
    uint64_t renegotiations = entry.watch.counts_keys() ? server.renegotiations(session) : 0;
    Verdict verdict = entry.watch.look(carried_by(session, entry), renegotiations, now);
    if (verdict != Verdict::kFine) due.push_back({session, entry.instance, entry.worker, verdict});
  });
  for (const Due& one : due) {
    openvpn::Server& server = *instances_[one.instance]->server;
    // The client is told to connect again: what it does then is up to its own settings.
    if (one.verdict == Verdict::kRenegotiate)
      server.renegotiate(one.session, io::now());
    else if (one.verdict == Verdict::kInactive)
      server.disconnect(one.session, openvpn::Goodbye::kRestart, openvpn::EndReason::kInactive,
                        "carried too little for too long (inactive)", io::now());
    else
      server.disconnect(one.session, openvpn::Goodbye::kRestart, openvpn::EndReason::kSessionTimeout,
                        "reached its session-timeout", io::now());
    carry_out(one.instance, one.worker);
  }
}

Traffic Gateway::carried_by(abi::SessionRef session, const BookEntry& entry) const {
  Traffic traffic{entry.earlier_rx_bytes + entry.earlier_tx_bytes, entry.earlier_rx_packets + entry.earlier_tx_packets};
  if (!link_.mapping() || session.peer_id >= link_.mapping()->view().sessions()) return traffic;
  const abi::WorkerRecord& worker = link_.mapping()->view().session(session.peer_id).worker;
  if (worker.generation.load(std::memory_order_acquire) != session.generation) return traffic;
  traffic.bytes += worker.rx_bytes.load(std::memory_order_relaxed) + worker.tx_bytes.load(std::memory_order_relaxed);
  traffic.packets +=
      worker.rx_packets.load(std::memory_order_relaxed) + worker.tx_packets.load(std::memory_order_relaxed);
  return traffic;
}

}  // namespace culvert::gateway
