#include "tools/culvert/upgrade.h"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "control/io/clock.h"
#include "tools/culvert/admin_client.h"
#include "tools/culvert/child.h"

namespace culvert::cli {
namespace {

using namespace std::chrono_literals;
using nlohmann::ordered_json;

constexpr auto kExitLookEvery = 5ms;
constexpr auto kFollowEvery = 50ms;   // an old control, while it leaves
constexpr auto kOldEndsWithin = 10s;  // behind its own deadline
constexpr auto kKeysEvery = 200ms;    // while sessions renegotiate
constexpr auto kKeysWithin = 25s;     // twice within 10 s: see openvpn::Server::renew_keys()
constexpr const char* kNothing = "; nothing was changed";

uint64_t ms(MonoClock::duration time) {
  return static_cast<uint64_t>(std::max<int64_t>(0, std::chrono::round<std::chrono::milliseconds>(time).count()));
}

admin::Unfinished read_unfinished(const ordered_json& data, const char* name) {
  const ordered_json part = data.value(name, ordered_json::object());
  return {.handshakes = part.value("handshakes", uint64_t{0}),
          .renegotiations = part.value("renegotiations", uint64_t{0}),
          .messages = part.value("messages", uint64_t{0}),
          .scripts = part.value("scripts", uint64_t{0})};
}

std::string text_of(const ordered_json& data, const char* name) {
  auto found = data.find(name);
  return found != data.end() && found->is_string() ? found->get<std::string>() : "";
}

admin::HandoverRow read_row(const ordered_json& data) {
  admin::HandoverRow row;
  row.control_pid = data.value("control_pid", 0);
  row.version = text_of(data, "version");
  row.link_version = data.value("link_version", 0u);
  row.keeper = text_of(data, "keeper");
  row.ready = data.value("ready", false);
  row.state = text_of(data, "state");
  row.dataplane_pid = data.value("dataplane_pid", 0);
  row.dataplane_version = text_of(data, "dataplane_version");
  row.sessions = data.value("sessions", uint64_t{0});
  row.sessions_over_tcp = data.value("sessions_over_tcp", uint64_t{0});
  row.without_keys = data.value("without_keys", uint64_t{0});
  row.took_over = data.value("took_over", uint64_t{0});
  row.gave_up = data.value("gave_up", uint64_t{0});
  if (auto left = data.find("leaves_within_ms"); left != data.end() && left->is_number())
    row.leaves_within_ms = left->get<uint64_t>();
  row.unfinished = read_unfinished(data, "unfinished");
  row.waited_for = read_unfinished(data, "waited_for");
  return row;
}

io::Fd open_process(pid_t pid) {
  return io::Fd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
}

/// Has the process ended, or does it within `time`?
bool ends_within(const io::Fd& process, std::chrono::milliseconds time) {
  pollfd wait{process.get(), POLLIN, 0};
  return poll(&wait, 1, static_cast<int>(time.count())) > 0;
}

/// What the program on disk says its link's version is.
Result<uint32_t> link_version(const RunningProgram& program, const Result<Finished>& said) {
  if (!said) return Error{said.error() + kNothing};
  uint32_t version = 0;
  const std::string& text = (*said).output;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), version);
  if ((*said).exit_status == 0 && error == std::errc() && end == text.data() + text.size()) return version;
  return Error{program.path() + " does not say which version of the link it speaks" + kNothing +
               ". It is older than the running one, is damaged, or does not take the same options; it says: " +
               text.substr(0, 2000)};
}

std::string other_version(const RunningProgram& program, uint32_t speaks, uint32_t running, bool by_up) {
  return program.path() + " speaks version " + std::to_string(speaks) +
         " of the link between control and dataplane, the " + "running gateway version " + std::to_string(running) +
         kNothing + ". The two can only be replaced together, and clients connect again then: " +
         (by_up ? "end `culvert up` and start it again"
                : "`systemctl stop culvert-control culvert-dataplane`, then start both");
}

}  // namespace

Result<admin::HandoverRow> Upgrade::look(std::chrono::milliseconds within) const {
  auto data = ask(run_dir_, {{"command", "handover"}}, within);
  if (!data) return Error{data.error()};
  return read_row(*data);
}

