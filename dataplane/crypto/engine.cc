#include "dataplane/crypto/engine.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "dataplane/crypto/chacha_poly.h"
#include "dataplane/crypto/gcm_vaes.h"
#include "dataplane/crypto/ipsec_mb.h"
#include "dataplane/crypto/wipe.h"

namespace culvert::aead {
namespace {

using abi::Cipher;

constexpr std::optional<AesRounds> gcm_rounds(Cipher cipher) {
  switch (cipher) {
    case Cipher::kAes128Gcm:
      return AesRounds::k10;
    case Cipher::kAes192Gcm:
      return AesRounds::k12;
    case Cipher::kAes256Gcm:
      return AesRounds::k14;
    default:
      return std::nullopt;
  }
}

class VaesEngine final : public Engine {
 public:
  explicit VaesEngine(std::unique_ptr<Engine> others) : others_(std::move(others)) {}

  void expand(Cipher cipher, const std::array<uint8_t, 32>& bytes, Key& key) override {
    others_->expand(cipher, bytes, key);
    auto rounds = gcm_rounds(cipher);
    if (!rounds) return;
    GcmVaesKey own{};
    static_assert(sizeof own.round == sizeof key.gcm.expanded_keys);
    std::memcpy(own.round.data(), key.gcm.expanded_keys, sizeof own.round);
    gcm_vaes_expand(*rounds, own);
    wipe(key);
    key.gcm_vaes = own;
    wipe(own);
  }

  void expand_cbc(Cipher cipher, abi::Digest digest, const abi::DirectionKey& from, Key& key) override {
    others_->expand_cbc(cipher, digest, from, key);
  }
  void hmac_sha256(const std::array<uint8_t, 32>& key, std::span<const uint8_t> message,
                   std::array<uint8_t, 32>& out) override {
    others_->hmac_sha256(key, message, out);
  }

  void seal(std::span<Job> jobs) override {
    each_run(jobs, gcm_vaes_seal, [this](std::span<Job> run) {
      if (in_lanes(run)) return chacha_poly_seal(run);
      others_->seal(run);
    });
  }
  void open(std::span<Job> jobs) override {
    each_run(jobs, gcm_vaes_open, [this](std::span<Job> run) {
      if (in_lanes(run)) return chacha_poly_open(run);
      others_->open(run);
    });
  }
  const char* name() const override { return "VAES"; }

 private:
  /// Cuts a burst where the cipher changes; most have one cipher all through.
  template <class Gcm, class Others>
  static void each_run(std::span<Job> jobs, Gcm gcm, Others others) {
    while (!jobs.empty()) {
      auto end = std::ranges::find_if(jobs, [&](const Job& job) { return job.cipher != jobs.front().cipher; });
      std::span<Job> run = jobs.first(static_cast<size_t>(end - jobs.begin()));
      jobs = jobs.subspan(run.size());
      if (auto rounds = gcm_rounds(run.front().cipher))
        gcm(*rounds, run);
      else
        others(run);
    }
  }

  bool in_lanes(std::span<Job> run) const {
    return chacha_in_lanes_ && run.front().cipher == Cipher::kChacha20Poly1305 && run.size() >= kChachaPolyLeastJobs;
  }

  std::unique_ptr<Engine> others_;
  const bool chacha_in_lanes_ = chacha_poly_supported();
};

}  // namespace

Result<std::unique_ptr<Engine>> make_engine() {
  auto others = make_ipsec_mb();
  if (!others || !gcm_vaes_supported()) return others;
  return std::unique_ptr<Engine>(std::make_unique<VaesEngine>(*std::move(others)));
}

}  // namespace culvert::aead
