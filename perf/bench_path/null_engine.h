// An AEAD that does nothing and finds everything authentic: what is left is the path itself.
#pragma once

#include "dataplane/crypto/aead.h"

namespace culvert::perf {

class NullEngine final : public aead::Engine {
 public:
  void expand(abi::Cipher, const std::array<uint8_t, 32>& bytes, aead::Key& key) override { key.chacha = bytes; }
  void expand_cbc(abi::Cipher, abi::Digest, const abi::DirectionKey&, aead::Key&) override {}
  void hmac_sha256(const std::array<uint8_t, 32>&, std::span<const uint8_t>, std::array<uint8_t, 32>& out) override {
    out.fill(0);
  }
  void seal(std::span<aead::Job>) override {}
  void open(std::span<aead::Job> jobs) override {
    for (aead::Job& job : jobs) job.authentic = true;
  }
  const char* name() const override { return "none"; }
};

}  // namespace culvert::perf
