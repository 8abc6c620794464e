// Engines that agree on data formats other than plain AEAD, in bad weather and through renegotiations.
#include <gtest/gtest.h>

#include <algorithm>

#include "control/openvpn/negotiate.h"
#include "tests/sim/world.h"

namespace culvert::sim {
namespace {

using namespace openvpn;
using namespace std::chrono_literals;

class DataFormats : public ::testing::Test {
 protected:
  DataFormats() {
    options.weather = {0.1, 0.05, 0.1, 0};
    options.server.reneg_sec = 0s;
    settings.reneg_sec = 0s;
  }

  /// Connects, renegotiates from both sides, and moves data meanwhile. Returns the key that the server sends with.
  abi::InstallKey run() {
    World world(options);
    World::Peer& peer = world.add_client(settings, 1);
    world.start(peer);
    EXPECT_TRUE(world.run_until([&] { return peer.engine->connected(); }, 60s));
    if (!peer.engine->connected() || world.connected.empty()) return {};
    session = world.server->sessions().at(0);
    pushed = peer.pushed;
    logs = world.logs;
    for (uint64_t round = 1; round <= 4; ++round) {
      world.with_client(peer, [](Client& client, Now now) { client.renegotiate(now); });
      EXPECT_TRUE(world.run_until([&] { return world.server->sessions().at(0).renegotiations == round; }, 60s));
      for (int i = 0; i < 20; ++i) world.exchange_data(peer);
      world.clock.run_for(10s);
    }
    EXPECT_EQ(peer.undecryptable + peer.own_undecryptable, 0u);
    EXPECT_GT(peer.received, 0u);
    EXPECT_GT(peer.own_received, 0u);
    EXPECT_EQ(world.worker.errors(), std::vector<std::string>());
    EXPECT_EQ(peer.worker.errors(), std::vector<std::string>());
    record = world.records.begin()->second;
    client_framing = peer.worker.sessions().at(0).settings.framing;
    const WorkerModel::Session& installed = world.worker.sessions().begin()->second;
    return installed.keys.at(*installed.sending).install;
  }

