// How the packets under a key are laid out. The format is a property of the key; each has a file of its own, and the
// steps open and seal are the same for all. Nearly every burst is of one format: it is chosen once for the burst where
// it can be.
#pragma once

#include "dataplane/steps/data_format_aead.h"
#include "dataplane/steps/data_format_cbc.h"
#include "dataplane/steps/data_format_epoch.h"

namespace culvert::steps {

inline constexpr uint32_t kMostBehind =
    16;  ///< what sealing puts behind the inner packet at most: padding of CBC, tag of epochs

/// Which formats a burst holds.
class FormatSet {
 public:
  void add(abi::KeyFormat format) { bits_ |= bit(format); }
  bool only(abi::KeyFormat format) const { return (bits_ & ~bit(format)) == 0; }

 private:
  static uint32_t bit(abi::KeyFormat format) { return uint32_t{1} << static_cast<uint32_t>(format); }
  uint32_t bits_ = 0;
};

/// Asks each packet's key.
struct AnyFormat {
  static Verdict prepare_open(Packet& packet, aead::Job& job) {
    switch (packet.key->format) {
      case abi::KeyFormat::kAead:
        break;
      case abi::KeyFormat::kCbcHmac:
        return CbcFormat::prepare_open(packet, job);
      case abi::KeyFormat::kEpoch:
        return EpochFormat::prepare_open(packet, job);
    }
    return AeadFormat::prepare_open(packet, job);
  }
  static Verdict finish_open(Packet& packet, const aead::Job& job) {
    switch (packet.key->format) {
      case abi::KeyFormat::kAead:
        break;
      case abi::KeyFormat::kCbcHmac:
        return CbcFormat::finish_open(packet, job);
      case abi::KeyFormat::kEpoch:
        return EpochFormat::finish_open(packet, job);
    }
    return AeadFormat::finish_open(packet, job);
  }
  static void prepare_seal(Packet& packet, const session::SendKey& key, aead::Job& job) {
    if (key.format == abi::KeyFormat::kAead) [[likely]]
      AeadFormat::prepare_seal(packet, key, job);
    else if (key.format == abi::KeyFormat::kEpoch)
      EpochFormat::prepare_seal(packet, key, job);
    else
      CbcFormat::prepare_seal(packet, key, job);
  }
};

}  // namespace culvert::steps
