// Both files together: what each has a say in, and the examples in conf/.
#include "control/config/load.h"

#include <gtest/gtest.h>

#include "control/crypto/certificate.h"
#include "dataplane/abi/endpoint_text.h"
#include "tests/unit/config/support.h"

namespace culvert::config::test {
namespace {

struct Loaded {
  std::optional<Configuration> configuration;
  std::string findings;
};

Loaded load_texts(const std::string& toml, const std::string& conf, MemoryLoader loader = real_files_below("etc")) {
  loader.files["etc/culvert.toml"] = {toml, 0644};
  loader.files["etc/server.conf"] = {conf, 0644};
  Report report;
  Loaded loaded;
  loaded.configuration = load("etc/culvert.toml", loader, report);
  for (const Diagnostic& diagnostic : report.all()) loaded.findings += to_text(diagnostic) + "\n";
  return loaded;
}

const std::string kToml = "[[openvpn]]\nconfig = \"server.conf\"\n";

TEST(Load, TheTunComesFromBoth) {
  Loaded loaded = load_texts(kToml, std::string(kBase) + "server-ipv6 fd12::/64\n");
  EXPECT_EQ(loaded.findings, "");
  ASSERT_TRUE(loaded.configuration);
  const abi::OpenTun& tun = loaded.configuration->tun;
  EXPECT_STREQ(tun.name.data(), "culvert0");
  EXPECT_EQ(tun.mtu, 1500u);
  EXPECT_EQ(tun.tx_queue_length, 1000u);
  EXPECT_EQ(abi::to_text(tun.addresses[0].address), "10.8.0.1");
  EXPECT_EQ(tun.addresses[0].prefix, 24);
  EXPECT_EQ(abi::to_text(tun.addresses[1].address), "fd12::1");
  EXPECT_EQ(tun.addresses[1].prefix, 64);
  EXPECT_EQ(tun.addresses[2].address.family, abi::Family::kNone);
}

TEST(Load, LimitsOfClientsAreEveryServers) {
  Loaded loaded = load_texts("[clients]\nlimit_out = \"20M\"\n" + kToml, kBase);
  EXPECT_EQ(loaded.findings, "");
  ASSERT_TRUE(loaded.configuration);
  EXPECT_EQ(loaded.configuration->servers[0].limits.rate, (abi::SessionLimit{0, 20'000'000}));
}

TEST(Load, ThisGoesFirst) {
  std::string conf = std::string(kBase) + "dev tun9\ntxqueuelen 50\nverb 0\nuser a\ngroup b\ntun-mtu 1400\n";
  Loaded loaded = load_texts(kToml, conf);
  ASSERT_TRUE(loaded.configuration) << loaded.findings;
  EXPECT_STREQ(loaded.configuration->tun.name.data(), "tun9");
  EXPECT_EQ(loaded.configuration->tun.tx_queue_length, 50u);
  EXPECT_EQ(loaded.configuration->tun.mtu, 1400u);
  EXPECT_EQ(loaded.configuration->log_level, openvpn::LogLevel::kError);
  EXPECT_EQ(loaded.configuration->user, "a");
  EXPECT_EQ(loaded.configuration->group, "b");

  loaded = load_texts(
      "[tun]\nname = \"x\"\ntxqueuelen = 7\nmtu = 1400\n[log]\nlevel = \"debug\"\n[control]\nuser = \"c\"\n" + kToml,
      conf);
  ASSERT_TRUE(loaded.configuration) << loaded.findings;
  EXPECT_STREQ(loaded.configuration->tun.name.data(), "x");
  EXPECT_EQ(loaded.configuration->tun.tx_queue_length, 7u);
  EXPECT_EQ(loaded.configuration->log_level, openvpn::LogLevel::kDebug);
  EXPECT_EQ(loaded.configuration->user, "c");
  EXPECT_EQ(loaded.configuration->group, "b");
}

TEST(Load, Findings) {
  EXPECT_EQ(load_texts("[tun]\nmtu = 1300\n" + kToml, std::string(kBase) + "tun-mtu 1400\n").findings,
            "etc/culvert.toml: error: [tun] mtu is 1300, but etc/server.conf says tun-mtu 1400: remove one of them\n");
  EXPECT_EQ(load_texts("[tun]\nmtu = 1200\n" + kToml, std::string(kBase) + "server-ipv6 fd12::/64\n").findings,
            "etc/culvert.toml: error: [tun] mtu: IPv6 needs at least 1280 (RFC 8200, section 5)\n");
  EXPECT_TRUE(
      load_texts(kToml + kToml, kBase)
          .findings.starts_with("etc/server.conf: error: two [[openvpn]] blocks name this file: remove one of them\n"));
  EXPECT_EQ(load_texts("[[openvpn]]\nconfig = \"none.conf\"\n", kBase).findings,
            "etc/culvert.toml:1: error: [[openvpn]] config etc/none.conf: no such file\n");
  Loaded limited = load_texts("[dataplane]\nsessions = 10\n" + kToml, kBase);
  EXPECT_EQ(limited.findings,
            "etc/culvert.toml: warning: max-clients of etc/server.conf is 1024, but there is room for 10 sessions: "
            "that is the "
            "limit; raise [dataplane] sessions\n");
  ASSERT_TRUE(limited.configuration);
  EXPECT_EQ(limited.configuration->servers[0].settings.max_clients, 10u);
}

TEST(Load, ErrorsOfBothFilesAtOnce) {
  Loaded loaded = load_texts("[tun]\nmtuu = 1\n" + kToml, std::string(kBase) + "blubber\n");
  EXPECT_FALSE(loaded.configuration);
  EXPECT_NE(loaded.findings.find("etc/culvert.toml:2: error: [tun] mtuu"), std::string::npos);
  EXPECT_NE(loaded.findings.find("etc/server.conf:9: error: blubber"), std::string::npos);
}

TEST(Load, BrokenCertificatesAndKeysSayWhere) {
  MemoryLoader broken = real_files_below("etc");
  broken.files["etc/server.key"].bytes = "-----BEGIN PRIVATE KEY-----\nbm90IGEga2V5\n-----END PRIVATE KEY-----\n";
  EXPECT_TRUE(load_texts(kToml, kBase, broken).findings.starts_with("etc/server.conf:5: error: key: etc/server.key: "));

  MemoryLoader foreign = real_files_below("etc");
  crypto::Validity validity{std::chrono::sys_seconds{}, std::chrono::sys_seconds{std::chrono::hours(24 * 36500)}};
  foreign.files["etc/server.key"].bytes = crypto::make_authority("other", validity)->key_pem;
  Loaded loaded = load_texts(kToml, kBase, foreign);
  EXPECT_FALSE(loaded.configuration);
  EXPECT_TRUE(
      loaded.findings.starts_with("etc/server.conf:5: error: key: etc/server.key: the private key does not fit"));

  EXPECT_TRUE(load_texts(kToml, std::string(kBase) + "tls-groups nonsense\n")
                  .findings.starts_with("etc/server.conf:9: error: tls-groups: "));
  EXPECT_NE(load_texts(kToml, std::string(kBase) + "crl-verify crl.pem\n").configuration->servers[0].settings.tls,
            nullptr);
}

TEST(Load, SeveralServerBlocks) {
  const std::string toml = kToml + "[[openvpn]]\nconfig = \"tcp.conf\"\n";
  std::string base = kBase;
  std::string second = base;
  second.replace(second.find("10.8.0.0"), 8, "10.9.0.0");
  auto load_both = [&](const std::string& first_more, const std::string& second_text) {
    MemoryLoader files = real_files_below("etc");
    files.files["etc/tcp.conf"] = {second_text, 0600};
    return load_texts(toml, base + first_more, files);
  };
  Loaded loaded = load_both("user a\nverb 1\n", second + "proto tcp-server\nverb 4\ngroup b\n");
  ASSERT_TRUE(loaded.configuration) << loaded.findings;
  EXPECT_EQ(loaded.configuration->servers.size(), 2u);
  EXPECT_EQ(abi::to_text(loaded.configuration->tun.addresses[0].address), "10.8.0.1");
  EXPECT_EQ(abi::to_text(loaded.configuration->tun.addresses[1].address), "10.9.0.1");
  EXPECT_EQ(loaded.configuration->user, "a");
  EXPECT_EQ(loaded.configuration->group, "b");
  EXPECT_EQ(loaded.configuration->log_level, openvpn::LogLevel::kDebug);

  auto finds = [&](const std::string& first_more, const std::string& second_text, const std::string& finding) {
    std::string findings = load_both(first_more, second_text).findings;
    EXPECT_NE(findings.find("etc/tcp.conf: " + finding), std::string::npos) << findings;
  };
  finds("", base + "proto tcp-server\n", "error: its IPv4 network overlaps that of etc/server.conf");
  finds("server-ipv6 fd12::/64\n", second + "server-ipv6 fd12::/112\nport 2\n", "error: its IPv6 network overlaps");
  finds("", second, "error: UDP 0.0.0.0:1194 is taken by etc/server.conf: use another port");
  finds("", second + "local 192.0.2.1\n", "error: UDP 192.0.2.1:1194 is taken by etc/server.conf");
  finds("", second + "port 2\ntun-mtu 1400\n", "error: tun-mtu is 1400, but 1500 in etc/server.conf");
  finds("user a\n", second + "port 2\nuser b\n", "error: user b: another server block says a");
  finds("dev tun0\n", second + "port 2\ndev tun1\n", "warning: dev tun1 is not made: all server blocks share one TUN");
  const std::string logs = load_both("log a.log\n", second + "port 2\nlog b.log\n").findings;
  EXPECT_NE(
      logs.find("etc/server.conf: warning: log etc/a.log stays empty: one process serves all server blocks, and its "
                "log goes to etc/b.log, as etc/tcp.conf says"),
      std::string::npos)
      << logs;
  EXPECT_EQ(load_both("log a.log\n", second + "port 2\nlog a.log\n").findings.find("stays empty"), std::string::npos);
}

TEST(Load, NoFile) {
  DiskLoader disk;
  Report report;
  EXPECT_FALSE(load("/nonexistent/culvert.toml", disk, report));
  EXPECT_EQ(to_text(report.all()[0]),
            "/nonexistent/culvert.toml: error: no such file; `culvert init` makes a configuration");
}

}  // namespace
}  // namespace culvert::config::test
