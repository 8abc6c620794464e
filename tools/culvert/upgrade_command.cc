#include <cstdio>
#include <memory>

#include "control/admin/to_json.h"
#include "tools/culvert/commands.h"
#include "tools/culvert/help.h"
#include "tools/culvert/upgrade.h"
#include "tools/culvert/upgrade_text.h"

namespace culvert::cli {
namespace {

struct Given {
  bool json = false;
  bool dataplane = false;
  uint64_t wait_s = 5;
};

void upgrade(Context& context, const Given& given) {
  Upgrade upgrade(context.run_dir_or_default(),
                  {.dataplane = given.dataplane,
                   .wait = std::chrono::seconds(given.wait_s),
                   .say = [](const std::string& text) { std::fprintf(stderr, "culvert: %s\n", text.c_str()); }});
  if (Status status = upgrade.prepare(); !status) return context.fail(status.error());
  auto row = upgrade.run();
  if (!row) return context.fail(row.error());
  if (given.json)
    std::printf("%s\n",
                admin::to_json(*row).dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
  else
    std::fputs(upgrade_text(*row).c_str(), stdout);
  if ((*row).sessions_kept < (*row).sessions_left)
    context.fail(
        "sessions ended that the configuration has no place for any more: the log names their number, and their "
        "clients connect again where they can");
}

}  // namespace

void add_upgrade_command(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand(
      "upgrade", "put the installed culvert-control in the place of the running one; clients stay connected");
  command->footer(
      "  culvert upgrade\n"
      "  culvert upgrade --dataplane\n");
  auto given = std::make_shared<Given>();
  command->add_flag("--dataplane", given->dataplane, "the dataplane as well: packets wait for a moment");
  command
      ->add_option("--wait", given->wait_s,
                   "how long handshakes, renegotiations and scripts in the middle may take to end")
      ->capture_default_str()
      ->check(whole_number(0, 600))
      ->type_name("SECONDS");
  command->add_flag("--json", given->json, "print JSON");
  command->callback([&context, given] { upgrade(context, *given); });
}

}  // namespace culvert::cli
