// Eight workers in threads of their own, clients whose packets arrive anywhere, move about and get new keys: nothing is
// lost, doubled or overtaken. CULVERT_MANY_WORKERS_PACKETS=10000000 makes it longer.
#include <gtest/gtest.h>
#include <rte_lcore.h>

#include <atomic>
#include <cstdlib>
#include <mutex>
#include <random>
#include <thread>

#include "dataplane/steps/handoff.h"
#include "tests/unit/support/path_rig.h"

namespace culvert::testing {
namespace {

using dataplane::Path;

constexpr uint32_t kWorkers = 8;
constexpr uint32_t kClients = 64;
constexpr uint32_t kInFlight = 24;        ///< packets of one flow that may be under way: rings never fill
constexpr uint64_t kPacketsPerKey = 500;  ///< of a client, then it gets a new one
constexpr uint64_t kPacketsPerPlace = 400;
constexpr uint32_t kBurst = 32;
constexpr size_t kHeader = 8;  ///< DATA_V2 opcode with peer-id, packet-id
constexpr uint64_t kNow = 1000 * PathRig::kSecond;

/// What an inner packet carries behind its IPv4 header.
struct Payload {
  uint32_t client;
  uint32_t worker;  ///< at which it entered
  uint64_t sequence;
};
constexpr uint32_t kInnerSize = 20 + sizeof(Payload);

std::array<uint8_t, 4> address_of(uint32_t client) {
  return PathRig::settings(client).ip4;
}

void write_inner(uint8_t* at, const std::array<uint8_t, 4>& source, const std::array<uint8_t, 4>& destination,
                 const Payload& payload) {
  std::memset(at, 0, 20);
  at[0] = 0x45;
  at[3] = kInnerSize;
  at[8] = 64;
  at[9] = 17;
  std::copy(source.begin(), source.end(), at + 12);
  std::copy(destination.begin(), destination.end(), at + 16);
  std::memcpy(at + 20, &payload, sizeof payload);
}

Payload read_inner(const uint8_t* at) {
  Payload payload;
  std::memcpy(&payload, at + 20, sizeof payload);
  return payload;
}

/// One client. Its sending half belongs to the worker at which its packets arrive, which changes; its receiving half to
/// the owner of its session.
struct Client {
  std::atomic<uint32_t> arrives_at{0};
  abi::Endpoint remote;
  abi::InstallKey key{};
  aead::Key seal_key;
  uint32_t next_packet_id = 1;
  uint64_t sent = 0;
  uint64_t moved_at = 0;
  uint32_t moves = 0;

  std::mutex key_lock;  // guards next_key
  std::optional<abi::InstallKey> next_key;

  std::atomic<uint64_t> arrived{0};  ///< written by the owner
  std::array<aead::Key, 8> open_keys;
  std::array<uint32_t, 8> last_packet_id{};
  std::array<std::array<uint8_t, 8>, 8> open_ivs{};
  uint8_t key_id = 0;
  uint8_t salt = 0;
  uint64_t rekeyed_at = 0;
  std::array<std::atomic<uint64_t>, kWorkers> inward{};  ///< packets from the TUN of each worker, received
};

class Crowd {
 public:
  explicit Crowd(uint64_t wanted) : wanted_(wanted) {
    for (uint32_t worker = 0; worker < kWorkers; ++worker) {
      Side& side = sides_[worker];
      side.engine = *aead::make_engine();
      side.clients_engine = *aead::make_engine();
      side.path = *Path::make(link_.view(), worker, pool_, *side.engine, {}, &rings_);
      side.path->set_outer_port(0, &side.outer);
      side.path->set_inner_port(&side.tun);
      side.random.seed(worker);
    }
    for (uint32_t id = 0; id < kClients; ++id) connect(id);
  }
  ~Crowd() {
    for (Side& side : sides_) side.path.reset();
    EXPECT_EQ(rte_mempool_in_use_count(pool_), 0u) << "packets were leaked";
    rte_mempool_free(pool_);
  }

  void run() {
    std::vector<std::thread> threads;
    for (uint32_t worker = 0; worker < kWorkers; ++worker) threads.emplace_back([this, worker] { work(worker); });
    for (std::thread& thread : threads) thread.join();
  }

