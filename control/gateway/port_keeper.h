// The ports and the TUN that the configuration asks for: has the dataplane open them, and knows how that went.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "control/admin/rows.h"
#include "control/io/link_client.h"
#include "dataplane/abi/setup.h"

namespace culvert::gateway {

class PortKeeper {
 public:
  struct Wanted {
    abi::OpenPort port;
    std::string server;  ///< configuration file it comes from
  };

  /// `ports[i].port.port` is i. The client outlives the keeper.
  PortKeeper(io::LinkClient& link, std::vector<Wanted> ports, const abi::OpenTun& tun);

  /// Asks for everything (again); `done` is called once, with the first thing that failed. Call when the link is
  /// attached.
  void apply(std::function<void(Status)> done);

  bool open() const { return open_; }
  void lost();
  /// Has the TUN's addresses and routes changed, now if it is open.
  void change_tun(const abi::OpenTun& tun);  ///< the dataplane is gone, and the ports with it

  std::vector<admin::PortRow> rows() const;
  /// "udp 0.0.0.0:1194"
  std::vector<std::string> listening() const;
  /// "tun culvert0 10.8.0.1/24"; empty while there is none.
  std::string tun() const;

 private:
  void step(const std::string& what, const Result<std::string>& result, std::string& state);
  void finish();

  io::LinkClient& link_;
  std::vector<Wanted> ports_;
  std::vector<std::string> states_;
  abi::OpenTun tun_;
  std::string tun_state_;
  std::string tun_name_;
  bool open_ = false;
  std::function<void(Status)> done_;
  std::string first_error_;
};

/// "udp 0.0.0.0:1194"
std::string to_text(const abi::OpenPort& port);

}  // namespace culvert::gateway
