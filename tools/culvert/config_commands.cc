// What concerns configuration files: `culvert config check`, and `culvert reload` of a running gateway.
#include <algorithm>
#include <filesystem>
#include <memory>
#include <set>
#include <system_error>
#include <utility>

#include "control/config/check.h"
#include "control/io/clock.h"
#include "control/io/privileges.h"
#include "control/policy/client_settings.h"
#include "tools/culvert/admin_client.h"
#include "tools/culvert/commands.h"
#include "tools/culvert/table.h"

namespace culvert::cli {
namespace {

using nlohmann::ordered_json;

constexpr auto kReloadWithin = std::chrono::seconds(30);
constexpr size_t kLongestShown = 48;

std::string shortened(std::string text) {
  if (text.size() <= kLongestShown) return text;
  text.resize(kLongestShown - 3);
  return text + "...";
}

ordered_json rows_of(const config::Check& check, bool whole) {
  ordered_json rows = ordered_json::array();
  std::set<std::pair<std::string, std::string>> said;
  for (const config::CheckedDirective& one : check.directives) {
    // Ten lines of push need not say ten times what push may hold.
    bool again = !whole && !said.emplace(one.name, one.note).second;
    rows.push_back({{"file", one.file},
                    {"line", one.line},
                    {"directive", one.name},
                    {"arguments", whole ? one.arguments : shortened(one.arguments)},
                    {"verdict", one.verdict},
                    {"note", again ? "" : one.note}});
  }
  return rows;
}

ordered_json findings_of(const config::Check& check) {
  ordered_json findings = ordered_json::array();
  for (const config::Diagnostic& found : check.report.all())
    findings.push_back({{"file", found.file},
                        {"line", found.line},
                        {"severity", found.severity == config::Severity::kError ? "error" : "warning"},
                        {"text", found.text}});
  return findings;
}

/// Says where it is written, if it is in a server.conf, that this machine has no such user or group.
void look_for(config::Check& check, const std::string& name, const std::string& file) {
  auto identity = name == "user" ? io::identity_of(check.user, "") : io::identity_of("", check.group);
  if (identity) return;
  auto said = std::find_if(check.directives.rbegin(), check.directives.rend(),
                           [&](const config::CheckedDirective& one) { return one.name == name; });
  if (said == check.directives.rend()) return check.report.error(file, 0, identity.error());
  said->verdict = "refused";
  said->note = identity.error();
  check.report.error(said->file, said->line, name + ": " + identity.error());
}

/// Lines of the files of client-config-dir that clients would come in without.
void look_at_client_files(config::Check& check, config::FileLoader& loader) {
  for (const config::ServerConfig& server : check.servers) {
    std::set<std::string> names;
    std::error_code failed;
    for (std::filesystem::directory_iterator at(server.access.client_config_dir, failed), end; !failed && at != end;
         at.increment(failed))
      if (std::error_code odd; at->is_regular_file(odd)) names.insert(at->path().filename());
    std::erase_if(names, [](const std::string& name) { return name.starts_with('.') || name.ends_with('~'); });
    for (const std::string& name : names) {
      policy::ClientSettings settings = policy::settings_for_all(server);
      policy::apply_client_config_dir(settings, name, server, loader);
      // Those of DEFAULT come up under its own name alone, not with each file that no client's name leads to.
      for (const policy::Finding& found : settings.findings)
        if (found.file == server.access.client_config_dir + "/" + name)
          check.report.warning(found.file, found.line, "left out: " + found.text);
    }
  }
}

void check(Context& context, const std::string& file, bool json) {
  config::DiskLoader loader;
  config::Check check = config::check(file, loader, io::now().wall);
  for (const char* name : {"user", "group"}) look_for(check, name, file);
  look_at_client_files(check, loader);
  size_t errors = check.report.errors();
  if (errors > 0) context.exit_status = 1;
  if (json) {
    ordered_json answer = {{"ok", errors == 0}, {"findings", findings_of(check)}, {"directives", rows_of(check, true)}};
    std::printf("%s\n", answer.dump(2, ' ', false, ordered_json::error_handler_t::replace).c_str());
    return;
  }
  using admin::Format;
  using admin::Shown;
  std::vector<Column> columns = {{"line", "line", Format::kPlain, Shown::kAlways},
                                 {"directive", "directive", Format::kPlain, Shown::kAlways},
                                 {"arguments", "arguments", Format::kPlain, Shown::kAlways},
                                 {"verdict", "verdict", Format::kPlain, Shown::kAlways},
                                 {"note", "note", Format::kPlain, Shown::kAlways}};
  const auto elsewhere = [&check](const config::CheckedDirective& one) {
    return one.file != check.directives.front().file;
  };
  if (std::ranges::any_of(check.directives, elsewhere))
    columns.insert(columns.begin(), {"file", "file", Format::kPlain, Shown::kAlways});
  if (!check.directives.empty())
    std::printf("%s\n", table_text(columns, rows_of(check, false), terminal_width()).c_str());
  for (const config::Diagnostic& found : check.report.all()) std::printf("%s\n", config::to_text(found).c_str());
  size_t warnings = check.report.all().size() - errors;
  std::printf("%s: %zu error(s), %zu warning(s): %s\n", file.c_str(), errors, warnings,
              errors == 0 ? "can be used" : "can't be used");
}

std::string joined(const ordered_json& list) {
  std::string text;
  for (const auto& item : list) text += (text.empty() ? "" : ", ") + item.get<std::string>();
  return text;
}

void reload(Context& context, bool json) {
  Result<ordered_json> data = ask(context.run_dir_or_default(), {{"command", "reload"}}, kReloadWithin);
  if (!data) return context.fail(data.error());
  if (json) {
    std::printf("%s\n", data->dump(2, ' ', false, ordered_json::error_handler_t::replace).c_str());
    return;
  }
  for (const auto& warning : (*data)["warnings"]) std::printf("%s\n", warning.get<std::string>().c_str());
  std::string applied = joined((*data)["applied"]);
  std::string later = joined((*data)["needs_restart"]);
  std::printf("%s\n", applied.empty() ? "nothing else has changed" : ("in force now: " + applied).c_str());
  if (!later.empty()) std::printf("not before a restart: %s\n", later.c_str());
  if (auto ended = data->value("sessions_ended", 0); ended > 0) std::printf("sessions ended: %d\n", ended);
}

}  // namespace

void add_config_commands(CLI::App& app, Context& context) {
  CLI::App* group = app.add_subcommand("config", "configuration files")->require_subcommand(1);
  CLI::App* check_command =
      group->add_subcommand("check", "say what of a server.conf or culvert.toml would be honoured; status 1 on errors");
  check_command->footer(
      "  culvert config check /etc/openvpn/server/server.conf\n  culvert config check /etc/culvert/culvert.toml\n");
  auto file = std::make_shared<std::string>();
  auto check_json = std::make_shared<bool>(false);
  check_command->add_option("FILE", *file, "server.conf, or culvert.toml with all it names")->required();
  check_command->add_flag("--json", *check_json, "print JSON");
  check_command->callback([&context, file, check_json] { check(context, *file, *check_json); });

  CLI::App* reload_command = app.add_subcommand("reload", "read the configuration again; nobody is disconnected");
  auto reload_json = std::make_shared<bool>(false);
  reload_command->add_flag("--json", *reload_json, "print JSON");
  reload_command->callback([&context, reload_json] { reload(context, *reload_json); });
}

}  // namespace culvert::cli
