#include "tools/culvert/capture_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "dataplane/wire/udp.h"

namespace culvert::cli {
namespace pcapng {
namespace {

constexpr uint32_t kSectionHeader = 0x0A0D0D0A;
constexpr uint32_t kInterface = 1;
constexpr uint32_t kStatistics = 5;
constexpr uint32_t kPacket = 6;
constexpr uint16_t kLinktypeRaw = 101;

/// One block: fields in our own byte order, as its section header says.
class Block {
 public:
  explicit Block(uint32_t type) {
    put(type);
    put(uint32_t{0});  // length, known at the end
  }
  template <class T>
  Block& put(T value) {
    size_t at = out_.size();
    out_.resize(at + sizeof value);
    std::memcpy(out_.data() + at, &value, sizeof value);
    return *this;
  }
  Block& put_bytes(std::span<const uint8_t> bytes) {
    out_.insert(out_.end(), bytes.begin(), bytes.end());
    out_.resize((out_.size() + 3) & ~size_t{3});
    return *this;
  }
  Block& option(uint16_t code, std::span<const uint8_t> value) {
    put(code).put(static_cast<uint16_t>(value.size()));
    return put_bytes(value);
  }
  Block& option(uint16_t code, const std::string& text) {
    return option(code, std::span(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
  }
  template <class T>
  Block& option_number(uint16_t code, T value) {
    return option(code, std::span(reinterpret_cast<const uint8_t*>(&value), sizeof value));
  }
  Block& end_options() { return put(uint32_t{0}); }
  Block& time(uint64_t ns) { return put(static_cast<uint32_t>(ns >> 32)).put(static_cast<uint32_t>(ns)); }
  std::vector<uint8_t> done() {
    auto length = static_cast<uint32_t>(out_.size() + sizeof(uint32_t));
    put(length);
    std::memcpy(&out_[4], &length, sizeof length);
    return std::move(out_);
  }

 private:
  std::vector<uint8_t> out_;
};

}  // namespace

std::vector<uint8_t> head(const std::string& name, const std::string& description, uint32_t snap) {
  Block section(kSectionHeader);
  section.put(uint32_t{0x1A2B3C4D}).put(uint16_t{1}).put(uint16_t{0}).put(~uint64_t{0});  // 1.0, length unknown
  section.option(4, std::string("culvert ") + CULVERT_VERSION).end_options();             // shb_userappl
  Block interface(kInterface);
  interface.put(kLinktypeRaw).put(uint16_t{0}).put(snap);
  interface.option(2, name).option(3, description);      // if_name, if_description
  interface.option_number(9, uint8_t{9}).end_options();  // if_tsresol: 10^-9 s
  std::vector<uint8_t> out = section.done();
  std::vector<uint8_t> second = interface.done();
  out.insert(out.end(), second.begin(), second.end());
  return out;
}

std::vector<uint8_t> packet(uint64_t wall_ns, std::span<const uint8_t> bytes, uint32_t length, Flow flow,
                            const std::string& comment) {
  Block block(kPacket);
  block.put(uint32_t{0}).time(wall_ns).put(static_cast<uint32_t>(bytes.size())).put(length).put_bytes(bytes);
  if (!comment.empty()) block.option(1, comment);                     // opt_comment
  block.option_number(2, static_cast<uint32_t>(flow)).end_options();  // epb_flags
  return block.done();
}

std::vector<uint8_t> tail(uint64_t wall_ns, uint64_t received, uint64_t lost) {
  Block block(kStatistics);
  block.put(uint32_t{0}).time(wall_ns);
  block.option_number(4, received).option_number(5, lost).end_options();  // isb_ifrecv, isb_ifdrop
  return block.done();
}

}  // namespace pcapng

std::vector<uint8_t> outer_headers(const abi::Endpoint& source, const abi::Endpoint& destination, uint32_t payload,
                                   std::span<const uint8_t> captured) {
  abi::Family family = source.address.family != abi::Family::kNone ? source.address.family : destination.address.family;
  if (family == abi::Family::kNone) return {};
  auto udp_length = static_cast<uint16_t>(std::min<uint32_t>(payload + sizeof(wire::UdpHeader), 0xFFFF));
  wire::UdpHeader udp{};
  udp.source.set(source.port);
  udp.destination.set(destination.port);
  udp.length.set(udp_length);
  std::vector<uint8_t> out;
  auto append = [&](const auto& header) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(&header);
    out.insert(out.end(), bytes, bytes + sizeof header);
  };
  constexpr uint8_t kHops = 64;
  if (family == abi::Family::kIpv4) {
    wire::Ipv4Header ip{};
    ip.version_and_words = 0x45;
    ip.total_length.set(static_cast<uint16_t>(std::min<uint32_t>(udp_length + sizeof ip, 0xFFFF)));
    ip.ttl = kHops;
    ip.protocol = wire::kProtocolUdp;
    std::copy_n(source.address.bytes.begin(), 4, ip.source.begin());
    std::copy_n(destination.address.bytes.begin(), 4, ip.destination.begin());
    std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(&ip), sizeof ip);
    ip.checksum.set(wire::finish_checksum(wire::add_to_checksum(bytes)));
    append(ip);
  } else {
    wire::Ipv6Header ip{};
    ip.version_class_flow.set(0x60000000);
    ip.payload_length.set(udp_length);
    ip.next_header = wire::kProtocolUdp;
    ip.hop_limit = kHops;
    ip.source = source.address.bytes;
    ip.destination = destination.address.bytes;
    append(ip);
  }
  if (captured.size() == payload) {
    uint32_t sum = wire::pseudo_header_sum(family == abi::Family::kIpv4 ? 4 : 6, source.address.bytes.data(),
                                           destination.address.bytes.data(), wire::kProtocolUdp, udp_length);
    sum = wire::add_to_checksum({reinterpret_cast<const uint8_t*>(&udp), sizeof udp}, wire::fold_checksum(sum));
    uint16_t checksum = wire::finish_checksum(wire::add_to_checksum(captured, wire::fold_checksum(sum)));
    udp.checksum.set(checksum == 0 ? 0xFFFF : checksum);  // 0 says "none" (RFC 768)
  }
  append(udp);
  return out;
}

Result<std::unique_ptr<CaptureFile>> CaptureFile::create(const std::string& path) {
  if (path == "-") return std::unique_ptr<CaptureFile>(new CaptureFile(stdout, ""));
  // Never over something that is there: a link in a folder that others may write to would lead anywhere.
  int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0 && errno == EEXIST) return Error{path + " exists: choose another name, or remove it"};
  std::FILE* file = fd < 0 ? nullptr : fdopen(fd, "wb");
  if (file == nullptr) {
    std::string reason = std::strerror(errno);
    if (fd >= 0) close(fd);
    return Error{"cannot make " + path + ": " + reason};
  }
  return std::unique_ptr<CaptureFile>(new CaptureFile(file, path));
}

CaptureFile::~CaptureFile() {
  if (!path_.empty()) std::fclose(file_);
}

bool CaptureFile::write(std::span<const uint8_t> bytes) {
  size_ += bytes.size();
  return std::fwrite(bytes.data(), 1, bytes.size(), file_) == bytes.size();
}

bool CaptureFile::flush() {
  return std::fflush(file_) == 0;
}

void CaptureFile::discard() {
  if (!path_.empty()) unlink(path_.c_str());
}

}  // namespace culvert::cli
