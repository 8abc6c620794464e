#include "dataplane/steps/data_formats.h"
#include "dataplane/steps/steps.h"

namespace culvert::steps {
namespace {

using abi::DropReason;

Verdict find_key(Packet& packet, PathContext& context) {
  packet.key = packet.session->receive.keys[packet.key_id];
  if (packet.key == nullptr) return Verdict::drop(DropReason::key_unknown);
  if (packet.key->exhausted) return Verdict::drop(DropReason::aead_key_exhausted);
  aead::prefetch(packet.key->aead);
  __builtin_prefetch(&context.table->record(*packet.session).keys[packet.key_id], 1);  // check_replay writes to it
  return Verdict::go_on();
}

Verdict forged(Packet& packet, PathContext& context) {
  if (packet.key->count_forgery()) context.events.near_limit(*packet.session, packet.key_id);
  break_stream(packet, context);
  return Verdict::drop(DropReason::aead_bad_tag);
}

// Every packet of the burst is of this format.
template <class Format>
void open_all(Burst& burst, PathContext& context) {
  std::array<aead::Job, kBurst> jobs;
  size_t count = 0;
  burst.each([&](Packet& packet) {
    Verdict verdict = Format::prepare_open(packet, jobs[count]);
    count += verdict.goes_on();
    return verdict;
  });
  context.aead.open({jobs.data(), count});

  size_t next = 0;
  burst.each([&](Packet& packet) {
    const aead::Job& job = jobs[next++];
    if (!job.authentic) [[unlikely]]
      return forged(packet, context);
    return Format::finish_open(packet, job);
  });
}

}  // namespace

void open(Burst& burst, PathContext& context) {
  FormatSet formats;
  burst.each([&](Packet& packet) {
    Verdict verdict = find_key(packet, context);
    if (verdict.goes_on()) formats.add(packet.key->format);
    return verdict;
  });
  if (formats.only(abi::KeyFormat::kAead)) [[likely]]
    open_all<AeadFormat>(burst, context);
  else if (formats.only(abi::KeyFormat::kEpoch))
    open_all<EpochFormat>(burst, context);
  else
    open_all<AnyFormat>(burst, context);
  context.tally.add(abi::Counter::opened_packets, burst.size());
}

}  // namespace culvert::steps
