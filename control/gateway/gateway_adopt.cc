// Sessions when one of the two processes is new: taken over from the records that the control before left, and
// installed again in a dataplane that has none.
#include <algorithm>
#include <cstring>

#include "control/gateway/gateway.h"
#include "control/gateway/limit_origin.h"
#include "control/gateway/names.h"
#include "control/io/secrets.h"
#include "dataplane/abi/endpoint_text.h"

namespace culvert::gateway {
namespace {

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
  // Nobody was there to end the sessions of certificates that were revoked meanwhile.
  for (size_t i = 0; i < instances_.size(); ++i) end_revoked(i);
  took_over_ = adopted;
  gave_up_ = given_up;
  if (adopted + given_up > 0)
    io::log(io::LogLevel::kInfo, "took over " + std::to_string(adopted) +
                                     " session(s) of the control process before; gave up " + std::to_string(given_up) +
                                     " that the configuration has no place for");
  // Each may have a file to be read: not here, where data and handshakes of all wait for the end.
  loop_.at(io::mono_now(), [this] {
    for (const std::string& finding : follow_configured_limits())
      io::log_within(log_budget_, io::mono_now(), io::LogLevel::kWarning, "left out: " + finding);
  });
}

bool Gateway::adopt_session(uint32_t peer_id, const abi::ControlRecord& record, Now now) {
  abi::SessionRef session{peer_id, record.generation};
  std::string name = field_text(record.common_name);
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
  entry->configured = configured_before(record);
  entry->file_unread = true;
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
  if (ports_->open()) replace_lost_keys();
}

void Gateway::replace_lost_keys() {
  for (auto& instance : instances_)
    if (instance->server) instance->server->replace_lost_keys(io::now());
}

}  // namespace culvert::gateway
