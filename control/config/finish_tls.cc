// Loads the files that the configuration names, and checks that each is of the kind its directive wants.
#include <cctype>
#include <cstring>

#include "control/config/arguments.h"
#include "control/crypto/base64.h"
#include "control/crypto/pkcs12.h"
#include "control/openvpn/key_files.h"

namespace culvert::config {
namespace {

constexpr size_t kPemLimit = 4 << 20;
constexpr size_t kCrlLimit = 64 << 20;  // a CRL grows with every revocation
constexpr size_t kKeyLimit = 64 << 10;
constexpr uint32_t kGroupOrOthers = 0077;

/// What a file is, told by its first armour line; empty when there is none.
std::string_view kind_of(std::string_view text) {
  struct Kind {
    std::string_view mark;
    std::string_view name;
  };
  constexpr Kind kKinds[] = {
      {"-----BEGIN OpenVPN Static key V1-----", "a tls-auth or tls-crypt key"},
      {"-----BEGIN OpenVPN tls-crypt-v2 server key-----", "a tls-crypt-v2 server key"},
      {"-----BEGIN OpenVPN tls-crypt-v2 client key-----", "a tls-crypt-v2 client key"},
      {"-----BEGIN OpenVPN auth-token server key-----", "a secret for tokens"},
      {"-----BEGIN CERTIFICATE REQUEST-----", "a certificate request, which still has to be signed"},
      {"-----BEGIN CERTIFICATE-----", "a certificate"},
      {"-----BEGIN TRUSTED CERTIFICATE-----", "a certificate"},
      {"-----BEGIN X509 CERTIFICATE-----", "a certificate"},
      {"-----BEGIN X509 CRL-----", "a revocation list"},
      {"-----BEGIN PUBLIC KEY-----", "a public key"},
      {"-----BEGIN DH PARAMETERS-----", "Diffie-Hellman parameters"},
      {"-----BEGIN PRIVATE KEY-----", "a private key"},
      {"-----BEGIN ENCRYPTED PRIVATE KEY-----", "a private key"},
      {"-----BEGIN EC PARAMETERS-----", "a private key"},
      {"-----BEGIN EC PRIVATE KEY-----", "a private key"},
      {"-----BEGIN RSA PRIVATE KEY-----", "a private key"},
  };
  size_t best = std::string_view::npos;
  std::string_view name;
  for (const Kind& kind : kKinds) {
    size_t at = text.find(kind.mark);
    if (at < best) {
      best = at;
      name = kind.name;
    }
  }
  return name;
}

/// The text of a file directive, inline or from disk; nothing (and a report) when it can't be had.
std::optional<std::string> load_named(Draft& draft, const Statement& statement, size_t limit, bool secret) {
  if (statement.inlined) return statement.args[0];
  if (statement.announces_block()) {
    draft.error(statement, "says that a block follows, but there is no <" + statement.name + "> behind it");
    return std::nullopt;
  }
  std::string path = join_path(draft.folder, statement.args[0]);
  if (statement.args[0].empty()) {
    draft.error(statement, "names no file");
    return std::nullopt;
  }
  Result<LoadedFile> loaded = draft.loader.load(path, limit);
  if (!loaded) {
    draft.error(statement, path + ": " + loaded.error());
    return std::nullopt;
  }
  if (secret && (loaded->mode & kGroupOrOthers) != 0) {
    draft.warning(statement, path + " can be read by others than its owner: chmod 600 " + path);
  }
  if (loaded->bytes.find('\0') != std::string::npos) {
    draft.error(statement, path + ": not a text file: PEM (-----BEGIN …) is expected");
    return std::nullopt;
  }
  return std::move(loaded->bytes);
}

/// Like load_named(), and the text must hold `wanted` (a mark of kind_of).
std::string load_pem(Draft& draft, std::string_view name, std::string_view wanted, size_t limit, bool secret) {
  const Statement* statement = draft.find(name);
  if (statement == nullptr) return "";
  std::optional<std::string> text = load_named(draft, *statement, limit, secret);
  if (!text) return "";
  std::string_view kind = kind_of(*text);
  // A certificate file may begin with a key, and a key file with a certificate: what counts is that it is there.
  bool there = kind == wanted ||
               (wanted == "a certificate" && text->find("-----BEGIN CERTIFICATE-----") != std::string::npos) ||
               (wanted == "a private key" && text->find("PRIVATE KEY-----") != std::string::npos);
  if (there) return *std::move(text);
  std::string found = kind.empty() ? "nothing of that kind" : std::string(kind);
  draft.error(*statement, (statement->inlined ? "the block" : join_path(draft.folder, statement->args[0])) +
                              " should hold " + std::string(wanted) + " in PEM form, but holds " + found);
  return "";
}

void take_password(Draft& draft) {
  const Statement* statement = draft.find("askpass");
  if (statement == nullptr || statement->args.empty()) return;
  std::optional<std::string> text = load_named(draft, *statement, kKeyLimit, true);
  if (!text) return;
  std::string line = text->substr(0, text->find_first_of("\r\n"));
  if (line.empty()) return draft.error(*statement, "the file's first line should be the key's password, but is empty");
  draft.config.tls.key_password = line;
}

/// Remembers where the parts of TlsSettings stand: TlsContext's errors begin with the directive's name.
void note_sources(Draft& draft) {
  for (const char* name : {"ca", "cert", "extra-certs", "key", "pkcs12", "crl-verify"}) {
    const Statement* source = draft.find(name);
    if (source == nullptr) continue;
    std::string path = source->inlined ? "" : join_path(draft.folder, source->args[0]);
    draft.config.tls_sources.push_back({source->file, source->line, name, path});
  }
  for (const char* name : {"tls-cipher", "tls-ciphersuites", "tls-groups"}) {
    const Statement* source = draft.find(name);
    if (source != nullptr) draft.config.tls_sources.push_back({source->file, source->line, name, ""});
  }
}

/// crl-verify FILE, or FOLDER dir. A folder that is not there would let revoked clients in.
void take_crl(Draft& draft) {
  const Statement* crl = draft.find("crl-verify");
  if (crl == nullptr) return;
  bool folder = !crl->inlined && crl->args.size() == 2;
  if (!folder) draft.config.tls.crl_pem = load_pem(draft, "crl-verify", "a revocation list", kCrlLimit, false);
  if (crl->inlined) return;
  std::string path = join_path(draft.folder, crl->args[0]);
  if (!folder) {
    draft.config.crl_file = path;
    return;
  }
  draft.config.crl_dir = path;
  if (!draft.loader.is_folder(path)) draft.error(*crl, path + ": no such folder, or not readable for this user");
}

void add_extra_certificates(Draft& draft) {
  std::string extra = load_pem(draft, "extra-certs", "a certificate", kPemLimit, false);
  std::string& chain = draft.config.tls.certificate_pem;
  if (!extra.empty() && !chain.ends_with('\n')) chain += '\n';
  chain += extra;
}

/// pkcs12: certificate and key, and the CAs unless `ca` names them (then the file's are intermediates of our own).
void take_pkcs12(Draft& draft) {
  const Statement& statement = *draft.find("pkcs12");
  crypto::TlsSettings& tls = draft.config.tls;
  for (const char* name : {"cert", "key"})
    if (const Statement* other = draft.find(name)) draft.error(*other, "is in pkcs12 already: remove one of them");
  std::string bytes;
  if (statement.inlined) {
    std::string text = statement.args[0];
    std::erase_if(text, [](unsigned char c) { return std::isspace(c) != 0; });
    auto decoded = crypto::base64_decode(text);
    if (!decoded) return draft.error(statement, "the block is not in base64");
    bytes.assign(decoded->begin(), decoded->end());
  } else {
    const std::string path = join_path(draft.folder, statement.args[0]);
    Result<LoadedFile> file = draft.loader.load(path, kPemLimit);
    if (!file) return draft.error(statement, path + ": " + file.error());
    if ((file->mode & kGroupOrOthers) != 0)
      draft.warning(statement, path + " can be read by others than its owner: chmod 600 " + path);
    bytes = std::move(file->bytes);
  }
  auto parts = crypto::read_pkcs12(bytes, tls.key_password);
  explicit_bzero(bytes.data(), bytes.size());
  if (!parts) return draft.error(statement, parts.error());
  tls.key_password.clear();
  tls.key_pem = std::move(parts->key_pem);
  tls.certificate_pem = std::move(parts->certificate_pem);
  add_extra_certificates(draft);
  if (draft.find("ca") != nullptr) {
    tls.certificate_pem += parts->authorities_pem;
  } else {
    tls.ca_pem = std::move(parts->authorities_pem);
    if (tls.ca_pem.empty() && tls.peer.fingerprints.empty())
      draft.error(statement, "holds no CA, and there is no ca: add one of them");
  }
}

void finish_certificates(Draft& draft) {
  crypto::TlsSettings& tls = draft.config.tls;
  tls.role = crypto::TlsRole::kServer;
  tls.ca_pem = load_pem(draft, "ca", "a certificate", kPemLimit, false);
  take_password(draft);
  if (draft.find("pkcs12") != nullptr) return take_pkcs12(draft);
  tls.certificate_pem = load_pem(draft, "cert", "a certificate", kPemLimit, false);
  add_extra_certificates(draft);
  tls.key_pem = load_pem(draft, "key", "a private key", kPemLimit, true);
  for (const char* name : {"ca", "cert", "key"}) {
    if (draft.find(name) != nullptr || (std::string_view(name) == "ca" && !tls.peer.fingerprints.empty())) continue;
    draft.report.error(draft.config.file, 0,
                       std::string("no ") + name + ": a server needs ca, cert and key; `culvert init` makes them");
  }
}

void check_peer_policy(Draft& draft) {
  crypto::TlsSettings& tls = draft.config.tls;
  if (tls.max_version && *tls.max_version < tls.min_version) {
    draft.error(*draft.find("tls-version-max"), "is below tls-version-min");
  }
  if (draft.find("remote-cert-tls") == nullptr && draft.find("remote-cert-eku") == nullptr &&
      tls.peer.fingerprints.empty()) {
    draft.report.warning(
        draft.config.file, 0,
        "no remote-cert-tls: any certificate of the CA gets in, also a server's; write remote-cert-tls client");
  }
}

void take_static_key(Draft& draft, const Statement& statement, openvpn::WrapKind kind) {
  std::optional<std::string> text = load_named(draft, statement, kKeyLimit, true);
  if (!text) return;
  Result<openvpn::StaticKey> key = openvpn::parse_static_key(*text);
  explicit_bzero(text->data(), text->size());
  if (!key) return draft.error(statement, key.error());
  openvpn::WrapSettings& wrap = draft.config.settings.wrap;
  wrap.kind = kind;
  wrap.key = *key;
  if (kind == openvpn::WrapKind::kTlsAuth) wrap.direction = draft.key_direction;
}

void take_server_key(Draft& draft, const Statement& statement) {
  std::optional<std::string> text = load_named(draft, statement, kKeyLimit, true);
  if (!text) return;
  Result<openvpn::TlsCryptV2ServerKey> key = openvpn::parse_tls_crypt_v2_server_key(*text);
  explicit_bzero(text->data(), text->size());
  if (!key) return draft.error(statement, key.error());
  draft.config.settings.wrap.kind = openvpn::WrapKind::kTlsCryptV2;
  draft.config.settings.wrap.server_key = *key;
}

void take_token_secret(Draft& draft) {
  const Statement* statement = draft.find("auth-gen-token-secret");
  if (statement == nullptr) return;
  std::optional<std::string> text = load_named(draft, *statement, kKeyLimit, true);
  if (!text) return;
  Result<openvpn::AuthTokenKey> key = openvpn::parse_auth_token_key(*text);
  explicit_bzero(text->data(), text->size());
  if (!key) return draft.error(*statement, key.error() + ": `culvert genkey auth-token FILE` makes one");
  if (!draft.config.access.tokens) return draft.warning(*statement, "has no effect without auth-gen-token");
  draft.config.access.tokens->secret = *key;
}

void finish_wrap(Draft& draft) {
  const Statement* v2 = draft.find("tls-crypt-v2");
  const Statement* crypt = draft.find("tls-crypt");
  const Statement* auth = draft.find("tls-auth");
  const Statement* first = v2 != nullptr ? v2 : crypt != nullptr ? crypt : auth;
  if (first == nullptr) {
    draft.report.warning(
        draft.config.file, 0,
        "no tls-crypt-v2, tls-crypt or tls-auth: anyone can begin a TLS handshake; `culvert init` shows how");
    return;
  }
  for (const Statement* other : {crypt, auth}) {
    if (other == nullptr || other == first) continue;
    draft.error(*other, "next to " + first->name + " (" + first->file + ":" + std::to_string(first->line) +
                            ") is not supported in this version: keep one of them");
  }
  if (v2 != nullptr) return take_server_key(draft, *v2);
  if (crypt != nullptr) return take_static_key(draft, *crypt, openvpn::WrapKind::kTlsCrypt);
  take_static_key(draft, *auth, openvpn::WrapKind::kTlsAuth);
}

}  // namespace

void finish_tls(Draft& draft) {
  finish_certificates(draft);
  take_crl(draft);
  check_peer_policy(draft);
  note_sources(draft);
  finish_wrap(draft);
  take_token_secret(draft);
}

}  // namespace culvert::config
