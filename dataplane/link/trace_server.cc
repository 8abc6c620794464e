#include "dataplane/link/trace_server.h"

#include <algorithm>

#include "dataplane/abi/endpoint_text.h"
#include "dataplane/clock.h"
#include "dataplane/link/link_memory.h"
#include "dataplane/link/setup_requests.h"

namespace culvert::dataplane {
namespace {

/// What the log says of a request: an operator who audits wants to know who saw whose packets.
std::string text_of(const abi::TraceRequest& request) {
  std::string text = request.content == abi::PacketContent::kNone    ? "trace of packets"
                     : request.content == abi::PacketContent::kInner ? "capture of decrypted packets"
                                                                     : "capture of tunnel packets";
  if (request.content != abi::PacketContent::kNone) text += ", first " + std::to_string(request.snap) + " bytes each";
  text += request.session.peer_id == abi::kNoPeerId ? ", of all sessions"
                                                    : ", of session " + std::to_string(request.session.peer_id);
  if (request.remote.family != abi::Family::kNone) text += ", of " + abi::to_text(request.remote);
  if (request.reason != abi::kNoDropReason)
    text += ", dropped for " + std::string(abi::kDropInfo[request.reason].name);
  else if (request.drops_only != 0)
    text += ", dropped ones";
  return text;
}

bool send_trace_reply(int fd, const abi::TraceReply& reply, std::span<const int> descriptors = {}) {
  return send_message(fd, std::as_bytes(std::span(&reply, 1)), descriptors);
}

void refuse(int fd, const std::string& why) {
  abi::TraceReply reply{};
  reply.failed = 1;
  std::copy_n(why.begin(), std::min(why.size(), reply.text.size() - 1), reply.text.begin());
  send_trace_reply(fd, reply);
}

}  // namespace

const char* why_not_traceable(const abi::TraceRequest& request) {
  if (request.magic != abi::kTraceMagic || request.version != abi::kTraceVersion)
    return "culvert and culvert-dataplane are of different versions: restart the older of the two";
  if (request.snap > abi::kMaxTraceSnap) return "more bytes per packet than a packet can have";
  bool copies = request.content != abi::PacketContent::kNone;
  if (request.content > abi::PacketContent::kOuter || copies != (request.snap != 0))
    return "bytes per packet do not fit the kind of trace";
  if (request.directions == 0 || request.directions > abi::trace_direction::kBoth) return "unknown direction";
  if (request.drops_only > 1 || request.every == 0) return "malformed filter";
  if (request.reason != abi::kNoDropReason && (request.reason >= abi::kDropReasonCount || request.drops_only == 0))
    return "unknown drop reason";
  if (!is_valid(request.remote)) return "malformed address";
  return nullptr;
}

TraceServer::TraceServer(drivers::FileDescriptor listener, Options options)
    : options_(std::move(options)),
      newcomers_(std::move(listener), {.allowed = options_.allowed,
                                       .socket = "trace",
                                       .refusal = "look at packets: run it as root or as the gateway's own user",
                                       .log = options_.log,
                                       .refuse = refuse}) {}

void TraceServer::log(const std::string& line) const {
  if (options_.log) options_.log(line);
}

uint64_t TraceServer::deadline_ns() const {
  return std::min(newcomers_.deadline_ns(), retiring_.memory ? retire_at_ns_ : UINT64_MAX);
}

void TraceServer::serve(uint64_t now_ns) {
  newcomers_.serve(now_ns, [this](int fd) {
    if (fd == active_.connection.fd.get())
      stop();  // it has nothing more to say: what it says is its end
    else
      serve_newcomer(fd);
  });
  if (retiring_.memory) retire();
}

void TraceServer::serve_newcomer(int fd) {
  abi::TraceRequest request{};
  auto [received, connection] = newcomers_.take(fd, std::as_writable_bytes(std::span(&request, 1)));
  if (received == Received::kNothing || received == Received::kClosed) return;
  const char* wrong = received == Received::kMessage ? why_not_traceable(request) : "message is no trace request";
  if (wrong != nullptr) {
    refuse(fd, wrong);
    log("refused a trace (" + to_text(connection->peer) + "): " + wrong);
  } else if (is_tracing()) {
    refuse(fd, "somebody else is looking at packets (" + to_text(active_.connection.peer) + "): one at a time");
  } else if (retiring_.memory) {
    refuse(fd, "the trace before is just ending: try again");
  } else {
    start(*std::move(connection), request);
  }
}

void TraceServer::start(Connection connection, const abi::TraceRequest& request) {
  auto memory = TraceMemory::make(static_cast<uint32_t>(options_.workers.size()), request);
  if (!memory) return refuse(connection.fd.get(), memory.error());
  const abi::TraceShape& shape = (*memory)->shape();
  abi::TraceReply reply{};
  reply.workers = shape.workers;
  reply.slots = shape.slots;
  reply.slot_size = shape.slot_size;
  // Before the answer: who has it may rely on seeing every packet from now on.
  active_ = {std::move(connection), *std::move(memory)};
  tell_workers(active_.memory.get());
  log(text_of(request) + ": begun by " + to_text(active_.connection.peer));
  int fd = active_.memory->fd();
  if (!send_trace_reply(active_.connection.fd.get(), reply, {&fd, 1})) stop();
}

void TraceServer::stop() {
  tell_workers(nullptr);
  retiring_ = std::move(active_);
  active_ = Trace();
  retiring_.connection.fd = drivers::FileDescriptor();
  retire();
}

/// Lets the memory go when no worker uses it any more.
void TraceServer::retire() {
  retire_at_ns_ = monotonic_ns() + kRetireEvery;
  bool done = std::ranges::all_of(options_.workers, [](const auto* worker) { return worker->is_adopted(); });
  if (!done) return;
  log("trace of " + to_text(retiring_.connection.peer) + " ended: " + std::to_string(retiring_.memory->written()) +
      " entries, " + std::to_string(retiring_.memory->lost()) + " more found no room");
  retiring_ = Trace();
}

void TraceServer::tell_workers(TraceMemory* memory) {
  for (uint32_t i = 0; i < options_.workers.size(); ++i) {
    options_.workers[i]->post(memory ? memory->plan(i) : nullptr);
    ring_doorbell(options_.doorbells[i]);
  }
}

}  // namespace culvert::dataplane
