// The engines against OpenSSL, for every cipher, instruction-set level, length and alignment.
#include "dataplane/crypto/ipsec_mb.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "dataplane/crypto/wipe.h"
#include "tests/unit/dataplane_crypto/candidates.h"
#include "tests/unit/support/evp_aead.h"
#include "tests/unit/support/fenced_page.h"

namespace culvert::aead {
namespace {

using abi::Cipher;
using testing::EvpAead;
using Bytes = std::vector<uint8_t>;

std::string name_of(Cipher cipher) {
  constexpr std::array kNames = {"", "AES128GCM", "AES192GCM", "AES256GCM", "CHACHA20POLY1305"};
  return kNames[static_cast<size_t>(cipher)];
}

struct Packet {
  std::array<uint8_t, 32> key;
  std::array<uint8_t, kNonceSize> nonce;
  Bytes aad, text;
};

class AeadEngine : public ::testing::TestWithParam<std::tuple<Candidate, Cipher>> {
 protected:
  void SetUp() override {
    auto made = std::get<0>(GetParam()).make();
    if (!made) GTEST_SKIP() << made.error();
    engine = *std::move(made);
    cipher = std::get<1>(GetParam());
  }

  Packet random_packet(size_t length, size_t aad_length) {
    Packet packet;
    auto fill = [this](auto& bytes) { std::generate(bytes.begin(), bytes.end(), [this] { return random(); }); };
    packet.aad.resize(aad_length);
    packet.text.resize(length);
    fill(packet.key), fill(packet.nonce), fill(packet.aad), fill(packet.text);
    return packet;
  }

  /// Seals in place at `alignment` and compares with OpenSSL; then opens what OpenSSL sealed. Bytes around stay
  /// untouched.
  void compare(const Packet& packet, size_t alignment) {
    auto expected = EvpAead{cipher, packet.key}.seal(packet.nonce, packet.aad, packet.text);
    engine->expand(cipher, packet.key, key);
    size_t length = packet.text.size();
    Bytes buffer(64 + alignment + length + 64, 0xEE);
    uint8_t* text = buffer.data() + 64 + alignment;
    std::copy(packet.text.begin(), packet.text.end(), text);
    std::array<uint8_t, kTagSize> tag{};
    Job job = job_for(packet, text, tag.data());

    engine->seal({&job, 1});
    ASSERT_TRUE(std::equal(expected.text.begin(), expected.text.end(), text)) << "ciphertext, length " << length;
    ASSERT_EQ(tag, expected.tag) << "tag, length " << length;

    job.authentic = false;
    engine->open({&job, 1});
    ASSERT_TRUE(job.authentic) << "length " << length;
    ASSERT_TRUE(std::equal(packet.text.begin(), packet.text.end(), text)) << "plaintext, length " << length;
    ASSERT_EQ(tag, expected.tag) << "open changed the packet's tag";

    ASSERT_TRUE(std::all_of(buffer.begin(), buffer.begin() + static_cast<ptrdiff_t>(64 + alignment), is_guard));
    ASSERT_TRUE(std::all_of(buffer.end() - 64, buffer.end(), is_guard)) << "wrote behind the end, length " << length;
  }
  Job job_for(const Packet& packet, uint8_t* text, uint8_t* tag) const {
    return {&key,
            text,
            packet.aad.data(),
            tag,
            static_cast<uint32_t>(packet.text.size()),
            cipher,
            static_cast<uint8_t>(packet.aad.size()),
            false,
            packet.nonce};
  }
  static bool is_guard(uint8_t byte) { return byte == 0xEE; }

