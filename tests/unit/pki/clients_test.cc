// client add, revoke and list: profiles, registry and revocation list on disk.
#include <set>
#include <thread>

#include "control/config/load.h"
#include "control/crypto/certificate.h"
#include "control/openvpn/key_files.h"
#include "tests/unit/pki/support.h"

namespace culvert::pki::test {
namespace {

TEST_F(PkiTest, AddAndRevokeOnAFullDiskChangeNothing) {
  make();
  ASSERT_TRUE(add("alice"));
  auto before = snapshot();
  Result<ClientRow> added = Error{""};
  Result<ClientRow> revoked = Error{""};
  {
    FileSizeLimit limit(100);
    added = add("bob");
    revoked = revoke_client(folder_, "alice", kNow);
  }
  EXPECT_FALSE(added);
  EXPECT_FALSE(revoked);
  EXPECT_EQ(snapshot(), before);
  EXPECT_TRUE(add("bob"));
  EXPECT_TRUE(revoke_client(folder_, "alice", kNow));
}

TEST_F(PkiTest, AProfileThatCannotBePlacedLeavesTheRegistryAsItWas) {
  make();
  fs::create_directories(folder_ / "clients" / "alice.ovpn" / "full");
  auto before = snapshot();
  auto added = add("alice");
  ASSERT_FALSE(added);
  EXPECT_NE(added.error().find("alice.ovpn: Is a directory"), std::string::npos) << added.error();
  EXPECT_EQ(snapshot(), before);
}

TEST_F(PkiTest, WhatAKilledAddHasLeftIsBroughtToItsEnd) {
  make();
  auto row = add("alice");
  ASSERT_TRUE(row) << row.error();
  const fs::path profile = row->profile;
  const std::string text = text_of(profile);
  const fs::path staged = profile.string() + ".aB3xYz";
  // Killed when the registry knew her, and the profile was not in its place yet.
  fs::rename(profile, staged);
  auto again = add("alice");
  ASSERT_TRUE(again) << again.error();
  EXPECT_EQ(again->serial, row->serial);
  EXPECT_EQ(text_of(profile), text);
  EXPECT_FALSE(fs::exists(staged));
  // A profile that is with its client is no such thing, nor is another certificate's.
  fs::rename(profile, folder_ / "moved.ovpn");
  auto moved = add("alice");
  ASSERT_FALSE(moved);
  EXPECT_NE(moved.error().find("its profile is not in"), std::string::npos) << moved.error();
  EXPECT_NE(moved.error().find("revoke it first"), std::string::npos) << moved.error();
  auto bob = add("bob");
  ASSERT_TRUE(bob);
  fs::copy_file(bob->profile, staged);
  EXPECT_FALSE(add("alice"));
  EXPECT_FALSE(fs::exists(profile));
}

TEST_F(PkiTest, KeysThatAKilledAddHasLeftGoWithTheNextOne) {
  make();
  const fs::path staged = folder_ / "clients" / "alice.ovpn.aB3xYz";
  const fs::path other = folder_ / "clients" / "alice.ovpn.abcd.ovpn";  // of a client "alice.ovpn.abcd"
  std::ofstream(staged) << "a key\n";
  std::ofstream(other) << "a profile\n";
  ASSERT_TRUE(add("alice"));
  EXPECT_FALSE(fs::exists(staged));
  EXPECT_TRUE(fs::exists(other));
}

TEST_F(PkiTest, AProfileHoldsAllThatAClientNeeds) {
  make();
  auto row = add("alice");
  ASSERT_TRUE(row) << row.error();
  EXPECT_EQ(row->name, "alice");
  EXPECT_EQ(row->state, ClientState::kValid);
  EXPECT_EQ(row->created, kNow);
  EXPECT_EQ(row->expires, kNow + days(825));
  EXPECT_EQ(row->profile, (folder_ / "clients" / "alice.ovpn").string());

  std::string profile = text_of(row->profile);
  for (const char* line : {"client", "dev tun", "proto udp", "remote vpn.example.org 1194", "nobind",
                           "remote-cert-tls server", "verify-x509-name culvert-server name"}) {
    EXPECT_NE(("\n" + profile).find("\n" + std::string(line) + "\n"), std::string::npos) << line;
  }
  auto info = crypto::read_certificate(block_of(profile, "cert"));
  ASSERT_TRUE(info);
  EXPECT_EQ(info->common_name, "alice");
  EXPECT_EQ(info->serial, row->serial);
  EXPECT_TRUE(crypto::check_key_fits(block_of(profile, "cert"), block_of(profile, "key")));
  EXPECT_EQ(block_of(profile, "ca"), text_of(folder_ / "ca.crt"));
  EXPECT_EQ(crypto::read_certificate(text_of(folder_ / "server.crt"))->common_name, "culvert-server");

  auto client_key = openvpn::parse_tls_crypt_v2_client_key(block_of(profile, "tls-crypt-v2"));
  ASSERT_TRUE(client_key) << client_key.error();
  auto server_key = openvpn::parse_tls_crypt_v2_server_key(text_of(folder_ / "tls-crypt-v2-server.key"));
  ASSERT_TRUE(server_key);
  auto unwrapped = openvpn::unwrap_client_key(*server_key, client_key->wrapped);
  ASSERT_TRUE(unwrapped);
  EXPECT_EQ(unwrapped->key, client_key->key);
  EXPECT_EQ(openvpn::key_made_at(*unwrapped), kNow);
}

TEST_F(PkiTest, Remotes) {
  make();
  struct Case {
    const char* remote;
    const char* line;  ///< nullptr: refused
  };
  const Case cases[] = {{"192.0.2.1", "192.0.2.1 1194"},
                        {"other.example.org:443", "other.example.org 443"},
                        {"2001:db8::1", "2001:db8::1 1194"},
                        {"[2001:db8::1]:443", "2001:db8::1 443"},
                        {"[2001:db8::1]", "2001:db8::1 1194"},
                        {"a:0", nullptr},
                        {"a:65536", nullptr},
                        {"a:", nullptr},
                        {"[2001:db8::1]443", nullptr},
                        {"[2001:db8::1]:", nullptr},
                        {"a b", nullptr},
                        {"a\nb", nullptr},
                        {"-a", nullptr},
                        {"\"", nullptr}};
  int n = 0;
  for (const Case& c : cases) {
    auto row = add("client" + std::to_string(n++), c.remote);
    ASSERT_EQ(static_cast<bool>(row), c.line != nullptr) << c.remote;
    if (!row) continue;
    EXPECT_NE(text_of(row->profile).find("\nremote " + std::string(c.line) + "\n"), std::string::npos) << c.remote;
  }
}

TEST_F(PkiTest, Names) {
  make();
  for (const char* good : {"a", "alice@example.org", "Bob-2.phone_x+y", "0"}) EXPECT_TRUE(add(good)) << good;
  for (const std::string& bad :
       {std::string(), std::string("../x"), std::string("a/b"), std::string(".hidden"), std::string("-x"),
        std::string("a b"), std::string("a\n"), std::string("a\0b", 3), std::string("ä"), std::string(65, 'a')}) {
    auto row = add(bad);
    ASSERT_FALSE(row) << bad;
    EXPECT_NE(row.error().find("can't be a client's name"), std::string::npos) << row.error();
  }
  EXPECT_TRUE(add(std::string(64, 'a')));
}

TEST_F(PkiTest, ANameInUseIsRefusedUntilItIsRevoked) {
  make();
  ASSERT_TRUE(add("alice"));
  auto before = snapshot();
  auto again = add("alice");
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error(), "'alice' has a certificate since 2026-06-01 00:00:00 UTC (" +
                               (folder_ / "clients/alice.ovpn").string() +
                               "): choose another name, or revoke it first");
  EXPECT_EQ(snapshot(), before);
  ASSERT_TRUE(revoke_client(folder_, "alice", kNow));
  EXPECT_TRUE(add("alice"));
}

TEST_F(PkiTest, RevokePutsTheSerialOnTheList) {
  make();
  auto alice = add("alice");
  auto bob = add("bob");
  ASSERT_TRUE(alice && bob);
  auto empty = crypto::read_crl(text_of(folder_ / "crl.pem"));
  ASSERT_TRUE(empty);
  EXPECT_TRUE(empty->revoked.empty());

  auto revoked = revoke_client(folder_, "alice", kNow + hours(1));
  ASSERT_TRUE(revoked) << revoked.error();
  EXPECT_EQ(revoked->state, ClientState::kRevoked);
  EXPECT_EQ(revoked->revoked, kNow + hours(1));
  EXPECT_EQ(revoked->serial, alice->serial);
  auto list = crypto::read_crl(text_of(folder_ / "crl.pem"));
  ASSERT_TRUE(list);
  ASSERT_EQ(list->revoked.size(), 1u);
  EXPECT_EQ(list->revoked[0].serial, alice->serial);
  EXPECT_GT(list->number, empty->number);
  EXPECT_GE(list->validity.until, kNow + days(3650));

  ASSERT_TRUE(revoke_client(folder_, "bob", kNow));
  EXPECT_EQ(crypto::read_crl(text_of(folder_ / "crl.pem"))->revoked.size(), 2u);

  config::DiskLoader disk;
  config::Report findings;
  auto loaded = config::load(folder_ / "culvert.toml", disk, findings);
  ASSERT_TRUE(loaded);
  EXPECT_TRUE(loaded->servers[0].settings.tls->revoked(alice->serial));
  EXPECT_TRUE(loaded->servers[0].settings.tls->revoked(bob->serial));
  EXPECT_FALSE(loaded->servers[0].settings.tls->revoked("1"));
}

TEST_F(PkiTest, RevokeOfNobody) {
  make();
  ASSERT_TRUE(add("alice"));
  EXPECT_EQ(revoke_client(folder_, "carol", kNow).error(),
            "no client 'carol' in " + folder_.string() + ": `culvert client list` shows all");
  ASSERT_TRUE(revoke_client(folder_, "alice", kNow));
  EXPECT_EQ(revoke_client(folder_, "alice", kNow).error(), "'alice' is revoked already");
}

TEST_F(PkiTest, ListShowsEveryCertificateOnce) {
  make();
  ASSERT_TRUE(add("alice"));
  ASSERT_TRUE(revoke_client(folder_, "alice", kNow));
  ASSERT_TRUE(add("alice"));
  ASSERT_TRUE(add_client({folder_, "short", "", 1}, kNow));
  auto rows = list_clients(folder_, kNow + days(2));
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->size(), 3u);
  EXPECT_EQ((*rows)[0].state, ClientState::kRevoked);
  EXPECT_EQ((*rows)[0].profile, "");
  EXPECT_EQ((*rows)[1].state, ClientState::kValid);
  EXPECT_EQ((*rows)[2].state, ClientState::kExpired);
  std::set<std::string> serials{(*rows)[0].serial, (*rows)[1].serial, (*rows)[2].serial};
  EXPECT_EQ(serials.size(), 3u);
}

