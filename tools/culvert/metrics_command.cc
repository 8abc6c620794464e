// `culvert metrics`: prints them once, or serves them to Prometheus. A process of its own, so that no scraper talks
// HTTP to the one that has the keys, and a slow one makes nobody wait.
#include <netdb.h>
#include <prometheus/collectable.h>
#include <prometheus/exposer.h>
#include <prometheus/text_serializer.h>
#include <pthread.h>
#include <sys/socket.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <utility>

#include "control/io/fd.h"
#include "tools/culvert/admin_client.h"
#include "tools/culvert/commands.h"
#include "tools/culvert/metrics.h"

namespace culvert::cli {
namespace {

using nlohmann::ordered_json;

struct MetricsOptions {
  std::string listen;  ///< empty: print once
  bool sessions = false;
};

/// Asks the gateway. The error is that of its status; other lists may be missing, as they are without a dataplane.
Result<GatewayRows> ask_for_rows(const std::string& run_dir, bool sessions) {
  auto list = [&run_dir](const char* command, bool all = false) {
    ordered_json request = {{"command", command}};
    if (all) request["all"] = true;
    auto rows = ask(run_dir, request);
    return rows ? *std::move(rows) : ordered_json();
  };
  auto status = ask(run_dir, {{"command", "status"}});
  if (!status) return Error{status.error()};
  return GatewayRows{.status = *std::move(status),
                     .counters = list("counters"),
                     .drops = list("drops", true),
                     .workers = list("workers"),
                     .ports = list("ports"),
                     .sessions = sessions ? list("sessions") : ordered_json()};
}

/// Asks anew for each scrape.
class Gateway final : public prometheus::Collectable {
 public:
  Gateway(std::string run_dir, bool sessions) : run_dir_(std::move(run_dir)), sessions_(sessions) {}

  std::vector<prometheus::MetricFamily> Collect() const override {
    auto rows = ask_for_rows(run_dir_, sessions_);
    return rows ? metrics_of(*rows) : metrics_of_no_gateway();
  }

 private:
  std::string run_dir_;
  bool sessions_;
};

/// Splits "127.0.0.1:9194" or "[::1]:9194". Empty strings: it is neither.
std::pair<std::string, std::string> split(const std::string& listen) {
  const size_t colon = listen.rfind(':');
  if (colon == std::string::npos || colon + 1 == listen.size()) return {};
  std::string host = listen.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (bracketed != (host.find(':') != std::string::npos)) return {};
  return {host, listen.substr(colon + 1)};
}

/// Fails where nothing can listen, with the reason, which the library keeps to itself.
Status try_to_listen(const std::string& listen) {
  const auto [host, port] = split(listen);
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (host.empty() || getaddrinfo(host.c_str(), port.c_str(), &hints, &found) != 0)
    return Error{"--listen " + listen + ": write ADDRESS:PORT, such as 127.0.0.1:9194 or [::1]:9194"};
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> address(found, freeaddrinfo);
  const io::Fd trial(socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  setsockopt(trial.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(trial.get(), address->ai_addr, address->ai_addrlen) == 0 && ::listen(trial.get(), 1) == 0) return {};
  return Error{"--listen " + listen + ": " + std::strerror(errno) +
               (errno == EADDRINUSE ? ": another program has the port, choose another one" : "")};
}

/// Serves until SIGTERM or SIGINT.
void serve(Context& context, const MetricsOptions& options) {
  if (Status can = try_to_listen(options.listen); !can) return context.fail(can.error());
  // Blocked before the library's threads are there, which inherit that.
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  const auto gateway = std::make_shared<Gateway>(context.run_dir_or_default(), options.sessions);
  try {
    prometheus::Exposer exposer(options.listen);
    exposer.RegisterCollectable(gateway);
    std::printf("serving http://%s/metrics until SIGTERM\n", options.listen.c_str());
    std::fflush(stdout);
    int signal = 0;
    sigwait(&ends, &signal);
  } catch (const std::exception& problem) {  // how the library says it
    context.fail("--listen " + options.listen + ": " + problem.what());
  }
}

void print_once(Context& context, const MetricsOptions& options) {
  auto rows = ask_for_rows(context.run_dir_or_default(), options.sessions);
  if (!rows) return context.fail(rows.error());
  std::fputs(prometheus::TextSerializer().Serialize(metrics_of(*rows)).c_str(), stdout);
}

}  // namespace

void add_metrics_command(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("metrics", "the gateway's figures for Prometheus: printed once, or served");
  command->footer(
      "  culvert metrics --listen 127.0.0.1:9194\n"
      "  culvert metrics > /var/lib/prometheus/node-exporter/culvert.prom\n");
  auto options = std::make_shared<MetricsOptions>();
  command->add_option("--listen", options->listen, "serve http://ADDRESS:PORT/metrics until SIGTERM")
      ->type_name("ADDRESS:PORT");
  command->add_flag("--sessions", options->sessions, "also of each session: a few series for every client");
  command->callback([&context, options] {
    if (options->listen.empty()) return print_once(context, *options);
    serve(context, *options);
  });
}

}  // namespace culvert::cli
