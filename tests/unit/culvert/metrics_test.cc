// `culvert metrics`: what the gateway's lists become, and what is refused.
#include "tools/culvert/metrics.h"

#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include <regex>
#include <set>

#include "control/admin/rows.h"
#include "control/admin/to_json.h"
#include "dataplane/abi/counters.h"
#include "tests/unit/culvert/fake_control.h"
#include "tools/culvert/commands.h"

namespace culvert::cli {
namespace {

using nlohmann::ordered_json;

std::string text_of(const GatewayRows& rows) {
  return prometheus::TextSerializer().Serialize(metrics_of(rows));
}

/// A gateway with a little of everything.
GatewayRows some_rows() {
  admin::StatusRow status;
  status.ready = true;
  status.version = "1.2";
  status.config = "/etc/culvert/culvert.toml";
  status.sessions = 3;
  status.max_sessions = 1024;
  status.control_uptime_s = 60;
  status.dataplane_uptime_s = 3600;
  status.warnings = {"forwarding is off"};
  admin::SessionRow session;
  session.id = 7;
  session.generation = 2;
  session.common_name = "a\"b\\c\nd";
  session.rx_bytes = 5'000'000'000;
  std::vector<admin::CounterRow> counters;
  for (const abi::CounterInfo& info : abi::kCounterInfo)
    counters.push_back({std::string(info.name), "dataplane", 9'007'199'254'740'992, std::string(info.text)});
  return {.status = admin::to_json(status),
          .counters = admin::to_json(counters),
          .drops = admin::to_json(std::vector<admin::DropRow>{{"aead_bad_tag", "dataplane", 5, "bad"},
                                                              {"cookie_wrong", "control", 0, "wrong"}}),
          .workers = admin::to_json(std::vector<admin::WorkerRow>{
              {.worker = 0, .core = 2, .state = "ok", .rx_packets = 11},
              {.worker = 1, .core = 3, .state = "no sign of life for 9 s", .rx_packets = 12}}),
          .ports = admin::to_json(
              std::vector<admin::PortRow>{{0, "udp", "0.0.0.0:1194", "open", "server.conf", 17},
                                          {1, "tcp", "0.0.0.0:443", "port 443 is taken", "x", std::nullopt},
                                          {0, "nic", "nic0 0000:3b:00.0", "link up", "", std::nullopt}}),
          .sessions = admin::to_json(std::vector<admin::SessionRow>{session})};
}

TEST(Metrics, SayWhatTheListsSay) {
  const std::string text = text_of(some_rows());
  for (const char* line : {
           "culvert_up 1\n",
           "culvert_ready 1\n",
           "culvert_build_info{version=\"1.2\",config=\"/etc/culvert/culvert.toml\"} 1\n",
           "culvert_sessions 3\n",
           "culvert_sessions_limit 1024\n",
           "culvert_warnings 1\n",
           "culvert_uptime_seconds{process=\"control\"} 60\n",
           "culvert_uptime_seconds{process=\"dataplane\"} 3600\n",
           "# TYPE culvert_drops_total counter\n",
           "culvert_drops_total{reason=\"aead_bad_tag\",side=\"dataplane\"} 5\n",
           "culvert_drops_total{reason=\"cookie_wrong\",side=\"control\"} 0\n",
           "culvert_outer_rx_bytes_total 9007199254740992\n",
           "culvert_worker_ok{worker=\"0\",core=\"2\"} 1\n",
           "culvert_worker_ok{worker=\"1\",core=\"3\"} 0\n",
           "culvert_worker_rx_packets_total{worker=\"1\",core=\"3\"} 12\n",
           "culvert_port_up{port=\"0\",kind=\"udp\",address=\"0.0.0.0:1194\",server=\"server.conf\"} 1\n",
           "culvert_port_up{port=\"1\",kind=\"tcp\",address=\"0.0.0.0:443\",server=\"x\"} 0\n",
           "culvert_port_up{port=\"0\",kind=\"nic\",address=\"nic0 0000:3b:00.0\",server=\"\"} 1\n",
           "culvert_port_rx_missed_total{port=\"0\",kind=\"udp\",address=\"0.0.0.0:1194\",server=\"server.conf\"} 17\n",
           "culvert_session_rx_bytes_total{session=\"7.2\",common_name=\"a\\\"b\\\\c\\nd\",server=\"\"} 5000000000\n",
       })
    EXPECT_NE(text.find(line), std::string::npos) << line << "is not in\n" << text;
  EXPECT_EQ(text.find("culvert_port_rx_missed_total{port=\"1\""), std::string::npos) << "TCP loses nothing there";
  EXPECT_EQ(text.find("culvert_session_last_seen_seconds"), std::string::npos) << "is not known of any session";
}

TEST(Metrics, NamesAreValidAndStandOnce) {
  const std::regex valid("culvert_[a-z][a-z0-9_]*");
  std::set<std::string> names;
  for (const auto& family : metrics_of(some_rows())) {
    EXPECT_TRUE(std::regex_match(family.name, valid)) << family.name;
    EXPECT_TRUE(names.insert(family.name).second) << family.name;
    EXPECT_EQ(family.type == prometheus::MetricType::Counter, family.name.ends_with("_total")) << family.name;
    EXPECT_FALSE(family.help.empty()) << family.name;
  }
  EXPECT_GT(names.size(), abi::kCounterCount);
}

TEST(Metrics, SessionsOnlyWhereAskedFor) {
  GatewayRows rows = some_rows();
  rows.sessions = nullptr;
  EXPECT_EQ(text_of(rows).find("culvert_session_"), std::string::npos);
}

class MetricsCommand : public ::testing::Test {
 protected:
  struct Done {
    int status;
    std::string out, err;
  };

  /// `culvert metrics WORDS…`
  static Done run(const std::string& run_dir, std::vector<std::string> words) {
    CLI::App app;
    Context context;
    context.run_dir = run_dir;
    add_metrics_command(app, context);
    words.insert(words.begin(), "metrics");
    std::reverse(words.begin(), words.end());  // as CLI11 wants them
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    app.parse(words);
    std::fflush(stdout);
    return {context.exit_status, ::testing::internal::GetCapturedStdout(), ::testing::internal::GetCapturedStderr()};
  }
};

TEST_F(MetricsCommand, PrintsOnceAndAsksForTheDropsThatHaveNotOccurred) {
  testing::FakeControl control;
  control.will_answer(io::admin_error("no dataplane yet: waiting"));
  control.will_answer("status", io::admin_ok(admin::to_json(admin::StatusRow{})));
  Done done = run(control.run_dir(), {});
  EXPECT_EQ(done.status, 0) << done.err;
  EXPECT_NE(done.out.find("culvert_up 1\n"), std::string::npos) << done.out;
  EXPECT_NE(done.out.find("culvert_ready 0\n"), std::string::npos) << "without a dataplane";
  EXPECT_EQ(done.out.find("culvert_drops_total"), std::string::npos);
  std::set<std::string> asked;
  for (const auto& request : control.take_asked()) {
    asked.insert(request["command"]);
    EXPECT_EQ(request.value("all", false), request["command"] == "drops");
  }
  EXPECT_EQ(asked, (std::set<std::string>{"status", "counters", "drops", "workers", "ports"}));
}

TEST_F(MetricsCommand, WithoutAGatewayItFails) {
  testing::TemporaryFolder folder;
  Done done = run(folder.path(), {});
  EXPECT_EQ(done.status, 1);
  EXPECT_EQ(done.out, "");
  EXPECT_NE(done.err.find("no gateway runs with run dir"), std::string::npos) << done.err;
}

TEST_F(MetricsCommand, AnAddressThatNothingCanListenAtIsRefused) {
  testing::TemporaryFolder folder;
  for (const char* wrong :
       {"9194", "localhost:9194", "::1:9194", "[127.0.0.1]:9194", "127.0.0.1:", ":9194", "127.0.0.1:x"}) {
    Done done = run(folder.path(), {"--listen", wrong});
    EXPECT_EQ(done.status, 1) << wrong;
    EXPECT_NE(done.err.find("write ADDRESS:PORT, such as 127.0.0.1:9194"), std::string::npos) << wrong << done.err;
  }
  Done done = run(folder.path(), {"--listen", "192.0.2.1:9194"});  // nobody's address
  EXPECT_EQ(done.status, 1);
  EXPECT_NE(done.err.find("--listen 192.0.2.1:9194: Cannot assign requested address"), std::string::npos) << done.err;
}

}  // namespace
}  // namespace culvert::cli
