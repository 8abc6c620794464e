// Watches the CRL's file and makes a new TLS context when it changes.
#pragma once

#include <sys/types.h>
#include <time.h>

#include <memory>
#include <optional>
#include <string>

#include "control/config/file_loader.h"
#include "control/crypto/tls.h"

namespace culvert::auth {

class CrlWatch {
 public:
  /// `path` empty: no CRL, or an inline one, which never changes. `settings` holds all but the CRL and is kept (it
  /// holds the server's private key).
  CrlWatch(std::string path, crypto::TlsSettings settings);
  CrlWatch& operator=(CrlWatch&&) = default;
  ~CrlWatch();
  CrlWatch(CrlWatch&&) = default;

  struct Change {
    std::shared_ptr<const crypto::TlsContext> context;  ///< null when `error` says why the new file can't be used
    std::string error;
  };
  /// Nothing while the file is as it was at the last look. A file that is missing or broken is reported once per
  /// change; the old CRL stays in force.
  std::optional<Change> look(config::FileLoader& loader);
  /// Likewise, but reads the file whether or not it looks changed.
  std::optional<Change> read_now(config::FileLoader& loader);

 private:
  struct Mark {
    bool exists = false;
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = 0;
    timespec modified{};
    timespec changed{};  ///< also by chmod and chown, which may be all that a list needs to be read
    bool operator==(const Mark& other) const;
  };
  Mark mark() const;
  Change read(config::FileLoader& loader) const;

  std::string path_;
  crypto::TlsSettings settings_;
  Mark seen_;
};

}  // namespace culvert::auth
