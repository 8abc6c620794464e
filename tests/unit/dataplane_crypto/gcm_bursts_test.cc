// AES-GCM in bursts against OpenSSL, by every kernel of our own, each packet under its own key: small ones, which
// AVX-512 takes four side by side, in bursts of every size up to a few fours, all lengths mixed; longer ones, whose end
// is hashed beside the next one's start there, behind every other kind; and all of them in one burst.
#include "dataplane/crypto/gcm_small_vaes.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <random>
#include <tuple>
#include <vector>

#include "dataplane/crypto/engine.h"
#include "dataplane/crypto/gcm_narrow.h"
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

/// The kernel of one level, and what a packet is to it.
struct Kernel {
  Level level;
  bool (*supported)();
  size_t vector;     ///< bytes
  size_t last_most;  ///< vectors behind the last full group
  size_t group;      ///< bytes
};
constexpr Kernel kKernels[] = {
    {Level::kAvx512, gcm_vaes_supported, 64, vaes::kLastBytes / 64, vaes::kGroupBytes},
    {Level::kVaes, gcm_vaes256_supported, 32, 8, 256},
    {Level::kAvx2, gcm_aesni_supported, 16, 8, 128},
};

class GcmBursts : public ::testing::TestWithParam<std::tuple<Cipher, Kernel>> {
 protected:
  void SetUp() override {
    if (!kernel.supported()) GTEST_SKIP() << "this CPU lacks " << to_text(kernel.level);
    engine = *make_engine(kernel.level);
  }

  std::unique_ptr<Packet> packet(size_t length, size_t aad_length) {
    auto made = std::make_unique<Packet>();
    auto fill = [this](auto& bytes) { std::generate(bytes.begin(), bytes.end(), [this] { return random(); }); };
    made->text.resize(length);
    made->aad.resize(aad_length);
    fill(made->key_bytes), fill(made->nonce), fill(made->aad), fill(made->text);
    made->buffer.assign(kGuards + length + kGuards, kGuard);
    std::copy(made->text.begin(), made->text.end(), made->place());
    made->sealed = testing::EvpAead{cipher, made->key_bytes}.seal(made->nonce, made->aad, made->text);
    engine->expand(cipher, made->key_bytes, made->key);
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
                      static_cast<uint32_t>(one->text.size()), cipher, static_cast<uint8_t>(one->aad.size()), false,
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

  const Cipher cipher = std::get<0>(GetParam());
  const Kernel kernel = std::get<1>(GetParam());
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

/// Lengths that differ in what the kernel sees: each number of vectors behind the last group, whole, and with a block
/// (or half a vector) and a byte less; groups in front of each of those.
std::vector<size_t> kinds(const Kernel& kernel) {
  std::vector<size_t> all;
  const size_t less = std::min<size_t>(16, kernel.vector / 2);
  for (size_t vectors = 1; vectors <= kernel.last_most; ++vectors)
    for (size_t length : {kernel.vector * vectors - less, kernel.vector * vectors - 1, kernel.vector * vectors})
      for (size_t groups : {size_t{0}, size_t{1}, size_t{2}}) all.push_back(groups * kernel.group + length);
  return all;
}

TEST_P(GcmBursts, EveryNumberOfVectorsBehindEveryOther) {
  std::vector<size_t> first = kinds(kernel);
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

/// A page with none in front of it and none behind it.
class LonePage {
 public:
  LonePage() {
    void* memory = mmap(nullptr, 3 * size_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT_NE(memory, MAP_FAILED);
    start_ = static_cast<uint8_t*>(memory) + size_;
    EXPECT_EQ(mprotect(start_, size_, PROT_READ | PROT_WRITE), 0);
  }
  ~LonePage() { munmap(start_ - size_, 3 * size_); }
  LonePage(const LonePage&) = delete;
  LonePage& operator=(const LonePage&) = delete;

  uint8_t* start() const { return start_; }
  uint8_t* end() const { return start_ + size_; }

 private:
  const size_t size_ = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  uint8_t* start_;
};

// Reading or writing a byte more, in front of the text or behind it, would end the program.
TEST_P(GcmBursts, UpToTheEdgesOfAPage) {
  std::array<LonePage, kSmallTogether> pages;
  const size_t longest = kernel.group + 2 * kernel.vector + kSmallBytes;
  for (size_t length = 0; length <= longest; ++length)
    for (bool at_end : {true, false}) {
      Burst packets = burst(std::vector<size_t>(kSmallTogether, length));
      std::vector<Job> jobs = jobs_of(packets);
      for (size_t i = 0; i < jobs.size(); ++i) {
        jobs[i].text = at_end ? pages[i].end() - length : pages[i].start();
        std::copy(packets[i]->text.begin(), packets[i]->text.end(), jobs[i].text);
      }
      engine->seal(jobs);
      for (size_t i = 0; i < jobs.size(); ++i) ASSERT_EQ(packets[i]->tag, packets[i]->sealed.tag) << length;
      engine->open(jobs);
      for (size_t i = 0; i < jobs.size(); ++i) {
        EXPECT_TRUE(jobs[i].authentic) << length;
        EXPECT_TRUE(std::equal(packets[i]->text.begin(), packets[i]->text.end(), jobs[i].text)) << length;
      }
    }
}

std::string name_of(const ::testing::TestParamInfo<std::tuple<Cipher, Kernel>>& test) {
  constexpr std::array kNames = {"", "AES128GCM", "AES192GCM", "AES256GCM"};
  return std::string(kNames[static_cast<size_t>(std::get<0>(test.param))]) + "UpTo" +
         std::string(to_text(std::get<1>(test.param).level));
}
INSTANTIATE_TEST_SUITE_P(All, GcmBursts,
                         ::testing::Combine(::testing::Values(Cipher::kAes128Gcm, Cipher::kAes192Gcm,
                                                              Cipher::kAes256Gcm),
                                            ::testing::ValuesIn(kKernels)),
                         name_of);

}  // namespace
}  // namespace culvert::aead
