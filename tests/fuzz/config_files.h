// The files that a fuzzed configuration may name, told apart by how their names end; nothing is read from a disk.
#pragma once

#include <string>

#include "control/config/diagnostic.h"
#include "control/config/file_loader.h"
#include "control/openvpn/key_files.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/keys.h"

namespace culvert::fuzz {

class ConfigFiles final : public config::FileLoader {
 public:
  Result<config::LoadedFile> load(const std::string& path, size_t limit) override {
    config::LoadedFile file;
    file.bytes = text_of(path);
    if (file.bytes.empty()) return Error{"no such file"};
    if (file.bytes.size() > limit) return Error{"larger than allowed"};
    return file;
  }

 private:
  static std::string armoured(const char* kind) {
    return std::string("-----BEGIN ") + kind + "-----\nAAAA\n-----END " + kind + "-----\n";
  }
  static std::string text_of(const std::string& path) {
    if (path.ends_with(".crt")) return armoured("CERTIFICATE");
    if (path.ends_with("crl.pem")) return armoured("X509 CRL");
    if (path.find("v2") != std::string::npos) return *openvpn::write_tls_crypt_v2_server_key(kServerKey);
    if (path.ends_with("ta.key") || path.ends_with("crypt.key")) return openvpn::write_static_key(kStaticKey);
    if (path.ends_with(".key")) return armoured("PRIVATE KEY");
    return {};
  }
};

/// Findings go to a terminal and a log: each says something, in one line, about a line that exists.
inline void require_usable(const config::Report& report, size_t lines) {
  for (const config::Diagnostic& found : report.all()) {
    require(!found.text.empty() && found.line <= lines + 1);
    for (char c : config::to_text(found)) require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7F);
  }
}

}  // namespace culvert::fuzz
