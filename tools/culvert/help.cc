#include "tools/culvert/help.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <sstream>
#include <utility>
#include <vector>

namespace culvert::cli {
namespace {

constexpr size_t kWidth = 100;
constexpr size_t kTextAt = 24;

/// "  NAME   text", the text in lines of its own where the name is long, and broken between words.
void add_entry(std::string& out, const std::string& name, const std::string& text) {
  std::string line = "  " + name;
  if (line.size() + 2 > kTextAt && !text.empty()) {
    out += line + "\n";
    line.clear();
  }
  line.resize(std::max(line.size(), kTextAt), ' ');
  std::istringstream words(text);
  bool first = true;
  for (std::string word; words >> word; first = false) {
    if (!first && line.size() + 1 + word.size() > kWidth) {
      out += line + "\n";
      line = std::string(kTextAt, ' ') + word;
    } else {
      line += (first ? "" : " ") + word;
    }
  }
  line.erase(line.find_last_not_of(' ') + 1);
  out += line + "\n";
}

}  // namespace

std::string value_name(const CLI::Option& option) {
  return option.get_type_name();
}

std::string option_name(const CLI::Option& option) {
  std::string name = option.get_name(false, true);
  for (size_t at = name.find(','); at != std::string::npos; at = name.find(',', at + 2)) name.insert(at + 1, " ");
  std::string value = value_name(option);
  if (value.empty()) return name;
  bool optional = option.get_items_expected_min() == 0;
  return name + (optional ? " [" + value + "]" : " " + value) + (option.get_items_expected_max() > 1 ? " ..." : "");
}

std::string option_text(const CLI::Option& option) {
  std::string text = option.get_description();
  std::string value = option.get_default_str();
  if (!value.empty() && value != "\"\"" && !value_name(option).empty()) text += " (default " + value + ")";
  return text;
}

std::string arguments_of(const CLI::App& app) {
  std::string out;
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional())
      out += option->get_required() ? " " + option->get_name(true) : " [" + option->get_name(true) + "]";
    else if (option->get_required())
      out += " " + option_name(*option);
  }
  return out;
}

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

namespace {

const CLI::App& program_of(const CLI::App& app) {
  const CLI::App* program = &app;
  while (program->get_parent() != nullptr) program = program->get_parent();
  return *program;
}

void add_options(std::string& out, const CLI::App& app) {
  for (const CLI::Option* option : app.get_options())
    if (!option->get_positional()) add_entry(out, option_name(*option), option_text(*option));
  // --run-dir of the whole program may stand behind the command, too.
  if (app.get_parent() == nullptr) return;
  for (const CLI::Option* option : program_of(app).get_options())
    if (!value_name(*option).empty()) add_entry(out, option_name(*option), option_text(*option));
}

}  // namespace

std::string examples_of(const CLI::App& app) {
  const CLI::App& program = program_of(app);
  return &program != &app && app.get_footer() == program.get_footer() ? "" : app.get_footer();
}

std::string Help::make_help(const CLI::App* app, std::string name, CLI::AppFormatMode) const {
  const std::vector<const CLI::App*> commands = commands_of(*app);
  std::string out = name + ": " + app->get_description() + "\n\nusage: " + name;
  out += commands.empty() ? " [OPTION]..." + arguments_of(*app) : " COMMAND ...";
  out += "\n";
  bool positional = false;
  for (const CLI::Option* option : app->get_options()) {
    if (!option->get_positional()) continue;
    if (!std::exchange(positional, true)) out += "\n";
    add_entry(out, option->get_name(true), option_text(*option));
  }
  if (!commands.empty()) out += "\ncommands:\n";
  for (const CLI::App* command : commands) add_entry(out, command->get_name(), command->get_description());
  out += "\noptions:\n";
  add_options(out, *app);
  if (std::string examples = examples_of(*app); !examples.empty()) out += "\nexamples:\n" + examples;
  return out;
}

CLI::Validator whole_number(uint64_t least, uint64_t most) {
  return CLI::Validator(
      [least, most](const std::string& text) -> std::string {
        uint64_t value = 0;
        auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error == std::errc() && end == text.data() + text.size() && value >= least && value <= most) return "";
        return "'" + text + "' is not a number from " + std::to_string(least) + " to " + std::to_string(most);
      },
      "");
}

CLI::Validator seconds_up_to(double most) {
  return CLI::Validator(
      [most](const std::string& text) -> std::string {
        char* end = nullptr;
        double value = std::strtod(text.c_str(), &end);
        if (!text.empty() && *end == '\0' && value >= 0.1 && value <= most) return "";
        std::array<char, 32> limit{};
        std::snprintf(limit.data(), limit.size(), "%.0f", most);
        return "'" + text + "' is not a number of seconds from 0.1 to " + limit.data();
      },
      "");
}

}  // namespace culvert::cli
