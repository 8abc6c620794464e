// init: files on disk that the crypto module and the configuration parsers take, or none at all.
#include "control/config/load.h"
#include "control/crypto/certificate.h"
#include "control/openvpn/key_files.h"
#include "tests/unit/pki/support.h"

namespace culvert::pki::test {
namespace {

TEST_F(PkiTest, InitMakesAConfigurationThatLoadsWithoutAWarning) {
  auto report = init(options(), kNow);
  ASSERT_TRUE(report) << report.error();
  EXPECT_EQ(report->toml, (folder_ / "culvert.toml").string());
  for (const std::string& file : report->files) EXPECT_TRUE(fs::is_regular_file(file)) << file;

  config::DiskLoader disk;
  config::Report findings;
  auto loaded = config::load(report->toml, disk, findings);
  for (const auto& finding : findings.all()) ADD_FAILURE() << to_text(finding);
  ASSERT_TRUE(loaded);
  const config::ServerConfig& server = loaded->servers[0];
  EXPECT_EQ(server.settings.wrap.kind, openvpn::WrapKind::kTlsCryptV2);
  EXPECT_TRUE(server.settings.wrap.force_cookie);
  EXPECT_EQ(server.tls.peer.usage, crypto::PeerUsage::kClient);
  EXPECT_EQ(server.crl_file, (folder_ / "crl.pem").string());
  EXPECT_EQ(server.pool4->prefix, 24);
  EXPECT_EQ(server.pool6->network[0], 0xFD);
  EXPECT_EQ(server.pool6->prefix, 112);
  EXPECT_EQ(server.settings.ping, seconds(10));
}

TEST_F(PkiTest, InitTakesItsOptions) {
  InitOptions chosen = options();
  chosen.port = 443;
  chosen.pool4 = "172.16.0.0/16";
  chosen.pool6 = "fd12::/64";
  chosen.dns = {"9.9.9.9", "2620:fe::fe"};
  chosen.redirect_gateway = true;
  ASSERT_TRUE(init(chosen, kNow));
  config::DiskLoader disk;
  config::Report findings;
  auto loaded = config::load(folder_ / "culvert.toml", disk, findings);
  ASSERT_TRUE(loaded);
  const config::ServerConfig& server = loaded->servers[0];
  EXPECT_EQ(server.listen[0].local.port, 443);
  EXPECT_EQ(server.pool4->prefix, 16);
  EXPECT_EQ(server.pool6->prefix, 64);
  ASSERT_GE(server.push.size(), 3u);
  EXPECT_EQ(server.push[0], "redirect-gateway def1 ipv6");
  EXPECT_EQ(server.push[1], "dhcp-option DNS 9.9.9.9");
  EXPECT_EQ(server.push[2], "dhcp-option DNS 2620:fe::fe");
  auto row = add("alice");
  ASSERT_TRUE(row);
  EXPECT_NE(text_of(row->profile).find("\nremote vpn.example.org 443\n"), std::string::npos);
}

TEST_F(PkiTest, NothingSecretCanBeReadByOthers) {
  make();
  ASSERT_TRUE(add("alice"));
  size_t secrets = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder_)) {
    auto mode = static_cast<unsigned>(entry.status().permissions());
    std::string text = entry.is_regular_file() ? text_of(entry.path()) : "";
    bool secret =
        text.find("PRIVATE KEY") != std::string::npos || text.find("tls-crypt-v2 server key") != std::string::npos;
    if (entry.is_directory()) {
      EXPECT_EQ(mode, 0700u) << entry.path();
    }
    if (secret) {
      EXPECT_EQ(mode, 0600u) << entry.path();
    }
    secrets += secret ? 1 : 0;
  }
  EXPECT_EQ(secrets, 4u);  // ca.key, server.key, the tls-crypt-v2 key, alice.ovpn
  EXPECT_EQ(static_cast<unsigned>(fs::status(folder_).permissions()), 0700u);
}