Status Upgrade::find(const std::string& name, pid_t pid, std::optional<RunningProgram>& found) {
  auto path = find_program(name);
  if (!path) return Error{path.error() + kNothing};
  auto program = RunningProgram::of(pid, *path);
  if (!program) return Error{program.error() + kNothing};
  found.emplace(std::move(*program));
  return {};
}

Status Upgrade::prepare() {
  auto row = look();
  if (!row && row.error().starts_with("unknown command"))
    return Error{"the running culvert-control is older than this command, and can't leave its sessions in order" +
                 std::string(kNothing) +
                 ". This once, SIGKILL does: `systemctl kill --signal=KILL culvert-control`, or kill -KILL of its pid "
                 "(`culvert status`) under `culvert up`; the next one takes the sessions over"};
  if (!row) return Error{row.error()};
  before_ = *row;
  auto willing = ask(run_dir_, {{"command", "leave"}, {"ask_only", true}});
  if (!willing) return Error{willing.error() + kNothing};
  if (Status status = find("culvert-control", before_.control_pid, control_); !status) return status;
  // Without --dataplane, what is found of it is for the account only.
  if (Status status = find("culvert-dataplane", before_.dataplane_pid, dataplane_); !status && options_.dataplane)
    return status;
  if (Status status = check_control(); !status) return status;
  return options_.dataplane ? check_dataplane() : Status();
}

Status Upgrade::check_control() {
  auto speaks = link_version(*control_, run_and_read({control_->path(), "--link-version"}, 20s));
  if (!speaks) return Error{speaks.error()};
  bool by_up = before_.keeper != "systemd";
  if (*speaks != before_.link_version) return Error{other_version(*control_, *speaks, before_.link_version, by_up)};
  auto checked = control_->run_next({"--check"});
  if (!checked) return Error{checked.error() + kNothing};
  if ((*checked).exit_status == 0) return {};
  return Error{control_->path() + " would not start with this configuration" + kNothing +
               ", and the running one goes on. Correct this and try again" +
               (geteuid() == 0 ? ":\n" : " (or run this as root, which reads what control reads):\n") +
               (*checked).output};
}

Status Upgrade::check_dataplane() {
  bool by_up = before_.keeper != "systemd";
  bool kept = dataplane_->parent() == control_->parent() && (by_up || dataplane_->in_service());
  if (!kept)
    return Error{"nothing is known to start the next dataplane: process " + std::to_string(dataplane_->pid()) +
                 " does not belong to " + before_.keeper + ", as control does" + kNothing +
                 ". If something else starts it again, end it: control installs the sessions in the next one"};
  auto speaks = link_version(*dataplane_, dataplane_->run_next({"--link-version"}));
  if (!speaks) return Error{speaks.error()};
  if (*speaks != before_.link_version) return Error{other_version(*dataplane_, *speaks, before_.link_version, by_up)};
  return {};
}

std::optional<admin::HandoverRow> Upgrade::wait_for(const std::function<bool(const Row&)>& wanted, MonoTime deadline,
                                                    std::string& last) const {
  for (;;) {
    auto row = look(500ms);
    if (row && wanted(*row)) return *row;
    last = row ? (*row).state : row.error();
    if (io::mono_now() >= deadline) return std::nullopt;
    poll(nullptr, 0, static_cast<int>(kExitLookEvery.count()));
  }
}

void Upgrade::wait_for_keys() {
  const MonoTime deadline = io::mono_now() + kKeysWithin;
  if (before_.without_keys > 0)
    options_.say("waiting for " + std::to_string(before_.without_keys) +
                 " session(s) to negotiate keys that the next dataplane can be given, for " +
                 std::to_string(std::chrono::seconds(kKeysWithin).count()) +
                 " s at most: control has begun anew not long ago");
  while (before_.without_keys > 0 && io::mono_now() < deadline) {
    auto data = ask(run_dir_, {{"command", "renew-keys"}});
    if (!data) data = ask(run_dir_, {{"command", "handover"}});  // of a control that is older than the command before
    if (data) before_ = read_row(*data);
    poll(nullptr, 0, static_cast<int>(kKeysEvery.count()));
  }
}

