#include "control/policy/client_settings.h"

#include <algorithm>

#include "control/config/arguments.h"
#include "control/config/bit_rate.h"
#include "control/config/statement.h"
#include "control/hooks/environment.h"
#include "dataplane/abi/endpoint_text.h"

namespace culvert::policy {
namespace {

constexpr size_t kMaxFile = 256 * 1024;
constexpr size_t kMaxLines = 4096;
constexpr size_t kMaxFindings = 20;
constexpr int kMaxDepth = 4;
constexpr std::string_view kHere =
    "can't stand here: push, push-reset, push-remove, ifconfig-push, ifconfig-ipv6-push, iroute, iroute-ipv6, disable, "
    "inactive, session-timeout, limit-in, limit-out and config can";

using Words = std::vector<std::string>;

struct Applying {
  ClientSettings& settings;
  const config::ServerConfig& server;
  config::FileLoader& loader;
  size_t lines = 0;
};

/// The network of `prefix` bits, without bits behind it.
abi::InnerPrefix make_route(abi::IpAddress address, uint8_t prefix) {
  size_t size = address.family == abi::Family::kIpv4 ? 4 : 16;
  for (size_t i = 0; i < size; ++i) {
    int bits = std::clamp<int>(prefix - static_cast<int>(8 * i), 0, 8);
    address.bytes[i] &= static_cast<uint8_t>(0xFF << (8 - bits));
  }
  return {.address = address, .length = prefix};
}

std::string add_route(Applying& to, abi::IpAddress address, uint8_t prefix) {
  if (prefix == 0) return "the whole Internet can't lie behind a client";
  auto& routes = to.settings.routes;
  uint32_t most = to.server.access.max_routes_per_client;
  if (routes.size() >= most) return "more than " + std::to_string(most) + " networks (max-routes-per-client)";
  routes.push_back(make_route(address, prefix));
  return "";
}

std::string read_iroute(Applying& to, const Words& words) {
  auto address = words.size() >= 2 ? config::parse_ip4(words[1]) : std::nullopt;
  auto prefix = words.size() == 3 ? config::parse_mask(words[2]) : std::optional<uint8_t>(32);
  if (!address || !prefix || words.size() > 3) return "takes an IPv4 network and its netmask";
  return add_route(to, abi::ipv4(*address), *prefix);
}

/// An address alone is one of a /64 (options.c, get_ipv6_addr).
std::optional<config::Prefix6> read_prefix6(const std::string& word) {
  return config::parse_prefix6(word.find('/') == std::string::npos ? word + "/64" : word);
}

std::string read_iroute6(Applying& to, const Words& words) {
  auto prefix = words.size() == 2 ? read_prefix6(words[1]) : std::nullopt;
  if (!prefix) return "takes an IPv6 network such as fd00:1::/64";
  return add_route(to, abi::ipv6(prefix->address), prefix->length);
}

std::string read_ifconfig_push(Applying& to, const Words& words) {
  bool network = to.server.topology == openvpn::Topology::kSubnet;
  bool counted = words.size() == 3 || words.size() == 4;
  auto address = counted ? config::parse_ip4(words[1]) : std::nullopt;
  auto prefix = counted && network ? config::parse_mask(words[2]) : std::optional<uint8_t>(32);
  auto peer = counted && !network ? config::parse_ip4(words[2]) : std::optional<config::Ip4>(config::Ip4{});
  auto alias = words.size() == 4 ? config::parse_ip4(words[3]) : std::optional<config::Ip4>(config::Ip4{});
  if (!address || !prefix || !peer || !alias) {
    return "takes an IPv4 address and " +
           std::string(network ? "a netmask (topology subnet)"
                               : "that of the other end (topology " +
                                     std::string(openvpn::topology_name(to.server.topology)) + ")") +
           ", and perhaps the address that the client is told instead" +
           (network && address && words.size() == 3 && config::parse_ip4(words[2])
                ? "; for the tunnel's other end the server.conf needs topology net30"
                : "");
  }
  if (to.server.pool4 && *address == to.server.pool4->gateway) return "is the gateway's own address";
  const std::optional<config::Network4>& allowed = to.server.access.ifconfig_push_constraint;
  if (allowed && (config::to_u32(*address) & config::mask_of(allowed->prefix)) != config::to_u32(allowed->network))
    return "lies outside ifconfig-push-constraint";
  to.settings.ip4 = {*address, *prefix, *peer, *alias};
  return "";
}

std::string read_ifconfig_ipv6_push(Applying& to, const Words& words) {
  auto address = words.size() >= 2 && words.size() <= 3 ? read_prefix6(words[1]) : std::nullopt;
  auto gateway = words.size() == 3 ? config::parse_prefix6(words[2] + "/128") : std::nullopt;
  if (!address || (words.size() == 3 && !gateway)) return "takes ADDRESS/LENGTH and perhaps the gateway's address";
  if (to.server.pool6 && address->address == to.server.pool6->gateway) return "is the gateway's own address";
  to.settings.ip6 = {address->address, address->length, std::nullopt};
  if (gateway) to.settings.ip6->gateway = gateway->address;
  to.settings.no_ip6 = false;
  return "";
}

std::string read_push(Applying& to, const Words& words) {
  if (words.size() != 2 || words[1].empty()) return "takes one option in double quotes";
  bool clean = std::ranges::none_of(
      words[1], [](char c) { return c == ',' || static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
  if (!clean) return "holds a comma or a control character";
  to.settings.push.push_back(words[1]);
  return "";
}

std::string read_push_remove(Applying& to, const Words& words) {
  if (words.size() != 2 || words[1].empty()) return "takes the beginning of an option";
  // The reference compares beginnings as well (push.c, push_remove_option).
  std::erase_if(to.settings.push, [&](const std::string& option) { return option.starts_with(words[1]); });
  if (words[1] == "ifconfig-ipv6") to.settings.no_ip6 = true;
  return "";
}

std::string read_session_timeout(Applying& to, const Words& words) {
  auto seconds = words.size() == 2 ? config::to_number(words[1]) : std::nullopt;
  if (!seconds) return "takes a number of seconds";
  to.settings.limits.session_timeout = std::chrono::seconds(*seconds);
  return "";
}

std::string read_inactive(Applying& to, const Words& words) {
  auto seconds = words.size() == 2 || words.size() == 3 ? config::to_number(words[1]) : std::nullopt;
  auto bytes = words.size() == 3 ? config::to_number(words[2]) : std::optional<uint32_t>(0);
  if (!seconds || !bytes) return "takes a number of seconds, and perhaps one of bytes";
  to.settings.limits.inactive = std::chrono::seconds(*seconds);
  to.settings.limits.inactive_bytes = *bytes;
  return "";
}

std::string read_limit(const Words& words, uint64_t& limit) {
  if (words.size() != 2) return "takes bits per second, such as 20M, or none";
  auto bits = config::parse_bit_rate(words[1]);
  if (!bits) return bits.error();
  limit = *bits;
  return "";
}

void apply_text(Applying& to, std::string_view text, const std::string& source, int depth);

std::string include(Applying& to, const Words& words, int depth) {
  if (words.size() != 2 || words[1].empty()) return "takes one argument, the file to include";
  if (depth >= kMaxDepth) return "files include each other more than " + std::to_string(kMaxDepth) + " deep";
  std::string path = config::join_path(config::folder_of(to.server.file), words[1]);
  auto file = to.loader.load(path, kMaxFile);
  if (!file) return path + ": " + file.error();
  apply_text(to, file->bytes, path, depth + 1);
  return "";
}

std::string apply_line(Applying& to, const Words& words, int depth) {
  const std::string& name = words[0];
  if (name == "push") return read_push(to, words);
  if (name == "push-remove") return read_push_remove(to, words);
  if (name == "ifconfig-push") return read_ifconfig_push(to, words);
  if (name == "ifconfig-ipv6-push") return read_ifconfig_ipv6_push(to, words);
  if (name == "iroute") return read_iroute(to, words);
  if (name == "iroute-ipv6") return read_iroute6(to, words);
  if (name == "inactive") return read_inactive(to, words);
  if (name == "session-timeout") return read_session_timeout(to, words);
  if (name == "limit-in") return read_limit(words, to.settings.limits.rate.from_client);
  if (name == "limit-out") return read_limit(words, to.settings.limits.rate.to_client);
  if (name == "config") return include(to, words, depth);
  if (name == "push-reset" || name == "disable") {
    if (words.size() != 1) return "takes no argument";
    if (name == "disable") to.settings.disabled = true;
    if (name == "push-reset") to.settings.push.clear();
    return "";
  }
  return std::string(kHere);
}

void apply_text(Applying& to, std::string_view text, const std::string& source, int depth) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  uint32_t number = 0;
  auto finding = [&](const std::string& what) {
    if (to.settings.findings.size() < kMaxFindings) to.settings.findings.push_back({source, number, what});
  };
  while (!text.empty()) {
    ++number;
    if (++to.lines > kMaxLines)
      return finding("more than " + std::to_string(kMaxLines) + " lines: the rest is left out");
    size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    auto words = config::split_line(line);
    if (!words) {
      finding(words.error());
      continue;
    }
    if (words->empty()) continue;
    if (words->front().starts_with("--")) words->front().erase(0, 2);
    if (words->front().empty()) continue;
    std::string wrong = apply_line(to, *words, depth);
    if (!wrong.empty()) finding(words->front() + ": " + wrong);
  }
}

}  // namespace

std::string to_text(const Finding& finding) {
  const std::string line = finding.line > 0 ? ":" + std::to_string(finding.line) : "";
  return finding.file + line + ": " + finding.text;
}

ClientSettings settings_for_all(const config::ServerConfig& server) {
  ClientSettings settings;
  settings.push = server.push;
  settings.limits = server.limits;
  return settings;
}

void apply_lines(ClientSettings& settings, std::string_view text, const std::string& source,
                 const config::ServerConfig& server, config::FileLoader& loader) {
  Applying to{settings, server, loader};
  apply_text(to, text, source, 0);
}

void apply_client_config_dir(ClientSettings& settings, const std::string& name, const config::ServerConfig& server,
                             config::FileLoader& loader) {
  const std::string& folder = server.access.client_config_dir;
  if (folder.empty()) return;
  std::string tame = hooks::tame_file_name(name);
  if (!tame.empty()) {
    auto file = loader.load(folder + "/" + tame, kMaxFile);
    if (file) {
      settings.found_own_file = true;
      return apply_lines(settings, file->bytes, folder + "/" + tame, server, loader);
    }
    // It may say that the client is to stay out.
    if (file.error() == config::kNotReadable) settings.findings.push_back({folder + "/" + tame, 0, file.error()});
  }
  if (auto file = loader.load(folder + "/DEFAULT", kMaxFile))
    apply_lines(settings, file->bytes, folder + "/DEFAULT", server, loader);
}

}  // namespace culvert::policy
