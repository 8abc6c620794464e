#include "tools/culvert/trace_filter.h"

#include <algorithm>

#include "dataplane/abi/endpoint_text.h"
#include "tools/culvert/admin_client.h"
#include "tools/culvert/help.h"
#include "tools/culvert/trace_link.h"

namespace culvert::cli {
namespace {

Result<uint16_t> drop_reason(const std::string& name) {
  auto found = std::ranges::find(abi::kDropInfo, name, &abi::DropInfo::name);
  if (found == abi::kDropInfo.end()) return Error{"no drop reason \"" + name + "\": `culvert drops --all` lists them"};
  if (found->side == abi::DropSide::kControl)
    return Error{name +
                 " is a reason of culvert-control, whose packets are not traced: see its log and `culvert drops`"};
  return static_cast<uint16_t>(found - abi::kDropInfo.begin());
}

Result<abi::SessionRef> session_of(const std::string& run_dir, const std::string& wanted) {
  auto row = ask(run_dir, {{"command", "session show"}, {"session", wanted}});
  if (!row)
    return Error{row.error() + "\nfor a client that does not get as far as a session, use --remote with its address"};
  if (!row->contains("id") || !row->contains("generation")) return Error{"the gateway's answer makes no sense"};
  return abi::SessionRef{(*row)["id"].get<uint32_t>(), (*row)["generation"].get<uint32_t>()};
}

}  // namespace

void TraceFilter::add_to(CLI::App& command) {
  command.add_option("--session", session, "only of this one: ID, common name or address, as in `culvert sessions`")
      ->type_name("SESSION");
  command.add_option("--remote", remote, "only of clients with this outer address, also before they have a session")
      ->type_name("ADDRESS");
  command.add_option("--direction", direction, "from-client, to-client or both")
      ->default_str("both")
      ->type_name("WAY")
      ->check(CLI::IsMember({"from-client", "to-client", "both"}).description(""));
  command.add_flag("--drops", drops, "only packets that are dropped");
  command.add_option("--reason", reason, "only packets that are dropped for this reason, as in `culvert drops`")
      ->type_name("REASON");
  command.add_option("--every", every, "look at every Nth packet of a worker only; with --drops, at every Nth drop")
      ->check(whole_number(1, 1'000'000'000))
      ->type_name("N");
}

Result<abi::TraceRequest> TraceFilter::request(const std::string& run_dir) const {
  abi::TraceRequest request = trace_everything();
  request.every = every;
  request.drops_only = drops || !reason.empty() ? 1 : 0;
  if (direction == "from-client") request.directions = abi::trace_direction::kFromClient;
  if (direction == "to-client") request.directions = abi::trace_direction::kToClient;
  if (!reason.empty()) {
    auto index = drop_reason(reason);
    if (!index) return Error{index.error()};
    request.reason = *index;
  }
  if (!remote.empty()) {
    auto address = abi::parse_ip(remote);
    if (!address) return Error{"--remote " + remote + ": give a numeric address"};
    request.remote = *address;
  }
  if (!session.empty()) {
    auto ref = session_of(run_dir, session);
    if (!ref) return Error{ref.error()};
    request.session = *ref;
  }
  return request;
}

}  // namespace culvert::cli
