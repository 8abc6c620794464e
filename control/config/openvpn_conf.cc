#include "control/config/openvpn_conf.h"

#include <functional>

#include "control/config/directive.h"
#include "control/config/draft.h"
#include "control/config/statement.h"

namespace culvert::config {
namespace {

Said said(const Statement& statement) {
  Said said{statement.file, statement.line, statement.name, "", 0};
  std::string all = statement.inlined ? "block" : "line";
  for (const std::string& argument : statement.args) {
    all.append(1, '\0').append(argument);
    if (!statement.inlined) said.arguments.append(said.arguments.empty() ? "" : " ").append(argument);
  }
  if (statement.inlined) said.arguments = "(block)";
  said.digest = std::hash<std::string>{}(all);
  return said;
}

}  // namespace

ServerConfig parse_openvpn(std::string_view text, const std::string& file, FileLoader& loader, Report& report) {
  Statements statements = read_statements(text, file, loader, report);
  Draft draft(loader, report);
  draft.config.file = file;
  draft.config.settings.name = file;
  draft.folder = statements.folder;
  for (const Statement& statement : statements.list) {
    draft.config.said.push_back(said(statement));
    apply(draft, statement);
  }
  finish_network(draft);
  finish_hooks(draft);
  finish_listen(draft);
  finish_tls(draft);
  finish_management(draft);
  return std::move(draft.config);
}

}  // namespace culvert::config
