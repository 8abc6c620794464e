// Keys of epochs against vectors that Python's standard library computed (tests/vectors/openvpn/make_epoch_vectors.py).
#include "dataplane/session/epoch_keys.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <vector>

#include "dataplane/crypto/engine.h"
#include "tests/unit/support/evp_aead.h"

namespace culvert::session {
namespace {

using abi::Cipher;

std::vector<uint8_t> from_hex(const std::string& text) {
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2)
    bytes.push_back(static_cast<uint8_t>(std::stoul(text.substr(i, 2), nullptr, 16)));
  return bytes;
}

struct Line {
  uint16_t epoch;
  std::vector<uint8_t> secret, key32, key24, key16, iv;
};

std::vector<Line> vectors() {
  std::ifstream file(CULVERT_VECTORS "/openvpn/epoch-keys.txt");
  std::vector<Line> lines;
  for (std::string text; std::getline(file, text);) {
    if (text.starts_with("#")) continue;
    std::istringstream words(text);
    Line line{};
    std::string fields[5];
    words >> line.epoch >> fields[0] >> fields[1] >> fields[2] >> fields[3] >> fields[4];
    line.secret = from_hex(fields[0]), line.key32 = from_hex(fields[1]), line.key24 = from_hex(fields[2]);
    line.key16 = from_hex(fields[3]), line.iv = from_hex(fields[4]);
    lines.push_back(line);
  }
  return lines;
}

class EpochKeys : public ::testing::TestWithParam<Cipher> {};

TEST_P(EpochKeys, AreTheOnesOfAnIndependentComputation) {
  auto engine = *aead::make_engine();
  EpochSecret secret;
  size_t seen = 0;
  for (const Line& line : vectors()) {
    if (line.epoch == 1) {
      secret.epoch = 1;
      std::copy(line.secret.begin(), line.secret.end(), secret.bytes.begin());
    } else {
      advance(*engine, secret);
    }
    ASSERT_EQ(secret.epoch, line.epoch);
    ASSERT_EQ(std::vector<uint8_t>(secret.bytes.begin(), secret.bytes.end()), line.secret);
    aead::Key key;
    EpochIv iv;
    derive(*engine, secret, GetParam(), key, iv);
    EXPECT_EQ(std::vector<uint8_t>(iv.begin(), iv.end()), line.iv);

    // The expanded key is the engine's own affair: what it seals tells whether it is the right one.
    const auto& bytes = GetParam() == Cipher::kAes128Gcm   ? line.key16
                        : GetParam() == Cipher::kAes192Gcm ? line.key24
                                                           : line.key32;
    testing::EvpAead reference{GetParam(), {}};
    std::copy(bytes.begin(), bytes.end(), reference.key.begin());
    std::vector<uint8_t> text(100, 0x5A);
    std::array<uint8_t, 12> aad{};
    auto expected = reference.seal(iv, aad, text);
    std::array<uint8_t, 16> tag;
    aead::Job job{&key, text.data(), aad.data(), tag.data(), 100, GetParam(), 12, false, iv};
    engine->seal({&job, 1});
    EXPECT_EQ(text, expected.text);
    EXPECT_EQ(tag, expected.tag);
    ++seen;
  }
  EXPECT_EQ(seen, 24u);
}

INSTANTIATE_TEST_SUITE_P(All, EpochKeys,
                         ::testing::Values(Cipher::kAes128Gcm, Cipher::kAes192Gcm, Cipher::kAes256Gcm,
                                           Cipher::kChacha20Poly1305));

}  // namespace
}  // namespace culvert::session
