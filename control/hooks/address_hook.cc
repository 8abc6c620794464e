#include "control/hooks/address_hook.h"

#include <algorithm>

#include "control/io/clock.h"

namespace culvert::hooks {
namespace {

constexpr auto kTakenOverWithin = std::chrono::seconds(1);

}  // namespace

AddressHook::~AddressHook() {
  for (auto& [address, entry] : entries_) loop_.cancel(entry.timer);
}

void AddressHook::learn(abi::SessionRef session, const std::string& name, const Environment& environment,
                        std::vector<std::string> addresses, Done done) {
  auto learning = std::make_shared<Learning>(Learning{session, name.empty() ? "UNDEF" : tame_argument(name),
                                                      environment, std::move(addresses), std::move(done)});
  learning_[session] = learning;
  step(learning);
}

Runner::JobId AddressHook::run(const char* operation, const std::string& address, const std::string* name,
                               Environment environment, Runner::Done done) {
  environment.set("script_type", "learn-address");
  Command command = command_of(program_, environment, std::string("learn-address ") + operation + " " + address,
                               "learn-address " + address);  // what is said of one address stays in order
  command.argv.insert(command.argv.end(), {operation, address});
  if (name) command.argv.push_back(*name);
  return runner_.run(std::move(command), std::move(done));
}

void AddressHook::step(const std::shared_ptr<Learning>& learning) {
  while (learning->at < learning->addresses.size()) {
    const std::string& address = learning->addresses[learning->at];
    Entry& entry = entries_[address];
    if (entry.owner == learning->session) {
      ++learning->at;
      continue;
    }
    const char* operation = entry.told || entry.in_flight > 0 ? "update" : "add";
    loop_.cancel(entry.timer);
    entry.timer = 0;
    give(address, learning->session);
    ++entry.in_flight;
    auto job = run(operation, address, &learning->name, learning->environment,
                   [this, learning, address](const Outcome& outcome) { judged(learning, address, outcome); });
    if (job != 0) return;
    // As if the script had refused, but from the loop like every answer.
    loop_.at(io::mono_now(), [this, learning, address] {
      judged(learning, address, {Ending::kNotStarted, -1, "too many scripts wait already ([control] hook_processes)"});
    });
    return;
  }
  auto found = learning_.find(learning->session);
  if (found == learning_.end() || found->second != learning) return;
  learning_.erase(found);
  learning->done(learning->refused);
}

void AddressHook::judged(const std::shared_ptr<Learning>& learning, const std::string& address,
                         const Outcome& outcome) {
  Entry& entry = entries_[address];
  --entry.in_flight;
  if (outcome.ok()) {
    entry.told = true;
  } else {
    learning->refused.push_back(address);
    io::log_within(budget_, io::mono_now(), io::LogLevel::kWarning,
                   "learn-address refused " + address + " of " + learning->name + ": " + outcome.text);
    if (entry.owner == learning->session) give(address, std::nullopt);
  }
  if (!entry.owner) release(address);
  auto found = learning_.find(learning->session);
  if (found == learning_.end() || found->second != learning) return;  // forgotten
  ++learning->at;
  step(learning);
}

void AddressHook::adopt(abi::SessionRef session, const std::vector<std::string>& addresses) {
  for (const std::string& address : addresses) {
    give(address, session);
    entries_[address].told = true;
  }
}

void AddressHook::forget(abi::SessionRef session) {
  learning_.erase(session);
  auto found = owned_.find(session);
  if (found == owned_.end()) return;
  for (const std::string& address : std::set<std::string>(found->second)) {
    give(address, std::nullopt);
    release(address);
  }
}

void AddressHook::give(const std::string& address, std::optional<abi::SessionRef> owner) {
  Entry& entry = entries_[address];
  if (auto found = entry.owner ? owned_.find(*entry.owner) : owned_.end(); found != owned_.end()) {
    found->second.erase(address);
    if (found->second.empty()) owned_.erase(found);
  }
  entry.owner = owner;
  if (owner) owned_[*owner].insert(address);
}

void AddressHook::release(const std::string& address) {
  Entry& entry = entries_.at(address);
  if (entry.in_flight > 0) return;  // its end comes here again
  if (!entry.told) {
    entries_.erase(address);
  } else if (hurry_) {
    remove(address);
  } else if (entry.timer == 0) {
    entry.timer = loop_.at(io::mono_now() + kTakenOverWithin, [this, address] { remove(address); });
  }
}

void AddressHook::remove(const std::string& address) {
  loop_.cancel(entries_.at(address).timer);
  entries_.erase(address);
  auto job = run("delete", address, nullptr, environment_, [this, address](const Outcome& outcome) {
    if (!outcome.ok())
      io::log_within(budget_, io::mono_now(), io::LogLevel::kWarning,
                     "learn-address delete " + address + ": " + outcome.text);
  });
  if (job == 0)
    io::log_within(budget_, io::mono_now(), io::LogLevel::kError,
                   "learn-address delete " + address + ": not run, too many scripts wait already");
}

void AddressHook::hurry() {
  hurry_ = true;
  std::vector<std::string> waiting;
  for (auto& [address, entry] : entries_)
    if (entry.timer != 0) waiting.push_back(address);
  for (const std::string& address : waiting) remove(address);
}

}  // namespace culvert::hooks
