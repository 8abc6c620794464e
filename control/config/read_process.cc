// Readers: what concerns the process, and what is so in any case.
#include "control/config/arguments.h"
#include "control/config/directive.h"
#include "control/config/readers.h"

namespace culvert::config {

void read_always_so(Draft&, const Statement&) {}

void read_user(Draft& draft, const Statement& statement) {
  draft.config.user = statement.args[0];
}

void read_group(Draft& draft, const Statement& statement) {
  draft.config.group = statement.args[0];
}

void read_verb(Draft& draft, const Statement& statement) {
  auto n = number_argument(draft, statement, 0, 0, 11);
  if (!n) return;
  draft.config.verb = *n;
  if (*n == 0) draft.config.log_level = openvpn::LogLevel::kError;
  if (*n == 1 || *n == 2) draft.config.log_level = openvpn::LogLevel::kWarning;
  if (*n == 3) draft.config.log_level = openvpn::LogLevel::kInfo;
  if (*n > 3) draft.config.log_level = openvpn::LogLevel::kDebug;
}

void read_log(Draft& draft, const Statement& statement) {
  if (statement.args[0].empty()) return draft.error(statement, "names no file");
  draft.config.log_append = false;
}

void read_log_append(Draft& draft, const Statement& statement) {
  if (statement.args[0].empty()) return draft.error(statement, "names no file");
  draft.config.log_append = true;
}

void read_syslog(Draft& draft, const Statement& statement) {
  draft.config.syslog = statement.args.empty() ? "culvert" : statement.args[0];
}

void read_writepid(Draft& draft, const Statement& statement) {
  if (statement.args[0].empty()) draft.error(statement, "names no file");
}

void read_setenv(Draft& draft, const Statement& statement) {
  if (statement.args[0] != "opt") {
    if (statement.args.size() > 2) return draft.error(statement, "takes a name and a value");
    if (statement.args[0] == "FORWARD_COMPATIBLE")
      return draft.warning(statement, "has no effect here: name what may be unknown with ignore-unknown-option");
    std::string value = statement.args.size() == 2 ? statement.args[1] : "";
    draft.config.hooks.variables.emplace_back(statement.args[0], value);
    return;
  }
  // "setenv opt NAME …": NAME is read like any other directive, and skipped when unknown.
  if (statement.args.size() == 1) return draft.error(statement, "setenv opt needs a directive behind it");
  Statement& inner = draft.made.emplace_back(statement);
  inner.name = statement.args[1];
  inner.args.erase(inner.args.begin(), inner.args.begin() + 2);
  if (inner.name == "setenv") return draft.error(statement, "setenv opt can't hold another setenv");
  if (inner.name == "config" || inner.name == "cd")
    return draft.error(statement, inner.name + " has no effect behind setenv opt: write it alone");
  if (find_directive(inner.name) == nullptr)
    return draft.warning(statement, "'" + inner.name + "' is not known, and skipped");
  apply(draft, inner);
}

void read_ignore_unknown(Draft& draft, const Statement& statement) {
  for (const std::string& name : statement.args) draft.unknown_allowed.push_back(name);
}

}  // namespace culvert::config
