// What is wrong, or worth a warning, in a configuration file. Collected, so that the operator sees all of it at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace culvert::config {

enum class Severity : uint8_t { kWarning, kError };

struct Diagnostic {
  std::string file;
  uint32_t line = 0;  ///< 1 is the first; 0: the file as a whole
  Severity severity = Severity::kError;
  std::string text;  ///< what is wrong and the way out
};

/// "server.conf:12: error: …"
std::string to_text(const Diagnostic& diagnostic);

/// All findings of one load, in the order in which they came up.
class Report {
 public:
  void error(std::string_view file, uint32_t line, std::string text);
  void warning(std::string_view file, uint32_t line, std::string text);

  const std::vector<Diagnostic>& all() const { return all_; }
  size_t errors() const { return errors_; }
  bool ok() const { return errors_ == 0; }

 private:
  std::vector<Diagnostic> all_;
  size_t errors_ = 0;
};

/// The one of `candidates` that `word` is most likely a misspelling of; empty when none is near.
std::string_view nearest(std::string_view word, const std::vector<std::string_view>& candidates);

}  // namespace culvert::config
