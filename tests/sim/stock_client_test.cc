// The server engine on a loopback UDP socket against the installed OpenVPN client (`--dev null`: needs neither root nor
// a TUN): every wrap and TLS version up to "Initialization Sequence Completed", then renegotiations from both sides,
// then goodbyes. Skipped where there is no client at /usr/sbin/openvpn.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "control/openvpn/key_files.h"
#include "tests/sim/stock_rig.h"

namespace culvert::sim {
namespace {

using namespace openvpn;
using namespace std::chrono_literals;

class Stock : public ::testing::Test {
 protected:
  void SetUp() override {
    if (access(kClient, X_OK) != 0) GTEST_SKIP() << kClient << " is not installed";
    std::string name = (std::filesystem::temp_directory_path() / "culvert-stock-XXXXXX").string();
    directory_ = mkdtemp(name.data());
    Authority ca(real_now().wall);
    settings_ = server_settings();
    settings_.tls = ca.server();
    settings_.reneg_sec = 0s;
    crypto::Identity alice = ca.issue("alice", crypto::CertificateUse::kClient);
    arguments_ = {"--client",
                  "--dev",
                  "null",
                  "--ifconfig-noexec",
                  "--route-noexec",
                  "--nobind",
                  "--verb",
                  "4",
                  "--ca",
                  file("ca", ca.certificate()),
                  "--cert",
                  file("cert", alice.certificate_pem),
                  "--key",
                  file("key", alice.key_pem),
                  "--remote-cert-tls",
                  "server",
                  "--connect-retry-max",
                  "1",
                  "--resolv-retry",
                  "0",
                  "--proto",
                  "udp4"};
    ca_ = std::make_unique<Authority>(ca);
  }
  void TearDown() override {
    if (!directory_.empty()) std::filesystem::remove_all(directory_);
  }
  std::string file(const std::string& name, const std::string& content) {
    std::string path = directory_ + "/" + name;
    std::ofstream(path) << content;
    chmod(path.c_str(), 0600);
    return path;
  }
  void add(std::initializer_list<std::string> more) { arguments_.insert(arguments_.end(), more); }
  void use_wrap(WrapKind kind) {
    SeededRandom random(9);
    settings_.wrap.kind = kind;
    if (kind == WrapKind::kTlsCryptV2) {
      settings_.wrap.server_key = make_tls_crypt_v2_server_key(random);
      auto key = make_tls_crypt_v2_client_key(settings_.wrap.server_key, random, real_now().wall);
      add({"--tls-crypt-v2", file("v2.key", *write_tls_crypt_v2_client_key(*key))});
    } else if (kind != WrapKind::kNone) {
      settings_.wrap.key = make_static_key(random);
      std::string path = file("static.key", write_static_key(settings_.wrap.key));
      if (kind == WrapKind::kTlsAuth) {
        settings_.wrap.direction = 0;
        add({"--tls-auth", path, "1"});
      } else {
        add({"--tls-crypt", path});
      }
    }
  }
  std::vector<std::string> arguments(const LoopbackServer& server) {
    std::vector<std::string> all = arguments_;
    all.insert(all.end(), {"--remote", "127.0.0.1", std::to_string(server.port)});
    return all;
  }

