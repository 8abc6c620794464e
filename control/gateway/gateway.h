// Control as a whole: engines, pools and policy on one side, the link on the other, and who does what when either is
// new.
//
// gateway.cc: life (start, passes, stop); gateway_link.cc: what the dataplane says; gateway_adopt.cc: adopting
// sessions, installing them again; gateway_outputs.cc: what the engines want done; gateway_reload.cc: a new
// configuration, revoked certificates; gateway_entry.cc: who gets in; gateway_networks.cc: networks behind clients;
// gateway_tokens.cc: tokens; gateway_hooks.cc: scripts; gateway_concerns.cc: what should be looked at;
// gateway_limits.cc: limits of sessions; gateway_leave.cc: leaving them to the next control; operator.cc: what the
// operator asks.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "control/admin/handover.h"
#include "control/config/kept_files.h"
#include "control/config/load.h"
#include "control/crypto/primitives.h"
#include "control/gateway/ebb.h"
#include "control/gateway/held_packets.h"
#include "control/gateway/instance.h"
#include "control/gateway/loss_watch.h"
#include "control/gateway/network_book.h"
#include "control/gateway/port_keeper.h"
#include "control/gateway/reload.h"
#include "control/gateway/session_book.h"
#include "control/gateway/tun_scripts.h"
#include "control/io/admin_server.h"
#include "control/io/clock.h"
#include "control/io/link_client.h"
#include "control/io/log.h"
#include "control/pool/peer_ids.h"

namespace culvert::gateway {

class Gateway final : private io::LinkListener, private io::LaneSink {
 public:
  /// `configuration.servers[i].settings` is complete (TLS context, cookie secret). The loop and `loader`, which a
  /// reload reads with, outlive the gateway.
  Gateway(io::EventLoop& loop, config::Configuration configuration, std::string run_dir, config::KeptFiles& loader);
  ~Gateway() override;
  Gateway(const Gateway&) = delete;

  /// Opens the admin socket, for `admin_group` as well, and begins to look for the dataplane.
  Status start(std::optional<gid_t> admin_group);
  /// `ready` is called once, when ports and TUN are open for the first time.
  void when_ready(std::function<void()> ready) { when_ready_ = std::move(ready); }
  /// Says goodbye to all clients, lets the packets out, and then finished() turns true.
  void stop();
  /// Reads the configuration again and puts in force what can be, without ending a session that need not end. The error
  /// (one finding per line) says why nothing was changed.
  Result<ReloadReport> reload();
  /// The same, and what it found is in the log as well: the file's next reader may not be who asked.
  Result<ReloadReport> reload_and_log();
  /// SIGUSR1: all clients of all server blocks are told to connect again.
  void restart_clients();
  /// SIGUSR2: writes the status of each server block into the log, and into its status file.
  void report();
  /// As stop(), and whoever keeps this process running should not start it again.
  void stop_for_good();
  bool stopped_for_good() const { return for_good_; }

  /// Ends, and leaves all sessions to the next control at the same link: when nothing is in the middle, at the latest
  /// after `within`. Then finished() and left() turn true. While the dataplane is away, sessions are nowhere but here:
  /// that is waited for as well. Not before `at_least` is over. A stop() meanwhile goes first.
  void leave(MonoClock::duration within = kLeaveWithin, MonoClock::duration at_least = {});
  bool left() const { return left_; }
  static constexpr std::chrono::seconds kLeaveWithin{5};
  /// For who may have told the dataplane to end at the same moment (dataplane/end_policy.h): it is seen to go by then.
  static constexpr std::chrono::seconds kDataplaneIsSeenToGo{1};
  /// Who starts the next control when this one has ended; empty: nobody that we know of.
  void set_keeper(std::string keeper) { keeper_ = std::move(keeper); }

  /// Says which CRLs can't be read again now. Call after privileges are dropped.
  void warn_of_unreadable_crls() const;
  /// Removes the passwords that a control before, which was killed, has left in files for scripts.
  void remove_left_secrets() const;

  /// One pass of the loop: waits for something, does it, and all that came of it.
  void run_pass();
  bool finished() const { return finished_; }
  /// Why it ended by itself; empty after stop().
  const std::string& failure() const { return failure_; }

 private:
  friend class Operator;
  friend class ManagementDesk;

  // gateway.cc
  std::optional<MonoTime> next_deadline() const;
  void tick(Now now);
  void fail(const std::string& why);
  void publish_counters();
  void make_servers(uint32_t sessions);
  void watch_crls();
  abi::Tally control_tally() const;

  Status open_desks();
  Status open_persistent_pools();
  void write_pool_later(size_t index);
  void write_pool(size_t index);
  void tell_state(std::string_view state, const std::string& text, bool with_addresses = false);

  // gateway_concerns.cc
  /// What concerns() says now.
  std::vector<std::string> standing_concerns() const;
  /// That, and losses of late.
  std::vector<std::string> present_concerns() const;
  LossWatch::Drops dataplane_drops() const;
  void watch_losses();
  /// Logs what concerns the operator and has not been logged before; again from time to time.
  void look_at_concerns();
  void watch_concerns();

