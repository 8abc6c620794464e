#include "control/openvpn/push_update.h"

#include <algorithm>
#include <array>
#include <set>

#include "control/openvpn/control_message.h"
#include "control/openvpn/push.h"

namespace culvert::openvpn {
namespace {

/// What a stock client changes while connected (management-notes.txt), without what gives it another address: the
/// gateway's pools would not follow.
constexpr std::array kChangeable = std::to_array<std::string_view>(
    {"block-ipv6", "block-outside-dns", "dhcp-option", "dns", "redirect-gateway", "redirect-private", "route",
     "route-gateway", "route-ipv6", "route-metric", "tun-mtu"});
constexpr std::array kAddresses = std::to_array<std::string_view>({"ifconfig", "ifconfig-ipv6", "topology"});

constexpr size_t kMostChanges = 2048;

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

std::string quoted(std::string_view text) {
  return "\"" + printable(text, 80) + "\"";
}

Result<PushChange> parse_change(std::string_view item) {
  PushChange change;
  std::string_view rest = item;
  if (rest.starts_with("?-")) return Error{quoted(item) + ": write -? instead of ?-"};
  if (rest.starts_with('-')) {
    change.remove = true;
    rest.remove_prefix(1);
  }
  if (rest.starts_with('?')) {
    change.optional = true;
    rest.remove_prefix(1);
  }
  std::string_view name = keyword(rest);
  if (name.empty()) return Error{quoted(item) + " names no option"};
  if (change.remove && name != rest) return Error{quoted(item) + ": -" + printable(name, 80) + " takes no arguments"};
  if (std::ranges::find(kAddresses, name) != kAddresses.end())
    return Error{std::string(name) +
                 " can't be changed while connected: set it for the client (ifconfig-push) and let "
                 "it connect again, `culvert session kill --restart`"};
  if (std::ranges::find(kChangeable, name) == kChangeable.end()) {
    std::string names;
    for (std::string_view one : kChangeable) names.append(names.empty() ? "" : ", ").append(one);
    return Error{quoted(name) + " can't be changed while connected; these can: " + names};
  }
  bool clean = std::ranges::none_of(rest, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
  if (!clean) return Error{quoted(item) + " holds a control character"};
  change.option = rest;
  return change;
}

}  // namespace

Result<std::vector<PushChange>> parse_push_update(std::string_view text) {
  std::vector<PushChange> changes;
  while (!text.empty()) {
    size_t end = std::min(text.find(','), text.size());
    std::string_view item = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (item.empty()) continue;
    auto change = parse_change(item);
    if (!change) return Error{change.error()};
    if (changes.size() == kMostChanges) return Error{"more than " + std::to_string(kMostChanges) + " options"};
    changes.push_back(std::move(*change));
  }
  if (changes.empty()) return Error{"names no option"};
  return changes;
}

std::string to_text(const PushChange& change) {
  return std::string(change.remove ? "-" : "") + (change.optional ? "?" : "") + change.option;
}

void apply_push_update(std::vector<std::string>& options, const std::vector<PushChange>& changes) {
  std::set<std::string, std::less<>> names;
  for (const PushChange& change : changes) names.emplace(keyword(change.option));
  std::erase_if(options, [&](const std::string& option) { return names.contains(keyword(option)); });
  for (const PushChange& change : changes) {
    if (change.remove) {
      std::erase_if(options, [&](const std::string& option) { return keyword(option) == change.option; });
    } else {
      options.push_back(change.option);
    }
  }
}

}  // namespace culvert::openvpn
