#include "control/auth/certificate_script.h"

#include <utility>

#include "control/hooks/client_environment.h"

namespace culvert::auth {

CertificateScript::~CertificateScript() {
  while (!asked_.empty()) cancel(asked_.begin()->first);
}

void CertificateScript::begin(const AuthRequest& request, Done done) {
  cancel(request.session);
  const openvpn::ClientIdentity& identity = request.identity;
  if (identity.certificate_hash.empty()) return done(Allow{});
  Asked& asked = asked_[request.session];
  asked.done = std::move(done);
  asked.who = identity.common_name;
  asked.chain.push_back({identity.subject, identity.serial, identity.certificate_hash, identity.certificate_sha1,
                         identity.certificate_pem});
  asked.chain.insert(asked.chain.end(), identity.issuers.begin(), identity.issuers.end());
  asked.left = asked.chain.size();
  asked.environment = settings_.environment;
  hooks::add_remote(asked.environment, request.remote, false);
  asked.environment.set("script_type", "tls-verify");
  ask_next(request.session);
}

void CertificateScript::ask_next(abi::SessionRef session) {
  Asked& asked = asked_.at(session);
  if (asked.left == 0) return finish(session, Allow{});
  const size_t depth = --asked.left;
  const openvpn::ClientIssuer& certificate = asked.chain[depth];
  hooks::add_certificate(asked.environment, depth, certificate);
  if (!settings_.export_folder.empty()) {
    auto file = hooks::TempFile::make(settings_.export_folder, "pef", certificate.pem);
    if (!file) return finish(session, Deny{hooks::Outcome::kNoVerdict, "tls-export-cert: " + file.error()});
    asked.certificate = std::move(*file);
    asked.environment.set("peer_cert", asked.certificate->path());
  }
  hooks::Command command =
      hooks::command_of(settings_.program, asked.environment, "tls-verify of " + asked.who, hooks::client_key(session));
  command.argv.push_back(std::to_string(depth));
  command.argv.push_back(asked.environment.variables().at("tls_id_" + std::to_string(depth)));
  asked.job =
      runner_.run(std::move(command), [this, session](const hooks::Outcome& outcome) { on_exit(session, outcome); });
  if (asked.job == 0)
    finish(session, Deny{"TEMP:server is busy", "too many scripts wait already: raise [control] hook_processes"});
}

void CertificateScript::on_exit(abi::SessionRef session, const hooks::Outcome& outcome) {
  auto found = asked_.find(session);
  if (found == asked_.end()) return;
  Asked& asked = found->second;
  asked.job = 0;
  asked.certificate.reset();
  if (outcome.ok()) return ask_next(session);
  finish(session, Deny{outcome.for_client(), "tls-verify refused the certificate at depth " +
                                                 std::to_string(asked.left) + ": " + outcome.text});
}

void CertificateScript::finish(abi::SessionRef session, Verdict verdict) {
  Done done = std::move(asked_.at(session).done);
  cancel(session);
  done(std::move(verdict));
}

void CertificateScript::cancel(abi::SessionRef session) {
  auto found = asked_.find(session);
  if (found == asked_.end()) return;
  if (found->second.job != 0) runner_.cancel(found->second.job);
  asked_.erase(found);
}

}  // namespace culvert::auth
