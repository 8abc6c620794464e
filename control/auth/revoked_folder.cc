#include "control/auth/revoked_folder.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

namespace culvert::auth {

bool RevokedFolder::Mark::operator==(const Mark& other) const {
  return exists == other.exists && inode == other.inode && modified.tv_sec == other.modified.tv_sec &&
         modified.tv_nsec == other.modified.tv_nsec;
}

RevokedFolder::RevokedFolder(std::string path) : path_(std::move(path)), seen_(mark()) {}

RevokedFolder::Mark RevokedFolder::mark() const {
  Mark mark;
  struct stat status {};
  if (path_.empty() || stat(path_.c_str(), &status) != 0) return mark;
  mark.exists = true;
  mark.inode = status.st_ino;
  mark.modified = status.st_mtim;
  return mark;
}

bool RevokedFolder::has(const std::string& serial) const {
  if (path_.empty() || serial.empty()) return false;
  // Serials come from certificates as decimal numbers; anything else must not become part of a path.
  if (!std::ranges::all_of(serial, [](char c) { return c >= '0' && c <= '9'; })) return true;
  struct stat status {};
  if (stat((path_ + "/" + serial).c_str(), &status) == 0) return true;
  if (errno != ENOENT) return true;
  return stat(path_.c_str(), &status) != 0;
}

bool RevokedFolder::changed() {
  if (path_.empty()) return false;
  Mark now = mark();
  if (now == seen_) return false;
  seen_ = now;
  return true;
}

}  // namespace culvert::auth
