// Sockets and TUN of the dataplane, kept so that the next one goes on with them: `culvert up` in the place of systemd's
// file descriptor store, in the same protocol (sd_notify(3): FDSTORE, FDSTOREREMOVE, BARRIER; sd_listen_fds(3)).
#pragma once

#include <string>
#include <vector>

#include "control/io/event_loop.h"
#include "control/io/fd.h"

namespace culvert::cli {

class KeptDescriptors {
 public:
  struct Kept {
    std::string name;
    io::Fd fd;
  };
  static constexpr size_t kMost = 512;  ///< ports and TUN of 64 workers; beyond that nothing more is kept

  /// Listens at `path`, for nobody but our own user; a file that is there is replaced. The loop outlives this object.
  static Result<std::unique_ptr<KeptDescriptors>> listen(io::EventLoop& loop, const std::string& path);
  ~KeptDescriptors();
  KeptDescriptors(const KeptDescriptors&) = delete;
  KeptDescriptors& operator=(const KeptDescriptors&) = delete;

  const std::vector<Kept>& kept() const { return kept_; }
  const std::string& path() const { return path_; }
  /// Does what was asked for until now: of a process that has just ended, the last words may still be unread.
  void serve();

 private:
  KeptDescriptors(io::EventLoop& loop, std::string path, io::Fd socket)
      : loop_(loop), path_(std::move(path)), socket_(std::move(socket)) {}
  void carry_out(const std::string& message, std::vector<io::Fd> descriptors);

  io::EventLoop& loop_;
  std::string path_;
  io::Fd socket_;
  std::vector<Kept> kept_;
};

}  // namespace culvert::cli
