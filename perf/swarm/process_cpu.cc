#include "perf/swarm/process_cpu.h"

#include <unistd.h>

#include <fstream>
#include <sstream>

namespace culvert::swarm {

double cpu_ticks(const std::string& stat) {
  // The name in brackets may hold blanks and brackets: count from its end.
  size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return -1;
  std::istringstream fields(stat.substr(name_end + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  double user = 0, system = 0;
  return fields >> user >> system ? user + system : -1;
}

Result<double> cpu_seconds(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  double ticks = cpu_ticks(text);
  if (ticks < 0) return Error{"process " + std::to_string(pid) + " of the server is gone"};
  return ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace culvert::swarm
