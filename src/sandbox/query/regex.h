// Regular expressions in MongoDB's dialect: PCRE with the options i, m, x, s (and u, which is always on). Immutable,
// thread-safe.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/server_version.h"

namespace drover::sandbox::query {

class CompiledRegex {
 public:
  // 51091 for a bad pattern, in the words of the PCRE that the version links (PCRE2 from 6.1). Options are i, m, s and x, from 6.1 on u too.
  // Others are refused (51108), but for those of filters before 6.1, which mean nothing.
  static Result<std::shared_ptr<const CompiledRegex>> compile(std::string_view pattern, std::string_view options,
                                                              ServerVersion version);
  // For the expression named, which is told in what is refused: 51111 for a bad pattern, 51108 for any other option.
  static Result<std::shared_ptr<const CompiledRegex>> compile_for(std::string_view expression, std::string_view pattern, std::string_view options,
                                                                  ServerVersion version);
  ~CompiledRegex();

  bool found_in(std::string_view text) const;

  struct Match {
    std::size_t begin = 0;  // bytes
    std::size_t end = 0;
    std::vector<std::pair<std::size_t, std::size_t>> groups;  // npos, npos: did not take part
  };
  // The first match at or after `from`. Without one, `failure` is what kept it from being looked for, as PCRE 8 numbers it: -10 for text
  // that is no UTF-8, -8 for a search that took too many steps, ...; 0 when there is none.
  std::optional<Match> search(std::string_view text, std::size_t from, int& failure) const;

  const std::string& pattern() const { return pattern_; }
  const std::string& options() const { return options_; }

 private:
  CompiledRegex() = default;
  std::string pattern_;
  std::string options_;
  void* code_ = nullptr;
};

}  // namespace drover::sandbox::query
