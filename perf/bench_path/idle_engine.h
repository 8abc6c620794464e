// An AEAD that can be told to do nothing and to find everything authentic: what is left then is the path itself. Path
// alone and whole path are so measured over the same sessions and keys, which are those of one gateway.
#pragma once

#include "dataplane/crypto/aead.h"

namespace culvert::perf {

class IdleEngine final : public aead::Engine {
 public:
  /// `engine` works when this one is not idle, and outlives it.
  explicit IdleEngine(aead::Engine& engine) : engine_(engine) {}

  void set_idle(bool idle) { idle_ = idle; }

  void expand(abi::Cipher cipher, const std::array<uint8_t, 32>& bytes, aead::Key& key) override {
    engine_.expand(cipher, bytes, key);
  }
  void expand_cbc(abi::Cipher cipher, abi::Digest digest, const abi::DirectionKey& from, aead::Key& key) override {
    engine_.expand_cbc(cipher, digest, from, key);
  }
  void hmac_sha256(const std::array<uint8_t, 32>& key, std::span<const uint8_t> message,
                   std::array<uint8_t, 32>& out) override {
    engine_.hmac_sha256(key, message, out);
  }
  bool make_compact(abi::Cipher cipher, const std::array<uint8_t, 32>& bytes, const aead::Key& expanded,
                    aead::CompactKey& compact) override {
    return engine_.make_compact(cipher, bytes, expanded, compact);
  }
  void expand_cold(std::span<const aead::ColdJob> jobs) override {
    if (!idle_) engine_.expand_cold(jobs);
  }
  void seal(std::span<aead::Job> jobs) override {
    if (!idle_) engine_.seal(jobs);
  }
  void open(std::span<aead::Job> jobs) override {
    if (!idle_) return engine_.open(jobs);
    for (aead::Job& job : jobs) job.authentic = true;
  }
  const char* name() const override { return engine_.name(); }

 private:
  aead::Engine& engine_;
  bool idle_ = false;
};

}  // namespace culvert::perf
