// A list of revoked certificates whose file changes.
#include "control/auth/crl_watch.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "control/config/load.h"
#include "control/io/clock.h"
#include "control/pki/pki.h"
#include "tests/unit/io/support.h"

namespace culvert::auth {
namespace {

class CrlWatchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    pki::InitOptions options;
    options.folder = folder_ / "etc";
    options.host = "vpn.example.org";
    auto made = pki::init(options, io::now().wall);
    ASSERT_TRUE(made) << made.error();
    auto alice = pki::add_client({.folder = options.folder, .name = "alice", .remote = ""}, io::now().wall);
    ASSERT_TRUE(alice) << alice.error();
    alice_ = alice->serial;
    config::Report report;
    auto configuration = config::load(made->toml, loader_, report);
    ASSERT_TRUE(configuration && report.ok());
    server_ = configuration->servers.front();
  }
  void revoke() {
    auto done = pki::revoke_client(folder_ / "etc", "alice", io::now().wall);
    ASSERT_TRUE(done) << done.error();
  }

  io::Folder folder_;
  config::DiskLoader loader_;
  config::ServerConfig server_;
  std::string alice_;
};

TEST_F(CrlWatchTest, SaysNothingWhileTheListIsTheOneThatIsInForce) {
  CrlWatch watch(server_.crl_file, server_.tls);
  EXPECT_FALSE(watch.look(loader_));
  EXPECT_FALSE(watch.look(loader_));
  EXPECT_TRUE(watch.read_now(loader_)) << "asked to read it all the same";
}

TEST_F(CrlWatchTest, FollowsTheFile) {
  CrlWatch watch(server_.crl_file, server_.tls);
  EXPECT_FALSE(watch.look(loader_));
  revoke();
  auto change = watch.look(loader_);
  ASSERT_TRUE(change && change->context);
  EXPECT_TRUE(change->context->revoked(alice_));
  EXPECT_FALSE(watch.look(loader_));
}

/// The configuration is read first, and some time goes by before the file is watched.
TEST_F(CrlWatchTest, AChangeBeforeTheFirstLookIsNotMissed) {
  revoke();
  CrlWatch watch(server_.crl_file, server_.tls);
  auto change = watch.look(loader_);
  ASSERT_TRUE(change && change->context);
  EXPECT_TRUE(change->context->revoked(alice_));
  EXPECT_FALSE(watch.look(loader_));
}

struct ClosedFiles final : config::FileLoader {
  Result<config::LoadedFile> load(const std::string&, size_t) override {
    return Error{std::string(config::kNotReadable)};
  }
};

/// As after `user`, which control's own warning is about.
TEST_F(CrlWatchTest, AFileThatMayNotBeReadIsReportedWhenItChanges) {
  ClosedFiles closed;
  CrlWatch watch(server_.crl_file, server_.tls);
  EXPECT_FALSE(watch.look(closed));
  revoke();
  auto change = watch.look(closed);
  ASSERT_TRUE(change);
  EXPECT_FALSE(change->context);
  EXPECT_NE(change->error.find("stays in force"), std::string::npos) << change->error;
  EXPECT_FALSE(watch.look(closed));
}

/// easy-rsa makes lists that only their owner may read, and an operator who is told so has nothing to change but the
/// mode.
TEST_F(CrlWatchTest, AFileThatMayBeReadFromNowOnIsRead) {
  ClosedFiles closed;
  CrlWatch watch(server_.crl_file, server_.tls);
  EXPECT_FALSE(watch.look(closed));
  revoke();
  ASSERT_TRUE(watch.look(closed));
  struct stat before {};
  struct stat after {};
  ASSERT_EQ(stat(server_.crl_file.c_str(), &before), 0);
  do {  // the kernel's clock for files has ticks of some milliseconds
    ASSERT_EQ(chmod(server_.crl_file.c_str(), 0644), 0);
    ASSERT_EQ(stat(server_.crl_file.c_str(), &after), 0);
  } while (after.st_ctim.tv_sec == before.st_ctim.tv_sec && after.st_ctim.tv_nsec == before.st_ctim.tv_nsec);
  auto change = watch.look(loader_);
  ASSERT_TRUE(change && change->context);
  EXPECT_TRUE(change->context->revoked(alice_));
}

TEST_F(CrlWatchTest, AFileThatIsGoneIsReportedOnce) {
  CrlWatch watch(server_.crl_file, server_.tls);
  EXPECT_FALSE(watch.look(loader_));
  std::filesystem::remove(server_.crl_file);
  auto change = watch.look(loader_);
  ASSERT_TRUE(change);
  EXPECT_FALSE(change->context);
  EXPECT_NE(change->error.find("stays in force"), std::string::npos) << change->error;
  EXPECT_FALSE(watch.look(loader_));
}

}  // namespace
}  // namespace culvert::auth
