// `culvert config check`, and secrets kept for a reload.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

#include "control/config/check.h"
#include "control/config/kept_files.h"
#include "tests/unit/config/support.h"

namespace culvert::config::test {
namespace {

using namespace std::chrono_literals;
constexpr std::chrono::sys_seconds kNow = std::chrono::sys_days(2026y / 11 / 27);

const CheckedDirective& at_line(const Check& check, uint32_t line) {
  auto found = std::ranges::find_if(check.directives, [line](const auto& one) { return one.line == line; });
  EXPECT_NE(found, check.directives.end()) << "nothing at line " << line;
  return *found;
}

TEST(ConfigCheck, SaysTheFateOfEachDirective) {
  MemoryLoader loader = real_files_below("etc");
  loader.files["etc/server.conf"].bytes = std::string(kBase) + "persist-key\nkeepalvie 10 60\nport 70000\n";
  Check check = config::check("etc/server.conf", loader, kNow);
  EXPECT_EQ(check.report.errors(), 2u);
  EXPECT_EQ(check.directives.size(), 11u);
  EXPECT_EQ(at_line(check, 1).name, "topology");
  EXPECT_EQ(at_line(check, 1).verdict, "honoured");
  EXPECT_EQ(at_line(check, 7).arguments, "10.8.0.0 255.255.255.0");
  EXPECT_EQ(at_line(check, 10).verdict, "refused");
  EXPECT_EQ(at_line(check, 10).note, "no such directive in OpenVPN 2.6: did you mean keepalive?");
  EXPECT_EQ(at_line(check, 11).verdict, "refused");
  EXPECT_EQ(at_line(check, 11).note, "'70000' is not a number from 1 to 65535");
}

TEST(ConfigCheck, ReadsTheServersOfACulvertToml) {
  MemoryLoader loader = real_files_below("etc");
  loader.files["etc/culvert.toml"].bytes = "[[openvpn]]\nconfig = \"server.conf\"\n";
  loader.files["etc/server.conf"].bytes = std::string(kBase) + "bridge-nonsense\n";
  Check check = config::check("etc/culvert.toml", loader, kNow);
  EXPECT_EQ(check.report.errors(), 1u);
  EXPECT_EQ(at_line(check, 9).verdict, "refused");
}

TEST(ConfigCheck, MissesFoldersOfFilesThatAreMadeAtStart) {
  for (const char* line :
       {"log logs/openvpn.log", "log-append /var/nowhere/openvpn.log", "writepid run/pid", "status logs/status 10",
        "ifconfig-pool-persist state/ipp.txt", "management run/sock unix"}) {
    for (const char* file : {"etc/server.conf", "etc/culvert.toml"}) {
      MemoryLoader loader = real_files_below("etc");
      loader.files["etc/culvert.toml"].bytes = "[[openvpn]]\nconfig = \"server.conf\"\n";
      loader.files["etc/server.conf"].bytes = std::string(kBase) + line + "\n";
      Check check = config::check(file, loader, kNow);
      EXPECT_EQ(check.report.errors(), 1u) << line;
      EXPECT_EQ(at_line(check, 9).verdict, "refused") << line;
      EXPECT_NE(at_line(check, 9).note.find(": no such folder"), std::string::npos) << at_line(check, 9).note;
      for (const char* folder : {"etc/logs", "/var/nowhere", "etc/run", "etc/state"})
        loader.files[std::string(folder) + "/another"].bytes = "";
      EXPECT_TRUE(config::check(file, loader, kNow).report.ok()) << line;
    }
  }
}

TEST(ConfigCheck, MissesTheListOfAddressesThatIsOnlyRead) {
  MemoryLoader loader = real_files_below("etc");
  loader.files["etc/server.conf"].bytes = std::string(kBase) + "ifconfig-pool-persist ipp.txt 0\n";
  Check check = config::check("etc/server.conf", loader, kNow);
  EXPECT_EQ(at_line(check, 9).note,
            "etc/ipp.txt: no such file, and with 0 it is only read: make it (touch etc/ipp.txt), or leave the 0 out");
  loader.files["etc/ipp.txt"].bytes = "";
  EXPECT_TRUE(config::check("etc/server.conf", loader, kNow).report.ok());
}

TEST(ConfigCheck, WarnsOfCertificatesThatClientsRefuse) {
  MemoryLoader loader = real_files_below("etc");
  loader.files["etc/culvert.toml"].bytes = "[[openvpn]]\nconfig = \"server.conf\"\n";
  loader.files["etc/server.conf"].bytes = kBase;
  for (const char* file : {"etc/culvert.toml", "etc/server.conf"}) {
    EXPECT_TRUE(config::check(file, loader, kNow).report.all().empty()) << file;
    Check late = config::check(file, loader, std::chrono::sys_days(2090y / 1 / 2));
    EXPECT_EQ(late.report.errors(), 0u);
    ASSERT_EQ(late.report.all().size(), 2u) << file;
    EXPECT_EQ(to_text(late.report.all()[1]),
              "etc/server.conf: warning: certificate \"CN=server\" expired on 2090-01-01 00:00:00 UTC: handshakes fail "
              "until a new one is in place");
  }
}

TEST(ConfigCheck, DoesNotShowKeys) {
  MemoryLoader loader = real_files_below("etc");
  std::string key = loader.files["etc/server.key"].bytes;
  std::string conf = kBase;
  conf.replace(conf.find("key server.key"), 14, "<key>\n" + key + "</key>");
  loader.files["etc/server.conf"].bytes = conf;
  Check check = config::check("etc/server.conf", loader, kNow);
  EXPECT_EQ(check.report.errors(), 0u);
  for (const CheckedDirective& one : check.directives) EXPECT_EQ(one.arguments.find("PRIVATE"), std::string::npos);
}

/// Files that this user may not read after a while.
class Locked : public MemoryLoader {
 public:
  Result<LoadedFile> load(const std::string& path, size_t limit) override {
    if (locked) return Error{std::string(kNotReadable)};
    return MemoryLoader::load(path, limit);
  }
  bool locked = false;
};

TEST(KeptFiles, ServesWhatCanNotBeReadAgain) {
  Locked disk;
  disk.files = {{"key", {"secret", 0600}}, {"conf", {"text", 0600}}, {"ca", {"public", 0644}}};
  KeptFiles kept(disk);
  for (const char* path : {"key", "conf", "ca"}) EXPECT_TRUE(kept.load(path, 100)) << path;
  kept.stop_keeping({"conf"});
  disk.files["key"].bytes = "newer";
  EXPECT_EQ(kept.load("key", 100)->bytes, "newer") << "while it can be read, the file counts";
  EXPECT_TRUE(kept.take_used().empty());

  disk.locked = true;
  EXPECT_EQ(kept.load("key", 100)->bytes, "secret");
  EXPECT_EQ(kept.take_used(), std::vector<std::string>{"key"});
  EXPECT_FALSE(kept.load("conf", 100)) << "an old configuration must not pass for the new one";
  EXPECT_EQ(kept.load("ca", 100)->bytes, "public");
}

TEST(KeptFiles, AFileThatIsGoneIsGone) {
  Locked disk;
  disk.files = {{"key", {"secret", 0600}}};
  KeptFiles kept(disk);
  EXPECT_TRUE(kept.load("key", 100));
  disk.files.clear();
  EXPECT_FALSE(kept.load("key", 100));
}

}  // namespace
}  // namespace culvert::config::test
