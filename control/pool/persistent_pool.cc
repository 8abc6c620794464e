#include "control/pool/persistent_pool.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "dataplane/abi/endpoint_text.h"

namespace culvert::pool {
namespace {

constexpr size_t kLargest = 64 << 20;
constexpr size_t kMostFindings = 20;

std::string read_all(int fd) {
  std::string text;
  std::array<char, 65536> part;
  while (text.size() < kLargest) {
    ssize_t n = pread(fd, part.data(), part.size(), static_cast<off_t>(text.size()));
    if (n <= 0) break;
    text.append(part.data(), static_cast<size_t>(n));
  }
  return text;
}

/// Makes `text` the file's contents. False: errno says why, and the file is neither.
bool replace(int fd, const std::string& text) {
  ssize_t n = pwrite(fd, text.data(), text.size(), 0);
  if (n >= 0 && n < static_cast<ssize_t>(text.size())) errno = ENOSPC;
  return n == static_cast<ssize_t>(text.size()) && ftruncate(fd, n) == 0;
}

/// Splits off what stands in front of the next comma.
std::string_view next_field(std::string_view& line) {
  size_t end = std::min(line.find(','), line.size());
  std::string_view field = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return field;
}

/// Names are written as they are: one that would break the line can't be remembered.
bool can_be_written(std::string_view name) {
  return !name.empty() && name.front() != '#' && name.front() != ';' &&
         std::ranges::none_of(name, [](char c) { return c == ',' || static_cast<unsigned char>(c) < 0x20; });
}

/// Why the line is of no use; empty: it was applied, or says nothing.
std::string apply_line(std::string_view line, AddressPool& pool, bool fixed, MonoTime now) {
  if (line.empty() || line.front() == '#' || line.front() == ';') return "";
  std::string name(next_field(line));
  std::string ip4(next_field(line));
  std::string ip6(next_field(line));
  if (name.empty() || (ip4.empty() && ip6.empty())) return "takes NAME,IPv4,IPv6";
  for (const std::string& text : {ip4, ip6}) {
    if (text.empty()) continue;
    auto address = abi::parse_ip(text);
    if (!address) return "'" + text + "' is no address";
    if (pool.remember(name, *address, fixed, now)) return "";
  }
  return "the address of " + name + " lies outside the pool, or another name has it";
}

}  // namespace

Result<PersistentPool> PersistentPool::open(const std::string& path, bool read_only) {
  int flags = (read_only ? O_RDONLY : O_RDWR | O_CREAT) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  io::Fd fd(::open(path.c_str(), flags, 0600));
  struct stat what {};
  if (!fd || fstat(fd.get(), &what) != 0) return Error{"ifconfig-pool-persist " + path + ": " + std::strerror(errno)};
  if (!S_ISREG(what.st_mode)) return Error{"ifconfig-pool-persist " + path + ": is not a file"};
  return PersistentPool(path, std::move(fd), read_only);
}

std::vector<std::string> PersistentPool::read(AddressPool& pool, MonoTime now) const {
  std::vector<std::string> findings;
  std::string text = read_all(fd_.get());
  std::string_view rest = text;
  for (size_t number = 1; !rest.empty(); ++number) {
    size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    std::string wrong = apply_line(line, pool, read_only_, now);
    if (!wrong.empty() && findings.size() < kMostFindings)
      findings.push_back(path_ + ":" + std::to_string(number) + ": " + wrong);
  }
  return findings;
}

Status PersistentPool::write(const AddressPool& pool) {
  if (read_only_) return {};
  std::string text;
  pool.each_remembered([&](std::string_view name, const Ipv4& ip4, const Ipv6& ip6) {
    if (!can_be_written(name)) return;
    text.append(name).append(1, ',');
    if (ip4 != Ipv4{}) text += abi::to_text(abi::ipv4(ip4));
    text += ',';
    if (ip6 != Ipv6{}) text += abi::to_text(abi::ipv6(ip6));
    text += '\n';
  });
  if (text == written_) return {};
  // In place: after `user` the folder may not be ours to write. A reader sees the old or the new text, and on a full
  // disk the old one: half of each would give names each other's addresses.
  const std::string before = read_all(fd_.get());
  if (replace(fd_.get(), text)) {
    written_ = std::move(text);
    return {};
  }
  Error error{"ifconfig-pool-persist " + path_ + ": " + std::strerror(errno)};
  (void)replace(fd_.get(), before);  // its room is still there
  return error;
}

}  // namespace culvert::pool
