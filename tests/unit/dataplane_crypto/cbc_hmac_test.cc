// AES-CBC with HMAC against OpenSSL, for every cipher, digest, instruction-set level and length.
#include "dataplane/crypto/cbc_hmac.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "dataplane/crypto/engine.h"
#include "dataplane/crypto/ipsec_mb.h"
#include "tests/unit/support/evp_aead.h"
#include "tests/unit/support/evp_cbc_hmac.h"

namespace culvert::aead {
namespace {

using abi::Cipher;
using abi::Digest;
using testing::EvpCbcHmac;
using Bytes = std::vector<uint8_t>;

constexpr std::array kCiphers = {Cipher::kAes128Cbc, Cipher::kAes192Cbc, Cipher::kAes256Cbc};
constexpr std::array kDigests = {Digest::kSha1, Digest::kSha224, Digest::kSha256, Digest::kSha384, Digest::kSha512};

/// A tag, room for the IV, and padded text, as a packet holds them.
struct Packet {
  Bytes bytes;
  size_t tag_size = 0;

  Packet(const Bytes& plain, Digest digest) : tag_size(abi::digest_size(digest)) {
    bytes.resize(tag_size + kIvSize);
    bytes.insert(bytes.end(), plain.begin(), plain.end());
    size_t padding = kIvSize - plain.size() % kIvSize;
    bytes.insert(bytes.end(), padding, static_cast<uint8_t>(padding));
  }
  Job job(const Key& key, Cipher cipher) {
    Job job{};
    job.key = &key;
    job.cipher = cipher;
    job.tag = bytes.data();
    job.text = bytes.data() + tag_size + kIvSize;
    job.length = static_cast<uint32_t>(bytes.size() - tag_size - kIvSize);
    return job;
  }
  EvpCbcHmac::Iv iv() const {
    EvpCbcHmac::Iv iv;
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(tag_size), iv.size(), iv.begin());
    return iv;
  }
};

class CbcHmacEngine : public ::testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    auto made = GetParam() == Isa::kBest ? make_engine() : make_ipsec_mb(GetParam());
    if (!made) GTEST_SKIP() << made.error();
    engine = *std::move(made);
    auto fill = [this](auto& bytes) { std::generate(bytes.begin(), bytes.end(), [this] { return random(); }); };
    fill(from.key), fill(from.hmac);
  }
  Bytes random_bytes(size_t size) {
    Bytes bytes(size);
    std::generate(bytes.begin(), bytes.end(), [this] { return random(); });
    return bytes;
  }

  std::unique_ptr<Engine> engine;
  abi::DirectionKey from{};
  Key key;
  std::independent_bits_engine<std::mt19937, 8, uint32_t> random{23};
};

TEST_P(CbcHmacEngine, AgreesWithOpensslForEveryCipherDigestAndLength) {
  for (Cipher cipher : kCiphers) {
    for (Digest digest : kDigests) {
      engine->expand_cbc(cipher, digest, from, key);
      EvpCbcHmac reference{cipher, digest, from};
      // The step from 1,500 on, odd and not a multiple of any block, meets every residue of AES's and most of the
      // digests'.
      for (size_t length = 0; length <= 9216; length += length < 300 ? 1 : length < 1504 ? 43 : 209) {
        Bytes plain = random_bytes(length);
        Packet packet(plain, digest);
        Job job = packet.job(key, cipher);
        engine->seal({&job, 1});
        ASSERT_EQ(packet.bytes, reference.seal(plain, packet.iv())) << length;
        job.authentic = false;
        engine->open({&job, 1});
        ASSERT_TRUE(job.authentic) << length;
        ASSERT_TRUE(std::equal(plain.begin(), plain.end(), job.text)) << length;
      }
    }
  }
}

