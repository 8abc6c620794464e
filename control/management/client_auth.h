// Clients that a management program lets in (management-client-auth): >CLIENT:CONNECT and REAUTH with their environment
// go out, client-auth, client-deny and client-pending-auth come back (management-notes.txt, "Client authentication").
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "control/auth/authenticator.h"

namespace culvert::management {

using Environment = std::vector<std::string>;  ///< "name=value"

class ClientAuth final : public auth::Authenticator {
 public:
  /// `tell` sends a real-time line to the program, if one is there. `cid_of` knows the client IDs, `environment_of`
  /// what a program is told of a client that asks to come in.
  ClientAuth(std::function<void(std::string_view line)> tell, std::function<uint64_t(abi::SessionRef)> cid_of,
             std::function<Environment(const auth::AuthRequest&)> environment_of)
      : tell_(std::move(tell)), cid_of_(std::move(cid_of)), environment_of_(std::move(environment_of)) {}

  // What authentication asks. A client waits until the program answers, or its handshake runs out of time.
  void begin(const auth::AuthRequest& request, Done done) override;
  void challenge_response(abi::SessionRef session, std::string_view response) override;
  void cancel(abi::SessionRef session) override;

  // What the program says. False: no such client waits for an answer.
  bool allow(uint64_t cid, uint32_t kid, std::vector<std::string> config);
  bool deny(uint64_t cid, uint32_t kid, const std::string& reason, const std::string& client_reason);
  bool pending(uint64_t cid, uint32_t kid, const std::string& extra, std::chrono::seconds timeout);

  // What happens to clients that were let in.
  void established(abi::SessionRef session, const Environment& environment);
  /// An inner address or, not `primary`, a network behind the client ("10.9.0.0/255.255.0.0").
  void address(abi::SessionRef session, const std::string& address, bool primary);
  void disconnected(abi::SessionRef session, const Environment& environment);
  /// A session that does not wait for an answer is called `to` from now on.
  void renumber(abi::SessionRef from, abi::SessionRef to);

  /// INFO_PRE must fit into one message to the client (push.c, send_auth_pending_messages).
  static constexpr size_t kLongestExtra = 900;

 private:
  struct Asked {
    uint32_t kid = 0;
    Done done;  ///< empty when it has been answered
  };
  Asked* find(uint64_t cid, uint32_t kid);
  void tell_environment(const Environment& environment);

  std::function<void(std::string_view)> tell_;
  std::function<uint64_t(abi::SessionRef)> cid_of_;
  std::function<Environment(const auth::AuthRequest&)> environment_of_;
  std::map<abi::SessionRef, Asked> asked_;
  std::map<abi::SessionRef, uint32_t> next_kid_;
};

}  // namespace culvert::management
