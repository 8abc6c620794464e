// The epochs that a session's keys are in (epoch_keys.h), for both directions. A receiver accepts the current epoch,
// the one before, and four ahead, whose keys are ready; an authentic packet of a later epoch moves it there. A sender
// goes on to the next epoch when its key has been used enough, and follows its peer.
#pragma once

#include "dataplane/session/epoch_keys.h"
#include "dataplane/session/key.h"

namespace culvert::session {

struct Session;

/// When a key has been used enough.
struct EpochLimits {
  uint64_t usage = UINT64_MAX;  ///< packets and blocks; the cipher's own limit (near_usage_limit) counts as well
  uint64_t counter = (uint64_t{1} << abi::kEpochShift) - (uint64_t{1} << 40);  ///< packets
  uint16_t renegotiate_epoch = 0xF000;  ///< ssl.c: from here on a renegotiation is asked for
};

/// Receiving key of one epoch.
struct EpochKey : ReceiveKey {
  aead::Key expanded;
  EpochIv iv{};
  uint16_t epoch = 0;  ///< 0: none
};

struct EpochReceive {
  static constexpr uint16_t kFuture = 4;  ///< as the reference has (ssl.c, init_epoch_keys)

  std::array<EpochKey, kFuture + 2> keys;
  EpochKey* current = nullptr;
  EpochKey* retiring = nullptr;  ///< the one before: late packets
  EpochSecret newest;            ///< of the latest epoch that has a key

  /// The key for packets of an epoch; null: too old, or too far ahead.
  EpochKey* find(uint16_t epoch) {
    if (current->epoch == epoch) [[likely]]
      return current;
    for (EpochKey& key : keys)
      if (key.epoch == epoch) return epoch > current->epoch || &key == retiring ? &key : nullptr;
    return nullptr;
  }
  /// An authentic packet has come under `key`. Keys that are pushed out stay where they are until the next
  /// tend_epochs().
  void follow(EpochKey& key) {
    if (key.epoch <= current->epoch) return;
    retiring = current;
    current = &key;
  }
};

struct EpochSend {
  EpochSecret secret;                   ///< of the epoch that is sent in
  std::array<uint8_t, 32> installed{};  ///< secret that control gave: tells a key that it gives again
  bool end_reported = false;
};

/// Puts the secrets of `install` into the keys, which are new.
void start_epochs(aead::Engine& aead, const Session& session, const abi::InstallKey& install, ReceiveKey& receive,
                  SendKey& send);

/// What is due for the session's epochs, off the packet path: keys ahead for receiving, the next epoch for sending.
/// Returns key-ids that near the last epoch for the first time, a bit each: they need a renegotiation.
uint8_t tend_epochs(aead::Engine& aead, Session& session, const EpochLimits& limits);

}  // namespace culvert::session
