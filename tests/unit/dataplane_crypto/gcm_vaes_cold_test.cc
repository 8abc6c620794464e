// Keys that are expanded again for one burst: what is sealed and opened under them, against OpenSSL, with the room full
// of other keys' bytes before, so that a power that was not made shows.
#include "dataplane/crypto/gcm_vaes_cold.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <vector>

#include "dataplane/crypto/engine.h"
#include "tests/unit/support/evp_aead.h"

namespace culvert::aead {
namespace {

using abi::Cipher;
using Bytes = std::vector<uint8_t>;

struct Packet {
  std::array<uint8_t, 32> key_bytes;
  std::array<uint8_t, kNonceSize> nonce;
  std::array<uint8_t, 8> aad;
  Bytes text, now;
  testing::EvpAead::Sealed sealed;
  std::array<uint8_t, kTagSize> tag{};
  Key key;
  CompactKey compact;
};
using Burst = std::vector<std::unique_ptr<Packet>>;

class ColdKeysTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!gcm_vaes_supported()) GTEST_SKIP() << "this CPU lacks VAES or AVX-512";
    engine = *make_engine();
  }

  template <class Array>
  void fill(Array& bytes) {
    std::generate(bytes.begin(), bytes.end(), [this] { return random(); });
  }
  std::unique_ptr<Packet> packet(size_t length) {
    auto made = std::make_unique<Packet>();
    made->text.resize(length);
    fill(made->key_bytes), fill(made->nonce), fill(made->aad), fill(made->text);
    made->now = made->text;
    made->sealed = testing::EvpAead{Cipher::kAes256Gcm, made->key_bytes}.seal(made->nonce, made->aad, made->text);
    engine->expand(Cipher::kAes256Gcm, made->key_bytes, made->key);
    EXPECT_TRUE(engine->make_compact(Cipher::kAes256Gcm, made->key_bytes, made->key, made->compact));
    return made;
  }
  /// Jobs of the burst, of which those that `is_cold` says have no key yet.
  template <class IsCold>
  std::vector<Job> jobs_of(Burst& packets, IsCold is_cold) {
    std::vector<Job> jobs;
    for (size_t i = 0; i < packets.size(); ++i) {
      Packet& one = *packets[i];
      jobs.push_back({is_cold(i) ? nullptr : &one.key, one.now.data(), one.aad.data(), one.tag.data(),
                      static_cast<uint32_t>(one.text.size()), Cipher::kAes256Gcm, static_cast<uint8_t>(one.aad.size()),
                      false, one.nonce});
    }
    return jobs;
  }
  void expand(std::vector<Job>& jobs, const Burst& packets) {
    std::vector<ColdJob> cold;
    for (size_t i = 0; i < jobs.size(); ++i)
      if (jobs[i].key == nullptr) cold.push_back({&jobs[i], &packets[i]->compact});
    engine->expand_cold(cold);
  }
  /// Leaves the powers and round keys of other keys in the room.
  void spoil() {
    Burst others;
    for (size_t i = 0; i < Engine::kMostCold; ++i) others.push_back(packet(kLargestLast));
    auto jobs = jobs_of(others, [](size_t) { return true; });
    expand(jobs, others);
  }
  template <class IsCold>
  void check(const std::vector<size_t>& lengths, IsCold is_cold) {
    Burst packets;
    for (size_t length : lengths) packets.push_back(packet(length));
    auto sealing = jobs_of(packets, is_cold);
    expand(sealing, packets);
    engine->seal(sealing);
    for (size_t i = 0; i < packets.size(); ++i) {
      ASSERT_EQ(packets[i]->now, packets[i]->sealed.text) << "packet " << i << " of " << lengths[i] << " bytes";
      ASSERT_EQ(packets[i]->tag, packets[i]->sealed.tag) << "packet " << i << " of " << lengths[i] << " bytes";
    }
    ASSERT_NO_FATAL_FAILURE(spoil_now_and_then());
    auto opening = jobs_of(packets, is_cold);
    expand(opening, packets);
    engine->open(opening);
    for (size_t i = 0; i < packets.size(); ++i) {
      ASSERT_TRUE(opening[i].authentic) << "packet " << i << " of " << lengths[i] << " bytes";
      ASSERT_EQ(packets[i]->now, packets[i]->text) << "packet " << i << " of " << lengths[i] << " bytes";
    }
  }
  void check(const std::vector<size_t>& lengths) {
    check(lengths, [](size_t) { return true; });
  }
  void spoil_now_and_then() {
    if (++checks_ % 16 == 0) spoil();
  }

  static constexpr size_t kLargestLast = 576;  ///< needs the most powers
  std::unique_ptr<Engine> engine;
  std::independent_bits_engine<std::mt19937, 8, uint32_t> random{71};
  size_t checks_ = 0;
};

