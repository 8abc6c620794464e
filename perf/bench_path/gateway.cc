#include <cstdio>
#include <cstdlib>

#include "perf/bench_path/bench.h"
#include "perf/bench_path/sessions.h"

namespace culvert::perf {

Gateway::Gateway(const Case& what, aead::Engine& aead, rte_mempool* pool, size_t packets)
    : sink(packets),
      link_(abi::layout_for(1, what.sessions).total_size),
      events_(abi::LinkView(link_.get(), 1, what.sessions).worker(0).events) {
  auto made = dataplane::Path::make(abi::LinkView(link_.get(), 1, what.sessions), 0, pool, aead);
  if (!made) {
    std::fprintf(stderr, "bench_path: %s\n", made.error().c_str());
    std::exit(1);
  }
  path = *std::move(made);
  path->set_outer_port(0, &sink);
  path->set_inner_port(&sink);
  for (uint32_t peer_id = 0; peer_id < what.sessions; ++peer_id)
    for (abi::Command command : {session_command(peer_id), key_command(what.cipher, peer_id)}) path->apply(command, 1);
  if (path->session_count() != what.sessions) {
    std::fprintf(stderr, "bench_path: only %u of %u sessions could be installed\n", path->session_count(),
                 what.sessions);
    std::exit(1);
  }
}

void Gateway::read_events() {
  abi::Event event;
  while (events_.pop(event) == abi::RingStatus::kOk) continue;
}

}  // namespace culvert::perf
