// A control that answers what a test wants.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "control/io/admin_server.h"
#include "control/io/clock.h"
#include "tests/unit/support/temporary_folder.h"

namespace culvert::testing {

/// Answers on a run dir's admin socket and remembers what it was asked.
class FakeControl {
 public:
  FakeControl() {
    auto server = io::AdminServer::listen(
        *loop_, folder_.path() + "/admin.sock",
        [this](const nlohmann::json& request, const io::PeerCredentials&) -> nlohmann::ordered_json {
          std::lock_guard lock(lock_);
          asked_.push_back(request);
          auto own = answers_.find(request.value("command", ""));
          return own == answers_.end() ? answer_ : own->second;
        });
    EXPECT_TRUE(server) << server.error();
    server_ = std::move(*server);
    thread_ = std::thread([this] {
      while (!over_) loop_->run_once(io::mono_now() + std::chrono::milliseconds(10));
    });
  }
  ~FakeControl() {
    over_ = true;
    thread_.join();
  }
  FakeControl(const FakeControl&) = delete;
  FakeControl& operator=(const FakeControl&) = delete;

  const std::string& run_dir() const { return folder_.path(); }
  void will_answer(nlohmann::ordered_json answer) {
    std::lock_guard lock(lock_);
    answer_ = std::move(answer);
  }
  /// The same to one command only.
  void will_answer(const std::string& command, nlohmann::ordered_json answer) {
    std::lock_guard lock(lock_);
    answers_[command] = std::move(answer);
  }
  /// What it was asked since the last call.
  std::vector<nlohmann::json> take_asked() {
    std::lock_guard lock(lock_);
    return std::exchange(asked_, {});
  }

 private:
  TemporaryFolder folder_;
  std::unique_ptr<io::EventLoop> loop_ = std::move(*io::EventLoop::make());
  std::unique_ptr<io::AdminServer> server_;
  std::mutex lock_;  // guards the answers, asked_
  nlohmann::ordered_json answer_;
  std::map<std::string, nlohmann::ordered_json> answers_;  // by command
  std::vector<nlohmann::json> asked_;
  std::atomic<bool> over_{false};
  std::thread thread_;
};

}  // namespace culvert::testing
