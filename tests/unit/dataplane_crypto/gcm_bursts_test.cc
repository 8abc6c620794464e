// AES-GCM in bursts against OpenSSL, each packet under its own key: small ones, four side by side, in bursts of every
// size up to a few fours, all lengths mixed; longer ones, whose end is hashed beside the next one's start, behind every
// other kind; and all of them in one burst.
#include "dataplane/crypto/gcm_small_vaes.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <random>
#include <vector>

#include "dataplane/crypto/engine.h"
#include "tests/unit/support/evp_aead.h"

namespace culvert::aead {
namespace {

using abi::Cipher;
using Bytes = std::vector<uint8_t>;
using vaes::kSmallBytes, vaes::kSmallTogether;
constexpr uint8_t kGuard = 0xEE;
constexpr size_t kGuards = 64;
constexpr size_t kAadLengths[] = {8, 4, 12, 16, 0, 1};

/// A packet between guard bytes, and what OpenSSL makes of it.
struct Packet {
  std::array<uint8_t, 32> key_bytes;
  std::array<uint8_t, kNonceSize> nonce;
  Bytes aad, text, buffer;
  testing::EvpAead::Sealed sealed;
  std::array<uint8_t, kTagSize> tag{};
  Key key;

  uint8_t* place() { return buffer.data() + kGuards; }
  Bytes now() { return Bytes(place(), place() + text.size()); }
  bool guards_hold() const {
    return std::all_of(buffer.begin(), buffer.begin() + kGuards, [](uint8_t byte) { return byte == kGuard; }) &&
           std::all_of(buffer.end() - kGuards, buffer.end(), [](uint8_t byte) { return byte == kGuard; });
  }
};
using Burst = std::vector<std::unique_ptr<Packet>>;

class GcmBursts : public ::testing::TestWithParam<Cipher> {
 protected:
  void SetUp() override {
    if (!gcm_vaes_supported()) GTEST_SKIP() << "this CPU lacks VAES or AVX-512";
    engine = *make_engine();
  }

  std::unique_ptr<Packet> packet(size_t length, size_t aad_length) {
    auto made = std::make_unique<Packet>();
    auto fill = [this](auto& bytes) { std::generate(bytes.begin(), bytes.end(), [this] { return random(); }); };
    made->text.resize(length);
    made->aad.resize(aad_length);
    fill(made->key_bytes), fill(made->nonce), fill(made->aad), fill(made->text);
    made->buffer.assign(kGuards + length + kGuards, kGuard);
    std::copy(made->text.begin(), made->text.end(), made->place());
    made->sealed = testing::EvpAead{GetParam(), made->key_bytes}.seal(made->nonce, made->aad, made->text);
    engine->expand(GetParam(), made->key_bytes, made->key);
    return made;
  }
  Burst burst(const std::vector<size_t>& lengths) {
    Burst made;
    for (size_t length : lengths) made.push_back(packet(length, kAadLengths[made.size() % std::size(kAadLengths)]));
    return made;
  }
  std::vector<Job> jobs_of(Burst& packets) const {
    std::vector<Job> jobs;
    for (auto& one : packets)
      jobs.push_back({&one->key, one->place(), one->aad.data(), one->tag.data(),
                      static_cast<uint32_t>(one->text.size()), GetParam(), static_cast<uint8_t>(one->aad.size()), false,
                      one->nonce});
    return jobs;
  }
  /// Seals the burst and opens it again.
  void check(const std::vector<size_t>& lengths) {
    Burst packets = burst(lengths);
    std::vector<Job> jobs = jobs_of(packets);
    engine->seal(jobs);
    for (size_t i = 0; i < packets.size(); ++i) {
      ASSERT_EQ(packets[i]->now(), packets[i]->sealed.text) << "packet " << i << " of " << lengths[i] << " bytes";
      ASSERT_EQ(packets[i]->tag, packets[i]->sealed.tag) << "packet " << i << " of " << lengths[i] << " bytes";
    }
    engine->open(jobs);
    for (size_t i = 0; i < packets.size(); ++i) {
      ASSERT_TRUE(jobs[i].authentic) << "packet " << i << " of " << lengths[i] << " bytes";
      ASSERT_EQ(packets[i]->now(), packets[i]->text) << "packet " << i << " of " << lengths[i] << " bytes";
      ASSERT_TRUE(packets[i]->guards_hold()) << "packet " << i << " of " << lengths[i] << " bytes";
    }
  }

