// How the packets under a key are laid out. The format is a property of the key; each has a file of its own, and the
// steps open and seal are the same for all. Nearly every burst is of one format: it is chosen once for the burst where
// it can be.
#pragma once

#include "dataplane/steps/data_format_aead.h"
#include "dataplane/steps/data_format_cbc.h"

namespace culvert::steps {

inline constexpr uint32_t kMostBehind = 16;  ///< what sealing puts behind the inner packet at most: padding of CBC

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
    return packet.key->format == abi::KeyFormat::kCbcHmac ? CbcFormat::prepare_open(packet, job)
                                                          : AeadFormat::prepare_open(packet, job);
  }
  static Verdict finish_open(Packet& packet, const aead::Job& job) {
    return packet.key->format == abi::KeyFormat::kCbcHmac ? CbcFormat::finish_open(packet, job)
                                                          : AeadFormat::finish_open(packet, job);
  }
};

}  // namespace culvert::steps
