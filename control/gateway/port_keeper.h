// The ports and the TUN that the configuration asks for: has the dataplane open them, and knows how that went.
#pragma once

#include <bitset>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "control/admin/rows.h"
#include "control/gateway/udp_losses.h"
#include "control/io/link_client.h"
#include "dataplane/abi/setup.h"

namespace culvert::gateway {

class PortKeeper {
 public:
  struct Wanted {
    abi::OpenPort port;
    std::string server;  ///< configuration file it comes from
    size_t instance;     ///< server block that it belongs to
  };
  using Numbers = std::bitset<abi::kMaxPorts>;

  /// The ports' numbers come with find(). The client outlives the keeper.
  PortKeeper(io::LinkClient& link, std::vector<Wanted> ports, const abi::OpenTun& tun);

  /// Gives each port its number, for good: the one under which the dataplane has it open already, which sessions know
  /// it by, else a free one that is not among `known`, the numbers that sessions of before know, as long as there is
  /// one. `done` is called when all have theirs, but not when the dataplane goes away meanwhile: then ask the next one.
  void find(const Numbers& known, std::function<void()> done);
  bool are_found() const { return are_found_; }
  /// Server block of the port with this number; nothing: there is no such port.
  std::optional<size_t> instance_of(uint16_t number) const;

  /// Asks for everything (again); `done` is called once, with the first thing that failed. Call when the link is
  /// attached.
  void apply(std::function<void(Status)> done);

  bool open() const { return open_; }
  void lost();
  /// Has the TUN's addresses and routes changed, now if it is open.
  void change_tun(const abi::OpenTun& tun);  ///< the dataplane is gone, and the ports with it

  /// With the losses of UDP listeners that are open.
  std::vector<admin::PortRow> rows(const UdpLosses& losses = {}) const;
  /// "udp 0.0.0.0:1194"
  std::vector<std::string> listening() const;
  /// "culvert0": as the dataplane has it, or as it was asked for while there is none.
  const std::string& tun_name() const { return tun_name_; }
  /// "tun culvert0 10.8.0.1/24"; empty while there is none.
  std::string tun() const;

 private:
  void number_ports(const Numbers& known);
  void step(const std::string& what, const Result<std::string>& result, std::string& state);
  void finish();

  io::LinkClient& link_;
  std::vector<Wanted> ports_;
  std::vector<std::optional<uint16_t>> found_;  ///< by the dataplane, while find() is under way
  bool are_found_ = false;
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