  std::unique_ptr<Engine> engine;
  Cipher cipher{};
  Key key;
  std::independent_bits_engine<std::mt19937, 8, uint32_t> random{17};
};

TEST_P(AeadEngine, AgreesWithOpensslForEveryLength) {
  for (size_t length = 0; length <= 2048; ++length)
    ASSERT_NO_FATAL_FAILURE(compare(random_packet(length, length % 2 == 0 ? 8 : 4), length % 64));
}

TEST_P(AeadEngine, AgreesWithOpensslAtEveryAlignment) {
  for (size_t alignment = 0; alignment < 64; ++alignment)
    for (size_t length : {1, 15, 16, 17, 40, 64, 255, 300, 512, 1400, 1500})
      ASSERT_NO_FATAL_FAILURE(compare(random_packet(length, 8), alignment));
}

TEST_P(AeadEngine, CountsBlocksAcrossTheBytesOfTheCounter) {
  // The block counter's low byte wraps within a packet (255 blocks and more); nonces of all ones must not carry into
  // it.
  for (size_t length : {3500, 4031, 4064, 4080, 4096, 4112, 8192, 9000, 70000}) {
    Packet packet = random_packet(length, 8);
    packet.nonce.fill(0xFF);
    ASSERT_NO_FATAL_FAILURE(compare(packet, 0));
  }
}

TEST_P(AeadEngine, TouchesNothingOutsideTheText) {
  if (cipher == Cipher::kChacha20Poly1305) GTEST_SKIP() << "ipsec-mb reads around the text; ours: chacha_poly_test.cc";
  testing::FencedPage page;
  ASSERT_TRUE(page.good());
  for (size_t length = 0; length <= 600; ++length) {
    Packet packet = random_packet(length, 8);
    auto expected = EvpAead{cipher, packet.key}.seal(packet.nonce, packet.aad, packet.text);
    engine->expand(cipher, packet.key, key);
    for (uint8_t* text : {page.begin(), page.end() - length}) {
      std::copy(packet.text.begin(), packet.text.end(), text);
      std::array<uint8_t, kTagSize> tag{};
      Job job = job_for(packet, text, tag.data());
      engine->seal({&job, 1});
      ASSERT_EQ(tag, expected.tag) << "length " << length;
      engine->open({&job, 1});
      ASSERT_TRUE(job.authentic) << "length " << length;
    }
  }
}

TEST_P(AeadEngine, AgreesWithOpensslInBurstsOfEverySize) {
  for (size_t size = 1; size <= 40; ++size) {
    std::vector<Packet> packets;
    std::vector<Bytes> texts;
    std::vector<Key> keys(size);
    std::vector<std::array<uint8_t, kTagSize>> tags(size);
    std::vector<Job> jobs;
    for (size_t i = 0; i < size; ++i) {
      packets.push_back(random_packet((random() << 8 | random()) % 1501, i % 2 == 0 ? 8 : 16));
      texts.push_back(packets[i].text);
      engine->expand(cipher, packets[i].key, keys[i]);
    }
    for (size_t i = 0; i < size; ++i) {
      jobs.push_back(job_for(packets[i], texts[i].data(), tags[i].data()));
      jobs[i].key = &keys[i];
    }
    engine->seal(jobs);
    for (size_t i = 0; i < size; ++i) {
      auto expected = EvpAead{cipher, packets[i].key}.seal(packets[i].nonce, packets[i].aad, packets[i].text);
      ASSERT_EQ(texts[i], expected.text) << "packet " << i << " of " << size;
      ASSERT_EQ(tags[i], expected.tag) << "packet " << i << " of " << size;
    }
    const size_t bad = size / 2;
    tags[bad][size % kTagSize] ^= 0x10;
    engine->open(jobs);
    for (size_t i = 0; i < size; ++i) {
      ASSERT_EQ(jobs[i].authentic, i != bad) << "packet " << i << " of " << size;
      if (i != bad) {
        ASSERT_EQ(texts[i], packets[i].text) << "packet " << i << " of " << size;
      }
    }
  }
}

TEST_P(AeadEngine, RefusesEveryChangedBit) {
  Packet packet = random_packet(100, 8);
  engine->expand(cipher, packet.key, key);
  auto sealed = EvpAead{cipher, packet.key}.seal(packet.nonce, packet.aad, packet.text);
  auto opens = [&](Packet changed, Bytes text, std::array<uint8_t, kTagSize> tag) {
    Job job = job_for(changed, text.data(), tag.data());
    job.length = static_cast<uint32_t>(text.size());
    job.authentic = true;
    engine->open({&job, 1});
    return job.authentic;
  };
  ASSERT_TRUE(opens(packet, sealed.text, sealed.tag));
  for (size_t bit = 0; bit < 8 * kTagSize; ++bit) {
    auto tag = sealed.tag;
    tag[bit / 8] = static_cast<uint8_t>(tag[bit / 8] ^ 1 << bit % 8);
    EXPECT_FALSE(opens(packet, sealed.text, tag)) << "tag bit " << bit;
  }
  for (size_t bit = 0; bit < 8 * sealed.text.size(); ++bit) {
    Bytes text = sealed.text;
    text[bit / 8] = static_cast<uint8_t>(text[bit / 8] ^ 1 << bit % 8);
    EXPECT_FALSE(opens(packet, text, sealed.tag)) << "text bit " << bit;
  }
  for (size_t bit = 0; bit < 8 * packet.aad.size(); ++bit) {
    Packet changed = packet;
    changed.aad[bit / 8] = static_cast<uint8_t>(changed.aad[bit / 8] ^ 1 << bit % 8);
    EXPECT_FALSE(opens(changed, sealed.text, sealed.tag)) << "AAD bit " << bit;
  }
  for (size_t bit = 0; bit < 8 * kNonceSize; ++bit) {
    Packet changed = packet;
    changed.nonce[bit / 8] = static_cast<uint8_t>(changed.nonce[bit / 8] ^ 1 << bit % 8);
    EXPECT_FALSE(opens(changed, sealed.text, sealed.tag)) << "nonce bit " << bit;
  }
  for (size_t length = 0; length < sealed.text.size(); ++length)
    EXPECT_FALSE(
        opens(packet, Bytes(sealed.text.begin(), sealed.text.begin() + static_cast<ptrdiff_t>(length)), sealed.tag));
}

INSTANTIATE_TEST_SUITE_P(All, AeadEngine,
                         ::testing::Combine(::testing::ValuesIn(kCandidates),
                                            ::testing::Values(Cipher::kAes128Gcm, Cipher::kAes192Gcm,
                                                              Cipher::kAes256Gcm, Cipher::kChacha20Poly1305)),
                         [](const auto& test) {
                           return std::string(std::get<0>(test.param).name) + "_" + name_of(std::get<1>(test.param));
                         });

class AeadBurst : public ::testing::TestWithParam<Candidate> {};

TEST_P(AeadBurst, MixedCiphersAndOneBadTagInOneBurst) {
  auto made = GetParam().make();
  if (!made) GTEST_SKIP() << made.error();
  auto engine = *std::move(made);
  constexpr size_t kCount = 64;
  std::array<Key, kCount> keys;
  std::array<std::array<uint8_t, 32>, kCount> bytes;
  std::array<Bytes, kCount> texts;
  std::array<std::array<uint8_t, kTagSize>, kCount> tags;
  std::array<uint8_t, 8> aad = {1, 2, 3, 4, 5, 6, 7, 8};
  std::array<Job, kCount> jobs;
  auto cipher_of = [](size_t i) { return static_cast<Cipher>(1 + i % 4); };
  for (size_t i = 0; i < kCount; ++i) {
    bytes[i].fill(static_cast<uint8_t>(i + 1));
    texts[i].assign(i * 23, static_cast<uint8_t>(i));
    engine->expand(cipher_of(i), bytes[i], keys[i]);
    jobs[i] = {
        &keys[i], texts[i].data(), aad.data(), tags[i].data(), static_cast<uint32_t>(texts[i].size()), cipher_of(i),
        8,        false,           {}};
    jobs[i].nonce.fill(static_cast<uint8_t>(i));
  }
  engine->seal(jobs);
  for (size_t i = 0; i < kCount; ++i) {
    auto expected = EvpAead{cipher_of(i), bytes[i]}.seal(jobs[i].nonce, aad, Bytes(i * 23, static_cast<uint8_t>(i)));
    EXPECT_EQ(texts[i], expected.text) << i;
    EXPECT_EQ(tags[i], expected.tag) << i;
  }
  tags[17][15] ^= 1;
  engine->open(jobs);
  for (size_t i = 0; i < kCount; ++i) {
    EXPECT_EQ(jobs[i].authentic, i != 17) << i;
    if (i != 17) {
      EXPECT_EQ(texts[i], Bytes(i * 23, static_cast<uint8_t>(i))) << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, AeadBurst, ::testing::ValuesIn(kCandidates),
                         [](const auto& test) { return test.param.name; });

TEST(Wipe, ZeroesAndComparesAllBytes) {
  std::array<uint8_t, 100> secret;
  secret.fill(7);
  wipe(secret);
  EXPECT_TRUE(std::all_of(secret.begin(), secret.end(), [](uint8_t byte) { return byte == 0; }));

  std::array<uint8_t, kTagSize> a{}, b{};
  EXPECT_TRUE(equal_tags(a.data(), b.data()));
  for (size_t bit = 0; bit < 8 * kTagSize; ++bit) {
    b = a;
    b[bit / 8] = static_cast<uint8_t>(1 << bit % 8);
    EXPECT_FALSE(equal_tags(a.data(), b.data())) << bit;
  }
}

}  // namespace
}  // namespace culvert::aead
