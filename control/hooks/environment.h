// Environment of an operator's script.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace culvert::hooks {

/// Variables as scripts see them. Names keep letters, digits and '_'; values keep printable ASCII: much of what stands
/// in them is the peer's choice (script-options.rst, "String Types and Remapping"). Other bytes become '_'.
class Environment {
 public:
  void set(std::string_view name, std::string_view value);
  void set(std::string_view name, uint64_t value) { set(name, std::string_view(std::to_string(value))); }
  void remove(std::string_view name);
  /// Everything of `more`, which replaces what has the same name.
  void add(const Environment& more);

  const std::map<std::string, std::string>& variables() const { return variables_; }
  /// "NAME=value", sorted by name.
  std::vector<std::string> strings() const;

 private:
  std::map<std::string, std::string> variables_;
};

/// A common name or username in the characters that scripts and file names may rely on: letters, digits and "_-.@";
/// `more` names further ones.
std::string tame_name(std::string_view name, std::string_view more = "");

}  // namespace culvert::hooks
