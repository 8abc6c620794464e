#include "dataplane/link/trace_server.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "dataplane/abi/endpoint_text.h"
#include "dataplane/clock.h"
#include "dataplane/link/link_memory.h"
#include "dataplane/link/setup_requests.h"

namespace culvert::dataplane {
namespace {

std::string who(const Peer& peer) {
  return "pid " + std::to_string(peer.pid) + ", uid " + std::to_string(peer.uid);
}

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

bool send_trace_reply(int fd, const abi::TraceReply& reply, int descriptor) {
  iovec data{const_cast<abi::TraceReply*>(&reply), sizeof reply};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  alignas(cmsghdr) std::array<unsigned char, CMSG_SPACE(sizeof(int))> buffer{};
  if (descriptor >= 0) {
    message.msg_control = buffer.data();
    message.msg_controllen = buffer.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
  }
  ssize_t sent;
  do sent = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent == sizeof reply;
}

void refuse(int fd, const std::string& why) {
  abi::TraceReply reply{};
  reply.failed = 1;
  std::copy_n(why.begin(), std::min(why.size(), reply.text.size() - 1), reply.text.begin());
  send_trace_reply(fd, reply, -1);
}

bool watch(int epoll, int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
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
    : listener_(std::move(listener)), options_(std::move(options)), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  watch(epoll_.get(), listener_.get());
}

void TraceServer::log(const std::string& line) const {
  if (options_.log) options_.log(line);
}

uint64_t TraceServer::deadline_ns() const {
  uint64_t first = retiring_.memory ? retiring_.deadline_ns : UINT64_MAX;
  for (const Connection& connection : pending_) first = std::min(first, connection.deadline_ns);
  return first;
}

void TraceServer::serve(uint64_t now_ns) {
  std::array<epoll_event, 16> events;
  int count = epoll_wait(epoll_.get(), events.data(), events.size(), 0);
  bool newcomers = false;
  for (int i = 0; i < count; ++i) {
    int fd = events[static_cast<size_t>(i)].data.fd;
    if (fd == listener_.get())
      newcomers = true;  // last: a new connection must not get the number of one that is closed in this round
    else if (fd == active_.fd.get())
      stop();  // it has nothing more to say: what it says is its end
    else
      serve_pending(fd);
  }
  std::erase_if(pending_, [&](const Connection& connection) { return connection.deadline_ns <= now_ns; });
  if (newcomers) accept_all(now_ns);
  if (retiring_.memory) retire();
}

void TraceServer::accept_all(uint64_t now_ns) {
  for (size_t i = 0; i < kMaxPending; ++i) {
    Connection connection{accept_on(listener_.get()), {}, now_ns + kRequestWithin, nullptr};
    if (!connection.fd) return;
    std::optional<Peer> peer = peer_of(connection.fd.get());
    if (!peer) continue;
    if (!may_attach(*peer, options_.allowed)) {
      log("refused " + who(*peer) + " on the trace socket: not root, not this user, not the configured one");
      refuse(connection.fd.get(), "uid " + std::to_string(peer->uid) +
                                      " may not look at packets: run it as root or as the gateway's own user");
      continue;
    }
    connection.peer = *peer;
    if (!watch(epoll_.get(), connection.fd.get())) continue;
    if (pending_.size() == kMaxPending) pending_.erase(pending_.begin());
    pending_.push_back(std::move(connection));
  }
}

void TraceServer::serve_pending(int fd) {
  auto found =
      std::find_if(pending_.begin(), pending_.end(), [&](const Connection& one) { return one.fd.get() == fd; });
  if (found == pending_.end()) return;
  abi::TraceRequest request{};
  ssize_t length;
  do length = recv(fd, &request, sizeof request, MSG_DONTWAIT | MSG_TRUNC);
  while (length < 0 && errno == EINTR);
  if (length < 0 && errno == EAGAIN) return;
  Connection connection = std::move(*found);
  pending_.erase(found);
  if (length <= 0) return;
  const char* wrong = length == sizeof request ? why_not_traceable(request) : "message is no trace request";
  if (wrong != nullptr) {
    refuse(fd, wrong);
    log("refused a trace (" + who(connection.peer) + "): " + wrong);
  } else if (is_tracing()) {
    refuse(fd, "somebody else is looking at packets (" + who(active_.peer) + "): one at a time");
  } else if (retiring_.memory) {
    refuse(fd, "the trace before is just ending: try again");
  } else {
    start(std::move(connection), request);
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
  active_ = std::move(connection);
  active_.memory = *std::move(memory);
  tell_workers(active_.memory.get());
  log(text_of(request) + ": begun by " + who(active_.peer));
  if (!send_trace_reply(active_.fd.get(), reply, active_.memory->fd())) stop();
}

void TraceServer::stop() {
  tell_workers(nullptr);
  retiring_ = std::move(active_);
  active_ = Connection();
  retiring_.fd = drivers::FileDescriptor();
  retire();
}

/// Lets the memory go when no worker uses it any more.
void TraceServer::retire() {
  retiring_.deadline_ns = monotonic_ns() + kRetireEvery;
  bool done = std::ranges::all_of(options_.workers, [](const auto* worker) { return worker->is_adopted(); });
  if (!done) return;
  log("trace of " + who(retiring_.peer) + " ended: " + std::to_string(retiring_.memory->written()) + " entries, " +
      std::to_string(retiring_.memory->lost()) + " more found no room");
  retiring_ = Connection();
}

void TraceServer::tell_workers(TraceMemory* memory) {
  for (uint32_t i = 0; i < options_.workers.size(); ++i) {
    options_.workers[i]->post(memory ? memory->plan(i) : nullptr);
    ring_doorbell(options_.doorbells[i]);
  }
}

}  // namespace culvert::dataplane
