// One server.conf, read and checked: all that control needs to run it. Files are loaded; nothing here points to the
// disk but the paths kept for a reload.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "control/crypto/tls.h"
#include "control/openvpn/key_files.h"
#include "control/openvpn/output.h"
#include "control/openvpn/settings.h"
#include "dataplane/abi/setup.h"

namespace culvert::config {

/// IPv4 side of the tunnel. Clients get first..last: with topology subnet or p2p one address each, with net30 every
/// four addresses make one client's network.
struct Pool4 {
  std::array<uint8_t, 4> network{};  ///< kSubnet: the TUN's; else what `server` names, or the gateway's own address
  uint8_t prefix = 24;
  std::array<uint8_t, 4> gateway{};  ///< ours, on the TUN
  std::array<uint8_t, 4> first{};
  std::array<uint8_t, 4> last{};  ///< inclusive
  std::array<uint8_t, 4> peer{};  ///< p2p, net30: the other end that `ifconfig` names
};

/// IPv6 side. Client n gets first + n, inside the network.
struct Pool6 {
  std::array<uint8_t, 16> network{};
  uint8_t prefix = 64;
  std::array<uint8_t, 16> gateway{};
  std::array<uint8_t, 16> first{};
};

/// ifconfig-pool-persist: who had which address.
struct PersistentPool {
  std::string file;
  std::chrono::seconds every{600};  ///< it is written; 0: it is only read, and its addresses are kept for their names

  bool operator==(const PersistentPool&) const = default;
};

/// Where a directive stands and what file it names, for findings that come up later.
struct Source {
  std::string file;
  uint32_t line = 0;
  std::string name;  ///< of the directive
  std::string path;  ///< empty for an inline block
};

/// One directive as it stands in the file: what a reload compares, and what `culvert config check` lists.
struct Said {
  std::string file;
  uint32_t line = 0;
  std::string name;
  std::string arguments;  ///< one line; of a block only that it is one, since it may hold a key
  size_t digest = 0;      ///< tells arguments and blocks apart
  bool operator==(const Said& other) const { return name == other.name && digest == other.digest; }
};

/// The management interface. One per server.conf.
struct Management {
  std::string path;  ///< unix socket; empty: TCP at `tcp`
  abi::Endpoint tcp;
  std::string password;
  std::string client_user;
  std::string client_group;
  uint32_t log_lines = 250;
  bool client_auth = false;
  bool hold = false;
};

/// Programs that the operator has run, and what they are given. Empty: none.
struct HookConfig {
  using Program = std::vector<std::string>;  ///< path and arguments; the path is absolute or counts from where we run
  Program auth_user_pass_verify;
  bool password_in_environment = false;  ///< auth-user-pass-verify via-env; else via-file
  Program client_crresponse;
  Program client_connect;
  Program client_disconnect;
  Program learn_address;
  Program tls_verify;
  std::string tls_export_cert;  ///< folder; empty: none
  Program up;
  Program down;
  Program route_up;
  bool up_restart = false;
  std::string folder;  ///< where they are started: that of `cd`, else the file's own
  std::string tmp_dir = "/tmp";
  std::vector<std::pair<std::string, std::string>> variables;  ///< setenv, setenv-safe
  bool any() const {
    for (const Program* program : {&auth_user_pass_verify, &client_connect, &client_disconnect, &learn_address,
                                   &tls_verify, &up, &down, &route_up})
      if (!program->empty()) return true;
    return false;
  }
  bool about_tun() const { return !(up.empty() && down.empty() && route_up.empty()); }
};

/// auth-gen-token.
struct TokenConfig {
  std::chrono::seconds lifetime{0};  ///< 0: for ever
  std::chrono::seconds renewal{0};   ///< 0 while reading: reneg-sec
  bool external_auth = false;
  std::optional<openvpn::AuthTokenKey> secret;  ///< auth-gen-token-secret; none: one of this gateway's own
};

struct Network4 {
  std::array<uint8_t, 4> network{};
  uint8_t prefix = 0;
};

/// Who gets in, besides what TLS says.
struct AccessConfig {
  bool password_optional = false;  ///< auth-user-pass-optional
  bool username_as_common_name = false;
  std::string client_config_dir;  ///< empty: none
  bool ccd_exclusive = false;
  uint32_t max_routes_per_client = 256;
  std::optional<TokenConfig> tokens;
  std::optional<Network4> ifconfig_push_constraint;
};

/// What ends a session, or renews its keys, depending on what it carries, and how much that may be. 0: no limit.
struct SessionLimits {
  std::chrono::seconds inactive{0};
  uint64_t inactive_bytes = 0;  ///< that count as activity within `inactive`; 0: any packet does
  std::chrono::seconds session_timeout{0};
  uint64_t reneg_bytes = 0;
  uint64_t reneg_packets = 0;
  abi::SessionLimit rate{};  ///< culvert.toml's [clients] limit_in and limit_out, or the client's own file

  /// Something that only looking at the session again and again can hold it to.
  bool any() const {
    return inactive.count() > 0 || session_timeout.count() > 0 || reneg_bytes != 0 || reneg_packets != 0;
  }
};

struct ServerConfig {
  std::string file;
  std::vector<Said> said;  ///< all directives, in their order

  /// All but `tls`, which load() makes from the member below, and `cookie_secret` (of this run), which is the caller's.
  openvpn::ServerSettings settings;
  crypto::TlsSettings tls;
  std::vector<Source> tls_sources;  ///< the directives that tls was made from
  std::string crl_file;             ///< where tls.crl_pem came from, for a reload; empty: none, or inline
  std::string crl_dir;              ///< crl-verify … dir: a file named like a serial (decimal) revokes it

  /// Sockets to open; `port` is 0, the caller numbers them. `proto udp6` without `local` gives two: [::] and 0.0.0.0.
  std::vector<abi::OpenPort> listen;

  HookConfig hooks;
  AccessConfig access;
  SessionLimits limits;

  openvpn::Topology topology = openvpn::Topology::kSubnet;
  std::optional<Pool4> pool4;
  std::optional<Pool6> pool6;
  std::string dev_name;                         ///< `dev tun7`; empty for `dev tun`
  std::optional<uint32_t> tun_tx_queue_length;  ///< txqueuelen; culvert.toml's goes first
  std::vector<abi::TunRoute> routes;            ///< that the kernel sends into the TUN: route, route-ipv6, server
  std::optional<PersistentPool> persistent_pool;

  /// What every client is pushed besides its addresses, peer-id, cipher and protocol flags: topology, route-gateway,
  /// ping, ping-restart and the `push` directives, in order. Goes into ClientGrant::push.
  std::vector<std::string> push;
  bool duplicate_cn = false;  ///< a second client with the same name doesn't replace the first
  /// explicit-exit-notify of the server: 0 end sessions silently at stop, 1 send RESTART, 2 likewise but to the next
  /// server.
  uint8_t exit_notify = 0;

  std::optional<Management> management;
  std::string status_file;  ///< empty: none is written
  std::chrono::seconds status_every{60};
  int status_version = 1;

  std::string log_file;  ///< of control; empty: standard error
  bool log_append = false;
  std::optional<std::string> syslog;  ///< program name for syslog
  std::string pid_file;

  std::string user;  ///< as for culvert.toml's [control], which goes first
  std::string group;
  std::optional<openvpn::LogLevel> log_level;  ///< from `verb`
  uint32_t verb = 1;
};

}  // namespace culvert::config
