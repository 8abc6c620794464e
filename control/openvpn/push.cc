#include "control/openvpn/push.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "control/openvpn/compression.h"
#include "dataplane/abi/endpoint_text.h"

namespace culvert::openvpn {
namespace {

constexpr std::string_view kHead = "PUSH_REPLY";
constexpr std::string_view kMoreFollows = ",push-continuation 2";
constexpr std::string_view kLast = ",push-continuation 1";
constexpr std::string_view kUpdateHead = "PUSH_UPDATE";

constexpr size_t room(std::string_view head) {
  return kPushBundle - 1 - head.size() - kMoreFollows.size();
}

bool names(const std::vector<std::string>& options, std::string_view word) {
  return std::ranges::any_of(options, [&](const std::string& option) { return keyword(option) == word; });
}

std::string netmask(uint8_t prefix) {
  uint32_t bits = prefix == 0 ? 0 : ~uint32_t{0} << (32 - std::min<uint8_t>(prefix, 32));
  std::array<uint8_t, 4> bytes;
  for (int i = 0; i < 4; ++i) bytes[static_cast<size_t>(i)] = static_cast<uint8_t>(bits >> (24 - 8 * i));
  abi::IpAddress address;
  address.family = abi::Family::kIpv4;
  std::copy(bytes.begin(), bytes.end(), address.bytes.begin());
  return abi::to_text(address);
}

std::string ifconfig(const ClientGrant& grant) {
  bool aliased = grant.ip4_alias != std::array<uint8_t, 4>{};
  std::string local = abi::to_text(abi::ipv4(aliased ? grant.ip4_alias : grant.ip4));
  bool network = grant.topology == Topology::kSubnet;
  return "ifconfig " + local + " " + (network ? netmask(grant.ip4_prefix) : abi::to_text(abi::ipv4(grant.ip4_peer)));
}

std::string protocol_flags(const Agreement& agreement) {
  std::string flags;
  if (agreement.cc_exit) {
    flags += " cc-exit";
    if (agreement.tls_key_export) flags += " tls-ekm";
  }
  if (agreement.dynamic_tls_crypt) flags += " dyn-tls-crypt";
  if (agreement.epoch_keys) flags += " aead-epoch";
  return flags;
}

std::vector<std::string_view> words(std::string_view option) {
  std::vector<std::string_view> out;
  while (!option.empty()) {
    size_t end = std::min(option.find(' '), option.size());
    if (end) out.push_back(option.substr(0, end));
    option.remove_prefix(std::min(end + 1, option.size()));
  }
  return out;
}

std::optional<uint32_t> number_up_to(std::string_view text, uint32_t max) {
  uint32_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > max) return std::nullopt;
  return value;
}

Error bad(std::string_view option) {
  return Error{"server pushed an option that makes no sense: \"" + printable(option, 120) + "\""};
}

/// One option; an error when it is one of ours and wrong.
Status read_option(std::string_view option, const ClientSettings& settings, PushedSettings& out) {
  std::vector<std::string_view> word = words(option);
  if (word.empty()) return {};
  auto argument = [&](size_t i) { return i < word.size() ? word[i] : std::string_view(); };
  auto take = [&](std::optional<uint32_t>& field, uint32_t max) -> Status {
    field = number_up_to(argument(1), max);
    if (!field) return bad(option);
    return {};
  };
  if (word[0] == "ifconfig") {
    if (inet_pton(AF_INET, std::string(argument(1)).c_str(), out.ip4.data()) != 1) return bad(option);
  } else if (word[0] == "ifconfig-ipv6") {
    std::string address(argument(1).substr(0, argument(1).find('/')));
    if (inet_pton(AF_INET6, address.c_str(), out.ip6.data()) != 1) return bad(option);
  } else if (word[0] == "peer-id") {
    return take(out.peer_id, abi::kNoPeerId - 1);
  } else if (word[0] == "ping") {
    return take(out.ping, UINT16_MAX);
  } else if (word[0] == "ping-restart") {
    return take(out.ping_restart, UINT16_MAX);
  } else if (word[0] == "tun-mtu") {
    if (auto status = take(out.tun_mtu, 65535); !status) return status;
    if (*out.tun_mtu < 68) return bad(option);
  } else if (word[0] == "cipher") {
    out.cipher = parse_cipher(argument(1));
    if (!out.cipher || std::ranges::find(settings.data_ciphers, *out.cipher) == settings.data_ciphers.end())
      return Error{"server chose a data cipher that is not in data-ciphers: " + printable(argument(1), 64)};
  } else if (word[0] == "compress" || word[0] == "comp-lzo") {
    out.framing = framing_of_push(option);
    if (!out.framing) return Error{"server pushed compression, which is not supported: " + printable(option, 64)};
  } else if (word[0] == "key-derivation") {
    if (argument(1) != "tls-ekm") return bad(option);
    out.tls_key_export = true;
  } else if (word[0] == "protocol-flags") {
    for (size_t i = 1; i < word.size(); ++i) {
      if (word[i] == "cc-exit")
        out.cc_exit = true;
      else if (word[i] == "tls-ekm")
        out.tls_key_export = true;
      else if (word[i] == "dyn-tls-crypt")
        out.dynamic_tls_crypt = true;
      else if (word[i] == "aead-epoch" && (settings.capabilities & iv_proto::kEpochKeys) != 0)
        out.epoch_keys = true;
      else
        return Error{"server pushed a protocol-flag that this client did not offer: " + printable(word[i], 64)};
    }
  }
  return {};
}

}  // namespace