Status Upgrade::replace_dataplane() {
  wait_for_keys();
  account_.dataplane_before = before_.dataplane_version;
  account_.dataplane_replaced = dataplane_->replaced();
  account_.waiting_for_new_keys = before_.without_keys;
  io::Fd process = open_process(dataplane_->pid());
  MonoTime asked = io::mono_now();
  // Not SIGTERM: it need not look what becomes of control (dataplane/end_policy.h).
  if (!process || syscall(SYS_pidfd_send_signal, process.get(), SIGINT, nullptr, 0) != 0)
    return Error{"the dataplane, process " + std::to_string(dataplane_->pid()) +
                 ", can't be told to end: " + std::strerror(errno) + ": run this as root" + kNothing};
  if (!ends_within(process, kOldEndsWithin))
    return Error{"the dataplane, process " + std::to_string(dataplane_->pid()) +
                 ", does not end: `kill -KILL` it, and control installs the sessions in the next one"};
  auto is_back = [this](const Row& row) {
    return row.ready && row.dataplane_pid != 0 && row.dataplane_pid != dataplane_->pid();
  };
  std::string last;
  auto row = wait_for(is_back, io::mono_now() + options_.ready_within, last);
  if (!row)
    return Error{"the next dataplane is not there yet (" + last +
                 "): its log says why. Control has the sessions and installs them as soon as it is"};
  account_.no_traffic_ms = ms(io::mono_now() - asked);
  account_.dataplane_after = row->dataplane_version;
  account_.tcp_sessions_ended = before_.sessions_over_tcp - std::min(before_.sessions_over_tcp, row->sessions_over_tcp);
  return {};
}

Status Upgrade::wait_for_end(const io::Fd& process, Row last, MonoTime asked) {
  MonoTime seen = asked;
  const MonoTime deadline = asked + options_.wait + kOldEndsWithin;
  while (!ends_within(process, kFollowEvery)) {
    if (io::mono_now() >= deadline)
      return Error{"culvert-control, process " + std::to_string(before_.control_pid) + ", was asked to leave " +
                   std::to_string(ms(io::mono_now() - asked)) + " ms ago and is still there: `kill -KILL " +
                   std::to_string(before_.control_pid) +
                   "` puts the next one in its place, and loses no session either"};
    auto row = look(200ms);
    if (!row || (*row).control_pid != before_.control_pid) continue;
    last = *row;
    seen = io::mono_now();
  }
  account_.leaving_ms = ms(io::mono_now() - asked);
  account_.waited_for = last.waited_for;
  // It ends before its time is over only when nothing is left.
  auto left = std::chrono::milliseconds(last.leaves_within_ms.value_or(0));
  if (io::mono_now() >= seen + left) account_.cut_off = last.unfinished;
  return {};
}

Status Upgrade::replace_control() {
  io::Fd process = open_process(before_.control_pid);
  if (!process) return Error{"culvert-control has just ended by itself: try again when the next one is ready"};
  MonoTime asked = io::mono_now();
  auto answer = ask(run_dir_, {{"command", "leave"}, {"within_ms", options_.wait.count()}});
  if (!answer) return Error{answer.error()};
  account_.control_before = before_.version;
  account_.control_pid_before = before_.control_pid;
  account_.control_replaced = control_->replaced();
  if (dataplane_ && !account_.dataplane_replaced) account_.dataplane_replaced = dataplane_->replaced();
  if (Status ended = wait_for_end(process, read_row(*answer), asked); !ended) return ended;
  MonoTime gone = io::mono_now();
  auto is_next = [this](const Row& row) {
    return row.control_pid != before_.control_pid && (row.ready || row.state.starts_with("held"));
  };
  std::string last;
  auto row = wait_for(is_next, gone + options_.ready_within, last);
  if (!row)
    return Error{"culvert-control has left its sessions, and the next one does not serve yet (" + last +
                 "): its log says why. Clients stay connected meanwhile; who is new, or renegotiates, waits for it"};
  account_.control_away_ms = ms(io::mono_now() - gone);
  account_.control_after = row->version;
  account_.control_pid_after = row->control_pid;
  account_.sessions_kept = row->took_over;
  account_.sessions_left = row->took_over + row->gave_up;
  return {};
}

Result<admin::UpgradeRow> Upgrade::run() {
  if (options_.dataplane)
    if (Status done = replace_dataplane(); !done) return Error{done.error()};
  if (Status done = replace_control(); !done) return Error{done.error()};
  return account_;
}

}  // namespace culvert::cli
