// Readers: the management interface and the status file.
#include <string.h>

#include "control/config/arguments.h"
#include "control/config/readers.h"
#include "dataplane/abi/endpoint_text.h"

namespace culvert::config {
namespace {

constexpr size_t kPasswordLimit = 4096;
constexpr size_t kLongestSocketPath = 107;  // sun_path, unix(7)

void read_tcp(Draft& draft, const Statement& statement, Management& management) {
  std::string host = statement.args[0] == "localhost" ? "127.0.0.1" : statement.args[0];
  std::optional<abi::IpAddress> address = abi::parse_ip(host);
  if (host == "tunnel")
    return draft.error(statement, "tunnel is not supported in this version: write 127.0.0.1 or a unix socket");
  if (!address)
    return draft.error(statement,
                       "'" + host + "' is not a numeric address: write 127.0.0.1 7505, or PATH unix for a unix socket");
  management.tcp.address = *address;
  management.tcp.transport = abi::Transport::kTcp;
  if (auto port = number_argument(draft, statement, 1, 1, 65535)) management.tcp.port = static_cast<uint16_t>(*port);
}

}  // namespace

void read_management(Draft& draft, const Statement& statement) {
  Management made = draft.config.management.value_or(Management{});
  if (statement.args[1] == "unix") {
    if (statement.args[0].empty()) return draft.error(statement, "names no socket");
  } else {
    read_tcp(draft, statement, made);
  }
  if (statement.args.size() == 3 && statement.args[2] == "stdin")
    return draft.error(statement, "there is no terminal to ask on: name a file that holds the password");
  draft.config.management = made;
}

void read_management_user(Draft&, const Statement&) {}
void read_management_group(Draft&, const Statement&) {}
void read_management_hold(Draft&, const Statement&) {}

void read_management_log_cache(Draft& draft, const Statement& statement) {
  number_argument(draft, statement, 0, 1, 100000);
}

void read_status(Draft& draft, const Statement& statement) {
  if (statement.args.size() == 2)
    if (auto n = number_argument(draft, statement, 1, 1, 86400 * 365))
      draft.config.status_every = std::chrono::seconds(*n);
  if (statement.args[0].empty()) draft.error(statement, "names no file");
}

void read_status_version(Draft& draft, const Statement& statement) {
  draft.config.status_version = 1;
  if (statement.args.empty()) return;
  if (auto n = number_argument(draft, statement, 0, 1, 3)) draft.config.status_version = static_cast<int>(*n);
}

void finish_management(Draft& draft) {
  if (const Statement* status = draft.find("status"))
    draft.config.status_file = join_path(draft.folder, status->args[0]);
  if (const Statement* pid = draft.find("writepid")) draft.config.pid_file = join_path(draft.folder, pid->args[0]);
  const Statement* log = draft.find(draft.config.log_append ? "log-append" : "log");
  if (log != nullptr) draft.config.log_file = join_path(draft.folder, log->args[0]);
  if (log != nullptr && draft.config.syslog)
    draft.error(*draft.find("syslog"), "next to " + log->name + ": the log goes to one place; remove one of them");
  const Statement* directive = draft.find("management");
  for (const char* name : {"management-client-user", "management-client-group", "management-hold",
                           "management-log-cache", "management-client-auth"}) {
    const Statement* extra = draft.find(name);
    if (extra != nullptr && directive == nullptr)
      draft.error(*extra, "needs management, which is missing: write management 127.0.0.1 7505, or remove this");
  }
  if (directive == nullptr || !draft.config.management) return;
  Management& management = *draft.config.management;
  if (directive->args[1] == "unix") {
    management.path = join_path(draft.folder, directive->args[0]);
    if (management.path.size() > kLongestSocketPath)
      draft.error(*directive, management.path + ": a socket's path has at most 107 bytes");
  }
  if (directive->args.size() == 3) {
    std::string path = join_path(draft.folder, directive->args[2]);
    Result<LoadedFile> file = draft.loader.load(path, kPasswordLimit);
    if (!file) return draft.error(*directive, path + ": " + file.error());
    management.password = file->bytes.substr(0, file->bytes.find_first_of("\r\n"));
    explicit_bzero(file->bytes.data(), file->bytes.size());
    if (management.password.empty())
      draft.error(*directive, path + ": the first line should be the password, but is empty");
  }
  if (const Statement* user = draft.find("management-client-user")) management.client_user = user->args[0];
  if (const Statement* group = draft.find("management-client-group")) management.client_group = group->args[0];
  management.client_auth = draft.find("management-client-auth") != nullptr;
  management.hold = draft.find("management-hold") != nullptr;
  if (const Statement* lines = draft.find("management-log-cache"))
    management.log_lines = to_number(lines->args[0]).value_or(management.log_lines);
}

}  // namespace culvert::config
