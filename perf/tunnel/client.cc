// The other end of a tunnel as fast as the gateway: the engine's client side, and below it the gateway's own worker,
// packet path and drivers, all in one thread. For measurements; a client for users is another program.
#include <sys/eventfd.h>

#include <CLI/CLI.hpp>

#include <cstdio>
#include <fstream>
#include <sstream>

#include "control/crypto/tls.h"
#include "dataplane/clock.h"
#include "dataplane/crypto/engine.h"
#include "dataplane/link/link_memory.h"
#include "dataplane/worker.h"
#include "perf/tunnel/control.h"
#include "perf/tunnel/ends.h"

namespace culvert::perf {
namespace {

constexpr uint32_t kSessions = 16;

struct Options {
  EndOptions ends;
  std::string ca, certificate, key;
  std::vector<std::string> routes;
};

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) return Error{path + ": cannot be read"};
  return text.str();
}

Result<openvpn::ClientSettings> client_settings(const Options& options, const abi::Endpoint& remote) {
  crypto::TlsSettings tls;
  tls.role = crypto::TlsRole::kClient;
  for (auto [path, text] : {std::pair(&options.ca, &tls.ca_pem), std::pair(&options.certificate, &tls.certificate_pem),
                            std::pair(&options.key, &tls.key_pem)}) {
    auto read = read_file(*path);
    if (!read) return Error{read.error()};
    *text = *read;
  }
  auto context = crypto::TlsContext::make(tls);
  if (!context) return Error{context.error()};
  openvpn::ClientSettings settings;
  settings.name = "tunnel_client";
  settings.tls = *context;
  settings.remote = remote;
  return settings;
}

Result<std::vector<abi::InnerPrefix>> read_routes(const std::vector<std::string>& texts) {
  std::vector<abi::InnerPrefix> routes;
  for (const std::string& text : texts) {
    auto prefix = parse_prefix(text);
    if (!prefix) return Error{"--route " + prefix.error()};
    routes.push_back({prefix->address, prefix->prefix});
  }
  return routes;
}

/// Worker and control take turns until a signal or the end of the session. Returns why it ended, empty for a signal.
std::string run(dataplane::Worker& worker, ClientControl& control) {
  bool said = false;
  control.start();
  while (!must_end() && control.ended().empty()) {
    uint64_t now_ns = dataplane::monotonic_ns();
    bool busy = worker.pass(now_ns);
    busy |= control.pass();
    if (!said && control.connected()) {
      said = true;
      std::printf("tunnel_client: connected\n");
      std::fflush(stdout);
    }
    // The worker sleeps for a second at most, which is as exactly as the engine's deadlines need once connected.
    if (said) worker.rest(now_ns, busy);
  }
  if (must_end()) {
    control.leave();
    worker.pass(dataplane::monotonic_ns());
  }
  return must_end() ? "" : control.ended();
}

Status start(const Options& options) {
  auto routes = read_routes(options.routes);
  if (!routes) return Error{routes.error()};
  auto ends = open_ends(options.ends);
  if (!ends) return Error{ends.error()};
  auto settings = client_settings(options, ends->remote);
  if (!settings) return Error{settings.error()};
  auto link = dataplane::LinkMemory::make(1, kSessions, CULVERT_VERSION);
  if (!link) return Error{link.error()};
  auto aead = aead::make_engine();
  if (!aead) return Error{aead.error()};
  auto path = dataplane::Path::make(link->view(), 0, ends->packets, **aead);
  if (!path) return Error{path.error()};

  dataplane::PortTable table;
  table.outer[0] = ends->udp;
  table.inner = ends->tun;
  dataplane::PortMailbox mailbox;
  mailbox.post(&table);
  drivers::FileDescriptor main_doorbell(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  dataplane::Worker worker(link->view().worker(0), **path, mailbox,
                           {link->worker_doorbell(0), link->control_doorbell(0), main_doorbell.get()});
  ClientControl control(link->view().worker(0), *std::move(settings), *std::move(routes));
  std::string why = run(worker, control);
  if (!why.empty()) return Error{why};
  return {};
}

}  // namespace
}  // namespace culvert::perf

int main(int argc, char** argv) {
  using namespace culvert::perf;
  CLI::App app("A client of one server, with the gateway's own packet path. For measurements.", "tunnel_client");
  Options options;
  add_options(app, options.ends);
  app.add_option("--ca", options.ca, "file of the CA's certificate")->required();
  app.add_option("--cert", options.certificate, "file of the client's certificate")->required();
  app.add_option("--key", options.key, "file of its key")->required();
  app.add_option("--route", options.routes, "network behind the server, as 10.8.0.1/32; also its own address")
      ->required();
  CLI11_PARSE(app, argc, argv);
  catch_signals();
  auto done = start(options);
  if (!done) std::fprintf(stderr, "tunnel_client: %s\n", done.error().c_str());
  return done ? 0 : 1;
}
