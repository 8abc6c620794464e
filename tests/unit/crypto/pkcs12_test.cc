#include "control/crypto/pkcs12.h"

#include <gtest/gtest.h>

#include "control/crypto/base64.h"
#include "control/crypto/certificate.h"
#include "control/crypto/tls.h"
#include "tests/unit/support/pkcs12_files.h"

namespace culvert::crypto {
namespace {

std::string bytes_of_base64(std::string_view text) {
  auto bytes = base64_decode(text);
  return bytes ? std::string(bytes->begin(), bytes->end()) : "";
}

TEST(Pkcs12, HoldsKeyCertificateAndAuthority) {
  for (auto [file, password] : {std::pair{testing::kOpenPkcs12, ""}, std::pair{testing::kProtectedPkcs12, "secret"}}) {
    auto parts = read_pkcs12(bytes_of_base64(file), password);
    ASSERT_TRUE(parts) << parts.error();
    TlsSettings settings;
    settings.ca_pem = parts->authorities_pem;
    settings.certificate_pem = parts->certificate_pem;
    settings.key_pem = parts->key_pem;
    auto context = TlsContext::make(settings);
    EXPECT_TRUE(context) << (context ? "" : context.error());
  }
}

TEST(Pkcs12, ErrorsSayWhatIsWrong) {
  const std::string file = bytes_of_base64(testing::kProtectedPkcs12);
  EXPECT_EQ(read_pkcs12(file, "").error(), "is protected by a password: name a file that holds it with askpass");
  EXPECT_EQ(read_pkcs12(file, "wrong").error(), "the password of askpass does not open it");
  EXPECT_EQ(read_pkcs12("-----BEGIN", "").error(), "is not a PKCS #12 file");
  EXPECT_EQ(read_pkcs12("", "").error(), "is not a PKCS #12 file");
  for (size_t size = 1; size < file.size(); size += 37) EXPECT_FALSE(read_pkcs12(file.substr(0, size), "secret"));
}

}  // namespace
}  // namespace culvert::crypto
