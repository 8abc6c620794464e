// What a worker of the dataplane would do with an engine's commands, without packets: which sessions and keys exist,
// and whether a data packet sealed by one side could be opened by the other.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/abi/command.h"
#include "dataplane/abi/event.h"

namespace culvert::sim {

struct DataPacket {
  uint8_t key_id = 0;
  abi::DirectionKey key{};  ///< stands for the ciphertext: only who holds the same key can open it
  abi::Cipher cipher{};
  abi::KeyFormat format{};
  abi::Digest digest{};
  uint64_t sequence = 0;
};

class WorkerModel {
 public:
  struct Key {
    abi::InstallKey install{};
    bool used = false;
  };
  struct Session {
    uint32_t generation = 0;
    abi::InstallSession settings{};
    std::map<uint8_t, Key> keys;
    std::optional<uint8_t> sending;
  };

  /// Carries a command out. What can't be right is noted in errors().
  void carry_out(const abi::Command& command);
  /// Seals the next packet of a session; nothing while it has no key.
  std::optional<DataPacket> seal(uint32_t peer_id, uint64_t sequence) const;
  /// Opens a packet. False: no such session or key. `first_use` receives the event to report, if any.
  bool open(uint32_t peer_id, const DataPacket& packet, std::optional<abi::Event>* first_use);

  const std::map<uint32_t, Session>& sessions() const { return sessions_; }
  /// Streams that the engine had closed, in order.
  const std::vector<uint64_t>& closed_streams() const { return closed_streams_; }
  const std::vector<std::string>& errors() const { return errors_; }

 private:
  std::map<uint32_t, Session> sessions_;
  std::vector<uint64_t> closed_streams_;
  std::vector<std::string> errors_;
};

}  // namespace culvert::sim
