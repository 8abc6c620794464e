#include "control/crypto/base64.h"

#include <gtest/gtest.h>

#include "control/crypto/primitives.h"

namespace culvert::crypto {
namespace {

// RFC 4648, section 10.
const std::pair<const char*, const char*> kVectors[] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
};

TEST(Base64, GivesTheAnswersOfTheRfcBothWays) {
  for (auto [plain, text] : kVectors) {
    EXPECT_EQ(base64_encode(bytes_of(plain)), text);
    auto decoded = base64_decode(text);
    ASSERT_TRUE(decoded) << text;
    EXPECT_EQ(std::string(decoded->begin(), decoded->end()), plain);
  }
}

TEST(Base64, TakesOnlyTheOneFormOfEachText) {
  for (const char* text : {"Z", "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", " Zm9v", "Zm9v\n", "Zm9v    ", "Zm9v\nZm9v",
                           "Zm 9", "Zm_v", "====", "Zg==Zg==", "Zm9v\xff\xff\xff\xff"})
    EXPECT_FALSE(base64_decode(text)) << text;
  EXPECT_FALSE(base64_decode(std::string_view("Zm\0v", 4)));
}

}  // namespace
}  // namespace culvert::crypto
