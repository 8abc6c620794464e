// One server block's management interface and status file: what its clients ask of the gateway.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/hooks/environment.h"
#include "control/management/client_auth.h"
#include "control/management/server.h"
#include "control/management/status_file.h"
#include "control/openvpn/output.h"
#include "control/openvpn/server.h"

namespace culvert::gateway {

class Gateway;

class ManagementDesk final : public management::Daemon {
 public:
  /// `gateway` outlives this.
  ManagementDesk(Gateway& gateway, size_t instance) : gateway_(gateway), instance_(instance) {}
  ~ManagementDesk() override;

  /// Opens what the configuration asks for: before the process gives up its privileges.
  Status open();
  bool held() const { return server_ && server_->board().waiting; }
  void on_log(io::LogLevel level, std::string_view text);
  void tell_fatal(const std::string& why);
  /// The last words of a control whose sessions go on with the next one: the status file as it is now, and a state as
  /// before a restart of the reference.
  void say_leaving();
  /// `text` is the detail ("SUCCESS"); `with_addresses`: our inner addresses follow.
  void set_state(std::string_view state, const std::string& text, bool with_addresses);

  /// Who asks the management program; null without management-client-auth.
  auth::Authenticator* authenticator() { return client_auth_ ? &*client_auth_ : nullptr; }
  size_t instance() const { return instance_; }
  /// All clients are told to connect again; the log says because of what.
  void restart_clients(const std::string& why);
  /// Writes the status into the log, and into the status file where there is one.
  void report();
  void client_connected(const openvpn::SessionInfo& session);
  /// A session that the program may have been asked about is called `to` from now on: its CID stays.
  void renumber(abi::SessionRef from, abi::SessionRef to);
  void client_ended(const openvpn::SessionEnded& ended);

  bool allow_client(uint64_t cid, uint32_t kid, std::vector<std::string> config) override;
  bool deny_client(uint64_t cid, uint32_t kid, const std::string& reason, const std::string& client_reason) override;
  bool delay_client(uint64_t cid, uint32_t kid, const std::string& extra, std::chrono::seconds timeout) override;
  std::string title() const override;
  std::vector<management::Client> clients() const override;
  size_t kill_name(std::string_view common_name) override;
  size_t kill_address(const abi::IpAddress& address, uint16_t port, std::optional<bool> tcp) override;
  bool kill_client(uint64_t cid, management::Kill how, std::string_view text) override;
  Result<size_t> push_update(std::optional<uint64_t> cid, const std::string& options) override;
  void signal(management::Signal signal) override;
  void log_command(const std::string& line) override;
  void release_hold() override;
  int verbosity() const override;
  void set_verbosity(int level) override;

 private:
  Status open_management();
  void write_status();
  size_t end(const std::vector<abi::SessionRef>& sessions, management::Kill how, const std::string& why,
             std::string_view for_client = {});
  template <class Wanted>
  std::vector<abi::SessionRef> sessions_that(Wanted wanted) const;

  uint64_t cid_of(abi::SessionRef session) const;
  management::Environment asking(const auth::AuthRequest& request);
  management::Environment with_count(const hooks::Environment& environment) const;

  Gateway& gateway_;
  size_t instance_;
  std::unique_ptr<management::Server> server_;
  std::optional<management::ClientAuth> client_auth_;
  /// Of the clients that were announced, for their DISCONNECT.
  std::map<abi::SessionRef, hooks::Environment> environments_;
  std::optional<size_t> connected_;                   ///< clients now; counted once, then kept
  mutable std::map<abi::SessionRef, uint64_t> cids_;  ///< given when first asked for
  mutable uint64_t next_cid_ = 0;
  std::optional<management::StatusFile> status_file_;
  bool status_failed_ = false;
  io::EventLoop::TimerId status_timer_ = 0;
  std::optional<int> verbosity_;
};

}  // namespace culvert::gateway
