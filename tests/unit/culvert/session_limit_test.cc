// `culvert session limit`: what control is asked for, what is printed of its answer, and what is refused before anybody
// is asked.
#include <gtest/gtest.h>

#include "control/admin/rows.h"
#include "control/admin/to_json.h"
#include "tests/unit/culvert/fake_control.h"
#include "tools/culvert/commands.h"
#include "tools/culvert/table.h"

namespace culvert::cli {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

class SessionLimit : public ::testing::Test {
 protected:
  struct Done {
    int status;
    std::string out, err;
  };

  SessionLimit() {
    row_.id = 7;
    row_.common_name = "alice";
    control_.will_answer(io::admin_ok(admin::to_json(row_)));
  }

  /// `culvert session limit WORDS…`; throws what the parser throws.
  Done run(std::vector<std::string> words) {
    CLI::App app;
    Context context;
    context.run_dir = control_.run_dir();
    add_gateway_commands(app, context);
    words.insert(words.begin(), {"session", "limit"});
    std::reverse(words.begin(), words.end());  // as CLI11 wants them
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    std::exception_ptr thrown;
    try {
      app.parse(words);
    } catch (const CLI::ParseError&) {
      thrown = std::current_exception();
    }
    std::fflush(stdout);
    Done done{context.exit_status, ::testing::internal::GetCapturedStdout(), ::testing::internal::GetCapturedStderr()};
    if (thrown) std::rethrow_exception(thrown);
    return done;
  }

  testing::FakeControl control_;
  admin::SessionRow row_;
};

TEST_F(SessionLimit, AsksForBitsPerSecondAndOnlyForWhatWasGiven) {
  struct Case {
    std::vector<std::string> words;
    json asked;
  };
  for (const Case& c : {Case{{"--in", "20M"}, {{"in", 20'000'000}}}, Case{{"--out", "1.5G"}, {{"out", 1'500'000'000}}},
                        Case{{"--in", "800k", "--out", "64"}, {{"in", 800'000}, {"out", 64}}},
                        Case{{"--in", "none", "--out", "400G"}, {{"in", 0}, {"out", 400'000'000'000}}},
                        Case{{"--none"}, {{"in", 0}, {"out", 0}}}}) {
    std::vector<std::string> words = {"alice"};
    words.insert(words.end(), c.words.begin(), c.words.end());
    Done done = run(words);
    EXPECT_EQ(done.status, 0) << done.err;
    json expected = c.asked;
    expected["command"] = "session limit";
    expected["session"] = "alice";
    EXPECT_EQ(control_.take_asked(), std::vector<json>{expected});
  }
}

TEST_F(SessionLimit, SaysWhatHoldsNowNotWhatWasAsked) {
  row_.limit_in = 20'000'000;
  control_.will_answer(io::admin_ok(admin::to_json(row_)));
  EXPECT_EQ(run({"alice", "--out", "none"}).out, "session 7 of alice: 20 Mbit/s from the client, no limit to it\n");
  json printed = json::parse(run({"alice", "--out", "none", "--json"}).out);
  EXPECT_EQ(printed["limit_in"], 20'000'000);
  EXPECT_TRUE(printed["limit_out"].is_null());
}

TEST_F(SessionLimit, IsInJsonAndTable) {
  admin::SessionRow row;
  EXPECT_TRUE(admin::to_json(row)["limit_in"].is_null());
  row.limit_in = 20'000'000;
  EXPECT_EQ(admin::to_json(row)["limit_in"], 20'000'000);
  EXPECT_TRUE(admin::to_json(row)["limit_out"].is_null());
  std::string text = details_text(columns_of<admin::SessionRow>(), admin::to_json(row));
  EXPECT_NE(text.find(" 20 Mbit/s\n"), std::string::npos) << text;
}

TEST_F(SessionLimit, RefusesWithTheWayOutBeforeAnybodyIsAsked) {
  struct Case {
    std::vector<std::string> words;
    const char* says;
  };
  for (const Case& c : {Case{{"alice"}, "nothing to do: give --in RATE, --out RATE or both, or --none"},
                        Case{{"alice", "--in", "20Q"}, "--in: \"20Q\" is no limit: give bits per second, such as 800K"},
                        Case{{"alice", "--in", "1M", "--out", "0"}, "--out: \"0\" is no limit"},
                        Case{{"alice", "--out", "401G"}, "(1 to 400G), or none"}}) {
    Done done = run(c.words);
    EXPECT_EQ(done.status, 2);
    EXPECT_EQ(done.out, "");
    EXPECT_TRUE(done.err.starts_with("culvert: ")) << done.err;
    EXPECT_NE(done.err.find(c.says), std::string::npos) << done.err;
  }
  EXPECT_THROW(run({"alice", "--none", "--in", "20M"}), CLI::ExcludesError);
  EXPECT_THROW(run({"--in", "20M"}), CLI::RequiredError);
  EXPECT_THROW(run({"alice", "bob", "--in", "20M"}), CLI::ExtrasError);
  EXPECT_EQ(control_.take_asked(), std::vector<json>());
}

TEST_F(SessionLimit, PassesOnWhyControlRefuses) {
  control_.will_answer(io::admin_error("the session has just ended"));
  Done done = run({"alice", "--in", "20M"});
  EXPECT_EQ(done.status, 1);
  EXPECT_EQ(done.out, "");
  EXPECT_EQ(done.err, "culvert: the session has just ended\n");
}

}  // namespace
}  // namespace culvert::cli
