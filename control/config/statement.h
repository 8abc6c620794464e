// A server.conf as a list of statements: quoting, comments, inline blocks and includes are dealt with here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "control/config/diagnostic.h"
#include "control/config/file_loader.h"
#include "dataplane/abi/result.h"

namespace culvert::config {

struct Statement {
  std::string file;
  uint32_t line = 0;
  std::string name;
  std::vector<std::string> args;
  bool inlined = false;  ///< <name> … </name>: args[0] is the text between the tags

  /// Only says that such a block follows, which is how OpenVPN 2.1 wanted it: `ca [inline]`.
  bool announces_block() const { return !inlined && !args.empty() && args[0] == "[inline]"; }
};

struct Statements {
  std::vector<Statement> list;
  std::string folder;  ///< where relative paths count from: the last `cd`, else the file's own folder
};

/// Splits one line into words. Single quotes keep everything as it is; in double quotes and outside, a backslash may
/// stand before a space, a double quote or a backslash; # and ; start a comment where a word would start.
Result<std::vector<std::string>> split_line(std::string_view line);

/// Reads a whole text, following `config` and `cd`.
Statements read_statements(std::string_view text, const std::string& file, FileLoader& loader, Report& report);

}  // namespace culvert::config
