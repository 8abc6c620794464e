#include "control/auth/password_script.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "tests/unit/io/support.h"

namespace culvert::auth {
namespace {

struct PasswordScriptTest : ::testing::Test {
  void SetUp() override {
    loop = std::move(*io::EventLoop::make());
    runner.emplace(*loop, hooks::Runner::Limits{});
    request.session = {3, 1};
    request.identity.username = "DOM\\al ice";
    request.identity.password = "pass\x01 word$";
    request.identity.has_credentials = true;
    request.identity.peer_info = "IV_SSO=webauth,crtext\n";
  }
  void script(const std::string& text, bool via_environment = false) {
    std::string path = folder / "script";
    std::ofstream(path) << "#!/bin/sh\n" << text;
    chmod(path.c_str(), 0755);
    mkdir((folder / "tmp").c_str(), 0700);
    judge.emplace(*loop, *runner,
                  PasswordScript::Settings{.program = {path, "first argument"},
                                           .via_environment = via_environment,
                                           .tmp_dir = folder / "tmp",
                                           .environment = {},
                                           .challenge_program = {challenge}});
  }
  /// client-crresponse; before script().
  void challenge_script(const std::string& text) {
    challenge = folder / "challenge";
    std::ofstream(challenge) << "#!/bin/sh\n" << text;
    chmod(challenge.c_str(), 0755);
  }
  void begin() {
    judge->begin(request, [this](Verdict verdict) { verdicts.push_back(std::move(verdict)); });
  }
  bool wait_for(size_t count) {
    return io::run_until(*loop, [&] { return verdicts.size() >= count; });
  }
  bool no_files_left() { return std::filesystem::is_empty(folder / "tmp"); }
  std::string for_client() { return std::get<Deny>(verdicts.at(0)).for_client; }

