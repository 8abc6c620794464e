// Readers: intervals and limits of time.
#include "control/config/arguments.h"
#include "control/config/readers.h"

namespace culvert::config {
namespace {

constexpr uint32_t kLongestPing = 86400;  // PING_TIMEOUT_MAX of the reference
constexpr uint32_t kLongestTime = 10 * 365 * 86400;

std::chrono::seconds seconds(uint32_t n) {
  return std::chrono::seconds(n);
}

bool conflicts_with_keepalive(Draft& draft, const Statement& statement) {
  if (draft.find("keepalive") == nullptr) return false;
  draft.error(statement, "conflicts with keepalive, which sets it: remove one of them");
  return true;
}

}  // namespace

void read_keepalive(Draft& draft, const Statement& statement) {
  auto ping = number_argument(draft, statement, 0, 1, kLongestPing / 2);
  auto restart = number_argument(draft, statement, 1, 1, kLongestPing / 2);
  if (draft.find("ping") != nullptr || draft.find("ping-restart") != nullptr || draft.find("ping-exit") != nullptr) {
    return draft.error(statement, "conflicts with ping, ping-restart and ping-exit, which it sets: remove one of them");
  }
  if (!ping || !restart) return;
  if (*ping * 2 > *restart) {
    return draft.error(statement,
                       "the second number must be at least twice the first: keepalive 10 60 is a good choice");
  }
  draft.config.settings.ping = seconds(*ping);
  draft.config.settings.ping_restart = seconds(*restart * 2);
}

void read_ping(Draft& draft, const Statement& statement) {
  auto n = number_argument(draft, statement, 0, 0, kLongestPing);
  if (n && !conflicts_with_keepalive(draft, statement)) draft.config.settings.ping = seconds(*n);
}

void read_ping_restart(Draft& draft, const Statement& statement) {
  auto n = number_argument(draft, statement, 0, 0, kLongestPing);
  if (draft.find("ping-exit") != nullptr) return draft.error(statement, "conflicts with ping-exit: remove one of them");
  if (n && !conflicts_with_keepalive(draft, statement)) draft.config.settings.ping_restart = seconds(*n);
}

void read_reneg_sec(Draft& draft, const Statement& statement) {
  auto most = number_argument(draft, statement, 0, 0, kLongestTime);
  if (!most) return;
  draft.config.settings.reneg_sec = seconds(*most);
  draft.config.settings.reneg_sec_min = {};
  if (statement.args.size() == 1) return;
  auto least = number_argument(draft, statement, 1, 1, kLongestTime);
  if (!least) return;
  if (*least > *most) return draft.error(statement, "the second number is the lower end and can't be above the first");
  draft.config.settings.reneg_sec_min = seconds(*least);
}

void read_reneg_bytes(Draft& draft, const Statement& statement) {
  if (auto n = large_number_argument(draft, statement, 0)) draft.config.limits.reneg_bytes = *n;
}

void read_reneg_pkts(Draft& draft, const Statement& statement) {
  if (auto n = large_number_argument(draft, statement, 0)) draft.config.limits.reneg_packets = *n;
}

void read_inactive(Draft& draft, const Statement& statement) {
  auto n = number_argument(draft, statement, 0, 0, kLongestTime);
  auto bytes = statement.args.size() == 2 ? large_number_argument(draft, statement, 1) : std::optional<uint64_t>(0);
  if (!n || !bytes) return;
  draft.config.limits.inactive = seconds(*n);
  draft.config.limits.inactive_bytes = *bytes;
}

void read_session_timeout(Draft& draft, const Statement& statement) {
  if (auto n = number_argument(draft, statement, 0, 0, kLongestTime)) draft.config.limits.session_timeout = seconds(*n);
}

void read_ping_exit(Draft& draft, const Statement& statement) {
  auto n = number_argument(draft, statement, 0, 0, kLongestPing);
  if (draft.find("ping-restart") != nullptr)
    return draft.error(statement, "conflicts with ping-restart: remove one of them");
  if (n && !conflicts_with_keepalive(draft, statement)) draft.config.settings.ping_restart = seconds(*n);
}

void read_hand_window(Draft& draft, const Statement& statement) {
  if (auto n = number_argument(draft, statement, 0, 1, 3600)) draft.config.settings.hand_window = seconds(*n);
}

void read_tran_window(Draft& draft, const Statement& statement) {
  if (auto n = number_argument(draft, statement, 0, 0, kLongestTime)) draft.config.settings.tran_window = seconds(*n);
}

void read_tls_timeout(Draft& draft, const Statement& statement) {
  if (auto n = number_argument(draft, statement, 0, 1, 3600)) draft.config.settings.tls_timeout = seconds(*n);
}

void read_explicit_exit_notify(Draft& draft, const Statement& statement) {
  if (statement.args.empty()) {
    draft.config.exit_notify = 1;
  } else if (auto n = number_argument(draft, statement, 0, 0, UINT16_MAX)) {
    // Clients count repetitions with it; servers look whether it is 2 (multi.c, process_signal).
    draft.config.exit_notify = static_cast<uint8_t>(*n > 2 ? 1 : *n);
  }
}

}  // namespace culvert::config
