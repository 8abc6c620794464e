// What tls-verify is asked, in which order, and what its answers do.
#include "control/auth/certificate_script.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "tests/unit/io/support.h"

namespace culvert::auth {
namespace {

using Lines = std::vector<std::string>;

struct CertificateScriptTest : ::testing::Test {
  void SetUp() override {
    loop = std::move(*io::EventLoop::make());
    runner.emplace(*loop, hooks::Runner::Limits{});
    mkdir((folder / "certs").c_str(), 0700);
    request.session = {3, 1};
    request.identity.common_name = "alice";
    request.identity.subject = {"CN=alice"};
    request.identity.serial = "7";
    request.identity.certificate_hash = {1};
    request.identity.certificate_pem = "alice's\n";
    request.identity.issuers = {{{"O=x", "CN=the CA"}, "8", {2}, {3}, "the CA's\n"}};
  }
  void script(const std::string& text, bool exported = false) {
    std::string path = folder / "verify";
    std::ofstream(path) << "#!/bin/sh\necho \"$*|$script_type|$X509_0_CN|$X509_1_CN|$tls_serial_0\" >> " +
                               (folder / "notes") + "\n" + text;
    chmod(path.c_str(), 0755);
    judge.emplace(
        *runner, CertificateScript::Settings{
                     .program = {path, "first"}, .export_folder = exported ? folder / "certs" : "", .environment = {}});
  }
  bool ask() {
    verdict.reset();
    judge->begin(request, [this](Verdict given) { verdict = std::move(given); });
    return io::run_until(*loop, [&] { return verdict.has_value(); });
  }
  Lines notes() {
    std::ifstream file(folder / "notes");
    Lines lines;
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
  }

  std::unique_ptr<io::EventLoop> loop;
  io::Folder folder;
  std::optional<hooks::Runner> runner;
  std::optional<CertificateScript> judge;
  AuthRequest request;
  std::optional<Verdict> verdict;
};

TEST_F(CertificateScriptTest, JudgesFromTheCaDown) {
  script("exit 0");
  ASSERT_TRUE(ask());
  EXPECT_TRUE(std::holds_alternative<Allow>(*verdict));
  EXPECT_EQ(notes(),
            (Lines{"first 1 O=x, CN=the CA|tls-verify||the CA|", "first 0 CN=alice|tls-verify|alice|the CA|7"}));
}

TEST_F(CertificateScriptTest, OneRefusalIsEnough) {
  script("[ $2 = 0 ]");
  ASSERT_TRUE(ask());
  EXPECT_NE(std::get<Deny>(*verdict).for_operator.find("at depth 1: exit status 1"), std::string::npos);
  EXPECT_EQ(notes().size(), 1u);
  script("[ $2 = 1 ]");
  ASSERT_TRUE(ask());
  EXPECT_NE(std::get<Deny>(*verdict).for_operator.find("at depth 0: exit status 1"), std::string::npos);
}

TEST_F(CertificateScriptTest, WithoutAVerdictTheClientMayTryAgain) {
  script("kill -9 $$");
  ASSERT_TRUE(ask());
  EXPECT_EQ(std::get<Deny>(*verdict).for_client, "TEMP:server could not decide");
  script("exit 1");
  ASSERT_TRUE(ask());
  EXPECT_EQ(std::get<Deny>(*verdict).for_client, "");
}

TEST_F(CertificateScriptTest, CertificatesAreExportedAndTakenAway) {
  script("[ \"$2/$(cat $peer_cert)\" = \"0/alice's\" ] || [ \"$2/$(cat $peer_cert)\" = \"1/the CA's\" ]", true);
  ASSERT_TRUE(ask());
  EXPECT_TRUE(std::holds_alternative<Allow>(*verdict));
  EXPECT_TRUE(std::filesystem::is_empty(folder / "certs"));
  std::filesystem::remove(folder / "certs");
  ASSERT_TRUE(ask());
  EXPECT_TRUE(std::get<Deny>(*verdict).for_operator.starts_with("tls-export-cert"));
}

TEST_F(CertificateScriptTest, WithoutACertificateNothingIsAsked) {
  script("exit 1");
  request.identity.certificate_hash.clear();
  ASSERT_TRUE(ask());
  EXPECT_TRUE(std::holds_alternative<Allow>(*verdict));
  EXPECT_TRUE(notes().empty());
}

TEST_F(CertificateScriptTest, NothingIsHeardAfterCancel) {
  script("exec sleep 1000", true);
  judge->begin(request, [this](Verdict given) { verdict = std::move(given); });
  ASSERT_TRUE(io::run_until(*loop, [&] { return runner->running() == 1; }));
  judge->cancel(request.session);
  ASSERT_TRUE(io::run_until(*loop, [&] { return runner->running() == 0; }));
  EXPECT_FALSE(verdict);
  EXPECT_TRUE(std::filesystem::is_empty(folder / "certs"));
}

}  // namespace
}  // namespace culvert::auth
