// `culvert client add | revoke | list`.
#include <algorithm>

#include "control/config/file_loader.h"
#include "control/crypto/certificate.h"
#include "control/crypto/primitives.h"
#include "control/openvpn/key_files.h"
#include "control/pki/files.h"
#include "control/pki/pki.h"
#include "control/pki/registry.h"
#include "control/pki/texts.h"

namespace culvert::pki {
namespace {

using std::chrono::sys_seconds;

constexpr uint32_t kMostDays = 36500;

std::string in(const std::string& folder, std::string_view name) {
  return config::join_path(folder, std::string(name));
}

std::string profile_path(const std::string& folder, const std::string& name) {
  return in(folder, "clients/" + name + ".ovpn");
}

Status check_name(const std::string& name) {
  auto fine = [](char c) {
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    return letter || c == '.' || c == '_' || c == '@' || c == '+' || c == '-';
  };
  bool good = !name.empty() && name.size() <= 64 && std::ranges::all_of(name, fine) && name.front() != '.' &&
              name.front() != '-';
  if (good) return {};
  return Error{"'" + name +
               "' can't be a client's name: 1 to 64 letters, digits and . _ @ + -, not beginning with . or -"};
}

Result<Registry> read_registry(const std::string& folder) {
  std::string path = in(folder, kRegistryFile);
  if (!exists(path)) return Error{path + ": no such file; `culvert init` makes one"};
  Result<std::string> text = read_file(path);
  if (!text) return Error{text.error()};
  Result<Registry> registry = parse_registry(*text);
  if (!registry) return Error{path + ": " + registry.error()};
  return registry;
}

Result<crypto::Identity> read_authority(const std::string& folder) {
  Result<std::string> certificate = read_file(in(folder, "ca.crt"));
  if (!certificate) return Error{certificate.error()};
  Result<std::string> key = read_file(in(folder, "ca.key"));
  if (!key) return Error{key.error() + "; without the CA's key no certificate can be issued or revoked"};
  crypto::Identity authority;
  authority.certificate_pem = *std::move(certificate);
  authority.key_pem = *key;
  crypto::wipe(*key);
  return authority;
}

ClientRow row_of(const std::string& folder, const RegistryEntry& entry, sys_seconds now) {
  ClientRow row{entry.name, entry.serial, ClientState::kValid, entry.created, entry.expires, {}, ""};
  if (entry.revoked) {
    row.state = ClientState::kRevoked;
    row.revoked = *entry.revoked;
    return row;
  }
  if (now >= entry.expires) row.state = ClientState::kExpired;
  row.profile = profile_path(folder, entry.name);
  return row;
}

Result<std::string> new_v2_client_key(const std::string& folder, sys_seconds now) {
  std::string path = in(folder, "tls-crypt-v2-server.key");
  Result<std::string> text = read_file(path);
  if (!text) return Error{text.error()};
  Result<openvpn::TlsCryptV2ServerKey> server_key = openvpn::parse_tls_crypt_v2_server_key(*text);
  crypto::wipe(*text);
  if (!server_key) return Error{path + ": " + server_key.error()};
  crypto::SystemRandom random;
  Result<openvpn::ClientKeyFile> made = openvpn::make_tls_crypt_v2_client_key(*server_key, random, now);
  crypto::wipe(*server_key);
  if (!made) return Error{made.error()};
  Result<std::string> written = openvpn::write_tls_crypt_v2_client_key(*made);
  crypto::wipe(made->key);
  return written;
}

struct NewClient {
  RegistryEntry entry;
  std::string profile;  ///< text; a secret
};

Result<NewClient> make_client(const AddOptions& options, const Remote& remote, sys_seconds now) {
  Result<crypto::Identity> authority = read_authority(options.folder);
  if (!authority) return Error{authority.error()};
  Result<crypto::CertificateInfo> ca = crypto::read_certificate(authority->certificate_pem);
  if (!ca) return Error{in(options.folder, "ca.crt") + ": " + ca.error()};
  if (now >= ca->validity.until) {
    return Error{"the CA of " + options.folder + " expired on " + crypto::time_text(ca->validity.until) +
                 ": make a new one with `culvert init`"};
  }
  crypto::CertificateRequest request;
  request.common_name = options.name;
  request.validity = {now - kClockSkew, std::min(now + std::chrono::days(options.days), ca->validity.until)};
  Result<crypto::Identity> identity = crypto::issue_certificate(*authority, request);
  if (!identity) return Error{identity.error()};
  Result<crypto::CertificateInfo> info = crypto::read_certificate(identity->certificate_pem);
  if (!info) return Error{info.error()};
  Result<std::string> v2_key = new_v2_client_key(options.folder, now);
  if (!v2_key) return Error{v2_key.error()};
  ProfileParts parts{options.name,      remote, authority->certificate_pem, identity->certificate_pem,
                     identity->key_pem, *v2_key};
  NewClient made{{options.name, info->serial, now, request.validity.until, std::nullopt}, profile_text(parts)};
  crypto::wipe(parts.key_pem);
  crypto::wipe(parts.tls_crypt_v2);
  crypto::wipe(*v2_key);
  return made;
}

/// The profile is on disk in full before the registry names it, and in its place only after that: no certificate that
/// the registry does not know ever leaves this function.
Status put_down(const std::string& folder, const NewClient& client, Registry registry) {
  Result<StagedFile> profile = StagedFile::write(profile_path(folder, client.entry.name), client.profile, 0600);
  if (!profile) return Error{profile.error()};
  std::string before = write_registry(registry);
  registry.clients.push_back(client.entry);
  if (Status written = write_file(in(folder, kRegistryFile), write_registry(registry), 0600); !written) return written;
  Status placed = profile->place();
  if (placed) return {};
  Status undone = write_file(in(folder, kRegistryFile), before, 0600);
  if (undone) return placed;
  return Error{placed.error() + "; '" + client.entry.name +
               "' stays in the registry without a profile: revoke it before adding it again"};
}

/// The serial of the certificate in a profile; empty: there is none.
std::string serial_in(const std::string& profile) {
  const size_t begin = profile.find("<cert>");
  const size_t end = profile.find("</cert>");
  if (begin == std::string::npos || end == std::string::npos || end < begin) return "";
  Result<crypto::CertificateInfo> info = crypto::read_certificate(std::string_view(profile).substr(begin, end - begin));
  return info ? info->serial : "";
}

/// An earlier add was killed when the registry knew the client, and its profile was not in its place yet: puts it
/// there. False: there is nothing of the kind.
bool finish_interrupted(const std::string& folder, const RegistryEntry& client) {
  const std::string path = profile_path(folder, client.name);
  if (exists(path)) return false;
  for (StagedFile& left : StagedFile::left_for(path)) {
    Result<std::string> text = read_file(left.staged());
    const bool of_client = text && serial_in(*text) == client.serial;
    if (text) crypto::wipe(*text);
    if (of_client && left.place()) return true;
  }
  return false;
}

}  // namespace

Result<ClientRow> add_client(const AddOptions& options, sys_seconds now) {
  if (Status good = check_name(options.name); !good) return Error{good.error()};
  if (options.days == 0 || options.days > kMostDays)
    return Error{"days: a number from 1 to " + std::to_string(kMostDays) + " is needed"};
  Result<FolderLock> lock = FolderLock::take(options.folder);
  if (!lock) return Error{lock.error()};
  Result<Registry> registry = read_registry(options.folder);
  if (!registry) return Error{registry.error()};
  Remote remote{registry->host, registry->port};
  if (!options.remote.empty()) {
    Result<Remote> other = parse_remote(options.remote, registry->port);
    if (!other) return Error{"remote: " + other.error()};
    remote = *other;
  }
  if (const RegistryEntry* live = registry->live(options.name)) {
    if (finish_interrupted(options.folder, *live)) return row_of(options.folder, *live, now);
    const std::string profile = profile_path(options.folder, options.name);
    return Error{"'" + options.name + "' has a certificate since " + crypto::time_text(live->created) + " (" +
                 (exists(profile) ? profile : "its profile is not in " + profile + " any more") +
                 "): choose another name, or revoke it first"};
  }
  // Of an add that was killed before the registry knew the client: its key is nobody's.
  (void)StagedFile::left_for(profile_path(options.folder, options.name));
  Result<NewClient> made = make_client(options, remote, now);
  if (!made) return Error{made.error()};
  Status down = put_down(options.folder, *made, *registry);
  crypto::wipe(made->profile);
  if (!down) return Error{down.error()};
  return row_of(options.folder, made->entry, now);
}

Result<ClientRow> revoke_client(const std::string& folder, const std::string& name, sys_seconds now) {
  Result<FolderLock> lock = FolderLock::take(folder);
  if (!lock) return Error{lock.error()};
  Result<Registry> registry = read_registry(folder);
  if (!registry) return Error{registry.error()};
  RegistryEntry* entry = registry->live(name);
  if (entry == nullptr) {
    bool known = std::ranges::any_of(registry->clients, [&](const RegistryEntry& one) { return one.name == name; });
    return Error{known ? "'" + name + "' is revoked already"
                       : "no client '" + name + "' in " + folder + ": `culvert client list` shows all"};
  }
  Result<crypto::Identity> authority = read_authority(folder);
  if (!authority) return Error{authority.error()};
  Result<crypto::CertificateInfo> ca = crypto::read_certificate(authority->certificate_pem);
  if (!ca) return Error{in(folder, "ca.crt") + ": " + ca.error()};
  Result<std::string> old_list = read_file(in(folder, "crl.pem"));
  if (!old_list) return Error{old_list.error()};
  Result<std::string> list =
      crypto::add_to_crl(*old_list, *authority, {entry->serial, now}, {now - kClockSkew, ca->validity.until});
  if (!list) return Error{in(folder, "crl.pem") + ": " + list.error()};
  // The list first: if the registry can't be written, running this again does the rest.
  if (Status written = write_file(in(folder, "crl.pem"), *list, 0644); !written) return Error{written.error()};
  entry->revoked = now;
  if (Status written = write_file(in(folder, kRegistryFile), write_registry(*registry), 0600); !written) {
    return Error{"revoked, but not noted: " + written.error()};
  }
  return row_of(folder, *entry, now);
}

Status make_token_secret(const std::string& path) {
  if (exists(path)) return Error{path + ": is there already: remove it first, if its tokens may lose their worth"};
  crypto::SystemRandom random;
  Result<std::string> text = openvpn::make_auth_token_key(random);
  if (!text) return Error{text.error()};
  Status written = write_file(path, *text, 0600);
  crypto::wipe(*text);
  return written;
}

Result<std::vector<ClientRow>> list_clients(const std::string& folder, sys_seconds now) {
  Result<Registry> registry = read_registry(folder);
  if (!registry) return Error{registry.error()};
  std::vector<ClientRow> rows;
  for (const RegistryEntry& entry : registry->clients) rows.push_back(row_of(folder, entry, now));
  return rows;
}

}  // namespace culvert::pki
