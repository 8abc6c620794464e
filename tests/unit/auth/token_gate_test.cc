// Who is asked for a password, who gets in with a token, and what scripts are told.
#include "control/auth/token_gate.h"

#include <gtest/gtest.h>

#include "control/crypto/primitives.h"

namespace culvert::auth {
namespace {

using std::chrono::seconds;

class Judge final : public Authenticator {
 public:
  void begin(const AuthRequest& request, Done done) override {
    asked.push_back(request);
    done(verdict);
  }
  void cancel(abi::SessionRef) override { ++cancelled; }

  Verdict verdict = Allow{};
  std::vector<AuthRequest> asked;
  int cancelled = 0;
};

struct TokenGateTest : ::testing::Test {
  void SetUp() override {
    settings.lifetime = seconds(1000);
    settings.renewal = seconds(100);
    settings.key.fill(7);
    gate.set_settings(settings);
    request.session = {3, 1};
    request.identity.username = "alice";
    request.identity.has_credentials = true;
  }
  Verdict come(const std::string& password) {
    request.identity.password = password;
    Verdict verdict = Pending{};
    gate.begin(request, [&](Verdict given) { verdict = std::move(given); });
    return verdict;
  }
  /// The token that the client is given.
  std::string token_for(const std::string& password) {
    Verdict verdict = come(password);
    EXPECT_TRUE(std::holds_alternative<Allow>(verdict));
    return std::holds_alternative<Allow>(verdict) ? std::get<Allow>(verdict).token : "";
  }
  std::string refusal(const std::string& password) {
    Verdict verdict = come(password);
    EXPECT_TRUE(std::holds_alternative<Deny>(verdict));
    return std::holds_alternative<Deny>(verdict) ? std::get<Deny>(verdict).for_client : "let in";
  }
  void new_session() {
    gate.forget(request.session);
    ++request.session.generation;
  }
  static std::string session_of(const std::string& token) { return token.substr(11, 16); }

