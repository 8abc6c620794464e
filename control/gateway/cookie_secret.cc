#include "control/gateway/cookie_secret.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "control/io/fd.h"

namespace culvert::gateway {

Result<std::array<uint8_t, 32>> cookie_secret(const std::string& run_dir, Random& random) {
  const std::string path = run_dir + "/cookie-secret";
  std::array<uint8_t, 32> secret{};
  struct stat status {};
  if (io::Fd old{open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
      old && fstat(old.get(), &status) == 0 && (status.st_mode & 077) == 0 && status.st_uid == geteuid() &&
      read(old.get(), secret.data(), secret.size()) == static_cast<ssize_t>(secret.size()))
    return secret;
  random.fill(secret);
  const std::string fresh = path + ".new";
  unlink(fresh.c_str());
  io::Fd file{open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)};
  if (!file) return Error{fresh + ": " + std::strerror(errno) + ": the run dir must exist and be writable"};
  if (write(file.get(), secret.data(), secret.size()) != static_cast<ssize_t>(secret.size()) ||
      rename(fresh.c_str(), path.c_str()) != 0)
    return Error{path + ": " + std::strerror(errno)};
  return secret;
}

}  // namespace culvert::gateway
