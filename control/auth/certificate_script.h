// tls-verify: a script judges each certificate of the client's chain, from the CA down to the client's own
// (script-options.rst). It runs when TLS is up and the client has said who it is; until the verdict nothing else
// happens to it.
#pragma once

#include <map>
#include <optional>

#include "control/auth/authenticator.h"
#include "control/hooks/environment.h"
#include "control/hooks/runner.h"
#include "control/hooks/temp_file.h"

namespace culvert::auth {

class CertificateScript final : public Authenticator {
 public:
  struct Settings {
    std::vector<std::string> program;
    std::string export_folder;       ///< tls-export-cert; empty: none
    hooks::Environment environment;  ///< the server's
  };
  /// The runner outlives it.
  CertificateScript(hooks::Runner& runner, Settings settings) : runner_(runner), settings_(std::move(settings)) {}
  ~CertificateScript() override;

  /// A client without a certificate passes: there is nothing to be asked about.
  void begin(const AuthRequest& request, Done done) override;
  void cancel(abi::SessionRef session) override;

 private:
  struct Asked {
    Done done;
    std::string who;
    std::vector<openvpn::ClientIssuer> chain;  ///< [0] is the client's own
    size_t left = 0;                           ///< how many are still to be judged
    hooks::Environment environment;
    std::optional<hooks::TempFile> certificate;
    hooks::Runner::JobId job = 0;
  };

  void ask_next(abi::SessionRef session);
  void on_exit(abi::SessionRef session, const hooks::Outcome& outcome);
  void finish(abi::SessionRef session, Verdict verdict);

  hooks::Runner& runner_;
  Settings settings_;
  std::map<abi::SessionRef, Asked> asked_;
};

}  // namespace culvert::auth
