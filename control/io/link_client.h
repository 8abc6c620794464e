// Control's end of the setup socket (dataplane/abi/setup.h): attaches to a dataplane, hands out its lanes, asks it for
// ports and the TUN, and attaches again when it was gone.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "control/io/event_loop.h"
#include "control/io/unix_socket.h"
#include "control/io/worker_lane.h"
#include "dataplane/abi/setup.h"

namespace culvert::io {

/// Who is told about the link.
class LinkListener {
 public:
  virtual ~LinkListener() = default;
  /// The link is mapped and the lanes are ready. `old`: the mapping that was in use before, null at the first time, the
  /// same dataplane's when boot_id is equal. It is released afterwards.
  virtual void on_attached(const std::shared_ptr<LinkMapping>& old) = 0;
  /// The dataplane is gone or has refused us. The lanes stay, detached, until the next on_attached().
  virtual void on_detached(const std::string& why) = 0;
  /// A worker has something for us, or may have.
  virtual void on_doorbell(WorkerLane& lane) = 0;
};

class LinkClient {
 public:
  using Done = std::function<void(const Result<std::string>&)>;

  /// `path` is RUN_DIR/link.sock. The loop and the listener outlive the client.
  LinkClient(EventLoop& loop, std::string path, LinkListener& listener);
  ~LinkClient();
  LinkClient(LinkClient&&) = delete;

  /// Starts to connect, and keeps at it until there is a dataplane.
  void start();

  bool attached() const { return state_ == State::kReady; }
  /// Null until the first on_attached().
  const std::shared_ptr<LinkMapping>& mapping() const { return mapping_; }
  std::vector<std::unique_ptr<WorkerLane>>& lanes() { return lanes_; }

  /// Requests go out one at a time, in order. `done` gets the reply's text, or what went wrong; also when the dataplane
  /// goes away meanwhile.
  void open_port(const abi::OpenPort& port, Done done);
  void keep_ports(const abi::KeepPorts& ports, Done done);
  void open_tun(const abi::OpenTun& tun, Done done);

 private:
  enum class State : uint8_t { kIdle, kWaitHello, kReady };
  struct Pending {
    abi::Request request;
    Done done;
  };

  void try_connect();
  void retry_later();
  void lose(const std::string& why);
  void on_readable();
  void on_hello_reply(const abi::Reply& reply, std::vector<Fd> fds);
  Status take_over(std::vector<Fd> fds);
  void on_reply(const abi::Reply& reply);
  void enqueue(const abi::Request& request, Done done);
  void send_next();
  bool send(const abi::Request& request);
  Status watch_bells();
  void unwatch_bells();

  EventLoop& loop_;
  std::string path_;
  Fd folder_;  ///< of path_, opened at the start
  LinkListener& listener_;
  uid_t own_uid_;
  State state_ = State::kIdle;
  Fd socket_;
  EventLoop::TimerId timer_ = 0;  ///< next attempt to connect, or the deadline of a reply
  std::string last_error_;
  std::shared_ptr<LinkMapping> mapping_;
  std::vector<std::unique_ptr<WorkerLane>> lanes_;
  std::deque<Pending> requests_;
  bool request_in_flight_ = false;
};

}  // namespace culvert::io
