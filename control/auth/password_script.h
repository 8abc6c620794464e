// auth-user-pass-verify: a script judges username and password (script-options.rst). One that defers may have the
// client asked for more (auth_pending_file); client-crresponse then judges what the client answers.
#pragma once

#include <map>
#include <memory>
#include <optional>

#include "control/auth/authenticator.h"
#include "control/hooks/environment.h"
#include "control/hooks/runner.h"
#include "control/hooks/temp_file.h"

namespace culvert::auth {

class PasswordScript final : public Authenticator {
 public:
  struct Settings {
    std::vector<std::string> program;
    bool via_environment = false;
    std::string tmp_dir;
    hooks::Environment environment;              ///< the server's
    std::vector<std::string> challenge_program;  ///< client-crresponse; empty: none
  };
  /// Loop and runner outlive it.
  PasswordScript(io::EventLoop& loop, hooks::Runner& runner, Settings settings)
      : loop_(loop), runner_(runner), settings_(std::move(settings)) {}
  ~PasswordScript() override;

  void begin(const AuthRequest& request, Done done) override;
  void challenge_response(abi::SessionRef session, std::string_view response) override;
  void cancel(abi::SessionRef session) override;

 private:
  /// A run of client-crresponse.
  struct Answer {
    hooks::Runner::JobId job = 0;
    hooks::TempFile response;
  };
  struct Asked {
    Done done;
    std::string who;
    std::string methods;  ///< IV_SSO of the client
    std::optional<hooks::TempFile> credentials;
    std::optional<hooks::TempFile> control;
    std::optional<hooks::TempFile> pending;
    std::optional<hooks::TempFile> reason;
    hooks::Environment environment;
    hooks::Runner::JobId job = 0;
    std::optional<Answer> answer;
    io::EventLoop::TimerId timer = 0;
    bool told_pending = false;
  };

  Status make_files(const AuthRequest& request, Asked& asked) const;
  void on_exit(abi::SessionRef session, const hooks::Outcome& outcome);
  void on_answer_judged(abi::SessionRef session, const hooks::Outcome& outcome);
  void look(abi::SessionRef session);
  bool look_at_pending(abi::SessionRef session);
  void finish(abi::SessionRef session, Verdict verdict);
  void refuse(abi::SessionRef session, const std::string& why, const char* for_client,
              const char* who = "auth-user-pass-verify");

  io::EventLoop& loop_;
  hooks::Runner& runner_;
  Settings settings_;
  std::map<abi::SessionRef, Asked> asked_;
};

}  // namespace culvert::auth
