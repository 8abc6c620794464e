// CHACHA20-POLY1305 in lanes against OpenSSL: bursts of every size, lengths mixed, at every alignment.
#include "dataplane/crypto/chacha_poly.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>

#include "dataplane/crypto/aead.h"
#include "tests/unit/support/evp_aead.h"
#include "tests/unit/support/fenced_page.h"

namespace culvert::aead {
namespace {

using Bytes = std::vector<uint8_t>;
constexpr uint8_t kGuard = 0xEE;
constexpr size_t kAadLengths[] = {8, 4, 0, 16};

/// A packet, what OpenSSL makes of it, and a buffer in which it lies between guard bytes.
struct Packet {
  std::array<uint8_t, 32> key_bytes;
  std::array<uint8_t, kNonceSize> nonce;
  Bytes aad, text, buffer;
  testing::EvpAead::Sealed sealed;
  size_t at;
  std::array<uint8_t, kTagSize> tag;
  Key key;

  uint8_t* place() { return buffer.data() + at; }
  bool guards_hold() const {
    auto guard = [](uint8_t byte) { return byte == kGuard; };
    auto begin = buffer.begin() + static_cast<ptrdiff_t>(at);
    return std::all_of(buffer.begin(), begin, guard) &&
           std::all_of(begin + static_cast<ptrdiff_t>(text.size()), buffer.end(), guard);
  }
  Job job() {
    return {&key,
            place(),
            aad.data(),
            tag.data(),
            static_cast<uint32_t>(text.size()),
            abi::Cipher::kChacha20Poly1305,
            static_cast<uint8_t>(aad.size()),
            false,
            nonce};
  }
};
using Burst = std::vector<std::unique_ptr<Packet>>;

struct Variant {
  const char* name;
  bool (*supported)();
  void (*seal)(std::span<Job>);
  void (*open)(std::span<Job>);
};
constexpr Variant kVariants[] = {
    {"AVX2", chacha_poly_avx2_supported, chacha_poly_seal_avx2, chacha_poly_open_avx2},
    {"AVX512", chacha_poly_avx512_supported, chacha_poly_seal_avx512, chacha_poly_open_avx512}};

class ChachaPoly : public ::testing::TestWithParam<Variant> {
 protected:
  void SetUp() override {
    if (!GetParam().supported()) GTEST_SKIP() << "this CPU lacks the instructions";
  }

  std::unique_ptr<Packet> packet(size_t length, size_t aad_length, size_t alignment) {
    auto made = std::make_unique<Packet>();
    auto fill = [this](auto& bytes) { std::generate(bytes.begin(), bytes.end(), [this] { return random(); }); };
    made->aad.resize(aad_length);
    made->text.resize(length);
    fill(made->key_bytes), fill(made->nonce), fill(made->aad), fill(made->text);
    made->sealed =
        testing::EvpAead{abi::Cipher::kChacha20Poly1305, made->key_bytes}.seal(made->nonce, made->aad, made->text);
    made->key.chacha.bytes = made->key_bytes;
    made->buffer.assign(128 + alignment + length + 64, kGuard);
    made->at = 128 - reinterpret_cast<uintptr_t>(made->buffer.data()) % 64 + alignment % 64;
    return made;
  }
  Burst burst(const std::vector<size_t>& lengths) {
    Burst made;
    for (size_t length : lengths) made.push_back(packet(length, kAadLengths[random() % 4], random() % 64));
    return made;
  }

  /// Seals the burst, compares with OpenSSL, opens it again.
  static void check(Burst& burst) {
    std::vector<Job> jobs;
    for (auto& packet : burst) {
      std::ranges::copy(packet->text, packet->place());
      jobs.push_back(packet->job());
    }
    GetParam().seal(jobs);
    for (auto& packet : burst) {
      ASSERT_TRUE(std::ranges::equal(packet->sealed.text, std::span(packet->place(), packet->text.size())))
          << "ciphertext, length " << packet->text.size() << " in a burst of " << burst.size();
      ASSERT_EQ(packet->tag, packet->sealed.tag)
          << "length " << packet->text.size() << ", AAD " << packet->aad.size() << " in a burst of " << burst.size();
      ASSERT_TRUE(packet->guards_hold()) << "sealing wrote outside, length " << packet->text.size();
    }
    GetParam().open(jobs);
    for (size_t i = 0; i < burst.size(); ++i) {
      Packet& packet = *burst[i];
      ASSERT_TRUE(jobs[i].authentic) << "length " << packet.text.size() << " in a burst of " << burst.size();
      ASSERT_TRUE(std::ranges::equal(packet.text, std::span(packet.place(), packet.text.size())))
          << "plaintext, length " << packet.text.size() << " in a burst of " << burst.size();
      ASSERT_EQ(packet.tag, packet.sealed.tag) << "opening changed the packet's tag";
      ASSERT_TRUE(packet.guards_hold()) << "opening wrote outside, length " << packet.text.size();
    }
  }