  TokenSettings settings;
  std::chrono::sys_seconds now{seconds(1'760'000'000)};
  Judge judge;
  crypto::SystemRandom random;
  TokenGate gate{judge, random, [this] { return now; }};
  AuthRequest request;
};

TEST_F(TokenGateTest, ATokenStandsInForThePassword) {
  std::string token = token_for("secret");
  ASSERT_TRUE(looks_like_token(token));
  ASSERT_EQ(judge.asked.size(), 1u);
  EXPECT_EQ(judge.asked[0].token_state, "Initial");
  EXPECT_EQ(judge.asked[0].token_session, session_of(token));
  now += seconds(50);
  std::string next = token_for(token);
  EXPECT_EQ(judge.asked.size(), 1u) << "nobody is asked for a good token";
  EXPECT_NE(next, token);
  EXPECT_EQ(session_of(next), session_of(token));
  new_session();
  std::string later = token_for(next);
  EXPECT_EQ(session_of(later), session_of(token)) << "the session id stays over connections";
  EXPECT_EQ(read_token(settings.key, "alice", later)->token.first,
            read_token(settings.key, "alice", token)->token.first);
}

TEST_F(TokenGateTest, ATokenThatWasNotRenewedInTimeIsOld) {
  std::string token = token_for("secret");
  new_session();
  now += seconds(199);
  token_for(token);
  new_session();
  now += seconds(1);
  EXPECT_EQ(refusal(token), "SESSION: token expired");
  EXPECT_EQ(judge.asked.size(), 1u);
}

TEST_F(TokenGateTest, RenewalDoesNotOutliveTheLifetime) {
  std::string token = token_for("secret");
  for (int i = 0; i < 10; ++i) {
    now += seconds(100);
    token = token_for(token);
  }
  now += seconds(1);
  EXPECT_EQ(refusal(token), "SESSION: token expired");
  settings.lifetime = seconds(0);
  gate.set_settings(settings);
  new_session();
  token_for(token);
}

TEST_F(TokenGateTest, ATokenOfTheFutureIsOld) {
  std::string token = token_for("secret");
  new_session();
  now -= seconds(1);
  EXPECT_EQ(refusal(token), "SESSION: token expired");
}

TEST_F(TokenGateTest, ATokenMadeBeforeItsFirstIsOld) {
  auto token = write_token(settings.key, "alice", {{}, now, now - seconds(1)});
  ASSERT_TRUE(token);
  EXPECT_EQ(refusal(*token), "SESSION: token expired");
}

TEST_F(TokenGateTest, AWrongTokenIsNoPassword) {
  std::string token = token_for("secret");
  token.back() = token.back() == 'A' ? 'B' : 'A';
  new_session();
  EXPECT_EQ(refusal(token), "");
  EXPECT_EQ(judge.asked.size(), 1u);
  request.identity.username = "mallory";
  EXPECT_EQ(refusal(token_for("secret").replace(20, 1, "_")), "");
}

TEST_F(TokenGateTest, ASessionCantGoOnUnderAnothersToken) {
  std::string other = token_for("secret");
  request.session = {4, 1};
  token_for("secret");
  EXPECT_EQ(refusal(other), "");
}

TEST_F(TokenGateTest, ExternalAuthIsToldAndDecides) {
  settings.external_auth = true;
  gate.set_settings(settings);
  std::string token = token_for("secret");
  now += seconds(1);
  token = token_for(token);
  EXPECT_EQ(judge.asked.back().token_state, "Authenticated");
  EXPECT_EQ(judge.asked.back().token_session, session_of(token));
  now += seconds(200);
  new_session();
  std::string renewed = token_for(token);
  EXPECT_EQ(judge.asked.back().token_state, "Expired");
  EXPECT_EQ(session_of(renewed), session_of(token)) << "accepted though old: the session goes on";
  judge.verdict = Deny{"", "no"};
  EXPECT_EQ(refusal(token), "SESSION: token expired");
  judge.verdict = Deny{"script's own words", "no"};
  EXPECT_EQ(refusal(token), "script's own words");
  std::string wrong = token;
  wrong[60] = wrong[60] == 'x' ? 'y' : 'x';
  new_session();
  judge.verdict = Deny{"", "no"};
  EXPECT_EQ(refusal(wrong), "");
  EXPECT_EQ(judge.asked.back().token_state, "Invalid");
  EXPECT_EQ(judge.asked.size(), 6u);
}

TEST_F(TokenGateTest, ATokenOfTheEmptyNameProvesNoName) {
  settings.blank_username_allowed = true;
  gate.set_settings(settings);
  request.identity.username.clear();
  std::string token = token_for("");
  new_session();
  request.identity.username = "admin";
  EXPECT_EQ(refusal(token), "") << "without external-auth it lets nobody in under a name";
  settings.external_auth = true;
  gate.set_settings(settings);
  Verdict verdict = come(token);
  EXPECT_EQ(judge.asked.back().token_state, "AuthenticatedEmptyUser");
  EXPECT_EQ(judge.asked.back().identity.username, "");
  ASSERT_TRUE(std::holds_alternative<Allow>(verdict));
  EXPECT_EQ(std::get<Allow>(verdict).username, "");
  EXPECT_FALSE(read_token(settings.key, "admin", std::get<Allow>(verdict).token)->for_empty_username == false);
  settings.blank_username_allowed = false;
  gate.set_settings(settings);
  new_session();
  size_t asked = judge.asked.size();
  EXPECT_EQ(refusal(token), "");
  EXPECT_EQ(judge.asked.size(), asked);
}

TEST_F(TokenGateTest, RefusedClientsGetNone) {
  judge.verdict = Deny{"no", "not known"};
  EXPECT_EQ(refusal("wrong"), "no");
  EXPECT_FALSE(gate.renew(request.session));
  judge.verdict = Pending{};
  come("perhaps");
  EXPECT_FALSE(gate.renew(request.session)) << "nobody has let it in yet";
  judge.verdict = Allow{};
  token_for("secret");
  EXPECT_TRUE(gate.renew(request.session));
  judge.verdict = Deny{"no", "not any more"};
  EXPECT_EQ(refusal("secret"), "no");
  EXPECT_FALSE(gate.renew(request.session));
}

TEST_F(TokenGateTest, RenewsInBetween) {
  EXPECT_FALSE(gate.renew(request.session));
  std::string token = token_for("secret");
  now += seconds(150);
  auto renewed = gate.renew(request.session);
  ASSERT_TRUE(renewed);
  now += seconds(150);
  EXPECT_EQ(session_of(token_for(*renewed)), session_of(token));
  gate.forget(request.session);
  EXPECT_FALSE(gate.renew(request.session));
}

TEST_F(TokenGateTest, ASessionThatTakesANumberOverKeepsItsTokens) {
  const std::string token = token_for("secret");
  const abi::SessionRef asked = request.session;
  const abi::SessionRef own{0, 2};
  gate.renumber(asked, own);
  gate.forget({0, 1});  // the session whose place it took
  EXPECT_FALSE(gate.renew(asked));
  auto renewed = gate.renew(own);
  ASSERT_TRUE(renewed);
  EXPECT_EQ(session_of(*renewed), session_of(token));
  gate.renumber({9, 9}, {8, 8});
  EXPECT_FALSE(gate.renew({8, 8})) << "nothing was known of it";
}

TEST_F(TokenGateTest, WithoutTheDirectiveATokenIsAPasswordLikeAnother) {
  std::string token = token_for("secret");
  gate.set_settings(std::nullopt);
  new_session();
  EXPECT_EQ(token_for(token), "");
  EXPECT_EQ(judge.asked.back().identity.password, token);
  EXPECT_EQ(judge.asked.back().token_state, "");
}

}  // namespace
}  // namespace culvert::auth
