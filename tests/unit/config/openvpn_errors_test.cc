// server.conf → findings: each names file, line, what is wrong, and the way out.
#include <gtest/gtest.h>

#include "tests/unit/config/support.h"

namespace culvert::config::test {
namespace {

struct Mistake {
  const char* text;   ///< stands behind kBase, on line 9 and further
  const char* error;  ///< behind "etc/server.conf:9: error: "
};

const Mistake kCases[] = {
    {"prot 1194", "prot: no such directive in OpenVPN 2.6: did you mean port?"},
    {"tls-cryptv2 x", "tls-cryptv2: no such directive in OpenVPN 2.6: did you mean tls-crypt-v2?"},
    {"zzzzzzzzzzzz", "zzzzzzzzzzzz: no such directive in OpenVPN 2.6"},
    {"client-cert-not-required", "client-cert-not-required: gone since OpenVPN 2.5: write verify-client-cert none"},
    {"port", "port: takes 1 argument, 0 given"},
    {"port 1 2", "port: takes 1 argument, 2 given"},
    {"client-to-client yes", "client-to-client: takes no argument, 1 given"},
    {"keepalive 10", "keepalive: takes 2 arguments, 1 given"},
    {"tun-mtu", "tun-mtu: takes 1 to 2 arguments, 0 given"},
    {"<port>\n1\n</port>", "port: can't be written as a block in angle brackets: write it on one line"},
    {"port 0", "port: '0' is not a number from 1 to 65535"},
    {"port 65536", "port: '65536' is not a number from 1 to 65535"},
    {"port 11x", "port: '11x' is not a number from 1 to 65535"},
    {"port -1", "port: '-1' is not a number from 1 to 65535"},
    {"port 99999999999999999999", "port: '99999999999999999999' is not a number from 1 to 65535"},
    {"proto tcp-client", "proto: 'tcp-client' is for clients: write tcp-server"},
    {"proto sctp", "proto: 'sctp' is not a protocol: write udp, udp6, tcp-server or tcp6-server"},
    {"local * 0", "local: '0' is not a number from 1 to 65535"},
    {"local * 443 sctp", "local: 'sctp' is not a protocol: write udp, udp6, tcp-server or tcp6-server"},
    {"socket-flags TCP_CORK", "socket-flags: 'TCP_CORK' is not a flag: TCP_NODELAY is the only one"},
    {"port-share www.example.org 443",
     "port-share: 'www.example.org' is not a numeric address: names are not looked up, write the address"},
    {"port-share localhost 443 /tmp",
     "port-share: the folder for addresses of relayed connections is not supported: leave it out; the web server sees "
     "connections from this machine"},
    {"local vpn.example.org",
     "local: 'vpn.example.org' is not a numeric address: names are not looked up, write the address"},
    {"bind ipv6only", "bind: ipv6only needs proto udp6 or tcp6-server"},
    {"bind x", "bind: the argument can only be ipv6only, not 'x'"},
    {"bind-dev abcdefghijklmnop",
     "bind-dev: 'abcdefghijklmnop' can't be the name of an interface (at most 15 characters)"},
    {"mode p2p", "mode: only 'server' is supported"},
    {"server 10.8.0 255.255.255.0", "server: '10.8.0' is not an IPv4 address"},
    {"server 10.8.0.0 255.255.0.255", "server: '255.255.0.255' is not a netmask such as 255.255.255.0"},
    {"server 10.0.0.0 255.0.0.0",
     "server: the network must be from /16 to /29 (netmask 255.255.0.0 to 255.255.255.248), not /8"},
    {"server 10.8.0.0 255.255.255.252",
     "server: the network must be from /16 to /29 (netmask 255.255.0.0 to 255.255.255.248), not /30"},
    {"server 10.8.0.1 255.255.255.0", "server: 10.8.0.1 has bits behind the netmask: did you mean 10.8.0.0?"},
    {"server 10.8.0.0 255.255.255.0 pool", "server: the third argument can only be nopool, not 'pool'"},
    {"server 10.8.0.0 255.255.255.0 nopool",
     "server: nopool without an ifconfig-pool leaves no address for clients: add one, or remove nopool"},
    {"server-ipv6 fd12::", "server-ipv6: 'fd12::' is not an IPv6 network such as fd12:3456:789a::/64"},
    {"server-ipv6 fd12::/48", "server-ipv6: the prefix length must be from 64 to 124, not 48"},
    {"server-ipv6 fd12::/125", "server-ipv6: the prefix length must be from 64 to 124, not 125"},
    {"server-ipv6 fd12::1/64", "server-ipv6: fd12::1/64 has bits behind its length: did you mean fd12::/64?"},
    {"ifconfig-pool 10.8.0.5 10.8.0.6",
     "ifconfig-pool: server makes a pool already: remove one of them, or add nopool to server"},
    {"ifconfig-pool 10.8.0.6 10.8.0.5 255.255.255.0", "ifconfig-pool: the first address is behind the last"},
    {"ifconfig 10.8.0.1 255.255.255.0", "ifconfig: server sets it already: remove one of them"},
    {"ifconfig-ipv6-pool fd12::/64",
     "ifconfig-ipv6-pool: needs ifconfig-ipv6 ADDRESS/LENGTH REMOTE for the gateway's own address"},
    {"ifconfig-ipv6 fd12::1/64 fd12::2",
     "ifconfig-ipv6: without an ifconfig-ipv6-pool there is no address for clients: use server-ipv6 instead"},
    {"max-clients 0", "max-clients: '0' is not a number from 1 to 65535"},
    {"dev tap0", "dev: bridges and dev tap are not supported: use dev tun and server"},
    {"dev vpn", "dev: 'vpn' does not say what it is: add dev-type tun"},
    {"dev null", "dev: a server without a tunnel device is not supported: write dev tun"},
    {"dev a/b", "dev: 'a/b' can't be the name of an interface (at most 15 characters)"},
    {"dev-type tap", "dev-type: bridges and dev tap are not supported: use dev-type tun and server"},
    {"tun-mtu 9001", "tun-mtu: '9001' is not a number from 576 to 9000"},
    {"mssfix 100", "mssfix: must be 0 (off) or at least 154, not 100"},
    {"mssfix 1400 udp", "mssfix: the second argument can only be mtu or fixed, not 'udp'"},
    {"max-packet-size 100", "max-packet-size: '100' is not a number from 154 to 2048"},
    {"data-ciphers AES-256-GCM:CAMELLIA-256-CBC",
     "data-ciphers: 'CAMELLIA-256-CBC' is not supported in this version; "
     "supported are AES-256-GCM, AES-192-GCM, AES-128-GCM, CHACHA20-POLY1305, and for old clients AES-256-CBC, "
     "AES-192-CBC and AES-128-CBC: remove it, or write ?CAMELLIA-256-CBC to skip it"},
    {"data-ciphers AES-256-GMC",
     "data-ciphers: 'AES-256-GMC' is not supported in this version (did you mean AES-256-GCM?); "
     "supported are AES-256-GCM, AES-192-GCM, AES-128-GCM, CHACHA20-POLY1305, and for old clients AES-256-CBC, "
     "AES-192-CBC and AES-128-CBC: remove it, or write ?AES-256-GMC to skip it"},
    {"data-ciphers ?BF-CBC", "data-ciphers: names no cipher that is supported: add AES-256-GCM"},
    {"data-ciphers-fallback BF-CBC",
     "data-ciphers-fallback: 'BF-CBC' is not supported in this version; "
     "supported are AES-256-GCM, AES-192-GCM, AES-128-GCM, CHACHA20-POLY1305, and for old clients AES-256-CBC, "
     "AES-192-CBC and AES-128-CBC"},
    {"auth none", "auth: 'none' is not supported: use SHA1, SHA224, SHA256, SHA384 or SHA512"},
    {"replay-window 0", "replay-window: '0' is not a number from 1 to 65536"},
    {"allow-compression maybe", "allow-compression: can only be no, asym or yes, not 'maybe'"},
    {"compress snappy", "compress: can only be stub, stub-v2, migrate, lzo, lz4 or lz4-v2, not 'snappy'"},
    {"comp-lzo on", "comp-lzo: can only be no, yes or adaptive, not 'on'"},
    {"push", "push: takes 1 argument, 0 given"},
    {"push route 10.0.0.0", "push: takes 1 argument, 2 given"},
    {"push \"\"", "push: names no option"},
    {"push \"route 10.0.0.0, 10.1.0.0\"", "push: a comma would end the option on its way to the client: remove it"},
    {"push \"a\x01\"", "push: holds a control character: remove it"},
    {"push \"peer-id 1\"", "push: peer-id is made for each client by the gateway itself: remove it"},
    {"push \"compress lz4-v2\"\ncompress stub-v2",
     "push: compression is not supported: push \"compress stub-v2\" instead, or remove it"},
    {"push \"tun-mtu 1400\"",
     "push: tun-mtu is pushed to clients that can take it, from this file's own tun-mtu: remove it"},
    {"push \"topology net30\"",
     "push: 'topology net30', but the server has topology subnet: write topology once, without push; it is pushed by "
     "itself"},
    {"keepalive 10 15",
     "keepalive: the second number must be at least twice the first: keepalive 10 60 is a good choice"},
    {"keepalive 10 60000", "keepalive: '60000' is not a number from 1 to 43200"},
    {"ping 10", "ping: conflicts with keepalive, which sets it: remove one of them"},
    {"reneg-sec 3600 4000", "reneg-sec: the second number is the lower end and can't be above the first"},
    {"reneg-sec 2", "reneg-sec: must be larger than tls-timeout (2 s)"},
    {"reneg-bytes 64M", "reneg-bytes: '64M' is not a number from 0 to 9223372036854775807"},
    {"inactive x", "inactive: 'x' is not a number from 0 to 315360000"},
    {"ping-exit 60", "ping-exit: conflicts with keepalive, which sets it: remove one of them"},
    {"verify-x509-name a prefix",
     "verify-x509-name: the second argument can only be subject, name or name-prefix, not 'prefix'"},
    {"remote-cert-ku xyz", "remote-cert-ku: 'xyz' is not a key usage in hexadecimal, such as 80 or a0"},
    {"x509-username-field ext:policy",
     "x509-username-field: 'ext:policy' is not supported: of the extensions only ext:subjectAltName is"},
    {"verify-hash 00:11", "verify-hash: only SHA256 is supported, which stands behind the fingerprint"},
    {"pkcs12 server.key", "pkcs12: is not a PKCS #12 file"},
    {"providers fips", "providers: 'fips' is not supported: OpenSSL's default provider does all work here"},
    {"explicit-exit-notify x", "explicit-exit-notify: 'x' is not a number from 0 to 65535"},
    {"ifconfig-pool-persist ipp.txt often", "ifconfig-pool-persist: 'often' is not a number from 0 to 86400"},
    {"route 10.66.0.1 255.255.0.0", "route: has bits behind the netmask: did you mean 10.66.0.0?"},
    {"route example.org", "route: 'example.org' is not an IPv4 address"},
    {"route 10.66.0.0 255.255.0.0 net_gateway",
     "route: net_gateway is not a gateway inside the tunnel: leave it out, or set this route with `ip route add … via "
     "…`"},
    {"route 10.66.0.0 255.255.0.0 192.168.1.1",
     "route: 192.168.1.1 is not a gateway inside the tunnel: leave it out, or set this route with `ip route add … via "
     "…`"},
    {"route-ipv6 fd66::1/64", "route-ipv6: has bits behind its length: did you mean fd66::/64?"},
    {"route-gateway dhcp", "route-gateway: a TUN has no DHCP: name an address, or remove it"},
    {"topology star", "topology: 'star' is not a topology: write topology subnet"},
    {"verb 12", "verb: '12' is not a number from 0 to 11"},
    {"crl-verify gone dir", "crl-verify: etc/gone: no such folder, or not readable for this user"},
    {"crl-verify crls folder", "crl-verify: the second argument can only be dir, not 'folder'"},
    {"management gateway 7505",
     "management: 'gateway' is not a numeric address: write 127.0.0.1 7505, or PATH unix for a unix socket"},
    {"management tunnel 7505", "management: tunnel is not supported in this version: write 127.0.0.1 or a unix socket"},
    {"management 127.0.0.1 0", "management: '0' is not a number from 1 to 65535"},
    {"management m.sock unix stdin", "management: there is no terminal to ask on: name a file that holds the password"},
    {"management m.sock unix gone", "management: etc/gone: no such file"},
    {"management-hold",
     "management-hold: needs management, which is missing: write management 127.0.0.1 7505, or remove this"},
    {"status s.log 0", "status: '0' is not a number from 1 to 31536000"},
    {"status-version 4", "status-version: '4' is not a number from 1 to 3"},
    {"remote-cert-tls peer", "remote-cert-tls: can only be client or server, not 'peer'"},
    {"auth-gen-token", "auth-gen-token: needs someone who checks passwords: add auth-user-pass-verify"},
    {"auth-gen-token x", "auth-gen-token: 'x' is not a number from 0 to 315360000"},
    {"auth-gen-token 0 120 internal", "auth-gen-token: the third argument can only be external-auth, not 'internal'"},
    {"auth-gen-token 0 119\nauth-user-pass-verify verify via-file\nscript-security 2",
     "auth-gen-token: the renewal time must be at least twice hand-window (60 s)"},
    {"auth-gen-token\nreneg-sec 0\nauth-user-pass-verify verify via-file\nscript-security 2",
     "auth-gen-token: needs renegotiations, at which tokens are renewed: remove reneg-sec 0"},
    {"auth-gen-token-secret v2.key",
     "auth-gen-token-secret: not an \"OpenVPN auth-token server key\" file: this is the server's key, for "
     "tls-crypt-v2 of a server: `culvert genkey auth-token FILE` makes one"},
    {"up x", "up: runs a program, which script-security 1 forbids: add script-security 2"},
    {"learn-address \"\"", "learn-address: names no program"},
    {"tls-export-cert nowhere\ntls-verify verify\nscript-security 2",
     "tls-export-cert: etc/nowhere: no such folder, or not readable for this user"},
    {"ipchange x", "ipchange: for clients; on a server use client-connect"},
    {"client-crresponse x\nscript-security 2",
     "client-crresponse: needs auth-user-pass-verify, which asks for the response (auth_pending_file) and waits for "
     "it"},
    {"verify-client-cert none", "verify-client-cert: needs someone who checks passwords: add auth-user-pass-verify"},
    {"verify-client-cert maybe", "verify-client-cert: can only be none, optional or require, not 'maybe'"},
    {"client-connect hook", "client-connect: runs a program, which script-security 1 forbids: add script-security 2"},
    {"script-security 4", "script-security: '4' is not a number from 0 to 3"},
    {"ccd-exclusive", "ccd-exclusive: needs client-config-dir"},
    {"tmp-dir nowhere", "tmp-dir: etc/nowhere: no such folder, or not readable for this user"},
    {"client-config-dir nowhere", "client-config-dir: etc/nowhere: no such folder, or not readable for this user"},
    {"username-as-common-name",
     "username-as-common-name: needs someone who checks passwords: add "
     "auth-user-pass-verify"},
    {"iroute 10.0.0.0 255.0.0.0",
     "iroute: it belongs into a file of client-config-dir, or into what client-connect "
     "writes: move it there"},
    {"tls-version-min 1.5", "tls-version-min: '1.5' is not a version of TLS: write 1.2 or 1.3"},
    {"tls-version-max 1.1", "tls-version-max: TLS 1.1 is broken and not offered: write 1.2 or 1.3"},
    {"tls-version-min 1.3\ntls-version-max 1.2", nullptr},  // below: the error is on line 10
    {"tls-cipher TLS-AES-256-GCM-SHA384",
     "tls-cipher: 'TLS-AES-256-GCM-SHA384' is not a cipher of TLS 1.2 such as TLS-ECDHE-ECDSA-WITH-AES-256-GCM-SHA384; "
     "those "
     "of TLS 1.3 go into tls-ciphersuites"},
    {"tls-cert-profile strict",
     "tls-cert-profile: 'strict' is not a profile: write legacy, preferred, suiteb or insecure"},
    {"tls-crypt-v2 v2.key maybe",
     "tls-crypt-v2: the second argument can only be force-cookie or allow-noncookie, not 'maybe'"},
    {"tls-auth tc.key 2", "tls-auth: the direction can only be 0 or 1, not '2'"},
    {"askpass", "askpass: there is no terminal to ask on: name a file that holds the password"},
    {"crl-verify gone.pem", "crl-verify: etc/gone.pem: no such file"},
    {"crl-verify server.key",
     "crl-verify: etc/server.key should hold a revocation list in PEM form, but holds a private key"},
    {"ca dh.pem", "ca: etc/dh.pem should hold a certificate in PEM form, but holds Diffie-Hellman parameters"},
    {"ca tc.key", "ca: etc/tc.key should hold a certificate in PEM form, but holds a tls-auth or tls-crypt key"},
    {"ca password", "ca: etc/password should hold a certificate in PEM form, but holds nothing of that kind"},
    {"key server.crt", "key: etc/server.crt should hold a private key in PEM form, but holds a certificate"},
    {"<cert>\nx\n</cert>", "cert: the block should hold a certificate in PEM form, but holds nothing of that kind"},
    {"setenv opt", "setenv: setenv opt needs a directive behind it"},
    {"setenv opt port x", "port: 'x' is not a number from 1 to 65535"},
};

TEST(OpenvpnErrors, EachHasFileLineAndText) {
  for (const Mistake& c : kCases) {
    Parsed parsed = parse(std::string(kBase) + c.text + "\n");
    ASSERT_NE(parsed.errors, "") << c.text;
    if (c.error == nullptr) continue;
    bool found = parsed.errors.find(std::string("etc/server.conf:9: error: ") + c.error + "\n") != std::string::npos;
    EXPECT_TRUE(found) << c.text << "\n" << parsed.errors;
    EXPECT_FALSE(parsed.report.ok());
  }
  EXPECT_EQ(parse(std::string(kBase) + "port-share localhost 443\n").errors,
            "etc/server.conf:9: error: port-share: needs TCP: write proto tcp-server\n");
  EXPECT_EQ(
      parse(std::string(kBase) + "local * 443\nlocal 0.0.0.0 443 udp4\n").errors,
      "etc/server.conf:10: error: local: the same address, port and protocol a second time: remove one of them\n");
  EXPECT_EQ(parse(std::string(kBase) + "proto tcp4-server\nlocal 2001:db8::1\n").errors,
            "etc/server.conf:10: error: local: an address of the other IP version than proto tcp4-server asks for\n");
  EXPECT_EQ(parse(std::string(kBase) + "tls-version-min 1.3\ntls-version-max 1.2\n").errors,
            "etc/server.conf:10: error: tls-version-max: is below tls-version-min\n");
}

TEST(OpenvpnErrors, AllOfAFileAreReported) {
  Parsed parsed = parse("port x\nproto sctp\nblub\nchroot /var/empty\n");
  EXPECT_EQ(parsed.errors,
            "etc/server.conf:1: error: port: 'x' is not a number from 1 to 65535\n"
            "etc/server.conf:2: error: proto: 'sctp' is not a protocol: write udp, udp6, tcp-server or tcp6-server\n"
            "etc/server.conf:3: error: blub: no such directive in OpenVPN 2.6\n"
            "etc/server.conf:4: error: chroot: files of client-config-dir, CRLs and a reload need the real root: use "
            "ProtectSystem=, RootDirectory= and the sandboxing of the systemd units in conf/, and remove it; "
            "crl-verify, client-config-dir, tmp-dir "
            "and what scripts name need their full paths then\n"
            "etc/server.conf: error: no addresses for clients: add server 10.8.0.0 255.255.255.0 (or server-ipv6)\n"
            "etc/server.conf: error: no ca: a server needs ca, cert and key; `culvert init` makes them\n"
            "etc/server.conf: error: no cert: a server needs ca, cert and key; `culvert init` makes them\n"
            "etc/server.conf: error: no key: a server needs ca, cert and key; `culvert init` makes them\n");
}

TEST(OpenvpnErrors, PoolsThatDoNotFit) {
  std::string base =
      "topology subnet\nremote-cert-tls client\nca ca.crt\ncert server.crt\nkey server.key\ntls-crypt tc.key\n"
      "keepalive 10 60\nmode server\n";
  struct PoolCase {
    const char* text;
    const char* error;
  };
  const PoolCase cases[] = {
      {"ifconfig-pool 10.9.0.2 10.9.0.9\n",
       "9: error: ifconfig-pool: needs ifconfig ADDRESS NETMASK for the gateway's own address\n"},
      {"ifconfig 10.9.0.1 255.255.255.0\n",
       "9: error: ifconfig: without an ifconfig-pool there is no address for clients: use server instead\n"},
      {"ifconfig-pool 10.9.0.1 10.9.0.9\nifconfig 10.9.0.1 255.255.255.0\n",
       "9: error: ifconfig-pool: holds the gateway's own address 10.9.0.1: leave it out\n"},
      {"ifconfig-pool 10.9.1.1 10.9.1.9\nifconfig 10.9.0.1 255.255.255.0\n",
       "9: error: ifconfig-pool: must lie inside 10.9.0.0/24, without its first and last address\n"},
      {"ifconfig-pool 10.9.0.2 10.9.0.255\nifconfig 10.9.0.1 255.255.255.0\n",
       "9: error: ifconfig-pool: must lie inside 10.9.0.0/24, without its first and last address\n"},
      {"ifconfig-pool 10.9.0.0 10.9.0.9\nifconfig 10.9.0.254 255.255.255.0\n",
       "9: error: ifconfig-pool: must lie inside 10.9.0.0/24, without its first and last address\n"},
      {"ifconfig-pool 10.9.0.2 10.9.0.9\nifconfig 10.9.0.9 255.255.255.0\n",
       "9: error: ifconfig-pool: holds the gateway's own address 10.9.0.9: leave it out\n"},
      {"ifconfig-pool 10.9.0.2 10.9.0.9\nifconfig 10.9.0.1 255.254.0.0\n",
       "10: error: ifconfig: the network must be from /16 to /29, not /15\n"},
      {"ifconfig-ipv6-pool fd12::2/65\nifconfig-ipv6 fd12::1/64 fd12::2\n",
       "9: error: ifconfig-ipv6-pool: is not the network of ifconfig-ipv6, fd12::/64\n"},
      {"ifconfig-ipv6-pool fd13::/64\nifconfig-ipv6 fd12::1/64 fd12::2\n",
       "9: error: ifconfig-ipv6-pool: is not the network of ifconfig-ipv6, fd12::/64\n"},
      {"ifconfig-ipv6-pool fd12::2/64\nifconfig-ipv6 fd12::9/64 fd12::2\n",
       "9: error: ifconfig-ipv6-pool: starts in front of the gateway's own address fd12::9: start behind it\n"},
  };
  for (const PoolCase& c : cases)
    EXPECT_EQ(parse(base + c.text).errors, std::string("etc/server.conf:") + c.error) << c.text;
}

TEST(OpenvpnErrors, KeysOfTheWrongKind) {
  std::string base(kBase);
  base.replace(base.find("tls-crypt tc.key\n"), 17, "");
  // Which words the key readers use is theirs; that it is an error of the right line is ours.
  for (const char* text :
       {"tls-crypt v2.key\n", "tls-auth v2.key\n", "tls-crypt-v2 tc.key\n", "tls-crypt-v2 ca.crt\n"}) {
    Parsed parsed = parse(base + text);
    EXPECT_TRUE(parsed.errors.starts_with("etc/server.conf:8: error: tls-")) << text << parsed.errors;
    EXPECT_EQ(parsed.report.errors(), 1u);
  }
}

TEST(OpenvpnErrors, OneWrapOnly) {
  EXPECT_EQ(parse(std::string(kBase) + "tls-crypt-v2 v2.key\n").errors,
            "etc/server.conf:6: error: tls-crypt: next to tls-crypt-v2 (etc/server.conf:9) is not supported in this "
            "version: keep one "
            "of them\n");
}

TEST(OpenvpnWarnings, WhatIsMissing) {
  EXPECT_EQ(
      parse("ca ca.crt\ncert server.crt\nkey server.key\nserver 10.8.0.0 255.255.255.0\n").warnings,
      "etc/server.conf: warning: no topology: subnet is used, as by 2.7, where 2.6 uses net30; write topology net30 to "
      "keep the addresses that clients had, and files of client-config-dir made for it, else topology subnet\n"
      "etc/server.conf: warning: no keepalive: a client that vanishes keeps its session; add keepalive 10 60\n"
      "etc/server.conf: warning: no remote-cert-tls: any certificate of the CA gets in, also a server's; write "
      "remote-cert-tls client\n"
      "etc/server.conf: warning: no tls-crypt-v2, tls-crypt or tls-auth: anyone can begin a TLS handshake; "
      "`culvert init` "
      "shows how\n");
}

TEST(OpenvpnWarnings, SecretsThatOthersCanRead) {
  MemoryLoader loader = files_below("etc");
  loader.files["etc/server.key"].mode = 0644;
  loader.files["etc/tc.key"].mode = 0640;
  EXPECT_EQ(
      parse(kBase, loader).warnings,
      "etc/server.conf:5: warning: key: etc/server.key can be read by others than its owner: chmod 600 etc/server.key\n"
      "etc/server.conf:6: warning: tls-crypt: etc/tc.key can be read by others than its owner: chmod 600 etc/tc.key\n");
}

TEST(OpenvpnErrors, BinaryFiles) {
  MemoryLoader loader = files_below("etc");
  loader.files["etc/ca.crt"].bytes = std::string("\x30\x82\0\x01", 4);
  EXPECT_EQ(parse(kBase, loader).errors,
            "etc/server.conf:3: error: ca: etc/ca.crt: not a text file: PEM (-----BEGIN …) is expected\n");
}

}  // namespace
}  // namespace culvert::config::test
