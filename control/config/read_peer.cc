// Readers: what a client's certificate must be, and by which name the client is known.
#include <algorithm>
#include <array>
#include <charconv>

#include "control/config/arguments.h"
#include "control/config/readers.h"

namespace culvert::config {
namespace {

/// "AB:cd:…", 32 bytes.
std::optional<crypto::PeerPolicy::Fingerprint> fingerprint_of(std::string_view text) {
  crypto::PeerPolicy::Fingerprint bytes{};
  for (size_t i = 0; i < bytes.size(); ++i) {
    size_t at = 3 * i;
    bool last = i + 1 == bytes.size();
    if (text.size() < at + 2 || (last ? text.size() != at + 2 : text.size() <= at + 2 || text[at + 2] != ':'))
      return std::nullopt;
    auto [end, error] = std::from_chars(text.data() + at, text.data() + at + 2, bytes[i], 16);
    if (error != std::errc() || end != text.data() + at + 2) return std::nullopt;
  }
  return bytes;
}

constexpr std::string_view kHowToFingerprint =
    ": write the output of `openssl x509 -noout -fingerprint -sha256 -in FILE`"
    " behind the equals sign";

}  // namespace

void read_remote_cert_tls(Draft& draft, const Statement& statement) {
  if (statement.args[0] == "client") {
    draft.config.tls.peer.usage = crypto::PeerUsage::kClient;
  } else if (statement.args[0] == "server") {
    draft.config.tls.peer.usage = crypto::PeerUsage::kServer;
    draft.warning(statement,
                  "only clients with a server's certificate get in: remote-cert-tls client is what a server wants");
  } else {
    draft.error(statement, "can only be client or server, not '" + statement.args[0] + "'");
  }
}

void read_remote_cert_eku(Draft& draft, const Statement& statement) {
  const std::string& usage = statement.args[0];
  if (usage == "TLS Web Client Authentication" || usage == "clientAuth" || usage == "1.3.6.1.5.5.7.3.2") {
    draft.config.tls.peer.extended_key_usage = "1.3.6.1.5.5.7.3.2";
  } else {
    draft.config.tls.peer.extended_key_usage = usage;
  }
}

void read_remote_cert_ku(Draft& draft, const Statement& statement) {
  std::vector<uint32_t> usages;
  for (const std::string& text : statement.args) {
    uint32_t bits = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bits, 16);
    if (error != std::errc() || end != text.data() + text.size() || bits == 0 || bits > 0xFFFF)
      return draft.error(statement, "'" + text + "' is not a key usage in hexadecimal, such as 80 or a0");
    usages.push_back(bits);
  }
  draft.config.tls.peer.key_usages = usages;
}

void read_verify_x509_name(Draft& draft, const Statement& statement) {
  using Match = crypto::PeerPolicy::NameMatch;
  const std::string type = statement.args.size() == 2 ? statement.args[1] : "subject";
  Match match = type == "subject"       ? Match::kSubject
                : type == "name"        ? Match::kName
                : type == "name-prefix" ? Match::kNamePrefix
                                        : Match::kNone;
  if (match == Match::kNone)
    return draft.error(statement, "the second argument can only be subject, name or name-prefix, not '" + type + "'");
  if (statement.args[0].empty()) return draft.error(statement, "names nothing");
  draft.config.tls.peer.name_match = match;
  draft.config.tls.peer.name = statement.args[0];
}

void read_x509_username_field(Draft& draft, const Statement& statement) {
  std::vector<std::string> fields;
  for (std::string field : statement.args) {
    if (field.starts_with("ext:") && field != "ext:subjectAltName")
      return draft.error(statement, "'" + field + "' is not supported: of the extensions only ext:subjectAltName is");
    // As in the reference: "ou" is read as "OU"; names with a capital stand as they are.
    bool lower = std::ranges::all_of(field, [](char c) { return c >= 'a' && c <= 'z'; });
    if (lower) std::ranges::transform(field, field.begin(), [](char c) { return static_cast<char>(c - 'a' + 'A'); });
    fields.push_back(field);
  }
  if (fields == std::vector<std::string>{"CN"}) fields.clear();
  draft.config.tls.peer.name_fields = fields;
}

void read_x509_track(Draft& draft, const Statement& statement) {
  constexpr std::array kElsewhere = {"SHA1", "SHA256"};
  std::string_view field = statement.args[0];
  if (field.starts_with('+')) field.remove_prefix(1);
  if (std::ranges::find(kElsewhere, field) != kElsewhere.end())
    draft.error(statement, "scripts find the digest in tls_digest_N and tls_digest_sha256_N: remove it");
}

void read_peer_fingerprint(Draft& draft, const Statement& statement) {
  std::string all;
  for (const std::string& text : statement.args) all += text + "\n";
  size_t at = 0;
  while (at < all.size()) {
    size_t end = std::min(all.find_first_of(" \t\r\n", at), all.size());
    std::string word = all.substr(at, end - at);
    at = end + 1;
    if (word.empty()) continue;
    if (word.front() == '#' || word.front() == ';') {
      at = std::min(all.find('\n', end), all.size());
      continue;
    }
    auto fingerprint = fingerprint_of(word);
    if (!fingerprint)
      return draft.error(statement, "'" + word + "' is no SHA-256 fingerprint" + std::string(kHowToFingerprint));
    draft.config.tls.peer.fingerprints.push_back(*fingerprint);
  }
  if (draft.config.tls.peer.fingerprints.empty()) draft.error(statement, "holds no fingerprint");
}

void read_verify_hash(Draft& draft, const Statement& statement) {
  const std::string algorithm = statement.args.size() == 2 ? statement.args[1] : "SHA1";
  if (algorithm != "SHA256")
    return draft.error(statement, "only SHA256 is supported, which stands behind the fingerprint");
  auto fingerprint = fingerprint_of(statement.args[0]);
  if (!fingerprint) return draft.error(statement, "is no SHA-256 fingerprint" + std::string(kHowToFingerprint));
  draft.config.tls.peer.issuer_fingerprints.push_back(*fingerprint);
}

}  // namespace culvert::config
