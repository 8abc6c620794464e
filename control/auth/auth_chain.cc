#include "control/auth/auth_chain.h"

#include "control/io/secrets.h"

namespace culvert::auth {

AuthChain::Asked::~Asked() {
  io::wipe(request.identity.password.data(), request.identity.password.size());
}

void AuthChain::begin(const AuthRequest& request, Done done) {
  cancel(request.session);
  auto asked = std::make_shared<Asked>();
  asked->request = request;
  asked->done = std::move(done);
  asked_[request.session] = asked;
  ask(asked);
}

bool AuthChain::current(const std::shared_ptr<Asked>& asked) const {
  auto found = asked_.find(asked->request.session);
  return found != asked_.end() && found->second == asked;
}

void AuthChain::ask(const std::shared_ptr<Asked>& asked) {
  if (asked->link == links_.size()) {
    asked_.erase(asked->request.session);
    asked->done(std::move(asked->allowed));
    return;
  }
  size_t link = asked->link;
  links_[link]->begin(asked->request,
                      [this, asked, link](Verdict verdict) { answer(asked, link, std::move(verdict)); });
}

void AuthChain::answer(const std::shared_ptr<Asked>& asked, size_t link, Verdict verdict) {
  if (!current(asked) || asked->link != link) return;
  if (auto* allow = std::get_if<Allow>(&verdict)) {
    allow->config.insert(allow->config.begin(), asked->allowed.config.begin(), asked->allowed.config.end());
    // What one adds that no other does (TokenGate) stays.
    if (allow->token_session.empty()) {
      allow->token = std::move(asked->allowed.token);
      allow->token_session = std::move(asked->allowed.token_session);
      allow->token_state = std::move(asked->allowed.token_state);
    }
    if (!allow->username) allow->username = std::move(asked->allowed.username);
    asked->allowed = std::move(*allow);
    ++asked->link;
    return ask(asked);
  }
  if (std::holds_alternative<Deny>(verdict)) asked_.erase(asked->request.session);
  asked->done(std::move(verdict));
}

void AuthChain::challenge_response(abi::SessionRef session, std::string_view response) {
  auto found = asked_.find(session);
  if (found == asked_.end() || found->second->link >= links_.size()) return;
  links_[found->second->link]->challenge_response(session, response);
}

void AuthChain::cancel(abi::SessionRef session) {
  auto found = asked_.find(session);
  if (found == asked_.end()) return;
  size_t link = found->second->link;
  asked_.erase(found);
  if (link < links_.size()) links_[link]->cancel(session);
}

}  // namespace culvert::auth
