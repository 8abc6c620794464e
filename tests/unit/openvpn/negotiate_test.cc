#include "control/openvpn/negotiate.h"

#include <gtest/gtest.h>

namespace culvert::openvpn {
namespace {

using abi::Cipher;

TEST(Capabilities, FromPeerInfo) {
  auto peer = parse_capabilities(
      "IV_VER=2.6.14\nIV_PLAT=linux\nIV_MTU=1600\nIV_NCP=2\n"
      "IV_CIPHERS=AES-256-GCM:BF-CBC:chacha20-poly1305:AES-256-GCM\nIV_PROTO=990\n");
  EXPECT_EQ(peer.version, "2.6.14");
  EXPECT_EQ(peer.max_mtu, 1600u);
  EXPECT_EQ(peer.ciphers, (std::vector{Cipher::kAes256Gcm, Cipher::kChacha20Poly1305}));
  EXPECT_TRUE(peer.can(iv_proto::kDataV2 | iv_proto::kTlsKeyExport | iv_proto::kDynamicTlsCrypt | iv_proto::kCcExit));
  EXPECT_FALSE(peer.can(iv_proto::kEpochKeys));
}

TEST(Capabilities, NumbersThatAreNoneCountAsNothing) {
  for (const char* info : {"", "IV_PROTO=\n", "IV_PROTO=-1\n", "IV_PROTO=0x3de\n", "IV_PROTO=99999999999\n",
                           "IV_PROTO=2 \n", "XIV_PROTO=2\n", "IV_PROTOX=2\n"})
    EXPECT_EQ(parse_capabilities(info).proto, 0u) << info;
}

TEST(Capabilities, NcpTwoStandsForAesGcm) {
  EXPECT_EQ(parse_capabilities("IV_NCP=2\n").ciphers.size(), 2u);
  EXPECT_FALSE(parse_capabilities("IV_NCP=2\n").sent_iv_ciphers);
  EXPECT_TRUE(parse_capabilities("IV_NCP=1\n").ciphers.empty());
}

struct Choice {
  const char* peer_info;
  const char* options;
  std::optional<Cipher> fallback;
  std::optional<Cipher> expected;
};

TEST(Agree, Cipher) {
  for (const Choice& c : {
           Choice{
               "IV_CIPHERS=CHACHA20-POLY1305:AES-128-GCM\n", "", {}, Cipher::kAes128Gcm},  // the server's order counts
           Choice{"IV_CIPHERS=CHACHA20-POLY1305\n", "V4,cipher AES-256-GCM", {}, Cipher::kChacha20Poly1305},
           Choice{"IV_CIPHERS=BF-CBC\n", "V4,cipher AES-256-GCM", Cipher::kAes256Gcm, {}},  // it said what it has
           Choice{"IV_NCP=2\n", "V4,cipher BF-CBC", {}, Cipher::kAes256Gcm},
           Choice{"", "V4,dev-type tun,cipher AES-128-GCM,auth X", {}, Cipher::kAes128Gcm},
           Choice{"", "V4,cipher BF-CBC", {}, {}},
           Choice{"", "V4,cipher BF-CBC", Cipher::kAes128Gcm, Cipher::kAes128Gcm}, Choice{"", "", {}, {}},
           Choice{"", "", Cipher::kAes128Gcm, Cipher::kAes128Gcm},
           Choice{"", "V4,cipher AES-192-GCM", {}, {}},  // known, not allowed
       }) {
    ServerSettings settings;
    settings.data_ciphers_fallback = c.fallback;
    auto agreement = agree(settings, parse_capabilities(c.peer_info), c.options);
    EXPECT_EQ(static_cast<bool>(agreement), c.expected.has_value()) << c.peer_info << c.options;
    if (agreement && c.expected) {
      EXPECT_EQ((*agreement).cipher, *c.expected) << c.peer_info << c.options;
    }
    if (!agreement) {
      EXPECT_NE(agreement.error().find("data-ciphers"), std::string::npos);
    }
  }
}

TEST(Agree, CbcTakesTheDigestOfTheServer) {
  ServerSettings settings;
  settings.data_ciphers = {Cipher::kAes256Gcm, Cipher::kAes256Cbc};
  settings.auth = abi::Digest::kSha512;
  auto cbc = agree(settings, parse_capabilities("IV_CIPHERS=AES-256-CBC\n"), "V4,cipher AES-256-CBC,auth SHA512");
  ASSERT_TRUE(cbc);
  EXPECT_EQ((*cbc).digest, abi::Digest::kSha512);
  EXPECT_EQ((*cbc).key_format(), abi::KeyFormat::kCbcHmac);
  EXPECT_FALSE(disagrees_about_digest(*cbc, "V4,auth sha512"));
  EXPECT_FALSE(disagrees_about_digest(*cbc, "V4,auth [null-digest]"));
  EXPECT_FALSE(disagrees_about_digest(*cbc, ""));
  EXPECT_TRUE(disagrees_about_digest(*cbc, "V4,auth SHA1"));
  auto gcm = agree(settings, parse_capabilities("IV_CIPHERS=AES-256-CBC:AES-256-GCM\n"), "V4,auth SHA1");
  ASSERT_TRUE(gcm);
  EXPECT_EQ((*gcm).digest, abi::Digest::kNone);
  EXPECT_FALSE(disagrees_about_digest(*gcm, "V4,auth SHA1"));
  settings.data_ciphers_fallback = Cipher::kAes128Cbc;
  auto old = agree(settings, parse_capabilities(""), "V4,cipher BF-CBC,auth SHA1");
  ASSERT_TRUE(old);
  EXPECT_EQ((*old).cipher, Cipher::kAes128Cbc);
}

TEST(Agree, ClientsArePushedOffCompression) {
  using abi::Framing;
  ServerSettings settings;
  settings.compress_migrate = true;
  const char* with = "V4,dev-type tun,link-mtu 1550,tun-mtu 1500,proto UDPv4,comp-lzo,cipher AES-256-GCM";
  const char* without = "V4,dev-type tun,link-mtu 1550,tun-mtu 1500,proto UDPv4,cipher AES-256-GCM";
  auto v2 = agree(settings, parse_capabilities("IV_NCP=2\nIV_COMP_STUBv2=1\n"), with);
  ASSERT_TRUE(v2);
  EXPECT_EQ((*v2).push_compression, "compress stub-v2");
  EXPECT_EQ((*v2).framing, Framing::kStubV2);
  auto old = agree(settings, parse_capabilities("IV_NCP=2\nIV_LZO=1\n"), with);
  ASSERT_TRUE(old);
  EXPECT_EQ((*old).push_compression, "comp-lzo no");
  EXPECT_EQ((*old).framing, Framing::kLzoStub);
  auto none = agree(settings, parse_capabilities("IV_NCP=2\nIV_COMP_STUBv2=1\n"), without);
  ASSERT_TRUE(none);
  EXPECT_EQ((*none).push_compression, "");
  EXPECT_EQ((*none).framing, Framing::kNone);

  settings.compress_migrate = false;
  settings.framing = Framing::kStub;
  auto fixed = agree(settings, parse_capabilities("IV_NCP=2\nIV_COMP_STUBv2=1\n"), with);
  ASSERT_TRUE(fixed);
  EXPECT_EQ((*fixed).push_compression, "");
  EXPECT_EQ((*fixed).framing, Framing::kStub);
}

TEST(Agree, PeerIdsOfTheClientsChoice) {
  EXPECT_EQ(announced_peer_id("ID=0\n"), 0u);
  EXPECT_EQ(announced_peer_id("IV_VER=2.7\nID=abcdef\n"), 0xABCDEFu);
  for (const char* bad : {"", "ID=\n", "ID=ffffff\n", "ID=1000000\n", "ID=12x\n", "ID=-1\n", "XID=1\n"})
    EXPECT_EQ(announced_peer_id(bad), std::nullopt) << bad;
  EXPECT_EQ(announced_peer_id(announce_peer_id(0xBEEF)), 0xBEEFu);
  auto agreement = agree({}, parse_capabilities("ID=5\nIV_NCP=2\n"), "");
  ASSERT_TRUE(agreement);
  EXPECT_EQ((*agreement).remote_peer_id, 5u);
  EXPECT_EQ((*agreement).format, abi::DataFormat::kV2);
}

TEST(Agree, FlagsSurviveARecord) {
  for (uint32_t proto = 0; proto < 1u << 13; ++proto) {
    auto agreement = agree({}, parse_capabilities("IV_NCP=2\nIV_PROTO=" + std::to_string(proto) + "\n"), "");
    ASSERT_TRUE(agreement);
    Agreement back = Agreement::from_flags((*agreement).flags(), (*agreement).cipher);
    EXPECT_EQ(back.flags(), (*agreement).flags());
    EXPECT_EQ(back.format, (*agreement).format);
    EXPECT_TRUE(!(*agreement).epoch_keys || (*agreement).format == abi::DataFormat::kV2) << "init.c wants both";
  }
}

TEST(OptionsString, WarnsNoStockClient) {
  abi::Endpoint remote;
  remote.address.family = abi::Family::kIpv4;
  // What 2.5 sends and what it expects back differ only in the role (options_string.c).
  std::string theirs =
      "V4,dev-type tun,link-mtu 1541,tun-mtu 1500,proto UDPv4,cipher BF-CBC,auth SHA1,keysize 128,"
      "key-method 2,tls-client";
  EXPECT_EQ(options_string(ServerSettings{}, true, remote, theirs),
            "V4,dev-type tun,link-mtu 1541,tun-mtu 1500,proto UDPv4,cipher BF-CBC,auth SHA1,keysize 128,"
            "key-method 2,tls-server");
  EXPECT_EQ(options_string(ClientSettings{}, false, remote, ""),
            "V4,dev-type tun,link-mtu 1549,tun-mtu 1500,proto UDPv4,cipher AES-256-GCM,auth [null-digest],keysize 256,"
            "key-method 2,tls-client");
  EXPECT_LT(options_string(ServerSettings{}, true, remote, "V4,auth " + std::string(400, 'x')).size(), 511u);
}

TEST(OptionsString, ValueLookup) {
  EXPECT_EQ(occ_option("V4,cipher AES-256-GCM,auth SHA1", "cipher"), "AES-256-GCM");
  EXPECT_EQ(occ_option("V4,cipherx y", "cipher"), "");
  EXPECT_EQ(occ_option("V4,cipher,auth a", "cipher"), "");
  EXPECT_EQ(occ_option("", "cipher"), "");
}

}  // namespace
}  // namespace culvert::openvpn
