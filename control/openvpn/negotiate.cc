#include "control/openvpn/negotiate.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "control/openvpn/compression.h"
#include "control/openvpn/control_message.h"
#include "control/openvpn/key_method2.h"

namespace culvert::openvpn {
namespace {

constexpr std::array kCiphers = {
    std::pair{abi::Cipher::kAes256Gcm, std::string_view("AES-256-GCM")},
    std::pair{abi::Cipher::kAes128Gcm, std::string_view("AES-128-GCM")},
    std::pair{abi::Cipher::kAes192Gcm, std::string_view("AES-192-GCM")},
    std::pair{abi::Cipher::kChacha20Poly1305, std::string_view("CHACHA20-POLY1305")},
    std::pair{abi::Cipher::kAes256Cbc, std::string_view("AES-256-CBC")},
    std::pair{abi::Cipher::kAes192Cbc, std::string_view("AES-192-CBC")},
    std::pair{abi::Cipher::kAes128Cbc, std::string_view("AES-128-CBC")},
};

char upper(char c) {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

uint32_t number_or_zero(std::string_view text) {
  uint32_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? value : 0;
}

template <class Visit>
void each_item(std::string_view list, char separator, Visit visit) {
  while (!list.empty()) {
    size_t end = std::min(list.find(separator), list.size());
    visit(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
}

std::string cipher_list(std::span<const abi::Cipher> ciphers) {
  std::string text;
  for (abi::Cipher cipher : ciphers) text.append(text.empty() ? "" : ":").append(cipher_name(cipher));
  return text;
}

bool allowed(const CommonSettings& settings, abi::Cipher cipher) {
  return std::ranges::find(settings.data_ciphers, cipher) != settings.data_ciphers.end();
}

Result<abi::Cipher> choose_cipher(const ServerSettings& settings, const PeerCapabilities& peer,
                                  std::string_view peer_options) {
  for (abi::Cipher cipher : settings.data_ciphers)
    if (std::ranges::find(peer.ciphers, cipher) != peer.ciphers.end()) return cipher;
  std::string_view named = occ_option(peer_options, "cipher");
  if (!peer.sent_iv_ciphers) {
    if (auto cipher = parse_cipher(named); cipher && allowed(settings, *cipher)) return *cipher;
  }
  if (!peer.names_ciphers && settings.data_ciphers_fallback) return *settings.data_ciphers_fallback;
  std::string has = peer.names_ciphers ? peer.cipher_text : named.empty() ? "none named" : printable(named, 64);
  return Error{"no common data cipher: server data-ciphers " + cipher_list(settings.data_ciphers) + ", client " + has +
               (peer.names_ciphers ? "; add one of the client's to data-ciphers"
                                   : "; the client does not negotiate: set data-ciphers-fallback, or update it")};
}

std::string proto_text(const abi::Endpoint& remote, bool server) {
  bool v6 = remote.address.family == abi::Family::kIpv6;
  if (remote.transport == abi::Transport::kUdp) return v6 ? "UDPv6" : "UDPv4";
  return std::string(v6 ? "TCPv6" : "TCPv4") + (server ? "_SERVER" : "_CLIENT");
}

}  // namespace

std::string_view cipher_name(abi::Cipher cipher) {
  for (const auto& [value, name] : kCiphers)
    if (value == cipher) return name;
  return "unknown";
}

std::optional<abi::Cipher> parse_cipher(std::string_view name) {
  for (const auto& [cipher, own] : kCiphers)
    if (std::ranges::equal(own, name, {}, upper, upper)) return cipher;
  return std::nullopt;
}

bool disagrees_about_digest(const Agreement& agreement, std::string_view peer_options) {
  std::string_view named = occ_option(peer_options, "auth");
  // A client whose own first cipher is an AEAD one names none.
  if (agreement.digest == Digest::kNone || named.empty() || named.starts_with('[')) return false;
  return !std::ranges::equal(named, crypto::digest_name(agreement.digest), {}, upper, upper);
}

PeerCapabilities parse_capabilities(std::string_view peer_info) {
  PeerCapabilities peer;
  peer.proto = number_or_zero(peer_info_value(peer_info, "IV_PROTO"));
  peer.max_mtu = number_or_zero(peer_info_value(peer_info, "IV_MTU"));
  peer.version = printable(peer_info_value(peer_info, "IV_VER"), 31);
  peer.platform = printable(peer_info_value(peer_info, "IV_PLAT"), 15);
  peer.peer_id = announced_peer_id(peer_info);
  peer.stub_v2 = peer_info_value(peer_info, "IV_COMP_STUBv2") == "1";
  std::string_view list = peer_info_value(peer_info, "IV_CIPHERS");
  peer.sent_iv_ciphers = !list.empty();
  if (list.empty() && number_or_zero(peer_info_value(peer_info, "IV_NCP")) >= 2) list = "AES-256-GCM:AES-128-GCM";
  peer.names_ciphers = !list.empty();
  peer.cipher_text = printable(list, 256);
  each_item(list, ':', [&](std::string_view name) {
    auto cipher = parse_cipher(name);
    if (cipher && std::ranges::find(peer.ciphers, *cipher) == peer.ciphers.end()) peer.ciphers.push_back(*cipher);
  });
  return peer;
}

std::string_view occ_option(std::string_view options, std::string_view name) {
  std::string_view value;
  each_item(options, ',', [&](std::string_view item) {
    if (value.empty() && item.starts_with(name) && item.size() > name.size() + 1 && item[name.size()] == ' ')
      value = item.substr(name.size() + 1);
  });
  return value;
}

uint32_t Agreement::flags() const {
  uint32_t bits = 0;
  if (format == abi::DataFormat::kV2) bits |= iv_proto::kDataV2;
  if (tls_key_export) bits |= iv_proto::kTlsKeyExport;
  if (dynamic_tls_crypt) bits |= iv_proto::kDynamicTlsCrypt;
  if (cc_exit) bits |= iv_proto::kCcExit;
  if (epoch_keys) bits |= iv_proto::kEpochKeys;
  if (push_update) bits |= iv_proto::kPushUpdate;
  return bits;
}

Agreement Agreement::from_flags(uint32_t flags, abi::Cipher cipher) {
  Agreement agreement;
  agreement.cipher = cipher;
  agreement.format = flags & iv_proto::kDataV2 ? abi::DataFormat::kV2 : abi::DataFormat::kV1;
  agreement.tls_key_export = (flags & iv_proto::kTlsKeyExport) != 0;
  agreement.dynamic_tls_crypt = (flags & iv_proto::kDynamicTlsCrypt) != 0;
  agreement.cc_exit = (flags & iv_proto::kCcExit) != 0;
  agreement.epoch_keys = (flags & iv_proto::kEpochKeys) != 0;
  agreement.push_update = (flags & iv_proto::kPushUpdate) != 0;
  return agreement;
}

Result<Agreement> agree(const ServerSettings& settings, const PeerCapabilities& peer, std::string_view peer_options) {
  if (settings.require_key_export && !peer.can(iv_proto::kTlsKeyExport))
    return Error{
        "the client can't derive keys with TLS's exporter, which force-tls-key-material-export asks for: it "
        "needs OpenVPN 2.6 or later"};
  auto cipher = choose_cipher(settings, peer, peer_options);
  if (!cipher) return Error{cipher.error()};
  Agreement agreement;
  agreement.cipher = *cipher;
  if (abi::is_cbc(*cipher)) agreement.digest = settings.auth;
  agreement.remote_peer_id = peer.peer_id;
  if (peer.can(iv_proto::kDataV2) || peer.peer_id) agreement.format = abi::DataFormat::kV2;
  // The client takes them with a pushed cipher and with DATA_V2 only (init.c, do_deferred_options_part2).
  agreement.epoch_keys = peer.can(iv_proto::kEpochKeys) && peer.names_ciphers && abi::is_aead(*cipher) &&
                         agreement.format == abi::DataFormat::kV2;
  agreement.tls_key_export = peer.can(iv_proto::kTlsKeyExport);
  agreement.dynamic_tls_crypt = peer.can(iv_proto::kDynamicTlsCrypt);
  agreement.cc_exit = peer.can(iv_proto::kCcExit);
  agreement.push_update = peer.can(iv_proto::kPushUpdate);
  agreement.push_at_once = peer.can(iv_proto::kRequestPush);
  agreement.push_cipher = peer.names_ciphers;
  agreement.push_mtu = peer.max_mtu != 0;
  agreement.framing = settings.framing;
  if (settings.compress_migrate && has_compression(peer_options)) {
    Migration migration = migrate(peer.stub_v2);
    agreement.framing = migration.framing;
    agreement.push_compression = migration.push;
  }
  return agreement;
}

std::optional<uint32_t> announced_peer_id(std::string_view peer_info) {
  std::string_view text = peer_info_value(peer_info, "ID");
  uint32_t id = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id, 16);
  bool whole = !text.empty() && error == std::errc() && end == text.data() + text.size();
  return whole && id < abi::kNoPeerId ? std::optional(id) : std::nullopt;
}

std::string announce_peer_id(uint32_t peer_id) {
  std::array<char, 8> digits;
  auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), peer_id, 16);
  return "ID=" + std::string(digits.data(), end) + "\n";
}

std::string client_peer_info(const ClientSettings& settings, uint32_t peer_id) {
  // It came with 2.7, as did epoch keys.
  bool chooses = settings.own_peer_id && (settings.capabilities & iv_proto::kEpochKeys) != 0;
  std::string info = chooses ? announce_peer_id(peer_id) : "";
  info += "IV_VER=culvert\nIV_PLAT=linux\nIV_TCPNL=1\n";
  info += "IV_MTU=" + std::to_string(std::max<uint32_t>(settings.tun_mtu, 1600)) + "\n";
  if (settings.names_ciphers) {
    if (allowed(settings, abi::Cipher::kAes128Gcm) && allowed(settings, abi::Cipher::kAes256Gcm)) info += "IV_NCP=2\n";
    info += "IV_CIPHERS=" + cipher_list(settings.data_ciphers) + "\n";
  }
  if (settings.framing != abi::Framing::kNone) info += "IV_LZO_STUB=1\nIV_COMP_STUB=1\nIV_COMP_STUBv2=1\n";
  info += "IV_PROTO=" + std::to_string(iv_proto::kOurClient & settings.capabilities) + "\n";
  return info;
}

std::string options_string(const CommonSettings& settings, bool server, const abi::Endpoint& remote,
                           std::string_view peer_options) {
  auto follow = [&](std::string_view name, std::string own) {
    std::string_view value = occ_option(peer_options, name);
    if (peer_options.empty()) return own.empty() ? own : "," + std::string(name) + " " + own;
    return value.empty() ? std::string() : "," + std::string(name) + " " + printable(value, 64);
  };
  std::string text = "V4,dev-type tun";
  text += follow("link-mtu", std::to_string(settings.tun_mtu + 49));
  text += ",tun-mtu " + std::to_string(settings.tun_mtu) + ",proto " + proto_text(remote, server);
  if (settings.framing != abi::Framing::kNone || has_compression(peer_options)) text += ",comp-lzo";
  bool tls_auth = settings.wrap.kind == WrapKind::kTlsAuth;
  if (tls_auth && settings.wrap.direction >= 0) text += ",keydir " + std::to_string(settings.wrap.direction);
  text +=
      follow("cipher", settings.data_ciphers.empty() ? "" : std::string(cipher_name(settings.data_ciphers.front())));
  bool cbc = !settings.data_ciphers.empty() && abi::is_cbc(settings.data_ciphers.front());
  std::string_view digest = crypto::digest_name(tls_auth ? settings.wrap.auth : cbc ? settings.auth : Digest::kNone);
  text += follow("auth", digest.empty() ? "[null-digest]" : std::string(digest));
  text += follow("keysize", "256");
  if (tls_auth) text += ",tls-auth";
  text += server ? ",key-method 2,tls-server" : ",key-method 2,tls-client";
  return text;
}

}  // namespace culvert::openvpn
