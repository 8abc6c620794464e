// The list of all directives, and what reading one means.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace culvert::config {

struct Draft;
struct Statement;

enum class Fate : uint8_t {
  kHonoured,  ///< does what the man page says, as far as its note goes; values that can't be honoured are refused
  kHarmless,  ///< has no effect here and needs none: a warning says why
  kRefused,   ///< an error that says why, and the way out
};

namespace directive_flag {
inline constexpr uint8_t kInline = 1;   ///< may be written as <name> … </name>
inline constexpr uint8_t kRepeats = 2;  ///< further ones add to the first instead of replacing it
}  // namespace directive_flag

struct Directive {
  std::string_view name;
  Fate fate;
  uint8_t min_args;
  uint8_t max_args;
  uint8_t flags;
  void (*read)(Draft&, const Statement&);  ///< kHonoured only
  std::string_view note;                   ///< kHonoured: limits; kHarmless: why; kRefused: why and the way out
};

std::span<const Directive> directives();
const Directive* find_directive(std::string_view name);

/// Reads one statement into the draft, or reports why not.
void apply(Draft& draft, const Statement& statement);

}  // namespace culvert::config