  std::unique_ptr<Engine> engine;
  std::independent_bits_engine<std::mt19937, 8, uint32_t> random{23};
};

TEST_P(GcmBursts, EveryLengthInEveryPlace) {
  for (size_t length = 0; length <= kSmallBytes; ++length)
    for (size_t place = 0; place < kSmallTogether; ++place) {
      std::vector<size_t> lengths(kSmallTogether);
      for (size_t i = 0; i < kSmallTogether; ++i) lengths[i] = (length + 17 * (i + kSmallTogether - place)) % 65;
      ASSERT_NO_FATAL_FAILURE(check(lengths));
    }
}

TEST_P(GcmBursts, BurstsOfEverySize) {
  for (size_t size = 1; size <= 4 * kSmallTogether + 1; ++size) {
    std::vector<size_t> lengths(size);
    for (size_t i = 0; i < size; ++i) lengths[i] = (7 * size + 13 * i) % 65;
    ASSERT_NO_FATAL_FAILURE(check(lengths));
  }
}

TEST_P(GcmBursts, LargePacketsInBetween) {
  for (size_t large : {65, 128, 600, 1400})
    for (size_t place = 0; place < 11; ++place) {
      std::vector<size_t> lengths(11, 40);
      lengths[place] = large;
      ASSERT_NO_FATAL_FAILURE(check(lengths));
      lengths[10 - place] = 64;
      ASSERT_NO_FATAL_FAILURE(check(lengths));
    }
}

/// Lengths that differ in what their kernels see: each number of vectors at once, whole and with a block and a byte
/// less and more; groups in front of each of those.
std::vector<size_t> kinds() {
  std::vector<size_t> all;
  for (size_t vectors = 1; vectors * 64 <= vaes::kLastBytes; ++vectors)
    for (size_t length : {64 * vectors - 16, 64 * vectors - 1, 64 * vectors})
      for (size_t groups : {size_t{0}, size_t{1}, size_t{2}}) all.push_back(groups * vaes::kGroupBytes + length);
  return all;
}

TEST_P(GcmBursts, EveryNumberOfVectorsBehindEveryOther) {
  std::vector<size_t> first = kinds();
  for (size_t apart = 0; apart < first.size(); ++apart) {
    std::vector<size_t> lengths;
    for (size_t i = 0; i < first.size(); ++i) {
      lengths.push_back(first[i]);
      lengths.push_back(first[(i + apart) % first.size()]);
    }
    ASSERT_NO_FATAL_FAILURE(check(lengths));
  }
}

TEST_P(GcmBursts, LongOnesInARow) {
  for (size_t length : {65, 128, 300, 512, 576, 577, 1088, 1400, 1500})
    for (size_t size : {1, 2, 3, 16})
      ASSERT_NO_FATAL_FAILURE(check(std::vector<size_t>(size, static_cast<size_t>(length))));
}

TEST_P(GcmBursts, AllSizesMixed) {
  for (size_t size : {5, 16, 64, 65, 150})
    for (int round = 0; round < 6; ++round) {
      std::vector<size_t> lengths(static_cast<size_t>(size));
      for (size_t& length : lengths) {
        constexpr size_t kUpTo[] = {65, 65, 577, 1501};
        length = (size_t{random()} << 8 | random()) % kUpTo[random() % std::size(kUpTo)];
      }
      ASSERT_NO_FATAL_FAILURE(check(lengths));
    }
}

TEST_P(GcmBursts, AForgedOneIsRefusedAndDisturbsNobody) {
  for (size_t bad = 0; bad < kSmallTogether; ++bad)
    for (int what = 0; what < 4; ++what) {
      Burst packets = burst({64, 40, 1, 52});
      std::vector<Job> jobs = jobs_of(packets);
      engine->seal(jobs);
      Packet& forged = *packets[bad];
      std::array<uint8_t*, 4> places = {forged.tag.data() + 15, forged.place(), forged.aad.data(),
                                        jobs[bad].nonce.data()};
      *places[static_cast<size_t>(what)] ^= 0x80;
      engine->open(jobs);
      for (size_t i = 0; i < packets.size(); ++i) {
        EXPECT_EQ(jobs[i].authentic, i != bad) << "packet " << i << ", forged " << bad << ", way " << what;
        if (i != bad) {
          EXPECT_EQ(packets[i]->now(), packets[i]->text);
        }
      }
    }
}

// Reading or writing a byte more would end the program.
TEST_P(GcmBursts, UpToTheEdgeOfAPage) {
  auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  std::array<uint8_t*, kSmallTogether> pages;
  for (uint8_t*& at : pages) {
    void* memory = mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(memory, MAP_FAILED);
    at = static_cast<uint8_t*>(memory);
    ASSERT_EQ(mprotect(at + page, page, PROT_NONE), 0);
  }
  for (size_t length = 0; length <= kSmallBytes; ++length) {
    Burst packets = burst(std::vector<size_t>(kSmallTogether, length));
    std::vector<Job> jobs = jobs_of(packets);
    for (size_t i = 0; i < jobs.size(); ++i) {
      jobs[i].text = pages[i] + page - length;
      std::copy(packets[i]->text.begin(), packets[i]->text.end(), jobs[i].text);
    }
    engine->seal(jobs);
    engine->open(jobs);
    for (size_t i = 0; i < jobs.size(); ++i) {
      EXPECT_TRUE(jobs[i].authentic) << length;
      EXPECT_TRUE(std::equal(packets[i]->text.begin(), packets[i]->text.end(), jobs[i].text)) << length;
    }
  }
  for (uint8_t* at : pages) munmap(at, 2 * page);
}

std::string name_of(const ::testing::TestParamInfo<Cipher>& test) {
  constexpr std::array kNames = {"", "AES128GCM", "AES192GCM", "AES256GCM"};
  return kNames[static_cast<size_t>(test.param)];
}
INSTANTIATE_TEST_SUITE_P(All, GcmBursts, ::testing::Values(Cipher::kAes128Gcm, Cipher::kAes192Gcm, Cipher::kAes256Gcm),
                         name_of);

}  // namespace
}  // namespace culvert::aead
