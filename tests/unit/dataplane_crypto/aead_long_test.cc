// Packets of jumbo frames (up to 9,216 bytes) against OpenSSL, for every cipher and instruction-set level. Lengths are
// sampled: aead_test.cc has all up to 2,048, and kernels that go through a packet in steps differ in its last ones.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "tests/unit/dataplane_crypto/candidates.h"
#include "tests/unit/support/evp_aead.h"

namespace culvert::aead {
namespace {

using abi::Cipher;
using testing::EvpAead;
using Bytes = std::vector<uint8_t>;
using Tag = std::array<uint8_t, kTagSize>;

constexpr size_t kShort = 2048;    // aead_test.cc goes up to there
constexpr size_t kLongest = 9216;  // more than tun-mtu allows (9000) with what framing adds
constexpr size_t kStep = 256;      // what the widest kernel takes of a packet at once
constexpr size_t kGuards = 64;
constexpr uint8_t kGuard = 0xEE;

/// Every residue of kStep: behind the lengths that aead_test.cc has, at the upper end, and spread over all in between;
/// and around the lengths at which the low byte of the block counter wraps.
std::set<size_t> sampled_lengths() {
  std::set<size_t> lengths = {8982, 9000, 9018};
  constexpr size_t kSteps = (kLongest - kShort) / kStep;
  for (size_t residue = 0; residue < kStep; ++residue) {
    lengths.insert(kShort + residue);
    lengths.insert(kLongest - residue);
    lengths.insert(kShort + residue * 11 % kSteps * kStep + residue);
  }
  for (size_t blocks : {255, 256, 511, 512})
    for (size_t around = 0; around <= 64; ++around) lengths.insert(blocks * 16 - 32 + around);
  return lengths;
}

/// Random bytes that every packet takes its own from.
const Bytes& random_text() {
  static const Bytes text = [] {
    std::independent_bits_engine<std::mt19937, 8, uint32_t> random{31};
    Bytes made(2 * kLongest);
    std::generate(made.begin(), made.end(), [&] { return random(); });
    return made;
  }();
  return text;
}

/// A packet between guard bytes under a key of its own, and what OpenSSL makes of it.
struct Packet {
  Packet(Engine& engine, Cipher with, size_t length, uint64_t salt)
      : cipher(with), text(random_text().data() + salt * 97 % kLongest, length) {
    std::copy_n(random_text().begin() + static_cast<ptrdiff_t>(salt * 41 % kLongest), key_bytes.size(),
                key_bytes.begin());
    std::copy_n(random_text().begin() + static_cast<ptrdiff_t>(salt * 59 % kLongest), nonce.size(), nonce.begin());
    expected = EvpAead{cipher, key_bytes}.seal(nonce, aad(), text);
    buffer.assign(kGuards + salt % 64 + length + kGuards, kGuard);
    at = buffer.data() + kGuards + salt % 64;
    std::copy(text.begin(), text.end(), at);
    engine.expand(cipher, key_bytes, key);
  }
  std::span<const uint8_t> aad() const { return {nonce.data(), 8}; }
  Job job() {
    return {&key, at, aad().data(), tag.data(), static_cast<uint32_t>(text.size()), cipher, 8, false, nonce};
  }
  bool is(std::span<const uint8_t> bytes) const { return std::equal(bytes.begin(), bytes.end(), at); }
  bool guards_hold() const {
    auto guard = [](uint8_t byte) { return byte == kGuard; };
    return std::all_of(buffer.data(), static_cast<const uint8_t*>(at), guard) &&
           std::all_of(buffer.end() - kGuards, buffer.end(), guard);
  }

  Cipher cipher;
  std::span<const uint8_t> text;
  std::array<uint8_t, 32> key_bytes;
  std::array<uint8_t, kNonceSize> nonce;
  EvpAead::Sealed expected;
  Bytes buffer;
  uint8_t* at;
  Tag tag{};
  Key key;
};

class AeadLong : public ::testing::TestWithParam<Candidate> {
 protected:
  void SetUp() override {
    auto made = GetParam().make();
    if (!made) GTEST_SKIP() << made.error();
    engine = *std::move(made);
  }

  /// Seals the packets in one burst, and opens them in another, in which the tag of `bad` is wrong.
  void check(std::vector<std::unique_ptr<Packet>>& packets, size_t bad = SIZE_MAX) {
    std::vector<Job> jobs;
    for (auto& packet : packets) jobs.push_back(packet->job());
    engine->seal(jobs);
    for (const auto& packet : packets) {
      ASSERT_TRUE(packet->is(packet->expected.text)) << packet->text.size() << " bytes";
      ASSERT_EQ(packet->tag, packet->expected.tag) << packet->text.size() << " bytes";
    }
    if (bad < packets.size()) packets[bad]->tag[bad % kTagSize] ^= 0x10;
    engine->open(jobs);
    for (size_t i = 0; i < packets.size(); ++i) {
      ASSERT_EQ(jobs[i].authentic, i != bad) << packets[i]->text.size() << " bytes";
      ASSERT_TRUE(i == bad || packets[i]->is(packets[i]->text)) << packets[i]->text.size() << " bytes";
      ASSERT_TRUE(packets[i]->guards_hold()) << packets[i]->text.size() << " bytes";
    }
  }

  static constexpr std::array kCiphers = {Cipher::kAes128Gcm, Cipher::kAes192Gcm, Cipher::kAes256Gcm,
                                          Cipher::kChacha20Poly1305};
  std::unique_ptr<Engine> engine;
};

TEST_P(AeadLong, AgreesWithOpensslAlone) {
  for (size_t length : sampled_lengths())
    for (Cipher cipher : kCiphers) {
      std::vector<std::unique_ptr<Packet>> packets;
      packets.push_back(std::make_unique<Packet>(*engine, cipher, length, length));
      ASSERT_NO_FATAL_FAILURE(check(packets)) << "cipher " << static_cast<int>(cipher);
    }
}

TEST_P(AeadLong, AgreesWithOpensslInBurstsOfOneLengthAndItsNeighbours) {
  for (Cipher cipher : kCiphers)
    for (size_t middle : {2048, 4096, 8192, 9000})
      for (size_t size = 1; size <= 20; ++size) {
        std::vector<std::unique_ptr<Packet>> packets;
        for (size_t i = 0; i < size; ++i)
          packets.push_back(std::make_unique<Packet>(*engine, cipher, middle + (size * i) % 33 - 16, 100 * size + i));
        ASSERT_NO_FATAL_FAILURE(check(packets, size / 2)) << "cipher " << static_cast<int>(cipher);
      }
}

TEST_P(AeadLong, AgreesWithOpensslBesidePacketsOfEverySize) {
  std::mt19937 random{7};
  for (size_t size = 2; size <= 33; ++size)
    for (bool mixed_ciphers : {false, true}) {
      std::vector<std::unique_ptr<Packet>> packets;
      for (size_t i = 0; i < size; ++i) {
        // As in traffic: small ones, frames of Ethernet, and jumbo ones in between.
        constexpr std::array<size_t, 4> kMost = {80, 1500, kLongest, 600};
        Cipher cipher = kCiphers[(mixed_ciphers ? random() : size) % kCiphers.size()];
        packets.push_back(std::make_unique<Packet>(*engine, cipher, random() % (kMost[random() % 4] + 1), random()));
      }
      ASSERT_NO_FATAL_FAILURE(check(packets, random() % size)) << size << " packets";
    }
}

INSTANTIATE_TEST_SUITE_P(All, AeadLong, ::testing::ValuesIn(kCandidates),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace culvert::aead