  std::independent_bits_engine<std::mt19937, 8, uint32_t> random{8439};
};

TEST_P(ChachaPoly, AgreesWithOpensslForEveryLength) {
  for (size_t length = 0; length <= 2048; ++length) {
    Burst alone;
    alone.push_back(packet(length, kAadLengths[length % 4], length % 64));
    ASSERT_NO_FATAL_FAILURE(check(alone));
    Burst alike = burst(std::vector<size_t>(9, length));
    ASSERT_NO_FATAL_FAILURE(check(alike));
  }
}

TEST_P(ChachaPoly, AgreesWithOpensslForEveryBurstSizeAndMixedLengths) {
  for (size_t size = 1; size <= 64; ++size) {
    for (size_t longest : {40u, 300u, 2048u}) {
      std::vector<size_t> lengths(size);
      std::ranges::generate(lengths, [&] { return (random() << 8 | random()) % (longest + 1); });
      Burst mixed = burst(lengths);
      ASSERT_NO_FATAL_FAILURE(check(mixed));
    }
  }
}

TEST_P(ChachaPoly, AgreesWithOpensslAtEveryAlignmentAndAadLength) {
  for (size_t alignment = 0; alignment < 64; ++alignment) {
    Burst mixed;
    for (size_t aad = 0; aad <= 16; ++aad) mixed.push_back(packet(40 + 61 * aad, aad, alignment));
    ASSERT_NO_FATAL_FAILURE(check(mixed));
  }
}

TEST_P(ChachaPoly, OneHugePacketAmongShortOnes) {
  // The counter passes 2^8 and 2^10; most lanes of Poly1305 wait for one.
  for (size_t huge : {9000u, 70000u}) {
    Burst mixed = burst({1, 0, huge, 64, 1400, 17});
    ASSERT_NO_FATAL_FAILURE(check(mixed));
  }
}

TEST_P(ChachaPoly, RefusesEveryChangedBitAndOnlyThatPacket) {
  constexpr size_t kVictim = 5;
  Burst packets = burst({64, 0, 1400, 100, 99, 75, 16, 64, 300});
  packets[kVictim] = packet(75, 8, 3);
  Packet& victim = *packets[kVictim];
  auto opens = [&]() {
    std::vector<Job> jobs;
    for (auto& packet : packets) {
      if (packet.get() != &victim) std::ranges::copy(packet->sealed.text, packet->place());
      if (packet.get() != &victim) packet->tag = packet->sealed.tag;
      jobs.push_back(packet->job());
      jobs.back().authentic = packet.get() == &victim;  // the wrong answer to begin with
    }
    GetParam().open(jobs);
    for (size_t i = 0; i < jobs.size(); ++i) {
      if (i != kVictim) {
        EXPECT_TRUE(jobs[i].authentic) << i;
      }
    }
    return jobs[kVictim].authentic;
  };
  auto restore = [&] {
    std::ranges::copy(victim.sealed.text, victim.place());
    victim.tag = victim.sealed.tag;
  };
  restore();
  ASSERT_TRUE(opens());
  auto refuses = [&](const char* what, auto bytes_of, size_t size) {
    for (size_t bit = 0; bit < 8 * size; ++bit) {
      restore();
      uint8_t* byte = bytes_of() + bit / 8;
      *byte = static_cast<uint8_t>(*byte ^ 1 << bit % 8);
      EXPECT_FALSE(opens()) << what << " bit " << bit;
      *byte = static_cast<uint8_t>(*byte ^ 1 << bit % 8);
    }
  };
  refuses(
      "tag", [&] { return victim.tag.data(); }, kTagSize);
  refuses(
      "text", [&] { return victim.place(); }, victim.text.size());
  refuses(
      "AAD", [&] { return victim.aad.data(); }, victim.aad.size());
  refuses(
      "nonce", [&] { return victim.nonce.data(); }, kNonceSize);
}

TEST_P(ChachaPoly, ReadsNothingOutsideTheText) {
  testing::FencedPage first, last;
  ASSERT_TRUE(first.good() && last.good());
  for (size_t length = 0; length <= 400; ++length) {
    Burst packets = burst({length, length, 1400});
    uint8_t* const places[] = {first.begin(), last.end() - length, packets[2]->place()};
    std::vector<Job> jobs;
    for (size_t i = 0; i < 3; ++i) {
      std::ranges::copy(packets[i]->text, places[i]);
      jobs.push_back(packets[i]->job());
      jobs[i].text = places[i];
    }
    GetParam().seal(jobs);
    for (size_t i = 0; i < 3; ++i) ASSERT_EQ(packets[i]->tag, packets[i]->sealed.tag) << "length " << length;
    GetParam().open(jobs);
    for (size_t i = 0; i < 3; ++i) {
      ASSERT_TRUE(jobs[i].authentic) << "length " << length;
      ASSERT_TRUE(std::ranges::equal(packets[i]->text, std::span(places[i], packets[i]->text.size())));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, ChachaPoly, ::testing::ValuesIn(kVariants),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace culvert::aead
