#include "control/crypto/certificate.h"

#include <gtest/gtest.h>

namespace culvert::crypto {
namespace {

using namespace std::chrono_literals;
using std::chrono::days;
using std::chrono::sys_seconds;

constexpr sys_seconds kIssued = std::chrono::sys_days{std::chrono::year{2026} / 6 / 1};
constexpr Validity kFirstYear{kIssued, kIssued + days{365}};

Identity authority(KeyKind kind = KeyKind::kEcP256) {
  auto made = make_authority("test CA", kFirstYear, kind);
  EXPECT_TRUE(made) << made.error();
  return *made;
}

TEST(Authority, IsACertificateAuthority) {
  for (KeyKind kind : {KeyKind::kEcP256, KeyKind::kEd25519}) {
    auto info = read_certificate(authority(kind).certificate_pem);
    ASSERT_TRUE(info) << info.error();
    EXPECT_EQ(info->common_name, "test CA");
    EXPECT_EQ(info->issuer, "CN=test CA");
    EXPECT_TRUE(info->authority);
    EXPECT_EQ(info->validity.from, kFirstYear.from);
    EXPECT_EQ(info->validity.until, kFirstYear.until);
    EXPECT_EQ(info->sha256.size(), 32U);
  }
}

TEST(Issue, MakesALeafOfItsOwn) {
  const Identity ca = authority();
  const CertificateRequest request{.common_name = "gate.example",
                                   .use = CertificateUse::kServer,
                                   .validity = {kIssued, kIssued + days{30}},
                                   .dns_names = {"gate.example", "other.example"},
                                   .ip_addresses = {"192.0.2.1", "2001:db8::1"}};
  auto first = issue_certificate(ca, request);
  auto second = issue_certificate(ca, request);
  ASSERT_TRUE(first) << first.error();
  ASSERT_TRUE(second) << second.error();
  auto info = read_certificate(first->certificate_pem);
  ASSERT_TRUE(info) << info.error();
  EXPECT_EQ(info->subject, std::vector<std::string>{"CN=gate.example"});
  EXPECT_EQ(info->issuer, "CN=test CA");
  EXPECT_FALSE(info->authority);
  EXPECT_NE(info->serial, read_certificate(second->certificate_pem)->serial);
  EXPECT_GT(info->serial.size(), 30U);  // 127 bits
  EXPECT_TRUE(check_key_fits(first->certificate_pem, first->key_pem));
  auto wrong = check_key_fits(first->certificate_pem, second->key_pem);
  ASSERT_FALSE(wrong);
  EXPECT_NE(wrong.error().find("does not fit"), std::string::npos) << wrong.error();
}

TEST(Issue, RefusesWhatWouldNotWork) {
  const Identity ca = authority();
  CertificateRequest good{.common_name = "alice", .validity = {kIssued, kIssued + days{1}}};
  auto refused = [&ca](const CertificateRequest& request) { return !issue_certificate(ca, request); };
  EXPECT_FALSE(refused(good));
  CertificateRequest request = good;
  for (const std::string& name :
       {std::string(), std::string(65, 'a'), std::string("a\nb"), std::string("a\0b", 3), std::string("\xff\xfe")}) {
    request.common_name = name;
    EXPECT_TRUE(refused(request)) << name;
  }
  request = good;
  request.validity.until = request.validity.from;
  EXPECT_TRUE(refused(request));
  request = good;
  request.ip_addresses = {"192.0.2.256"};
  EXPECT_TRUE(refused(request));
  Identity mixed = ca;
  mixed.key_pem = authority().key_pem;
  auto result = issue_certificate(mixed, good);
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().find("does not fit"), std::string::npos) << result.error();
}

TEST(Issue, TakesTheLongestName) {
  auto made = issue_certificate(authority(), {.common_name = std::string(64, 'a'), .validity = kFirstYear});
  ASSERT_TRUE(made) << made.error();
  EXPECT_EQ(read_certificate(made->certificate_pem)->common_name, std::string(64, 'a'));
}

TEST(Crl, GrowsAndKeepsItsNumber) {
  const Identity ca = authority();
  const Validity week{kIssued, kIssued + days{7}};
  auto empty = make_crl(ca, {}, 1, week);
  ASSERT_TRUE(empty) << empty.error();
  auto one = add_to_crl(*empty, ca, {"123456789012345678901234567890", kIssued + 1h}, week);
  ASSERT_TRUE(one) << one.error();
  auto two = add_to_crl(*one, ca, {"7", kIssued + 2h}, {kIssued + 2h, kIssued + days{9}});
  ASSERT_TRUE(two) << two.error();
  auto again = add_to_crl(*two, ca, {"7", kIssued + 3h}, week);
  ASSERT_TRUE(again) << again.error();
  auto info = read_crl(*again);
  ASSERT_TRUE(info) << info.error();
  EXPECT_EQ(info->issuer, "CN=test CA");
  EXPECT_EQ(info->number, 4U);
  EXPECT_TRUE(info->expires);
  EXPECT_EQ(info->validity.until, week.until);
  ASSERT_EQ(info->revoked.size(), 2U);
  EXPECT_EQ(read_crl(*two)->validity.until, kIssued + days{9});
  for (const Revocation& entry : info->revoked) {
    const bool second = entry.serial == "7";
    EXPECT_TRUE(second || entry.serial == "123456789012345678901234567890") << entry.serial;
    EXPECT_EQ(entry.when, second ? kIssued + 2h : kIssued + 1h);
  }
}

TEST(Crl, RefusesOddSerialsAndForeignLists) {
  const Identity ca = authority();
  const Identity other = authority();
  auto list = make_crl(ca, {}, 1, kFirstYear);
  ASSERT_TRUE(list) << list.error();
  for (const char* serial : {"", "0x12", "12a", " 1"})
    EXPECT_FALSE(add_to_crl(*list, ca, {serial, kIssued}, kFirstYear)) << serial;
  auto foreign = add_to_crl(*list, other, {"1", kIssued}, kFirstYear);
  ASSERT_FALSE(foreign);
  EXPECT_NE(foreign.error().find("not signed by this CA"), std::string::npos) << foreign.error();
  EXPECT_FALSE(make_crl(ca, {}, 1, {kIssued, kIssued}));
}

TEST(Read, SaysWhatIsWrong) {
  auto nothing = read_certificate("hello");
  ASSERT_FALSE(nothing);
  EXPECT_NE(nothing.error().find("BEGIN CERTIFICATE"), std::string::npos) << nothing.error();
  std::string cut = authority().certificate_pem;
  auto damaged = read_certificate(cut.substr(0, cut.size() / 2));
  ASSERT_FALSE(damaged);
  EXPECT_NE(damaged.error().find("damaged"), std::string::npos) << damaged.error();
  EXPECT_FALSE(read_crl(cut));
}

TEST(TimeText, IsUtc) {
  EXPECT_EQ(time_text(kIssued + 3h + 4min + 5s), "2026-06-01 03:04:05 UTC");
}

}  // namespace
}  // namespace culvert::crypto
