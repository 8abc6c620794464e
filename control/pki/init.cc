// `culvert init`: everything is made in memory and read back by the parsers first; only then is the disk touched.
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <span>

#include "control/config/arguments.h"
#include "control/config/load.h"
#include "control/crypto/certificate.h"
#include "control/crypto/primitives.h"
#include "control/openvpn/key_files.h"
#include "control/pki/files.h"
#include "control/pki/pki.h"
#include "control/pki/registry.h"
#include "control/pki/texts.h"
#include "dataplane/abi/endpoint_text.h"

namespace culvert::pki {
namespace {

using std::chrono::sys_seconds;

constexpr std::chrono::days kAuthorityLife{3652};  // ten years

struct NewFile {
  std::string name;
  std::string text;
  mode_t mode;
};

/// Wiped on every way out: keys are among them.
struct NewFiles {
  std::vector<NewFile> list;
  ~NewFiles() {
    for (NewFile& file : list) crypto::wipe(file.text);
  }
};

/// The new files as the parsers of the configuration see them.
class NewFilesLoader : public config::FileLoader {
 public:
  explicit NewFilesLoader(const NewFiles& files) : files_(files) {}
  Result<config::LoadedFile> load(const std::string& path, size_t) override {
    for (const NewFile& file : files_.list) {
      if (file.name == path) return config::LoadedFile{file.text, file.mode};
    }
    return Error{"no such file"};
  }

 private:
  const NewFiles& files_;
};

/// A random /112 of a random /48 of fd00::/8 (RFC 4193, section 3.2).
std::string random_pool6(Random& random) {
  config::Ip6 network{};
  network[0] = 0xFD;
  random.fill(std::span(network).subspan(1, 5));
  return config::to_text(network) + "/112";
}

Status make_identities(NewFiles& files, sys_seconds now) {
  crypto::Validity validity{now - kClockSkew, now + kAuthorityLife};
  Result<crypto::Identity> authority = crypto::make_authority("culvert CA", validity);
  if (!authority) return Error{authority.error()};
  crypto::CertificateRequest request;
  request.common_name = kServerName;
  request.use = crypto::CertificateUse::kServer;
  request.validity = validity;
  Result<crypto::Identity> server = crypto::issue_certificate(*authority, request);
  if (!server) return Error{server.error()};
  Result<std::string> crl = crypto::make_crl(*authority, {}, 1, validity);
  if (!crl) return Error{crl.error()};
  files.list.push_back({"ca.crt", authority->certificate_pem, 0644});
  files.list.push_back({"ca.key", authority->key_pem, 0600});
  files.list.push_back({"server.crt", server->certificate_pem, 0644});
  files.list.push_back({"server.key", server->key_pem, 0600});
  files.list.push_back({"crl.pem", *crl, 0644});
  return {};
}

Status make_files(NewFiles& files, const InitOptions& options, sys_seconds now) {
  crypto::SystemRandom random;
  if (Status made = make_identities(files, now); !made) return made;
  Result<std::string> v2_key = openvpn::write_tls_crypt_v2_server_key(openvpn::make_tls_crypt_v2_server_key(random));
  if (!v2_key) return Error{v2_key.error()};
  files.list.push_back({"tls-crypt-v2-server.key", *v2_key, 0600});
  std::string pool6 = options.pool6.empty() ? random_pool6(random) : options.pool6;
  bool ipv6_outside = ::access("/proc/net/if_inet6", F_OK) == 0;
  files.list.push_back({"server.conf", server_conf_text(options, pool6, ipv6_outside), 0644});
  Registry registry;
  registry.host = options.host;
  registry.port = options.port;
  files.list.push_back({std::string(kRegistryFile), write_registry(registry), 0600});
  // Last, so that a folder with a culvert.toml is a whole one.
  files.list.push_back({"culvert.toml", culvert_toml_text(), 0644});

  NewFilesLoader loader(files);
  config::Report report;
  if (config::load("culvert.toml", loader, report)) return {};
  for (const config::Diagnostic& diagnostic : report.all()) {
    if (diagnostic.severity == config::Severity::kError)
      return Error{"the configuration would not be valid: " + diagnostic.text};
  }
  return Error{"the configuration would not be valid"};
}

Status check_options(const InitOptions& options) {
  if (options.folder.empty()) return Error{"no folder given"};
  if (options.port == 0) return Error{"the port can't be 0"};
  Result<Remote> remote = parse_remote(options.host, options.port);
  if (!remote) return Error{"host: " + remote.error()};
  if (remote->host != options.host)
    return Error{"host: '" + options.host + "' names a port, which has an option of its own"};
  size_t slash = options.pool4.find('/');
  bool network4 = slash != std::string::npos && config::parse_ip4(options.pool4.substr(0, slash)) &&
                  config::to_number(std::string_view(options.pool4).substr(slash + 1));
  if (!network4) return Error{"'" + options.pool4 + "' is not an IPv4 network such as 10.8.0.0/24"};
  if (!options.pool6.empty() && !config::parse_prefix6(options.pool6)) {
    return Error{"'" + options.pool6 + "' is not an IPv6 network such as fd12:3456:789a::/112"};
  }
  for (const std::string& server : options.dns) {
    if (!abi::parse_ip(server)) return Error{"DNS server '" + server + "' is not a numeric address"};
  }
  return {};
}

Status refuse_to_overwrite(const NewFiles& files, const std::string& folder) {
  for (const NewFile& file : files.list) {
    if (!exists(folder + "/" + file.name)) continue;
    return Error{folder + " holds a " + file.name +
                 " already, and nothing is overwritten: use it, name another folder, or move it away"};
  }
  return {};
}

/// Folders and files that were made, taken away again unless keep() is called.
class Undo {
 public:
  ~Undo() {
    if (kept_) return;
    for (auto path = paths_.rbegin(); path != paths_.rend(); ++path) ::remove(path->c_str());
  }
  void add(const std::string& path) { paths_.push_back(path); }
  void keep() { kept_ = true; }

