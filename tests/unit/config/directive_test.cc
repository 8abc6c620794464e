// Every directive of the list does what its fate says, and the documentation's table is the list.
#include "control/config/directive.h"

#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "tests/unit/config/support.h"

namespace culvert::config::test {
namespace {

const std::string kFingerprint =
    "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff";

/// Arguments with which each honoured directive is accepted. Lines of their own where it needs others beside it.
const std::map<std::string, std::string>& good_uses() {
  static const std::map<std::string, std::string> uses = {
      {"mode", "mode server"},
      {"tls-server", "tls-server"},
      {"server", "server 10.8.0.0 255.255.255.0"},
      {"server-ipv6", "server-ipv6 fd12::/64"},
      {"topology", "topology subnet"},
      {"ifconfig", "ifconfig 10.9.0.1 255.255.255.0\nifconfig-pool 10.9.0.2 10.9.0.9"},
      {"ifconfig-pool", "ifconfig-pool 10.9.0.2 10.9.0.9\nifconfig 10.9.0.1 255.255.255.0"},
      {"ifconfig-pool-persist", "ifconfig-pool-persist ipp.txt 60"},
      {"ifconfig-push-constraint", "ifconfig-push-constraint 10.8.0.0 255.255.0.0"},
      {"route", "route 192.168.4.0 255.255.255.0 default 5"},
      {"route-ipv6", "route-ipv6 fd44::/64"},
      {"route-gateway", "route-gateway 10.8.0.2"},
      {"route-ipv6-gateway", "route-ipv6-gateway fd12::2"},
      {"route-metric", "route-metric 10"},
      {"route-noexec", "route-noexec"},
      {"ifconfig-ipv6", "ifconfig-ipv6 fd12::1/64 fd12::2\nifconfig-ipv6-pool fd12::/64"},
      {"ifconfig-ipv6-pool", "ifconfig-ipv6-pool fd12::/64\nifconfig-ipv6 fd12::1/64 fd12::2"},
      {"client-to-client", "client-to-client"},
      {"duplicate-cn", "duplicate-cn"},
      {"max-clients", "max-clients 10"},
      {"push", "push \"route 10.0.0.0 255.0.0.0\""},
      {"port", "port 1194"},
      {"lport", "lport 1194"},
      {"local", "local 192.0.2.1"},
      {"proto", "proto udp"},
      {"multihome", "multihome"},
      {"tcp-nodelay", "tcp-nodelay"},
      {"socket-flags", "socket-flags TCP_NODELAY"},
      {"port-share", "port-share 127.0.0.1 443\nproto tcp-server"},
      {"bind", "bind"},
      {"bind-dev", "bind-dev eth0"},
      {"mark", "mark 1"},
      {"sndbuf", "sndbuf 0"},
      {"rcvbuf", "rcvbuf 0"},
      {"float", "float"},
      {"dev", "dev tun"},
      {"dev-type", "dev-type tun"},
      {"tun-mtu", "tun-mtu 1400"},
      {"tun-ipv6", "tun-ipv6"},
      {"txqueuelen", "txqueuelen 100"},
      {"mssfix", "mssfix 1400"},
      {"persist-tun", "persist-tun"},
      {"persist-key", "persist-key"},
      {"ca", "ca ca.crt"},
      {"cert", "cert server.crt"},
      {"key", "key server.key"},
      {"extra-certs", "extra-certs extra.crt"},
      {"askpass", "askpass password"},
      {"dh", "dh none"},
      {"crl-verify", "crl-verify crl.pem"},
      {"remote-cert-tls", "remote-cert-tls client"},
      {"remote-cert-eku", "remote-cert-eku \"TLS Web Client Authentication\""},
      {"remote-cert-ku", "remote-cert-ku a0 88"},
      {"verify-x509-name", "verify-x509-name client- name-prefix"},
      {"x509-username-field", "x509-username-field emailAddress"},
      {"x509-track", "x509-track +CN"},
      {"peer-fingerprint", "peer-fingerprint " + kFingerprint},
      {"verify-hash", "verify-hash " + kFingerprint + " SHA256"},
      {"pkcs12", "pkcs12 server.p12"},
      {"force-tls-key-material-export", "force-tls-key-material-export"},
      {"providers", "providers default"},
      {"ping-exit", "ping-exit 60"},
      {"inactive", "inactive 600 100000"},
      {"session-timeout", "session-timeout 86400"},
      {"connect-freq", "connect-freq 10 1"},
      {"verify-client-cert", "verify-client-cert require"},
      {"tls-version-min", "tls-version-min 1.2"},
      {"tls-version-max", "tls-version-max 1.3"},
      {"tls-cipher", "tls-cipher TLS-ECDHE-ECDSA-WITH-AES-256-GCM-SHA384"},
      {"tls-ciphersuites", "tls-ciphersuites TLS_AES_256_GCM_SHA384"},
      {"tls-groups", "tls-groups X25519"},
      {"tls-cert-profile", "tls-cert-profile legacy"},
      {"tls-crypt-v2", "tls-crypt-v2 v2.key"},
      {"tls-crypt", "tls-crypt tc.key"},
      {"tls-auth", "tls-auth tc.key 0"},
      {"key-direction", "key-direction 0"},
      {"auth", "auth SHA256"},
      {"data-ciphers", "data-ciphers AES-256-GCM"},
      {"ncp-ciphers", "ncp-ciphers AES-256-GCM"},
      {"data-ciphers-fallback", "data-ciphers-fallback AES-256-GCM"},
      {"cipher", "cipher AES-256-GCM"},
      {"replay-window", "replay-window 64"},
      {"allow-compression", "allow-compression no"},
      {"compress", "compress stub-v2"},
      {"comp-lzo", "comp-lzo no"},
      {"keepalive", "keepalive 10 60"},
      {"ping", "ping 10"},
      {"ping-restart", "ping-restart 60"},
      {"reneg-sec", "reneg-sec 3600"},
      {"reneg-bytes", "reneg-bytes 64000000000"},
      {"reneg-pkts", "reneg-pkts 1000"},
      {"hand-window", "hand-window 60"},
      {"tran-window", "tran-window 60"},
      {"tls-timeout", "tls-timeout 2"},
      {"explicit-exit-notify", "explicit-exit-notify 1"},
      {"max-packet-size", "max-packet-size 1250"},
      {"connect-freq-initial", "connect-freq-initial 100 10"},
      {"config", "config empty.conf"},
      {"cd", "cd ."},
      {"user", "user nobody"},
      {"group", "group nogroup"},
      {"verb", "verb 3"},
      {"management", "management 127.0.0.1 7505 password"},
      {"management-client-user", "management-client-user nobody\nmanagement m.sock unix"},
      {"management-client-group", "management-client-group nogroup\nmanagement m.sock unix"},
      {"management-hold", "management-hold\nmanagement localhost 7505"},
      {"management-client-auth", "management-client-auth\nmanagement m.sock unix"},
      {"management-log-cache", "management-log-cache 500\nmanagement localhost 7505"},
      {"log", "log culvert.log"},
      {"log-append", "log-append culvert.log"},
      {"syslog", "syslog name"},
      {"writepid", "writepid culvert.pid"},
      {"status", "status status.log 10"},
      {"status-version", "status-version 2"},
      {"setenv", "setenv opt verb 3"},
      {"setenv-safe", "setenv-safe NAME value"},
      {"script-security", "script-security 2"},
      {"tmp-dir", "tmp-dir ccd"},
      {"auth-user-pass-verify", "script-security 2\nauth-user-pass-verify verify via-file"},
      {"auth-user-pass-optional", "script-security 2\nauth-user-pass-verify verify via-file\nauth-user-pass-optional"},
      {"auth-gen-token",
       "script-security 2\nauth-user-pass-verify verify via-file\nauth-gen-token 0 120 external-auth"},
      {"auth-gen-token-secret",
       "script-security 2\nauth-user-pass-verify verify via-file\nauth-gen-token\nauth-gen-token-secret token.key"},
      {"username-as-common-name", "script-security 2\nauth-user-pass-verify verify via-file\nusername-as-common-name"},
      {"learn-address", "script-security 2\nlearn-address learn"},
      {"tls-verify", "script-security 2\ntls-verify verify"},
      {"tls-export-cert", "script-security 2\ntls-verify verify\ntls-export-cert crls"},
      {"up", "script-security 2\nup up-script"},
      {"up-restart", "script-security 2\nup up-script\nup-restart"},
      {"down", "script-security 2\ndown down-script"},
      {"down-pre", "script-security 2\ndown down-script\ndown-pre"},
      {"route-up", "script-security 2\nroute-up up-script"},
      {"client-crresponse", "script-security 2\nauth-user-pass-verify verify via-file\nclient-crresponse respond"},
      {"client-connect", "script-security 2\nclient-connect \"connect 'an argument'\""},
      {"client-disconnect", "script-security 2\nclient-disconnect disconnect"},
      {"client-config-dir", "client-config-dir ccd"},
      {"ccd-exclusive", "client-config-dir ccd\nccd-exclusive"},
      {"max-routes-per-client", "max-routes-per-client 10"},
      {"ignore-unknown-option", "ignore-unknown-option blub"},
  };
  return uses;
}

/// Lines that a configuration must have, without those that clash with `name`.
std::string frame_for(const std::string& name) {
  std::string frame;
  auto add = [&frame, &name](const std::string& directive, const std::string& line) {
    if (directive != name) frame += line + "\n";
  };
  add("topology", "topology subnet");
  add("ca", "ca ca.crt");
  if (name != "pkcs12") add("cert", "cert server.crt");
  if (name != "pkcs12") add("key", "key server.key");
  if (name != "remote-cert-eku") add("remote-cert-tls", "remote-cert-tls client");
  if (!name.starts_with("tls-crypt") && name != "tls-auth") add("", "tls-crypt tc.key");
  if (name != "ifconfig" && name != "ifconfig-pool") add("server", "server 10.8.0.0 255.255.255.0");
  if (name == "ping-exit") return frame;
  if (name == "ping") return frame + "ping-restart 60\n";
  if (name != "ping-restart") add("keepalive", "keepalive 10 60");
  return frame;
}

TEST(Directive, HonouredOnesAreAccepted) {
  MemoryLoader loader = files_below("etc");
  loader.files["etc/empty.conf"] = {"", 0644};
  loader.files["etc/server.p12"] = {pkcs12_bytes(), 0600};
  for (const Directive& directive : directives()) {
    if (directive.fate != Fate::kHonoured) continue;
    std::string name(directive.name);
    auto use = good_uses().find(name);
    ASSERT_NE(use, good_uses().end()) << name << " has no example here";
    Parsed parsed = parse(frame_for(name) + use->second + "\n", loader);
    EXPECT_EQ(parsed.errors, "") << name;
    EXPECT_EQ(parsed.warnings, "") << name;
  }
}

TEST(Directive, HonouredOnesRefuseAWrongNumberOfArguments) {
  std::string many;
  for (int i = 0; i < 17; ++i) many += " x";
  for (const Directive& directive : directives()) {
    if (directive.fate != Fate::kHonoured) continue;
    std::string name(directive.name);
    EXPECT_TRUE(parse(name + many + "\n").errors.starts_with("etc/server.conf:1: error: " + name + ": takes ")) << name;
    if (directive.min_args == 0) continue;
    EXPECT_TRUE(parse(name + "\n").errors.starts_with("etc/server.conf:1: error: " + name + ": takes ")) << name;
  }
}

TEST(Directive, HarmlessOnesWarnAndSayWhy) {
  for (const Directive& directive : directives()) {
    if (directive.fate != Fate::kHarmless) continue;
    std::string name(directive.name);
    EXPECT_GT(directive.note.size(), 8u) << name;
    for (const char* arguments : {"", " 1", " a b c"}) {
      Parsed parsed = parse(std::string(kBase) + name + arguments + "\n");
      EXPECT_EQ(parsed.errors, "") << name;
      EXPECT_EQ(parsed.warnings,
                "etc/server.conf:9: warning: " + name + ": has no effect here: " + std::string(directive.note) + "\n");
    }
  }
}

TEST(Directive, RefusedOnesAreErrorsAndSayWhy) {
  for (const Directive& directive : directives()) {
    if (directive.fate != Fate::kRefused) continue;
    std::string name(directive.name);
    EXPECT_GT(directive.note.size(), 8u) << name;
    for (const char* arguments : {"", " 1", " a b c"}) {
      Parsed parsed = parse(std::string(kBase) + name + arguments + "\n");
      EXPECT_EQ(parsed.errors, "etc/server.conf:9: error: " + name + ": " + std::string(directive.note) + "\n");
    }
    EXPECT_FALSE(parse(std::string(kBase) + "<" + name + ">\nx\n</" + name + ">\n").report.ok()) << name;
  }
}

TEST(Directive, WhatTheManualNamesIsInTheList) {
  std::ifstream file(CULVERT_SOURCE_ROOT "/tests/unit/config/manual_directives.txt");
  size_t count = 0;
  for (std::string name; std::getline(file, name);) {
    if (name.empty() || name.front() == '#') continue;
    ++count;
    EXPECT_NE(find_directive(name), nullptr) << name << " has no fate";
  }
  EXPECT_GT(count, 280u);
}

TEST(Directive, NamesAreUniqueAndFound) {
  std::set<std::string_view> names;
  for (const Directive& directive : directives()) {
    EXPECT_TRUE(names.insert(directive.name).second) << directive.name << " stands twice";
    EXPECT_EQ(find_directive(directive.name), &directive);
    EXPECT_EQ(directive.read != nullptr, directive.fate == Fate::kHonoured) << directive.name;
  }
  EXPECT_GT(names.size(), 300u);
  EXPECT_EQ(find_directive("blub"), nullptr);
}

TEST(Directive, TheReadmeHoldsTheTable) {
  std::ifstream file(CULVERT_SOURCE_ROOT "/conf/README.md");
  std::stringstream text;
  text << file.rdbuf();
  std::string table = directive_table();
  EXPECT_NE(text.str().find(table), std::string::npos)
      << "conf/README.md is not up to date: run `ninja -C build directive-table`";
}

}  // namespace
}  // namespace culvert::config::test
