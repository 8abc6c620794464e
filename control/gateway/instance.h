// One [[openvpn]] block at work.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "control/auth/auth_chain.h"
#include "control/auth/certificate_script.h"
#include "control/auth/crl_watch.h"
#include "control/auth/password_script.h"
#include "control/auth/revoked_folder.h"
#include "control/auth/token_gate.h"
#include "control/config/server_config.h"
#include "control/hooks/address_hook.h"
#include "control/openvpn/server.h"
#include "control/policy/admission.h"
#include "control/pool/persistent_pool.h"

namespace culvert::gateway {

/// A client that waits for its decision.
struct Waiting {
  openvpn::ConnectRequest request;
  uint32_t worker = 0;             ///< on which it arrived
  bool alone = false;              ///< older sessions of the same name, or that it goes on from, have been ended
  std::optional<uint32_t> before;  ///< slot of the address of the session that it goes on from
  bool verified = false;           ///< the instance's authenticators have let it in
  auth::Allow allowed;             ///< what they add

  /// Its token as an option to push, if it is given one.
  std::vector<std::string> token_push() const {
    return allowed.token.empty() ? std::vector<std::string>() : std::vector{"auth-token " + allowed.token};
  }
};

/// A client whose authenticators, or whose client-connect script, have not answered yet.
struct Entering {
  Waiting client;
  // While client-connect runs:
  policy::ClientSettings own;
  openvpn::ClientGrant grant;
  hooks::Environment environment;
  std::optional<hooks::TempFile> file;      ///< what the script has to say
  std::optional<hooks::TempFile> deferred;  ///< whether it is done
  hooks::Runner::JobId job = 0;
  io::EventLoop::TimerId timer = 0;
  bool behind_disconnect = false;  ///< its turn comes when client-disconnect of the session before has been run
};

struct Instance {
  /// `config.settings.tls` and the cookie secret are set by the caller.
  explicit Instance(config::ServerConfig with)
      : config(std::move(with)),
        addresses(policy::ranges_of(config)),
        crl(config.crl_file, config.tls),
        revoked_folder(config.crl_dir) {}

  /// Is the certificate with this decimal serial revoked, by whatever form of crl-verify?
  bool revoked(const std::string& serial) const {
    return config.settings.tls->revoked(serial) || revoked_folder.has(serial);
  }

  config::ServerConfig config;
  pool::AddressPool addresses;
  std::optional<pool::PersistentPool> persistent_pool;
  auth::CrlWatch crl;
  auth::RevokedFolder revoked_folder;
  std::unique_ptr<openvpn::Server> server;  ///< made when the size of the session table is known
  std::deque<Waiting> waiting;
  std::map<abi::SessionRef, Entering> entering;
  std::map<std::string, size_t> leaving;  ///< by name: sessions whose client-disconnect is yet to be run, or runs
  hooks::Environment environment;         ///< of all its scripts
  std::unique_ptr<auth::PasswordScript> password_script;
  auth::AuthChain authenticators;           ///< who judges passwords; empty: the certificate is enough
  std::unique_ptr<auth::TokenGate> tokens;  ///< in front of them
  std::unique_ptr<auth::CertificateScript> certificate_script;
  auth::AuthChain entrance;  ///< all that a client has to pass: certificate_script, tokens
  std::unique_ptr<hooks::AddressHook> address_hook;
  std::set<abi::SessionRef> token_timers;  ///< sessions that a newer token is due for by time
};

}  // namespace culvert::gateway
