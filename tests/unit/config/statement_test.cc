// Lexing of server.conf: quoting, comments, inline blocks, includes, cd.
#include "control/config/statement.h"

#include <gtest/gtest.h>

#include "tests/unit/config/support.h"

namespace culvert::config::test {
namespace {

using Words = std::vector<std::string>;

TEST(SplitLine, Words) {
  struct Case {
    const char* line;
    Words words;
  };
  const Case cases[] = {
      {"", {}},
      {"   \t ", {}},
      {"# comment", {}},
      {"  ; comment", {}},
      {"port 1194", {"port", "1194"}},
      {"port\t1194   # comment", {"port", "1194"}},
      {"port 1194;x", {"port", "1194;x"}},
      {"push \"route 10.0.0.0 255.0.0.0\"", {"push", "route 10.0.0.0 255.0.0.0"}},
      {"push 'a \"b\" \\c'", {"push", "a \"b\" \\c"}},
      {"push \"a \\\"b\\\" \\\\ c\"", {"push", "a \"b\" \\ c"}},
      {"ca My\\ Keys/ca.crt", {"ca", "My Keys/ca.crt"}},
      {"ca \"\"", {"ca", ""}},
      {"ca \"a\"b", {"ca", "a", "b"}},
      {"ca a\"b", {"ca", "a\"b"}},
      {"ca \"#1\" '; 2'", {"ca", "#1", "; 2"}},
      {"port 1194\r", {"port", "1194"}},
  };
  for (const Case& c : cases) {
    auto words = split_line(c.line);
    ASSERT_TRUE(words) << c.line << ": " << words.error();
    EXPECT_EQ(*words, c.words) << c.line;
  }
}

TEST(SplitLine, Refuses) {
  struct Case {
    std::string line;
    const char* error;
  };
  const Case cases[] = {
      {"push \"route", "no closing \" on this line"},
      {"push 'route", "no closing ' on this line"},
      {"ca c:\\keys",
       "a backslash may only stand before a space, a double quote or a backslash: write two for one backslash"},
      {"ca x\\", "a backslash at the end of the line: write two for one backslash"},
      {[] {
         std::string many;
         for (int i = 0; i < 65; ++i) many += "a ";
         return many;
       }(),
       "more than 64 words on a line"},
  };
  for (const Case& c : cases) {
    auto words = split_line(c.line);
    ASSERT_FALSE(words) << c.line;
    EXPECT_EQ(words.error(), c.error);
  }
}

struct Read {
  Statements statements;
  std::string findings;
};

Read read(const std::string& text, MemoryLoader loader = {}) {
  Read result;
  Report report;
  result.statements = read_statements(text, "etc/server.conf", loader, report);
  for (const Diagnostic& diagnostic : report.all()) result.findings += to_text(diagnostic) + "\n";
  return result;
}

TEST(ReadStatements, LinesAreCountedThroughInlineBlocks) {
  Read result = read("\xEF\xBB\xBFport 1\n<ca>\nA # kept\n  B\n  </ca>\n--proto udp\n");
  EXPECT_EQ(result.findings, "");
  ASSERT_EQ(result.statements.list.size(), 3u);
  EXPECT_EQ(result.statements.list[0].name, "port");
  EXPECT_EQ(result.statements.list[1].name, "ca");
  EXPECT_TRUE(result.statements.list[1].inlined);
  EXPECT_EQ(result.statements.list[1].args, Words{"A # kept\n  B\n"});
  EXPECT_EQ(result.statements.list[1].line, 2u);
  EXPECT_EQ(result.statements.list[2].name, "proto");
  EXPECT_EQ(result.statements.list[2].line, 6u);
}

TEST(ReadStatements, BrokenText) {
  EXPECT_EQ(read("port 1\n<ca>\nA\n").findings,
            "etc/server.conf:2: error: <ca> has no </ca> before the end of the file\n");
  EXPECT_EQ(read("</ca>\n").findings, "etc/server.conf:1: error: </ca> closes a block that was not opened\n");
  EXPECT_EQ(read(std::string("port 1\nca \0x\n", 13)).findings,
            "etc/server.conf:2: error: a NUL byte: this is not a text file\n");
  EXPECT_EQ(read(std::string(9000, 'x')).findings, "etc/server.conf:1: error: line longer than 8192 bytes\n");
  EXPECT_EQ(
      read("port \"1\nverb '3\n").findings,
      "etc/server.conf:1: error: no closing \" on this line\netc/server.conf:2: error: no closing ' on this line\n");
}

TEST(ReadStatements, IncludesCountFromTheFolder) {
  MemoryLoader loader;
  loader.files["etc/more.conf"] = {"verb 3\nconfig sub/deep.conf\n", 0644};
  loader.files["etc/sub/deep.conf"] = {"port 7\n", 0644};
  Read result = read("config more.conf\nproto udp\n", loader);
  EXPECT_EQ(result.findings, "");
  ASSERT_EQ(result.statements.list.size(), 3u);
  EXPECT_EQ(result.statements.list[1].file, "etc/sub/deep.conf");
  EXPECT_EQ(result.statements.list[1].line, 1u);
  EXPECT_EQ(result.statements.list[2].name, "proto");
}

TEST(ReadStatements, IncludesThatCannotBe) {
  EXPECT_EQ(read("\nconfig none.conf\n").findings, "etc/server.conf:2: error: config etc/none.conf: no such file\n");
  EXPECT_EQ(read("config\n").findings, "etc/server.conf:1: error: config: takes one argument, the file to include\n");
  MemoryLoader itself;
  itself.files["etc/loop.conf"] = {"config loop.conf\n", 0644};
  EXPECT_EQ(read("config loop.conf\n", itself).findings,
            "etc/loop.conf:1: error: config: more than 10 files deep: does a file include itself?\n");
}

TEST(ReadStatements, AFileThatIncludesItselfManyTimesEnds) {
  MemoryLoader loader;
  std::string text;
  for (int i = 0; i < 100; ++i) text += "config loop.conf\n";
  loader.files["etc/loop.conf"] = {text, 0644};
  Read result = read(text, loader);
  EXPECT_NE(result.findings.find("more than 256 includes"), std::string::npos);
}

TEST(ReadStatements, CdSaysWherePathsCountFrom) {
  EXPECT_EQ(read("port 1\n").statements.folder, "etc");
  EXPECT_EQ(read("cd keys\n").statements.folder, "etc/keys");
  EXPECT_EQ(read("cd /srv/vpn\n").statements.folder, "/srv/vpn");
  EXPECT_EQ(read("cd\n").findings,
            "etc/server.conf:1: error: cd: takes one argument, the folder that relative paths count from\n");
}

}  // namespace
}  // namespace culvert::config::test
