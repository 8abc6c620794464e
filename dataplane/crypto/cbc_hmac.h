// AES-CBC with HMAC for clients that have no AEAD cipher: encrypt, then authenticate IV and ciphertext (crypto.c of the
// reference, openvpn_encrypt_v1). By the multi-buffer jobs of ipsec-mb, which work on several packets at once: one
// packet alone would wait for AES and SHA, block after block.
#pragma once

#include <intel-ipsec-mb.h>

#include <array>
#include <cstdint>
#include <span>

#include "dataplane/crypto/aead.h"
#include "dataplane/crypto/random_ivs.h"

namespace culvert::aead {

class CbcHmac {
 public:
  /// `manager` outlives this; nobody else may have jobs under way in it while seal() or open() run.
  explicit CbcHmac(IMB_MGR* manager) : manager_(manager), ivs_(manager) {}

  /// Gets the first random bytes of the kernel. False: it gave none.
  [[nodiscard]] bool start() { return ivs_.start(); }

  /// `cipher` is one of CBC, `digest` not kNone.
  void expand(abi::Cipher cipher, abi::Digest digest, const abi::DirectionKey& from, CbcKey& key);
  /// Jobs under CBC keys (Job says how they are laid out).
  void seal(std::span<Job> jobs);
  void open(std::span<Job> jobs);

 private:
  void submit(IMB_CIPHER_DIRECTION direction, const Job& packet, uint8_t* tag);
  void finish();

  IMB_MGR* manager_;
  RandomIvs ivs_;
};

}  // namespace culvert::aead