TEST_F(ColdKeysTest, EveryLengthUpTo2048) {
  spoil();
  for (size_t length = 0; length <= 2048; ++length) ASSERT_NO_FATAL_FAILURE(check({length}));
}

TEST_F(ColdKeysTest, LengthsMixedInFours) {
  // Within a four, who needs few powers stands beside who needs many.
  spoil();
  for (size_t length = 0; length <= 2048; length += 7)
    ASSERT_NO_FATAL_FAILURE(check({length, 2048 - length, (length * 5) % 2049, 64, (length * 11) % 577, 40, 1400, 65}));
}

TEST_F(ColdKeysTest, LongOnes) {
  spoil();
  for (size_t length : {2049, 4095, 4096, 4097, 8999, 9000, 9216})
    ASSERT_NO_FATAL_FAILURE(check({length, 100, length}));
}

TEST_F(ColdKeysTest, AnyNumberAtOnce) {
  for (size_t count = 1; count <= Engine::kMostCold; ++count) {
    std::vector<size_t> lengths(count);
    for (size_t i = 0; i < count; ++i) lengths[i] = (i * 37) % 3 == 0 ? 1400 - i : 20 + i % 60;
    ASSERT_NO_FATAL_FAILURE(check(lengths));
  }
}

TEST_F(ColdKeysTest, BesideOnesThatAreNotCold) {
  for (size_t every : {2, 3, 5, 16})
    ASSERT_NO_FATAL_FAILURE(check({64, 1400, 40, 300, 576, 577, 64, 64, 1400, 1, 0, 1088, 1089, 64, 64, 90},
                                  [every](size_t i) { return i % every == 1; }));
}

TEST_F(ColdKeysTest, TheSameKeyTwiceInABurst) {
  Burst packets;
  packets.push_back(packet(64));
  packets.push_back(packet(1400));
  packets[1]->key_bytes = packets[0]->key_bytes;
  packets[1]->compact = packets[0]->compact;
  packets[1]->sealed = testing::EvpAead{Cipher::kAes256Gcm, packets[1]->key_bytes}.seal(
      packets[1]->nonce, packets[1]->aad, packets[1]->text);
  auto jobs = jobs_of(packets, [](size_t) { return true; });
  expand(jobs, packets);
  engine->seal(jobs);
  for (auto& one : packets) {
    EXPECT_EQ(one->now, one->sealed.text);
    EXPECT_EQ(one->tag, one->sealed.tag);
  }
}

TEST_F(ColdKeysTest, AForgedPacketIsRefused) {
  for (size_t length : {40, 576, 1400}) {
    Burst packets;
    for (size_t i = 0; i < 5; ++i) packets.push_back(packet(length)), packets[i]->now = packets[i]->sealed.text;
    for (auto& one : packets) one->tag = one->sealed.tag;
    packets[3]->tag[length % 16] ^= 1;
    auto jobs = jobs_of(packets, [](size_t) { return true; });
    expand(jobs, packets);
    engine->open(jobs);
    for (size_t i = 0; i < packets.size(); ++i) EXPECT_EQ(jobs[i].authentic, i != 3) << "packet " << i;
  }
}

TEST(CompactKeys, AreOnlyOfCiphersThatAreExpandedAgain) {
  std::array<uint8_t, 32> bytes{};
  for (Level level : kLevels) {
    auto engine = *make_engine(level);
    for (Cipher cipher : {Cipher::kAes128Gcm, Cipher::kAes192Gcm, Cipher::kAes256Gcm, Cipher::kChacha20Poly1305}) {
      Key expanded;
      CompactKey compact;
      engine->expand(cipher, bytes, expanded);
      const bool expected = level == Level::kAvx512 && gcm_vaes_supported() && cipher == Cipher::kAes256Gcm;
      EXPECT_EQ(engine->make_compact(cipher, bytes, expanded, compact), expected) << to_text(level);
    }
  }
}

}  // namespace
}  // namespace culvert::aead
