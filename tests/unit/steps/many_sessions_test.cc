// A path with so many sessions that keys count as cold: what it opens and seals under keys that are expanded again.
#include <gtest/gtest.h>

#include "dataplane/steps/cold_jobs.h"
#include "tests/unit/support/path_rig.h"

namespace culvert {
namespace {

using testing::Bytes;
using testing::ipv4_packet;
using testing::PathRig;
using testing::Peer;

/// The worker's engine, counting the keys that it expands again.
class CountingEngine final : public aead::Engine {
 public:
  explicit CountingEngine(aead::Engine& engine) : engine_(engine) {}
  void expand(abi::Cipher cipher, const std::array<uint8_t, 32>& bytes, aead::Key& key) override {
    engine_.expand(cipher, bytes, key);
  }
  void expand_cbc(abi::Cipher cipher, abi::Digest digest, const abi::DirectionKey& from, aead::Key& key) override {
    engine_.expand_cbc(cipher, digest, from, key);
  }
  void hmac_sha256(const std::array<uint8_t, 32>& key, std::span<const uint8_t> message,
                   std::array<uint8_t, 32>& out) override {
    engine_.hmac_sha256(key, message, out);
  }
  bool make_compact(abi::Cipher cipher, const std::array<uint8_t, 32>& bytes, const aead::Key& expanded,
                    aead::CompactKey& compact) override {
    return has_compact = engine_.make_compact(cipher, bytes, expanded, compact);
  }
  void expand_cold(std::span<const aead::ColdJob> jobs) override {
    cold += jobs.size();
    engine_.expand_cold(jobs);
  }
  void seal(std::span<aead::Job> jobs) override { engine_.seal(jobs); }
  void open(std::span<aead::Job> jobs) override { engine_.open(jobs); }
  const char* name() const override { return engine_.name(); }

  size_t cold = 0;
  bool has_compact = false;

 private:
  aead::Engine& engine_;
};

class ManySessions : public ::testing::Test {
 protected:
  static constexpr uint32_t kPeers = 40;  // more than go through the steps together
  static constexpr uint32_t kSessions = steps::ColdJobs::kFew + 1;

  ManySessions() {
    auto made = dataplane::Path::make(rig.link.view(), 0, rig.pool.get(), engine);
    EXPECT_TRUE(made);
    rig.path = *std::move(made);
    rig.path->set_outer_port(0, &rig.outer);
    rig.path->set_inner_port(&rig.tun);
    for (uint32_t i = 0; i < kPeers; ++i) peers.push_back(rig.connect(i));
  }
  ~ManySessions() override { rig.path.reset(); }  // before its engine

  /// Until the worker has `count` sessions; these have no keys.
  void fill_up_to(uint32_t count) {
    abi::InstallSession settings = PathRig::settings(0);
    settings.ip4 = {};
    settings.ip6 = {};
    for (uint32_t peer_id = rig.path->session_count(); peer_id < count; ++peer_id) {
      settings.remote.port = static_cast<uint16_t>(5000 + peer_id);
      rig.install({peer_id, 1}, settings);
    }
    EXPECT_EQ(rig.path->session_count(), count);
  }
  static std::string address(uint32_t peer_id) { return "10.8.0." + std::to_string(peer_id + 2); }
  /// Small, middling and large ones side by side.
  static size_t payload(uint32_t i) { return i % 3 == 0 ? i : i * 33 + 1; }

  void expect_packets_in() {
    std::vector<rte_mbuf*> burst;
    std::vector<Bytes> expected;
    for (uint32_t i = 0; i < kPeers; ++i) {
      expected.push_back(ipv4_packet(address(i), "192.0.2.1", payload(i)));
      burst.push_back(rig.outer_packet(peers[i].seal(expected.back()), peers[i].remote));
    }
    rig.path->outer_burst(burst, rig.now);
    rig.path->flush();
    EXPECT_EQ(rig.sent_tun(), expected);
  }
  void expect_packets_out() {
    std::vector<rte_mbuf*> burst;
    std::vector<Bytes> inner;
    for (uint32_t i = 0; i < kPeers; ++i) {
      inner.push_back(ipv4_packet("192.0.2.1", address(i), payload(i)));
      burst.push_back(rig.pool.packet(inner.back()));
    }
    rig.path->inner_burst(burst, rig.now);
    rig.path->flush();
    auto sent = rig.sent_outer();
    ASSERT_EQ(sent.size(), kPeers);
    for (uint32_t i = 0; i < kPeers; ++i) {
      auto opened = peers[i].open(sent[i].bytes);
      ASSERT_TRUE(opened) << i;
      EXPECT_EQ(opened->inner, inner[i]) << i;
    }
  }

  PathRig rig{kSessions};
  CountingEngine engine{*rig.aead};
  std::vector<Peer> peers;
};

TEST_F(ManySessions, KeysThatWereNotUsedAreExpandedAgain) {
  fill_up_to(kSessions);
  expect_packets_in();
  expect_packets_out();
  EXPECT_EQ(engine.cold, engine.has_compact ? 2 * kPeers : 0) << "each key's first packet";
  expect_packets_in();
  expect_packets_out();
  EXPECT_EQ(engine.cold, engine.has_compact ? 2 * kPeers : 0) << "used a moment ago";
  EXPECT_TRUE(rig.dropped().empty());
}

TEST_F(ManySessions, OneSessionFewerAndNoneIs) {
  fill_up_to(kSessions - 1);
  expect_packets_in();
  expect_packets_out();
  EXPECT_EQ(engine.cold, 0u);
  EXPECT_TRUE(rig.dropped().empty());
}

}  // namespace
}  // namespace culvert
