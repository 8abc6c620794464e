// culvert_pages culvert.bash|culvert.1|culvert.toml.5 [README]: prints what the build installs beside the program.
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string_view>

#include "tools/culvert/completion.h"
#include "tools/culvert/manual.h"
#include "tools/culvert/program.h"

int main(int argc, char** argv) {
  using namespace culvert;
  const std::string_view page = argc > 1 ? argv[1] : "";
  cli::Context context;
  const auto program = cli::make_program(context);
  Result<std::string> text = Error{"usage: culvert_pages culvert.bash|culvert.1|culvert.toml.5 [README]"};
  if (page == "culvert.bash") text = cli::bash_completion(*program);
  if (page == "culvert.1") text = cli::command_manual(*program);
  if (page == "culvert.toml.5" && argc > 2) {
    std::ifstream file(argv[2]);
    text = cli::file_manual(std::string(std::istreambuf_iterator<char>(file), {}));
    if (!text) text = Error{argv[2] + std::string(": ") + text.error()};
  }
  if (!text) std::fprintf(stderr, "%s\n", text.error().c_str());
  return text && std::fputs((*text).c_str(), stdout) >= 0 ? 0 : 1;
}
