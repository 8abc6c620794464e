// culvert.toml(5) out of conf/README.md: paragraphs, one table, and pieces of a file in Markdown.
#include <vector>

#include "tools/culvert/manual.h"
#include "tools/culvert/roff.h"

namespace culvert::cli {
namespace {

constexpr std::string_view kHeading = "\n## culvert.toml\n";

std::string_view next_line(std::string_view& text) {
  size_t end = std::min(text.find('\n'), text.size());
  std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

/// Without the signs of Markdown: `code`, **bold**, [text](link).
std::string plain(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '`' || text.substr(i, 2) == "**") {
      i += text[i] == '`' ? 0 : 1;
    } else if (size_t end = text.find("](", i); text[i] == '[' && end != text.npos && text.find('[', i + 1) > end) {
      out += plain(text.substr(i + 1, end - i - 1));
      i = std::min(text.find(')', end), text.size());
    } else {
      out += text[i];
    }
  }
  return out;
}

/// The cells of "| a | b |".
std::vector<std::string> cells(std::string_view row) {
  std::vector<std::string> out;
  row.remove_prefix(1);
  while (!row.empty()) {
    size_t end = std::min(row.find('|'), row.size());
    std::string cell = plain(row.substr(0, end));
    row.remove_prefix(std::min(end + 1, row.size()));
    cell.erase(0, std::min(cell.find_first_not_of(' '), cell.size()));
    cell.erase(cell.find_last_not_of(' ') + 1);
    if (!cell.empty() || !row.empty()) out.push_back(std::move(cell));
  }
  return out;
}

}  // namespace

Result<std::string> file_manual(std::string_view readme) {
  size_t begin = readme.find(kHeading);
  if (begin == readme.npos) return Error{"has no section \"culvert.toml\""};
  std::string_view rest = readme.substr(begin + kHeading.size());
  rest = rest.substr(0, rest.find("\n## "));
  std::string out = roff_heading("culvert.toml", 5, "configuration of a culvert gateway") + ".SH DESCRIPTION\n";
  bool rows = false;
  while (!rest.empty()) {
    std::string_view line = next_line(rest);
    if (line.starts_with("```")) {
      size_t end = rest.find("\n```");
      if (end == rest.npos) return Error{"has a piece of a file without its end"};
      out += roff_lines(rest.substr(0, end));
      rest.remove_prefix(end + 1);
      next_line(rest);
    } else if (line.starts_with('|')) {
      std::vector<std::string> row = cells(line);
      bool below = std::exchange(rows, true);
      if (!below || line.starts_with("| ---") || row.size() < 4) continue;
      out += roff_entry(row[0], row[1] + "; default: " + row[2] + ". " + row[3]);
    } else {
      out += line.empty() ? ".PP\n" : roff(plain(line)) + "\n";
    }
  }
  if (!rows) return Error{"has no table in its section \"culvert.toml\""};
  return out + ".SH SEE ALSO\n.BR culvert (1)\n";
}

}  // namespace culvert::cli