TEST_F(PkiTest, ASecondInitRefusesAndChangesNothing) {
  make();
  auto before = snapshot();
  auto again = init(options(), kNow);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error(), folder_.string() +
                               " holds a ca.crt already, and nothing is overwritten: use it, name another folder, or "
                               "move it away");
  EXPECT_EQ(snapshot(), before);
}

TEST_F(PkiTest, InitKeepsOtherFilesOfTheFolder) {
  fs::create_directory(folder_);
  std::ofstream(folder_ / "notes.txt") << "mine";
  make();
  EXPECT_EQ(text_of(folder_ / "notes.txt"), "mine");
}

TEST_F(PkiTest, InitRefusesBadOptions) {
  struct Case {
    const char* error;
    void (*change)(InitOptions&);
  };
  const Case cases[] = {
      {"no folder given", [](InitOptions& o) { o.folder = ""; }},
      {"the port can't be 0", [](InitOptions& o) { o.port = 0; }},
      {"host: '' is not a host", [](InitOptions& o) { o.host = ""; }},
      {"host: 'a b' is not a host", [](InitOptions& o) { o.host = "a b"; }},
      {"host: 'x\nup /bin/sh' is not a host", [](InitOptions& o) { o.host = "x\nup /bin/sh"; }},
      {"host: 'vpn:443' names a port, which has an option of its own", [](InitOptions& o) { o.host = "vpn:443"; }},
      {"DNS server 'dns.example.org' is not a numeric address", [](InitOptions& o) { o.dns = {"dns.example.org"}; }},
      {"'10.8.0.0' is not an IPv4 network such as 10.8.0.0/24", [](InitOptions& o) { o.pool4 = "10.8.0.0"; }},
      {"the configuration would not be valid: server: the network must be from /16 to /29",
       [](InitOptions& o) { o.pool4 = "10.8.0.0/30"; }},
      {"the configuration would not be valid: server: 10.8.0.9 has bits behind",
       [](InitOptions& o) { o.pool4 = "10.8.0.9/24"; }},
      {"'fd12' is not an IPv6 network such as", [](InitOptions& o) { o.pool6 = "fd12"; }},
      {"the configuration would not be valid: server-ipv6: the prefix length",
       [](InitOptions& o) { o.pool6 = "fd12::/48"; }},
  };
  for (const Case& c : cases) {
    InitOptions chosen = options();
    c.change(chosen);
    auto made = init(chosen, kNow);
    ASSERT_FALSE(made) << c.error;
    EXPECT_TRUE(made.error().starts_with(c.error)) << made.error();
    EXPECT_FALSE(fs::exists(folder_));
  }
}

TEST_F(PkiTest, InitThatCannotWriteLeavesNothing) {
  // A file where a folder should be, and a missing folder above: root is stopped by them too.
  InitOptions chosen = options();
  chosen.folder = top_ / "none" / "etc";
  auto made = init(chosen, kNow);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error(), chosen.folder + ": can't be made: No such file or directory; make the folder above it first");
  std::ofstream(top_ / "file") << "x";
  chosen.folder = top_ / "file";
  EXPECT_FALSE(init(chosen, kNow));

  // `clients` can't become a folder, after the folder itself was made sure of.
  fs::create_directory(folder_);
  std::ofstream(folder_ / "clients") << "x";
  made = init(options(), kNow);
  ASSERT_FALSE(made);
  EXPECT_EQ(snapshot().size(), 1u);
}

TEST_F(PkiTest, InitOnAFullDiskLeavesNothing) {
  Result<InitReport> made = Error{""};
  {
    FileSizeLimit limit(500);
    made = init(options(), kNow);
  }
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().find("File too large"), std::string::npos) << made.error();
  EXPECT_FALSE(fs::exists(folder_));
}

}  // namespace
}  // namespace culvert::pki::test