TEST_P(CbcHmacEngine, RefusesEveryChangedBit) {
  for (Digest digest : kDigests) {
    engine->expand_cbc(Cipher::kAes256Cbc, digest, from, key);
    Packet packet(random_bytes(60), digest);
    Job job = packet.job(key, Cipher::kAes256Cbc);
    engine->seal({&job, 1});
    for (size_t bit = 0; bit < packet.bytes.size() * 8; ++bit) {
      Packet changed = packet;
      changed.bytes[bit / 8] = static_cast<uint8_t>(changed.bytes[bit / 8] ^ 1 << bit % 8);
      Job open = changed.job(key, Cipher::kAes256Cbc);
      open.authentic = true;
      engine->open({&open, 1});
      ASSERT_FALSE(open.authentic) << "bit " << bit << ", digest " << static_cast<int>(digest);
    }
  }
}

TEST_P(CbcHmacEngine, MixedWithAeadInOneBurst) {
  constexpr size_t kCount = 64;
  std::array<Key, kCount> keys;
  std::vector<Packet> packets;
  std::vector<Bytes> plain;
  std::array<Job, kCount> jobs{};
  std::array<uint8_t, 8> aad{};
  auto is_cbc = [](size_t i) { return i % 3 != 0; };
  auto cipher = [&](size_t i) { return is_cbc(i) ? kCiphers[i % 3] : static_cast<Cipher>(1 + i % 4); };
  auto digest = [](size_t i) { return kDigests[i % kDigests.size()]; };
  for (size_t i = 0; i < kCount; ++i) {
    plain.push_back(random_bytes(i * 22));
    packets.emplace_back(plain[i], digest(i));
  }
  for (size_t i = 0; i < kCount; ++i) {
    jobs[i] = packets[i].job(keys[i], cipher(i));
    if (is_cbc(i)) {
      engine->expand_cbc(cipher(i), digest(i), from, keys[i]);
    } else {
      engine->expand(cipher(i), from.key, keys[i]);
      jobs[i].aad = aad.data();
      jobs[i].aad_length = aad.size();
    }
  }
  engine->seal(jobs);
  for (size_t i = 0; i < kCount; ++i) {
    if (!is_cbc(i)) continue;
    EXPECT_EQ(packets[i].bytes, (EvpCbcHmac{cipher(i), digest(i), from}.seal(plain[i], packets[i].iv()))) << i;
  }
  packets[31].bytes[0] ^= 1;
  engine->open(jobs);
  for (size_t i = 0; i < kCount; ++i) {
    EXPECT_EQ(jobs[i].authentic, i != 31) << i;
    if (i == 31) continue;
    EXPECT_TRUE(std::equal(plain[i].begin(), plain[i].end(), jobs[i].text)) << i;
  }
}

TEST_P(CbcHmacEngine, NoIvComesTwice) {
  engine->expand_cbc(Cipher::kAes128Cbc, Digest::kSha1, from, key);
  std::set<EvpCbcHmac::Iv> seen;
  std::array<size_t, 256> bytes{};
  constexpr size_t kPackets = 4096;  // many refills
  for (size_t i = 0; i < kPackets; ++i) {
    Packet packet(Bytes(4, 0), Digest::kSha1);
    Job job = packet.job(key, Cipher::kAes128Cbc);
    engine->seal({&job, 1});
    EXPECT_TRUE(seen.insert(packet.iv()).second);
    for (uint8_t byte : packet.iv()) ++bytes[byte];
  }
  // 256 expected of each value, with a standard deviation of 16.
  for (size_t count : bytes) EXPECT_NEAR(static_cast<double>(count), 256, 6 * 16);
  auto other = *make_engine();
  other->expand_cbc(Cipher::kAes128Cbc, Digest::kSha1, from, key);
  Packet packet(Bytes(4, 0), Digest::kSha1);
  Job job = packet.job(key, Cipher::kAes128Cbc);
  other->seal({&job, 1});
  EXPECT_TRUE(seen.insert(packet.iv()).second) << "another worker must not draw the same";
}

constexpr std::array kIsaNames = {"Workers", "SSE", "AVX", "AVX2", "AVX512"};
INSTANTIATE_TEST_SUITE_P(All, CbcHmacEngine,
                         ::testing::Values(Isa::kSse, Isa::kAvx, Isa::kAvx2, Isa::kAvx512, Isa::kBest),
                         [](const auto& test) { return std::string(kIsaNames[static_cast<size_t>(test.param)]); });

}  // namespace
}  // namespace culvert::aead
