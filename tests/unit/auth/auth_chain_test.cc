#include "control/auth/auth_chain.h"

#include <gtest/gtest.h>

namespace culvert::auth {
namespace {

class Scripted final : public Authenticator {
 public:
  void begin(const AuthRequest& request, Done call) override {
    asked.push_back(request.identity.username);
    done = std::move(call);
    if (at_once) done(*at_once);
  }
  void challenge_response(abi::SessionRef, std::string_view response) override { responses.emplace_back(response); }
  void cancel(abi::SessionRef) override { ++cancelled; }

  std::optional<Verdict> at_once;
  Done done;
  std::vector<std::string> asked;
  std::vector<std::string> responses;
  int cancelled = 0;
};

struct Chain : ::testing::Test {
  void SetUp() override {
    chain.add(first);
    chain.add(second);
    request.session = {3, 1};
    request.identity.username = "alice";
    request.identity.password = "secret";
  }
  void begin() {
    chain.begin(request, [this](Verdict verdict) { verdicts.push_back(std::move(verdict)); });
  }

  Scripted first, second;
  AuthChain chain;
  AuthRequest request;
  std::vector<Verdict> verdicts;
};

TEST_F(Chain, AllMustAllowAndTheirLinesAddUp) {
  begin();
  EXPECT_TRUE(second.asked.empty());
  first.done(Allow{{"push \"a\""}});
  ASSERT_EQ(second.asked, std::vector<std::string>{"alice"});
  EXPECT_TRUE(verdicts.empty());
  second.done(Allow{{"push \"b\""}});
  ASSERT_EQ(verdicts.size(), 1u);
  EXPECT_EQ(std::get<Allow>(verdicts[0]).config, (std::vector<std::string>{"push \"a\"", "push \"b\""}));
}

TEST_F(Chain, OneRefusalIsEnough) {
  first.at_once = Deny{"no", "not known"};
  begin();
  ASSERT_EQ(verdicts.size(), 1u);
  EXPECT_EQ(std::get<Deny>(verdicts[0]).for_client, "no");
  EXPECT_TRUE(second.asked.empty());
}

TEST_F(Chain, PendingPassesThroughAndTheChainGoesOn) {
  first.at_once = Allow{};
  begin();
  second.done(Pending{std::chrono::seconds(30), "CR_TEXT:R:code"});
  ASSERT_EQ(verdicts.size(), 1u);
  chain.challenge_response(request.session, "MTIz");
  EXPECT_EQ(second.responses, std::vector<std::string>{"MTIz"});
  EXPECT_TRUE(first.responses.empty());
  second.done(Allow{});
  EXPECT_TRUE(std::holds_alternative<Allow>(verdicts.back()));
}

TEST_F(Chain, NothingIsHeardOfACancelledRequest) {
  begin();
  chain.cancel(request.session);
  EXPECT_EQ(first.cancelled, 1);
  first.done(Allow{});
  EXPECT_TRUE(verdicts.empty());
  EXPECT_TRUE(second.asked.empty());
}

TEST_F(Chain, AVerdictOfAnEarlierRequestDoesNotAnswerALaterOne) {
  begin();
  auto late = first.done;
  begin();
  late(Allow{});
  EXPECT_TRUE(second.asked.empty());
  first.done(Allow{});
  second.done(Allow{});
  EXPECT_EQ(verdicts.size(), 1u);
}

TEST_F(Chain, WhoIsAskedAgainForgetsTheRequestBefore) {
  begin();
  begin();
  EXPECT_EQ(first.cancelled, 1);
}

TEST_F(Chain, AVerdictCountsForItsOwnLinkOnly) {
  begin();
  first.done(Allow{});
  first.done(Allow{});
  EXPECT_TRUE(verdicts.empty()) << "the second has not allowed anything";
}

TEST_F(Chain, WhoOneSaysItIsStays) {
  Allow named;
  named.username = "bob";
  first.at_once = named;
  second.at_once = Allow{};
  begin();
  ASSERT_EQ(verdicts.size(), 1u);
  EXPECT_EQ(std::get<Allow>(verdicts[0]).username, "bob");
}

TEST(EmptyChain, Allows) {
  AuthChain chain;
  bool allowed = false;
  chain.begin({}, [&](const Verdict& verdict) { allowed = std::holds_alternative<Allow>(verdict); });
  EXPECT_TRUE(allowed);
}

}  // namespace
}  // namespace culvert::auth
