// The poll loop: order of commands and packets, bounds, sleep, rings that go bad.
#include "dataplane/worker.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "dataplane/clock.h"
#include "dataplane/link/link_memory.h"
#include "dataplane/steps/handoff.h"
#include "dataplane/steps/sweep.h"
#include "drivers/kernel_udp.h"
#include "tests/unit/dataplane/worker_rig.h"
#include "tests/unit/support/wait.h"

namespace culvert::dataplane {
namespace {

using abi::Counter;
using abi::DropReason;
using testing::wait_until;

class WorkerTest : public ::testing::Test {
 protected:
  testing::WorkerRig rig_;
};

TEST_F(WorkerTest, CarriesOutABoundedNumberOfCommandsPerPass) {
  rig_.attach_ports();
  for (uint32_t i = 0; i < 60; ++i) rig_.push_session(i);  // 120 commands
  EXPECT_TRUE(rig_.pass());
  EXPECT_EQ(rig_.counter(Counter::commands), Worker::kCommandsPerPass);
  EXPECT_TRUE(rig_.pass());
  EXPECT_EQ(rig_.counter(Counter::commands), 120u);
  EXPECT_EQ(rig_.path->session_count(), 60u);
  EXPECT_FALSE(rig_.pass());
}

/// Has taken three bursts of one packet from the kernel.
class HoldingPort final : public drivers::Port {
 public:
  explicit HoldingPort(testing::PacketPool& pool) : pool_(pool) {}
  uint16_t rx_burst(std::span<rte_mbuf*> out, abi::Tally&) override {
    if (held_ == 0) return 0;
    --held_;
    out[0] = rte_pktmbuf_alloc(pool_.get());
    rte_pktmbuf_append(out[0], 1)[0] = 0;  // no opcode
    meta(out[0]) = {};
    return 1;
  }
  void tx_burst(std::span<rte_mbuf*> packets, abi::Tally&) override {
    rte_pktmbuf_free_bulk(packets.data(), static_cast<unsigned>(packets.size()));
  }
  bool holds_packets() const override { return held_ > 0; }
  int wake_fd() const override { return -1; }
  drivers::Side side() const override { return drivers::Side::kOuter; }
  std::string name() const override { return "holding"; }

