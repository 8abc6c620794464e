#include <sys/stat.h>

#include <memory>

#include "control/admin/rows.h"
#include "control/admin/to_json.h"
#include "control/io/clock.h"
#include "control/pki/pki.h"
#include "tools/culvert/admin_client.h"
#include "tools/culvert/commands.h"
#include "tools/culvert/help.h"
#include "tools/culvert/table.h"

namespace culvert::cli {
namespace {

using nlohmann::ordered_json;

constexpr const char* kDefaultDir = "/etc/culvert";

admin::ClientRow row_of(const pki::ClientRow& client) {
  admin::ClientRow row;
  row.name = client.name;
  row.serial = client.serial;
  row.created = client.created;
  row.expires = client.expires;
  row.profile = client.profile;
  row.state = "valid";
  if (client.state == pki::ClientState::kExpired) row.state = "expired";
  if (client.state == pki::ClientState::kRevoked) {
    row.state = "revoked";
    row.revoked = client.revoked;
  }
  return row;
}

std::chrono::sys_seconds today() {
  return io::now().wall;
}

void add_init(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("init", "make a working configuration with its own CA and keys");
  command->footer(
      "  culvert init --host vpn.example.org\n"
      "  culvert init /etc/culvert --host 192.0.2.1 --redirect-gateway --dns 9.9.9.9\n");
  auto options = std::make_shared<pki::InitOptions>();
  auto json = std::make_shared<bool>(false);
  options->folder = kDefaultDir;
  command->add_option("DIR", options->folder, "folder to make")->capture_default_str();
  command->add_option("--host", options->host, "name or address that clients connect to")
      ->required()
      ->type_name("HOST");
  command->add_option("--port", options->port, "UDP port")
      ->check(whole_number(1, 65535))
      ->capture_default_str()
      ->type_name("PORT");
  command->add_option("--pool4", options->pool4, "IPv4 network of the tunnel")
      ->capture_default_str()
      ->type_name("NETWORK");
  command->add_option("--pool6", options->pool6, "IPv6 network of the tunnel (a random private one when not given)")
      ->type_name("NETWORK");
  command->add_option("--dns", options->dns, "DNS servers that clients are told to use")->type_name("ADDRESS");
  command->add_flag("--redirect-gateway", options->redirect_gateway,
                    "send all of the clients' traffic through the tunnel");
  command->add_flag("--json", *json, "print JSON");
  command->callback([&context, options, json] {
    Result<pki::InitReport> report = pki::init(*options, today());
    if (!report) return context.fail(report.error());
    if (*json) return print_json({{"config", report->toml}, {"files", report->files}});
    for (const std::string& file : report->files) std::printf("made %s\n", file.c_str());
    std::printf("next: culvert client add NAME --dir %s, then culvert up --config %s\n", options->folder.c_str(),
                report->toml.c_str());
  });
}

void add_client_add(CLI::App& client, Context& context) {
  CLI::App* command = client.add_subcommand("add", "issue a certificate and write NAME.ovpn");
  auto options = std::make_shared<pki::AddOptions>();
  auto json = std::make_shared<bool>(false);
  options->folder = kDefaultDir;
  command->add_option("NAME", options->name, "the client's common name")->required();
  command->add_option("--dir", options->folder, "folder made by `culvert init`")
      ->capture_default_str()
      ->type_name("DIR");
  command->add_option("--remote", options->remote, "HOST or HOST:PORT for the profile, if not what init was told")
      ->type_name("HOST");
  command->add_option("--days", options->days, "validity of the certificate")
      ->check(whole_number(1, 36500))
      ->capture_default_str()
      ->type_name("DAYS");
  command->add_flag("--json", *json, "print JSON");
  command->callback([&context, options, json] {
    Result<pki::ClientRow> row = pki::add_client(*options, today());
    if (!row) return context.fail(row.error());
    if (*json) return print_json(admin::to_json(row_of(*row)));
    std::printf("%s\n", row->profile.c_str());
  });
}

/// Tells the running gateway, if there is one, to read its CRLs. Nothing runs: nothing to tell.
Status tell_gateway(const Context& context) {
  struct stat status {};
  std::string run_dir = context.run_dir_or_default();
  if (stat((run_dir + "/admin.sock").c_str(), &status) != 0) return {};
  Result<ordered_json> data = ask(run_dir, {{"command", "reload-crl"}});
  if (!data) return Error{data.error()};
  return {};
}

void add_client_revoke(CLI::App& client, Context& context) {
  CLI::App* command = client.add_subcommand("revoke", "put a client's certificate on the CRL and end its session");
  auto folder = std::make_shared<std::string>(kDefaultDir);
  auto name = std::make_shared<std::string>();
  auto json = std::make_shared<bool>(false);
  command->add_option("NAME", *name, "the client's common name")->required();
  command->add_option("--dir", *folder, "folder made by `culvert init`")->capture_default_str()->type_name("DIR");
  command->add_flag("--json", *json, "print JSON");
  command->callback([&context, folder, name, json] {
    Result<pki::ClientRow> row = pki::revoke_client(*folder, *name, today());
    if (!row) return context.fail(row.error());
    if (*json)
      print_json(admin::to_json(row_of(*row)));
    else
      std::printf("revoked %s, certificate %s\n", row->name.c_str(), row->serial.c_str());
    if (Status told = tell_gateway(context); !told)
      context.fail("the certificate is on the CRL, but the gateway could not be told at once: " + told.error());
  });
}

void add_client_list(CLI::App& client, Context& context) {
  CLI::App* command = client.add_subcommand("list", "all clients that certificates were issued for");
  auto folder = std::make_shared<std::string>(kDefaultDir);
  auto json = std::make_shared<bool>(false);
  command->add_option("--dir", *folder, "folder made by `culvert init`")->capture_default_str()->type_name("DIR");
  command->add_flag("--json", *json, "print JSON");
  command->callback([&context, folder, json] {
    auto clients = pki::list_clients(*folder, today());
    if (!clients) return context.fail(clients.error());
    std::vector<admin::ClientRow> rows;
    for (const pki::ClientRow& row : *clients) rows.push_back(row_of(row));
    if (*json) return print_json(admin::to_json(rows));
    if (rows.empty())
      std::printf("no clients: add one with `culvert client add NAME --dir %s`\n", folder->c_str());
    else
      std::printf("%s", table_text(columns_of<admin::ClientRow>(), admin::to_json(rows)).c_str());
  });
}

void add_genkey(CLI::App& app, Context& context) {
  CLI::App* genkey = app.add_subcommand("genkey", "make a key file")->require_subcommand(1);
  CLI::App* token = genkey->add_subcommand("auth-token", "a secret for auth-gen-token-secret");
  auto path = std::make_shared<std::string>();
  token->add_option("FILE", *path, "file to make")->required();
  token->callback([&context, path] {
    if (Status made = pki::make_token_secret(*path); !made) return context.fail(made.error());
    std::printf("made %s\n", path->c_str());
  });
}

}  // namespace

void add_pki_commands(CLI::App& app, Context& context) {
  add_init(app, context);
  add_genkey(app, context);
  CLI::App* client = app.add_subcommand("client", "clients and their certificates")->require_subcommand(1);
  client->footer("  culvert client add alice\n  culvert client list\n  culvert client revoke alice\n");
  add_client_add(*client, context);
  add_client_revoke(*client, context);
  add_client_list(*client, context);
}

}  // namespace culvert::cli
