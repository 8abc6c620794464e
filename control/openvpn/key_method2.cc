#include "control/openvpn/key_method2.h"

#include <algorithm>
#include <optional>

namespace culvert::openvpn {
namespace {

constexpr uint8_t kKeyMethod = 2;
constexpr uint8_t kKeyMethodMask = 0x0F;  // the high bits are flags that nobody uses
constexpr size_t kMaxPeerInfoLine = 255;  // misc.c, output_peer_info_env

bool is_printable(char c) {
  return c >= 0x20 && c < 0x7F;
}
bool control_character(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
}

/// Reads the message front to back; never past its end.
class Reader {
 public:
  explicit Reader(std::span<const uint8_t> bytes) : rest_(bytes) {}

  bool take(std::span<uint8_t> out) {
    if (rest_.size() < out.size()) return false;
    std::copy_n(rest_.begin(), out.size(), out.begin());
    rest_ = rest_.subspan(out.size());
    return true;
  }

  bool at_end() const { return rest_.empty(); }

  struct String {
    std::string_view text;  ///< without NUL
    bool present = false;   ///< length was not 0
    bool too_long = false;  ///< longer than wanted; skipped
  };

  /// A string of at most `max` bytes with its NUL. Nothing when the length points past the end. The last byte is the
  /// terminator whatever its value (as in the reference); a NUL before it is the caller's to judge.
  std::optional<String> string(size_t max) {
    if (rest_.size() < 2) return std::nullopt;
    const size_t length = static_cast<size_t>(rest_[0]) << 8 | rest_[1];
    if (length > rest_.size() - 2) return std::nullopt;
    auto bytes = rest_.subspan(2, length);
    rest_ = rest_.subspan(2 + length);
    if (length == 0) return String{};
    if (length > max) return String{{}, true, true};
    return String{{reinterpret_cast<const char*>(bytes.data()), length - 1}, true, false};
  }

 private:
  std::span<const uint8_t> rest_;
};

bool has_nul(std::string_view text) {
  return text.find('\0') != text.npos;
}

/// ssl_verify.c cleans names and passwords like this. Bytes above 127 are UTF-8 and stay.
std::string replace_control(std::string_view text) {
  std::string clean(text);
  std::replace_if(clean.begin(), clean.end(), control_character, '_');
  return clean;
}

bool valid_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
  });
}

/// Keeps the lines that misc.c, validate_peer_info_line, would: IV_…, UV_… or ID names; in values, what a shell would
/// act on becomes '_'.
std::string clean_peer_info(std::string_view text) {
  std::string clean;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    const size_t equals = line.find('=');
    if (equals == line.npos || line.size() > kMaxPeerInfoLine) continue;
    const std::string_view name = line.substr(0, equals);
    if (!valid_name(name) || !(name.starts_with("IV_") || name.starts_with("UV_") || name.starts_with("ID"))) continue;
    clean += name;
    clean += '=';
    for (char c : line.substr(equals + 1))
      clean += is_printable(c) && c != ' ' && c != '$' && c != '(' && c != '`' ? c : '_';
    clean += '\n';
  }
  return clean;
}

bool append_string(std::vector<uint8_t>& out, std::string_view text, size_t max) {
  if (text.size() + 1 > max || has_nul(text)) return false;
  const size_t length = text.size() + 1;
  out.push_back(static_cast<uint8_t>(length >> 8));
  out.push_back(static_cast<uint8_t>(length));
  out.insert(out.end(), text.begin(), text.end());
  out.push_back(0);
  return true;
}

void append_nothing(std::vector<uint8_t>& out) {
  out.insert(out.end(), {0, 0});
}

