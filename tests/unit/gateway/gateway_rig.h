// A gateway with its configuration on disk, a dataplane's end of the link without a dataplane, and sessions that a
// control before it left in the link's records.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "control/config/load.h"
#include "control/gateway/gateway.h"
#include "control/gateway/names.h"
#include "control/gateway/network_list.h"
#include "control/pki/pki.h"
#include "dataplane/abi/endpoint_text.h"
#include "tests/unit/io/support.h"

namespace culvert::gateway {

/// Certificates and a configuration, made once per run; each test has a copy of its own.
inline const std::filesystem::path& configuration_to_copy() {
  static const io::Folder folder;
  static const std::filesystem::path made = [] {
    pki::InitOptions options;
    options.folder = folder / "etc";
    options.host = "vpn.example.org";
    auto done = pki::init(options, std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()));
    EXPECT_TRUE(done) << done.error();
    // Without IPv6, whose network is made anew each time: sessions are left with addresses of the pool.
    const std::string file = options.folder + "/server.conf";
    std::ifstream before(file);
    std::string text, line;
    while (std::getline(before, line))
      if (!line.starts_with("server-ipv6 ")) text += line + "\n";
    std::ofstream(file, std::ios::trunc) << text;
    return std::filesystem::path(options.folder);
  }();
  return made;
}

class GatewayRig {
 public:
  static constexpr uint32_t kWorkers = 2;

  explicit GatewayRig(uint32_t sessions = 16) : link(kWorkers, sessions) {
    std::filesystem::copy(configuration_to_copy(), etc(), std::filesystem::copy_options::recursive);
  }

  std::string etc() const { return folder_ / "etc"; }
  void add_to(const std::string& file, const std::string& text) const {
    std::ofstream(etc() + "/" + file, std::ios::app) << text;
  }

  /// Before start(): a connected session that `owner`'s worker has, at 10.8.0.(peer_id + 2).
  abi::SessionRef leave_session(uint32_t peer_id, const std::string& name, uint8_t owner,
                                abi::SessionLimit limit = {}) {
    abi::ControlRecord record{};
    record.state = abi::RecordState::kConnected;
    record.generation = 1;
    record.local_session_id.fill(1);
    record.remote_session_id.fill(static_cast<uint8_t>(peer_id + 2));
    record.previous_key_id = 0xFF;
    record.cipher = abi::Cipher::kAes256Gcm;
    record.owner = owner;
    record.instance = record_name(etc() + "/server.conf");
    std::copy(name.begin(), name.end(), record.common_name.begin());
    record.settings.remote.address = abi::ipv4({198, 51, 100, static_cast<uint8_t>(peer_id + 1)});
    record.settings.remote.port = 4000;
    record.settings.format = abi::DataFormat::kV2;
    record.settings.remote_peer_id = peer_id;
    record.settings.ip4 = {10, 8, 0, static_cast<uint8_t>(peer_id + 2)};
    record.settings.limit = limit;
    abi::SessionRecord& slot = link.view.session(peer_id);
    slot.control.write(record);
    slot.worker.generation = 1;
    return {peer_id, 1};
  }

  /// Before start(): gives a session that was left networks.
  void leave_networks(abi::SessionRef session, std::span<const abi::InnerPrefix> networks) {
    write_networks(link.view.networks(session.peer_id), session.generation, networks);
    abi::ControlRecord left = record(session.peer_id);
    left.has_networks = 1;
    link.view.session(session.peer_id).control.write(left);
  }
  /// The dataplane dies; `next` is the memory of the one that control finds.
  void replace_dataplane(io::FakeLink& next) {
    dataplane_->on_request = [this, &next](const abi::Request& request) {
      dataplane_->reply(abi::ReplyStatus::kDone, "",
                        request.kind == abi::RequestKind::kHello ? next.handover() : std::vector<int>{});
    };
    dataplane_->hang_up();
  }

  /// How often the dataplanes were asked for this.
  size_t asked(abi::RequestKind kind) const {
    return static_cast<size_t>(std::ranges::count(dataplane_->requests, kind, &abi::Request::kind));
  }

  /// The dataplane dies, and no next one comes.
  void lose_dataplane() {
    dataplane_->on_request = [](const abi::Request&) {};
    dataplane_->hang_up();
  }

