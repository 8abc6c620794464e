// culvert.toml.
#include <algorithm>

#include "control/config/appliance.h"
#include "tests/fuzz/config_files.h"

using namespace culvert;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text = fuzz::Input(data, size).rest_as_text();
  config::Report report;
  config::Appliance appliance = config::parse_appliance(text, "etc/culvert.toml", report);
  fuzz::require_usable(report, static_cast<size_t>(std::count(text.begin(), text.end(), '\n')) + 1);
  if (!report.ok()) return 0;
  fuzz::require(!appliance.openvpn.empty() && appliance.sessions >= 1);
  fuzz::require(!appliance.tun_name || appliance.tun_name->size() < 16);
  return 0;
}