size_t longest_push_option() {
  return room(kHead) - 1;
}

std::vector<std::string> push_options(const ServerSettings& settings, const ClientGrant& grant,
                                      const Agreement& agreement, uint32_t peer_id) {
  std::vector<std::string> options = grant.push;
  auto generate = [&](std::string_view word, const std::string& value) {
    if (!names(grant.push, word)) options.push_back(std::string(word) + (value.empty() ? "" : " " + value));
  };
  bool has4 = grant.ip4 != std::array<uint8_t, 4>{};
  bool has6 = grant.ip6 != std::array<uint8_t, 16>{};
  if (has6) generate("tun-ipv6", "");  // clients up to 2.3 need it, later ones skip it
  if (has4) {
    generate("topology", std::string(topology_name(grant.topology)));
    if (grant.topology == Topology::kSubnet && grant.ip4_gateway != std::array<uint8_t, 4>{})
      generate("route-gateway", abi::to_text(abi::ipv4(grant.ip4_gateway)));
  }
  if (has6) {
    std::string gateway = abi::to_text(abi::ipv6(grant.ip6_gateway));
    options.push_back("ifconfig-ipv6 " + abi::to_text(abi::ipv6(grant.ip6)) + "/" + std::to_string(grant.ip6_prefix) +
                      " " + (gateway == "-" ? "::" : gateway));
  }
  if (has4) options.push_back(ifconfig(grant));
  if (agreement.format == abi::DataFormat::kV2 && !agreement.remote_peer_id)
    options.push_back("peer-id " + std::to_string(peer_id));
  if (agreement.push_cipher) options.push_back("cipher " + std::string(cipher_name(agreement.cipher)));
  if (agreement.tls_key_export && !agreement.cc_exit) options.push_back("key-derivation tls-ekm");
  if (std::string flags = protocol_flags(agreement); !flags.empty()) options.push_back("protocol-flags" + flags);
  if (!agreement.push_compression.empty()) options.push_back(agreement.push_compression);
  if (agreement.push_mtu) options.push_back("tun-mtu " + std::to_string(settings.tun_mtu));
  return options;
}

std::vector<std::string> split_push_reply(const std::vector<std::string>& options, std::vector<std::string>* left_out,
                                          MessageKind head) {
  const size_t most = room(head == MessageKind::kPushUpdate ? kUpdateHead : kHead);
  std::vector<std::string> messages(1);
  for (const std::string& option : options) {
    bool clean = !option.empty() && std::ranges::none_of(option, [](char c) {
      return static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == ',';
    });
    if (!clean || option.size() >= most) {
      if (left_out) left_out->push_back(printable(option, 120));
      continue;
    }
    if (messages.back().size() + 1 + option.size() > most) messages.emplace_back();
    messages.back().append(",").append(option);
  }
  if (messages.size() > 1) {
    for (size_t i = 0; i < messages.size(); ++i) messages[i] += i + 1 < messages.size() ? kMoreFollows : kLast;
  }
  for (std::string& message : messages)
    if (!message.empty()) message.erase(0, 1);
  return messages;
}

PushCollector::State PushCollector::add(std::string_view text) {
  bool more = false;
  while (!text.empty()) {
    size_t end = std::min(text.find(','), text.size());
    std::string_view option = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (keyword(option) == "push-continuation") {
      more = option == "push-continuation 2";
      continue;
    }
    if (option.empty()) continue;
    bytes_ += option.size();
    if (options_.size() == kMaxOptions || bytes_ > kMaxBytes) return State::kTooMuch;
    options_.push_back(printable(option, option.size()));
  }
  return more ? State::kMore : State::kComplete;
}

Result<PushedSettings> read_push(const std::vector<std::string>& options, const ClientSettings& settings) {
  PushedSettings out;
  for (const std::string& option : options)
    if (auto status = read_option(option, settings, out); !status) return Error{status.error()};
  return out;
}

}  // namespace culvert::openvpn
