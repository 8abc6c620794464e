#include "control/config/diagnostic.h"

#include <algorithm>
#include <cctype>

namespace culvert::config {
namespace {

/// Edits (insert, delete, replace, swap of neighbours) that turn `a` into `b`; upper and lower case are the same
/// letter.
size_t edit_distance(std::string_view a, std::string_view b) {
  auto same = [](char x, char y) {
    return std::tolower(static_cast<unsigned char>(x)) == std::tolower(static_cast<unsigned char>(y));
  };
  std::vector<std::vector<size_t>> cost(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) cost[i][0] = i;
  for (size_t j = 0; j <= b.size(); ++j) cost[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t replace = cost[i - 1][j - 1] + (same(a[i - 1], b[j - 1]) ? 0 : 1);
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, replace});
      if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1])) {
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
      }
    }
  }
  return cost[a.size()][b.size()];
}

}  // namespace

std::string to_text(const Diagnostic& diagnostic) {
  std::string text = diagnostic.file + ":";
  if (diagnostic.line != 0) text += std::to_string(diagnostic.line) + ":";
  text += (diagnostic.severity == Severity::kError ? " error: " : " warning: ") + diagnostic.text;
  // A finding quotes the file, whose bytes must not reach a terminal or start a new line in a log.
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; }, ' ');
  return text;
}

void Report::error(std::string_view file, uint32_t line, std::string text) {
  all_.push_back({std::string(file), line, Severity::kError, std::move(text)});
  ++errors_;
}

void Report::warning(std::string_view file, uint32_t line, std::string text) {
  all_.push_back({std::string(file), line, Severity::kWarning, std::move(text)});
}

std::string_view nearest(std::string_view word, const std::vector<std::string_view>& candidates) {
  constexpr size_t kLongestWord = 64;  // bounds the work that a hostile line can cause
  if (word.empty() || word.size() > kLongestWord) return {};
  std::string_view best;
  size_t best_distance = std::max<size_t>(1, word.size() / 3) + 1;
  for (std::string_view candidate : candidates) {
    size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace culvert::config
