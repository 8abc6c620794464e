#include "control/config/openvpn_conf.h"

#include "control/config/directive.h"
#include "control/config/draft.h"
#include "control/config/statement.h"

namespace culvert::config {

ServerConfig parse_openvpn(std::string_view text, const std::string& file, FileLoader& loader, Report& report) {
  Statements statements = read_statements(text, file, loader, report);
  Draft draft(loader, report);
  draft.config.file = file;
  draft.config.settings.name = file;
  draft.folder = statements.folder;
  for (const Statement& statement : statements.list) apply(draft, statement);
  finish_network(draft);
  finish_tls(draft);
  return std::move(draft.config);
}

}  // namespace culvert::config
