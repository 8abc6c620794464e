// How many handshakes one core of control can serve, beside what TLS alone costs in the same run.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "control/io/heap.h"
#include "perf/bench_handshakes/exchange.h"

namespace culvert::perf {
namespace {

struct Options {
  uint32_t handshakes = 500;
  uint32_t repeats = 10;
  std::string only;  ///< the one case to measure; empty: all
  bool json = false;
};

std::vector<std::pair<std::string, Variant>> cases() {
  using enum crypto::TlsVersion;
  using enum crypto::KeyKind;
  return {
      {"TLS 1.3, P-256", {kTls13, kEcP256}},
      {"TLS 1.3, P-256, CRL", {kTls13, kEcP256, true, true}},
      {"TLS 1.2, P-256", {kTls12, kEcP256}},
      {"TLS 1.3, Ed25519", {kTls13, kEd25519}},
      {"returning: TLS 1.3, P-256", {kTls13, kEcP256, false}},
      {"returning: the same, CRL", {kTls13, kEcP256, false, true}},
  };
}

struct Row {
  std::string name;
  double whole_us;   ///< CPU of the server engine per client, median over the repeats
  double tls_us;     ///< TLS alone
  double spread_us;  ///< half the distance between the quartiles of whole_us
};

double quantile(std::vector<double> values, double at) {
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(at * static_cast<double>(values.size() - 1) + 0.5)];
}

Result<Row> measure(const std::string& name, const Variant& variant, const Options& options) {
  crypto::SystemRandom random;
  auto credentials = make_credentials(variant, variant.new_clients ? options.handshakes : 1, random);
  if (!credentials) return Error{credentials.error()};
  std::vector<double> whole;
  std::vector<double> tls;
  const auto renew = [&] { return variant.new_clients ? credentials->forget_clients() : Status{}; };
  for (uint32_t repeat = 0; repeat <= options.repeats; ++repeat) {
    if (Status done = renew(); !done) return Error{done.error()};
    auto connected = connect_clients(*credentials, options.handshakes, random);
    if (!connected) return Error{connected.error()};
    if (Status done = renew(); !done) return Error{done.error()};
    auto alone = tls_alone(*credentials, options.handshakes);
    if (!alone) return Error{alone.error()};
    if (repeat == 0) continue;  // warm-up
    whole.push_back(*connected / 1000);
    tls.push_back(*alone / 1000);
  }
  return Row{name, quantile(whole, 0.5), quantile(tls, 0.5), (quantile(whole, 0.75) - quantile(whole, 0.25)) / 2};
}

void print(const Row& row) {
  std::printf("%-26s %8.0f ±%4.0f %10.0f %13.0f %12.0f %7.2f\n", row.name.c_str(), row.whole_us, row.spread_us,
              row.tls_us, 1e6 / row.whole_us, 1e6 / row.tls_us, row.tls_us / row.whole_us);
  std::fflush(stdout);
}

std::string to_json(const std::vector<Row>& rows) {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const Row& row : rows)
    all.push_back({{"case", row.name},
                   {"whole_us", row.whole_us},
                   {"whole_spread_us", row.spread_us},
                   {"tls_alone_us", row.tls_us},
                   {"handshakes_per_second", 1e6 / row.whole_us},
                   {"ratio", row.tls_us / row.whole_us}});
  return all.dump(2);
}

int run(const Options& options) {
  if (!options.json)
    std::printf(
        "Server's CPU per client: cookie, tls-crypt-v2, mutual TLS, key exchange, push; one thread.\n"
        "ratio = TLS alone / whole (1 would be an engine that costs nothing).\n\n"
        "case                        whole µs      TLS alone  handshakes/s     TLS alone/s   ratio\n");
  std::vector<Row> rows;
  for (const auto& [name, variant] : cases()) {
    if (!options.only.empty() && name != options.only) continue;
    auto row = measure(name, variant, options);
    if (!row) {
      std::fprintf(stderr, "bench_handshakes: %s: %s\n", name.c_str(), row.error().c_str());
      return 1;
    }
    if (!options.json) print(*row);
    rows.push_back(*row);
  }
  if (options.json) std::printf("%s\n", to_json(rows).c_str());
  return 0;
}

}  // namespace
}  // namespace culvert::perf

int main(int argc, char** argv) {
  culvert::io::tune_heap(argv);  // as control does
  culvert::perf::Options options;
  std::vector<std::string> names;
  for (const auto& [name, variant] : culvert::perf::cases()) names.push_back(name);
  CLI::App app("Measures what the server's side of a handshake costs.");
  app.add_option("--handshakes", options.handshakes, "clients per repeat")
      ->check(CLI::Range(1, 50000))
      ->capture_default_str();
  app.add_option("--repeats", options.repeats, "repeats of each case")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--case", options.only, "one case only, by its name")->check(CLI::IsMember(names));
  app.add_flag("--json", options.json, "one row per case");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return culvert::perf::run(options);
}
