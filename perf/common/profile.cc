#include "perf/common/profile.h"

#include <charconv>
#include <sstream>

#include "control/config/statement.h"
#include "control/crypto/tls.h"
#include "control/openvpn/key_files.h"
#include "control/openvpn/negotiate.h"
#include "dataplane/abi/endpoint_text.h"

namespace culvert::perf {
namespace {

using config::Statement;
using openvpn::ClientSettings;

struct Reading {
  ClientSettings settings;
  crypto::TlsSettings tls;
};

Status read_remote(const Statement& statement, ClientSettings& settings) {
  if (statement.args.empty()) return Error{"remote: names no address"};
  auto address = abi::parse_ip(statement.args[0]);
  if (!address || address->family != abi::Family::kIpv4)
    return Error{"remote " + statement.args[0] +
                 ": the generator has no resolver; give an IPv4 address (culvert client "
                 "add NAME --remote ADDRESS:PORT)"};
  settings.remote.address = *address;
  settings.remote.port = 1194;
  if (statement.args.size() < 2) return {};
  const std::string& port = statement.args[1];
  auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), settings.remote.port);
  if (error != std::errc() || end != port.data() + port.size()) return Error{"remote: " + port + " is no port"};
  return {};
}

Status read_ciphers(const std::string& list, ClientSettings& settings) {
  settings.data_ciphers.clear();
  std::stringstream names(list);
  for (std::string name; std::getline(names, name, ':');) {
    auto cipher = openvpn::parse_cipher(name);
    if (cipher && abi::is_aead(*cipher)) settings.data_ciphers.push_back(*cipher);
  }
  if (settings.data_ciphers.empty())
    return Error{"data-ciphers " + list + ": names no AEAD cipher, and the generator has no others"};
  return {};
}

Status read_wrap(const Statement& statement, ClientSettings& settings) {
  if (statement.name == "tls-crypt-v2") {
    auto key = openvpn::parse_tls_crypt_v2_client_key(statement.args[0]);
    if (!key) return Error{"tls-crypt-v2: " + key.error()};
    settings.wrap.kind = openvpn::WrapKind::kTlsCryptV2;
    settings.wrap.key = key->key;
    settings.wrap.wrapped_client_key = key->wrapped;
    return {};
  }
  auto key = openvpn::parse_static_key(statement.args[0]);
  if (!key) return Error{"tls-crypt: " + key.error()};
  settings.wrap.kind = openvpn::WrapKind::kTlsCrypt;
  settings.wrap.key = *key;
  return {};
}

Status read_statement(const Statement& statement, Reading& reading) {
  const std::string& name = statement.name;
  if (name == "remote") return read_remote(statement, reading.settings);
  bool is_file = name == "ca" || name == "cert" || name == "key" || name == "tls-crypt" || name == "tls-crypt-v2";
  if (is_file && !statement.inlined)
    return Error{name +
                 ": stands in a file of its own; the generator reads profiles with everything inline, as culvert "
                 "client add writes them"};
  if (name == "tls-auth") return Error{"tls-auth: the generator's clients speak tls-crypt-v2, tls-crypt, or no wrap"};
  if (name == "ca") reading.tls.ca_pem = statement.args[0];
  if (name == "cert") reading.tls.certificate_pem = statement.args[0];
  if (name == "key") reading.tls.key_pem = statement.args[0];
  if (name == "tls-crypt" || name == "tls-crypt-v2") return read_wrap(statement, reading.settings);
  if (name == "data-ciphers" && !statement.args.empty()) return read_ciphers(statement.args[0], reading.settings);
  if (name == "verify-x509-name" && statement.args.size() == 2 && statement.args[1] == "name") {
    reading.tls.peer.name_match = crypto::PeerPolicy::NameMatch::kName;
    reading.tls.peer.name = statement.args[0];
  }
  return {};
}

}  // namespace

Result<ClientSettings> read_profile(const std::string& path, const std::string& cipher) {
  constexpr size_t kMostBytes = 1 << 20;
  config::DiskLoader disk;
  auto file = disk.load(path, kMostBytes);
  if (!file) return Error{"profile " + path + ": " + file.error()};
  config::Report report;
  config::Statements statements = config::read_statements(file->bytes, path, disk, report);
  if (!report.ok()) return Error{config::to_text(report.all().front())};
  Reading reading;
  reading.tls.role = crypto::TlsRole::kClient;
  reading.tls.peer.usage = crypto::PeerUsage::kServer;
  for (const Statement& statement : statements.list)
    if (Status read = read_statement(statement, reading); !read) return Error{"profile " + path + ": " + read.error()};
  ClientSettings& settings = reading.settings;
  if (settings.remote.port == 0) return Error{"profile " + path + ": has no remote"};
  if (!cipher.empty())
    if (Status read = read_ciphers(cipher, settings); !read) return Error{read.error()};
  auto tls = crypto::TlsContext::make(reading.tls);
  if (!tls) return Error{"profile " + path + ": " + tls.error()};
  settings.tls = *tls;
  settings.name = path;
  // The data channel of the generator has keys of one kind (tunnel.h), and 24-bit peer-ids as the server gives them.
  settings.capabilities = openvpn::iv_proto::kOurClient & ~openvpn::iv_proto::kEpochKeys;
  settings.own_peer_id = false;
  settings.reneg_sec = std::chrono::seconds(0);  // the gateway says when
  return std::move(settings);
}

}  // namespace culvert::perf