  /// Reads the configuration and runs until the gateway is ready.
  void start() {
    config::Report report;
    auto configuration = config::load(etc() + "/culvert.toml", loader_, report);
    for (const config::Diagnostic& finding : report.all()) ADD_FAILURE() << config::to_text(finding);
    ASSERT_TRUE(configuration);
    loader_.stop_keeping({});
    for (config::ServerConfig& server : configuration->servers) config::make_tls(server, report);
    ASSERT_TRUE(report.ok());
    bool ready = false;
    gateway = std::make_unique<Gateway>(*loop, std::move(*configuration), folder_ / ".", loader_);
    gateway->when_ready([&ready] { ready = true; });
    Status started = gateway->start(std::nullopt);
    ASSERT_TRUE(started) << started.error();
    ASSERT_TRUE(run_until([&] { return ready; })) << gateway->failure();
    for (uint32_t worker = 0; worker < kWorkers; ++worker) told_at_start[worker] = take_commands(worker);
  }

  /// The end of this control, without a word to anybody. start() begins the next one's life at the same link.
  void end_control() {
    gateway.reset();
    dataplane_.reset();
    loop = std::move(*io::EventLoop::make());  // timers of the gateway that is gone were in the one before
    dataplane_.emplace(*loop, folder_ / "link.sock", link);
  }

  bool run_until(const std::function<bool()>& condition) {
    MonoTime deadline = io::mono_now() + std::chrono::seconds(20);
    while (!condition()) {
      if (io::mono_now() >= deadline || gateway->finished()) return false;
      loop->at(io::mono_now() + std::chrono::milliseconds(1), [] {});
      gateway->run_pass();
      if (after_pass) after_pass();
    }
    return true;
  }

  /// What the admin socket answers, whole.
  nlohmann::json answer(const nlohmann::json& request) {
    auto fd = io::connect_unix(folder_ / "admin.sock", SOCK_STREAM);
    EXPECT_TRUE(fd) << fd.error();
    std::string line = request.dump() + "\n";
    EXPECT_EQ(send(fd->get(), line.data(), line.size(), MSG_NOSIGNAL), static_cast<ssize_t>(line.size()));
    std::string text;
    EXPECT_TRUE(run_until([&] {
      std::array<char, 65536> buffer;
      for (ssize_t n = 0; (n = recv(fd->get(), buffer.data(), buffer.size(), MSG_DONTWAIT)) > 0;)
        text.append(buffer.data(), static_cast<size_t>(n));
      return text.ends_with('\n');
    }));
    return nlohmann::json::parse(text);
  }
  /// The data of an answer that is no error.
  nlohmann::json ask(const nlohmann::json& request) {
    nlohmann::json answered = answer(request);
    EXPECT_EQ(answered["ok"], true) << answered;
    return answered["data"];
  }
  /// The text of an answer that is one.
  std::string refusal(const nlohmann::json& request) {
    nlohmann::json answered = answer(request);
    EXPECT_EQ(answered["ok"], false) << answered;
    return answered.value("error", "");
  }

  /// What the worker has been told since the last call.
  std::vector<abi::Command> take_commands(uint32_t worker) {
    std::vector<abi::Command> all;
    abi::Command command{};
    while (readers_[worker].pop(command) == abi::RingStatus::kOk) all.push_back(command);
    return all;
  }
  /// As the next control would find it.
  abi::ControlRecord record(uint32_t peer_id) {
    abi::ControlRecord record{};
    EXPECT_TRUE(link.view.session(peer_id).control.read(record));
    return record;
  }

 private:
  io::Folder folder_;

 public:
  std::unique_ptr<io::EventLoop> loop = std::move(*io::EventLoop::make());
  io::FakeLink link;

 private:
  std::optional<io::FakeDataplane> dataplane_{std::in_place, *loop, folder_ / "link.sock", link};
  config::DiskLoader disk_;
  config::KeptFiles loader_{disk_};
  using Reader = abi::Consumer<abi::Command, abi::CommandRing::kCapacity>;
  std::array<Reader, kWorkers> readers_{Reader{link.view.worker(0).commands}, Reader{link.view.worker(1).commands}};

 public:
  std::unique_ptr<Gateway> gateway;  ///< after start()
  std::array<std::vector<abi::Command>, kWorkers> told_at_start;
  std::function<void()> after_pass;  ///< called behind each pass of the loop
};

}  // namespace culvert::gateway
