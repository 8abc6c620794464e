#include "tools/auth_pam/credentials.h"

#include <fstream>

#include "control/crypto/base64.h"

namespace culvert::auth_pam {
namespace {

constexpr std::string_view kStaticChallenge = "SCRV1:";

std::optional<std::string> decode(std::string_view text) {
  auto bytes = crypto::base64_decode(text);
  if (!bytes) return std::nullopt;
  std::string out(bytes->begin(), bytes->end());
  if (out.find('\0') != std::string::npos) return std::nullopt;  // PAM's answers end at a NUL
  return out;
}

}  // namespace

const std::string& Credentials::hidden_answer() {
  return hidden_asked++ == 0 || response.empty() ? password : response;
}

void take_password(const std::string& line, Credentials& credentials) {
  credentials.password = line;
  if (!line.starts_with(kStaticChallenge)) return;
  std::string_view rest = std::string_view(line).substr(kStaticChallenge.size());
  size_t colon = rest.find(':');
  if (colon == std::string_view::npos) return;
  auto password = decode(rest.substr(0, colon));
  auto response = decode(rest.substr(colon + 1));
  if (!password || !response) return;  // a password that happens to begin like this
  credentials.password = *password;
  credentials.response = *response;
}

std::optional<Credentials> read_credentials(const std::string& path) {
  std::ifstream file(path);
  Credentials credentials;
  std::string line;
  if (!std::getline(file, credentials.username) || !std::getline(file, line)) return std::nullopt;
  take_password(line, credentials);
  return credentials;
}

}  // namespace culvert::auth_pam
