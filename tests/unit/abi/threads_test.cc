// Ring and committed values between two threads and between two processes. Built with ThreadSanitizer as well
// (build-tsan).
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <new>
#include <thread>

#include "dataplane/abi/committed.h"
#include "dataplane/abi/spsc_ring.h"

namespace culvert::abi {
namespace {

constexpr int kDeadlineMs = 20'000;  ///< a wake-up that takes longer is lost

struct Message {
  uint64_t number;
  std::array<uint64_t, 7> payload;
};

Message message(uint64_t number) {
  Message made{number, {}};
  made.payload.fill(number * 0x9E37'79B9'7F4A'7C15);
  return made;
}

using Ring = SpscRing<Message, 16>;

/// An eventfd, as the link has one per worker and direction.
class Doorbell {
 public:
  Doorbell() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}
  ~Doorbell() { close(fd_); }
  Doorbell(const Doorbell&) = delete;
  void ring() { ASSERT_EQ(eventfd_write(fd_, 1), 0); }
  /// False when it did not ring before the deadline.
  bool wait() {
    pollfd waiting{fd_, POLLIN, 0};
    if (poll(&waiting, 1, kDeadlineMs) != 1) return false;
    eventfd_t count;
    return eventfd_read(fd_, &count) == 0;
  }

 private:
  int fd_;
};

// Both sides sleep whenever they can: the consumer on an empty ring, the producer on a full one. A lost wake-up is a
// deadline.
TEST(RingThreads, NoMessageAndNoWakeUpIsLost) {
  constexpr uint64_t kMessages = 200'000;
  auto ring = std::make_unique<Ring>();
  Doorbell for_consumer;
  std::atomic<bool> failed = false;

  std::thread consumer([&] {
    Consumer<Message, 16> in(*ring);
    Message got;
    for (uint64_t next = 0; next < kMessages && !failed;) {
      RingStatus status = in.pop(got, next % 3 == 0);
      if (status == RingStatus::kOk) {
        if (got.number != next || got.payload != message(next).payload) {
          ADD_FAILURE() << "got message " << got.number << " instead of " << next;
          failed = true;
        }
        ++next;
      } else if (status == RingStatus::kCorrupt) {
        ADD_FAILURE() << "corrupt at " << next;
        failed = true;
      } else if (in.prepare_to_sleep()) {
        if (!for_consumer.wait()) {
          ADD_FAILURE() << "slept through message " << next;
          failed = true;
        }
        in.awake();
      }
    }
  });

  Producer<Message, 16> out(*ring);
  for (uint64_t next = 0; next < kMessages && !failed;) {
    RingStatus status = out.push(message(next));
    if (status == RingStatus::kOk) {
      ++next;
      // Batches of changing length, so that the doorbell falls before, on and after the consumer's check.
      if (next % (1 + next / 64 % 5) == 0 && out.must_wake()) for_consumer.ring();
    } else {
      EXPECT_EQ(status, RingStatus::kFull);
      if (out.must_wake()) for_consumer.ring();
      std::this_thread::yield();
    }
  }
  if (out.must_wake()) for_consumer.ring();
  consumer.join();
  EXPECT_FALSE(failed);
}

/// Sends one message and sleeps until the next one comes: each message finds the other side just before, in or after
/// its decision to sleep, and nothing that follows could make up for a wake-up that was lost.
class Player {
 public:
  Player(Ring& out, Doorbell& their_bell, Ring& in, Doorbell& my_bell)
      : out_(out), in_(in), their_bell_(their_bell), my_bell_(my_bell) {}
  void send(uint64_t number) {
    EXPECT_EQ(out_.push(message(number)), RingStatus::kOk);
    if (out_.must_wake()) their_bell_.ring();
  }
  /// False when it slept through the message.
  bool receive(uint64_t number) {
    Message got;
    looks_ = static_cast<uint8_t>(looks_ * 5 + 1);
    for (uint8_t looks = looks_; in_.pop(got) != RingStatus::kOk; --looks) {
      if (looks > 1 || !in_.prepare_to_sleep()) continue;
      if (!my_bell_.wait()) return false;
      in_.awake();
    }
    return got.number == number;
  }

