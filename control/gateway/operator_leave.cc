// What `culvert upgrade` asks: who would take over, keys that a new dataplane can be given, and to leave the sessions
// to the next control.
#include <unistd.h>

#include <algorithm>

#include "control/admin/to_json.h"
#include "control/gateway/gateway.h"
#include "control/gateway/names.h"
#include "control/gateway/operator.h"

namespace culvert::gateway {

using io::admin_error;
using io::admin_ok;
using nlohmann::json;
using nlohmann::ordered_json;

namespace {

constexpr int64_t kLongestMs = 10 * 60 * 1000;

}  // namespace

admin::HandoverRow Operator::handover() const {
  admin::HandoverRow row;
  row.control_pid = getpid();
  row.version = CULVERT_VERSION;
  row.link_version = abi::kAbiVersion;
  row.keeper = gateway_.keeper_;
  row.ready = is_ready();
  row.state = gateway_.state_text_;
  if (gateway_.link_.attached()) {
    const abi::LinkHeader& header = gateway_.link_.mapping()->header();
    row.dataplane_pid = header.dataplane_pid;
    row.dataplane_version = field_text(header.version);
  }
  for (const auto& instance : gateway_.instances_) {
    if (!instance->server) continue;
    openvpn::Server::Census census = instance->server->census(io::now());
    row.sessions += census.connected;
    row.sessions_over_tcp += census.over_tcp;
    row.without_keys += census.without_keys;
  }
  row.took_over = gateway_.took_over_;
  row.gave_up = gateway_.gave_up_;
  row.unfinished = gateway_.unfinished();
  if (const auto& leaving = gateway_.leaving_) {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(leaving->deadline - io::mono_now()).count();
    row.leaves_within_ms = static_cast<uint64_t>(std::max<int64_t>(left, 0));
    row.waited_for = leaving->waited_for;
  }
  return row;
}

ordered_json Operator::renew_keys() {
  for (const auto& instance : gateway_.instances_)
    if (instance->server) instance->server->renew_keys(io::now());
  return admin_ok(admin::to_json(handover()));
}

ordered_json Operator::leave(const json& request, const io::PeerCredentials& who) {
  const int64_t within = request.value("within_ms", int64_t{std::chrono::milliseconds(Gateway::kLeaveWithin).count()});
  const std::string pid = std::to_string(getpid());
  if (within < 0 || within > kLongestMs) return admin_error("within_ms is not between 0 and 600000");
  if (gateway_.stopping_) return admin_error("control is ending already, and its sessions with it");
  if (gateway_.keeper_.empty())
    return admin_error(
        "nothing would start the next control: this one was started neither by `culvert up` nor by "
        "systemd. If something else does, or you do: `kill -QUIT " +
        pid + "` has it leave, clients stay connected, and the next culvert-control takes over");
  if (!gateway_.link_.attached())
    return admin_error("the dataplane is away, and until it is back the sessions are nowhere but in this control (" +
                       gateway_.state_text_ + "): try again when `culvert status` says ready");
  if (request.value("ask_only", false)) return admin_ok(admin::to_json(handover()));
  io::log(io::LogLevel::kInfo, "to leave its sessions to the next control, asked by uid " + std::to_string(who.uid));
  gateway_.leave(std::chrono::milliseconds(within));
  return admin_ok(admin::to_json(handover()));
}

}  // namespace culvert::gateway
