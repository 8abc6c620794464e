// The configurations in conf/ are good ones.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "control/config/load.h"
#include "tests/unit/config/support.h"

namespace culvert::config::test {
namespace {

std::string text_of(const std::string& name) {
  std::ifstream file(CULVERT_SOURCE_ROOT "/conf/" + name);
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_GT(text.str().size(), 100u) << name;
  return text.str();
}

Report load_example(const std::string& toml, const std::string& conf) {
  MemoryLoader loader = real_files_below("etc");
  loader.files["etc/tls-crypt-v2-server.key"] = {server_key_text(), 0600};
  loader.files["etc/tls-crypt.key"] = {static_key_text(), 0600};
  loader.files["etc/culvert.toml"] = {toml, 0644};
  loader.files["etc/server.conf"] = {conf, 0644};
  Report report;
  auto loaded = load("etc/culvert.toml", loader, report);
  for (const Diagnostic& diagnostic : report.all()) {
    if (diagnostic.severity == Severity::kError) ADD_FAILURE() << to_text(diagnostic);
  }
  EXPECT_TRUE(loaded);
  return report;
}

/// A commented example with its keys switched on: "# sessions = 4096" becomes "sessions = 4096".
std::string uncomment(const std::string& text, const std::string& equals) {
  std::string out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    bool key =
        line.starts_with("# ") && line.size() > 2 && line.find(equals) != std::string::npos && std::islower(line[2]);
    key = key || line.starts_with("# [[");  // a block of its own
    out += (key ? line.substr(2) : line) + "\n";
  }
  return out;
}

TEST(Examples, AreGoodWithoutAWarning) {
  Report report = load_example(text_of("culvert.toml"), text_of("server.conf"));
  EXPECT_TRUE(report.all().empty());
}

TEST(Examples, TheCommentedLinesAreGoodToo) {
  std::string toml = uncomment(text_of("culvert.toml"), " = ");
  EXPECT_NE(toml.find("\nsessions = 4096"), std::string::npos);
  EXPECT_NE(toml.find("\nuser = \"culvert\""), std::string::npos);
  std::string conf = uncomment(text_of("server.conf"), "push \"");
  EXPECT_NE(conf.find("\npush \"redirect-gateway def1 ipv6\""), std::string::npos);
  Report report = load_example(toml, conf);
  EXPECT_TRUE(report.all().empty());
}

TEST(Examples, EduvpnStyleIsGoodWithoutAWarning) {
  Report report = load_example("[[openvpn]]\nconfig = \"server.conf\"\n", text_of("eduvpn-style.conf"));
  EXPECT_TRUE(report.all().empty());
}

}  // namespace
}  // namespace culvert::config::test
