#include "perf/common/profile.h"

#include <gtest/gtest.h>

#include <chrono>
#include <fstream>

#include "control/openvpn/negotiate.h"
#include "control/pki/pki.h"
#include "tests/unit/support/temporary_folder.h"

namespace culvert::perf {
namespace {

class ProfileTest : public ::testing::Test {
 protected:
  std::string write(const std::string& text) {
    std::string path = folder_.path() + "/client.ovpn";
    std::ofstream(path) << text;
    return path;
  }
  testing::TemporaryFolder folder_;
};

TEST_F(ProfileTest, ReadsWhatClientAddWrites) {
  auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  pki::InitOptions init;
  init.folder = folder_.path() + "/etc";
  init.host = "192.0.2.1";
  ASSERT_TRUE(pki::init(init, now));
  auto client = pki::add_client({init.folder, "alice", "192.0.2.9:1195", 825}, now);
  ASSERT_TRUE(client) << client.error();
  auto read = read_profile(client->profile, "");
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(read->remote.port, 1195);
  EXPECT_EQ(read->remote.address.bytes[3], 9);
  EXPECT_EQ(read->wrap.kind, openvpn::WrapKind::kTlsCryptV2);
  EXPECT_FALSE(read->wrap.wrapped_client_key.empty());
  EXPECT_EQ(read->data_ciphers.size(), 3u);
  EXPECT_TRUE(read->tls);
  EXPECT_EQ(read->capabilities & openvpn::iv_proto::kEpochKeys, 0u);
  auto one = read_profile(client->profile, "CHACHA20-POLY1305");
  ASSERT_TRUE(one) << one.error();
  EXPECT_EQ(one->data_ciphers, std::vector{abi::Cipher::kChacha20Poly1305});
}

TEST_F(ProfileTest, SaysWhatItCannotUse) {
  for (auto [text, wanted] : {std::pair{"client\n", "has no remote"},
                              {"remote vpn.example.org 1194\n", "no resolver"},
                              {"remote 192.0.2.1 port\n", "is no port"},
                              {"remote 192.0.2.1 1194\nca ca.crt\n", "inline"},
                              {"remote 192.0.2.1 1194\n<tls-crypt>\nx\n</tls-crypt>\n", "tls-crypt: "},
                              {"remote 192.0.2.1 1194\n<tls-auth>\nx\n</tls-auth>\n", "tls-auth: "},
                              {"remote 192.0.2.1 1194\ndata-ciphers AES-256-CBC\n", "no AEAD cipher"},
                              {"remote 192.0.2.1 1194\n<ca>\nnonsense\n</ca>\n", "client.ovpn: "}}) {
    auto read = read_profile(write(text), "");
    ASSERT_FALSE(read) << text;
    EXPECT_NE(read.error().find(wanted), std::string::npos) << text << read.error();
  }
  EXPECT_FALSE(read_profile(folder_.path() + "/nobody.ovpn", ""));
}

}  // namespace
}  // namespace culvert::perf
