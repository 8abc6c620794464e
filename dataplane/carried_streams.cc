#include "dataplane/carried_streams.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "dataplane/link/link_socket.h"

namespace culvert::dataplane {
namespace {

using drivers::FileDescriptor;
using drivers::LeftFrames;
using drivers::LeftStream;
using drivers::StreamState;

constexpr uint64_t kMagic = 0x736d616572747663;  // "cvtreams"
constexpr uint32_t kVersion = 1;
constexpr size_t kPerMessage = 128;   ///< descriptors; the kernel takes 253 (SCM_MAX_FD), send_message fewer
constexpr int kSendBuffer = 4 << 20;  ///< bytes asked for: a message of 128 descriptors takes about 1 KB of it

struct Header {
  uint64_t magic;
  uint32_t version;
  uint32_t record_size;
  uint64_t count;
};

/// Before the name and the bytes of each connection. No gaps: all of it is written.
struct Record {
  abi::Endpoint remote;
  abi::Endpoint local;
  uint64_t id;
  uint32_t state;
  uint32_t name_size;
  uint32_t received_size;
  uint32_t control_size;
  uint32_t control_begun_length;
  uint32_t control_begun_left;
  uint32_t data_size;
  uint32_t data_begun_length;
  uint32_t data_begun_left;
  uint32_t reserved;
};
static_assert(std::is_trivially_copyable_v<Record> && sizeof(Record) == 2 * sizeof(abi::Endpoint) + 48);

void append(std::vector<uint8_t>& out, const void* from, size_t size) {
  const auto* bytes = static_cast<const uint8_t*>(from);
  out.insert(out.end(), bytes, bytes + size);
}

/// Takes things off the front of bytes; once there are too few, everything fails.
class Reader {
 public:
  explicit Reader(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  template <class T>
  bool read(T& value) {
    if (bytes_.size() < sizeof value) return false;
    std::memcpy(static_cast<void*>(&value), bytes_.data(), sizeof value);
    bytes_ = bytes_.subspan(sizeof value);
    return true;
  }
  template <class Bytes>
  bool read(Bytes& out, size_t size) {
    if (bytes_.size() < size) return false;
    out.assign(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(size));
    bytes_ = bytes_.subspan(size);
    return true;
  }
  bool at_end() const { return bytes_.empty(); }

 private:
  std::span<const uint8_t> bytes_;
};

bool read_one(Reader& from, CarriedStream& out) {
  Record record{};
  if (!from.read(record) || record.state > static_cast<uint32_t>(StreamState::kClosing)) return false;
  LeftStream& stream = out.stream;
  stream.id = record.id;
  stream.remote = record.remote;
  stream.local = record.local;
  stream.state = static_cast<StreamState>(record.state);
  stream.control.begun_length = record.control_begun_length;
  stream.control.begun_left = record.control_begun_left;
  stream.data.begun_length = record.data_begun_length;
  stream.data.begun_left = record.data_begun_left;
  return from.read(out.port, record.name_size) && from.read(stream.received, record.received_size) &&
         from.read(stream.control.bytes, record.control_size) && from.read(stream.data.bytes, record.data_size);
}

FileDescriptor memory_of(std::span<const uint8_t> bytes) {
  FileDescriptor memory(memfd_create("culvert-streams", MFD_CLOEXEC));
  while (memory && !bytes.empty()) {
    ssize_t written = write(memory.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return {};
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return memory;
}

std::vector<uint8_t> content_of(int memory) {
  struct stat about {};
  // Twice: what belongs to each is small beside its bytes, unless there are very many without any.
  if (fstat(memory, &about) != 0 || about.st_size < 0 || static_cast<size_t>(about.st_size) > 2 * kMostCarried)
    return {};
  std::vector<uint8_t> bytes(static_cast<size_t>(about.st_size));
  for (size_t have = 0; have < bytes.size();) {
    ssize_t got = pread(memory, bytes.data() + have, bytes.size() - have, static_cast<off_t>(have));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return {};
    have += static_cast<size_t>(got);
  }
  return bytes;
}

/// All descriptors that are under way in `carrier`, in their order.
std::vector<FileDescriptor> descriptors_in(int carrier) {
  std::vector<FileDescriptor> all;
  for (;;) {
    std::byte byte{};
    iovec data{&byte, sizeof byte};
    alignas(cmsghdr) std::array<unsigned char, CMSG_SPACE(kPerMessage * sizeof(int))> buffer;
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = buffer.data();
    message.msg_controllen = buffer.size();
    ssize_t got = recvmsg(carrier, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return all;
    for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
      if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
      std::array<int, kPerMessage> numbers;
      const size_t size = std::min(part->cmsg_len - CMSG_LEN(0), sizeof numbers);
      std::memcpy(numbers.data(), CMSG_DATA(part), size);
      for (size_t i = 0; i < size / sizeof(int); ++i) all.emplace_back(numbers[i]);
    }
    // We may not have so many open: which ones are missing, nobody says, but none behind these can be told apart.
    if ((message.msg_flags & MSG_CTRUNC) != 0) return all;
  }
}

}  // namespace

std::vector<uint8_t> to_bytes(std::span<const CarriedStream> streams) {
  std::vector<uint8_t> bytes;
  const Header header{kMagic, kVersion, sizeof(Record), streams.size()};
  append(bytes, &header, sizeof header);
  const auto size_of = [](const auto& some) { return static_cast<uint32_t>(some.size()); };
  for (const CarriedStream& carried : streams) {
    const LeftStream& stream = carried.stream;
    const Record record{.remote = stream.remote,
                        .local = stream.local,
                        .id = stream.id,
                        .state = static_cast<uint32_t>(stream.state),
                        .name_size = size_of(carried.port),
                        .received_size = size_of(stream.received),
                        .control_size = size_of(stream.control.bytes),
                        .control_begun_length = stream.control.begun_length,
                        .control_begun_left = stream.control.begun_left,
                        .data_size = size_of(stream.data.bytes),
                        .data_begun_length = stream.data.begun_length,
                        .data_begun_left = stream.data.begun_left,
                        .reserved = 0};
    append(bytes, &record, sizeof record);
    append(bytes, carried.port.data(), carried.port.size());
    for (const auto* part : {&stream.received, &stream.control.bytes, &stream.data.bytes})
      append(bytes, part->data(), part->size());
  }
  return bytes;
}

std::optional<std::vector<CarriedStream>> from_bytes(std::span<const uint8_t> bytes) {
  Reader from(bytes);
  Header header{};
  if (!from.read(header) || header.magic != kMagic || header.version != kVersion ||
      header.record_size != sizeof(Record))
    return std::nullopt;
  std::vector<CarriedStream> streams;
  for (uint64_t i = 0; i < header.count; ++i)
    if (!read_one(from, streams.emplace_back())) return std::nullopt;
  return from.at_end() ? std::optional(std::move(streams)) : std::nullopt;
}

FileDescriptor pack_streams(std::vector<CarriedStream> streams) {
  size_t bytes = 0;
  std::erase_if(streams, [&](const CarriedStream& carried) {
    bytes += carried.stream.bytes();
    return bytes > kMostCarried;
  });
  std::array<int, 2> ends{};
  const FileDescriptor memory = memory_of(to_bytes(streams));
  if (!memory || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) return {};
  FileDescriptor carrier(ends[0]);
  const FileDescriptor sender(ends[1]);
  setsockopt(sender.get(), SOL_SOCKET, SO_SNDBUF, &kSendBuffer, sizeof kSendBuffer);
  const std::array<std::byte, 1> nothing{};
  if (!send_message(sender.get(), nothing, std::array{memory.get()})) return {};
  std::vector<int> sockets;
  for (const CarriedStream& carried : streams) sockets.push_back(carried.stream.fd.get());
  for (std::span<const int> rest = sockets; !rest.empty();) {
    const size_t now = std::min(rest.size(), kPerMessage);
    if (!send_message(sender.get(), nothing, rest.first(now))) break;
    rest = rest.subspan(now);
  }
  return carrier;
}

std::vector<CarriedStream> unpack_streams(FileDescriptor carrier) {
  std::vector<FileDescriptor> descriptors = descriptors_in(carrier.get());
  if (descriptors.empty()) return {};
  auto streams = from_bytes(content_of(descriptors.front().get()));
  if (!streams) return {};
  streams->resize(std::min(streams->size(), descriptors.size() - 1));
  for (size_t i = 0; i < streams->size(); ++i) (*streams)[i].stream.fd = std::move(descriptors[i + 1]);
  return std::move(*streams);
}

}  // namespace culvert::dataplane