  // gateway_reload.cc
  /// Takes over CRLs whose files changed, and ends sessions whose certificate is on one. `always`: reads all files.
  /// The texts of what could not be read.
  std::vector<std::string> refresh_crls(bool always);
  /// Ends the sessions whose certificates are revoked; how many.
  size_t end_revoked(size_t instance);
  void take_over(size_t instance, config::ServerConfig next);
  void make_new_pool(size_t instance);
  void take_over_routes();

  // gateway_leave.cc
  void look_at_leaving();
  void end_leaving(const admin::Unfinished& cut_off);
  admin::Unfinished unfinished() const;
  /// Is all that the engines wanted done in the rings and records of the dataplane that runs?
  bool handed_on();

  // gateway_link.cc
  void on_attached(const std::shared_ptr<io::LinkMapping>& old) override;
  void on_detached(const std::string& why) override;
  /// There are ports to speak through again.
  void unmute();
  void on_doorbell(io::WorkerLane& lane) override;
  void on_event(uint32_t worker, const abi::Event& event) override;
  void on_punt(uint32_t worker, const abi::PacketMessage& packet) override;
  void on_bad_message(uint32_t worker) override;
  /// What sessions that were left know their ports by.
  PortKeeper::Numbers known_ports();
  void on_ports_found();
  /// Opens ports and TUN, unless a management interface holds us back.
  void open_when_free();
  bool held() const;
  void apply_ports();
  /// Ports and TUN are open.
  void on_ports_open();
  void serve();
  void forget_in_dataplane(abi::SessionRef session);
  void follow_float(const abi::Event& event, const BookEntry& entry);
  void drain(io::WorkerLane& lane);

  // gateway_adopt.cc
  void adopt_sessions();
  bool adopt_session(uint32_t peer_id, const abi::ControlRecord& record, Now now);
  void reinstall_sessions(const io::LinkMapping& old);
  void replace_lost_keys();
  void carry_record_over(abi::SessionRef session, BookEntry& entry, const io::LinkMapping& old);

  // gateway_outputs.cc
  void carry_out(size_t instance, uint32_t worker);
  void carry_out_one(size_t instance, uint32_t worker, openvpn::Output& output);
  void send_packet(const openvpn::SendPacket& packet, uint32_t worker);
  void close_stream(const abi::Command& command, uint32_t worker);
  void send_command(size_t instance, abi::Command& command, uint32_t worker);
  /// Tells every worker of sessions and routes, and `owner` alone of keys.
  void tell_workers(abi::Command& command, uint32_t owner);
  void push_command(const abi::Command& command, uint32_t worker);
  void commit(size_t instance, uint32_t worker, openvpn::CommitRecord& commit);
  void on_connected(size_t instance, const openvpn::SessionConnected& connected);
  void on_ended(size_t instance, const openvpn::SessionEnded& ended);

  // gateway_entry.cc
  void make_hooks(Instance& instance);
  void decide(size_t instance, Waiting client);
  void verify(size_t instance, Waiting client);
  void on_verdict(size_t instance, abi::SessionRef session, auth::Verdict verdict);
  void admit(size_t instance, Waiting client);
  bool end_same_name(size_t instance, const openvpn::ConnectRequest& request);
  bool take_place_of_older(size_t instance, Waiting& client);
  void connect(size_t instance, Waiting client, policy::ClientSettings own, openvpn::ClientGrant grant);
  void refuse(size_t instance, abi::SessionRef session, std::string_view for_client, std::string_view for_operator);
  /// Forgets what still runs to decide about the session.
  void stop_entering(size_t instance, abi::SessionRef session);

  // gateway_networks.cc
  /// The addresses are the session's from now on. Else why not, for the operator: one of them is another's.
  std::string take_own_addresses(abi::SessionRef session, const openvpn::ClientGrant& grant);
  /// A network behind a client is about to be routed to it: whoever had it has it no more.
  void take_network(const abi::InnerPrefix& network, abi::SessionRef session);
  /// What stands in the link of a session whose record says that it has networks.
  std::vector<abi::InnerPrefix> recorded_networks(abi::SessionRef session, const std::string& name) const;
  void adopt_networks(abi::SessionRef session, const BookEntry& entry, const std::vector<abi::InnerPrefix>& networks);
  void lose_network(const abi::InnerPrefix& network, abi::SessionRef loser, const BookEntry& entry);

  // gateway_addresses.cc
  /// As learn-address is told them.
  static std::vector<std::string> addresses_of(const openvpn::ClientGrant& grant);
  void learn_addresses(size_t index, abi::SessionRef session, Entering entering);
  void on_learnt(size_t index, abi::SessionRef session, const std::vector<std::string>& refused);

  // gateway_tokens.cc
  static void set_token_settings(Instance& instance);
  void renew_token_later(size_t index, abi::SessionRef session);

  // gateway_push.cc
  /// Sends PUSH_UPDATE to those of the sessions whose clients take it; how many that were.
  size_t push_update(const std::vector<abi::SessionRef>& sessions, const std::vector<openvpn::PushChange>& changes);

