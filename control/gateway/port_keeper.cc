#include "control/gateway/port_keeper.h"

#include <algorithm>
#include <utility>

#include "control/io/log.h"
#include "dataplane/abi/endpoint_text.h"

namespace culvert::gateway {
namespace {

constexpr std::string_view kOpen = "open";

std::string name_of(const abi::OpenTun& tun) {
  return std::string(tun.name.data(), std::find(tun.name.data(), tun.name.data() + tun.name.size(), '\0'));
}

/// Most errors of the dataplane begin with what they are about, and need not say it twice.
std::string about(const std::string& what, const std::string& error) {
  return error.starts_with(what) ? error : what + ": " + error;
}

}  // namespace

std::string to_text(const abi::OpenPort& port) {
  return (port.local.transport == abi::Transport::kTcp ? "tcp " : "udp ") + abi::to_text(port.local);
}

PortKeeper::PortKeeper(io::LinkClient& link, std::vector<Wanted> ports, const abi::OpenTun& tun)
    : link_(link),
      ports_(std::move(ports)),
      states_(ports_.size(), "not open yet"),
      tun_(tun),
      tun_state_("not open yet") {}

void PortKeeper::step(const std::string& what, const Result<std::string>& result, std::string& state) {
  state = result ? std::string(kOpen) : result.error();
  if (!result && first_error_.empty()) first_error_ = about(what, result.error());
}

void PortKeeper::apply(std::function<void(Status)> done) {
  done_ = std::move(done);
  first_error_.clear();
  open_ = false;
  // Old ports go first: one that moves to another number must not be in its own way.
  abi::KeepPorts keep{};
  for (const Wanted& wanted : ports_) keep.ports[wanted.port.port / 64] |= uint64_t{1} << (wanted.port.port % 64);
  link_.keep_ports(keep, [this](const Result<std::string>& result) {
    std::string ignored;
    step("closing ports that the configuration no longer has", result, ignored);
  });
  link_.open_tun(tun_, [this](const Result<std::string>& result) {
    tun_name_ = result && !result->empty() ? *result : name_of(tun_);
    step("tun " + name_of(tun_), result, tun_state_);
    if (ports_.empty()) finish();
  });
  for (size_t i = 0; i < ports_.size(); ++i) {
    link_.open_port(ports_[i].port, [this, i](const Result<std::string>& result) {
      step(to_text(ports_[i].port), result, states_[i]);
      if (i + 1 == ports_.size()) finish();
    });
  }
}

void PortKeeper::finish() {
  open_ = first_error_.empty();
  auto done = std::exchange(done_, nullptr);
  if (!done) return;
  if (open_)
    done({});
  else
    done(Error{first_error_});
}

void PortKeeper::change_tun(const abi::OpenTun& tun) {
  tun_ = tun;
  if (!open_) return;
  link_.open_tun(tun_, [this](const Result<std::string>& result) {
    tun_state_ = result ? std::string(kOpen) : result.error();
    if (!result) io::log(io::LogLevel::kError, about("tun " + name_of(tun_), result.error()));
  });
}

void PortKeeper::lost() {
  open_ = false;
  for (std::string& state : states_) state = "no dataplane";
  tun_state_ = "no dataplane";
}

std::vector<admin::PortRow> PortKeeper::rows() const {
  std::vector<admin::PortRow> rows;
  for (size_t i = 0; i < ports_.size(); ++i)
    rows.push_back({.port = ports_[i].port.port,
                    .kind = ports_[i].port.local.transport == abi::Transport::kTcp ? "tcp" : "udp",
                    .address = abi::to_text(ports_[i].port.local),
                    .state = states_[i],
                    .server = ports_[i].server});
  std::string addresses;
  for (const abi::TunAddress& one : tun_.addresses) {
    if (one.address.family == abi::Family::kNone) continue;
    addresses += (addresses.empty() ? "" : " ") + abi::to_text(one.address) + "/" + std::to_string(one.prefix);
  }
  rows.push_back({.port = static_cast<uint32_t>(ports_.size()),
                  .kind = "tun",
                  .address = (tun_name_.empty() ? name_of(tun_) : tun_name_) + " " + addresses,
                  .state = tun_state_,
                  .server = ""});
  return rows;
}

std::vector<std::string> PortKeeper::listening() const {
  std::vector<std::string> list;
  for (size_t i = 0; i < ports_.size(); ++i)
    if (states_[i] == kOpen) list.push_back(to_text(ports_[i].port));
  return list;
}

std::string PortKeeper::tun() const {
  return tun_state_ == kOpen ? "tun " + rows().back().address : std::string();
}

}  // namespace culvert::gateway
