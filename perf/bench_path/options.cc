#include "perf/bench_path/options.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <charconv>

namespace culvert::perf {
namespace {

using abi::Cipher;

template <class T>
using Names = std::vector<std::pair<std::string, T>>;

const Names<Direction> kDirections = {{"in", Direction::kOuterToInner}, {"out", Direction::kInnerToOuter}};
const Names<Cipher> kCiphers = {{"AES-128-GCM", Cipher::kAes128Gcm},
                                {"AES-192-GCM", Cipher::kAes192Gcm},
                                {"AES-256-GCM", Cipher::kAes256Gcm},
                                {"CHACHA20-POLY1305", Cipher::kChacha20Poly1305}};
const Names<Order> kOrders = {{"shuffled", Order::kShuffled}, {"address", Order::kAddress}};

Names<aead::Level> levels() {
  Names<aead::Level> names;
  for (aead::Level level : aead::kLevels) names.emplace_back(aead::to_text(level), level);
  return names;
}

/// Replaces `values` by those that `texts` name, when there are any. Returns what is wrong, or nothing.
template <class T>
std::string read_names(const char* option, const std::vector<std::string>& texts, const Names<T>& names,
                       std::vector<T>& values) {
  if (!texts.empty()) values.clear();
  for (const std::string& text : texts) {
    auto is_it = [&](const auto& name) { return CLI::detail::to_lower(name.first) == CLI::detail::to_lower(text); };
    auto name = std::find_if(names.begin(), names.end(), is_it);
    if (name == names.end()) {
      std::string known;
      for (const auto& [each, value] : names) known += (known.empty() ? "" : ", ") + each;
      return std::string(option) + " " + text + ": choose from " + known;
    }
    values.push_back(name->second);
  }
  return {};
}

constexpr uint32_t kMinSize = 40;  ///< an IPv6 header

/// Sizes in bytes, "imix", or "any", likewise.
std::string read_sizes(const std::vector<std::string>& texts, std::vector<uint32_t>& sizes) {
  if (!texts.empty()) sizes.clear();
  for (const std::string& text : texts) {
    uint32_t size = text == "any" ? kAnySize : kImix;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
    bool number = error == std::errc() && end == text.data() + text.size() && size >= kMinSize && size <= kMaxSize;
    if (text != "imix" && text != "any" && !number)
      return "--size " + text + ": give bytes of inner packet from 40 to 1500, imix, or any";
    sizes.push_back(size);
  }
  return {};
}

}  // namespace

std::string to_text(Direction direction) {
  for (const auto& [name, value] : kDirections)
    if (value == direction) return name;
  return "?";
}
std::string to_text(Cipher cipher) {
  for (const auto& [name, value] : kCiphers)
    if (value == cipher) return name;
  return "?";
}
std::string to_text(Order order) {
  for (const auto& [name, value] : kOrders)
    if (value == order) return name;
  return "?";
}
std::string size_text(uint32_t size) {
  if (size == kAnySize) return "any";
  return size == kImix ? "imix" : std::to_string(size);
}
double mean_bytes(uint32_t size) {
  if (size == kAnySize) return (kLeastOfAny + kMostOfAny) / 2.0;
  return size == kImix ? (7 * 64 + 4 * 576 + 1400) / 12.0 : size;
}

Parsed parse_options(int argc, char** argv) {
  Parsed parsed;
  Options& options = parsed.options;
  CLI::App app{
      "Measures the packet path in memory: whole path, path without cryptography, and the AEAD alone, in turns."};
  std::vector<std::string> directions, ciphers, sizes, level, order;
  app.add_option("--direction", directions, "in (outer to inner), out, or both; default both")->delimiter(',');
  app.add_option("--cipher", ciphers, "default AES-256-GCM,CHACHA20-POLY1305")->delimiter(',');
  app.add_option("--size", sizes,
                 "bytes of inner packet, imix, or any (40 to 1400 in no order); default 64,300,512,1400,imix")
      ->delimiter(',');
  app.add_option("--sessions", options.sessions, "sessions that packets are spread over; default 1,100,1000,10000")
      ->check(CLI::Range(1u, 200000u))
      ->delimiter(',');
  app.add_option("--burst", options.burst, "packets per burst; default 32")->check(CLI::Range(1u, 256u));
  app.add_option("--repeats", options.repeats, "measurements of each kind; default 15")->check(CLI::Range(3u, 1000u));
  app.add_option("--packets", options.packets, "packet buffers, all used before one is used again; default 8192")
      ->check(CLI::Range(256u, 65536u));
  app.add_option("--order", order,
                 "how the buffers lie: shuffled (default), as a pool gives them after a while, or address, as at its "
                 "start")
      ->expected(1);
  app.add_flag("--trace", options.trace, "measure what it costs that somebody traces packets, instead");
  app.add_flag("--engines", options.engines, "measure the AEAD alone at every level of instructions, instead")
      ->excludes("--trace");
  app.add_option("--level", level,
                 "most instructions that the path's engine may use: SSE, AVX2, VAES, AVX512 (default)")
      ->expected(1)
      ->excludes("--engines");
  app.add_flag("--json", options.json, "one JSON array, a row per case");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    parsed.exit_status = app.exit(error) == 0 ? 0 : 2;
    return parsed;
  }
  std::vector<aead::Level> chosen = {options.level};
  std::vector<Order> chosen_order = {options.order};
  for (const std::string& wrong :
       {read_names("--direction", directions, kDirections, options.directions),
        read_names("--cipher", ciphers, kCiphers, options.ciphers), read_sizes(sizes, options.sizes),
        read_names("--level", level, levels(), chosen), read_names("--order", order, kOrders, chosen_order)}) {
    if (wrong.empty()) continue;
    std::fprintf(stderr, "bench_path: %s\n", wrong.c_str());
    parsed.exit_status = 2;
  }
  if (parsed.exit_status) return parsed;
  options.level = chosen.back();
  options.order = chosen_order.back();
  return parsed;
}

}  // namespace culvert::perf
