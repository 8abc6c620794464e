#include "dataplane/steps/open.h"

#include "dataplane/steps/data_formats.h"

namespace culvert::steps {
namespace {

struct PrepareOpen {
  static constexpr StepName kName{"open"};
  aead::Job* next;
  ColdJobs& cold;
  bool& only_aead;

  Verdict operator()(Packet& packet, PathContext&) {
    session::ReceiveKey* key = packet.session->receive.key(packet.key_id);
    if (key == nullptr) return Verdict::drop(DropReason::key_unknown);
    if (key->exhausted) [[unlikely]]
      return Verdict::drop(DropReason::aead_key_exhausted);
    packet.key = key;
    __builtin_prefetch(key->seen, 1);  // check_replay writes to it
    if (key->format == abi::KeyFormat::kAead) [[likely]] {
      cold.add(*key, *next);
      AeadFormat::prepare_open(packet, *next++);
      return Verdict::go_on();
    }
    only_aead = false;
    Verdict verdict = OtherFormat::prepare_open(packet, *next);
    next += verdict.goes_on();
    return verdict;
  }
};

struct FinishOpen {
  static constexpr StepName kName{"open"};
  const aead::Job* next;

  Verdict operator()(Packet& packet, PathContext& context) {
    const aead::Job& job = *next++;
    bool is_aead = packet.key->format == abi::KeyFormat::kAead;
    if (job.authentic) [[likely]]
      return is_aead ? Verdict::go_on() : OtherFormat::finish_open(packet, job);
    if (is_aead) AeadFormat::put_header_back(packet);
    if (packet.key->count_forgery()) context.events.near_limit(*packet.session, packet.key_id);
    break_stream(packet, context);
    return Verdict::drop(DropReason::aead_bad_tag);
  }
};

}  // namespace

void open(Burst& burst, PathContext& context) {
  std::array<aead::Job, kBurst> memory;
  bool only_aead = true;
  ColdJobs cold(context.clock, context.table->live().size());
  burst.each(context, PrepareOpen{memory.data(), cold, only_aead});
  std::span<aead::Job> jobs(memory.data(), burst.size());
  cold.expand(context.aead);
  context.aead.open(jobs);
  context.clock += static_cast<uint32_t>(jobs.size());

  bool all_authentic = true;
  for (const aead::Job& job : jobs) all_authentic &= job.authentic;
  if (!all_authentic || !only_aead) [[unlikely]]
    burst.each(context, FinishOpen{memory.data()});
  context.tally.add(abi::Counter::opened_packets, burst.size());
}

}  // namespace culvert::steps
