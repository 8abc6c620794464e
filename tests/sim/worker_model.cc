#include "tests/sim/worker_model.h"

namespace culvert::sim {

void WorkerModel::carry_out(const abi::Command& command) {
  uint32_t id = command.session.peer_id;
  auto found = sessions_.find(id);
  bool live = found != sessions_.end() && found->second.generation == command.session.generation;
  auto complain = [&](const char* what) {
    errors_.push_back(std::string(what) + " for peer-id " + std::to_string(id));
  };
  switch (command.kind) {
    case abi::CommandKind::kInstallSession: {
      if (found != sessions_.end() && !live) complain("kInstallSession over another session");
      Session& session = sessions_[id];
      session.generation = command.session.generation;
      session.settings = command.body.install_session;
      return;
    }
    case abi::CommandKind::kInstallKey: {
      if (!live) return complain("kInstallKey without session");
      const abi::InstallKey& key = command.body.install_key;
      if (found->second.sending == key.key_id) complain("kInstallKey over the key in use");
      if (key.first_packet_id == 0) complain("kInstallKey with packet-id 0");
      found->second.keys[key.key_id] = {key, false};
      if (key.send_at_once) found->second.sending = key.key_id;
      return;
    }
    case abi::CommandKind::kSendWithKey:
      if (!live || !found->second.keys.contains(command.body.key.key_id)) return complain("kSendWithKey without key");
      found->second.sending = command.body.key.key_id;
      return;
    case abi::CommandKind::kRemoveKey:
      if (!live || !found->second.keys.contains(command.body.key.key_id)) return complain("kRemoveKey without key");
      if (found->second.sending == command.body.key.key_id) complain("kRemoveKey of the key in use");
      found->second.keys.erase(command.body.key.key_id);
      return;
    case abi::CommandKind::kRemoveSession:
      if (!live) return complain("kRemoveSession without session");
      sessions_.erase(found);
      return;
    case abi::CommandKind::kLimitSession:
      if (!live) return complain("kLimitSession without session");
      found->second.settings.limit = command.body.limit;
      return;
    case abi::CommandKind::kCloseStream:
      closed_streams_.push_back(command.body.stream.remote.stream);
      return;
    default:
      complain("unknown command");
  }
}

std::optional<DataPacket> WorkerModel::seal(uint32_t peer_id, uint64_t sequence) const {
  auto found = sessions_.find(peer_id);
  if (found == sessions_.end() || !found->second.sending) return std::nullopt;
  const abi::InstallKey& key = found->second.keys.at(*found->second.sending).install;
  return DataPacket{key.key_id, key.send, key.cipher, key.format, key.digest, sequence};
}

bool WorkerModel::open(uint32_t peer_id, const DataPacket& packet, std::optional<abi::Event>* first_use) {
  auto found = sessions_.find(peer_id);
  if (found == sessions_.end()) return false;
  auto key = found->second.keys.find(packet.key_id);
  if (key == found->second.keys.end()) return false;
  const abi::InstallKey& install = key->second.install;
  bool same_kind =
      install.cipher == packet.cipher && install.format == packet.format && install.digest == packet.digest;
  if (!same_kind || install.receive.key != packet.key.key || install.receive.hmac != packet.key.hmac) return false;
  for (size_t i = 0; i < 8; ++i)
    if (install.receive.implicit_iv[i] != packet.key.implicit_iv[i]) return false;
  if (!key->second.used) {
    key->second.used = true;
    abi::Event event{};
    event.kind = abi::EventKind::kKeyFirstUse;
    event.key_id = packet.key_id;
    event.session = {peer_id, found->second.generation};
    *first_use = event;
  }
  return true;
}

}  // namespace culvert::sim
