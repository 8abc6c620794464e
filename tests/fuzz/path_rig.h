// One worker's packet path between memory ports, for the fuzz target `path`: made anew for every input.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "dataplane/crypto/aead.h"
#include "dataplane/path.h"
#include "drivers/memory.h"

namespace culvert::fuzz {

inline constexpr uint32_t kSessions = 8;
inline constexpr uint16_t kOuterPort = 0;

/// What outlives inputs: EAL, the packet pool, the link's memory, the AEAD engine.
struct PathWorld {
  static PathWorld& get();
  /// Empties the link, which a path is about to be made on.
  void reset_link();

  rte_mempool* pool = nullptr;
  std::unique_ptr<aead::Engine> aead;
  abi::LinkView link;
};

struct KeyKind {
  abi::Cipher cipher{};
  abi::KeyFormat format{};
  abi::Digest digest{};
};

class PathRig {
 public:
  PathRig();
  /// Ends the program when a packet was leaked, or the counters don't tell what became of it.
  ~PathRig();
  PathRig(const PathRig&) = delete;

  void outer(const abi::Endpoint& from, std::span<const uint8_t> bytes);
  void inner(std::span<const uint8_t> bytes);
  /// A packet as the peer of the session would send it, under the key that install_key() makes. CBC: `text` is all that
  /// is encrypted, packet-id and padding included, and `packet_id` does nothing. Epochs: three bits of `packet_id`
  /// choose one of 1 to 8.
  void sealed(uint32_t peer_id, uint8_t key_id, const KeyKind& kind, uint32_t packet_id, abi::DataFormat format,
              std::span<const uint8_t> text);
  void apply(abi::Command command);
  void install_session(uint32_t peer_id, uint32_t generation, uint32_t flags, abi::DataFormat format,
                       abi::Framing framing);
  void install_key(uint32_t peer_id, uint32_t generation, uint8_t key_id, const KeyKind& kind, uint32_t first_packet_id,
                   uint32_t replay_floor);
  void control(const abi::PacketMessage& message);
  void advance(uint64_t nanoseconds);

  static abi::Endpoint peer(uint8_t number);

 private:
  rte_mbuf* packet(std::span<const uint8_t> bytes);
  void seal_aead(uint8_t key_id, const KeyKind& kind, uint32_t packet_id, std::span<const uint8_t> text,
                 std::vector<uint8_t>& bytes);
  void seal_cbc(uint8_t key_id, const KeyKind& kind, std::span<const uint8_t> text, std::vector<uint8_t>& bytes);
  void seal_epoch(uint8_t key_id, const KeyKind& kind, uint32_t packet_id, std::span<const uint8_t> text,
                  std::vector<uint8_t>& bytes);
  void drain();

  PathWorld& world_;
  drivers::MemoryPort outer_{drivers::Side::kOuter};
  drivers::MemoryPort inner_{drivers::Side::kInner};
  std::unique_ptr<dataplane::Path> path_;
  uint64_t now_ns_ = 1'000'000'000;
  uint64_t of_control_ = 0;  ///< packets
  uint64_t invalid_commands_ = 0;
};

}  // namespace culvert::fuzz
