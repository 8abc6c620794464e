// What `--help` prints, and what is said of numbers that are out of range.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace culvert::cli {

/// A page per command: what it is for, how it is called, its options with their defaults, and examples (the command's
/// footer).
class Help : public CLI::FormatterBase {
 public:
  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const override;
};

// Parts of a page, for the manual as well:

/// "-o, --option VALUE", "[VALUE]" where it may be left out.
std::string option_name(const CLI::Option& option);
/// The name of its value; empty for a flag. (A check with a description would add that: give it an empty one.)
std::string value_name(const CLI::Option& option);
/// What it is for, and its default.
std::string option_text(const CLI::Option& option);
/// What stands behind the command's name, without the options that may be left out.
std::string arguments_of(const CLI::App& app);
/// The command's own examples: the parser hands those of the whole program down to commands without any.
std::string examples_of(const CLI::App& app);
/// The commands right below this one.
std::vector<const CLI::App*> commands_of(const CLI::App& app);

/// A whole number from `least` to `most`.
CLI::Validator whole_number(uint64_t least, uint64_t most);
/// A number of seconds from 0.1 to `most`.
CLI::Validator seconds_up_to(double most);

}  // namespace culvert::cli