  // gateway_limits.cc
  /// Brings the session to the limits that the configuration gives now, in each direction that still has what it gave
  /// before. Lines of its file that make no sense.
  std::vector<std::string> follow_configured_limit(abi::SessionRef session, BookEntry& entry);
  /// After a reload or an adoption: for all sessions. Some now, the rest in later passes of the loop. Findings of the
  /// first ones; those of the rest are logged.
  std::vector<std::string> follow_configured_limits();
  /// The next ones of the tour, and plans the ones behind them. Findings that are new in this tour.
  std::vector<std::string> follow_next_limits();
  void watch_sessions();
  void look_at_sessions();
  /// Gives back the memory of sessions, when many have ended.
  void look_at_memory();
  Traffic carried_by(abi::SessionRef session, const BookEntry& entry) const;

  // gateway_hooks.cc
  bool run_client_connect(size_t instance, abi::SessionRef session);
  bool start_client_connect(size_t instance, abi::SessionRef session);
  void on_client_connect(size_t instance, abi::SessionRef session, const hooks::Outcome& outcome);
  void look_at_deferred(size_t instance, abi::SessionRef session);
  void finish_client_connect(size_t instance, abi::SessionRef session);
  void let_in(size_t index, abi::SessionRef session, const openvpn::ClientGrant& grant);
  /// For client-disconnect, when that is to be run at the end of the session.
  static void remember_environment(const Instance& instance, BookEntry& entry, const openvpn::SessionInfo& session);
  std::optional<std::pair<uint64_t, uint64_t>> traffic_of(abi::SessionRef session) const;
  void client_left(size_t instance, abi::SessionRef session, const BookEntry& entry, const abi::Endpoint& remote);
  void has_left(size_t instance, const std::string& name);
  void run_client_disconnect(size_t instance, abi::SessionRef session, const BookEntry& entry,
                             const abi::Endpoint& remote, std::pair<uint64_t, uint64_t> traffic);

  io::EventLoop& loop_;
  config::Configuration configuration_;
  std::string run_dir_;
  crypto::SystemRandom random_;
  config::KeptFiles& loader_;
  hooks::Runner runner_;  ///< before what uses it
  TunScripts tun_scripts_{runner_};
  std::vector<std::unique_ptr<Instance>> instances_;
  std::optional<pool::PeerIdPool> peer_ids_;
  std::optional<SessionBook> book_;
  std::optional<NetworkBook> networks_;       ///< refers to book_
  std::optional<NetworkBook> own_addresses_;  ///< of clients, each as a network of one; refers to book_
  io::LinkClient link_;
  HeldPackets held_packets_;
  bool is_mute_ = false;  ///< the dataplane is gone, or the next one has no port open yet
  std::optional<PortKeeper> ports_;
  std::unique_ptr<class Operator> operator_;
  std::unique_ptr<io::AdminServer> admin_;
  std::vector<std::unique_ptr<class ManagementDesk>> desks_;

  abi::Tally tally_;     ///< what control itself counts; the engines have their own
  abi::Tally baseline_;  ///< counted by earlier controls of the same dataplane
  io::LogBudget log_budget_;
  MonoTime started_;
  std::string state_text_;  ///< what it is waiting for
  std::vector<std::string> told_concerns_;
  LossWatch losses_;
  Ebb ebb_;
  bool ever_ready_ = false;
  bool ports_wait_ = false;         ///< until a new dataplane has its sessions, …
  MonoTime ports_may_open_{};       ///< … at the latest
  size_t disconnects_waiting_ = 0;  ///< client-disconnect scripts that are about to be run
  bool deciding_ = false;           ///< inside decide(): what comes of it is carried out by the caller
  bool starting_ = false;           ///< `up` has not ended yet
  bool stopping_ = false;
  bool going_down_ = false;  ///< of a stop: `down` is being run, or was
  bool down_done_ = false;
  bool finished_ = false;
  bool for_good_ = false;
  bool sessions_lost_ = false;  ///< a command was lost: install all again when the worker takes commands
  bool left_ = false;
  struct Leaving {
    MonoTime deadline{};
    MonoTime not_before{};
    MonoTime look_at{};
    admin::Unfinished waited_for{};  ///< the most of each at a time
  };
  std::optional<Leaving> leaving_;
  std::string keeper_;
  size_t took_over_ = 0;  ///< sessions of the control before
  size_t gave_up_ = 0;    ///< likewise
  MonoTime stop_deadline_{};
  MonoTime hooks_deadline_{};  ///< of a stop: how long scripts may still run
  /// Sessions whose limits are to follow the configuration of the last reload, or of the start.
  struct LimitTour {
    uint32_t next_peer_id = 0;
    std::set<std::string> findings;  ///< said already
    io::EventLoop::TimerId timer = 0;
  };
  std::optional<LimitTour> limit_tour_;
  std::optional<MonoTime> refused_since_;
  std::string failure_;
  std::function<void()> when_ready_;
};

}  // namespace culvert::gateway
