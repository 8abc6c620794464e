// What auth-user-pass-verify via-file hands over: username and password in two lines.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace culvert::auth_pam {

struct Credentials {
  std::string username;
  std::string password;
  std::string response;  ///< to a static challenge; empty: there was none
  size_t hidden_asked = 0;

  /// The answer to the next prompt that does not show what is typed.
  const std::string& hidden_answer();
};

/// Nothing when the file can't be read or has no two lines. A password "SCRV1:BASE64:BASE64" is password and response
/// (management-notes.txt, "Challenge/Response Protocol").
std::optional<Credentials> read_credentials(const std::string& path);

/// Likewise, of a password line.
void take_password(const std::string& line, Credentials& credentials);

}  // namespace culvert::auth_pam
