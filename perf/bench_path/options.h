// What bench_path is asked to measure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/abi/command.h"
#include "dataplane/crypto/engine.h"

namespace culvert::perf {

enum class Direction : uint8_t { kOuterToInner, kInnerToOuter };

/// The order of packet buffers in memory.
enum class Order : uint8_t {
  kShuffled,  ///< as a pool gives them when packets have gone all ways for a while
  kAddress,   ///< as a pool gives them first: what follows a packet's last line is the next buffer
};

/// Inner packet size that stands for a mix: 64, 576 and 1400 bytes, 7 : 4 : 1.
inline constexpr uint32_t kImix = 0;
/// Likewise, for kLeastOfAny to kMostOfAny bytes, each as likely, in no order.
inline constexpr uint32_t kAnySize = 1;
inline constexpr uint32_t kLeastOfAny = 40, kMostOfAny = 1400;

/// Most bytes of an inner packet.
inline constexpr uint32_t kMaxSize = 1500;

struct Options {
  std::vector<Direction> directions = {Direction::kInnerToOuter, Direction::kOuterToInner};
  std::vector<abi::Cipher> ciphers = {abi::Cipher::kAes256Gcm, abi::Cipher::kChacha20Poly1305};
  std::vector<uint32_t> sizes = {64, 300, 512, 1400, kImix};
  std::vector<uint32_t> sessions = {1, 100, 1000, 10000};
  uint32_t burst = 32;
  uint32_t repeats = 15;
  uint32_t packets = 8192;  ///< buffers that one pass goes through
  Order order = Order::kShuffled;
  bool json = false;
  bool trace = false;                        ///< what tracing costs, instead
  bool engines = false;                      ///< the AEAD alone by every engine, instead
  aead::Level level = aead::Level::kAvx512;  ///< instructions that the path's engine may use
};

/// Options, or the exit status that the program ends with at once (0 after --help, 2 after a bad option; text is
/// printed).
struct Parsed {
  Options options;
  std::optional<int> exit_status;
};
Parsed parse_options(int argc, char** argv);

std::string to_text(Direction direction);
std::string to_text(abi::Cipher cipher);
std::string to_text(Order order);
std::string size_text(uint32_t size);
/// Bytes of inner packet, on average.
double mean_bytes(uint32_t size);

}  // namespace culvert::perf
