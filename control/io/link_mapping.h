// The link's memory, mapped and checked. See dataplane/abi/layout.h for what is in it.
#pragma once

#include <memory>

#include "control/io/fd.h"
#include "dataplane/abi/layout.h"
#include "dataplane/abi/result.h"

namespace culvert::io {

class LinkMapping {
 public:
  /// Maps the memfd of a dataplane. Refuses one that could still shrink (an access behind its end would kill us), that
  /// has another layout, or whose size is not what its header says. The header is copied once and only the copy is
  /// used.
  static Result<std::shared_ptr<LinkMapping>> map(Fd memfd);
  ~LinkMapping();
  LinkMapping(const LinkMapping&) = delete;
  LinkMapping& operator=(const LinkMapping&) = delete;

  const abi::LinkView& view() const { return view_; }
  /// The header as it was when the link was mapped.
  const abi::LinkHeader& header() const { return header_; }

 private:
  LinkMapping(void* base, const abi::LinkHeader& header)
      : base_(base), header_(header), view_(base, header.workers, header.sessions) {}

  void* base_;
  abi::LinkHeader header_;
  abi::LinkView view_;
};

}  // namespace culvert::io
