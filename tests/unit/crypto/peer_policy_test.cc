// What of a client's certificate is checked besides its chain.
#include <gtest/gtest.h>

#include "tests/unit/crypto/tls_fixture.h"

namespace culvert::crypto {
namespace {

/// What the server says about World's client (CN=client) under this policy; "connected as NAME" when it is let in.
std::string verdict(const PeerPolicy& policy, bool without_ca = false) {
  TlsSettings settings = server_settings();
  settings.peer = policy;
  if (without_ca) settings.ca_pem.clear();
  Pair pair = handshake(settings, client_settings());
  if (pair.server->status() != TlsStatus::kEstablished) return pair.server->error();
  return "connected as " + pair.server->peer()->common_name;
}

PeerPolicy::Fingerprint fingerprint_of(const Identity& identity) {
  auto info = must(read_certificate(identity.certificate_pem));
  PeerPolicy::Fingerprint fingerprint{};
  std::copy(info.sha256.begin(), info.sha256.end(), fingerprint.begin());
  return fingerprint;
}

const std::string kLetIn = "connected as alice";

TEST(PeerPolicy, Names) {
  using Match = PeerPolicy::NameMatch;
  const std::string name = kLetIn.substr(std::string("connected as ").size());
  auto named = [](Match match, const std::string& wanted) {
    PeerPolicy policy;
    policy.name_match = match;
    policy.name = wanted;
    return verdict(policy);
  };
  EXPECT_EQ(named(Match::kName, name), kLetIn);
  EXPECT_EQ(named(Match::kNamePrefix, name.substr(0, 2)), kLetIn);
  EXPECT_EQ(named(Match::kSubject, "CN=" + name), kLetIn);
  const std::string refusal =
      "client certificate \"CN=" + name + "\" is not named as verify-x509-name asks for, \"other\"";
  for (Match match : {Match::kName, Match::kNamePrefix, Match::kSubject}) EXPECT_EQ(named(match, "other"), refusal);
}

TEST(PeerPolicy, Usages) {
  PeerPolicy policy;
  policy.key_usages.emplace();
  EXPECT_EQ(verdict(policy), kLetIn) << "any";
  policy.key_usages = {0x20, 0x80};
  EXPECT_EQ(verdict(policy), kLetIn) << "digitalSignature";
  policy.key_usages = {0x06};
  EXPECT_NE(verdict(policy).find("has not the key usage that remote-cert-ku asks for"), std::string::npos);
  for (const char* usage : {"TLS Web Client Authentication", "1.3.6.1.5.5.7.3.2"}) {
    PeerPolicy extended;
    extended.extended_key_usage = usage;
    EXPECT_EQ(verdict(extended), kLetIn);
  }
  PeerPolicy extended;
  extended.extended_key_usage = "TLS Web Server Authentication";
  EXPECT_NE(verdict(extended).find("has not the extended key usage that remote-cert-eku asks for, TLS Web Server"),
            std::string::npos);
}

TEST(PeerPolicy, OtherFieldsAsTheName) {
  PeerPolicy policy;
  policy.name_fields = {"serialNumber", "CN"};
  std::string name = verdict(policy);
  EXPECT_TRUE(name.starts_with("connected as 0x")) << name;
  EXPECT_NE(name.find("_" + kLetIn.substr(std::string("connected as ").size())), std::string::npos) << name;
  policy.name_fields = {"emailAddress"};
  EXPECT_NE(verdict(policy).find("has no usable emailAddress (x509-username-field): it takes 1 to 64 bytes"),
            std::string::npos);
  policy.name_fields = {"ext:subjectAltName"};
  EXPECT_NE(verdict(policy).find("has no usable ext:subjectAltName"), std::string::npos);
}

TEST(PeerPolicy, Fingerprints) {
  const World& world = World::instance();
  PeerPolicy listed;
  listed.fingerprints = {fingerprint_of(world.server), fingerprint_of(world.client)};
  EXPECT_EQ(verdict(listed), kLetIn) << "besides the CA";
  EXPECT_EQ(verdict(listed, true), kLetIn) << "instead of a CA";
  PeerPolicy other;
  other.fingerprints = {fingerprint_of(world.server)};
  EXPECT_NE(verdict(other).find("is none of those whose fingerprints peer-fingerprint lists"), std::string::npos);
  EXPECT_NE(verdict(other, true).find("not among our CAs"), std::string::npos);
  PeerPolicy pinned;
  pinned.issuer_fingerprints = {fingerprint_of(world.ca)};
  EXPECT_EQ(verdict(pinned), kLetIn);
  pinned.issuer_fingerprints = {fingerprint_of(world.client)};
  EXPECT_NE(verdict(pinned).find("is not the one whose fingerprint verify-hash names"), std::string::npos);
}

TEST(PeerPolicy, ProfilesSetTheStrength) {
  TlsSettings settings = server_settings();
  for (auto profile : {CertificateProfile::kInsecure, CertificateProfile::kPreferred, CertificateProfile::kSuiteB}) {
    settings.profile = profile;
    EXPECT_EQ(handshake(settings, client_settings()).server->status(), TlsStatus::kEstablished);
  }
}

}  // namespace
}  // namespace culvert::crypto
