// Readers: scripts, passwords, settings per client.
#include <algorithm>

#include "control/config/arguments.h"
#include "control/config/readers.h"

namespace culvert::config {

void read_program(Draft& draft, const Statement& statement, HookConfig::Program& program) {
  Result<std::vector<std::string>> words = split_line(statement.args[0]);
  if (!words) return draft.error(statement, words.error());
  if (words->empty() || words->front().empty()) return draft.error(statement, "names no program");
  program = *words;
}

namespace {

/// Relative paths can only be told at the end of the file, because of `cd`.
void finish_program(Draft& draft, const char* name, HookConfig::Program& program) {
  const Statement* statement = draft.find(name);
  if (statement == nullptr || program.empty()) return;
  program[0] = join_path(draft.folder, program[0]);
  if (Status can = draft.loader.executable(program[0]); !can) draft.error(*statement, program[0] + ": " + can.error());
  if (draft.script_security < 2)
    draft.error(*statement, "runs a program, which script-security " + std::to_string(draft.script_security) +
                                " forbids: add script-security 2");
}

}  // namespace

void read_script_security(Draft& draft, const Statement& statement) {
  if (auto n = number_argument(draft, statement, 0, 0, 3)) draft.script_security = *n;
}

void read_tmp_dir(Draft& draft, const Statement& statement) {
  if (statement.args[0].empty()) return draft.error(statement, "names no folder");
  draft.config.hooks.tmp_dir = statement.args[0];
}

void read_setenv_safe(Draft& draft, const Statement& statement) {
  draft.config.hooks.variables.emplace_back("OPENVPN_" + statement.args[0], statement.args[1]);
}

void read_auth_user_pass_verify(Draft& draft, const Statement& statement) {
  read_program(draft, statement, draft.config.hooks.auth_user_pass_verify);
  const std::string& method = statement.args[1];
  draft.config.hooks.password_in_environment = method == "via-env";
  if (method != "via-env" && method != "via-file")
    draft.error(statement, "the second argument can only be via-file or via-env, not '" + method + "'");
}

void read_tls_export_cert(Draft& draft, const Statement& statement) {
  if (statement.args[0].empty()) return draft.error(statement, "names no folder");
  draft.config.hooks.tls_export_cert = statement.args[0];
}

void read_up_restart(Draft& draft, const Statement&) {
  draft.config.hooks.up_restart = true;
}

void read_auth_user_pass_optional(Draft& draft, const Statement&) {
  draft.config.access.password_optional = true;
}

void read_auth_gen_token(Draft& draft, const Statement& statement) {
  constexpr uint32_t kLongest = 10 * 365 * 86400;
  TokenConfig tokens;
  const std::vector<std::string>& args = statement.args;
  if (!args.empty()) {
    auto lifetime = number_argument(draft, statement, 0, 0, kLongest);
    tokens.lifetime = std::chrono::seconds(lifetime.value_or(0));
  }
  for (size_t i = 1; i < args.size(); ++i) {
    if (args[i] == "external-auth") {
      tokens.external_auth = true;
    } else if (i == 1) {
      auto renewal = number_argument(draft, statement, i, 0, kLongest);
      tokens.renewal = std::chrono::seconds(renewal.value_or(0));
    } else {
      draft.error(statement, "the third argument can only be external-auth, not '" + args[i] + "'");
    }
  }
  draft.config.access.tokens = tokens;
}

void read_username_as_common_name(Draft& draft, const Statement&) {
  draft.config.access.username_as_common_name = true;
}

void read_client_config_dir(Draft& draft, const Statement& statement) {
  if (statement.args[0].empty()) return draft.error(statement, "names no folder");
  draft.config.access.client_config_dir = statement.args[0];
}

void read_ccd_exclusive(Draft& draft, const Statement&) {
  draft.config.access.ccd_exclusive = true;
}

void read_max_routes_per_client(Draft& draft, const Statement& statement) {
  if (auto n = number_argument(draft, statement, 0, 1, 65536)) draft.config.access.max_routes_per_client = *n;
}

namespace {

/// Defaults and limits as in the reference (options.c, options_postprocess_verify_ce).
void finish_tokens(Draft& draft) {
  if (!draft.config.access.tokens) return;
  const Statement& statement = *draft.find("auth-gen-token");
  openvpn::ServerSettings& settings = draft.config.settings;
  TokenConfig& tokens = *draft.config.access.tokens;
  if (settings.reneg_sec.count() == 0)
    return draft.error(statement, "needs renegotiations, at which tokens are renewed: remove reneg-sec 0");
  if (tokens.renewal.count() == 0) {
    tokens.renewal = settings.reneg_sec;
  } else if (tokens.renewal < 2 * settings.hand_window) {
    draft.error(statement, "the renewal time must be at least twice hand-window (" +
                               std::to_string(settings.hand_window.count()) + " s)");
  }
  // A token is good for twice the renewal time, and when control dies it may be one renewal time old.
  settings.adoption_spread =
      std::min<std::chrono::milliseconds>(settings.adoption_spread, std::chrono::milliseconds(tokens.renewal) / 2);
}

void finish_tls_verify(Draft& draft) {
  HookConfig& hooks = draft.config.hooks;
  finish_program(draft, "tls-verify", hooks.tls_verify);
  const Statement* statement = draft.find("tls-export-cert");
  if (statement == nullptr || hooks.tls_export_cert.empty()) return;
  if (hooks.tls_verify.empty()) return draft.warning(*statement, "has no effect without tls-verify");
  hooks.tls_export_cert = join_path(draft.folder, hooks.tls_export_cert);
  if (!draft.loader.is_folder(hooks.tls_export_cert))
    draft.error(*statement, hooks.tls_export_cert + ": no such folder, or not readable for this user");
  draft.config.tls.export_peer_certificates = true;
}

}  // namespace

void finish_hooks(Draft& draft) {
  finish_tokens(draft);
  HookConfig& hooks = draft.config.hooks;
  hooks.folder = draft.folder;
  AccessConfig& access = draft.config.access;
  finish_program(draft, "auth-user-pass-verify", hooks.auth_user_pass_verify);
  finish_program(draft, "client-crresponse", hooks.client_crresponse);
  if (!hooks.client_crresponse.empty() && hooks.auth_user_pass_verify.empty())
    draft.error(*draft.find("client-crresponse"),
                "needs auth-user-pass-verify, which asks for the response (auth_pending_file) and waits for it");
  finish_program(draft, "client-connect", hooks.client_connect);
  finish_program(draft, "client-disconnect", hooks.client_disconnect);
  finish_program(draft, "learn-address", hooks.learn_address);
  finish_program(draft, "up", hooks.up);
  finish_program(draft, "down", hooks.down);
  finish_program(draft, "route-up", hooks.route_up);
  finish_tls_verify(draft);
  if (hooks.password_in_environment && draft.script_security < 3)
    draft.error(*draft.find("auth-user-pass-verify"),
                "via-env shows passwords in the environment, which needs script-security 3; via-file needs only 2");
  if (const Statement* tmp_dir = draft.find("tmp-dir")) {
    hooks.tmp_dir = join_path(draft.folder, hooks.tmp_dir);
    if (!draft.loader.is_folder(hooks.tmp_dir))
      draft.error(*tmp_dir, hooks.tmp_dir + ": no such folder, or not readable for this user");
  }
  if (!access.client_config_dir.empty()) {
    access.client_config_dir = join_path(draft.folder, access.client_config_dir);
    if (!draft.loader.is_folder(access.client_config_dir))
      draft.error(*draft.find("client-config-dir"),
                  access.client_config_dir + ": no such folder, or not readable for this user");
  } else if (access.ccd_exclusive) {
    draft.error(*draft.find("ccd-exclusive"), "needs client-config-dir");
  }
  bool passwords = draft.find("auth-user-pass-verify") != nullptr || draft.find("management-client-auth") != nullptr;
  bool without_certificate = !draft.config.tls.require_peer_certificate;
  if (without_certificate && access.password_optional)
    draft.error(*draft.find("auth-user-pass-optional"), "together with verify-client-cert " +
                                                            draft.find("verify-client-cert")->args[0] +
                                                            " it would let anybody in: remove one of them");
  for (const char* name :
       {"auth-user-pass-optional", "username-as-common-name", "verify-client-cert", "auth-gen-token"}) {
    if (std::string_view(name) == "verify-client-cert" && !without_certificate) continue;
    if (draft.find(name) != nullptr && !passwords)
      draft.error(*draft.find(name), "needs someone who checks passwords: add auth-user-pass-verify");
  }
}

}  // namespace culvert::config
