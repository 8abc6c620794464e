// A gateway with two clients that remembers what was asked of it.
#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "control/management/daemon.h"
#include "dataplane/abi/endpoint_text.h"

namespace culvert::management {

inline Client client(uint64_t cid, const char* name, const char* remote, uint16_t port, const char* inner) {
  Client client;
  client.cid = cid;
  client.peer_id = static_cast<uint32_t>(cid + 10);
  client.common_name = name;
  client.remote.address = *abi::parse_ip(remote);
  client.remote.port = port;
  client.addresses = {*abi::parse_ip(inner)};
  client.bytes_in = 100 * (cid + 1);
  client.bytes_out = 7;
  client.connected_since = std::chrono::sys_seconds(std::chrono::seconds(1000));
  client.last_seen = std::chrono::sys_seconds(std::chrono::seconds(1060));
  client.cipher = "AES-256-GCM";
  return client;
}

class DaemonDouble final : public Daemon {
 public:
  std::string title() const override { return "culvert test"; }
  std::vector<Client> clients() const override { return all; }
  size_t kill_name(std::string_view name) override {
    return std::erase_if(all, [name](const Client& one) { return one.common_name == name; });
  }
  size_t kill_address(const abi::IpAddress& address, uint16_t port, std::optional<bool> tcp) override {
    return std::erase_if(all, [&](const Client& one) {
      bool is_tcp = one.remote.transport == abi::Transport::kTcp;
      return one.remote.address == address && one.remote.port == port && tcp.value_or(is_tcp) == is_tcp;
    });
  }
  bool kill_client(uint64_t cid, Kill how, std::string_view text) override {
    halted = how == Kill::kHalt;
    said_to_client = text;
    return std::erase_if(all, [cid](const Client& one) { return one.cid == cid; }) > 0;
  }
  Result<size_t> push_update(std::optional<uint64_t> cid, const std::string& options) override {
    pushed = (cid ? std::to_string(*cid) + ": " : "all: ") + options;
    if (options == "wrong") return Error{"names no option"};
    return cid ? (*cid == 7 ? 1u : 0u) : all.size();
  }
  std::string pushed;
  bool allow_client(uint64_t cid, uint32_t kid, std::vector<std::string> lines) override {
    config = std::move(lines);
    return cid == 7 && kid == 1;
  }
  bool deny_client(uint64_t cid, uint32_t, const std::string& reason, const std::string& client_reason) override {
    denied = reason + "/" + client_reason;
    return cid == 7;
  }
  bool delay_client(uint64_t cid, uint32_t, const std::string& extra, std::chrono::seconds timeout) override {
    denied = extra + "/" + std::to_string(timeout.count());
    return cid == 7;
  }
  void signal(Signal signal) override {
    signals.push_back(signal);
    if (on_signal) on_signal();
  }
  void log_command(const std::string& line) override { commands.push_back(line); }
  void release_hold() override { released = true; }
  int verbosity() const override { return verb; }
  void set_verbosity(int level) override { verb = level; }

  std::vector<Client> all = {client(0, "alice", "192.0.2.7", 51820, "10.8.0.2"),
                             client(1, "bob", "2001:db8::7", 51821, "fd00::3")};
  std::vector<Signal> signals;
  std::function<void()> on_signal;
  std::vector<std::string> commands;
  std::vector<std::string> config;
  std::string denied;
  std::string said_to_client;
  bool released = false;
  bool halted = false;
  int verb = 3;
};

}  // namespace culvert::management
