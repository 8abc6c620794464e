#include "control/config/directive.h"

#include <algorithm>
#include <map>

#include "control/config/draft.h"
#include "control/config/openvpn_conf.h"
#include "control/config/readers.h"

namespace culvert::config {
namespace {

// Texts that several entries of the list share.
#define NOT_YET " is not supported in this version"
#define NOT_YET_END "; not supported in this version: remove it"
#define TOKENS "keys on PKCS #11 tokens are not supported in this version; use key with a file"
#define BRIDGE "bridges and dev tap are not supported: use dev tun and server"
#define CLIENT_ONLY "a directive for clients; this is a server's configuration: remove it"
#define FOR_CLIENTS "for clients; a server does nothing with it, openvpn neither"
#define PUSH_IT "acts at the client: write push \"…\" around it"
#define PER_CLIENT "made for each client by the gateway itself: remove it"
#define PER_CLIENT_FILE "it belongs into a file of client-config-dir, or into what client-connect writes: move it there"
#define WINDOWS "for Windows only: remove it"
#define COMMAND "a command of the openvpn program, not a setting: remove it"

#define HONOURED(name, least, most, flags, reader, note) {name, Fate::kHonoured, least, most, flags, reader, note},
#define HARMLESS(name, why) {name, Fate::kHarmless, 0, 16, directive_flag::kInline, nullptr, why},
#define REFUSED(name, why) {name, Fate::kRefused, 0, 16, directive_flag::kInline, nullptr, why},
constexpr Directive kDirectives[] = {
#include "control/config/directives.def"
};
#undef HONOURED
#undef HARMLESS
#undef REFUSED

std::string unknown_text(std::string_view name) {
  std::vector<std::string_view> names;
  for (const Directive& directive : kDirectives) names.push_back(directive.name);
  std::string_view near = nearest(name, names);
  std::string text = "no such directive in OpenVPN 2.6";
  return near.empty() ? text : text + ": did you mean " + std::string(near) + "?";
}

std::string count_text(const Directive& directive) {
  auto words = [](int n) { return std::to_string(n) + (n == 1 ? " argument" : " arguments"); };
  if (directive.max_args == 0) return "takes no argument";
  if (directive.min_args == directive.max_args) return "takes " + words(directive.min_args);
  return "takes " + std::to_string(directive.min_args) + " to " + words(directive.max_args);
}

/// Reports and returns false when the statement's form does not fit its directive.
bool form_fits(Draft& draft, const Directive& directive, const Statement& statement) {
  if (statement.inlined && (directive.flags & directive_flag::kInline) == 0) {
    draft.error(statement, "can't be written as a block in angle brackets: write it on one line");
    return false;
  }
  bool fits = statement.args.size() >= directive.min_args && statement.args.size() <= directive.max_args;
  if (!fits) draft.error(statement, count_text(directive) + ", " + std::to_string(statement.args.size()) + " given");
  return fits;
}

std::string_view fate_text(Fate fate) {
  switch (fate) {
    case Fate::kHonoured:
      return "honoured";
    case Fate::kHarmless:
      return "warning";
    case Fate::kRefused:
      return "refused";
  }
  return "";
}

}  // namespace

std::span<const Directive> directives() {
  return kDirectives;
}

const Directive* find_directive(std::string_view name) {
  static const std::map<std::string_view, const Directive*> index = [] {
    std::map<std::string_view, const Directive*> made;
    for (const Directive& directive : kDirectives) made.emplace(directive.name, &directive);
    return made;
  }();
  auto found = index.find(name);
  return found == index.end() ? nullptr : found->second;
}

void apply(Draft& draft, const Statement& statement) {
  const Directive* directive = find_directive(statement.name);
  if (directive == nullptr) {
    bool allowed = std::ranges::find(draft.unknown_allowed, statement.name) != draft.unknown_allowed.end();
    if (allowed) return draft.warning(statement, "not known, and skipped as ignore-unknown-option says");
    return draft.error(statement, unknown_text(statement.name));
  }
  if (directive->fate == Fate::kRefused) return draft.error(statement, std::string(directive->note));
  if (directive->fate == Fate::kHarmless) {
    return draft.warning(statement, "has no effect here: " + std::string(directive->note));
  }
  if (!form_fits(draft, *directive, statement)) return;
  const Statement*& last = draft.last[directive->name];
  if (last != nullptr && !last->announces_block() && (directive->flags & directive_flag::kRepeats) == 0) {
    draft.warning(statement, "given again: this one replaces that of " + last->file + ":" + std::to_string(last->line));
  }
  last = &statement;
  directive->read(draft, statement);
}

std::string directive_table() {
  std::vector<const Directive*> sorted;
  for (const Directive& directive : kDirectives) sorted.push_back(&directive);
  std::ranges::sort(sorted, {}, [](const Directive* directive) { return directive->name; });
  std::string table = "| directive | fate | |\n| --- | --- | --- |\n";
  for (const Directive* directive : sorted) {
    table.append("| `").append(directive->name).append("` | ").append(fate_text(directive->fate));
    table.append(" | ").append(directive->note).append(" |\n");
  }
  return table;
}

}  // namespace culvert::config
