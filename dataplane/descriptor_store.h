// Sockets and TUN that outlive this process: whoever starts it keeps copies of them and gives them to the next one, so
// that packets wait in them meanwhile. Spoken is systemd's protocol (sd_notify(3): FDSTORE, FDSTOREREMOVE, BARRIER;
// sd_listen_fds(3)), which `culvert up` speaks as well. It is a few lines, and libsystemd would bring compression
// libraries into a process that reads what strangers send.
#pragma once

#include <chrono>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "drivers/file_descriptor.h"

namespace culvert::dataplane {

/// For the main thread. A name is printable ASCII without ':', at most 255 characters (sd_pid_notify_with_fds(3)).
class DescriptorStore {
 public:
  struct Entry {
    std::string name;
    drivers::FileDescriptor fd;
  };

  /// Nobody keeps anything: all functions are fine, and there never is anything to take.
  DescriptorStore() = default;
  /// `keeper`: a connected datagram socket. `found`: what it has kept until now.
  DescriptorStore(drivers::FileDescriptor keeper, std::vector<Entry> found)
      : keeper_(std::move(keeper)), untaken_(std::move(found)) {}
  /// What the starter says in the environment (NOTIFY_SOCKET, LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES), which is taken
  /// out of it. What is addressed to another process is left alone.
  static DescriptorStore from_environment();

  /// The descriptors of these names, in this order; empty when one of them is not there. They stay kept.
  std::vector<drivers::FileDescriptor> take(std::span<const std::string> names);
  /// Has a copy of `fd` kept for the next process, under a name that is not in use. Without a keeper, or when that one
  /// is full or gone, the next process opens its own.
  void keep(const std::string& name, int fd);
  /// Has what is kept under these names closed; returns when that is so, or after kPatience. Those that are not kept
  /// are fine.
  void forget(std::span<const std::string> names);
  /// Likewise all whose names begin so, of those that were there at start and that nobody has taken.
  void forget_untaken(std::string_view beginning = {});
  bool has_untaken() const { return !untaken_.empty(); }
  bool has_keeper() const { return static_cast<bool>(keeper_); }
  /// Returns when the keeper has done all that it was told so far, or after kPatience: it may not listen to a process
  /// that has ended (sd_notify(3)).
  void wait_for_keeper();

  /// How long the keeper has to close what it is to forget.
  static constexpr std::chrono::milliseconds kPatience{2000};

 private:
  /// Waits for room. False: the keeper is gone, or took nothing for so long that it is given up.
  bool send(const std::string& state, std::span<const int> descriptors);

  drivers::FileDescriptor keeper_;
  std::vector<Entry> untaken_;
};

}  // namespace culvert::dataplane
