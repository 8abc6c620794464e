// Readers: ciphers of the data channel, replay window, what is pushed.
#include <strings.h>

#include <algorithm>

#include "control/config/arguments.h"
#include "control/config/readers.h"
#include "control/openvpn/compression.h"

namespace culvert::config {
namespace {

constexpr uint32_t kLargestReplayWindow = 65536;  // MAX_SEQ_BACKTRACK of the reference
constexpr uint32_t kLargestReplayTime = 600;      // MAX_TIME_BACKTRACK
/// PUSH_REPLY goes out in pieces of 1024 bytes; an option must fit into one with its frame and terminating NUL
/// (push.c).
constexpr size_t kLongestPush = 900;

struct CipherName {
  std::string_view name;
  abi::Cipher cipher;
};
constexpr CipherName kCiphers[] = {
    {"AES-256-GCM", abi::Cipher::kAes256Gcm}, {"AES-192-GCM", abi::Cipher::kAes192Gcm},
    {"AES-128-GCM", abi::Cipher::kAes128Gcm}, {"CHACHA20-POLY1305", abi::Cipher::kChacha20Poly1305},
    {"AES-256-CBC", abi::Cipher::kAes256Cbc}, {"AES-192-CBC", abi::Cipher::kAes192Cbc},
    {"AES-128-CBC", abi::Cipher::kAes128Cbc}};

std::optional<abi::Cipher> cipher_of(std::string_view name) {
  for (const CipherName& known : kCiphers) {
    bool same = known.name.size() == name.size() && strncasecmp(known.name.data(), name.data(), name.size()) == 0;
    if (same) return known.cipher;
  }
  return std::nullopt;
}

std::string not_a_cipher(std::string_view name) {
  std::string text = "'" + std::string(name) + "' is not supported in this version";
  std::vector<std::string_view> names;
  for (const CipherName& known : kCiphers) names.push_back(known.name);
  std::string_view near = nearest(name, names);
  if (!near.empty() && !name.starts_with("BF")) text += " (did you mean " + std::string(near) + "?)";
  return text +
         "; supported are AES-256-GCM, AES-192-GCM, AES-128-GCM, CHACHA20-POLY1305, and for old clients AES-256-CBC, "
         "AES-192-CBC and AES-128-CBC";
}

/// Words that a client takes from a push only when they are made for it alone, or that would make it unable to talk to
/// us.
std::string why_not_pushed(const std::vector<std::string>& words) {
  const std::string& name = words[0];
  for (std::string_view own : {"ifconfig", "ifconfig-ipv6", "peer-id", "cipher", "protocol-flags", "key-derivation",
                               "auth-token", "push-continuation"}) {
    if (name == own) return name + " is made for each client by the gateway itself: remove it";
  }
  if (name == "fragment") return "fragment is not supported in this version: remove it";
  return "";
}

/// compress, comp-lzo with an algorithm: more than the framing.
bool compresses(const std::vector<std::string>& words) {
  if (words[0] != "compress" && words[0] != "comp-lzo") return false;
  return words.size() > 2 || !openvpn::framing_of_push(words[0] + (words.size() == 2 ? " " + words[1] : ""));
}

}  // namespace

void read_data_ciphers(Draft& draft, const Statement& statement) {
  std::vector<abi::Cipher> ciphers;
  std::string_view rest = statement.args[0];
  while (true) {
    size_t colon = rest.find(':');
    std::string_view name = rest.substr(0, colon);
    bool optional = name.starts_with('?');
    if (optional) name.remove_prefix(1);
    std::optional<abi::Cipher> cipher = cipher_of(name);
    if (cipher && std::ranges::find(ciphers, *cipher) == ciphers.end()) ciphers.push_back(*cipher);
    if (!cipher && !optional) {
      return draft.error(statement, not_a_cipher(name) + ": remove it, or write ?" + std::string(name) + " to skip it");
    }
    if (colon == std::string_view::npos) break;
    rest.remove_prefix(colon + 1);
  }
  if (ciphers.empty()) return draft.error(statement, "names no cipher that is supported: add AES-256-GCM");
  draft.config.settings.data_ciphers = ciphers;
}

void read_data_ciphers_fallback(Draft& draft, const Statement& statement) {
  std::optional<abi::Cipher> cipher = cipher_of(statement.args[0]);
  if (!cipher) return draft.error(statement, not_a_cipher(statement.args[0]));
  draft.config.settings.data_ciphers_fallback = cipher;
}

void read_cipher(Draft& draft, const Statement& statement) {
  // Whether it stands in data-ciphers can only be told at the end of the file: finish_network.
  if (statement.args[0].empty()) draft.error(statement, "names no cipher");
}

void warn_about_cipher(Draft& draft) {
  const Statement* statement = draft.find("cipher");
  if (statement == nullptr) return;
  std::optional<abi::Cipher> cipher = cipher_of(statement->args[0]);
  const auto& offered = draft.config.settings.data_ciphers;
  if (cipher && std::ranges::find(offered, *cipher) != offered.end()) return;
  draft.warning(*statement,
                "has no effect here: '" + statement->args[0] +
                    "' is not in data-ciphers, and ciphers are negotiated; for clients that can't negotiate there is "
                    "data-ciphers-fallback");
}

void read_replay_window(Draft& draft, const Statement& statement) {
  if (auto n = number_argument(draft, statement, 0, 1, kLargestReplayWindow)) draft.config.settings.replay_window = *n;
  if (statement.args.size() == 2) number_argument(draft, statement, 1, 0, kLargestReplayTime);
}

void read_compress_directive(Draft& draft, const Statement& statement) {
  std::string argument = statement.args.empty() ? "" : statement.args[0];
  bool lzo = statement.name == "comp-lzo";
  auto choice = lzo ? openvpn::read_comp_lzo(argument) : openvpn::read_compress(argument);
  if (!choice) {
    return draft.error(statement,
                       lzo ? "can only be no, yes or adaptive, not '" + argument + "'"
                           : "can only be stub, stub-v2, migrate, lzo, lz4 or lz4-v2, not '" + argument + "'");
  }
  if (choice->compresses) {
    draft.warning(
        statement,
        "nothing is compressed, because compression leaks what is encrypted (VORACLE); clients that have it are "
        "pushed off it, as with compress migrate");
  }
  draft.config.settings.framing = choice->framing;
  draft.config.settings.compress_migrate = choice->migrate;
}

void read_allow_compression(Draft& draft, const Statement& statement) {
  const std::string& argument = statement.args[0];
  if (argument == "no") return;
  if (argument != "asym" && argument != "yes")
    return draft.error(statement, "can only be no, asym or yes, not '" + argument + "'");
  draft.warning(
      statement,
      "nothing is compressed, because compression leaks what is encrypted (VORACLE), and compressed packets of "
      "clients are dropped: write allow-compression no, and compress migrate if clients have compression");
}

void read_push(Draft& draft, const Statement& statement) {
  const std::string& option = statement.args[0];
  if (option.size() > kLongestPush) {
    return draft.error(statement,
                       "longer than " + std::to_string(kLongestPush) + " bytes, which no client takes: split it");
  }
  for (char c : option) {
    if (c == ',') return draft.error(statement, "a comma would end the option on its way to the client: remove it");
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F)
      return draft.error(statement, "holds a control character: remove it");
  }
  Result<std::vector<std::string>> words = split_line(option);
  if (!words) return draft.error(statement, words.error());
  if (words->empty()) return draft.error(statement, "names no option");
  std::string reason = why_not_pushed(*words);
  if (!reason.empty()) return draft.error(statement, reason);
  // Whether these can be left out depends on what else the file says.
  if (compresses(*words) || words->front() == "tun-mtu") return draft.late_pushes.push_back(&statement);
  draft.config.push.push_back(option);
}

void finish_late_pushes(Draft& draft) {
  openvpn::ServerSettings& settings = draft.config.settings;
  for (const Statement* statement : draft.late_pushes) {
    const auto words = split_line(statement->args[0]);  // it could be split before
    if (words->front() == "tun-mtu") {
      if (*words == std::vector<std::string>{"tun-mtu", std::to_string(settings.tun_mtu)})
        draft.warning(*statement, "has no effect: this file's own tun-mtu is pushed to clients that can take it");
      else
        draft.error(*statement,
                    "tun-mtu is pushed to clients that can take it, from this file's own tun-mtu: remove it");
    } else if (settings.framing != abi::Framing::kNone) {
      draft.error(*statement, "compression is not supported: push \"compress stub-v2\" instead, or remove it");
    } else {
      draft.warning(*statement,
                    "is not pushed: nothing is compressed, because compression leaks what is encrypted (VORACLE); "
                    "clients that have it are pushed off it, as with compress migrate");
      settings.compress_migrate = true;
    }
  }
}

}  // namespace culvert::config
