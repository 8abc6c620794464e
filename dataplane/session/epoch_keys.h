// The keys of data-channel epochs (openvpn-wire-protocol, epoch data keys; crypto_epoch.c of the reference). Each epoch
// has a secret, out of which follow its data key and IV, and the secret of the next epoch; so a session changes keys
// for as long as its peer and we like without another handshake.
//
// Who derives when: both directions are derived by the worker itself, so that data flows on while control is away;
// never on the packet path, but when the key is installed and in the sweep, once per second (epochs.h). A peer that
// changes epochs faster than that gains nothing: what it sends in an epoch without key is dropped.
#pragma once

#include <array>
#include <cstdint>

#include "dataplane/crypto/aead.h"

namespace culvert::session {

using EpochIv = std::array<uint8_t, aead::kNonceSize>;  ///< XORed with epoch, counter and zeros, it is the nonce

struct EpochSecret {
  uint16_t epoch = 0;
  std::array<uint8_t, 32> bytes{};
};

/// Goes on to the next epoch. Not from 0xFFFF.
void advance(aead::Engine& aead, EpochSecret& secret);
/// Key and IV of the secret's epoch. `cipher` is an AEAD one.
void derive(aead::Engine& aead, const EpochSecret& secret, abi::Cipher cipher, aead::Key& key, EpochIv& iv);

}  // namespace culvert::session