 private:
  testing::PacketPool& pool_;
  int held_ = 3;
};

TEST_F(WorkerTest, TakesWhatPortsHoldBeforeItEnds) {
  rig_.table.outer[0] = std::make_shared<HoldingPort>(rig_.pool);
  rig_.mailbox.post(&rig_.table);
  rig_.pass();
  EXPECT_EQ(rig_.counter(Counter::outer_rx_packets), 1u);
  rig_.worker->stop();
  rig_.worker->run();  // no pass any more
  EXPECT_EQ(rig_.counter(Counter::outer_rx_packets), 3u);
  rig_.path->set_outer_port(0, nullptr);
}

TEST_F(WorkerTest, SendsAPacketOnlyAfterTheCommandsBeforeIt) {
  rig_.attach_ports();
  rig_.push_packet("before");
  for (uint32_t i = 0; i < 40; ++i) rig_.push_session(i);  // 80 commands: more than one pass carries out
  rig_.push_packet("after");
  rig_.push_packet("later");
  rig_.pass();
  EXPECT_EQ(rig_.sent_texts(), std::vector<std::string>{"before"});
  rig_.pass();
  EXPECT_EQ(rig_.sent_texts(), (std::vector<std::string>{"after", "later"}));
  EXPECT_EQ(rig_.counter(Counter::control_tx_packets), 3u);
}

TEST_F(WorkerTest, SendsABoundedNumberOfControlPacketsPerPass) {
  rig_.attach_ports();
  for (int i = 0; i < 100; ++i) rig_.push_packet("p");
  rig_.pass();
  EXPECT_EQ(rig_.sent_texts().size(), Worker::kControlPerPass);
  rig_.pass();
  EXPECT_EQ(rig_.sent_texts().size(), 100 - Worker::kControlPerPass);
}

TEST_F(WorkerTest, APacketThatWaitsForImpossibleCommandsIsDroppedNotWaitedFor) {
  rig_.attach_ports();
  rig_.push_packet("never", 1);  // no command was pushed
  rig_.push_packet("never", UINT64_MAX);
  rig_.push_packet("next");
  rig_.pass();
  EXPECT_EQ(rig_.sent_texts(), std::vector<std::string>{"next"});
  EXPECT_EQ(rig_.drops(DropReason::link_bad_message), 2u);
}

TEST_F(WorkerTest, WipesTheSlotOfAKey) {
  rig_.push_session(0);
  rig_.pass();
  const auto* slots = reinterpret_cast<const uint8_t*>(rig_.area.commands.slots.data());
  EXPECT_TRUE(std::all_of(slots, slots + 2 * sizeof(abi::Command), [](uint8_t byte) { return byte == 0; }));
}

TEST_F(WorkerTest, MovesPacketsBothWaysAndBeats) {
  rig_.attach_ports();
  testing::Peer peer = rig_.connect(3);
  rig_.outer.inject(rig_.outer_packet(peer.seal(testing::ipv4_packet("10.8.0.5", "192.0.2.9", 20)), peer.remote));
  EXPECT_TRUE(rig_.pass());
  EXPECT_EQ(rig_.sent_tun().size(), 1u);
  rig_.tun.inject(rig_.pool.packet(testing::ipv4_packet("192.0.2.9", "10.8.0.5", 20)));
  EXPECT_TRUE(rig_.pass());
  auto sent = rig_.sent_outer();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_TRUE(peer.open(sent[0].bytes));
  EXPECT_EQ(rig_.area.heartbeat_ns.load(), rig_.now);
  EXPECT_EQ(rig_.counter(Counter::polls), 2u);
  EXPECT_FALSE(rig_.pass());
  EXPECT_EQ(rig_.counter(Counter::idle_polls), 1u);
}

TEST(WorkerOfTwo, KeepsUpWithWhatTheOtherHandsOver) {
  testing::PacketPool pool;
  testing::LinkMemory link(8, 2);
  steps::HandoffRings rings(2);
  drivers::MemoryPort outer(drivers::Side::kOuter);
  std::array<std::unique_ptr<aead::Engine>, 2> engines;
  std::array<std::unique_ptr<Path>, 2> paths;
  for (uint32_t i = 0; i < 2; ++i) {
    engines[i] = *aead::make_engine();
    paths[i] = *Path::make(link.view(), i, pool.get(), *engines[i], {}, &rings);
    abi::Command install{};
    install.kind = abi::CommandKind::kInstallSession;
    install.session = {3, 1};
    install.owner = 1;
    install.body.install_session = testing::PathRig::settings(3);
    paths[i]->apply(install, 1);
  }
  abi::Command key{};
  key.kind = abi::CommandKind::kInstallKey;
  key.session = {3, 1};
  key.body.install_key = testing::PathRig::key(0, 1);
  paths[1]->apply(key, 1);
  PortMailbox mailbox;
  PortTable table;
  table.outer[0] = {&outer, [](drivers::Port*) {}};
  mailbox.post(&table);
  drivers::FileDescriptor bell(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  Worker owner(link.view().worker(1), *paths[1], mailbox, {bell.get(), bell.get(), bell.get()});

  constexpr size_t kOfOnePass = 2 * Worker::kBurst;  // of an outer port and the TUN
  for (size_t i = 0; i < 2 * kOfOnePass; ++i) {
    rte_mbuf* packet = pool.packet(testing::ipv4_packet("192.0.2.1", "10.8.0.5"));
    paths[0]->inner_burst({&packet, 1}, 1);
  }
  paths[0]->flush();
  EXPECT_TRUE(owner.pass(1));
  EXPECT_EQ(testing::PathRig::take(outer).size(), 2 * kOfOnePass) << "in one pass";
  EXPECT_FALSE(owner.pass(1));

  owner.stop();
  owner.run();
  rte_mbuf* late = pool.packet(testing::ipv4_packet("192.0.2.1", "10.8.0.5"));
  paths[0]->inner_burst({&late, 1}, 1);
  paths[0]->flush();
  owner.finish();
  EXPECT_EQ(testing::PathRig::take(outer).size(), 1u) << "handed over by one that ended later";
  paths[1]->set_outer_port(0, nullptr);
}

TEST_F(WorkerTest, PublishesCountersUnderLoad) {
  rig_.attach_ports();
  rig_.push_packet("x");
  rig_.pass();
  rig_.now += Worker::kPublishEvery;
  rig_.push_packet("x");
  rig_.pass();
  EXPECT_EQ(rig_.area.counters.read().counters[static_cast<size_t>(Counter::control_tx_packets)], 2u);
}

TEST_F(WorkerTest, FullEventRingDoesNotBlock) {
  rig_.attach_ports();
  for (uint64_t i = 0; i < 2 * abi::EventRing::kCapacity; ++i) {  // refused commands: one event each, nobody reads them
    abi::Command command{};
    command.kind = abi::CommandKind::kRemoveKey;
    command.session = {static_cast<uint32_t>(i % 64), 9};
    rig_.commands.push(command);
    rig_.pass();
  }
  rig_.push_packet("still alive");
  rig_.pass();
  EXPECT_EQ(rig_.sent_texts(), std::vector<std::string>{"still alive"});
  EXPECT_GT(rig_.counter(Counter::events_lost), 0u);
}

TEST_F(WorkerTest, ACorruptRingIsCountedOnceAndTheOthersGoOn) {
  rig_.attach_ports();
  rig_.area.commands.tail.store(5000);  // more than it holds
  for (int i = 0; i < 100; ++i) rig_.pass();
  EXPECT_EQ(rig_.drops(DropReason::link_bad_message), 1u);
  rig_.push_packet("control_out works");
  rig_.pass();
  EXPECT_EQ(rig_.sent_texts(), std::vector<std::string>{"control_out works"});

  rig_.area.commands.tail.store(0);  // comes right again
  rig_.push_session(1);
  rig_.pass();
  EXPECT_EQ(rig_.path->session_count(), 1u);
}

TEST_F(WorkerTest, AdoptsNewPortsAndLetsGoOfOldOnes) {
  rig_.attach_ports();
  rig_.pass();
  EXPECT_TRUE(rig_.mailbox.is_adopted(&rig_.table));
  EXPECT_TRUE(testing::wait_readable(rig_.main_bell.get()));
  PortTable none;
  rig_.mailbox.post(&none);
  EXPECT_FALSE(rig_.mailbox.is_adopted(&none));
  rig_.outer.inject(rig_.outer_packet(testing::Bytes{1, 2, 3}, testing::endpoint("198.51.100.1", 1)));
  rig_.push_packet("to a port that is gone");
  rig_.pass();
  EXPECT_TRUE(rig_.mailbox.is_adopted(&none));
  EXPECT_EQ(rig_.drops(DropReason::tx_port_down), 1u);
  EXPECT_EQ(rig_.counter(Counter::outer_rx_packets), 0u);
}

/// A port that sleeps on an eventfd and can lose its device.
class FakePort final : public drivers::Port {
 public:
  uint16_t rx_burst(std::span<rte_mbuf*> burst, abi::Tally&) override {
    ++asked;
    if (waiting == nullptr) return 0;
    burst[0] = std::exchange(waiting, nullptr);
    return 1;
  }
  void tx_burst(std::span<rte_mbuf*> packets, abi::Tally&) override {
    for (rte_mbuf* packet : packets) rte_pktmbuf_free(packet);
  }
  int wake_fd() const override { return fd.get(); }
  bool is_gone() const override { return gone; }
  void end_streams(abi::Tally&) override { given_up = true; }
  drivers::Side side() const override { return drivers::Side::kInner; }
  std::string name() const override { return "fake"; }

  drivers::FileDescriptor fd{eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
  std::atomic<bool> gone{false};
  bool given_up = false;
  std::atomic<uint32_t> asked{0};
  rte_mbuf* waiting = nullptr;  ///< comes with the next burst
};

TEST_F(WorkerTest, APortThatIsTakenAwayEndsItsConnectionsFirst) {
  auto kept = std::make_shared<FakePort>();
  auto replaced = std::make_shared<FakePort>();
  PortTable before, after;
  before.outer[0] = after.outer[0] = kept;
  before.outer[1] = replaced;
  after.outer[1] = std::make_shared<FakePort>();
  rig_.mailbox.post(&before);
  rig_.pass();
  EXPECT_FALSE(replaced->given_up);
  rig_.mailbox.post(&after);
  rig_.pass();
  EXPECT_TRUE(replaced->given_up);
  EXPECT_FALSE(kept->given_up);
  for (uint16_t i : {0, 1}) rig_.path->set_outer_port(i, nullptr);
}

TEST_F(WorkerTest, WokenByAPortItAsksThatOneOnly) {
  auto woken = std::make_shared<FakePort>();
  auto other = std::make_shared<FakePort>();
  rig_.table.inner = woken;
  rig_.table.outer[0] = other;
  rig_.mailbox.post(&rig_.table);
  ring_doorbell(woken->fd.get());  // is readable: no sleep lasts
  for (uint32_t i = 0; i < WaitPolicy::kIdlePasses; ++i) rig_.worker->rest(rig_.now, rig_.pass());
  EXPECT_EQ(rig_.counter(Counter::sleeps), 1u);
  EXPECT_EQ(woken->asked, WaitPolicy::kIdlePasses);
  EXPECT_EQ(other->asked, WaitPolicy::kIdlePasses);

  rig_.now += 1'000'000;  // as if it had slept for a while
  bool busy = rig_.pass();
  EXPECT_EQ(woken->asked, WaitPolicy::kIdlePasses + 1);
  EXPECT_EQ(other->asked, WaitPolicy::kIdlePasses) << "the kernel has said that it has nothing";
  rig_.worker->rest(rig_.now, busy);
  EXPECT_EQ(rig_.counter(Counter::sleeps), 2u) << "at once";

  rig_.now += 1'000;
  rig_.worker->rest(rig_.now, rig_.pass());
  EXPECT_EQ(other->asked, WaitPolicy::kIdlePasses);
  rig_.pass();
  EXPECT_EQ(other->asked, WaitPolicy::kIdlePasses + 1) << "after a short sleep, all are asked";
  rig_.path->set_inner_port(nullptr);
  rig_.path->set_outer_port(0, nullptr);
}

TEST(WorkerOfMany, ARoundOverTheSessionsDoesNotMakeItDeaf) {
  constexpr uint32_t kPortions = 3;
  testing::WorkerRig rig(kPortions * steps::kSweepSessions);
  auto woken = std::make_shared<FakePort>();
  auto other = std::make_shared<FakePort>();
  rig.table.inner = woken;
  rig.table.outer[0] = other;
  rig.mailbox.post(&rig.table);
  ring_doorbell(woken->fd.get());  // is readable: no sleep lasts
  for (uint32_t i = 0; i < kPortions * steps::kSweepSessions; ++i) {
    rig.push_session(i);
    rig.pass();
  }
  auto sleeps_again = [&](uint64_t before) {
    for (uint32_t i = 0; i < 100 && rig.counter(Counter::sleeps) == before; ++i) rig.worker->rest(rig.now, rig.pass());
    return rig.counter(Counter::sleeps) > before;
  };
  ASSERT_TRUE(sleeps_again(0));

  rig.now += steps::kRoundNs;  // as if it had slept so long: the next round is due
  rig.worker->rest(rig.now, rig.pass());
  uint32_t asked = other->asked;
  for (uint32_t portion = 1; portion < kPortions; ++portion) {
    rig.worker->rest(rig.now, rig.pass());
    EXPECT_EQ(other->asked, asked + portion) << "what came meanwhile must not wait for the round's end";
  }
  rig.path->set_inner_port(nullptr);
  rig.path->set_outer_port(0, nullptr);
}

TEST_F(WorkerTest, CountsNapsBesideSleeps) {
  auto port = std::make_shared<FakePort>();
  rig_.table.inner = port;
  rig_.mailbox.post(&rig_.table);
  ring_doorbell(port->fd.get());  // is readable: no sleep lasts
  auto rest = [&] { rig_.worker->rest(rig_.now, rig_.pass()); };
  // Packets one by one, in less time than the policy takes for often.
  for (uint32_t wakings = 0; wakings < 4 * WaitPolicy::kWindow && rig_.counter(Counter::naps) == 0; ++wakings) {
    rig_.now += WaitPolicy::kOftenNs / 2;
    port->waiting = rig_.pool.packet(testing::ipv4_packet("192.0.2.1", "10.8.0.9"));
    uint64_t sleeps = rig_.counter(Counter::sleeps);
    for (uint32_t i = 0; i < 100 && rig_.counter(Counter::sleeps) == sleeps && rig_.counter(Counter::naps) == 0; ++i)
      rest();
  }
  EXPECT_EQ(rig_.counter(Counter::naps), 1u);
  uint64_t sleeps = rig_.counter(Counter::sleeps);
  EXPECT_GE(sleeps, WaitPolicy::kWindow);
  rest();  // it gathered nothing: no more of them for a while
  EXPECT_EQ(rig_.counter(Counter::naps), 1u);
  EXPECT_EQ(rig_.counter(Counter::sleeps), sleeps) << "a nap is none";
  rig_.path->set_inner_port(nullptr);
}

TEST_F(WorkerTest, AtFullRateItsThreadInterruptsNobody) {
  if (sched_getscheduler(0) != SCHED_OTHER) GTEST_SKIP() << "has a policy of its own";
  auto port = std::make_shared<FakePort>();
  rig_.table.inner = port;
  rig_.mailbox.post(&rig_.table);
  auto receive = [&](uint64_t apart) {
    rig_.now += apart;
    port->waiting = rig_.pool.packet(testing::ipv4_packet("192.0.2.1", "10.8.0.9"));
    rig_.worker->rest(rig_.now, rig_.pass());
    return sched_getscheduler(0);
  };
  constexpr uint64_t kApart = 1'000'000'000 / (2 * FullRate::kBegins);
  for (uint64_t passes = 3 * FullRate::kWindowNs / kApart; passes > 0; --passes) receive(kApart);
  EXPECT_EQ(receive(kApart), SCHED_BATCH);
  rig_.path->set_inner_port(nullptr);
}

TEST_F(WorkerTest, AThreadThatNeverSleepsStaysAsItIs) {
  rig_.attach_ports();  // in memory: polled
  const int before = sched_getscheduler(0);
  for (uint64_t passes = 3 * FullRate::kWindowNs / 5'000; passes > 0; --passes) {
    rig_.now += 5'000;
    rig_.tun.inject(rig_.pool.packet(testing::ipv4_packet("192.0.2.1", "10.8.0.9")));
    rig_.worker->rest(rig_.now, rig_.pass());
    ASSERT_EQ(sched_getscheduler(0), before);
  }
}

/// A worker that runs in a thread of its own.
class RunningWorker : public WorkerTest {
 protected:
  void start() {
    thread_ = std::thread([this] { rig_.worker->run(); });
  }
  void TearDown() override {
    if (!thread_.joinable()) return;
    rig_.worker->stop();
    thread_.join();
  }
  uint64_t published(Counter counter) { return rig_.area.counters.read().counters[static_cast<size_t>(counter)]; }
  bool sleeps() {
    return wait_until(
        [&] { return rig_.area.commands.waiting.load() == 1 && rig_.area.control_out.waiting.load() == 1; });
  }
  /// It hardly passes.
  void expect_asleep() {
    uint64_t before = published(Counter::polls);
    uint64_t from_ns = monotonic_ns();
    ASSERT_TRUE(wait_until([&] { return monotonic_ns() - from_ns > 200'000'000; }));
    EXPECT_LE(published(Counter::polls) - before, 3 * WaitPolicy::kIdlePasses);
  }

  std::thread thread_;
};

TEST_F(RunningWorker, SleepsWhenIdleAndWakesForACommand) {
  start();
  ASSERT_TRUE(sleeps());
  uint64_t heartbeat = rig_.area.heartbeat_ns.load();
  rig_.push_session(5);
  ASSERT_TRUE(rig_.commands.must_wake());
  ring_doorbell(rig_.bell.get());
  EXPECT_TRUE(wait_until([&] { return rig_.area.commands.head.load() == 2; }));
  EXPECT_TRUE(wait_until([&] { return rig_.area.heartbeat_ns.load() > heartbeat; }));
  EXPECT_TRUE(sleeps()) << "and sleeps again";
}

TEST_F(RunningWorker, HardlyPassesWhileItSleeps) {
  start();
  ASSERT_TRUE(sleeps());
  expect_asleep();
}

TEST_F(RunningWorker, ADatagramWakesItAndTellsControl) {
  drivers::UdpSettings settings;
  settings.local = testing::endpoint("127.0.0.1", 0);
  auto socket = drivers::open_udp_socket(settings);
  ASSERT_TRUE(socket);
  abi::Endpoint local = socket->local;
  rig_.table.outer[0] = std::make_shared<drivers::KernelUdpPort>(*std::move(socket), 0, rig_.pool.get());
  rig_.mailbox.post(&rig_.table);
  ASSERT_TRUE(rig_.punt_new_reader.prepare_to_sleep());
  ASSERT_TRUE(rig_.punt_known_reader.prepare_to_sleep());
  start();
  ASSERT_TRUE(sleeps());

  drivers::FileDescriptor client(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  drivers::SocketAddress to;
  socklen_t length = drivers::to_socket_address(local, AF_INET, to);
  std::array<uint8_t, 14> reset{wire::opcode_byte(wire::Opcode::kHardResetClientV2, 0)};
  ASSERT_EQ(sendto(client.get(), reset.data(), reset.size(), 0, &to.any, length), 14);
  ASSERT_TRUE(testing::wait_readable(rig_.control_bell.get())) << "control is woken";
  abi::PacketMessage punt;
  ASSERT_EQ(rig_.punt_new_reader.pop(punt), abi::RingStatus::kOk);
  EXPECT_EQ(punt.length, 14);
  EXPECT_EQ(punt.local, local);
  EXPECT_TRUE(sleeps());
  TearDown();
  rig_.path->set_outer_port(0, nullptr);
}

TEST_F(RunningWorker, CorruptRingsDoNotKeepItAwake) {
  rig_.area.commands.tail.store(~uint64_t{0} / 2);
  rig_.area.control_out.tail.store(5000);
  start();
  ASSERT_TRUE(wait_until([&] { return published(Counter::sleeps) > 0; }));
  expect_asleep();
}

TEST_F(RunningWorker, TellsTheMainThreadOfALostDeviceAndSleepsOn) {
  auto port = std::make_shared<FakePort>();
  rig_.table.inner = port;
  rig_.mailbox.post(&rig_.table);
  start();
  ASSERT_TRUE(wait_until([&] { return rig_.mailbox.is_adopted(&rig_.table); }));
  port->gone = true;
  ring_doorbell(port->fd.get());  // stays readable, as a deleted TUN does
  ASSERT_TRUE(wait_until([&] { return rig_.mailbox.gone() == port.get(); }));
  ASSERT_TRUE(sleeps()) << "although the descriptor is readable";
  expect_asleep();

  PortTable next;
  next.inner = std::make_shared<FakePort>();
  rig_.mailbox.post(&next);
  ring_doorbell(rig_.bell.get());
  ASSERT_TRUE(wait_until([&] { return rig_.mailbox.is_adopted(&next); }));
  EXPECT_EQ(rig_.mailbox.gone(), nullptr);
  TearDown();
  rig_.path->set_inner_port(nullptr);
}

}  // namespace
}  // namespace culvert::dataplane
