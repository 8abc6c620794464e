#include "control/io/log.h"

#include <fcntl.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/sinks/syslog_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "control/io/fd.h"

namespace culvert::io {
namespace {

spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> instance = [] {
    auto made = spdlog::stderr_logger_st("control");
    made->set_pattern("%Y-%m-%d %H:%M:%S.%e control %l: %v");
    made->flush_on(spdlog::level::debug);
    return made;
  }();
  return *instance;
}

std::function<void(LogLevel, std::string_view)>& observer() {
  static std::function<void(LogLevel, std::string_view)> instance;
  return instance;
}

spdlog::level::level_enum level_of(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

}  // namespace

std::string printable(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out;
  out.reserve(text.size());
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7f) {
      out += c;
    } else {
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

void set_log_level(LogLevel level) {
  logger().set_level(level_of(level));
}

void set_log_observer(std::function<void(LogLevel, std::string_view)> given) {
  observer() = std::move(given);
}

Status log_to_file(const std::string& path, bool append) {
  int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | (append ? 0 : O_TRUNC);
  Fd file(open(path.c_str(), flags, 0600));
  if (!file || dup2(file.get(), STDERR_FILENO) < 0) return Error{"log " + path + ": " + std::strerror(errno)};
  return {};
}

void log_to_syslog(const std::string& name) {
  // The sink keeps no copy of the name (openlog(3)), so it must live on.
  static std::string ident;
  ident = name;
  auto sink = std::make_shared<spdlog::sinks::syslog_sink_st>(ident, LOG_PID, LOG_DAEMON, true);
  sink->set_pattern("%v");
  logger().sinks() = {sink};
}

void log(LogLevel level, std::string_view text) {
  std::string line = printable(text);
  logger().log(level_of(level), line);
  if (observer() && logger().should_log(level_of(level))) observer()(level, line);
}

LogBudget::Verdict LogBudget::ask(MonoTime now) {
  Verdict verdict;
  if (!window_start_ || now - *window_start_ >= window_) {
    window_start_ = now;
    written_ = 0;
    verdict.left_out_before = std::exchange(left_out_, 0);
  }
  verdict.write = written_ < burst_;
  if (verdict.write)
    ++written_;
  else
    ++left_out_;
  return verdict;
}

void log_within(LogBudget& budget, MonoTime now, LogLevel level, std::string_view text) {
  LogBudget::Verdict verdict = budget.ask(now);
  if (verdict.left_out_before > 0)
    log(LogLevel::kWarning,
        std::to_string(verdict.left_out_before) + " lines about peers were left out: too many at once");
  if (verdict.write) log(level, text);
}

}  // namespace culvert::io
