#include "tools/culvert/manual.h"

#include "tools/culvert/help.h"
#include "tools/culvert/roff.h"

namespace culvert::cli {
namespace {

void add_command(std::string& out, const CLI::App& command, const std::string& name) {
  const std::vector<const CLI::App*> below = commands_of(command);
  if (below.empty()) {
    out += ".SS \"" + roff(name + arguments_of(command)) + "\"\n" + roff(command.get_description()) + ".\n";
    for (const CLI::Option* option : command.get_options())
      if (option != command.get_help_ptr())
        out +=
            roff_entry(option->get_positional() ? option->get_name(true) : option_name(*option), option_text(*option));
    if (std::string examples = examples_of(command); !examples.empty()) out += roff_lines(examples);
  }
  for (const CLI::App* one : below) add_command(out, *one, name + " " + one->get_name());
}

}  // namespace

std::string command_manual(const CLI::App& program) {
  const std::string& name = program.get_name();
  std::string out = roff_heading(name, 1, program.get_description());
  out += ".SH SYNOPSIS\n.B " + name + "\n[\\fIOPTION\\fR]... \\fICOMMAND\\fR ...\n";
  out += ".SH OPTIONS\n";
  for (const CLI::Option* option : program.get_options()) out += roff_entry(option_name(*option), option_text(*option));
  out += ".SH COMMANDS\n";
  add_command(out, program, name);
  out += ".SH EXIT STATUS\n0: done; 1: failed; 2: wrong use.\n.SH EXAMPLES\n" + roff_lines(program.get_footer());
  return out + ".SH SEE ALSO\n.BR culvert.toml (5),\n.BR openvpn (8)\n";
}

}  // namespace culvert::cli
