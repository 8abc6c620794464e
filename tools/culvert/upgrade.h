// A new program in the place of a running one, while clients stay connected.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "control/admin/handover.h"
#include "control/io/fd.h"
#include "control/now.h"
#include "tools/culvert/running_program.h"

namespace culvert::cli {

struct UpgradeOptions {
  bool dataplane = false;  ///< the dataplane as well
  /// How long control waits for what is in the middle before it leaves.
  std::chrono::milliseconds wait{5000};
  std::chrono::milliseconds ready_within{30000};  ///< for the next process to start and serve
  /// Told what is waited for, when that takes more than a moment.
  std::function<void(const std::string&)> say = [](const std::string&) {};
};

class Upgrade {
 public:
  Upgrade(std::string run_dir, UpgradeOptions options) : run_dir_(std::move(run_dir)), options_(options) {}

  /// Looks whether it can succeed, and changes nothing. The error says why not, and what to do.
  Status prepare();
  /// Behind prepare(): the dataplane first if it is asked for (only a control that has made the keys can give them to
  /// the next dataplane), then control. The error says how it stands, and what to do.
  Result<admin::UpgradeRow> run();

 private:
  using Row = admin::HandoverRow;

  Result<Row> look(std::chrono::milliseconds within = std::chrono::seconds(5)) const;
  static Status find(const std::string& name, pid_t pid, std::optional<RunningProgram>& found);
  Status check_control();
  Status check_dataplane();
  Status replace_dataplane();
  Status replace_control();
  /// Waits until control knows all keys that clients may send with, and so can give them to the next dataplane:
  /// sessions of the control before it have to renegotiate for that.
  void wait_for_keys();
  /// Follows the old control to its end.
  Status wait_for_end(const io::Fd& process, Row last, MonoTime asked);
  /// A row for which `wanted` holds; nothing when `deadline` has passed. `last`: what was seen last.
  std::optional<Row> wait_for(const std::function<bool(const Row&)>& wanted, MonoTime deadline,
                              std::string& last) const;

  std::string run_dir_;
  UpgradeOptions options_;
  Row before_;
  std::optional<RunningProgram> control_;
  std::optional<RunningProgram> dataplane_;
  admin::UpgradeRow account_;
};

}  // namespace culvert::cli
