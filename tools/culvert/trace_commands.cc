#include <signal.h>

#include <chrono>
#include <memory>

#include "control/admin/rows.h"
#include "control/admin/to_json.h"
#include "control/io/clock.h"
#include "tools/culvert/capture_file.h"
#include "tools/culvert/commands.h"
#include "tools/culvert/help.h"
#include "tools/culvert/table.h"
#include "tools/culvert/trace_filter.h"
#include "tools/culvert/trace_link.h"
#include "tools/culvert/trace_rows.h"

namespace culvert::cli {
namespace {

using nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;
using Sample = TraceLink::Sample;

volatile sig_atomic_t interrupted = 0;

void interrupt(int) {
  interrupted = 1;
}

/// When to end: whichever comes first.
struct Bounds {
  uint64_t packets = 0;
  double seconds = 0;  ///< 0: no limit
  uint64_t bytes = UINT64_MAX;
};

std::string json_text(const ordered_json& data, int indent) {
  return data.dump(indent, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

/// Gives samples to `each`, which says how many of the wanted packets (0 or more) it made of one, until a bound of
/// `bounds` is reached or a signal comes. Result: which; the error is for the operator.
template <class Each, class Size>
Result<std::string> follow(TraceLink& link, const Bounds& bounds, Each each, Size size) {
  struct sigaction action {};
  action.sa_handler = interrupt;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  Clock::time_point start = Clock::now();
  uint64_t packets = 0;
  for (;;) {
    constexpr int kLookEveryMs = 20;
    auto samples = link.take(kLookEveryMs);
    if (!samples) return Error{samples.error()};
    for (const Sample& sample : *samples) {
      auto made = each(sample);
      if (!made) return Error{made.error()};
      packets += *made;
      if (packets >= bounds.packets) return std::string("count");
      if (size() >= bounds.bytes) return std::string("bytes");
    }
    if (!samples->empty() && std::fflush(stdout) != 0) return Error{"standard output is gone"};
    if (interrupted != 0) return std::string("signal");
    if (bounds.seconds > 0 && Clock::now() - start >= std::chrono::duration<double>(bounds.seconds))
      return std::string("seconds");
  }
}

/// So that the first lines stand in line with the later ones: widths of what is usual.
const std::map<std::string_view, size_t> kLeastWidths = {
    {"direction", 11},  {"session", 7},     {"common_name", 12}, {"step", 12},         {"result", 7},
    {"outer_bytes", 5}, {"inner_bytes", 5}, {"remote", 21},      {"inner_source", 18}, {"inner_destination", 18}};

struct TraceOptions {
  TraceFilter filter;
  Bounds bounds{.packets = 100};
  bool json = false;
};

void run_trace(Context& context, const TraceOptions& options) {
  const std::string run_dir = context.run_dir_or_default();
  auto request = options.filter.request(run_dir);
  if (!request) return context.fail(request.error());
  auto link = TraceLink::start(run_dir, *request);
  if (!link) return context.fail(link.error());
  SessionNames names(run_dir);
  TableStream table(columns_of<admin::TraceRow>(), kLeastWidths);
  const uint64_t offset_ns = wall_offset_ns();
  auto ended = follow(
      **link, options.bounds,
      [&](const Sample& sample) -> Result<uint64_t> {
        const abi::TraceEntry& entry = sample.entry;
        ordered_json row =
            admin::to_json(trace_row(entry, sample.worker, entry.time_ns + offset_ns, names.of(entry.session)));
        std::fputs((options.json ? json_text(row, -1) : table.line(row)).c_str(), stdout);
        return 1;
      },
      [] { return uint64_t{0}; });
  std::fflush(stdout);
  if (!ended) return context.fail(ended.error());
  if (uint64_t lost = (*link)->lost(); lost > 0)
    std::fprintf(stderr, "culvert: %llu more found no room: narrow the filter, or use --every\n",
                 static_cast<unsigned long long>(lost));
}

struct CaptureOptions {
  TraceFilter filter;
  Bounds bounds{.packets = 10000, .seconds = 60, .bytes = 64u << 20};
  std::string file;
  bool outer = false;
  uint32_t snap = 2048;
  bool json = false;
};

/// Appends one packet. Result: 1, or 0 when it is none that a capture can hold. Error: the file can't be written.
Result<uint64_t> append(CaptureFile& file, const Sample& sample, uint64_t offset_ns) {
  const abi::TraceEntry& entry = sample.entry;
  bool from_client = entry.direction == abi::trace_direction::kFromClient;
  std::vector<uint8_t> bytes;
  uint32_t length = entry.inner_length;
  if (entry.content == abi::PacketContent::kOuter) {
    // A packet between two clients left the gateway with the second one's address.
    bool leaves = !from_client || entry.step == std::array<char, 22>{"send_outer"};
    bytes = outer_headers(leaves ? entry.local : entry.remote, leaves ? entry.remote : entry.local, entry.outer_length,
                          sample.bytes);
    if (bytes.empty()) return 0;
    length = entry.outer_length + static_cast<uint32_t>(bytes.size());
    from_client = !leaves;
  } else if (sample.bytes.empty() || (sample.bytes[0] >> 4 != 4 && sample.bytes[0] >> 4 != 6)) {
    return 0;  // a keepalive, say
  }
  bytes.insert(bytes.end(), sample.bytes.begin(), sample.bytes.end());
  std::string comment;
  if (entry.reason != abi::kNoDropReason) comment = "dropped: " + std::string(abi::kDropInfo[entry.reason].name);
  auto flow = from_client ? pcapng::Flow::kInbound : pcapng::Flow::kOutbound;
  if (!file.write(pcapng::packet(entry.time_ns + offset_ns, bytes,
                                 std::max(length, static_cast<uint32_t>(bytes.size())), flow, comment)))
    return Error{"cannot write the capture: is the disk full, or its reader gone?"};
  return 1;
}

void run_capture(Context& context, const CaptureOptions& options) {
  const std::string run_dir = context.run_dir_or_default();
  auto request = options.filter.request(run_dir);
  if (!request) return context.fail(request.error());
  request->content = options.outer ? abi::PacketContent::kOuter : abi::PacketContent::kInner;
  request->snap = options.snap;
  auto file = CaptureFile::create(options.file);
  if (!file) return context.fail(file.error());
  auto link = TraceLink::start(run_dir, *request);
  if (!link) {
    (*file)->discard();
    return context.fail(link.error());
  }
  const uint64_t offset_ns = wall_offset_ns();
  admin::CaptureRow row;
  row.file = options.file;
  const char* what = options.outer ? "tunnel packets, under headers that culvert made" : "packets inside the tunnel";
  constexpr uint32_t kOuterHeaders = 48;
  if (!(*file)->write(pcapng::head(options.outer ? "culvert-outer" : "culvert-inner", what,
                                   options.snap + (options.outer ? kOuterHeaders : 0))))
    return context.fail("cannot write " + options.file);
  auto ended = follow(
      **link, options.bounds,
      [&](const Sample& sample) -> Result<uint64_t> {
        auto written = append(**file, sample, offset_ns);
        if (written) ++(*written == 1 ? row.packets : row.skipped);
        return written;
      },
      [&] { return (*file)->size(); });
  row.lost = (*link)->lost();
  link->reset();  // not a packet more than was asked for
  uint64_t now_ns = io::to_ns(io::mono_now()) + offset_ns;
  bool whole = (*file)->write(pcapng::tail(now_ns, row.packets + row.lost, row.lost)) && (*file)->flush();
  if (!ended) return context.fail(ended.error());
  if (!whole) return context.fail("cannot write " + options.file + ": is the disk full, or its reader gone?");
  row.bytes = (*file)->size();
  row.ended = *ended;
  std::FILE* out = options.file == "-" ? stderr : stdout;
  std::fputs((options.json ? json_text(admin::to_json(row), 2)
                           : details_text(columns_of<admin::CaptureRow>(), admin::to_json(row)))
                 .c_str(),
             out);
}

}  // namespace

void add_trace_commands(CLI::App& app, Context& context) {
  CLI::App* trace = app.add_subcommand("trace", "what becomes of packets: which step takes or drops each, and why");
  trace->footer(
      "  culvert trace --session alice --drops       why alice's packets don't arrive\n"
      "  culvert trace --remote 192.0.2.10           what comes from an address that gets no session\n"
      "  culvert trace --reason limit_to_client --seconds 10\n");
  auto shown = std::make_shared<TraceOptions>();
  shown->filter.add_to(*trace);
  trace->add_option("--count", shown->bounds.packets, "end after this many packets (default 100)")
      ->check(whole_number(1, uint64_t{1} << 40))
      ->type_name("N");
  trace
      ->add_option("--seconds", shown->bounds.seconds, "end after this time; without it only --count or Ctrl-C ends it")
      ->check(seconds_up_to(1e6))
      ->type_name("SECONDS");
  trace->add_flag("--json", shown->json, "print JSON, one line per packet");
  trace->callback([&context, shown] { run_trace(context, *shown); });

  CLI::App* capture =
      app.add_subcommand("capture", "write packets to a pcapng file, decrypted, for Wireshark or tcpdump");
  capture->footer(
      "  culvert capture alice.pcapng --session alice --seconds 30\n"
      "  culvert capture - | tcpdump -nr -\n");
  auto wanted = std::make_shared<CaptureOptions>();
  capture
      ->add_option("FILE", wanted->file, "file to make; -: standard output, as in `culvert capture - | tcpdump -r -`")
      ->required();
  wanted->filter.add_to(*capture);
  capture->add_flag("--outer", wanted->outer, "tunnel packets as they travel, instead of what is inside");
  capture->add_option("--snap", wanted->snap, "bytes of each packet (default 2048)")
      ->check(whole_number(20, abi::kMaxTraceSnap))
      ->type_name("BYTES");
  capture->add_option("--count", wanted->bounds.packets, "end after this many packets (default 10000)")
      ->check(whole_number(1, uint64_t{1} << 40))
      ->type_name("N");
  capture->add_option("--bytes", wanted->bounds.bytes, "end when the file has this size, such as 10MB (default 64 MiB)")
      ->transform(CLI::AsSizeValue(false).description(""))
      ->type_name("SIZE");
  capture->add_option("--seconds", wanted->bounds.seconds, "end after this time (default 60)")
      ->check(seconds_up_to(1e6))
      ->type_name("SECONDS");
  capture->add_flag("--json", wanted->json, "print what was written as JSON");
  capture->callback([&context, wanted] { run_capture(context, *wanted); });
}

}  // namespace culvert::cli