  uint64_t count(abi::Counter which) {
    uint64_t sum = 0;
    for (Side& side : sides_) sum += side.path->tally().counters[static_cast<size_t>(which)];
    return sum;
  }
  std::map<std::string_view, uint64_t> drops() {
    std::map<std::string_view, uint64_t> all;
    for (Side& side : sides_)
      for (size_t i = 0; i < abi::kDropReasonCount; ++i)
        if (side.path->tally().drops[i] != 0) all[abi::kDropInfo[i].name] += side.path->tally().drops[i];
    return all;
  }
  std::vector<std::string> errors() const { return errors_; }
  uint64_t outward() const { return outward_; }
  uint64_t inward() const { return inward_; }
  uint64_t moves() const { return moves_; }
  uint64_t rekeys() const { return rekeys_; }

 private:
  struct Side {
    drivers::MemoryPort outer{drivers::Side::kOuter};
    drivers::MemoryPort tun{drivers::Side::kInner};
    std::unique_ptr<aead::Engine> engine, clients_engine;
    std::unique_ptr<Path> path;
    std::mt19937 random;
    std::array<uint64_t, kClients> tun_sent{};
  };

  static uint32_t owner_of(uint32_t client) { return client % kWorkers; }

  static rte_mempool* make_pool() {
    start_eal();
    return rte_pktmbuf_pool_create("many_workers", 65535, 256, kPacketPrivateSize, kHeadroom + 256, SOCKET_ID_ANY);
  }

  void connect(uint32_t id) {
    Client& client = clients_[id];
    client.arrives_at = (id * 3 + 1) % kWorkers;
    abi::InstallSession settings = PathRig::settings(id);
    client.remote = settings.remote;
    for (Side& side : sides_) {
      abi::Command command{};
      command.kind = abi::CommandKind::kInstallSession;
      command.session = {id, 1};
      command.owner = static_cast<uint16_t>(owner_of(id));
      command.body.install_session = settings;
      side.path->apply(command, kNow);
    }
    install_key(id);
    take_key(id);
  }

  /// The owner's part: a key into the dataplane, and for the client to find.
  void install_key(uint32_t id) {
    Client& client = clients_[id];
    client.key_id = static_cast<uint8_t>(client.salt == 0 ? 0 : client.key_id % 7 + 1);
    abi::InstallKey key = PathRig::key(client.key_id, static_cast<uint8_t>(++client.salt + id));
    Side& owner = sides_[owner_of(id)];
    owner.clients_engine->expand(key.cipher, key.send.key, client.open_keys[key.key_id]);
    std::copy_n(key.send.implicit_iv.begin(), 8, client.open_ivs[key.key_id].begin());
    client.last_packet_id[key.key_id] = 0;
    abi::Command command{};
    command.kind = abi::CommandKind::kInstallKey;
    command.session = {id, 1};
    command.body.install_key = key;
    owner.path->apply(command, kNow);
    std::lock_guard lock(client.key_lock);
    client.next_key = key;
  }

  /// The client's part: it sends with the new key from now on.
  void take_key(uint32_t id) {
    Client& client = clients_[id];
    std::lock_guard lock(client.key_lock);
    if (!client.next_key) return;
    client.key = *std::exchange(client.next_key, std::nullopt);
    sides_[client.arrives_at].clients_engine->expand(client.key.cipher, client.key.receive.key, client.seal_key);
    client.next_packet_id = 1;
  }

  rte_mbuf* packet() {
    rte_mbuf* mbuf = rte_pktmbuf_alloc(pool_);
    if (mbuf == nullptr) return nullptr;
    mbuf->data_off = kHeadroom;
    meta(mbuf) = {};
    return mbuf;
  }

  rte_mbuf* seal_next(uint32_t id, Side& side) {
    Client& client = clients_[id];
    rte_mbuf* mbuf = packet();
    if (mbuf == nullptr) return nullptr;
    auto* data = reinterpret_cast<uint8_t*>(rte_pktmbuf_append(mbuf, kHeader + aead::kTagSize + kInnerSize));
    uint32_t packet_id = client.next_packet_id++;
    std::array<uint8_t, kHeader> header = {wire::opcode_byte(wire::Opcode::kDataV2, client.key.key_id), 0, 0,
                                           static_cast<uint8_t>(id)};
    for (int i = 0; i < 4; ++i) header[static_cast<size_t>(4 + i)] = static_cast<uint8_t>(packet_id >> (24 - 8 * i));
    std::copy(header.begin(), header.end(), data);
    uint8_t* inner = data + kHeader + aead::kTagSize;
    write_inner(inner, address_of(id), {192, 0, 2, 1}, {id, client.arrives_at, client.sent++});
    aead::Job job{&client.seal_key, inner, data, data + kHeader, kInnerSize, client.key.cipher, kHeader, false, {}};
    std::copy_n(data + 4, 4, job.nonce.begin());
    std::copy_n(client.key.receive.implicit_iv.begin(), 8, job.nonce.begin() + 4);
    side.clients_engine->seal({&job, 1});
    meta(mbuf).remote = client.remote;
    return mbuf;
  }

