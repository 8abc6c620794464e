// Readers: certificates, TLS policy, wrapping of the control channel. Files are loaded at the end, in finish_tls.cc,
// because a `cd` further down decides where they are.
#include <strings.h>

#include <algorithm>

#include "control/config/arguments.h"
#include "control/config/readers.h"
#include "control/config/tls_names.h"

namespace culvert::config {
namespace {

std::optional<crypto::TlsVersion> version_of(const std::string& text) {
  if (text == "1.2") return crypto::TlsVersion::kTls12;
  if (text == "1.3") return crypto::TlsVersion::kTls13;
  return std::nullopt;
}

}  // namespace

void read_file(Draft&, const Statement&) {}

void read_askpass(Draft& draft, const Statement& statement) {
  if (statement.args.empty())
    draft.error(statement, "there is no terminal to ask on: name a file that holds the password");
}

void read_dh(Draft& draft, const Statement& statement) {
  // What the file holds is not looked at: see TlsSettings.
  draft.config.tls.finite_fields = statement.inlined || statement.args[0] != "none";
}

void read_crl_verify(Draft& draft, const Statement& statement) {
  if (statement.inlined || statement.args.size() == 1 || statement.args[1] == "dir") return;
  draft.error(statement, "the second argument can only be dir, not '" + statement.args[1] + "'");
}

void read_verify_client_cert(Draft& draft, const Statement& statement) {
  const std::string mode = statement.args.empty() ? "require" : statement.args[0];
  if (mode != "none" && mode != "optional" && mode != "require")
    return draft.error(statement, "can only be none, optional or require, not '" + mode + "'");
  draft.config.tls.require_peer_certificate = mode == "require";
  draft.config.tls.ask_peer_certificate = mode != "none";
}

void read_tls_version_min(Draft& draft, const Statement& statement) {
  const std::string& text = statement.args[0];
  if (statement.args.size() == 2 && statement.args[1] != "or-highest") {
    return draft.error(statement, "the second argument can only be or-highest, not '" + statement.args[1] + "'");
  }
  std::optional<crypto::TlsVersion> version = version_of(text);
  if (text == "1.0" || text == "1.1") {
    draft.warning(statement, "TLS " + text + " is broken and not offered: 1.2 is the lowest");
    version = crypto::TlsVersion::kTls12;
  } else if (!version && statement.args.size() == 2) {
    version = crypto::TlsVersion::kTls13;
  }
  if (!version) return draft.error(statement, "'" + text + "' is not a version of TLS: write 1.2 or 1.3");
  draft.config.tls.min_version = *version;
}

void read_tls_version_max(Draft& draft, const Statement& statement) {
  const std::string& text = statement.args[0];
  draft.config.tls.max_version = version_of(text);
  if (draft.config.tls.max_version) return;
  draft.error(statement, text == "1.0" || text == "1.1" ? "TLS " + text + " is broken and not offered: write 1.2 or 1.3"
                                                        : "'" + text + "' is not a version of TLS: write 1.2 or 1.3");
}

void read_tls_cipher(Draft& draft, const Statement& statement) {
  Result<std::string> list = openssl_cipher_list(statement.args[0]);
  if (!list) return draft.error(statement, list.error());
  draft.config.tls.ciphers = *list;
}

void read_tls_ciphersuites(Draft& draft, const Statement& statement) {
  std::string list = statement.args[0];
  std::ranges::replace(list, '-', '_');  // both spellings are in use (ssl_openssl.c)
  if (!list.starts_with("TLS_"))
    return draft.error(statement, "'" + list + "' is not a TLS 1.3 suite such as TLS_AES_256_GCM_SHA384");
  draft.config.tls.ciphersuites = list;
}

void read_tls_groups(Draft& draft, const Statement& statement) {
  draft.config.tls.groups = openssl_groups(statement.args[0]);
}

void read_tls_cert_profile(Draft& draft, const Statement& statement) {
  using crypto::CertificateProfile;
  const std::string& profile = statement.args[0];
  CertificateProfile& taken = draft.config.tls.profile;
  if (profile == "legacy") {
    taken = CertificateProfile::kLegacy;
  } else if (profile == "preferred") {
    taken = CertificateProfile::kPreferred;
  } else if (profile == "suiteb") {
    taken = CertificateProfile::kSuiteB;
  } else if (profile == "insecure") {
    taken = CertificateProfile::kInsecure;
    draft.warning(statement, "lets clients in whose certificates can be forged: issue new ones and write legacy");
  } else {
    draft.error(statement, "'" + profile + "' is not a profile: write legacy, preferred, suiteb or insecure");
  }
}

void read_force_key_export(Draft& draft, const Statement&) {
  draft.config.settings.require_key_export = true;
}

void read_providers(Draft& draft, const Statement& statement) {
  for (const std::string& provider : statement.args)
    if (provider != "default" && provider != "legacy")
      return draft.error(statement,
                         "'" + provider + "' is not supported: OpenSSL's default provider does all work here");
  if (statement.args != std::vector<std::string>{"default"})
    draft.warning(statement, "legacy has no effect: none of the ciphers that are supported needs it");
}

void read_tls_crypt_v2(Draft& draft, const Statement& statement) {
  draft.config.settings.wrap.force_cookie = true;
  if (statement.args.size() == 1 || statement.args[1] == "force-cookie") return;
  if (statement.args[1] == "allow-noncookie") {
    draft.config.settings.wrap.force_cookie = false;
    return;
  }
  draft.error(statement,
              "the second argument can only be force-cookie or allow-noncookie, not '" + statement.args[1] + "'");
}

void read_tls_auth(Draft& draft, const Statement& statement) {
  if (statement.inlined || statement.args.size() == 1) return;
  if (statement.args[1] != "0" && statement.args[1] != "1")
    return draft.error(statement, "the direction can only be 0 or 1, not '" + statement.args[1] + "'");
  draft.key_direction = statement.args[1] == "0" ? 0 : 1;
}

void read_key_direction(Draft& draft, const Statement& statement) {
  if (auto n = number_argument(draft, statement, 0, 0, 1)) draft.key_direction = static_cast<int>(*n);
}

void read_auth(Draft& draft, const Statement& statement) {
  std::string name = statement.args[0];
  std::erase(name, '-');
  auto is = [&name](const char* known) { return strcasecmp(name.c_str(), known) == 0; };
  openvpn::Digest digest = openvpn::Digest::kSha1;
  if (is("SHA1")) {
    digest = openvpn::Digest::kSha1;
  } else if (is("SHA224") || is("SHA2224")) {
    digest = openvpn::Digest::kSha224;
  } else if (is("SHA256") || is("SHA2256")) {
    digest = openvpn::Digest::kSha256;
  } else if (is("SHA384") || is("SHA2384")) {
    digest = openvpn::Digest::kSha384;
  } else if (is("SHA512") || is("SHA2512")) {
    digest = openvpn::Digest::kSha512;
  } else {
    return draft.error(statement,
                       "'" + statement.args[0] + "' is not supported: use SHA1, SHA224, SHA256, SHA384 or SHA512");
  }
  draft.config.settings.auth = digest;
  draft.config.settings.wrap.auth = digest;
}

}  // namespace culvert::config
