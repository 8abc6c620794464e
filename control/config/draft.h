// A server.conf while it is being read: what its directives have said so far. finish_*() turn it into a ServerConfig.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/config/server_config.h"
#include "control/config/statement.h"

namespace culvert::config {

/// What `proto` says.
struct OuterProtocol {
  abi::Transport transport = abi::Transport::kUdp;
  abi::Family family = abi::Family::kNone;  ///< kNone: not said
};

/// One `local`.
struct Local {
  const Statement* statement;
  abi::IpAddress address;  ///< family kNone: any
  std::optional<uint16_t> port;
  std::optional<OuterProtocol> protocol;
};

inline constexpr size_t kMostSockets = 64;  ///< of one server block

struct Draft {
  Draft(FileLoader& files, Report& findings) : loader(files), report(findings) {}

  FileLoader& loader;
  Report& report;
  std::string folder;  ///< relative paths count from here
  ServerConfig config;

  /// The last statement of each honoured directive.
  std::map<std::string_view, const Statement*> last;
  std::deque<Statement> made;                ///< statements that stood inside others (setenv opt); pointers stay valid
  std::vector<std::string> unknown_allowed;  ///< ignore-unknown-option

  std::vector<const Statement*> routes;       ///< route, route-ipv6
  std::vector<const Statement*> late_pushes;  ///< push of tun-mtu and of compression

  uint16_t port = 1194;
  OuterProtocol protocol;
  bool ipv6_only = false;
  std::vector<Local> locals;
  bool no_delay = false;
  abi::Endpoint share;  ///< port-share; family kNone: none
  uint32_t receive_buffer = 0;
  uint32_t send_buffer = 0;
  uint32_t mark = 0;
  std::string device;
  uint32_t script_security = 1;
  int key_direction = -1;  ///< of tls-auth, which may say it itself; the last word goes, as in the reference

  const Statement* find(std::string_view name) const {
    auto found = last.find(name);
    return found == last.end() ? nullptr : found->second;
  }
  void error(const Statement& statement, const std::string& text) const {
    report.error(statement.file, statement.line, statement.name + ": " + text);
  }
  void warning(const Statement& statement, const std::string& text) const {
    report.warning(statement.file, statement.line, statement.name + ": " + text);
  }
};

/// What becomes of pushes that make no sense here. Behind compress, comp-lzo and tun-mtu.
void finish_late_pushes(Draft& draft);
/// Says so when `cipher` names one that data-ciphers lacks.
void warn_about_cipher(Draft& draft);
/// Sockets. After everything else: it needs hand-window.
void finish_listen(Draft& draft);
/// Pools and pushes from server, ifconfig, keepalive and so on (expansions: man page, "helper directive").
void finish_network(Draft& draft);
/// Routes into the tunnel. After the pools.
void finish_routes(Draft& draft);
/// The management interface: loads the password.
void finish_management(Draft& draft);
/// Scripts, passwords and settings per client.
void finish_hooks(Draft& draft);
/// Certificates and keys: loads the files.
void finish_tls(Draft& draft);

}  // namespace culvert::config