  World::Options options;
  ClientSettings settings = client_settings("alice");
  SessionInfo session;
  abi::ControlRecord record{};
  abi::Framing client_framing{};
  std::vector<std::string> pushed;
  std::vector<LogLine> logs;
};

TEST_F(DataFormats, ClientThatHasOnlyCbc) {
  options.server.data_ciphers = {abi::Cipher::kAes256Gcm, abi::Cipher::kAes256Cbc};
  options.server.auth = settings.auth = Digest::kSha256;
  settings.data_ciphers = {abi::Cipher::kAes256Cbc};
  abi::InstallKey key = run();
  EXPECT_EQ(key.cipher, abi::Cipher::kAes256Cbc);
  EXPECT_EQ(key.format, abi::KeyFormat::kCbcHmac);
  EXPECT_EQ(key.digest, Digest::kSha256);
  EXPECT_NE(key.send.hmac, key.receive.hmac);
  EXPECT_EQ(record.digest, Digest::kSha256);
  EXPECT_TRUE(logs.empty());
}

TEST_F(DataFormats, CbcKeysKeepTheirDigestOverARestartOfControl) {
  options.server.data_ciphers = settings.data_ciphers = {abi::Cipher::kAes256Cbc};
  options.server.auth = settings.auth = Digest::kSha512;
  World world(options);
  World::Peer& peer = world.add_client(settings, 1);
  world.start(peer);
  ASSERT_TRUE(world.run_until([&] { return peer.engine->connected(); }, 60s));
  world.clock.run_for(5s);
  const auto [id, adopted] = *world.records.begin();
  world.server = std::make_unique<Server>(world.server->settings(), world.peer_ids, world.random);
  world.with_server([&, id = id, &adopted = adopted](Server& server, Now now) {
    ASSERT_TRUE(server.adopt(id, adopted, adopted.settings.remote, now));
  });
  ASSERT_TRUE(world.run_until([&] { return world.server->sessions().at(0).renegotiations == 1; }, 60s));
  const auto& keys = world.worker.sessions().at(id).keys;
  ASSERT_TRUE(keys.contains(world.server->sessions().at(0).key_id));
  for (const auto& [key_id, key] : keys) EXPECT_EQ(key.install.digest, Digest::kSha512) << int(key_id);
}

TEST_F(DataFormats, ClientBeforeNegotiationAndBeforeTheTlsExporter) {
  options.server.data_ciphers_fallback = abi::Cipher::kAes128Cbc;
  settings.data_ciphers = {abi::Cipher::kAes128Cbc};
  settings.names_ciphers = false;
  settings.capabilities = iv_proto::kDataV2;
  abi::InstallKey key = run();
  EXPECT_EQ(key.cipher, abi::Cipher::kAes128Cbc);
  EXPECT_EQ(key.digest, Digest::kSha1);
  EXPECT_FALSE(session.tls_key_export);
}

TEST_F(DataFormats, ClientIsPushedOffCompression) {
  options.server.compress_migrate = true;
  settings.framing = abi::Framing::kLzoStub;  // which it says in its options string
  run();
  EXPECT_NE(std::ranges::find(pushed, "compress stub-v2"), pushed.end());
  EXPECT_EQ(record.settings.framing, abi::Framing::kStubV2);
  EXPECT_EQ(client_framing, abi::Framing::kStubV2);
}

TEST_F(DataFormats, BothHaveTheSameStub) {
  options.server.framing = settings.framing = abi::Framing::kStub;
  run();
  EXPECT_EQ(record.settings.framing, abi::Framing::kStub);
  EXPECT_EQ(client_framing, abi::Framing::kStub);
}

TEST_F(DataFormats, EpochKeysAndPeerIdsOfBothSidesChoice) {
  abi::InstallKey key = run();
  EXPECT_EQ(key.format, abi::KeyFormat::kEpoch);
  EXPECT_EQ(key.first_packet_id, (uint64_t{1} << 48) + 1);
  EXPECT_EQ(key.replay_floor, uint64_t{1} << 48);
  EXPECT_EQ(record.settings.remote_peer_id, 0u) << "the client's index in its own table";
  for (const std::string& option : pushed) EXPECT_FALSE(option.starts_with("peer-id")) << option;
  EXPECT_NE(std::ranges::find(pushed, "protocol-flags cc-exit tls-ekm dyn-tls-crypt aead-epoch"), pushed.end());
}

TEST_F(DataFormats, EpochKeysNeedAnAeadCipherAndAClientThatHasThem) {
  settings.capabilities = ~iv_proto::kEpochKeys;
  settings.own_peer_id = false;
  EXPECT_EQ(run().format, abi::KeyFormat::kAead);
  EXPECT_EQ(record.settings.remote_peer_id, session.session.peer_id);
  options.server.data_ciphers = settings.data_ciphers = {abi::Cipher::kAes128Cbc};
  settings.capabilities = ~uint32_t{0};
  EXPECT_EQ(run().format, abi::KeyFormat::kCbcHmac);
  for (const std::string& option : pushed) EXPECT_EQ(option.find("aead-epoch"), std::string::npos);
}

TEST_F(DataFormats, OtherDigestIsNamedInTheLog) {
  options.server.data_ciphers = {abi::Cipher::kAes256Cbc};
  options.server.auth = Digest::kSha512;
  settings.data_ciphers = {abi::Cipher::kAes256Cbc};
  World world(options);
  World::Peer& peer = world.add_client(settings, 1);
  world.start(peer);
  ASSERT_TRUE(world.run_until([&] { return peer.engine->connected(); }, 60s));
  ASSERT_EQ(world.logs.size(), 1u);
  EXPECT_NE(world.logs[0].text.find("client has auth SHA1, this server auth SHA512"), std::string::npos);
}

}  // namespace
}  // namespace culvert::sim