  /// When all that it sent is in, the client goes elsewhere: another address, packets of which arrive at another
  /// worker.
  void move(uint32_t id, Side& side) {
    Client& client = clients_[id];
    client.moved_at = client.sent;
    client.remote.port = static_cast<uint16_t>(10000 + id * 500 + ++client.moves % 500);
    ++moves_;
    client.arrives_at.store(static_cast<uint32_t>(side.random() % kWorkers), std::memory_order_release);
  }

  bool send_of_clients(uint32_t worker) {
    Side& side = sides_[worker];
    std::array<rte_mbuf*, kBurst> burst;
    size_t count = 0;
    bool waits = false;
    for (uint32_t i = 0, first = static_cast<uint32_t>(side.random()); i < kClients && count < kBurst; ++i) {
      uint32_t id = (first + i) % kClients;
      Client& client = clients_[id];
      if (client.arrives_at.load(std::memory_order_acquire) != worker) continue;
      uint64_t arrived = client.arrived.load(std::memory_order_acquire);
      waits = waits || arrived < client.sent;
      if (client.sent >= client.moved_at + kPacketsPerPlace) {
        if (arrived == client.sent && !over_) move(id, side);
        continue;
      }
      take_key(id);
      for (int n = 0; n < 4 && count < kBurst && client.sent - arrived < kInFlight && !over_; ++n) {
        burst[count] = seal_next(id, side);
        if (burst[count] == nullptr) break;
        ++count;
      }
    }
    side.path->outer_burst(std::span(burst).first(count), kNow);
    return count > 0 || waits;
  }

  bool send_of_tun(uint32_t worker) {
    Side& side = sides_[worker];
    std::array<rte_mbuf*, kBurst> burst;
    size_t count = 0;
    bool waits = false;
    for (uint32_t i = 0, first = static_cast<uint32_t>(side.random()); i < kClients && count < kBurst; ++i) {
      uint32_t id = (first + i) % kClients;
      uint64_t arrived = clients_[id].inward[worker].load(std::memory_order_acquire);
      waits = waits || arrived < side.tun_sent[id];
      if (side.tun_sent[id] - arrived >= kInFlight || over_) continue;
      rte_mbuf* mbuf = packet();
      if (mbuf == nullptr) break;
      auto* data = reinterpret_cast<uint8_t*>(rte_pktmbuf_append(mbuf, kInnerSize));
      write_inner(data, {192, 0, 2, 1}, address_of(id), {id, worker, side.tun_sent[id]++});
      burst[count++] = mbuf;
    }
    side.path->inner_burst(std::span(burst).first(count), kNow);
    return count > 0 || waits;
  }

  void fail(const std::string& what) {
    std::lock_guard lock(errors_lock_);
    if (errors_.size() < 20) errors_.push_back(what);
  }

  /// Inner packets that the owner's path has sent into the TUN.
  void check_tun(uint32_t worker) {
    for (rte_mbuf* mbuf : sides_[worker].tun.take_sent()) {
      Payload payload = read_inner(rte_pktmbuf_mtod(mbuf, const uint8_t*));
      rte_pktmbuf_free(mbuf);
      Client& client = clients_[payload.client % kClients];
      uint64_t expected = client.arrived.load(std::memory_order_relaxed);
      if (payload.sequence != expected || owner_of(payload.client) != worker)
        fail("from client " + std::to_string(payload.client) + ": " + std::to_string(payload.sequence) +
             " instead of " + std::to_string(expected) + " at worker " + std::to_string(worker));
      client.arrived.store(expected + 1, std::memory_order_release);
      ++outward_;
      if (expected + 1 >= client.rekeyed_at + kPacketsPerKey) {
        client.rekeyed_at = expected + 1;
        install_key(payload.client);
        ++rekeys_;
      }
    }
  }

