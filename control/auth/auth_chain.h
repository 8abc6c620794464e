// Asks several authenticators in their order: all must allow (as in the reference, where script, token and management
// must all agree; ssl_verify.c, verify_user_pass).
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "control/auth/authenticator.h"

namespace culvert::auth {

class AuthChain final : public Authenticator {
 public:
  /// `link` is asked behind those that are there already. It outlives the chain.
  void add(Authenticator& link) { links_.push_back(&link); }
  bool empty() const { return links_.empty(); }

  /// An empty chain allows.
  void begin(const AuthRequest& request, Done done) override;
  void challenge_response(abi::SessionRef session, std::string_view response) override;
  void cancel(abi::SessionRef session) override;

 private:
  struct Asked {
    ~Asked();
    AuthRequest request;
    Done done;
    size_t link = 0;
    Allow allowed;  ///< what those before have added
  };

  void ask(const std::shared_ptr<Asked>& asked);
  void answer(const std::shared_ptr<Asked>& asked, size_t link, Verdict verdict);
  bool current(const std::shared_ptr<Asked>& asked) const;

  std::vector<Authenticator*> links_;
  std::map<abi::SessionRef, std::shared_ptr<Asked>> asked_;
};

}  // namespace culvert::auth
