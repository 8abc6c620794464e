#include "tools/culvert/completion.h"

#include <vector>

#include "tools/culvert/help.h"

namespace culvert::cli {
namespace {

constexpr const char* kBegin = R"(# bash completion of culvert, made from its list of commands
_culvert() {
  local word=${COMP_WORDS[COMP_CWORD]} before='' command=culvert help='' commands='' options='' kind='' i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$command $before" in
      VALUED) before=''; continue ;;
    esac
    before=${COMP_WORDS[i]}
    [[ $i == 1 && $before == help ]] && help=1
    case "$command $before" in
      COMMANDS) command+=" $before"; before='' ;;
    esac
  done
  case "$command $before" in
    FILES) kind=file ;;
    FOLDERS) kind=folder ;;
    VALUED) return ;;
    *) case $command in
)";

constexpr const char* kEnd = R"(    esac ;;
  esac
  [[ $help ]] && options='' kind=''
  COMPREPLY=($(compgen -W "$commands $options" -- "$word"))
  [[ $kind ]] || return 0
  compopt -o filenames 2>/dev/null
  local flag=-f
  [[ $kind == folder ]] && flag=-d
  mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen "$flag" -- "$word")
}
complete -F _culvert culvert
)";

/// Patterns of `case`, separated by "|", and the lines of each command.
struct Script {
  std::string commands = "''";
  std::string valued = "''";  ///< an option whose value is the next word
  std::string files = "''";
  std::string folders = "''";
  std::string lines;
};

std::vector<std::string> names_of(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  return names;
}

const char* kind_of(const std::string& value) {
  return value == "FILE" ? "file" : value == "DIR" ? "folder" : "";
}

void complete_command(Script& script, const CLI::App& app, const std::string& path) {
  const bool whole = app.get_parent() == nullptr;
  std::string commands = whole ? "help" : "";
  std::string options;
  std::string kind;
  for (const CLI::App* command : commands_of(app)) {
    commands += " " + command->get_name();
    script.commands += "|'" + path + " " + command->get_name() + "'";
  }
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional()) kind = kind_of(option->get_name(true));
    for (const std::string& name : names_of(*option)) {
      options += " " + name;
      if (value_name(*option).empty() || option->get_items_expected_min() == 0) continue;
      // Those of the whole program may stand behind any command.
      const std::string pattern = whole ? "|*' " + name + "'" : "|'" + path + " " + name + "'";
      script.valued += pattern;
      const std::string takes = kind_of(value_name(*option));
      if (takes == "file") script.files += pattern;
      if (takes == "folder") script.folders += pattern;
    }
  }
  if (!whole) options += " --run-dir";
  script.lines +=
      "      '" + path + "') commands='" + commands + "' options='" + options + "' kind='" + kind + "' ;;\n";
  for (const CLI::App* command : commands_of(app)) complete_command(script, *command, path + " " + command->get_name());
}

void replace_all(std::string& text, const std::string& what, const std::string& by) {
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size()))
    text.replace(at, what.size(), by);
}

}  // namespace

std::string bash_completion(const CLI::App& program) {
  Script script;
  complete_command(script, program, program.get_name());
  std::string text = kBegin;
  replace_all(text, "VALUED", script.valued);
  replace_all(text, "COMMANDS", script.commands);
  replace_all(text, "FILES", script.files);
  replace_all(text, "FOLDERS", script.folders);
  return text + script.lines + kEnd;
}

}  // namespace culvert::cli
