// A control that has gone mad, or been taken over: it writes anything anywhere in the parts of the link that are its
// own, and in those that are not. The worker must neither crash nor hang, and forward the packets of sessions that it
// leaves alone.
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <thread>

#include "tests/unit/dataplane/worker_rig.h"

namespace culvert::dataplane {
namespace {

using testing::WorkerRig;
using Rng = std::mt19937_64;

uint64_t odd_number(Rng& rng) {
  switch (rng() % 6) {
    case 0:
      return 0;
    case 1:
      return 1;
    case 2:
      return UINT64_MAX;
    case 3:
      return rng() % 5000;
    case 4:
      return uint64_t{1} << (rng() % 64);
    default:
      return rng();
  }
}

/// A command that is nearly right: a valid one with some bytes changed, or plain noise.
abi::Command garbage_command(Rng& rng) {
  abi::Command command{};
  auto* bytes = reinterpret_cast<uint8_t*>(&command);
  if (rng() % 4 == 0) {
    for (size_t i = 0; i < sizeof command; ++i) bytes[i] = static_cast<uint8_t>(rng());
    return command;
  }
  command.kind = static_cast<abi::CommandKind>(rng() % 9);
  command.session = {static_cast<uint32_t>(rng() % 70), static_cast<uint32_t>(rng() % 4)};
  if (rng() % 2 == 0)
    command.body.install_session = WorkerRig::settings(static_cast<uint32_t>(rng() % 64));
  else
    command.body.install_key = WorkerRig::key(static_cast<uint8_t>(rng() % 9), 3);
  for (uint64_t flips = rng() % 4; flips > 0; --flips) bytes[rng() % sizeof command] = static_cast<uint8_t>(rng());
  return command;
}

abi::PacketMessage garbage_packet(Rng& rng) {
  abi::PacketMessage message{};
  message.after_command = odd_number(rng);
  message.port = static_cast<uint16_t>(rng() % 3 == 0 ? rng() : 0);
  message.length = static_cast<uint16_t>(rng() % 2 == 0 ? rng() : rng() % 100);
  auto* remote = reinterpret_cast<uint8_t*>(&message.remote);
  for (size_t i = 0; i < sizeof message.remote; ++i) remote[i] = static_cast<uint8_t>(rng());
  return message;
}

/// One act of malice against the rings.
void mischief(WorkerRig& rig, Rng& rng) {
  abi::WorkerArea& area = rig.area;
  switch (rng() % 12) {
    case 0:
      area.commands.tail.store(odd_number(rng));
      break;
    case 1:
      area.control_out.tail.store(odd_number(rng));
      break;
    case 2:
      area.commands.head.store(odd_number(rng));
      break;
    case 3:
      area.events.head.store(odd_number(rng));
      break;
    case 4:
      area.events.tail.store(odd_number(rng));
      break;
    case 5:
      area.punt_new.head.store(odd_number(rng));
      break;
    case 6:
      area.punt_known.head.store(odd_number(rng));
      break;
    case 7:
      area.events.waiting.store(static_cast<uint32_t>(rng()));
      break;
    case 8:
      area.commands.waiting.store(static_cast<uint32_t>(rng()));
      break;
    case 9: {
      auto peer_id = static_cast<uint32_t>(rng() % 64);
      auto scribble = [&](auto& over) {
        auto* bytes = reinterpret_cast<uint8_t*>(&over);
        std::memset(bytes + rng() % sizeof over, static_cast<int>(rng()), 1);
      };
      scribble(rig.link.view().session(peer_id));
      scribble(rig.link.view().seen(peer_id));
      scribble(rig.link.view().networks(peer_id));
      break;
    }
    case 10: {  // consistent indices around garbage: the ring works, its contents don't
      uint64_t head = area.commands.head.load();
      for (uint64_t i = 0; i < 20; ++i)
        area.commands.slots[(head + i) % abi::CommandRing::kCapacity] = garbage_command(rng);
      area.commands.tail.store(head + 20);
      break;
    }
    default: {
      uint64_t head = area.control_out.head.load();
      for (uint64_t i = 0; i < 5; ++i)
        area.control_out.slots[(head + i) % abi::PacketRing::kCapacity] = garbage_packet(rng);
      area.control_out.tail.store(head + 5);
    }
  }
}

/// Gives the worker packets to forward: garbage, replays, and good ones of a session that commands can't reach (peer-id
/// 63 may be hit like any other, so whether it survives is not asserted here).
void traffic(WorkerRig& rig, testing::Peer& peer, Rng& rng) {
  testing::Bytes noise(rng() % 200);
  for (uint8_t& byte : noise) byte = static_cast<uint8_t>(rng());
  rig.outer.inject(rig.outer_packet(noise, peer.remote));
  rig.outer.inject(rig.outer_packet(peer.seal(testing::ipv4_packet("10.8.0.5", "192.0.2.9", 20)), peer.remote));
  rig.tun.inject(rig.pool.packet(testing::ipv4_packet("192.0.2.9", "10.8.0.5", 20)));
}

TEST(HostileNeighbour, AnythingInTheRingsBetweenPasses) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed);
    WorkerRig rig;
    rig.attach_ports();
    testing::Peer peer = rig.connect(3);
    for (int i = 0; i < 2000; ++i) {
      for (uint64_t acts = rng() % 4; acts > 0; --acts) mischief(rig, rng);
      traffic(rig, peer, rng);
      rig.now += rng() % 100'000'000;
      rig.pass();
      for (auto& sent : rig.sent_outer()) (void)sent;
      rig.sent_tun();
    }
    EXPECT_GT(rig.drops(abi::DropReason::link_bad_message), 0u);
    EXPECT_GT(rig.counter(abi::Counter::commands_refused), 0u);
    EXPECT_EQ(rig.counter(abi::Counter::outer_rx_packets), 4000u) << "every packet was still taken from the port";
  }
}

TEST(HostileNeighbour, AnythingInTheRingsDuringPasses) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "a data race on purpose";
#endif
  WorkerRig rig;
  rig.attach_ports();
  testing::Peer peer = rig.connect(3);
  std::atomic<bool> stop{false};
  std::thread neighbour([&] {
    Rng rng(99);
    while (!stop) mischief(rig, rng);
  });
  Rng rng(7);
  for (int i = 0; i < 5000; ++i) {
    traffic(rig, peer, rng);
    rig.now += 1'000'000;
    rig.pass();
    rig.sent_outer();
    rig.sent_tun();
  }
  stop = true;
  neighbour.join();
  EXPECT_EQ(rig.counter(abi::Counter::outer_rx_packets), 10000u);
}

TEST(HostileNeighbour, SessionsThatItLeavesAloneGoOn) {
  WorkerRig rig;
  rig.attach_ports();
  testing::Peer peer = rig.connect(3);
  Rng rng(5);
  for (int i = 0; i < 300; ++i) {
    rig.area.commands.tail.store(rig.area.commands.head.load() + 2000 + rng() % 1000);  // impossible: never a command
    rig.area.control_out.tail.store(odd_number(rng) | uint64_t{1} << 40);
    rig.area.events.head.store(odd_number(rng));
    rig.area.punt_known.head.store(odd_number(rng));
    rig.outer.inject(rig.outer_packet(peer.seal(testing::ipv4_packet("10.8.0.5", "192.0.2.9", 20)), peer.remote));
    rig.now += 1'000'000;
    rig.pass();
    ASSERT_EQ(rig.sent_tun().size(), 1u) << "pass " << i;
  }
}

}  // namespace
}  // namespace culvert::dataplane
