// The worker's engine, at every level of instructions, against the vectors of project Wycheproof, one by one and in
// bursts. The vectors are not part of this project: CULVERT_WYCHEPROOF names the folder with its aes_gcm_test.json and
// chacha20_poly1305_test.json.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "dataplane/crypto/engine.h"
#include "tests/unit/support/vectors.h"

namespace culvert::aead {
namespace {

using Bytes = std::vector<uint8_t>;

struct Vector {
  std::string name;
  abi::Cipher cipher;
  bool valid;
  Bytes key, nonce, aad, text, ciphertext, tag;
};

std::optional<abi::Cipher> cipher_of(const std::string& algorithm, size_t key_bits) {
  if (algorithm == "CHACHA20-POLY1305") return abi::Cipher::kChacha20Poly1305;
  if (algorithm != "AES-GCM") return std::nullopt;
  switch (key_bits) {
    case 128:
      return abi::Cipher::kAes128Gcm;
    case 192:
      return abi::Cipher::kAes192Gcm;
    case 256:
      return abi::Cipher::kAes256Gcm;
    default:
      return std::nullopt;
  }
}

/// The vectors of a file with nonces, tags and AAD as the data channel has them.
std::vector<Vector> vectors(const std::string& file) {
  std::ifstream in(file);
  EXPECT_TRUE(in) << "no " << file;
  auto document = nlohmann::json::parse(in);
  std::vector<Vector> all;
  for (const auto& group : document["testGroups"]) {
    auto cipher = cipher_of(document["algorithm"], group["keySize"]);
    if (!cipher || group["ivSize"] != 96 || group["tagSize"] != 128) continue;
    for (const auto& test : group["tests"]) {
      auto bytes = [&](const char* name) { return testing::from_hex(test[name].get<std::string>()); };
      if (bytes("aad").size() > 16) continue;
      all.push_back({"tcId " + std::to_string(test["tcId"].get<int>()), *cipher, test["result"] == "valid",
                     bytes("key"), bytes("iv"), bytes("aad"), bytes("msg"), bytes("ct"), bytes("tag")});
    }
  }
  return all;
}

class Wycheproof : public ::testing::TestWithParam<std::tuple<const char*, Level>> {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("CULVERT_WYCHEPROOF");
    if (folder == nullptr) GTEST_SKIP() << "CULVERT_WYCHEPROOF names no folder with Wycheproof's vectors";
    all = vectors(std::string(folder) + "/" + std::get<0>(GetParam()));
    ASSERT_GT(all.size(), 50u);
    auto made = make_engine(std::get<1>(GetParam()));
    ASSERT_TRUE(made) << made.error();
    engine = *std::move(made);
    keys.resize(all.size());
    for (size_t i = 0; i < all.size(); ++i) {
      std::array<uint8_t, 32> key{};
      std::ranges::copy(all[i].key, key.begin());
      engine->expand(all[i].cipher, key, keys[i]);
      CompactKey made_compact;
      const bool has_one = engine->make_compact(all[i].cipher, key, keys[i], made_compact);
      compact.push_back(has_one ? std::optional(made_compact) : std::nullopt);
    }
  }

  /// Jobs on copies of `texts` and of the vectors' tags.
  std::vector<Job> jobs(Bytes Vector::*texts) {
    buffers.clear(), tags.clear();
    for (const Vector& vector : all) buffers.push_back(vector.*texts), tags.push_back(vector.tag);
    std::vector<Job> made;
    for (size_t i = 0; i < all.size(); ++i) {
      const Vector& vector = all[i];
      Job job{&keys[i],
              buffers[i].data(),
              vector.aad.data(),
              tags[i].data(),
              static_cast<uint32_t>(buffers[i].size()),
              vector.cipher,
              static_cast<uint8_t>(vector.aad.size()),
              !vector.valid,  // the wrong answer to begin with
              {}};
      std::ranges::copy(vector.nonce, job.nonce.begin());
      made.push_back(job);
    }
    return made;
  }

  /// Those of the jobs, which are the vectors' from `first` on, whose keys can be expanded again.
  void expand_cold(std::span<Job> jobs, size_t first) {
    std::vector<ColdJob> cold;
    for (size_t i = 0; i < jobs.size(); ++i)
      if (compact[first + i]) cold.push_back({&jobs[i], &*compact[first + i]});
    engine->expand_cold(cold);
  }

  /// Seals and opens all, `burst` at a time. `cold`: under keys that are expanded again for each burst, where they can
  /// be.
  void check(size_t burst, bool cold) {
    auto in_bursts = [&](std::vector<Job>& all_jobs, auto work) {
      for (size_t first = 0; first < all_jobs.size(); first += burst) {
        auto some = std::span(all_jobs).subspan(first, std::min(burst, all_jobs.size() - first));
        if (cold) expand_cold(some, first);
        work(some);
      }
    };
    auto opened = jobs(&Vector::ciphertext);
    in_bursts(opened, [&](std::span<Job> some) { engine->open(some); });
    for (size_t i = 0; i < all.size(); ++i) {
      EXPECT_EQ(opened[i].authentic, all[i].valid) << all[i].name << ", burst " << burst;
      if (all[i].valid) {
        EXPECT_EQ(buffers[i], all[i].text) << all[i].name << ", burst " << burst;
      }
    }
    auto sealed = jobs(&Vector::text);
    for (Bytes& tag : tags) std::ranges::fill(tag, uint8_t{0});
    in_bursts(sealed, [&](std::span<Job> some) { engine->seal(some); });
    for (size_t i = 0; i < all.size(); ++i) {
      if (!all[i].valid) continue;
      EXPECT_EQ(buffers[i], all[i].ciphertext) << all[i].name << ", burst " << burst;
      EXPECT_EQ(tags[i], all[i].tag) << all[i].name << ", burst " << burst;
    }
  }

  std::vector<Vector> all;
  std::unique_ptr<Engine> engine;
  std::vector<Key> keys;
  std::vector<std::optional<CompactKey>> compact;
  std::vector<Bytes> buffers, tags;
};

TEST_P(Wycheproof, Agrees) {
  for (size_t burst : {size_t{1}, size_t{3}, size_t{8}, size_t{17}, size_t{32}, all.size()}) check(burst, false);
}
TEST_P(Wycheproof, AgreesUnderKeysThatAreExpandedAgain) {
  for (size_t burst : {size_t{1}, size_t{3}, size_t{8}, size_t{17}, Engine::kMostCold}) check(burst, true);
}
INSTANTIATE_TEST_SUITE_P(All, Wycheproof,
                         ::testing::Combine(::testing::Values("aes_gcm_test.json", "chacha20_poly1305_test.json"),
                                            ::testing::ValuesIn(kLevels)));

}  // namespace
}  // namespace culvert::aead
