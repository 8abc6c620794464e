#include "perf/swarm/crowd.h"

#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "perf/swarm/clock.h"

namespace culvert::swarm {
namespace {

using namespace std::chrono_literals;

constexpr auto kTickEvery = 10ms;
constexpr int kEvents = 256;

}  // namespace

abi::IpAddress source_at(const Sources& sources, uint32_t number) {
  abi::IpAddress address = sources.first;
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | address.bytes[i];
  value += number % sources.count;
  for (size_t i = 0; i < 4; ++i) address.bytes[i] = static_cast<uint8_t>(value >> (8 * (3 - i)));
  return address;
}

Result<std::unique_ptr<Crowd>> Crowd::make(const openvpn::ClientSettings& settings, const Sources& sources,
                                           size_t size) {
  auto engine = aead::make_engine();
  if (!engine) return Error{engine.error()};
  return std::unique_ptr<Crowd>(new Crowd(settings, sources, size, *std::move(engine)));
}

Crowd::Crowd(const openvpn::ClientSettings& settings, const Sources& sources, size_t size,
             std::unique_ptr<aead::Engine> engine)
    : settings_(settings),
      sources_(sources),
      engine_(std::move(engine)),
      shared_{*engine_, random_, {}, {}, std::vector<uint8_t>(ReceiveBuffers::kMessageSize), {}},
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      slots_(size) {}

Status Crowd::open(size_t index, Now now) {
  abi::IpAddress source = sources_.first.family == abi::Family::kNone ? abi::IpAddress{} : source_at(sources_, opened_);
  auto socket = open_outer(settings_.remote, source);
  if (!socket) return Error{"socket of a client: " + socket.error()};
  Slot& slot = slots_[index];
  slot.member = std::make_unique<Member>(settings_, *std::move(socket), shared_);
  slot.serial = ++opened_;
  slot.wants_room = false;
  if (!watch(index, true)) return Error{std::string("epoll: ") + std::strerror(errno)};
  slot.member->start(now);
  watch_room(index);
  return {};
}

bool Crowd::watch(size_t index, bool add) {
  const Slot& slot = slots_[index];
  epoll_event event{};
  event.events = EPOLLIN;
  if (slot.wants_room) event.events |= EPOLLOUT;
  event.data.u64 = uint64_t{slot.serial} << 32 | index;
  return epoll_ctl(epoll_.get(), add ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, slot.member->socket().fd(), &event) == 0;
}

void Crowd::watch_room(size_t index) {
  Slot& slot = slots_[index];
  if (!slot.member || slot.member->socket().waits() == slot.wants_room) return;
  slot.wants_room = !slot.wants_room;
  (void)watch(index, false);
}

void Crowd::pass(std::chrono::nanoseconds pause, const Inner& inner) {
  std::array<epoll_event, kEvents> events;
  timespec wait{0, static_cast<long>(pause.count())};
  int count = epoll_pwait2(epoll_.get(), events.data(), kEvents, &wait, nullptr);
  for (int i = 0; i < count; ++i) {
    uint64_t tag = events[static_cast<size_t>(i)].data.u64;
    size_t index = tag & 0xFFFFFFFF;
    Slot& slot = slots_[index];
    if (!slot.member || slot.serial != tag >> 32) continue;
    slot.member->on_socket(read_now(), [&](const InnerPacket& packet) { inner(index, packet); });
    watch_room(index);
    // A broken connection stays readable for good.
    if (slot.member->state() == Member::State::kFailed)
      epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, slot.member->socket().fd(), nullptr);
  }
  Now now = read_now();
  if (now.mono - ticked_ < kTickEvery) return;
  ticked_ = now.mono;
  for (size_t index = 0; index < slots_.size(); ++index) {
    if (!slots_[index].member) continue;
    slots_[index].member->tick(now);
    watch_room(index);
  }
}

}  // namespace culvert::swarm
