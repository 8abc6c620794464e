// The gateway's TUN: made, looked after, and made again.
#include <net/if.h>
#include <unistd.h>

#include <utility>

#include "dataplane/gateway.h"
#include "dataplane/kept_names.h"
#include "drivers/nic/nic_inner.h"
#include "drivers/packet_room.h"
#include "drivers/tun.h"

namespace culvert::dataplane {

/// The queues of the dataplane before, or new ones.
Result<std::vector<drivers::TunDevice>> Gateway::make_tun_queues(const drivers::TunSettings& settings,
                                                                 const std::string& requested_name) {
  const std::vector<std::string> names = kept_tun_names(requested_name, workers_.size());
  if (auto kept = store_.take(names); !kept.empty()) {
    auto adopted = drivers::adopt_tun_queues(settings, std::move(kept));
    if (adopted) {
      log("tun " + adopted->front().name + ": its queues are those of the dataplane before");
      return adopted;
    }
    log("making " + adopted.error());
  }
  store_.forget(names);             // of one that was deleted
  store_.forget_untaken(kKeptTun);  // of another name or number of queues: it would be in the way
  auto queues = drivers::make_tun_queues(settings, workers_.size());
  for (size_t worker = 0; queues && worker < queues->size(); ++worker)
    store_.keep(names[worker], (*queues)[worker].queue.get());
  return queues;
}

/// Makes a TUN and gives each worker a queue of it in place of the one it has.
Status Gateway::start_tun(const drivers::TunSettings& settings, const std::string& requested_name) {
  auto queues = make_tun_queues(settings, requested_name);
  if (!queues) return Error{queues.error()};
  drivers::TunSettings real = settings;
  real.name = queues->front().name;
  look_at_losses();  // of the one before, whose count ends with it
  tun_losses_ = queues->front().losses;
  Ports next = copy_of_ports();
  for (uint16_t worker = 0; worker < workers_.size(); ++worker) {
    std::shared_ptr<drivers::Port>& inner = next[worker]->inner;
    inner = std::make_shared<drivers::TunPort>(std::move((*queues)[worker]), options_.packets[worker]);
    if (options_.nics)
      inner = std::make_shared<drivers::NicInnerPort>(inner, options_.nics->table(), options_.nics->senders(worker));
  }
  const std::string before = std::exchange(tun_requested_, requested_name);
  const bool renamed = tun_ && before != requested_name;
  tun_ = real;
  tun_index_ = if_nametoindex(real.name.c_str());
  if (options_.nics) options_.nics->set_tun(static_cast<int>(tun_index_), real.mtu);
  if (tun_watch_) tun_watch_->follow(tun_index_);
  Status done = hand_over(std::move(next));
  if (renamed) store_.forget(kept_tun_names(before, workers_.size()));
  return done;
}

Result<std::string> Gateway::open_tun(const abi::OpenTun& request) {
  begin_takeover();
  drivers::TunSettings settings = settings_of(request);
  if (settings.mtu + drivers::kTunnelOverhead > drivers::packet_room(options_.packets.front()))
    return Error{"tun " + settings.name + ": packet buffers have no room for an MTU of " +
                 std::to_string(settings.mtu) + ": start culvert-dataplane with --tun-mtu " +
                 std::to_string(settings.mtu)};
  bool same_device = tun_ && (settings.name == tun_requested_ || settings.name == tun_->name);
  // Deleted, and perhaps the worker has not noticed yet; its name may be a stranger's by now.
  bool gone = tun_ && if_nametoindex(tun_->name.c_str()) != tun_index_;
  if (same_device && !gone) {
    std::string requested = settings.name;
    settings.name = tun_->name;
    // Also when nothing changed: the request says how it should be, and somebody may have touched the device.
    if (auto done = drivers::configure_tun(settings.name, settings); !done) return Error{done.error()};
    tun_ = settings;
    if (options_.nics) options_.nics->set_tun(static_cast<int>(tun_index_), settings.mtu);
    return settings.name;
  }
  if (auto started = start_tun(settings, settings.name); !started) return Error{started.error()};
  next_attempt_ns_ = UINT64_MAX;
  log("tun " + tun_->name + " is up, MTU " + std::to_string(tun_->mtu));
  return tun_->name;
}

/// Has a worker found the TUN of tables_ gone?
bool Gateway::is_tun_gone() const {
  for (size_t worker = 0; worker < workers_.size(); ++worker) {
    const drivers::Port* inner = tables_[worker]->inner.get();
    if (inner != nullptr && workers_[worker].mailbox->gone() == inner) return true;
  }
  return false;
}

void Gateway::look_at_losses() {
  if (tun_losses_) tun_losses_->look();
}

void Gateway::look_after(uint64_t now_ns) {
  uint64_t rings = 0;
  if (read(options_.main_doorbell, &rings, sizeof rings) > 0) look_at_losses();
  if (!retired_.empty() && are_adopted()) retired_.clear();
  if (now_ns >= takeover_ends_ns_) end_takeover();
  const bool came_up = tun_watch_ && tun_watch_->came_up();
  if (!tun_) return;
  if (came_up) restore_tun();
  if (is_tun_gone()) return remake_tun(now_ns);
  // Made again, but a worker took it later than it was waited for; or control has asked for another one.
  if (std::exchange(next_attempt_ns_, UINT64_MAX) != UINT64_MAX) log("tun " + tun_->name + " is back");
}

/// Somebody has set the TUN down and up again.
void Gateway::restore_tun() {
  auto restored = drivers::restore_tun(tun_->name, *tun_);
  if (!restored)
    log("cannot give the TUN, which came up again, back what it had: " + restored.error());
  else if (*restored > 0)
    log("tun " + tun_->name + " came up again: its addresses and routes are back");
}

/// Makes the TUN that was deleted again, or tries to from time to time.
void Gateway::remake_tun(uint64_t now_ns) {
  if (next_attempt_ns_ == UINT64_MAX) {
    log("tun " + tun_->name + " was deleted: making it again");
    last_trouble_.clear();
  } else if (now_ns < next_attempt_ns_) {
    return;
  }
  next_attempt_ns_ = now_ns + kTunRetry;
  if (auto started = start_tun(*tun_, tun_requested_); !started) {
    if (started.error() != last_trouble_) log("cannot make the TUN again yet: " + started.error());
    last_trouble_ = started.error();
    return;
  }
  next_attempt_ns_ = UINT64_MAX;
  log("tun " + tun_->name + " is back");
}

}  // namespace culvert::dataplane
