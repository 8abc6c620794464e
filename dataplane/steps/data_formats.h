// How the packets under a key are laid out. The format is a property of the key; each has a file of its own, and the
// steps open and seal are the same for all. Nearly all keys are AEAD ones, which the steps ask for first.
#pragma once

#include "dataplane/steps/data_format_aead.h"
#include "dataplane/steps/data_format_cbc.h"
#include "dataplane/steps/data_format_epoch.h"

namespace culvert::steps {

inline constexpr uint32_t kMostBehind =
    16;  ///< what sealing puts behind the inner packet at most: padding of CBC, tag of epochs

/// Any format but kAead, which takes the header off at once, and has nothing to do afterwards.
struct OtherFormat {
  static Verdict prepare_open(Packet& packet, aead::Job& job) {
    return is_epoch(*packet.key) ? EpochFormat::prepare_open(packet, job) : CbcFormat::prepare_open(packet, job);
  }
  /// Takes an authentic packet's header off.
  static Verdict finish_open(Packet& packet, const aead::Job& job) {
    return is_epoch(*packet.key) ? EpochFormat::finish_open(packet, job) : CbcFormat::finish_open(packet, job);
  }
  /// `packet.packet_id` is set, and there is room.
  static void prepare_seal(Packet& packet, const session::SendKey& key, aead::Job& job) {
    is_epoch(key) ? EpochFormat::prepare_seal(packet, key, job) : CbcFormat::prepare_seal(packet, key, job);
  }

 private:
  template <class Key>
  static bool is_epoch(const Key& key) {
    return key.format == abi::KeyFormat::kEpoch;
  }
};

}  // namespace culvert::steps
