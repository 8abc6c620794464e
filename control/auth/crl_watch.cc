#include "control/auth/crl_watch.h"

#include <sys/stat.h>

#include <utility>

#include "control/io/secrets.h"

namespace culvert::auth {
namespace {

constexpr size_t kMaxCrl = 64 * 1024 * 1024;

}  // namespace

bool CrlWatch::Mark::operator==(const Mark& other) const {
  const auto same = [](const timespec& a, const timespec& b) { return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec; };
  return exists == other.exists && device == other.device && inode == other.inode && size == other.size &&
         same(modified, other.modified) && same(changed, other.changed);
}

CrlWatch::CrlWatch(std::string path, crypto::TlsSettings settings)
    : path_(std::move(path)), settings_(std::move(settings)) {
  // As no file is: some time has gone by since the list in `settings` was read, so the first look compares contents.
  seen_.exists = true;
}

CrlWatch::~CrlWatch() {
  io::wipe(settings_.key_pem.data(), settings_.key_pem.size());
  io::wipe(settings_.key_password.data(), settings_.key_password.size());
}

CrlWatch::Mark CrlWatch::mark() const {
  Mark mark;
  struct stat status {};
  if (path_.empty() || stat(path_.c_str(), &status) != 0) return mark;
  mark.exists = true;
  mark.device = status.st_dev;
  mark.inode = status.st_ino;
  mark.size = status.st_size;
  mark.modified = status.st_mtim;
  mark.changed = status.st_ctim;
  return mark;
}

std::optional<CrlWatch::Change> CrlWatch::look(config::FileLoader& loader) {
  if (path_.empty()) return std::nullopt;
  Mark now = mark();
  if (now == seen_) return std::nullopt;
  const Mark before = std::exchange(seen_, now);
  if (before.exists && before.inode == 0) {
    auto file = loader.load(path_, kMaxCrl);
    // The user that this has become may not read it: that was said when it happened (warn_of_unreadable_crls).
    const bool same = file ? file->bytes == settings_.crl_pem : file.error() == config::kNotReadable;
    if (same) return std::nullopt;
  }
  return read(loader);
}

std::optional<CrlWatch::Change> CrlWatch::read_now(config::FileLoader& loader) {
  if (path_.empty()) return std::nullopt;
  seen_ = mark();
  return read(loader);
}

CrlWatch::Change CrlWatch::read(config::FileLoader& loader) const {
  Change change;
  Result<config::LoadedFile> file = loader.load(path_, kMaxCrl);
  if (!file) {
    change.error = path_ + ": " + file.error() + ": the CRL read before stays in force";
    return change;
  }
  crypto::TlsSettings settings = settings_;
  settings.crl_pem = file->bytes;
  auto context = crypto::TlsContext::make(settings);
  io::wipe(settings.key_pem.data(), settings.key_pem.size());
  io::wipe(settings.key_password.data(), settings.key_password.size());
  if (context)
    change.context = *context;
  else
    change.error = path_ + ": " + context.error() + ": the CRL read before stays in force";
  return change;
}

}  // namespace culvert::auth
