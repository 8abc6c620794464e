// The manual's pages, as roff: culvert(1) from the command tree, culvert.toml(5) from the table of keys in
// conf/README.md.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>

#include "dataplane/abi/result.h"

namespace culvert::cli {

/// culvert(1): each command with its arguments, options and examples, as `culvert help COMMAND` has them.
std::string command_manual(const CLI::App& program);

/// culvert.toml(5): the section "culvert.toml" of `readme`. The error says what of it is missing.
Result<std::string> file_manual(std::string_view readme);

}  // namespace culvert::cli
