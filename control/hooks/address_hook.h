// learn-address: a script hears of every address and network that begins or ends to belong to a client, and may refuse
// it (script-options.rst). As in the reference, a client's addresses are told one after the other, and an address that
// another client takes over shortly after its owner has gone is an "update" and no "delete" (multi.c, multi_learn_addr
// and the reaper).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>

#include "control/hooks/environment.h"
#include "control/hooks/runner.h"
#include "dataplane/abi/command.h"

namespace culvert::hooks {

class AddressHook {
 public:
  /// The addresses that the script has refused.
  using Done = std::function<void(const std::vector<std::string>& refused)>;

  /// `environment` is the server's. Loop and runner outlive it.
  AddressHook(io::EventLoop& loop, Runner& runner, std::vector<std::string> program, Environment environment)
      : loop_(loop), runner_(runner), program_(std::move(program)), environment_(std::move(environment)) {}
  ~AddressHook();
  AddressHook(const AddressHook&) = delete;

  /// Has the script judge `addresses` ("10.8.0.2", "10.1.0.0/24") one after the other, in the client's environment.
  /// `done` is called from the loop, unless forget() comes first.
  void learn(abi::SessionRef session, const std::string& name, const Environment& environment,
             std::vector<std::string> addresses, Done done);
  /// The addresses belong to the session already: a script has said so to the control process before.
  void adopt(abi::SessionRef session, const std::vector<std::string>& addresses);
  /// The session has ended. "delete" follows a little later, unless another client takes the address.
  void forget(abi::SessionRef session);
  /// From now on "delete" comes at once.
  void hurry();

 private:
  struct Entry {
    std::optional<abi::SessionRef> owner;
    bool told = false;       ///< a script has said yes to "add"
    unsigned in_flight = 0;  ///< "add" and "update" that have not ended
    io::EventLoop::TimerId timer = 0;
  };
  struct Learning {
    abi::SessionRef session;
    std::string name;
    Environment environment;
    std::vector<std::string> addresses;
    Done done;
    size_t at = 0;
    std::vector<std::string> refused{};
  };

  void step(const std::shared_ptr<Learning>& learning);
  void judged(const std::shared_ptr<Learning>& learning, const std::string& address, const Outcome& outcome);
  Runner::JobId run(const char* operation, const std::string& address, const std::string* name, Environment environment,
                    Runner::Done done);
  void give(const std::string& address, std::optional<abi::SessionRef> owner);
  /// Nobody owns it any more.
  void release(const std::string& address);
  void remove(const std::string& address);

  io::EventLoop& loop_;
  Runner& runner_;
  std::vector<std::string> program_;
  Environment environment_;
  bool hurry_ = false;
  std::map<std::string, Entry> entries_;
  std::map<abi::SessionRef, std::set<std::string>> owned_;  ///< the addresses of entries_ by owner
  std::map<abi::SessionRef, std::shared_ptr<Learning>> learning_;
  io::LogBudget budget_{20};
};

}  // namespace culvert::hooks
