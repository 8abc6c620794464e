#include "control/gateway/port_keeper.h"

#include <algorithm>
#include <charconv>
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

/// The number in the reply to a question for a port; nothing: it is not open, or this dataplane is older than the
/// question.
std::optional<uint16_t> number_in(const Result<std::string>& reply) {
  if (!reply) return std::nullopt;
  uint16_t number = 0;
  const char* end = reply->data() + reply->size();
  auto [rest, error] = std::from_chars(reply->data(), end, number);
  if (error != std::errc() || rest != end || number >= abi::kMaxPorts) return std::nullopt;
  return number;
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

void PortKeeper::find(const Numbers& known, std::function<void()> done) {
  found_.assign(ports_.size(), std::nullopt);
  if (ports_.empty()) {
    are_found_ = true;
    return done();
  }
  auto take = [this, known, done = std::move(done)](size_t i, const Result<std::string>& result) {
    if (!link_.attached()) return;
    found_[i] = number_in(result);
    if (i + 1 < ports_.size()) return;
    number_ports(known);
    done();
  };
  for (size_t i = 0; i < ports_.size(); ++i) {
    abi::OpenPort question = ports_[i].port;
    question.port = abi::kFindPort;
    link_.open_port(question, [take, i](const Result<std::string>& result) { take(i, result); });
  }
}

void PortKeeper::number_ports(const Numbers& known) {
  Numbers given;
  for (size_t i = 0; i < ports_.size(); ++i) {
    if (found_[i] && given[*found_[i]]) found_[i].reset();
    if (!found_[i]) continue;
    given.set(*found_[i]);
    ports_[i].port.port = *found_[i];
  }
  auto next = [&given](const Numbers& besides) {
    uint16_t number = 0;
    while (number < abi::kMaxPorts && (given[number] || besides[number])) ++number;
    return number;
  };
  for (size_t i = 0; i < ports_.size(); ++i) {
    if (found_[i]) continue;
    uint16_t number = next(known);
    if (number == abi::kMaxPorts) number = next({});  // the configuration has no more than there are numbers
    given.set(number);
    ports_[i].port.port = number;
  }
  are_found_ = true;
}

std::optional<size_t> PortKeeper::instance_of(uint16_t number) const {
  auto found = std::ranges::find(ports_, number, [](const Wanted& wanted) { return wanted.port.port; });
  if (!are_found_ || found == ports_.end()) return std::nullopt;
  return found->instance;
}

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

std::vector<admin::PortRow> PortKeeper::rows(const UdpLosses& losses) const {
  std::vector<admin::PortRow> rows;
  for (size_t i = 0; i < ports_.size(); ++i) {
    const abi::Endpoint& local = ports_[i].port.local;
    const bool is_udp = local.transport == abi::Transport::kUdp;
    rows.push_back({.port = ports_[i].port.port,
                    .kind = is_udp ? "udp" : "tcp",
                    .address = abi::to_text(local),
                    .state = states_[i],
                    .server = ports_[i].server,
                    .rx_missed = is_udp && states_[i] == kOpen ? std::optional(losses.of(local)) : std::nullopt});
  }
  std::string addresses;
  for (const abi::TunAddress& one : tun_.addresses) {
    if (one.address.family == abi::Family::kNone) continue;
    addresses += (addresses.empty() ? "" : " ") + abi::to_text(one.address) + "/" + std::to_string(one.prefix);
  }
  uint32_t behind = 0;  // the TUN is no port of the link, and has the number behind them
  for (const Wanted& wanted : ports_) behind = std::max(behind, wanted.port.port + 1u);
  rows.push_back({.port = behind,
                  .kind = "tun",
                  .address = (tun_name_.empty() ? name_of(tun_) : tun_name_) + " " + addresses,
                  .state = tun_state_,
                  .server = "",
                  .rx_missed = std::nullopt});
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