TEST_F(PkiTest, ClientsDoNotOutliveTheAuthority) {
  make();
  auto row = add_client({folder_, "long", "", 36500}, kNow);
  ASSERT_TRUE(row);
  EXPECT_EQ(row->expires, crypto::read_certificate(text_of(folder_ / "ca.crt"))->validity.until);
  auto late = add_client({folder_, "late", "", 10}, kNow + days(3660));
  ASSERT_FALSE(late);
  EXPECT_NE(late.error().find("expired on"), std::string::npos);
  EXPECT_FALSE(add_client({folder_, "none", "", 0}, kNow));
}

TEST_F(PkiTest, AFolderThatInitDidNotMake) {
  EXPECT_EQ(add("alice").error(), folder_.string() + ": no such folder; `culvert init` makes one");
  EXPECT_EQ(list_clients(folder_, kNow).error(),
            (folder_ / "clients.json").string() + ": no such file; `culvert init` makes one");
  make();
  fs::remove(folder_ / "ca.key");
  EXPECT_EQ(add("alice").error(), (folder_ / "ca.key").string() +
                                      ": no such file; without the CA's key no certificate can be issued or revoked");
}

TEST_F(PkiTest, ADamagedRegistryIsAnErrorAndStaysAsItIs) {
  make();
  for (const char* text :
       {"", "{", "[]", "{\"version\": 2}", "{\"version\": 1, \"host\": 5, \"port\": 1, \"clients\": []}",
        "{\"version\": 1, \"host\": \"h\", \"port\": 1, \"clients\": [{\"name\": \"a\"}]}",
        "{\"version\": 1, \"host\": \"h\", \"port\": 1, \"clients\": [{\"name\": \"a\", \"serial\": \"x\", "
        "\"created\": 1, \"expires\": 2}]}"}) {
    std::ofstream(folder_ / "clients.json") << text;
    auto row = add("alice");
    ASSERT_FALSE(row) << text;
    EXPECT_TRUE(row.error().starts_with((folder_ / "clients.json").string() + ": ")) << row.error();
    EXPECT_EQ(text_of(folder_ / "clients.json"), text);
  }
}

TEST_F(PkiTest, CommandsAtTheSameTimeLoseNoClient) {
  make();
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([this, i] { EXPECT_TRUE(add("client" + std::to_string(i))); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(list_clients(folder_, kNow)->size(), 8u);
}

}  // namespace
}  // namespace culvert::pki::test
