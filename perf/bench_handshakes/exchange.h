// Handshakes in memory, and what the server's side of them takes.
#pragma once

#include <chrono>
#include <cstdint>

#include "perf/bench_handshakes/credentials.h"

namespace culvert::perf {

/// CPU time of this thread, in nanoseconds (CLOCK_THREAD_CPUTIME_ID).
uint64_t cpu_ns();

/// Lets `count` clients connect to one server engine, from the first packet (answered with a cookie) to PUSH_REPLY and
/// installed keys. Returns the nanoseconds of CPU that the server engine took for each. Error: one did not connect.
Result<double> connect_clients(const Credentials& credentials, uint32_t count, Random& random);

/// The same number of TLS handshakes alone, without OpenVPN around them: the server's side, likewise.
Result<double> tls_alone(const Credentials& credentials, uint32_t count);

}  // namespace culvert::perf
