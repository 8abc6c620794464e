#include "tools/culvert/kept_descriptors.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "control/io/unix_socket.h"

namespace culvert::cli {
namespace {

constexpr size_t kLongestMessage = 4096;  // bytes; a name has 255 at most

struct Message {
  bool store = false;
  bool remove = false;
  std::string name = "stored";  // what sd_pid_notify_with_fds(3) says of one without
};

/// Lines of the form NAME=value; those of other purposes mean nothing here. A barrier asks for nothing but that its
/// descriptor be closed.
Message parse(std::string_view text) {
  Message message;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    constexpr std::string_view kName = "FDNAME=";
    if (line == "FDSTORE=1") message.store = true;
    if (line == "FDSTOREREMOVE=1") message.remove = true;
    if (line.starts_with(kName)) message.name = line.substr(kName.size());
  }
  return message;
}

}  // namespace

Result<std::unique_ptr<KeptDescriptors>> KeptDescriptors::listen(io::EventLoop& loop, const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return Error{path + ": too long for a socket: choose a run directory with a shorter name"};
  std::memcpy(address.sun_path, path.data(), path.size());
  io::Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return Error{path + ": " + std::strerror(errno)};
  unlink(path.c_str());
  const mode_t before = umask(0177);
  const int bound = bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const int reason = errno;
  umask(before);
  if (bound != 0) return Error{path + ": " + std::strerror(reason)};
  const int fd = socket.get();
  std::unique_ptr<KeptDescriptors> made(new KeptDescriptors(loop, path, std::move(socket)));
  if (Status watched = loop.watch(fd, EPOLLIN, [it = made.get()](uint32_t) { it->serve(); }); !watched)
    return Error{watched.error()};
  return made;
}

KeptDescriptors::~KeptDescriptors() {
  loop_.unwatch(socket_.get());
  unlink(path_.c_str());
}

void KeptDescriptors::serve() {
  std::array<std::byte, kLongestMessage> bytes{};
  for (;;) {
    auto received = io::receive_with_fds(socket_.get(), bytes);
    if (!received || received->would_block) return;
    if (received->truncated) continue;
    carry_out({reinterpret_cast<const char*>(bytes.data()), received->size}, std::move(received->fds));
  }
}

void KeptDescriptors::carry_out(const std::string& message, std::vector<io::Fd> descriptors) {
  const Message asked = parse(message);
  if (asked.remove) std::erase_if(kept_, [&](const Kept& kept) { return kept.name == asked.name; });
  if (!asked.store) return;
  for (io::Fd& fd : descriptors)
    if (kept_.size() < kMost) kept_.push_back({asked.name, std::move(fd)});
}

}  // namespace culvert::cli
