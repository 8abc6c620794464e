// What the operator asks over the admin socket (`culvert …`), answered from engines, pools and the link.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "control/admin/handover.h"
#include "control/admin/rows.h"
#include "control/io/admin_server.h"
#include "dataplane/abi/counters.h"

namespace culvert::gateway {

class Gateway;

class Operator {
 public:
  explicit Operator(Gateway& gateway) : gateway_(gateway) {}

  /// `request` has a field "command"; see control/README.md for all of them. Never throws but nlohmann's exceptions.
  nlohmann::ordered_json answer(const nlohmann::json& request, const io::PeerCredentials& who);

 private:
  bool is_ready() const;
  admin::StatusRow status() const;
  admin::HandoverRow handover() const;
  nlohmann::ordered_json renew_keys();
  nlohmann::ordered_json leave(const nlohmann::json& request, const io::PeerCredentials& who);
  std::vector<admin::SessionRow> sessions() const;
  std::vector<admin::DropRow> drops(bool all) const;
  std::vector<admin::CounterRow> counters() const;
  std::vector<admin::PortRow> ports() const;
  std::vector<admin::WorkerRow> workers() const;
  nlohmann::ordered_json session_show(const nlohmann::json& request) const;
  nlohmann::ordered_json push_update(const nlohmann::json& request, const io::PeerCredentials& who);
  nlohmann::ordered_json session_kill(const nlohmann::json& request, const io::PeerCredentials& who);
  nlohmann::ordered_json session_limit(const nlohmann::json& request, const io::PeerCredentials& who);
  nlohmann::ordered_json reload(const io::PeerCredentials& who);
  nlohmann::ordered_json reload_crl(const io::PeerCredentials& who);
  /// The one connected session that `wanted` names: a peer-id, a common name, an inner or an outer address.
  Result<admin::SessionRow> find(const std::string& wanted) const;
  std::vector<abi::Tally> tallies() const;

  Gateway& gateway_;
};

}  // namespace culvert::gateway
