// crl-verify FOLDER dir: a file in the folder that is named like a certificate's serial (decimal) revokes it. What is
// in the file does not matter (man page, --crl-verify).
#pragma once

#include <sys/types.h>
#include <time.h>

#include <string>

namespace culvert::auth {

class RevokedFolder {
 public:
  /// `path` empty: there is no such folder, and nobody is revoked by it.
  explicit RevokedFolder(std::string path);

  /// Is there a file for this serial now? Also true when the folder can't be looked into: a list that is lost must not
  /// let revoked clients in.
  bool has(const std::string& serial) const;
  /// Has a file come or gone since the last call?
  bool changed();

 private:
  struct Mark {
    bool exists = false;
    ino_t inode = 0;
    timespec modified{};
    bool operator==(const Mark& other) const;
  };
  Mark mark() const;

  std::string path_;
  Mark seen_;
};

}  // namespace culvert::auth