  std::string challenge = "/no/such/program";
  std::unique_ptr<io::EventLoop> loop;
  io::Folder folder;
  std::optional<hooks::Runner> runner;
  std::optional<PasswordScript> judge;
  AuthRequest request;
  std::vector<Verdict> verdicts;
};

TEST_F(PasswordScriptTest, ViaFilePassesTamedNameAndPassword) {
  script("[ \"$1\" = 'first argument' ] && [ -z \"$password\" ] && [ \"$(cat $2)\" = 'DOM\\al ice\npass_ word$' ]");
  begin();
  ASSERT_TRUE(wait_for(1));
  EXPECT_TRUE(std::holds_alternative<Allow>(verdicts[0]));
  EXPECT_TRUE(no_files_left());
}

TEST_F(PasswordScriptTest, ViaEnvironment) {
  script("[ $# = 1 ] && [ \"$username|$password|$script_type\" = 'DOM\\al ice|pass_ word$|user-pass-verify' ]", true);
  begin();
  ASSERT_TRUE(wait_for(1));
  EXPECT_TRUE(std::holds_alternative<Allow>(verdicts[0]));
}

TEST_F(PasswordScriptTest, RefusesWithTheScriptsReason) {
  script("printf 'TEMP[backoff 42]: later\\nsecond line' > $auth_failed_reason_file; exit 1");
  begin();
  ASSERT_TRUE(wait_for(1));
  EXPECT_EQ(for_client(), "TEMP[backoff 42]: later");
  EXPECT_NE(std::get<Deny>(verdicts[0]).for_operator.find("exit status 1"), std::string::npos);
  EXPECT_TRUE(no_files_left());
}

TEST_F(PasswordScriptTest, AnythingButZeroAndTwoRefuses) {
  script("exit 3");
  begin();
  ASSERT_TRUE(wait_for(1));
  EXPECT_EQ(for_client(), "");
}

TEST_F(PasswordScriptTest, WithoutAVerdictTheClientMayTryAgain) {
  runner->set_time_limit(std::chrono::milliseconds(50));
  script("exec sleep 1000");
  begin();
  ASSERT_TRUE(wait_for(1));
  EXPECT_EQ(for_client(), "TEMP:server could not decide");
  EXPECT_NE(std::get<Deny>(verdicts[0]).for_operator.find("not done within"), std::string::npos);
  runner->set_time_limit(std::chrono::seconds(60));
  script("kill -9 $$");
  verdicts.clear();
  begin();
  ASSERT_TRUE(wait_for(1));
  EXPECT_EQ(for_client(), "TEMP:server could not decide");
  // What it wrote before that is still its word.
  script("echo no > $auth_failed_reason_file; kill -9 $$");
  verdicts.clear();
  begin();
  ASSERT_TRUE(wait_for(1));
  EXPECT_EQ(for_client(), "no");
}

TEST_F(PasswordScriptTest, ExitStatusTwoDefersToTheControlFile) {
  script("printf 1 > $auth_control_file; exit 2");
  begin();
  ASSERT_TRUE(wait_for(1));
  EXPECT_TRUE(std::holds_alternative<Allow>(verdicts[0]));
  script("echo no > $auth_failed_reason_file; printf 0 > $auth_control_file; exit 2");
  verdicts.clear();
  begin();
  ASSERT_TRUE(wait_for(1));
  EXPECT_EQ(for_client(), "no");
}

TEST_F(PasswordScriptTest, PendingIsToldOnceAndTheVerdictFollows) {
  script("printf '30\\ncrtext\\nCR_TEXT:R:code\\n' > $auth_pending_file; echo $auth_control_file > " +
         (folder / "where") + "; exit 2");
  begin();
  ASSERT_TRUE(wait_for(1));
  EXPECT_EQ(std::get<Pending>(verdicts[0]).timeout, std::chrono::seconds(30));
  EXPECT_EQ(std::get<Pending>(verdicts[0]).extra, "CR_TEXT:R:code");
  for (const auto& left : std::filesystem::directory_iterator(folder / "tmp"))
    EXPECT_EQ(left.path().string().find("_up_"), std::string::npos) << "the password, and nobody reads it any more";
  std::string where;
  std::ifstream(folder / "where") >> where;
  std::ofstream(where) << "1";
  ASSERT_TRUE(wait_for(2));
  EXPECT_TRUE(std::holds_alternative<Allow>(verdicts[1]));
  EXPECT_TRUE(no_files_left());
}

constexpr const char* kAskForCode = "printf '30\\ncrtext\\nCR_TEXT:R:code\\n' > $auth_pending_file; exit 2";

TEST_F(PasswordScriptTest, AResponseIsJudgedByClientCrresponse) {
  challenge_script(
      "[ \"$script_type|$username\" = 'client-crresponse|DOM\\al ice' ] || exit 1\n"
      "[ \"$(cat $1)\" = MTIzNDU2 ] && echo 1 > $auth_control_file && exit 0\n"
      "echo 'wrong code' > $auth_failed_reason_file; echo 0 > $auth_control_file");
  script(kAskForCode);
  for (std::string response : {"MTIzNDU2", "b3RoZXI="}) {
    verdicts.clear();
    begin();
    ASSERT_TRUE(wait_for(1));
    judge->challenge_response(request.session, response);
    ASSERT_TRUE(wait_for(2));
    EXPECT_EQ(std::holds_alternative<Allow>(verdicts[1]), response == "MTIzNDU2");
    EXPECT_TRUE(no_files_left());
  }
  EXPECT_EQ(std::get<Deny>(verdicts[1]).for_client, "wrong code");
}

TEST_F(PasswordScriptTest, AWrongResponseIsNotAskedForOnceMore) {
  challenge_script("[ \"$(cat $1)\" = right ] && echo 1 > $auth_control_file; exit 0");
  script(kAskForCode);
  begin();
  ASSERT_TRUE(wait_for(1));
  judge->challenge_response(request.session, "wrong");
  ASSERT_TRUE(io::run_until(*loop, [&] { return runner->running() + runner->waiting() == 0; }));
  EXPECT_EQ(verdicts.size(), 1u) << "the client has been told, and its time runs";
  judge->challenge_response(request.session, "right");
  ASSERT_TRUE(wait_for(2));
  EXPECT_TRUE(std::holds_alternative<Allow>(verdicts[1]));
}

TEST_F(PasswordScriptTest, ClientCrresponseThatFailsRefuses) {
  challenge_script("exit 1");
  script(kAskForCode);
  begin();
  ASSERT_TRUE(wait_for(1));
  judge->challenge_response(request.session, "x");
  ASSERT_TRUE(wait_for(2));
  EXPECT_EQ(std::get<Deny>(verdicts[1]).for_operator.find("client-crresponse refused"), 0u);
}

TEST_F(PasswordScriptTest, OneResponseAtATimeAndNoneWithoutAQuestion) {
  challenge_script("echo once >> " + (folder / "runs") + "; exec sleep 1000");
  script(kAskForCode);
  judge->challenge_response(request.session, "x");
  EXPECT_EQ(runner->running() + runner->waiting(), 0u);
  begin();
  ASSERT_TRUE(wait_for(1));
  for (int i = 0; i < 100; ++i) judge->challenge_response(request.session, "x");
  EXPECT_EQ(runner->running() + runner->waiting(), 1u);
  ASSERT_TRUE(io::run_until(*loop, [&] { return runner->running() == 1; }));
  judge->cancel(request.session);
  ASSERT_TRUE(io::run_until(*loop, [&] { return runner->running() == 0; }));
  EXPECT_EQ(verdicts.size(), 1u);
  EXPECT_TRUE(no_files_left());
}

TEST_F(PasswordScriptTest, PendingNeedsAClientThatCanDoIt) {
  script("printf '30\\nopenurl\\nOPEN_URL:x\\n' > $auth_pending_file; exit 2");
  begin();
  ASSERT_TRUE(wait_for(1));
  EXPECT_EQ(for_client(), "client does not support the method openurl");
  for (std::string seconds : {"soon", "0"}) {
    script("printf '" + seconds + "\\ncrtext\\nx\\n' > $auth_pending_file; exit 2");
    verdicts.clear();
    begin();
    ASSERT_TRUE(wait_for(1));
    ASSERT_TRUE(std::holds_alternative<Deny>(verdicts[0])) << seconds;
    EXPECT_NE(std::get<Deny>(verdicts[0]).for_operator.find("\"" + seconds + "\""), std::string::npos);
  }
}

TEST_F(PasswordScriptTest, NothingIsHeardAfterCancel) {
  script("exec sleep 1000");
  begin();
  ASSERT_TRUE(io::run_until(*loop, [&] { return runner->running() == 1; }));
  judge->cancel(request.session);
  ASSERT_TRUE(io::run_until(*loop, [&] { return runner->running() == 0; }));
  EXPECT_TRUE(verdicts.empty());
  EXPECT_TRUE(no_files_left());
}

TEST_F(PasswordScriptTest, AMissingFolderRefusesAndSaysSo) {
  script("exit 0");
  std::filesystem::remove(folder / "tmp");
  begin();
  ASSERT_EQ(verdicts.size(), 1u);
  EXPECT_NE(std::get<Deny>(verdicts[0]).for_operator.find("tmp-dir"), std::string::npos);
}

}  // namespace
}  // namespace culvert::auth