 private:
  Producer<Message, 16> out_;
  Consumer<Message, 16> in_;
  Doorbell& their_bell_;
  Doorbell& my_bell_;
  uint8_t looks_ = 0;
};

TEST(RingThreads, PingPongNeverSleepsOnAMessage) {
  constexpr uint64_t kRounds = 30'000;
  auto there = std::make_unique<Ring>();
  auto back = std::make_unique<Ring>();
  Doorbell bell_there;
  Doorbell bell_back;
  std::thread other([&] {
    Player player(*back, bell_back, *there, bell_there);
    for (uint64_t round = 0; round < kRounds; ++round) {
      if (!player.receive(round)) return ADD_FAILURE() << "ping " << round << " was slept through";
      player.send(round);
    }
  });
  Player player(*there, bell_there, *back, bell_back);
  for (uint64_t round = 0; round < kRounds; ++round) {
    player.send(round);
    if (!player.receive(round)) {
      ADD_FAILURE() << "pong " << round << " was slept through";
      break;
    }
  }
  other.join();
}

struct Value {
  std::array<uint64_t, 40> words;
};

TEST(CommittedThreads, ReadersSeeWholeValuesInOrder) {
  constexpr uint64_t kWrites = 100'000;
  auto committed = std::make_unique<Committed<Value>>();
  std::atomic<bool> done = false;
  auto reader = [&] {
    uint64_t last = 0;
    uint64_t reads = 0;
    while (!done || reads == 0) {
      Value value;
      if (!committed->read(value)) continue;  // nothing yet, or the writer outran us
      ++reads;
      for (uint64_t word : value.words)
        if (word != value.words[0]) return ADD_FAILURE() << "torn: " << word << " beside " << value.words[0];
      if (value.words[0] < last) return ADD_FAILURE() << "went back from " << last << " to " << value.words[0];
      last = value.words[0];
    }
  };
  std::thread one(reader);
  std::thread two(reader);
  Value value;
  for (uint64_t i = 1; i <= kWrites; ++i) {
    value.words.fill(i);
    committed->write(value);
  }
  done = true;
  one.join();
  two.join();
  ASSERT_TRUE(committed->read(value));
  EXPECT_EQ(value.words[0], kWrites);
}

/// Both objects in memory shared with a child process, as the link is.
struct Shared {
  Ring ring;
  Committed<Value> committed;
  std::atomic<uint64_t> progress;
};

class TwoProcesses : public ::testing::Test {
 protected:
  void SetUp() override {
    void* memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(memory, MAP_FAILED);
    shared_ = new (memory) Shared{};
  }
  void TearDown() override { munmap(static_cast<void*>(shared_), sizeof(Shared)); }
  /// Runs `work` in a child for ever, and kills it in the middle of it after `steps` more of shared_->progress.
  template <class Work>
  void kill_within(uint64_t steps, Work work) {
    uint64_t target = shared_->progress + steps;
    pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      for (;;) work();
    }
    while (shared_->progress < target && waitpid(child, nullptr, WNOHANG) == 0) std::this_thread::yield();
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    ASSERT_GE(shared_->progress, target) << "the child died of its own";
  }
  Shared* shared_ = nullptr;
};

TEST_F(TwoProcesses, CommittedSurvivesAKilledWriter) {
  Value value{};
  for (uint64_t life = 1; life <= 40; ++life) {
    kill_within(200 + life * 7, [&] {
      value.words.fill(shared_->progress + 1);
      shared_->committed.write(value);
      ++shared_->progress;
    });
    Value seen{};
    ASSERT_TRUE(shared_->committed.read(seen));
    for (uint64_t word : seen.words) ASSERT_EQ(word, seen.words[0]) << "torn in life " << life;
    ASSERT_GE(seen.words[0], shared_->progress) << "a committed value was lost in life " << life;
    shared_->progress = seen.words[0];
  }
}

TEST_F(TwoProcesses, RingSurvivesAKilledProducer) {
  uint64_t next = 0;
  for (int life = 0; life < 40; ++life) {
    uint64_t full_at = shared_->ring.head + Ring::kCapacity;
    kill_within(static_cast<uint64_t>(life) % Ring::kCapacity + 1, [&] {
      static Producer<Message, 16> out(shared_->ring);
      if (out.push(message(out.published())) == RingStatus::kOk) ++shared_->progress;
    });
    Consumer<Message, 16> in(shared_->ring);
    Message got;
    while (in.pop(got) == RingStatus::kOk) {
      ASSERT_EQ(got.number, next) << "in life " << life;
      ASSERT_EQ(got.payload, message(next).payload) << "torn in life " << life;
      ++next;
    }
    ASSERT_LE(next, full_at);
    EXPECT_EQ(in.consumed(), next);
  }
  EXPECT_GE(next, 40u);
}

}  // namespace
}  // namespace culvert::abi
