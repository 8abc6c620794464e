#include "control/io/link_client.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <span>
#include <utility>

#include "control/io/clock.h"

namespace culvert::io {
namespace {

constexpr auto kRetryEvery = std::chrono::milliseconds(50);
constexpr auto kReplyWithin = std::chrono::seconds(10);

std::string text_of(const abi::Reply& reply) {
  const char* end = std::find(reply.text.data(), reply.text.data() + reply.text.size(), '\0');
  std::string text(reply.text.data(), end);
  // It ends up in logs and on terminals.
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
  return text;
}

}  // namespace

LinkClient::LinkClient(EventLoop& loop, std::string path, LinkListener& listener)
    : loop_(loop), path_(std::move(path)), listener_(listener), own_uid_(geteuid()) {
  if (size_t end = path_.rfind('/'); end != std::string::npos)
    folder_ = Fd(open(path_.substr(0, end + 1).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
}

LinkClient::~LinkClient() {
  unwatch_bells();
  if (socket_) loop_.unwatch(socket_.get());
  loop_.cancel(timer_);
}

void LinkClient::start() {
  timer_ = loop_.at(mono_now(), [this] { try_connect(); });
}

void LinkClient::retry_later() {
  timer_ = loop_.at(mono_now() + kRetryEvery, [this] { try_connect(); });
}

void LinkClient::try_connect() {
  Result<Fd> fd = connect_unix(path_, SOCK_SEQPACKET);
  if (!fd && folder_) {
    // Once control has given up its privileges, it may no longer pass the folders above the run dir.
    std::string by_folder = "/proc/self/fd/" + std::to_string(folder_.get()) + "/" + path_.substr(path_.rfind('/') + 1);
    if (Result<Fd> again = connect_unix(by_folder, SOCK_SEQPACKET)) fd = std::move(again);
  }
  if (!fd) {
    // Said once per reason, not twenty times a second.
    if (fd.error() != last_error_) listener_.on_detached(last_error_ = fd.error());
    return retry_later();
  }
  Result<PeerCredentials> peer = peer_credentials(fd->get());
  if (!peer) return lose(peer.error());
  if (peer->uid != 0 && peer->uid != own_uid_)
    return lose(path_ + " belongs to user " + std::to_string(peer->uid) +
                ", which is neither root nor the user control was started by: not attaching");
  socket_ = std::move(*fd);
  if (Status status = loop_.watch(socket_.get(), EPOLLIN, [this](uint32_t) { on_readable(); }); !status)
    return lose(status.error());
  abi::Request hello{};
  hello.kind = abi::RequestKind::kHello;
  hello.body.hello = {.magic = abi::kSetupMagic, .abi_version = abi::kAbiVersion, .reserved = 0};
  state_ = State::kWaitHello;
  if (!send(hello)) return;
  timer_ = loop_.at(mono_now() + kReplyWithin, [this] { lose("the dataplane does not answer on " + path_); });
}

void LinkClient::lose(const std::string& why) {
  loop_.cancel(timer_);
  if (socket_) loop_.unwatch(socket_.get());
  socket_.reset();
  state_ = State::kIdle;
  for (auto& lane : lanes_) lane->detach();
  auto requests = std::exchange(requests_, {});
  request_in_flight_ = false;
  for (Pending& pending : requests) pending.done(Error{why});
  if (why != last_error_) listener_.on_detached(last_error_ = why);
  retry_later();
}

bool LinkClient::send(const abi::Request& request) {
  ssize_t n = 0;
  do n = ::send(socket_.get(), &request, sizeof request, MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);
  if (n == static_cast<ssize_t>(sizeof request)) return true;
  lose(path_ + ": " + std::strerror(errno));
  return false;
}

void LinkClient::on_readable() {
  abi::Reply reply{};
  Result<ReceivedMessage> message = receive_with_fds(socket_.get(), std::as_writable_bytes(std::span(&reply, 1)));
  if (!message) return lose(message.error());
  if (message->would_block) return;
  if (message->size == 0) return lose("the dataplane has closed " + path_);
  if (message->size != sizeof reply || message->truncated)
    return lose(path_ + ": a reply of odd size: not a culvert dataplane");
  loop_.cancel(timer_);
  if (state_ == State::kWaitHello)
    on_hello_reply(reply, std::move(message->fds));
  else
    on_reply(reply);
}

void LinkClient::on_hello_reply(const abi::Reply& reply, std::vector<Fd> fds) {
  if (reply.status != abi::ReplyStatus::kDone) return lose("the dataplane refuses: " + text_of(reply));
  auto old = mapping_;
  if (Status status = take_over(std::move(fds)); !status) return lose(status.error());
  state_ = State::kReady;
  last_error_.clear();
  if (Status status = watch_bells(); !status) return lose(status.error());
  listener_.on_attached(old);
}

Status LinkClient::take_over(std::vector<Fd> fds) {
  if (fds.empty()) return Error{path_ + ": the reply carries no memory: not a culvert dataplane"};
  auto mapping = LinkMapping::map(std::move(fds[0]));
  if (!mapping) return Error{mapping.error()};
  uint32_t workers = (*mapping)->view().workers();
  if (fds.size() != 1 + 2 * size_t{workers})
    return Error{path_ + ": number of descriptors does not fit the number of workers"};
  unwatch_bells();
  bool same = mapping_ && mapping_->header().boot_id == (*mapping)->header().boot_id && lanes_.size() == workers;
  if (!same) lanes_.clear();
  for (uint32_t i = 0; i < workers; ++i) {
    Fd worker_bell = std::move(fds[1 + 2 * size_t{i}]);
    Fd control_bell = std::move(fds[2 + 2 * size_t{i}]);
    if (same)
      lanes_[i]->reattach(*mapping, std::move(worker_bell), std::move(control_bell));
    else
      lanes_.push_back(std::make_unique<WorkerLane>(i, *mapping, std::move(worker_bell), std::move(control_bell)));
  }
  mapping_ = *mapping;
  return {};
}

Status LinkClient::watch_bells() {
  for (auto& lane : lanes_) {
    WorkerLane* l = lane.get();
    Status status =
        loop_.watch(l->control_bell(), EPOLLIN | EPOLLET, [this, l](uint32_t) { listener_.on_doorbell(*l); });
    if (!status) return status;
  }
  return {};
}

void LinkClient::unwatch_bells() {
  for (auto& lane : lanes_) loop_.unwatch(lane->control_bell());
}

void LinkClient::on_reply(const abi::Reply& reply) {
  if (!request_in_flight_) return lose(path_ + ": a reply that nobody asked for: not a culvert dataplane");
  request_in_flight_ = false;
  Pending pending = std::move(requests_.front());
  requests_.pop_front();
  if (reply.status == abi::ReplyStatus::kDone)
    pending.done(text_of(reply));
  else
    pending.done(Error{text_of(reply)});
  send_next();
}

void LinkClient::send_next() {
  if (request_in_flight_ || requests_.empty() || state_ != State::kReady) return;
  request_in_flight_ = true;
  abi::Request request = requests_.front().request;
  if (!send(request)) return;
  timer_ = loop_.at(mono_now() + kReplyWithin, [this] { lose("the dataplane does not answer on " + path_); });
}

void LinkClient::enqueue(const abi::Request& request, Done done) {
  if (state_ != State::kReady) return done(Error{"no dataplane on " + path_});
  requests_.push_back({request, std::move(done)});
  send_next();
}

void LinkClient::open_port(const abi::OpenPort& port, Done done) {
  abi::Request request{};
  request.kind = abi::RequestKind::kOpenPort;
  request.body.open_port = port;
  enqueue(request, std::move(done));
}

void LinkClient::keep_ports(const abi::KeepPorts& ports, Done done) {
  abi::Request request{};
  request.kind = abi::RequestKind::kKeepPorts;
  request.body.keep_ports = ports;
  enqueue(request, std::move(done));
}

void LinkClient::open_tun(const abi::OpenTun& tun, Done done) {
  abi::Request request{};
  request.kind = abi::RequestKind::kOpenTun;
  request.body.open_tun = tun;
  enqueue(request, std::move(done));
}

}  // namespace culvert::io
