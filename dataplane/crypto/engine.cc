#include "dataplane/crypto/engine.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "dataplane/crypto/chacha_poly.h"
#include "dataplane/crypto/gcm_narrow.h"
#include "dataplane/crypto/gcm_vaes_cold.h"
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

using Kernel = void (*)(std::span<Job>);
using GcmKernel = void (*)(AesRounds, std::span<Job>);

/// Kernels for some instructions.
struct GcmKernels {
  Level level;
  const char* name;
  bool (*supported)();
  void (*expand)(AesRounds, GcmVaesKey&);
  GcmKernel seal, open;
};
struct ChachaKernels {
  Level level;
  const char* name;
  bool (*supported)();
  Kernel seal, open;
  size_t least_jobs;  ///< smaller bursts leave so many lanes idle that ipsec-mb is as fast
};

constexpr GcmKernels kGcm[] = {
    {Level::kAvx512, "VAES on 512 bits", gcm_vaes_supported, gcm_vaes_expand, gcm_vaes_seal, gcm_vaes_open},
    {Level::kVaes, "VAES on 256 bits", gcm_vaes256_supported, gcm_vaes256_expand, gcm_vaes256_seal, gcm_vaes256_open},
    {Level::kAvx2, "AES-NI", gcm_aesni_supported, gcm_aesni_expand, gcm_aesni_seal, gcm_aesni_open}};
constexpr ChachaKernels kChacha[] = {
    {Level::kAvx512, "AVX-512 IFMA", chacha_poly_avx512_supported, chacha_poly_seal_avx512, chacha_poly_open_avx512, 3},
    {Level::kAvx2, "AVX2", chacha_poly_avx2_supported, chacha_poly_seal_avx2, chacha_poly_open_avx2, 2}};

/// The fastest that the CPU can run; null: none.
template <class Kernels, size_t kCount>
const Kernels* choose(const Kernels (&all)[kCount], Level most) {
  auto fits = [most](const Kernels& kernels) { return kernels.level <= most && kernels.supported(); };
  const Kernels* best = std::ranges::find_if(all, fits);
  return best == std::end(all) ? nullptr : best;
}

class KernelEngine final : public Engine {
 public:
  KernelEngine(std::unique_ptr<Engine> others, const GcmKernels* gcm, const ChachaKernels* chacha)
      : others_(std::move(others)), gcm_(gcm), chacha_(chacha) {
    const std::string others_name = std::string("ipsec-mb ") + others_->name();
    auto name = [&](const auto* kernels) { return kernels ? kernels->name : others_name; };
    if (gcm_ != nullptr && gcm_->level == Level::kAvx512) cold_ = std::make_unique<ColdKeys>();
    name_ = "AES-GCM by " + name(gcm_) + ", CHACHA20-POLY1305 by " + name(chacha_) + ", others by " + others_name;
  }

  void expand(Cipher cipher, const std::array<uint8_t, 32>& bytes, Key& key) override {
    others_->expand(cipher, bytes, key);
    auto rounds = gcm_rounds(cipher);
    if (!rounds || !gcm_) return;
    GcmVaesKey own{};
    static_assert(sizeof own.round == sizeof key.gcm.expanded_keys);
    std::memcpy(own.round.data(), key.gcm.expanded_keys, sizeof own.round);
    gcm_->expand(*rounds, own);
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

  bool make_compact(Cipher cipher, const std::array<uint8_t, 32>& bytes, const Key& expanded,
                    CompactKey& compact) override {
    if (!cold_ || cipher != Cipher::kAes256Gcm) return false;
    compact = {bytes, expanded.gcm_vaes.powers.back()};
    return true;
  }
  void expand_cold(std::span<const ColdJob> jobs) override {
    if (cold_) cold_->expand(jobs);
  }

  void seal(std::span<Job> jobs) override {
    each_run(jobs, [this](std::span<Job> run) {
      if (auto rounds = own_rounds(run)) return gcm_->seal(*rounds, run);
      if (in_lanes(run)) return chacha_->seal(run);
      others_->seal(run);
    });
  }
  void open(std::span<Job> jobs) override {
    each_run(jobs, [this](std::span<Job> run) {
      if (auto rounds = own_rounds(run)) return gcm_->open(*rounds, run);
      if (in_lanes(run)) return chacha_->open(run);
      others_->open(run);
    });
  }
  const char* name() const override { return name_.c_str(); }

 private:
  /// Cuts a burst where the cipher changes; most have one cipher all through.
  template <class Work>
  static void each_run(std::span<Job> jobs, Work work) {
    while (!jobs.empty()) {
      auto end = std::ranges::find_if(jobs, [&](const Job& job) { return job.cipher != jobs.front().cipher; });
      std::span<Job> run = jobs.first(static_cast<size_t>(end - jobs.begin()));
      jobs = jobs.subspan(run.size());
      work(run);
    }
  }

  std::optional<AesRounds> own_rounds(std::span<Job> run) const {
    return gcm_ ? gcm_rounds(run.front().cipher) : std::nullopt;
  }
  bool in_lanes(std::span<Job> run) const {
    return chacha_ && run.front().cipher == Cipher::kChacha20Poly1305 && run.size() >= chacha_->least_jobs;
  }

  std::unique_ptr<Engine> others_;
  const GcmKernels* gcm_;  ///< null: by others_
  const ChachaKernels* chacha_;
  std::unique_ptr<ColdKeys> cold_;  ///< null: only AVX-512 expands keys again
  std::string name_;
};

/// What ipsec-mb may use at `most`: the best there is up to it.
Result<std::unique_ptr<Engine>> ipsec_mb_up_to(Level most) {
  if (most == Level::kAvx512) return make_ipsec_mb();
  if (most >= Level::kAvx2)
    if (auto made = make_ipsec_mb(Isa::kAvx2)) return made;
  return make_ipsec_mb(Isa::kSse);
}

}  // namespace

std::string_view to_text(Level level) {
  constexpr std::string_view kNames[] = {"SSE", "AVX2", "VAES", "AVX512"};
  return kNames[static_cast<size_t>(level)];
}

Result<std::unique_ptr<Engine>> make_engine(Level most) {
  auto others = ipsec_mb_up_to(most);
  if (!others) return others;
  return std::unique_ptr<Engine>(
      std::make_unique<KernelEngine>(*std::move(others), choose(kGcm, most), choose(kChacha, most)));
}

}  // namespace culvert::aead