  /// Tunnel packets that the owner's path has sent to clients.
  void check_outer(uint32_t worker) {
    Side& side = sides_[worker];
    for (rte_mbuf* mbuf : side.outer.take_sent()) {
      auto* data = rte_pktmbuf_mtod(mbuf, uint8_t*);
      Client& client = clients_[data[3] % kClients];
      uint8_t key_id = data[0] & 7;
      uint32_t packet_id = uint32_t{data[4]} << 24 | uint32_t{data[5]} << 16 | uint32_t{data[6]} << 8 | data[7];
      uint8_t* inner = data + kHeader + aead::kTagSize;
      aead::Job job{&client.open_keys[key_id],
                    inner,
                    data,
                    data + kHeader,
                    kInnerSize,
                    abi::Cipher::kAes256Gcm,
                    kHeader,
                    false,
                    {}};
      std::copy_n(data + 4, 4, job.nonce.begin());
      std::copy_n(client.open_ivs[key_id].begin(), 8, job.nonce.begin() + 4);
      side.clients_engine->open({&job, 1});
      Payload payload = read_inner(inner);
      rte_pktmbuf_free(mbuf);
      if (!job.authentic) {
        fail("to client " + std::to_string(data[3]) + ": wrong tag");
        continue;
      }
      if (packet_id <= client.last_packet_id[key_id]) fail("packet-id " + std::to_string(packet_id) + " is not above");
      client.last_packet_id[key_id] = packet_id;
      std::atomic<uint64_t>& received = client.inward[payload.worker % kWorkers];
      uint64_t expected = received.load(std::memory_order_relaxed);
      if (payload.sequence != expected)
        fail("to client " + std::to_string(payload.client) + " from worker " + std::to_string(payload.worker) + ": " +
             std::to_string(payload.sequence) + " instead of " + std::to_string(expected));
      received.store(expected + 1, std::memory_order_release);
      ++inward_;
    }
  }

  /// Of everything: how much of each comes first is up to the scheduler.
  bool is_enough() const {
    return outward_ + inward_ >= wanted_ && outward_ > wanted_ / 10 && inward_ > wanted_ / 10 &&
           moves_ > 2 * kClients && rekeys_ > kClients / 2;
  }

  void work(uint32_t worker) {
    rte_thread_register();
    Path& path = *sides_[worker].path;
    // Ends when this worker's flows are in, and goes on for the others' sake until everybody's are.
    for (bool finished = false; finished_ < kWorkers;) {
      if (is_enough()) over_ = true;
      bool busy = send_of_clients(worker);
      busy |= send_of_tun(worker);
      busy |= path.take_handed(kNow) > 0;
      path.flush();
      check_tun(worker);
      check_outer(worker);
      if (over_ && !busy && !finished) {
        finished = true;
        ++finished_;
      }
      std::this_thread::yield();
      if (!errors().empty()) break;
    }
    rte_thread_unregister();
  }

  uint64_t wanted_;
  rte_mempool* pool_ = make_pool();
  LinkMemory link_{kClients, kWorkers};
  steps::HandoffRings rings_{kWorkers};
  std::array<Side, kWorkers> sides_;
  std::array<Client, kClients> clients_;
  std::atomic<bool> over_{false};
  std::atomic<uint32_t> finished_{0};
  std::atomic<uint64_t> outward_{0}, inward_{0}, moves_{0}, rekeys_{0};
  mutable std::mutex errors_lock_;
  std::vector<std::string> errors_;
};

TEST(ManyWorkers, LoseDoubleAndReorderNothing) {
  const char* wanted = std::getenv("CULVERT_MANY_WORKERS_PACKETS");
  uint64_t packets = wanted ? std::strtoull(wanted, nullptr, 10) : 600'000;
  Crowd crowd(packets);
  crowd.run();
  EXPECT_EQ(crowd.errors(), std::vector<std::string>());
  EXPECT_EQ(crowd.drops(), (std::map<std::string_view, uint64_t>()));
  EXPECT_GE(crowd.outward() + crowd.inward(), packets);
  EXPECT_GT(crowd.outward(), packets / 10);
  EXPECT_GT(crowd.inward(), packets / 10);
  EXPECT_GT(crowd.moves(), kClients);
  EXPECT_GT(crowd.rekeys(), kClients / 2);
  EXPECT_EQ(crowd.count(abi::Counter::handed_over_packets), crowd.count(abi::Counter::taken_over_packets));
  EXPECT_GT(crowd.count(abi::Counter::handed_over_packets), packets / 2);
  EXPECT_LE(crowd.count(abi::Counter::floats), crowd.moves());
  EXPECT_GT(crowd.count(abi::Counter::floats), kClients);
}

}  // namespace
}  // namespace culvert::testing
