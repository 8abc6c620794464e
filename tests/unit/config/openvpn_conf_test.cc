// server.conf → settings: defaults, expansions, and values that are taken over.
#include <gtest/gtest.h>

#include "control/config/arguments.h"
#include "control/openvpn/key_files.h"
#include "dataplane/abi/endpoint_text.h"
#include "tests/unit/config/support.h"

namespace culvert::config::test {
namespace {

using std::chrono::seconds;
using Push = std::vector<std::string>;

/// kBase with `more` behind it; fails the test when that has errors.
ServerConfig good(const std::string& more, const std::string& warnings = "") {
  Parsed parsed = parse(kBase + more);
  EXPECT_EQ(parsed.errors, "") << more;
  EXPECT_EQ(parsed.warnings, warnings) << more;
  return parsed.config;
}

TEST(OpenvpnConf, DefaultsAreThoseOfTheReference) {
  ServerConfig config = good("");
  const openvpn::ServerSettings& s = config.settings;
  EXPECT_EQ(s.name, "etc/server.conf");
  EXPECT_EQ(s.reneg_sec, seconds(3600));
  EXPECT_EQ(s.reneg_sec_min, seconds(0));
  EXPECT_EQ(s.hand_window, seconds(60));
  EXPECT_EQ(s.tran_window, seconds(3600));
  EXPECT_EQ(s.tls_timeout, seconds(2));
  EXPECT_EQ(s.tun_mtu, 1500);
  EXPECT_EQ(s.mssfix, 1492);
  EXPECT_EQ(s.max_packet_size, 1250);
  EXPECT_EQ(s.replay_window, 64u);
  EXPECT_EQ(s.max_clients, 1024u);
  EXPECT_EQ(s.initial_per_network, 100u);
  EXPECT_FALSE(s.client_to_client);
  EXPECT_TRUE(s.may_float);
  EXPECT_FALSE(s.data_ciphers_fallback);
  EXPECT_EQ(s.data_ciphers,
            (std::vector{abi::Cipher::kAes256Gcm, abi::Cipher::kAes128Gcm, abi::Cipher::kChacha20Poly1305}));
  EXPECT_EQ(s.wrap.auth, openvpn::Digest::kSha1);
  EXPECT_EQ(config.tls.min_version, crypto::TlsVersion::kTls12);
  EXPECT_FALSE(config.tls.max_version);
  EXPECT_TRUE(config.tls.require_peer_certificate);
  EXPECT_EQ(config.tls.role, crypto::TlsRole::kServer);
  EXPECT_FALSE(config.duplicate_cn);
  EXPECT_EQ(config.exit_notify, 0);
  EXPECT_EQ(config.dev_name, "");
  ASSERT_EQ(config.listen.size(), 1u);
  EXPECT_EQ(abi::to_text(config.listen[0].local), "0.0.0.0:1194");
}

TEST(OpenvpnConf, ServerExpandsToPoolGatewayAndPushes) {
  ServerConfig config = good("server-ipv6 fd12::/64\npush \"dhcp-option DNS 10.8.0.1\"\n");
  ASSERT_TRUE(config.pool4);
  EXPECT_EQ(to_text(config.pool4->network), "10.8.0.0");
  EXPECT_EQ(config.pool4->prefix, 24);
  EXPECT_EQ(to_text(config.pool4->gateway), "10.8.0.1");
  EXPECT_EQ(to_text(config.pool4->first), "10.8.0.2");
  EXPECT_EQ(to_text(config.pool4->last), "10.8.0.254");
  ASSERT_TRUE(config.pool6);
  EXPECT_EQ(to_text(config.pool6->network), "fd12::");
  EXPECT_EQ(config.pool6->prefix, 64);
  EXPECT_EQ(to_text(config.pool6->gateway), "fd12::1");
  EXPECT_EQ(to_text(config.pool6->first), "fd12::1000");
  EXPECT_EQ(config.push, (Push{"dhcp-option DNS 10.8.0.1", "tun-ipv6", "route-gateway 10.8.0.1", "topology subnet",
                               "ping 10", "ping-restart 60"}));
  EXPECT_EQ(config.settings.ping, seconds(10));
  EXPECT_EQ(config.settings.ping_restart, seconds(120));
}

TEST(OpenvpnConf, SmallIpv6NetworksStartAtTwo) {
  EXPECT_EQ(to_text(good("server-ipv6 fd12::/112\n").pool6->first), "fd12::2");
  EXPECT_EQ(to_text(good("server-ipv6 fd12::/111\n").pool6->first), "fd12::1000");
}

TEST(OpenvpnConf, PoolsWithoutHelpers) {
  std::string base =
      "topology subnet\nremote-cert-tls client\nca ca.crt\ncert server.crt\nkey server.key\n"
      "tls-crypt tc.key\nkeepalive 10 60\nmode server\ntls-server\n";
  Parsed parsed = parse(base +
                        "ifconfig 10.9.0.1 255.255.255.0\nifconfig-pool 10.9.0.10 10.9.0.20 255.255.255.0\n"
                        "ifconfig-ipv6 fd12::1/64 fd12::2\nifconfig-ipv6-pool fd12::/64\n");
  EXPECT_EQ(parsed.errors, "");
  ASSERT_TRUE(parsed.config.pool4 && parsed.config.pool6);
  EXPECT_EQ(to_text(parsed.config.pool4->network), "10.9.0.0");
  EXPECT_EQ(to_text(parsed.config.pool4->gateway), "10.9.0.1");
  EXPECT_EQ(to_text(parsed.config.pool4->first), "10.9.0.10");
  EXPECT_EQ(to_text(parsed.config.pool4->last), "10.9.0.20");
  EXPECT_EQ(to_text(parsed.config.pool6->gateway), "fd12::1");
  EXPECT_EQ(to_text(parsed.config.pool6->first), "fd12::2");
  EXPECT_EQ(parsed.config.push, (Push{"ping 10", "ping-restart 60"}));
}

TEST(OpenvpnConf, Listening) {
  struct Case {
    const char* text;
    std::vector<std::string> endpoints;
  };
  const Case cases[] = {
      {"proto udp\nport 443\n", {"0.0.0.0:443"}},
      {"proto udp4\nlport 444\n", {"0.0.0.0:444"}},
      {"proto udp6\n", {"[::]:1194", "0.0.0.0:1194"}},
      {"proto udp6\nbind ipv6only\n", {"[::]:1194"}},
      {"local 192.0.2.1\n", {"192.0.2.1:1194"}},
      {"local 2001:db8::1\nproto udp6\n", {"[2001:db8::1]:1194"}},
      {"local *\n", {"0.0.0.0:1194"}},
      {"local ::\nproto udp6\n", {"[::]:1194", "0.0.0.0:1194"}},
      {"local ::\n", {"[::]:1194", "0.0.0.0:1194"}},
      {"local ::\nproto tcp6-server\nbind ipv6only\n", {"tcp [::]:1194"}},
      {"local 0.0.0.0\n", {"0.0.0.0:1194"}},
      {"proto tcp\n", {"tcp 0.0.0.0:1194"}},
      {"proto tcp4-server\nport 443\n", {"tcp 0.0.0.0:443"}},
      {"proto tcp6-server\n", {"tcp [::]:1194", "tcp 0.0.0.0:1194"}},
      {"local 192.0.2.1\nlocal 192.0.2.1 443 tcp-server\nlocal 2001:db8::1 53 udp6\n",
       {"192.0.2.1:1194", "tcp 192.0.2.1:443", "[2001:db8::1]:53"}},
  };
  for (const Case& c : cases) {
    ServerConfig config = good(c.text);
    std::vector<std::string> endpoints;
    for (const abi::OpenPort& port : config.listen) {
      bool is_tcp = port.local.transport == abi::Transport::kTcp;
      endpoints.push_back((is_tcp ? "tcp " : "") + abi::to_text(port.local));
    }
    EXPECT_EQ(endpoints, c.endpoints) << c.text;
  }
  ServerConfig tcp = good("proto tcp-server\ntcp-nodelay\nhand-window 30\nport-share localhost 8443\n");
  EXPECT_EQ(tcp.listen[0].no_delay, 1);
  EXPECT_EQ(tcp.listen[0].hand_window, 30u);
  EXPECT_EQ(abi::to_text(tcp.listen[0].share), "127.0.0.1:8443");
  EXPECT_NE(std::ranges::find(tcp.push, "socket-flags TCP_NODELAY"), tcp.push.end());
  EXPECT_EQ(good("proto tcp\nsocket-flags TCP_NODELAY\n").listen[0].no_delay, 1);
  ServerConfig config = good("sndbuf 1000\nrcvbuf 2000\nmark 7\nbind-dev eth0\nproto udp6\n");
  EXPECT_EQ(config.listen[0].send_buffer, 1000u);
  EXPECT_EQ(config.listen[0].receive_buffer, 2000u);
  EXPECT_EQ(config.listen[0].mark, 7u);
  EXPECT_STREQ(config.listen[0].device.data(), "eth0");
  EXPECT_EQ(config.listen[0].ipv6_only, 1);
}

TEST(OpenvpnConf, TimesAndLimits) {
  ServerConfig config = good(
      "reneg-sec 36000 30000\nhand-window 30\ntran-window 600\ntls-timeout 3\nreplay-window 128 20\nmax-clients 50\n"
      "explicit-exit-notify\nclient-to-client\nduplicate-cn\nconnect-freq-initial 50 5\nreneg-bytes 0\n");
  const openvpn::ServerSettings& s = config.settings;
  EXPECT_EQ(s.reneg_sec, seconds(36000));
  EXPECT_EQ(s.reneg_sec_min, seconds(30000));
  EXPECT_EQ(s.hand_window, seconds(30));
  EXPECT_EQ(s.tran_window, seconds(600));
  EXPECT_EQ(s.tls_timeout, seconds(3));
  EXPECT_EQ(s.replay_window, 128u);
  EXPECT_EQ(s.max_clients, 50u);
  EXPECT_EQ(s.initial_per_network, 100u);
  EXPECT_EQ(s.initial_in_all, 20000u);
  EXPECT_EQ(config.exit_notify, 1);
  EXPECT_TRUE(s.client_to_client);
  EXPECT_TRUE(config.duplicate_cn);
  EXPECT_EQ(good("explicit-exit-notify 2\n").exit_notify, 2);
  EXPECT_EQ(good("explicit-exit-notify 5\n").exit_notify, 1) << "as in the reference";
  EXPECT_EQ(good("reneg-sec 0\n").settings.reneg_sec, seconds(0));
}

TEST(OpenvpnConf, PingWithoutKeepaliveIsNotPushed) {
  std::string base(kBase);
  base.erase(base.find("keepalive"));
  Parsed parsed = parse(base + "ping 5\nping-restart 40\n");
  EXPECT_EQ(parsed.errors, "");
  EXPECT_EQ(parsed.config.settings.ping, seconds(5));
  EXPECT_EQ(parsed.config.settings.ping_restart, seconds(40));
  EXPECT_EQ(parsed.config.push, (Push{"route-gateway 10.8.0.1", "topology subnet"}));
}

TEST(OpenvpnConf, PacketSizes) {
  EXPECT_EQ(good("mssfix\n").settings.mssfix, 1492);
  EXPECT_EQ(good("mssfix 0\n").settings.mssfix, 0);
  EXPECT_EQ(good("mssfix 1400 mtu\n").settings.mssfix, 1400);
  EXPECT_EQ(good("mssfix 1400\n").settings.mssfix, 1428);
  EXPECT_EQ(good("mssfix 1300 fixed\n").settings.mssfix, 1352);
  EXPECT_EQ(good("tun-mtu 1400\n").settings.tun_mtu, 1400);
  EXPECT_EQ(good("tun-mtu 1400\n").settings.mssfix, 1452);
  EXPECT_EQ(good("mssfix 1000 mtu\ntun-mtu 1400\n").settings.mssfix, 1000);
  EXPECT_EQ(good("max-packet-size 1400\n").settings.mssfix, 1400);
  EXPECT_EQ(good("max-packet-size 1400\n").settings.max_packet_size, 1352);
  EXPECT_EQ(good("max-packet-size 1400\nmssfix 1200 mtu\n").settings.mssfix, 1200);
}

TEST(OpenvpnConf, CompressionIsItsFramingOnly) {
  using abi::Framing;
  EXPECT_EQ(good("").settings.framing, Framing::kNone);
  EXPECT_FALSE(good("").settings.compress_migrate);
  for (auto [line, framing] :
       {std::pair{"compress", Framing::kStub}, std::pair{"compress stub", Framing::kStub},
        std::pair{"compress stub-v2", Framing::kStubV2}, std::pair{"comp-lzo no", Framing::kLzoStub}}) {
    auto config = good(std::string(line) + "\n");
    EXPECT_EQ(config.settings.framing, framing) << line;
    EXPECT_FALSE(config.settings.compress_migrate) << line;
  }
  EXPECT_TRUE(good("compress migrate\n").settings.compress_migrate);
  for (const char* line :
       {"compress lz4", "compress lz4-v2", "compress lzo", "comp-lzo", "comp-lzo yes", "comp-lzo adaptive"}) {
    std::string name = std::string(line).substr(0, std::string(line).find(' '));
    auto config =
        good(std::string(line) + "\n",
             "etc/server.conf:9: warning: " + name +
                 ": nothing is compressed, because compression leaks what is encrypted (VORACLE); clients that "
                 "have it are pushed off it, as with compress migrate\n");
    EXPECT_TRUE(config.settings.compress_migrate) << line;
    EXPECT_EQ(config.settings.framing, Framing::kNone) << line;
  }
  for (const char* push : {"compress stub-v2", "compress stub", "compress", "comp-lzo no"})
    EXPECT_EQ(good("push \"" + std::string(push) + "\"\n").push.front(), push);
}

TEST(OpenvpnConf, Ciphers) {
  using enum abi::Cipher;
  EXPECT_EQ(good("data-ciphers aes-128-gcm:CHACHA20-POLY1305\n").settings.data_ciphers,
            (std::vector{kAes128Gcm, kChacha20Poly1305}));
  EXPECT_EQ(good("data-ciphers ?BF-CBC:AES-192-GCM:AES-192-GCM\n").settings.data_ciphers, std::vector{kAes192Gcm});
  EXPECT_EQ(good("data-ciphers AES-256-GCM:AES-256-CBC\n").settings.data_ciphers,
            (std::vector{kAes256Gcm, kAes256Cbc}));
  EXPECT_EQ(good("data-ciphers-fallback AES-128-CBC\n").settings.data_ciphers_fallback, kAes128Cbc);
  EXPECT_EQ(good("").settings.auth, abi::Digest::kSha1);
  EXPECT_EQ(good("auth SHA224\n").settings.auth, abi::Digest::kSha224);
  EXPECT_EQ(good("ncp-ciphers AES-256-GCM\n").settings.data_ciphers, std::vector{kAes256Gcm});
  EXPECT_EQ(good("data-ciphers-fallback AES-256-GCM\n").settings.data_ciphers_fallback, kAes256Gcm);
  good("cipher AES-256-GCM\n");
  good("cipher BF-CBC\n",
       "etc/server.conf:9: warning: cipher: has no effect here: 'BF-CBC' is not in data-ciphers, and ciphers are "
       "negotiated; "
       "for clients that can't negotiate there is data-ciphers-fallback\n");
}

TEST(OpenvpnConf, TlsPolicy) {
  ServerConfig config = good(
      "tls-version-min 1.3\ntls-version-max 1.3\ntls-ciphersuites TLS-AES-256-GCM-SHA384\ntls-groups secp256r1:X25519\n"
      "tls-cipher TLS-ECDHE-RSA-WITH-AES-256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:"
      "TLS-ECDHE-ECDSA-WITH-CHACHA20-POLY1305-SHA256:TLS-RSA-WITH-AES-128-CBC-SHA:!aNULL\n");
  EXPECT_EQ(config.tls.min_version, crypto::TlsVersion::kTls13);
  EXPECT_EQ(config.tls.max_version, crypto::TlsVersion::kTls13);
  EXPECT_EQ(config.tls.ciphersuites, "TLS_AES_256_GCM_SHA384");
  EXPECT_EQ(config.tls.groups, "prime256v1:X25519");
  EXPECT_EQ(
      config.tls.ciphers,
      "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-CHACHA20-POLY1305:AES128-SHA:!aNULL");
  EXPECT_EQ(config.tls.peer.usage, crypto::PeerUsage::kClient);
  EXPECT_EQ(good("tls-version-min 1.4 or-highest\n").tls.min_version, crypto::TlsVersion::kTls13);
  EXPECT_EQ(good("tls-version-min 1.0\n",
                 "etc/server.conf:9: warning: tls-version-min: TLS 1.0 is broken and not offered: "
                 "1.2 is the lowest\n")
                .tls.min_version,
            crypto::TlsVersion::kTls12);
}

TEST(OpenvpnConf, FilesAndInlineBlocks) {
  ServerConfig config = good("extra-certs extra.crt\ncrl-verify crl.pem\naskpass password\n");
  EXPECT_EQ(config.tls.ca_pem, "-----BEGIN CERTIFICATE-----\nca\n-----END CERTIFICATE-----\n");
  EXPECT_EQ(config.tls.certificate_pem,
            "-----BEGIN CERTIFICATE-----\nserver\n-----END CERTIFICATE-----\n"
            "-----BEGIN CERTIFICATE-----\nextra\n-----END CERTIFICATE-----\n");
  EXPECT_EQ(config.tls.key_pem, "-----BEGIN PRIVATE KEY-----\nkey\n-----END PRIVATE KEY-----\n");
  EXPECT_EQ(config.tls.crl_pem, "-----BEGIN X509 CRL-----\ncrl\n-----END X509 CRL-----\n");
  EXPECT_EQ(config.crl_file, "etc/crl.pem");
  EXPECT_EQ(config.tls.key_password, "secret");

  std::string pem = "-----BEGIN X509 CRL-----\ninline\n-----END X509 CRL-----\n";
  config = good("<crl-verify>\n" + pem + "</crl-verify>\n");
  EXPECT_EQ(config.tls.crl_pem, pem);
  EXPECT_EQ(config.crl_file, "");

  config = good("crl-verify crls dir\n");
  EXPECT_EQ(config.crl_dir, "etc/crls");
  EXPECT_EQ(config.crl_file + config.tls.crl_pem, "");
}

TEST(OpenvpnConf, ManagementAndStatus) {
  ServerConfig config = good(
      "management m.sock unix password\nmanagement-client-user nobody\nmanagement-client-group nogroup\n"
      "management-log-cache 500\nmanagement-hold\nstatus s.log 10\nstatus-version 3\n");
  ASSERT_TRUE(config.management);
  EXPECT_EQ(config.management->path, "etc/m.sock");
  EXPECT_EQ(config.management->password, "secret");
  EXPECT_EQ(config.management->client_user + ":" + config.management->client_group, "nobody:nogroup");
  EXPECT_EQ(config.management->log_lines, 500u);
  EXPECT_TRUE(config.management->hold);
  EXPECT_EQ(config.status_file, "etc/s.log");
  EXPECT_EQ(config.status_every, std::chrono::seconds(10));
  EXPECT_EQ(config.status_version, 3);

  config = good("management ::1 7505\nstatus /s.log\n");
  EXPECT_EQ(config.management->path, "");
  EXPECT_EQ(config.management->tcp.port, 7505);
  EXPECT_EQ(config.management->tcp.address.family, abi::Family::kIpv6);
  EXPECT_FALSE(config.management->hold);
  EXPECT_EQ(config.status_file, "/s.log");
  EXPECT_EQ(config.status_every, std::chrono::seconds(60));
  EXPECT_FALSE(good("").management);
}

TEST(OpenvpnConf, LogAndPidFile) {
  ServerConfig config = good("log a.log\nwritepid p\n");
  EXPECT_EQ(config.log_file + "," + config.pid_file, "etc/a.log,etc/p");
  EXPECT_FALSE(config.log_append);
  config = good("log-append /b.log\n");
  EXPECT_EQ(config.log_file, "/b.log");
  EXPECT_TRUE(config.log_append);
  EXPECT_EQ(good("syslog\n").syslog, "culvert");
  EXPECT_EQ(good("syslog name\n").syslog, "name");
  EXPECT_EQ(good("").log_file, "");
}

TEST(OpenvpnConf, PathsCountFromCd) {
  MemoryLoader loader = files_below("etc/keys");
  EXPECT_EQ(parse(std::string(kBase) + "cd keys\n", loader).errors, "");
  MemoryLoader elsewhere = files_below("/srv/vpn");
  EXPECT_EQ(parse(std::string("cd /srv/vpn\n") + kBase, elsewhere).errors, "");
}

TEST(OpenvpnConf, Wrapping) {
  std::string base(kBase);
  base.replace(base.find("tls-crypt tc.key\n"), 17, "");
  ServerConfig crypt = good("");
  EXPECT_EQ(crypt.settings.wrap.kind, openvpn::WrapKind::kTlsCrypt);
  EXPECT_EQ(crypt.settings.wrap.key[5], 5);

  auto wrap = [&base](const std::string& more) {
    Parsed parsed = parse(base + more);
    EXPECT_EQ(parsed.errors, "") << more;
    return parsed.config.settings.wrap;
  };
  openvpn::WrapSettings auth = wrap("tls-auth tc.key 0\nauth SHA512\n");
  EXPECT_EQ(auth.kind, openvpn::WrapKind::kTlsAuth);
  EXPECT_EQ(auth.direction, 0);
  EXPECT_EQ(auth.auth, openvpn::Digest::kSha512);
  EXPECT_EQ(wrap("tls-auth tc.key\n").direction, -1);
  EXPECT_EQ(wrap("key-direction 1\n<tls-auth>\n" + static_key_text() + "</tls-auth>\n").direction, 1);
  EXPECT_EQ(wrap("key-direction 1\ntls-auth tc.key 0\n").direction, 0);
  EXPECT_EQ(wrap("tls-auth tc.key 0\nkey-direction 1\n").direction, 1) << "the last word, as in the reference";
  openvpn::WrapSettings v2 = wrap("tls-crypt-v2 v2.key\n");
  EXPECT_EQ(v2.kind, openvpn::WrapKind::kTlsCryptV2);
  EXPECT_EQ(v2.server_key[127], 127);
  EXPECT_TRUE(v2.force_cookie);
  EXPECT_FALSE(wrap("tls-crypt-v2 v2.key allow-noncookie\n").force_cookie);
  EXPECT_TRUE(wrap("tls-crypt-v2 v2.key force-cookie\n").force_cookie);
}

/// What configurations of OpenVPN push and culvert does in any case, or better: no reason to refuse them.
TEST(OpenvpnConf, PushesThatAreLeftOut) {
  const std::string not_pushed =
      "is not pushed: nothing is compressed, because compression leaks what is encrypted (VORACLE); clients that have "
      "it are pushed off it, as with compress migrate\n";
  for (const char* option : {"compress lz4-v2", "comp-lzo adaptive", "comp-lzo yes"}) {
    Parsed parsed = parse(std::string(kBase) + "push \"" + option + "\"\n");
    EXPECT_EQ(parsed.errors, "") << option;
    EXPECT_EQ(parsed.warnings, "etc/server.conf:9: warning: push: " + not_pushed) << option;
    EXPECT_TRUE(parsed.config.settings.compress_migrate) << option;
    for (const std::string& push : parsed.config.push) EXPECT_EQ(push.find("comp"), std::string::npos) << push;
  }
  for (const char* option : {"tun-mtu 1400", "  tun-mtu  1400"}) {
    Parsed parsed = parse(std::string(kBase) + "push \"" + option + "\"\ntun-mtu 1400\n");
    EXPECT_EQ(parsed.errors, "") << option;
    EXPECT_EQ(parsed.warnings,
              "etc/server.conf:9: warning: push: has no effect: this file's own tun-mtu is pushed to clients that can "
              "take it\n")
        << option;
    EXPECT_FALSE(parsed.config.settings.compress_migrate) << option;
  }
}

/// As OpenVPN 2.1 wanted it, and as many a generator still writes it: the line says that the block follows.
TEST(OpenvpnConf, BlocksThatALineAnnounces) {
  const std::string key = "<tls-auth>\n" + static_key_text() + "</tls-auth>\n";
  MemoryLoader loader = files_below("etc");
  std::string text =
      "topology subnet\nremote-cert-tls client\nserver 10.8.0.0 255.255.255.0\nkeepalive 10 60\ntls-auth [inline] 0\n";
  std::string blocks;
  for (const char* name : {"ca.crt", "server.crt", "server.key", "dh.pem"}) {
    const std::string directive = std::string(name) == "ca.crt"       ? "ca"
                                  : std::string(name) == "server.crt" ? "cert"
                                  : std::string(name) == "server.key" ? "key"
                                                                      : "dh";
    text += directive + " [inline]\n";
    if (directive != "dh")
      blocks += "<" + directive + ">\n" + loader.files.at(std::string("etc/") + name).bytes + "</" + directive + ">\n";
  }
  Parsed parsed = parse(text + blocks + key, loader);
  EXPECT_EQ(parsed.errors, "");
  EXPECT_EQ(parsed.warnings, "");
  EXPECT_EQ(parsed.config.settings.wrap.kind, openvpn::WrapKind::kTlsAuth);
  EXPECT_EQ(parsed.config.settings.wrap.direction, 0) << "which the line says";
  EXPECT_NE(parse(text + key, loader).errors.find("ca: says that a block follows, but there is no <ca> behind it"),
            std::string::npos);
}

TEST(OpenvpnConf, CertificatesThatAreNotRequired) {
  const std::string passwords = "script-security 2\nauth-user-pass-verify verify via-file\n";
  auto tls = [&](const std::string& line) { return good(passwords + line).tls; };
  EXPECT_TRUE(tls("verify-client-cert\n").require_peer_certificate);
  EXPECT_TRUE(tls("verify-client-cert require\n").require_peer_certificate);
  EXPECT_FALSE(tls("verify-client-cert optional\n").require_peer_certificate);
  EXPECT_TRUE(tls("verify-client-cert optional\n").ask_peer_certificate);
  EXPECT_FALSE(tls("verify-client-cert none\n").require_peer_certificate);
  EXPECT_FALSE(tls("verify-client-cert none\n").ask_peer_certificate);
}

TEST(OpenvpnConf, Tokens) {
  const std::string passwords = "script-security 2\nauth-user-pass-verify verify via-file\n";
  EXPECT_FALSE(good(passwords).access.tokens);
  auto tokens = good(passwords + "auth-gen-token\nreneg-sec 1800\n").access.tokens;
  ASSERT_TRUE(tokens);
  EXPECT_EQ(tokens->lifetime.count(), 0);
  EXPECT_EQ(tokens->renewal.count(), 1800);
  EXPECT_FALSE(tokens->external_auth || tokens->secret);
  tokens = good(passwords + "auth-gen-token 86400 600 external-auth\nauth-gen-token-secret token.key\n").access.tokens;
  EXPECT_EQ(tokens->lifetime.count(), 86400);
  EXPECT_EQ(tokens->renewal.count(), 600);
  EXPECT_TRUE(tokens->external_auth);
  ASSERT_TRUE(tokens->secret);
  EXPECT_EQ(tokens->secret->front(), 64);
  EXPECT_EQ(tokens->secret->back(), 95);
  tokens = good(passwords + "auth-gen-token 60 external-auth\n<auth-gen-token-secret>\n" + token_secret_text() +
                "</auth-gen-token-secret>\n")
               .access.tokens;
  EXPECT_TRUE(tokens->external_auth && tokens->secret);
  EXPECT_EQ(tokens->renewal.count(), 3600);
  // When control dies a token may be one renewal time old, and is good for two.
  EXPECT_EQ(good(passwords + "hand-window 2\nauth-gen-token 0 4\n").settings.adoption_spread.count(), 2000);
  EXPECT_EQ(good(passwords + "auth-gen-token\n").settings.adoption_spread.count(), 10'000);
  good("auth-gen-token-secret token.key\n",
       "etc/server.conf:9: warning: auth-gen-token-secret: has no effect without auth-gen-token\n");
}

TEST(OpenvpnConf, Process) {
  ServerConfig config = good("user nobody\ngroup nogroup\nverb 4\ndev tun7\ntxqueuelen 500\n");
  EXPECT_EQ(config.user, "nobody");
  EXPECT_EQ(config.group, "nogroup");
  EXPECT_EQ(config.log_level, openvpn::LogLevel::kDebug);
  EXPECT_EQ(config.dev_name, "tun7");
  EXPECT_EQ(config.tun_tx_queue_length, 500u);
  EXPECT_EQ(good("verb 3\n").log_level, openvpn::LogLevel::kInfo);
  EXPECT_EQ(good("verb 1\n").log_level, openvpn::LogLevel::kWarning);
  EXPECT_EQ(good("verb 0\n").log_level, openvpn::LogLevel::kError);
  EXPECT_EQ(good("dev vpn\ndev-type tun\n").dev_name, "vpn");
  EXPECT_FALSE(good("").tls.finite_fields);
  EXPECT_FALSE(good("dh none\n").tls.finite_fields);
  EXPECT_TRUE(good("dh dh.pem\n").tls.finite_fields);
  EXPECT_TRUE(good("dh [inline]\n<dh>\nparameters\n</dh>\n").tls.finite_fields);
  EXPECT_EQ(good("setenv opt port 99\n").listen[0].local.port, 99);
  good("setenv opt blub 1\n", "etc/server.conf:9: warning: setenv: 'blub' is not known, and skipped\n");
  good("ignore-unknown-option blub\nblub 1\n",
       "etc/server.conf:10: warning: blub: not known, and skipped as ignore-unknown-option says\n");
  EXPECT_EQ(good("port 1\nport 2\n",
                 "etc/server.conf:10: warning: port: given again: this one replaces that of "
                 "etc/server.conf:9\n")
                .listen[0]
                .local.port,
            2);
}

}  // namespace
}  // namespace culvert::config::test