/// Username, password and peer-info: later additions to the protocol, so each may be missing.
Status parse_trailing_strings(Reader& reader, KeyMethod2& message) {
  if (reader.at_end()) return {};
  auto username = reader.string(kMaxCredential);
  if (!username) return Error{"key-method-2 message: length of the username points past its end"};
  if (reader.at_end()) return Error{"key-method-2 message: username without password"};
  auto password = reader.string(kMaxCredential);
  if (!password) return Error{"key-method-2 message: length of the password points past its end"};
  if (has_nul(username->text) || has_nul(password->text))
    return Error{"key-method-2 message: NUL inside username or password"};
  message.credentials_too_long = username->too_long || password->too_long;
  message.has_credentials = username->present && password->present && !message.credentials_too_long;
  if (message.has_credentials) {
    message.username = replace_control(username->text);
    message.password = replace_control(password->text);
  }
  if (reader.at_end()) return {};
  auto peer_info = reader.string(UINT16_MAX);
  if (!peer_info) return Error{"key-method-2 message: length of the peer-info points past its end"};
  if (has_nul(peer_info->text)) return Error{"key-method-2 message: NUL inside the peer-info"};
  message.peer_info = clean_peer_info(peer_info->text);
  return {};
}

}  // namespace

KeySource KeySource::make(Random& random, Side side) {
  KeySource source;
  if (side == Side::kClient) random.fill(source.pre_master.span());
  random.fill(source.random1.span());
  random.fill(source.random2.span());
  return source;
}

KeyMethod2::~KeyMethod2() {
  crypto::wipe(password);
}

Result<std::vector<uint8_t>> write_key_method2(const KeyMethod2& message, Side writer) {
  std::vector<uint8_t> out;
  // No reallocation on the way: it would leave secrets behind in freed memory.
  out.reserve(256 + message.options.size() + message.username.size() + message.password.size() +
              message.peer_info.size());
  auto append = [&out](auto bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); };
  for (int i = 0; i < 4; ++i) out.push_back(0);
  out.push_back(kKeyMethod);
  if (writer == Side::kClient) append(message.source.pre_master.span());
  append(message.source.random1.span());
  append(message.source.random2.span());
  const char* too_long = nullptr;
  if (!append_string(out, message.options, kMaxOptionsString)) too_long = "options string";
  if (message.has_credentials) {
    if (!append_string(out, message.username, kMaxCredential)) too_long = "username";
    if (!append_string(out, message.password, kMaxCredential)) too_long = "password";
  } else {
    append_nothing(out);
    append_nothing(out);
  }
  if (message.peer_info.empty())
    append_nothing(out);
  else if (!append_string(out, message.peer_info, UINT16_MAX))
    too_long = "peer-info";
  if (too_long == nullptr) return out;
  crypto::wipe(out);
  return Error{std::string(too_long) + " is too long for the key exchange, or has a NUL in it"};
}

Result<KeyMethod2> parse_key_method2(std::span<const uint8_t> message, Side writer) {
  Reader reader(message);
  std::array<uint8_t, 5> head;
  if (!reader.take(head)) return Error{"key-method-2 message is cut off"};
  if ((head[4] & kKeyMethodMask) != kKeyMethod)
    return Error{"peer uses key method " + std::to_string(head[4] & kKeyMethodMask) + ", only 2 is supported"};
  KeyMethod2 parsed;
  KeySource& source = parsed.source;
  if ((writer == Side::kClient && !reader.take(source.pre_master.span())) || !reader.take(source.random1.span()) ||
      !reader.take(source.random2.span()))
    return Error{"key-method-2 message is cut off"};
  auto options = reader.string(kMaxOptionsString);
  if (!options) return Error{"key-method-2 message: no options string, or its length points past the end"};
  if (options->too_long) return Error{"key-method-2 message: options string is longer than 511 characters"};
  if (has_nul(options->text)) return Error{"key-method-2 message: NUL inside the options string"};
  parsed.options = replace_control(options->text);
  if (Status rest = parse_trailing_strings(reader, parsed); !rest) return Error{rest.error()};
  return parsed;
}

std::string_view peer_info_value(std::string_view peer_info, std::string_view name) {
  while (!peer_info.empty()) {
    std::string_view line = peer_info.substr(0, peer_info.find('\n'));
    peer_info.remove_prefix(std::min(peer_info.size(), line.size() + 1));
    if (line.size() > name.size() && line.starts_with(name) && line[name.size()] == '=')
      return line.substr(name.size() + 1);
  }
  return {};
}

}  // namespace culvert::openvpn
