#include "control/config/statement.h"

#include <optional>

namespace culvert::config {
namespace {

constexpr size_t kConfigLimit = 4 << 20;
constexpr size_t kLineLimit = 8192;  // the reference stops at 255; nothing sensible is longer than this
constexpr size_t kWordLimit = 64;    // words per line
constexpr size_t kStatementLimit = 65536;
constexpr int kIncludeDepth = 10;   // as the reference
constexpr int kIncludeLimit = 256;  // in all: a file that names itself several times grows without end otherwise

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\v' || c == '\f';
}

/// One word of a line, from `at` on, which is where it starts. Moves `at` behind it.
Result<std::string> take_word(std::string_view line, size_t& at) {
  char quote = line[at] == '"' || line[at] == '\'' ? line[at] : '\0';
  if (quote != '\0') ++at;
  std::string word;
  for (; at < line.size(); ++at) {
    char c = line[at];
    if (quote != '\0' && c == quote) {
      ++at;
      return word;
    }
    if (quote == '\0' && is_space(c)) return word;
    if (c == '\\' && quote != '\'') {
      if (++at == line.size()) return Error{"a backslash at the end of the line: write two for one backslash"};
      c = line[at];
      if (c != '\\' && c != '"' && !is_space(c)) {
        return Error{
            "a backslash may only stand before a space, a double quote or a backslash: write two for one backslash"};
      }
    }
    word += c;
  }
  if (quote != '\0') return Error{std::string("no closing ") + quote + " on this line"};
  return word;
}

class Reader {
 public:
  Reader(FileLoader& loader, Report& report, std::string folder)
      : loader_(loader), report_(report), folder_(std::move(folder)) {}

  void read(std::string_view text, const std::string& file, int depth);
  Statements take() { return {std::move(list_), std::move(folder_)}; }

 private:
  void take_line(std::string_view text, size_t& at, const std::string& file, uint32_t& line_number, int depth);
  bool take_inline(std::string_view text, size_t& at, uint32_t& line_number, Statement& statement);
  void include(const Statement& statement, int depth);
  void change_folder(const Statement& statement);

  FileLoader& loader_;
  Report& report_;
  std::string folder_;
  std::vector<Statement> list_;
  int includes_ = 0;
  bool full_ = false;
};

std::string_view next_line(std::string_view text, size_t& at) {
  size_t end = text.find('\n', at);
  std::string_view line = text.substr(at, end == std::string_view::npos ? end : end - at);
  at = end == std::string_view::npos ? text.size() : end + 1;
  return line;
}

void Reader::read(std::string_view text, const std::string& file, int depth) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  if (size_t nul = text.find('\0'); nul != std::string_view::npos) {
    uint32_t line = 1;
    for (char c : text.substr(0, nul)) line += c == '\n' ? 1 : 0;
    report_.error(file, line, "a NUL byte: this is not a text file");
    return;
  }
  uint32_t line_number = 0;
  for (size_t at = 0; at < text.size() && !full_;) take_line(text, at, file, line_number, depth);
}

void Reader::take_line(std::string_view text, size_t& at, const std::string& file, uint32_t& line_number, int depth) {
  std::string_view line = next_line(text, at);
  ++line_number;
  if (line.size() > kLineLimit) {
    report_.error(file, line_number, "line longer than " + std::to_string(kLineLimit) + " bytes");
    return;
  }
  Result<std::vector<std::string>> words = split_line(line);
  if (!words) {
    report_.error(file, line_number, words.error());
    return;
  }
  if (words->empty()) return;
  Statement statement{file, line_number, std::move(words->front()), {}, false};
  statement.args.assign(std::make_move_iterator(words->begin() + 1), std::make_move_iterator(words->end()));
  if (statement.name.size() > 2 && statement.name.starts_with("--")) statement.name.erase(0, 2);
  if (statement.args.empty() && statement.name.size() > 2 && statement.name.front() == '<' &&
      statement.name.back() == '>') {
    statement.name = statement.name.substr(1, statement.name.size() - 2);
    if (!take_inline(text, at, line_number, statement)) return;
  }
  if (!statement.inlined && statement.name == "config") return include(statement, depth);
  if (!statement.inlined && statement.name == "cd") return change_folder(statement);
  if (list_.size() == kStatementLimit) {
    report_.error(file, statement.line, "more than " + std::to_string(kStatementLimit) + " directives");
    full_ = true;
    return;
  }
  list_.push_back(std::move(statement));
}

bool Reader::take_inline(std::string_view text, size_t& at, uint32_t& line_number, Statement& statement) {
  if (statement.name.front() == '/') {
    report_.error(statement.file, statement.line, "<" + statement.name + "> closes a block that was not opened");
    return false;
  }
  std::string closing = "</" + statement.name + ">";
  statement.inlined = true;
  statement.args.emplace_back();
  while (at < text.size()) {
    std::string_view line = next_line(text, at);
    ++line_number;
    std::string_view trimmed = line;
    while (!trimmed.empty() && is_space(trimmed.front())) trimmed.remove_prefix(1);
    if (trimmed.starts_with(closing)) return true;
    statement.args[0].append(line).push_back('\n');
  }
  report_.error(statement.file, statement.line,
                "<" + statement.name + "> has no " + closing + " before the end of the file");
  return false;
}

void Reader::include(const Statement& statement, int depth) {
  if (statement.args.size() != 1) {
    return report_.error(statement.file, statement.line, "config: takes one argument, the file to include");
  }
  if (depth >= kIncludeDepth) {
    return report_.error(
        statement.file, statement.line,
        "config: more than " + std::to_string(kIncludeDepth) + " files deep: does a file include itself?");
  }
  if (++includes_ > kIncludeLimit) {
    full_ = true;
    return report_.error(statement.file, statement.line,
                         "config: more than " + std::to_string(kIncludeLimit) + " includes");
  }
  std::string path = join_path(folder_, statement.args[0]);
  Result<LoadedFile> loaded = loader_.load(path, kConfigLimit);
  if (!loaded) return report_.error(statement.file, statement.line, "config " + path + ": " + loaded.error());
  read(loaded->bytes, path, depth + 1);
}

void Reader::change_folder(const Statement& statement) {
  if (statement.args.size() != 1 || statement.args[0].empty()) {
    return report_.error(statement.file, statement.line,
                         "cd: takes one argument, the folder that relative paths count from");
  }
  folder_ = join_path(folder_, statement.args[0]);
}

}  // namespace

Result<std::vector<std::string>> split_line(std::string_view line) {
  std::vector<std::string> words;
  size_t at = 0;
  while (true) {
    while (at < line.size() && is_space(line[at])) ++at;
    if (at == line.size() || line[at] == '#' || line[at] == ';') return words;
    if (words.size() == kWordLimit) return Error{"more than " + std::to_string(kWordLimit) + " words on a line"};
    Result<std::string> word = take_word(line, at);
    if (!word) return Error{word.error()};
    words.push_back(*std::move(word));
  }
}

Statements read_statements(std::string_view text, const std::string& file, FileLoader& loader, Report& report) {
  Reader reader(loader, report, folder_of(file));
  if (text.size() > kConfigLimit) {
    report.error(file, 0, "larger than " + std::to_string(kConfigLimit / 1024) + " KiB: is this the right file?");
  } else {
    reader.read(text, file, 0);
  }
  return reader.take();
}

}  // namespace culvert::config
