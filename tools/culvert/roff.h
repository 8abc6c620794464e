// Text for troff, as man pages are written in (man(7)).
#pragma once

#include <string>
#include <string_view>

namespace culvert::cli {

/// `text` as it is: nothing in it is a command or an escape.
inline std::string roff(std::string_view text) {
  std::string out;
  for (char c : text) {
    if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n')) out += "\\&";
    if (c == '-' || c == '\\') out += '\\';
    out += c == '\\' ? 'e' : c;
  }
  return out;
}

/// The page's heading and its first section.
inline std::string roff_heading(const std::string& name, int section, const std::string& what) {
  return ".TH " + name + " " + std::to_string(section) + " \"\" \"culvert " CULVERT_VERSION "\"\n.SH NAME\n" +
         roff(name) + " \\- " + roff(what) + "\n";
}

/// An entry of a list: what, and behind it the text about it.
inline std::string roff_entry(std::string_view what, std::string_view text) {
  return ".TP\n\\fB" + roff(what) + "\\fR\n" + roff(text) + "\n";
}

/// Lines that stay as they are.
inline std::string roff_lines(std::string_view text) {
  return ".PP\n.nf\n.RS\n" + roff(text) + (text.ends_with('\n') ? "" : "\n") + ".RE\n.fi\n";
}

}  // namespace culvert::cli
