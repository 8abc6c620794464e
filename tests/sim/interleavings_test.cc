// All orders in which resets, acknowledgements, soft resets, time and endings can meet in one session, up to six
// events: a session that is replaced or ended while something is queued is where other implementations broke. Run it
// under ASan.
#include <gtest/gtest.h>

#include "control/openvpn/cookie.h"
#include "tests/sim/crafted.h"

namespace culvert::sim {
namespace {

using namespace openvpn;
using namespace std::chrono_literals;
using Opcode = culvert::wire::Opcode;
using SessionId = culvert::wire::SessionId;

constexpr SessionId kOwn = {9, 9, 9, 9, 9, 9, 9, 9};
constexpr SessionId kOld = {1, 2, 3, 4, 5, 6, 7, 8};
constexpr SessionId kNew = {8, 7, 6, 5, 4, 3, 2, 1};

/// A session taken over from a record (which needs no handshake), and a client with a new session ID at the same
/// address.
class Scene {
 public:
  Scene() : world_(options()) {
    abi::ControlRecord record{};
    record.state = abi::RecordState::kConnected;
    record.generation = world_.peer_ids.take(world_.clock.now())->generation;
    record.local_session_id = kOwn;
    record.remote_session_id = kOld;
    record.previous_key_id = 0xFF;
    record.cipher = abi::Cipher::kAes256Gcm;
    record.settings.remote = at_;
    abi::Command install{};
    install.kind = abi::CommandKind::kInstallSession;
    install.session = ref_ = {0, record.generation};
    world_.worker.carry_out(install);
    install.kind = abi::CommandKind::kInstallKey;
    install.body.install_key = {};
    install.body.install_key.first_packet_id = 1;
    install.body.install_key.send_at_once = 1;
    world_.worker.carry_out(install);
    world_.with_server([&](Server& server, Now now) { EXPECT_TRUE(server.adopt(0, record, at_, now)); });
  }

  static constexpr int kEvents = 11;
  void happen(int event) {
    switch (event) {
      case 0:
        return send(craft(Opcode::kSoftReset, 1, kOld, {}, {}, 0, {}));
      case 1:
        return send(craft(Opcode::kAck, 1, kOld, {0}, kOwn, 0, {}));
      case 2:
        return send(craft(Opcode::kControl, 1, kOld, {0}, kOwn, 1, Bytes(40, 0x16)));
      case 3:
        return send(craft(Opcode::kControl, 0, kNew, {0}, cookie(), 1, {0x16, 3, 1, 0, 5, 1, 0, 0, 1, 3}));
      case 4:
        world_.clock.run_for(31s);
        return;
      case 5:
        return send(craft(Opcode::kHardResetClientV2, 0, kNew, {}, {}, 0, {}));
      case 6:
        return send(craft(Opcode::kSoftReset, 2, kOld, {}, {}, 0, {}));
      case 7:
        return report(abi::EventKind::kKeyNearLimit, 0);
      case 8:
        return report(abi::EventKind::kKeyFirstUse, 1);
      case 9:
        return report(abi::EventKind::kPeerExit, 0);
      case 10:
        world_.with_server([&](Server& server, Now now) {
          for (const SessionInfo& info : server.sessions())
            server.disconnect(info.session, Goodbye::kHalt, EndReason::kKilled, "test", now);
        });
        return;
    }
  }
  void check(const std::string& order) {
    ASSERT_EQ(world_.worker.errors(), std::vector<std::string>()) << order;
    ASSERT_EQ(world_.peer_ids.taken(), world_.server->session_count()) << order;
    ASSERT_FALSE(world_.peer_ids.misused()) << order;
  }
  /// Everything ends, and nothing is left.
  void finish(const std::string& order) {
    world_.with_server([](Server& server, Now now) { server.stop(Goodbye::kRestart, now); });
    uint64_t before = world_.clock.happened();
    world_.clock.run_for(130s);
    check(order);
    ASSERT_FALSE(world_.server->next_deadline()) << order;
    ASSERT_LT(world_.clock.happened() - before, 500u) << "timers must not spin: " << order;
    ASSERT_TRUE(world_.worker.sessions().empty()) << order;
  }

 private:
  static World::Options options() {
    World::Options out;
    out.peer_ids = 8;
    return out;
  }
  SessionId cookie() {
    const ServerSettings& settings = world_.server->settings();
    return Cookie(settings.cookie_secret, settings.hand_window).make(kNew, at_, world_.clock.now());
  }
  void send(const Bytes& bytes) { world_.server_receives(at_, bytes); }
  void report(abi::EventKind kind, uint8_t key_id) {
    abi::Event event{};
    event.kind = kind;
    event.session = ref_;
    event.key_id = key_id;
    world_.with_server([&](Server& server, Now now) { server.on_event(event, now); });
  }

  World world_;
  abi::Endpoint at_ = endpoint(1, 40000);
  abi::SessionRef ref_;
};

void all_orders(int events, int depth) {
  int orders = 1;
  for (int i = 0; i < depth; ++i) orders *= events;
  for (int order = 0; order < orders; ++order) {
    Scene scene;
    std::string text;
    for (int i = 0, rest = order; i < depth; ++i, rest /= events) {
      text += std::to_string(rest % events) + " ";
      scene.happen(rest % events);
      ASSERT_NO_FATAL_FAILURE(scene.check(text));
    }
    ASSERT_NO_FATAL_FAILURE(scene.finish(text));
  }
}

TEST(Interleavings, FourOfAllEvents) {
  all_orders(Scene::kEvents, 4);
}
TEST(Interleavings, SixOfResetsAcknowledgementsAndTime) {
  all_orders(5, 6);
}

}  // namespace
}  // namespace culvert::sim
