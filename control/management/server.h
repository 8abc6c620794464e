// The management socket: one client at a time, as in the reference; others wait in the socket's queue. Here is only
// that no client can hold up the loop or fill memory; what is said is Dialogue's.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>

#include "control/io/event_loop.h"
#include "control/io/log.h"
#include "control/management/dialogue.h"

namespace culvert::management {

struct Listen {
  std::string path;  ///< unix socket; empty: TCP
  abi::Endpoint tcp;
  std::optional<uid_t> client_user;  ///< who may connect to a unix socket; unset: whoever reaches it
  std::optional<gid_t> client_group;
  size_t log_lines = 250;  ///< management-log-cache
  bool hold = false;       ///< management-hold
  /// One that has quit still gets what it was told; so long it may take to read that, while the next ones wait.
  MonoClock::duration farewell = std::chrono::seconds(10);
  Settings dialogue;
};

class Server {
 public:
  /// Binds and listens. `loop` and `daemon` outlive the server. The error names the address and what is in the way.
  static Result<std::unique_ptr<Server>> listen(io::EventLoop& loop, Listen settings, Daemon& daemon);
  ~Server();
  Server(const Server&) = delete;

  void on_log(io::LogLevel level, std::string_view text);
  /// `state` as in management-notes.txt ("CONNECTED"); `details` is the rest of the entry behind it.
  void set_state(std::string_view state, std::string_view details);
  /// A real-time line for the client, if there is one that may see it.
  void notify(std::string_view line);

  Board& board() { return board_; }
  bool connected() const { return client_.get() >= 0; }

  /// A client that does not take this much is not worth waiting for; a longer answer to what it asked for is all right.
  static constexpr size_t kMostOutput = 16 << 20;
  /// While this much waits to be taken, nothing more is read.
  static constexpr size_t kEnoughOutput = Dialogue::kAnsweredInATurn;
  static constexpr auto kPasswordWithin = std::chrono::seconds(30);

 private:
  Server(io::EventLoop& loop, Listen settings, Daemon& daemon, io::Fd listener);
  void accept_one();
  bool may_connect(int fd) const;
  void on_ready(uint32_t events);
  bool read_some();
  /// Sends what there is; ends the client when it is over. Everything that makes output calls this last.
  void settle();
  /// Nothing more is read from the client, or told to it; it goes when it has taken what it was told before.
  void begin_farewell();
  void schedule();
  /// What it has asked for and was not answered yet, behind what else the loop has to do.
  void go_on_soon();
  /// Has the dialogue answer.
  template <class Answering>
  void answer(Answering answering);
  void drop(const std::string& why);
  void listen_again();

  io::EventLoop& loop_;
  Listen settings_;
  Daemon& daemon_;
  Board board_;
  io::Fd listener_;
  io::Fd client_;
  std::unique_ptr<Dialogue> dialogue_;
  io::EventLoop::TimerId timer_ = 0;
  io::EventLoop::TimerId password_timer_ = 0;
  io::EventLoop::TimerId flush_timer_ = 0;
  io::EventLoop::TimerId accept_again_ = 0;
  io::EventLoop::TimerId turn_timer_ = 0;
  io::EventLoop::TimerId farewell_timer_ = 0;
  size_t answered_ = 0;   ///< what it had not taken when it was answered last, less what it has taken since
  bool leaving_ = false;  ///< it has quit, or closed its side
  bool busy_ = false;     ///< inside the dialogue: its own log lines are sent afterwards
};

}  // namespace culvert::management
