#include "dataplane/descriptor_store.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "dataplane/link/link_socket.h"

namespace culvert::dataplane {
namespace {

using drivers::FileDescriptor;

constexpr int kFirst = 3;  // SD_LISTEN_FDS_START: behind stdin, stdout, stderr

/// Takes the variable out of the environment: programs that this one starts are not addressed.
std::string take_variable(const char* name) {
  const char* value = getenv(name);
  std::string text = value == nullptr ? "" : value;
  unsetenv(name);
  return text;
}

std::optional<int> number(const std::string& text) {
  int value = 0;
  const char* end = text.data() + text.size();
  auto [rest, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && rest == end ? std::optional(value) : std::nullopt;
}

/// A datagram socket to `path`, in which a leading '@' stands for the abstract namespace (unix(7)); none: nobody there.
FileDescriptor connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() < 2 || path.size() >= sizeof address.sun_path || (path[0] != '/' && path[0] != '@')) return {};
  std::memcpy(address.sun_path, path.data(), path.size());
  if (path[0] == '@') address.sun_path[0] = '\0';
  FileDescriptor fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  if (fd && connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0) fd.reset();
  return fd;
}

/// The next of the names in `list`, which it takes out of it.
std::string next_name(std::string& list) {
  const size_t end = std::min(list.find(':'), list.size());
  std::string name = list.substr(0, end);
  list.erase(0, end + 1);
  return name;
}

}  // namespace

DescriptorStore DescriptorStore::from_environment() {
  std::vector<Entry> found;
  const char* addressee = getenv("LISTEN_PID");
  if (addressee != nullptr && number(addressee) == getpid()) {
    take_variable("LISTEN_PID");
    const int count = number(take_variable("LISTEN_FDS")).value_or(0);
    std::string names = take_variable("LISTEN_FDNAMES");
    for (int fd = kFirst; fd < kFirst + count; ++fd) {
      std::string name = next_name(names);
      if (fcntl(fd, F_SETFD, FD_CLOEXEC) == 0) found.push_back({std::move(name), FileDescriptor(fd)});
    }
  }
  return {connect_to(take_variable("NOTIFY_SOCKET")), std::move(found)};
}

bool DescriptorStore::send(const std::string& state, std::span<const int> descriptors) {
  while (keeper_) {
    if (send_message(keeper_.get(), std::as_bytes(std::span(state)), descriptors)) return true;
    pollfd room{keeper_.get(), POLLOUT, 0};
    if (errno != EAGAIN || poll(&room, 1, static_cast<int>(kPatience.count())) != 1) keeper_.reset();
  }
  return false;
}

std::vector<FileDescriptor> DescriptorStore::take(std::span<const std::string> names) {
  const auto there = [this](const std::string& name) { return std::ranges::find(untaken_, name, &Entry::name); };
  std::vector<FileDescriptor> taken;
  if (std::ranges::any_of(names, [&](const std::string& name) { return there(name) == untaken_.end(); })) return taken;
  for (const std::string& name : names) {
    const auto entry = there(name);
    if (entry == untaken_.end()) break;  // a name twice
    taken.push_back(std::move(entry->fd));
    untaken_.erase(entry);
  }
  return taken;
}

void DescriptorStore::keep(const std::string& name, int fd) {
  // Without FDPOLL=0 systemd gives a socket up that has an error to report, as one does to which an ICMP message came.
  send("FDSTORE=1\nFDNAME=" + name + "\nFDPOLL=0", std::array{fd});
}

void DescriptorStore::forget(std::span<const std::string> names) {
  if (!keeper_ || names.empty()) return;
  for (const std::string& name : names) send("FDSTOREREMOVE=1\nFDNAME=" + name, {});
  wait_for_keeper();
}

void DescriptorStore::forget_untaken(std::string_view beginning) {
  std::vector<std::string> names;
  std::erase_if(untaken_, [&](Entry& entry) {
    if (!entry.name.starts_with(beginning)) return false;
    names.push_back(std::move(entry.name));
    return true;
  });
  forget(names);
}

void DescriptorStore::wait_for_keeper() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return;
  FileDescriptor ours(ends[0]);
  FileDescriptor theirs(ends[1]);
  if (!send("BARRIER=1", std::array{theirs.get()})) return;
  theirs.reset();
  // Turns readable when the last copy of the other end is closed.
  pollfd closed{ours.get(), 0, 0};
  poll(&closed, 1, static_cast<int>(kPatience.count()));
}

}  // namespace culvert::dataplane
