// What the configuration tests share: files in memory, and a server.conf that is right, to be bent by each test.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "control/config/openvpn_conf.h"

namespace culvert::config::test {

class MemoryLoader : public FileLoader {
 public:
  Result<LoadedFile> load(const std::string& path, size_t limit) override {
    asked.push_back(path);
    auto found = files.find(path);
    if (found == files.end()) return Error{"no such file"};
    if (found->second.bytes.size() > limit) return Error{"larger than allowed"};
    return found->second;
  }

  bool is_folder(const std::string& path) override {
    const auto inside = files.lower_bound(path + "/");
    return path.ends_with("/crls") || path.ends_with("/ccd") ||
           (inside != files.end() && inside->first.starts_with(path + "/"));
  }

  std::map<std::string, LoadedFile> files;
  std::vector<std::string> asked;
};

/// Static key whose bytes count up, as a key file.
std::string static_key_text();
/// tls-crypt-v2 server key likewise.
std::string server_key_text();

/// A secret for auth-gen-token-secret; its HMAC key counts up from 64.
std::string token_secret_text();

/// Certificates, keys and so on below `folder`, none of them a real one: reading a configuration tells files apart by
/// their armour, and leaves their contents to TlsContext.
MemoryLoader files_below(const std::string& folder);

/// The same with a CA, a server's certificate and key, and a CRL that are real (made once per run).
MemoryLoader real_files_below(const std::string& folder);

/// A PKCS #12 file without password that holds the real CA, certificate and key.
std::string pkcs12_bytes();

/// A complete server.conf for these files, without `server` lines of its own: add at the end.
inline const char* const kBase =
    "topology subnet\nremote-cert-tls client\nca ca.crt\ncert server.crt\nkey server.key\ntls-crypt tc.key\n"
    "server 10.8.0.0 255.255.255.0\nkeepalive 10 60\n";

struct Parsed {
  ServerConfig config;
  Report report;
  std::string errors;  ///< texts of all findings of the kind, one per line, with file and line
  std::string warnings;
};

/// Reads `text` as etc/server.conf with files_below("etc").
Parsed parse(const std::string& text);
Parsed parse(const std::string& text, FileLoader& loader);

}  // namespace culvert::config::test