  std::string directory_;
  ServerSettings settings_;
  std::vector<std::string> arguments_;
  std::unique_ptr<Authority> ca_;
};

constexpr const char* kDone = "Initialization Sequence Completed";

struct StockWraps : Stock, ::testing::WithParamInterface<std::tuple<WrapKind, crypto::TlsVersion>> {};

TEST_P(StockWraps, Connects) {
  auto [kind, version] = GetParam();
  settings_.tls = ca_->server(version);
  use_wrap(kind);
  LoopbackServer server(settings_);
  StockClient client(arguments(server));
  ASSERT_TRUE(server.serve(client, 20s, [&] { return client.count(kDone) > 0 || client.exited(); })) << client.text();
  EXPECT_EQ(client.count(kDone), 1u) << client.text();
  EXPECT_EQ(client.count("TLS Error"), 0u) << client.text();
  EXPECT_EQ(client.count("used inconsistently"), 0u) << client.text();
  ASSERT_EQ(server.engine().session_count(), 1u);
  client.terminate();
  EXPECT_TRUE(server.serve(client, 10s, [&] { return client.exited(); }));
}

INSTANTIATE_TEST_SUITE_P(All, StockWraps,
                         ::testing::Combine(::testing::Values(WrapKind::kNone, WrapKind::kTlsAuth, WrapKind::kTlsCrypt,
                                                              WrapKind::kTlsCryptV2),
                                            ::testing::Values(crypto::TlsVersion::kTls12, crypto::TlsVersion::kTls13)));

TEST_F(Stock, RenegotiatesFromBothSides) {
  use_wrap(WrapKind::kTlsCryptV2);
  settings_.reneg_sec = 3s;
  add({"--reneg-sec", "3"});
  LoopbackServer server(settings_);
  StockClient client(arguments(server));
  ASSERT_TRUE(server.serve(client, 40s, [&] {
    return client.exited() ||
           (server.engine().session_count() == 1 && server.engine().sessions()[0].renegotiations >= 9);
  })) << client.text();
  EXPECT_FALSE(client.exited()) << client.text();
  EXPECT_EQ(client.count(kDone), 1u) << client.text();
  EXPECT_EQ(client.count("TLS Error"), 0u) << client.text();
  EXPECT_EQ(client.count("ERROR"), 0u) << client.text();
  EXPECT_EQ(server.worker.errors(), std::vector<std::string>());
}

TEST_F(Stock, IsToldThatItIsRefused) {
  use_wrap(WrapKind::kTlsCrypt);
  LoopbackServer server(settings_);
  server.refuse = true;
  StockClient client(arguments(server));
  ASSERT_TRUE(server.serve(client, 20s, [&] { return client.exited(); })) << client.text();
  EXPECT_GE(client.count("AUTH_FAILED"), 1u) << client.text();
  EXPECT_NE(client.text().find("no entry today"), std::string::npos) << client.text();
}

TEST_F(Stock, LeavesWithExplicitExitNotify) {
  use_wrap(WrapKind::kTlsCryptV2);
  add({"--explicit-exit-notify", "1"});
  LoopbackServer server(settings_);
  StockClient client(arguments(server));
  ASSERT_TRUE(server.serve(client, 20s, [&] { return client.count(kDone) > 0; })) << client.text();
  client.terminate();
  ASSERT_TRUE(server.serve(client, 10s, [&] { return !server.ended.empty(); })) << client.text();
  EXPECT_EQ(server.ended[0].reason, EndReason::kClientExit);
  EXPECT_TRUE(server.serve(client, 10s, [&] { return client.exited(); }));
}

TEST_F(Stock, ObeysHaltAndRestart) {
  use_wrap(WrapKind::kTlsCrypt);
  for (Goodbye goodbye : {Goodbye::kHalt, Goodbye::kRestart}) {
    LoopbackServer server(settings_);
    StockClient client(arguments(server));
    ASSERT_TRUE(server.serve(client, 20s, [&] { return client.count(kDone) > 0; })) << client.text();
    server.engine().disconnect(server.engine().sessions()[0].session, goodbye, EndReason::kKilled, "test", real_now());
    server.carry_out();
    const char* expected = goodbye == Goodbye::kHalt ? "server-pushed-halt" : "server-pushed-connection-reset";
    EXPECT_TRUE(server.serve(client, 10s, [&] { return client.count(expected) > 0; })) << client.text();
  }
}

TEST_F(Stock, TakesAPushInSeveralParts) {
  use_wrap(WrapKind::kNone);
  LoopbackServer server(settings_);
  for (int i = 0; i < 60; ++i) server.push.push_back("route 192.168." + std::to_string(i) + ".0 255.255.255.0");
  StockClient client(arguments(server));
  ASSERT_TRUE(server.serve(client, 20s, [&] { return client.count(kDone) > 0; })) << client.text();
  EXPECT_GE(client.count("push-continuation"), 2u);
  EXPECT_NE(client.text().find("192.168.59.0"), std::string::npos);
}

}  // namespace
}  // namespace culvert::sim
