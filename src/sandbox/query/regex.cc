#include "sandbox/query/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <fmt/core.h>

#include "sandbox/query/errors.h"

namespace drover::sandbox::query {

namespace {

pcre2_code* as_code(void* code) { return static_cast<pcre2_code*>(code); }

// Before 6.1 the server links PCRE 8, which numbers its messages as PCRE2 does (less 100) and words them otherwise.
const char* old_message(int pcre2_error) {
  switch (pcre2_error - 100) {
    case 1: return "\\ at end of pattern";
    case 2: return "\\c at end of pattern";
    case 3: return "unrecognized character follows \\";
    case 4: return "numbers out of order in {} quantifier";
    case 5: return "number too big in {} quantifier";
    case 6: return "missing terminating ] for character class";
    case 7: return "invalid escape sequence in character class";
    case 8: return "range out of order in character class";
    case 9: return "nothing to repeat";
    case 11: return "unrecognized character after (? or (?-";
    case 12: return "POSIX named classes are supported only within a class";
    case 14: return "missing )";
    case 15: return "reference to non-existent subpattern";
    case 18: return "missing ) after comment";
    case 22: return "unmatched parentheses";
    case 24: return "unrecognized character after (?<";
    case 25: return "lookbehind assertion is not fixed length";
    case 26: return "malformed number or name after (?(";
    case 27: return "conditional group contains more than two branches";
    case 28: return "assertion expected after (?( or (?(?C)";
    case 30: return "unknown POSIX class name";
    case 42: return "syntax error in subpattern name (missing terminator?)";
    case 43: return "two named subpatterns have the same name";
    case 46: return "malformed \\P or \\p sequence";
    case 47: return "unknown property name after \\P or \\p";
    default: return nullptr;
  }
}

// Of a search, by its old number.
int old_failure(int pcre2_error) {
  if (pcre2_error <= PCRE2_ERROR_UTF8_ERR1 && pcre2_error >= PCRE2_ERROR_UTF8_ERR21) return -10;
  switch (pcre2_error) {
    case PCRE2_ERROR_MATCHLIMIT: return -8;
    case PCRE2_ERROR_DEPTHLIMIT: return -21;
    case PCRE2_ERROR_JIT_STACKLIMIT: return -27;
    case PCRE2_ERROR_NOMEMORY: return -6;
    default: return -14;  // PCRE_ERROR_INTERNAL
  }
}

constexpr ServerVersion kPcre2Since{6, 1, 0};

// `expression`: empty for a filter.
Result<std::uint32_t> flags_of(std::string_view options, ServerVersion version, std::string_view expression) {
  std::uint32_t flags = PCRE2_UTF;
  for (const char option : options) {
    switch (option) {
      case 'i': flags |= PCRE2_CASELESS; break;
      case 'm': flags |= PCRE2_MULTILINE; break;
      case 's': flags |= PCRE2_DOTALL; break;
      case 'x': flags |= PCRE2_EXTENDED; break;
      default:
        if (version >= kPcre2Since ? option == 'u' : expression.empty()) break;
        return bad(51108, fmt::format("{} invalid flag in regex options: {}", expression, option));
    }
  }
  return flags;
}

struct MatchData {
  pcre2_match_data* data = nullptr;
  std::uint32_t groups = 0;
  ~MatchData() { pcre2_match_data_free(data); }
};

// One per thread, grown as needed, so that matching does not allocate.
pcre2_match_data* match_data(const pcre2_code* code) {
  thread_local MatchData kept;
  std::uint32_t groups = 0;
  pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &groups);
  if (!kept.data || kept.groups < groups + 1) {
    pcre2_match_data_free(kept.data);
    kept.data = pcre2_match_data_create(groups + 1, nullptr);
    kept.groups = groups + 1;
  }
  return kept.data;
}

}  // namespace

Result<std::shared_ptr<const CompiledRegex>> CompiledRegex::compile(std::string_view pattern, std::string_view options, ServerVersion version) {
  return compile_for("", pattern, options, version);
}

Result<std::shared_ptr<const CompiledRegex>> CompiledRegex::compile_for(std::string_view expression, std::string_view pattern, std::string_view options,
                                                                        ServerVersion version) {
  const std::uint32_t flags = TRY(flags_of(options, version, expression));
  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code* code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), flags, &error, &offset, nullptr);
  if (!code) {
    const char* old = version < kPcre2Since ? old_message(error) : nullptr;
    char text[256] = {};
    pcre2_get_error_message(error, reinterpret_cast<PCRE2_UCHAR*>(text), sizeof text);
    const std::string_view why = old ? old : text;
    if (expression.empty()) return bad(51091, fmt::format("Regular expression is invalid: {}", why));
    return bad(51111, fmt::format("Invalid Regex in {}: {}", expression, why));
  }
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
  std::shared_ptr<CompiledRegex> result(new CompiledRegex);
  result->pattern_ = pattern;
  result->options_ = options;
  result->code_ = code;
  return result;
}

CompiledRegex::~CompiledRegex() { pcre2_code_free(as_code(code_)); }

bool CompiledRegex::found_in(std::string_view text) const {
  return pcre2_match(as_code(code_), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), 0, 0,
                     match_data(as_code(code_)), nullptr) >= 0;
}

std::optional<CompiledRegex::Match> CompiledRegex::search(std::string_view text, std::size_t from, int& failure) const {
  pcre2_match_data* data = match_data(as_code(code_));
  const int found = pcre2_match(as_code(code_), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from, 0, data, nullptr);
  failure = found < PCRE2_ERROR_NOMATCH ? old_failure(found) : 0;
  if (found < 0) return std::nullopt;
  const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(data);
  std::uint32_t groups = 0;
  pcre2_pattern_info(as_code(code_), PCRE2_INFO_CAPTURECOUNT, &groups);
  Match match{ends[0], ends[1], {}};
  for (std::uint32_t i = 1; i <= groups; ++i) match.groups.emplace_back(ends[2 * i], ends[2 * i + 1]);
  return match;
}

}  // namespace drover::sandbox::query
