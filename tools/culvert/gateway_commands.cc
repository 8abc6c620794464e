#include <poll.h>
#include <unistd.h>

#include <memory>
#include <utility>

#include "control/admin/rows.h"
#include "control/config/bit_rate.h"
#include "tools/culvert/admin_client.h"
#include "tools/culvert/commands.h"
#include "tools/culvert/help.h"
#include "tools/culvert/table.h"

namespace culvert::cli {
namespace {

using nlohmann::ordered_json;

/// Options that the commands have in common; they live as long as the parser.
struct Shape {
  bool json = false;
  double watch = 0;  ///< seconds between two looks; 0: once
  bool all = false;
  bool restart = false;
  std::string session;
};

void print(const Shape& shape, const std::vector<Column>& columns, const ordered_json& data, const char* when_empty) {
  if (shape.json) return print_json(data, shape.watch > 0);
  if (data.is_array() && data.empty()) {
    std::printf("%s\n", when_empty);
    return;
  }
  size_t limit = terminal_width();
  std::string text = data.is_array() ? table_text(columns, data, limit) : details_text(columns, data, limit);
  std::fputs(text.c_str(), stdout);
}

/// Asks, prints, and with --watch does so again until interrupted, or the reader is gone. A control that is started
/// again is back within a second, so only a first look without an answer ends it. `judge` makes an exit status of what
/// came.
void look(
    Context& context, const Shape& shape, const ordered_json& request, const std::vector<Column>& columns,
    const char* when_empty, int (*judge)(const ordered_json&) = [](const ordered_json&) { return 0; }) {
  for (bool answered = false;;) {
    Result<ordered_json> data = ask(context.run_dir_or_default(), request);
    if (data && shape.watch > 0 && !shape.json && isatty(STDOUT_FILENO)) std::printf("\033[H\033[2J");
    if (data) {
      answered = true;
      print(shape, columns, *data, when_empty);
      context.exit_status = judge(*data);
    } else {
      context.fail(data.error());
      if (!answered) return;
    }
    if (std::fflush(stdout) != 0 || shape.watch <= 0) return;
    poll(nullptr, 0, static_cast<int>(shape.watch * 1000));
  }
}

std::shared_ptr<Shape> add_shape(CLI::App& command, bool watch) {
  auto shape = std::make_shared<Shape>();
  command.add_flag("--json", shape->json, watch ? "print JSON; with --watch one line per look" : "print JSON");
  if (watch)
    command.add_option("--watch", shape->watch, "look again every SECONDS, until interrupted")
        ->expected(0, 1)
        ->default_str("2")
        ->check(seconds_up_to(86400))
        ->type_name("SECONDS");
  return shape;
}

template <class Row>
CLI::App* add_list(CLI::App& app, Context& context, const char* name, const char* help, const char* when_empty) {
  CLI::App* command = app.add_subcommand(name, help);
  auto shape = add_shape(*command, true);
  if (std::string(name) == "drops") command->add_flag("--all", shape->all, "also reasons that have not occurred");
  command->callback([&context, shape, name, when_empty] {
    ordered_json request = {{"command", name}};
    if (shape->all) request["all"] = true;
    look(context, *shape, request, columns_of<Row>(), when_empty);
  });
  return command;
}

void add_status(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("status", "the gateway as a whole; status 1 unless it is ready for clients");
  auto shape = add_shape(*command, true);
  command->callback([&context, shape] {
    look(context, *shape, {{"command", "status"}}, columns_of<admin::StatusRow>(), "",
         [](const ordered_json& status) { return status.value("ready", false) ? 0 : 1; });
  });
}

/// Options of `session limit`.
struct LimitOptions {
  std::string in;  ///< empty: stays as it is
  std::string out;
  bool none = false;
};

/// What control is asked for; the error is one in the words of the options.
Result<ordered_json> limit_request(const std::string& session, const LimitOptions& options) {
  ordered_json request = {{"command", "session limit"}, {"session", session}};
  if (options.none) request["in"] = request["out"] = 0;
  for (auto [name, text] : {std::pair{"in", &options.in}, std::pair{"out", &options.out}}) {
    if (text->empty()) continue;
    Result<uint64_t> bits = config::parse_bit_rate(*text);
    if (!bits) return Error{std::string("--") + name + ": " + bits.error()};
    request[name] = *bits;
  }
  if (!request.contains("in") && !request.contains("out"))
    return Error{"nothing to do: give --in RATE, --out RATE or both, or --none to lift what there is"};
  return request;
}

void add_session_limit(CLI::App& session, Context& context, const char* which) {
  CLI::App* command =
      session.add_subcommand("limit", "how much a session may carry, until it ends; what is not given stays as it is");
  auto shape = add_shape(*command, false);
  command->footer("  culvert session limit alice --in 20M --out 50M\n  culvert session limit 10.8.0.2 --out none\n");
  auto options = std::make_shared<LimitOptions>();
  command->add_option("SESSION", shape->session, which)->required();
  CLI::Option* none = command->add_flag("--none", options->none, "lift the limits of both directions");
  const std::string rate = "in bits of inner packets per second, such as 800K, 20M or 1.5G; none: no limit";
  command->add_option("--in", options->in, "from the client, " + rate)->type_name("RATE")->excludes(none);
  command->add_option("--out", options->out, "to the client, " + rate)->type_name("RATE")->excludes(none);
  command->callback([&context, shape, options] {
    Result<ordered_json> request = limit_request(shape->session, *options);
    if (!request) return context.wrong_use(request.error());
    Result<ordered_json> data = ask(context.run_dir_or_default(), *request);
    if (!data) return context.fail(data.error());
    if (shape->json) return print_json(*data);
    auto limit = [&data](const char* name) {
      const ordered_json& bits = (*data)[name];
      return bits.is_null() ? std::string("no limit") : cell_text(bits, admin::Format::kBitRate);
    };
    std::printf("session %s of %s: %s from the client, %s to it\n",
                cell_text((*data)["id"], admin::Format::kPlain).c_str(),
                cell_text((*data)["common_name"], admin::Format::kPlain).c_str(), limit("limit_in").c_str(),
                limit("limit_out").c_str());
  });
}

void add_session(CLI::App& app, Context& context) {
  CLI::App* session = app.add_subcommand("session", "one session")->require_subcommand(1);
  const char* which = "ID, common name, or inner or outer address, as in `culvert sessions`";
  session->footer(
      "  culvert session show alice\n"
      "  culvert session kill 192.0.2.10:59017\n"
      "  culvert session limit alice --in 20M --out 50M\n");

  CLI::App* show = session->add_subcommand("show", "all that is known of a session");
  auto show_shape = add_shape(*show, true);
  show->add_option("SESSION", show_shape->session, which)->required();
  show->callback([&context, show_shape] {
    look(context, *show_shape, {{"command", "session show"}, {"session", show_shape->session}},
         columns_of<admin::SessionRow>(), "");
  });

  CLI::App* kill = session->add_subcommand("kill", "end a session now; its client is told to give up");
  auto kill_shape = add_shape(*kill, false);
  kill->add_option("SESSION", kill_shape->session, which)->required();
  kill->add_flag("--restart", kill_shape->restart, "tell the client to connect again instead");
  kill->callback([&context, kill_shape] {
    ordered_json request = {
        {"command", "session kill"}, {"session", kill_shape->session}, {"restart", kill_shape->restart}};
    Result<ordered_json> data = ask(context.run_dir_or_default(), request);
    if (!data) return context.fail(data.error());
    if (kill_shape->json) return print_json(*data);
    std::printf("ended session %s of %s from %s\n", cell_text((*data)["id"], admin::Format::kPlain).c_str(),
                cell_text((*data)["common_name"], admin::Format::kPlain).c_str(),
                cell_text((*data)["remote"], admin::Format::kPlain).c_str());
  });

  add_session_limit(*session, context, which);
}

void add_push_update(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("push-update", "change what connected clients were pushed");
  command->footer(
      "  culvert push-update 'route 10.1.0.0 255.255.0.0, -dns'\n"
      "  culvert push-update --session alice 'dhcp-option DNS 10.8.0.1'\n");
  auto shape = add_shape(*command, false);
  auto options = std::make_shared<std::string>();
  command
      ->add_option("OPTIONS", *options,
                   "options, separated by commas; -NAME takes one away (write -- before a text that begins so), ?NAME "
                   "may be unknown")
      ->required();
  command->add_option("--session", shape->session, "only this one: ID, common name or address")->type_name("SESSION");
  command->callback([&context, shape, options] {
    ordered_json request = {{"command", "push-update"}, {"options", *options}};
    if (!shape->session.empty()) request["session"] = shape->session;
    Result<ordered_json> data = ask(context.run_dir_or_default(), request);
    if (!data) return context.fail(data.error());
    if (shape->json) return print_json(*data);
    std::printf("told %s client(s); %s can't take it\n", cell_text((*data)["told"], admin::Format::kPlain).c_str(),
                cell_text((*data)["left_out"], admin::Format::kPlain).c_str());
  });
}

}  // namespace

void add_gateway_commands(CLI::App& app, Context& context) {
  add_status(app, context);
  add_list<admin::SessionRow>(app, context, "sessions", "connected clients", "no client is connected")
      ->footer(
          "  culvert sessions --watch\n"
          "  culvert sessions --json | jq '.[].common_name'\n");
  add_session(app, context);
  add_push_update(app, context);
  add_list<admin::DropRow>(app, context, "drops", "packets that did not go on, by reason", "no packet was dropped");
  add_list<admin::CounterRow>(app, context, "counters", "what else both processes have counted", "nothing counted");
  add_list<admin::WorkerRow>(app, context, "workers", "the dataplane's workers", "no worker");
  add_list<admin::PortRow>(app, context, "ports", "sockets and the TUN", "no port");
}

}  // namespace culvert::cli