 private:
  std::vector<std::string> paths_;
  bool kept_ = false;
};

Status make_folder(const std::string& path, Undo& undo) {
  if (::mkdir(path.c_str(), 0700) == 0) {
    undo.add(path);
    return {};
  }
  int number = errno;
  struct stat status {};
  if (number == EEXIST && ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) return {};
  std::string text = path + ": can't be made: " + std::strerror(number);
  if (number == ENOENT) text += "; make the folder above it first";
  if (number == EACCES || number == EPERM || number == EROFS)
    text += "; run it as root, or name a folder that you may write to";
  return Error{text};
}

Status write_files(const NewFiles& files, const std::string& folder) {
  Undo undo;
  if (Status made = make_folder(folder, undo); !made) return made;
  Result<FolderLock> lock = FolderLock::take(folder);
  if (!lock) return Error{lock.error()};
  if (Status free = refuse_to_overwrite(files, folder); !free) return free;
  if (Status made = make_folder(folder + "/clients", undo); !made) return made;
  std::vector<StagedFile> staged;
  for (const NewFile& file : files.list) {
    Result<StagedFile> one = StagedFile::write(folder + "/" + file.name, file.text, file.mode);
    if (!one) return Error{one.error()};
    staged.push_back(*std::move(one));
  }
  for (size_t i = 0; i < staged.size(); ++i) {
    if (Status placed = staged[i].place(); !placed) return placed;
    undo.add(folder + "/" + files.list[i].name);
  }
  undo.keep();
  return {};
}

}  // namespace

Result<InitReport> init(const InitOptions& options, sys_seconds now) {
  if (Status good = check_options(options); !good) return Error{good.error()};
  NewFiles files;
  if (Status made = make_files(files, options, now); !made) return Error{made.error()};
  if (Status written = write_files(files, options.folder); !written) return Error{written.error()};
  InitReport report;
  report.toml = config::join_path(options.folder, "culvert.toml");
  for (const NewFile& file : files.list) report.files.push_back(config::join_path(options.folder, file.name));
  return report;
}

}  // namespace culvert::pki
