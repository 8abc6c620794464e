// Clients that a management program lets in: what it is told, and what its answers do.
#include "control/management/client_auth.h"

#include <gtest/gtest.h>

#include "control/management/dialogue.h"
#include "tests/unit/management/daemon_double.h"

namespace culvert::management {
namespace {

using Lines = std::vector<std::string>;

struct Clients : ::testing::Test {
  Lines told;
  ClientAuth auth{[this](std::string_view line) { told.emplace_back(line); },
                  [](abi::SessionRef session) { return uint64_t{session.peer_id} + 100; },
                  [](const auth::AuthRequest& asked) {
                    return Lines{"n_clients=0", "username=" + asked.identity.username};
                  }};
  std::vector<auth::Verdict> verdicts;

  auth::AuthRequest request(uint32_t peer_id = 1) {
    auth::AuthRequest request;
    request.session = {peer_id, 1};
    request.identity.username = "al\nice";
    return request;
  }
  void begin(const auth::AuthRequest& request) {
    auth.begin(request, [this](auth::Verdict verdict) { verdicts.push_back(std::move(verdict)); });
  }
};

TEST_F(Clients, AreAnnouncedWithTheirEnvironment) {
  begin(request());
  EXPECT_EQ(told, (Lines{">CLIENT:CONNECT,101,0", ">CLIENT:ENV,n_clients=0", ">CLIENT:ENV,username=al_ice",
                         ">CLIENT:ENV,END"}));
  EXPECT_TRUE(verdicts.empty()) << "it waits";
}

TEST_F(Clients, AreLetInOnceAndByTheRightKey) {
  begin(request());
  EXPECT_FALSE(auth.allow(101, 1, {}));
  EXPECT_FALSE(auth.allow(1, 0, {}));
  EXPECT_TRUE(auth.allow(101, 0, {"push \"x\""}));
  EXPECT_FALSE(auth.allow(101, 0, {})) << "answered already";
  ASSERT_EQ(verdicts.size(), 1u);
  EXPECT_EQ(std::get<auth::Allow>(verdicts[0]).config, Lines{"push \"x\""});

  auth::AuthRequest again = request();
  again.renewal = true;
  told.clear();
  begin(again);
  EXPECT_EQ(told.at(0), ">CLIENT:REAUTH,101,1");
  EXPECT_FALSE(auth.deny(101, 0, "old", "")) << "of the key before";
  EXPECT_TRUE(auth.deny(101, 1, "why", "go away"));
  EXPECT_EQ(std::get<auth::Deny>(verdicts.at(1)).for_client, "go away");
}

TEST_F(Clients, ThatTakeANumberOverAreTakenLeaveOfUnderIt) {
  begin(request());
  EXPECT_TRUE(auth.allow(101, 0, {}));
  auth.renumber({1, 1}, {7, 2});
  told.clear();
  auth.disconnected({1, 1}, {});
  EXPECT_TRUE(told.empty()) << "nobody is called that any more";
  auth::AuthRequest again = request(7);
  again.session.generation = 2;
  again.renewal = true;
  begin(again);
  EXPECT_EQ(told.at(0), ">CLIENT:REAUTH,107,1") << "keys are counted on";
  told.clear();
  auth.disconnected({7, 2}, {});
  EXPECT_EQ(told, (Lines{">CLIENT:DISCONNECT,107", ">CLIENT:ENV,END"}));
}

TEST_F(Clients, MayBeToldToWait) {
  begin(request());
  EXPECT_TRUE(auth.pending(101, 0, "WEB_AUTH::https://example.org", std::chrono::seconds(90)));
  EXPECT_FALSE(auth.pending(101, 0, std::string(2000, 'x'), std::chrono::seconds(90)));
  EXPECT_EQ(std::get<auth::Pending>(verdicts.at(0)).timeout, std::chrono::seconds(90));
  told.clear();
  auth.challenge_response({1, 1}, "YWJj\n>CLIENT:ESTABLISHED,0");
  EXPECT_EQ(told, (Lines{">CLIENT:CR_RESPONSE,101,0,YWJj_>CLIENT:ESTABLISHED,0", ">CLIENT:ENV,END"}));
  EXPECT_TRUE(auth.allow(101, 0, {}));
}

TEST_F(Clients, ThatAreGoneCanNotBeLetIn) {
  begin(request());
  auth.cancel({1, 1});
  EXPECT_FALSE(auth.allow(101, 0, {}));
  told.clear();
  auth.disconnected({1, 1}, {"bytes_sent=5"});
  EXPECT_EQ(told, (Lines{">CLIENT:DISCONNECT,101", ">CLIENT:ENV,bytes_sent=5", ">CLIENT:ENV,END"}));
  told.clear();
  auth.disconnected({2, 1}, {});
  EXPECT_TRUE(told.empty()) << "never announced";
}

TEST(ClientCommands, AnswersAndArguments) {
  struct Exchange {
    const char* line;
    const char* answer;
  };
  const Exchange kExchanges[] = {
      {"client-auth-nt 7 1", "SUCCESS: client-auth command succeeded\r\n"},
      {"client-auth-nt 7 2", "ERROR: client-auth command failed\r\n"},
      {"client-auth-nt x 1", "ERROR: cannot parse CID\r\n"},
      {"client-auth-nt 1 x", "ERROR: cannot parse KID\r\n"},
      {"client-auth 1", "ERROR: the 'client-auth' command requires 2 parameters\r\n"},
      {"client-auth 7 1\npush \"a b\"\npush c\nEND", "SUCCESS: client-auth command succeeded\r\n"},
      {"client-deny 7 1 \"not today\" later", "SUCCESS: client-deny command succeeded\r\n"},
      {"client-deny 8 1 no", "ERROR: client-deny command failed\r\n"},
      {"client-deny 8 1", "ERROR: the 'client-deny' command requires at least 3 parameters\r\n"},
      {"client-pending-auth 7 1 CR_TEXT:R:Code 60", "SUCCESS: client-pending-auth command succeeded\r\n"},
      {"client-pending-auth 7 1 x y", "ERROR: cannot parse TIMEOUT\r\n"},
      {"client-pending-auth 8 1 x 60",
       "ERROR: client-pending-auth command failed. Extra parameter might be too long\r\n"},
  };
  for (const Exchange& exchange : kExchanges) {
    Settings settings;
    Board board(4);
    DaemonDouble daemon;
    Dialogue dialogue(settings, board, daemon);
    dialogue.output().clear();
    dialogue.feed(std::string(exchange.line) + "\n", Now{});
    EXPECT_EQ(dialogue.output(), exchange.answer) << exchange.line;
    std::string_view line = exchange.line;
    if (line.starts_with("client-auth 7")) {
      EXPECT_EQ(daemon.config, (Lines{"push \"a b\"", "push c"}));
    }
    if (line.starts_with("client-deny 7")) {
      EXPECT_EQ(daemon.denied, "not today/later");
    }
  }
}

TEST(ClientCommands, TooManyLinesAreRefusedAsAWhole) {
  Settings settings;
  Board board(4);
  DaemonDouble daemon;
  Dialogue dialogue(settings, board, daemon);
  dialogue.output().clear();
  dialogue.feed("client-auth 7 1\n", Now{});
  for (int i = 0; i < 100; ++i) dialogue.feed(std::string(1000, 'x') + "\n", Now{});
  dialogue.feed("END\npid\n", Now{});
  EXPECT_TRUE(dialogue.output().starts_with("ERROR: client-auth command failed\r\nSUCCESS: pid="));
  EXPECT_TRUE(daemon.config.empty());
}

}  // namespace
}  // namespace culvert::management
