// What the management interface needs of the gateway. Implemented in control/gateway; tests have one of their own.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/abi/command.h"
#include "dataplane/abi/endpoint.h"
#include "dataplane/abi/result.h"

namespace culvert::management {

/// A connected client, as `status` lists it.
struct Client {
  uint64_t cid = 0;  ///< client ID: counts up from 0, never given twice by one process
  uint32_t peer_id = 0;
  std::string common_name;
  std::string username;  ///< empty: none
  abi::Endpoint remote;
  std::vector<abi::IpAddress> addresses;   ///< inner ones: IPv4 first, then IPv6
  std::vector<abi::InnerPrefix> networks;  ///< behind the client: iroute, iroute-ipv6
  uint64_t bytes_in = 0;                   ///< from the client
  uint64_t bytes_out = 0;
  std::chrono::sys_seconds connected_since{};
  std::chrono::sys_seconds last_seen{};  ///< last packet
  std::string cipher;                    ///< "AES-256-GCM"
};

enum class Signal : uint8_t {
  kHangup,     ///< SIGHUP: read the configuration again
  kTerminate,  ///< SIGTERM, SIGINT: end the gateway
  kRestart,    ///< SIGUSR1: all clients connect again
  kReport,     ///< SIGUSR2: write the status to the log
};

enum class Kill : uint8_t { kRestart, kHalt };

class Daemon {
 public:
  virtual ~Daemon() = default;
  /// "culvert 0.1.0 …": TITLE of `status`, and the answer to `version`.
  virtual std::string title() const = 0;
  virtual std::vector<Client> clients() const = 0;
  /// Ends the sessions of this name, or from this address; how many there were. `tcp` unset: any transport.
  virtual size_t kill_name(std::string_view common_name) = 0;
  virtual size_t kill_address(const abi::IpAddress& address, uint16_t port, std::optional<bool> tcp) = 0;
  /// `text`: for the client. False: no client with this ID.
  virtual bool kill_client(uint64_t cid, Kill how, std::string_view text) = 0;
  /// Answers to a client that waits to be let in. False: none with these IDs does. The base class has none.
  virtual bool allow_client(uint64_t, uint32_t, std::vector<std::string>) { return false; }
  virtual bool deny_client(uint64_t, uint32_t, const std::string&, const std::string&) { return false; }
  virtual bool delay_client(uint64_t, uint32_t, const std::string&, std::chrono::seconds) { return false; }
  /// PUSH_UPDATE to one client, or with no ID to all; how many were told. The base class tells nobody.
  virtual Result<size_t> push_update(std::optional<uint64_t>, const std::string&) { return size_t{0}; }
  virtual void signal(Signal signal) = 0;
  /// A line that a program sent, for the log; printable, and without a password.
  virtual void log_command(const std::string& line) = 0;
  /// `hold release`: the gateway may open its ports.
  virtual void release_hold() = 0;
  /// OpenVPN's scale, 0 to 11.
  virtual int verbosity() const = 0;
  virtual void set_verbosity(int level) = 0;
};

}  // namespace culvert::management
