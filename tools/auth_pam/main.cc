// culvert-auth-pam: judges username and password with PAM. A program of its own for auth-user-pass-verify, so that
// PAM's modules, which may take long or load anything, stay out of the gateway.
//
//   auth-user-pass-verify "/usr/lib/culvert/culvert-auth-pam SERVICE" via-file
//
// Exit status 0: both the auth and the account stage of the service let the user in. 1: anything else (2 would mean
// "deferred").
#include <security/pam_appl.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

#include "tools/auth_pam/credentials.h"

namespace {

using culvert::auth_pam::Credentials;

constexpr int kLetIn = 0;
constexpr int kRefused = 1;

void complain(const std::string& text) {
  std::fprintf(stderr, "culvert-auth-pam: %s\n", text.c_str());
}

/// What PAM is answered: prompts that show what is typed get the username, the first hidden one the password, further
/// ones the response to a static challenge where the client sent one (openvpn's plugin, without its list of prompts).
int converse(int count, const pam_message** messages, pam_response** out, void* data) {
  auto& credentials = *static_cast<Credentials*>(data);
  if (count <= 0 || count > PAM_MAX_NUM_MSG) return PAM_CONV_ERR;
  auto* responses = static_cast<pam_response*>(std::calloc(static_cast<size_t>(count), sizeof(pam_response)));
  if (!responses) return PAM_BUF_ERR;
  for (int i = 0; i < count; ++i) {
    const pam_message& message = *messages[i];
    const char* text = message.msg ? message.msg : "";
    const std::string* answer = nullptr;
    if (message.msg_style == PAM_PROMPT_ECHO_ON) answer = &credentials.username;
    if (message.msg_style == PAM_PROMPT_ECHO_OFF) answer = &credentials.hidden_answer();
    if (answer)
      responses[i].resp = strdup(answer->c_str());
    else
      complain(text);
  }
  *out = responses;
  return PAM_SUCCESS;
}

/// For users who have proved themselves and are kept out nevertheless.
void tell_client(const char* text) {
  const char* path = std::getenv("auth_failed_reason_file");
  if (path) std::ofstream(path) << text << "\n";
}

int judge(pam_handle_t* pam, const std::string& username) {
  for (const char* name : {"untrusted_ip", "untrusted_ip6"})
    if (const char* remote = std::getenv(name)) pam_set_item(pam, PAM_RHOST, remote);
  int status = pam_authenticate(pam, 0);
  if (status != PAM_SUCCESS) {
    complain("\"" + username + "\" not authenticated: " + pam_strerror(pam, status));
    return status;
  }
  status = pam_acct_mgmt(pam, 0);
  if (status == PAM_NEW_AUTHTOK_REQD || status == PAM_ACCT_EXPIRED) tell_client("account or password has expired");
  if (status != PAM_SUCCESS) complain("\"" + username + "\" has no account here: " + pam_strerror(pam, status));
  return status;
}

int run(const std::string& service, const char* folder, const std::string& file) {
  auto credentials = culvert::auth_pam::read_credentials(file);
  if (!credentials) {
    complain(file + ": can't be read, or does not hold a username and a password");
    return kRefused;
  }
  if (credentials->username.empty()) {
    complain("an empty username, which no account has");
    return kRefused;
  }
  pam_conv conversation{converse, &*credentials};
  pam_handle_t* pam = nullptr;
  int status = pam_start_confdir(service.c_str(), credentials->username.c_str(), &conversation, folder, &pam);
  if (status != PAM_SUCCESS) {
    complain("PAM service \"" + service + "\": " + pam_strerror(pam, status));
    return kRefused;
  }
  status = judge(pam, credentials->username);
  pam_end(pam, status);
  return status == PAM_SUCCESS ? kLetIn : kRefused;
}

}  // namespace

int main(int argc, char** argv) {
  const char* folder = nullptr;
  int at = 1;
  if (argc > 2 && std::strcmp(argv[1], "--confdir") == 0) {
    folder = argv[2];
    at = 3;
  }
  if (argc - at != 2) {
    complain("usage: culvert-auth-pam [--confdir DIR] SERVICE FILE (FILE: username and password in two lines)");
    return kRefused;
  }
  return run(argv[at], folder, argv[at + 1]);
}
