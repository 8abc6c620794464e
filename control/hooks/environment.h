// Environment of an operator's script.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace culvert::hooks {

/// Variables as scripts see them. Names keep letters, digits and '_'; values keep all but control characters: much of
/// what stands in them is the peer's choice (env_set.c, setenv_str). Other bytes become '_'.
class Environment {
 public:
  void set(std::string_view name, std::string_view value);
  void set(std::string_view name, uint64_t value) { set(name, std::string_view(std::to_string(value))); }
  void remove(std::string_view name);
  /// Everything of `more`, which replaces what has the same name. The folder stays.
  void add(const Environment& more);

  const std::map<std::string, std::string>& variables() const { return variables_; }
  /// "NAME=value", sorted by name.
  std::vector<std::string> strings() const;

  /// Where the script is started: relative paths among its arguments count from there. Empty: where we are.
  void set_folder(std::string folder) { folder_ = std::move(folder); }
  const std::string& folder() const { return folder_; }

 private:
  std::string folder_;
  std::map<std::string, std::string> variables_;
};

/// A common name, username or subject as scripts get it: control characters become '_', as in the reference
/// (ssl_verify.c, string_mod_remap_name). A shell must not be handed it unquoted.
std::string tame_name(std::string_view name);

/// The name of a file for it in a folder: no '/' either. Empty for names that no file can have
/// (platform.c, platform_gen_path).
std::string tame_file_name(std::string_view name);

/// The same as an argument of a program, which can't be taken for an option.
std::string tame_argument(std::string_view text);

}  // namespace culvert::hooks
