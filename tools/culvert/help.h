// What `--help` prints, and what is said of numbers that are out of range.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace culvert::cli {

/// A page per command: what it is for, how it is called, its options with their defaults, and examples (the command's
/// footer).
class Help : public CLI::FormatterBase {
 public:
  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const override;
};

/// A whole number from `least` to `most`.
CLI::Validator whole_number(uint64_t least, uint64_t most);
/// A number of seconds from 0.1 to `most`.
CLI::Validator seconds_up_to(double most);

}  // namespace culvert::cli
