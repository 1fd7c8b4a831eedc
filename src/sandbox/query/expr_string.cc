// Strings, by bytes and by code points, and regular expressions.
#include <algorithm>
#include <cctype>

#include <fmt/core.h>

#include "bson/builder.h"
#include "sandbox/query/expression_ops.h"
#include "sandbox/query/numeric.h"
#include "sandbox/query/regex.h"

namespace drover::sandbox::query {

using bson::Element;
using bson::Type;
using bson::View;
using Operands = std::span<const Datum>;

Result<std::string> string_of(const Datum& value);  // expr_conversion.cc: as the server coerces to string

namespace {

std::string_view text(const Datum& value) { return value.element().string_value(); }

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

std::int64_t code_points(std::string_view s) {
  return std::count_if(s.begin(), s.end(), [](char c) { return !is_continuation(c); });
}

// The byte offset of code point `index`, or the size.
std::size_t byte_offset(std::string_view s, std::int64_t index) {
  std::size_t at = 0;
  for (; at < s.size(); ++at) {
    if (is_continuation(s[at])) continue;
    if (index-- == 0) return at;
  }
  return at;
}

Result<Datum> concat(Operands o, Variables&) {
  std::string result;
  for (const Datum& value : o) {
    if (value.nullish()) return Datum::null();
    if (value.type() != Type::kString)
      return bad(16702, fmt::format("$concat only supports strings, not {}", type_name_of(value)));
    result += text(value);
    TRY(check_value_size(result.size()));
  }
  return Datum::from(std::string_view(result));
}

template <typename Function>
Result<Datum> change_case(const Datum& value, Function function) {
  std::string result = TRY(string_of(value));
  for (char& c : result) {
    if (static_cast<unsigned char>(c) < 0x80) c = static_cast<char>(function(c));
  }
  return Datum::from(std::string_view(result));
}
Result<Datum> to_lower(Operands o, Variables&) {
  return change_case(o[0], [](char c) { return std::tolower(c); });
}
Result<Datum> to_upper(Operands o, Variables&) {
  return change_case(o[0], [](char c) { return std::toupper(c); });
}

Result<Datum> case_compare(Operands o, Variables&) {
  std::string a = TRY(string_of(o[0]));
  std::string b = TRY(string_of(o[1]));
  for (auto* s : {&a, &b}) {
    for (char& c : *s) {
      if (static_cast<unsigned char>(c) < 0x80) c = static_cast<char>(std::toupper(c));
    }
  }
  const int order = a.compare(b);
  return Datum::from(std::int32_t{order < 0 ? -1 : order > 0 ? 1 : 0});
}

Result<Datum> substr_bytes(Operands o, Variables&) {
  const std::string s = TRY(string_of(o[0]));
  if (!o[1].is_number())
    return bad(16034, fmt::format("$substrBytes:  starting index must be a numeric type (is BSON type {})",
                                  type_name_of(o[1])));
  if (!o[2].is_number())
    return bad(16035,
               fmt::format("$substrBytes:  length must be a numeric type (is BSON type {})", type_name_of(o[2])));
  const std::int64_t begin = as_int64(o[1]);
  const std::int64_t length = as_int64(o[2]);
  if (begin < 0) return bad(50752, fmt::format("$substrBytes:  starting index must be non-negative (got: {})", begin));
  const auto size = static_cast<std::int64_t>(s.size());
  if (begin >= size) return Datum::from(std::string_view());
  const std::int64_t end = length < 0 ? size : std::min(size, begin + std::min(length, size));
  if (is_continuation(s[static_cast<std::size_t>(begin)]))
    return bad(28656, "$substrBytes:  Invalid range, starting index is a UTF-8 continuation byte.");
  if (end < size && is_continuation(s[static_cast<std::size_t>(end)]))
    return bad(28657, "$substrBytes:  Invalid range, ending index is in the middle of a UTF-8 character.");
  return Datum::from(
      std::string_view(s).substr(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin)));
}

Result<Datum> substr_cp(Operands o, Variables&) {
  const std::string s = TRY(string_of(o[0]));
  if (!o[1].is_number())
    return bad(34450,
               fmt::format("$substrCP: starting index must be a numeric type (is BSON type {})", type_name_of(o[1])));
  const auto begin = small_whole_number(o[1]);
  if (!begin)
    return bad(34451, fmt::format("$substrCP: starting index cannot be represented as a 32-bit integral value: {}",
                                  printed(o[1])));
  if (!o[2].is_number())
    return bad(34452, fmt::format("$substrCP: length must be a numeric type (is BSON type {})", type_name_of(o[2])));
  const auto length = small_whole_number(o[2]);
  if (!length)
    return bad(34453,
               fmt::format("$substrCP: length cannot be represented as a 32-bit integral value: {}", printed(o[2])));
  if (*length < 0) return bad(34454, "$substrCP: length must be a nonnegative integer.");
  if (*begin < 0) return bad(34455, "$substrCP: the starting index must be nonnegative integer.");
  const std::size_t from = byte_offset(s, *begin);
  const std::string_view rest = std::string_view(s).substr(from);
  return Datum::from(rest.substr(0, byte_offset(rest, *length)));
}

Result<Datum> length_bytes(Operands o, Variables&) {
  if (o[0].type() != Type::kString)
    return bad(34473, fmt::format("$strLenBytes requires a string argument, found: {}", type_name_of(o[0])));
  return Datum::integer(static_cast<std::int64_t>(text(o[0]).size()));
}
Result<Datum> length_cp(Operands o, Variables&) {
  if (o[0].type() != Type::kString)
    return bad(34471, fmt::format("$strLenCP requires a string argument, found: {}", type_name_of(o[0])));
  return Datum::integer(code_points(text(o[0])));
}

Result<Datum> index_of(std::string_view name, Operands o, bool by_code_point, int code) {
  if (o[0].nullish()) return Datum::null();
  if (o[0].type() != Type::kString)
    return bad(code, fmt::format("{} requires a string as the first argument, found: {}", name, type_name_of(o[0])));
  if (o[1].type() != Type::kString)
    return bad(code + 1,
               fmt::format("{} requires a string as the second argument, found: {}", name, type_name_of(o[1])));
  const std::string_view s = text(o[0]);
  std::int64_t bounds[2] = {0, by_code_point ? code_points(s) : static_cast<std::int64_t>(s.size())};
  for (std::size_t i = 2; i < o.size(); ++i) {
    const auto bound = small_whole_number(o[i]);
    if (!bound)
      return bad(40096, fmt::format("{}requires an integral {} index, found a value of type: {}, with value: {}", name,
                                    i == 2 ? "starting" : "ending", type_name_of(o[i]), printed(o[i])));
    if (*bound < 0)
      return bad(40097, fmt::format("{} requires a nonnegative {} index, found: {}", name,
                                    i == 2 ? "starting" : "ending", *bound));
    bounds[i - 2] = i == 2 ? std::int64_t{*bound} : std::min<std::int64_t>(bounds[1], *bound);
  }
  const std::size_t begin = by_code_point ? byte_offset(s, bounds[0]) : static_cast<std::size_t>(bounds[0]);
  const std::size_t end = by_code_point ? byte_offset(s, bounds[1]) : static_cast<std::size_t>(bounds[1]);
  if (begin > s.size() || bounds[0] > bounds[1]) return Datum::from(std::int32_t{-1});
  const std::size_t found = s.substr(0, end).find(text(o[1]), begin);
  if (found == std::string_view::npos) return Datum::from(std::int32_t{-1});
  return Datum::integer(by_code_point ? code_points(s.substr(0, found)) : static_cast<std::int64_t>(found));
}
Result<Datum> index_of_bytes(Operands o, Variables&) { return index_of("$indexOfBytes", o, false, 40091); }
Result<Datum> index_of_cp(Operands o, Variables&) { return index_of("$indexOfCP", o, true, 40093); }

Result<Datum> split(Operands o, Variables&) {
  if (o[0].nullish() || o[1].nullish()) return Datum::null();
  if (o[0].type() != Type::kString)
    return bad(40085,
               fmt::format("$split requires an expression that evaluates to a string as a first argument, found: {}",
                           type_name_of(o[0])));
  if (o[1].type() != Type::kString)
    return bad(40086,
               fmt::format("$split requires an expression that evaluates to a string as a second argument, found: {}",
                           type_name_of(o[1])));
  const std::string_view separator = text(o[1]);
  if (separator.empty()) return bad(40087, "$split requires a non-empty separator");
  std::string_view rest = text(o[0]);
  bson::ArrayBuilder parts;
  for (std::size_t at = rest.find(separator); at != std::string_view::npos; at = rest.find(separator)) {
    parts.append(rest.substr(0, at));
    rest.remove_prefix(at + separator.size());
  }
  parts.append(rest);
  return Datum::array(std::move(parts));
}

Result<Datum> trim_text(std::string_view name, const Datum& input, const Datum& chars, bool has_chars) {
  if (input.nullish()) return Datum::null();
  if (input.type() != Type::kString)
    return bad(50699, fmt::format("{} requires its input to be a string, got {} (of type {}) instead.", name, printed(input),
                                  type_name_of(input)));
  std::vector<std::string_view> cut;
  static constexpr std::string_view kBlanks[] = {std::string_view("\0", 1),
                                                 " ",
                                                 "\t",
                                                 "\n",
                                                 "\v",
                                                 "\f",
                                                 "\r",
                                                 "\u00a0",
                                                 "\u1680",
                                                 "\u2000",
                                                 "\u2001",
                                                 "\u2002",
                                                 "\u2003",
                                                 "\u2004",
                                                 "\u2005",
                                                 "\u2006",
                                                 "\u2007",
                                                 "\u2008",
                                                 "\u2009",
                                                 "\u200a"};
  if (has_chars) {
    if (chars.nullish()) return Datum::null();
    if (chars.type() != Type::kString)
      return bad(50700, fmt::format("{} requires 'chars' to be a string, got {} (of type {}) instead.", name, printed(chars),
                                    type_name_of(chars)));
    std::string_view rest = text(chars);
    while (!rest.empty()) {
      const std::size_t size = byte_offset(rest, 1);
      cut.push_back(rest.substr(0, size));
      rest.remove_prefix(size);
    }
  } else {
    cut.assign(std::begin(kBlanks), std::end(kBlanks));
  }
  std::string_view s = text(input);
  const auto strip = [&](bool front) {
    bool again = true;
    while (again && !s.empty()) {
      again = false;
      for (const std::string_view c : cut) {
        if (front ? !s.starts_with(c) : !s.ends_with(c)) continue;
        front ? s.remove_prefix(c.size()) : s.remove_suffix(c.size());
        again = true;
        break;
      }
    }
  };
  if (name != "$rtrim") strip(true);
  if (name != "$ltrim") strip(false);
  return Datum::from(s);
}

struct TrimExpression final : Expression {
  Result<Datum> evaluate(Variables& variables) const override {
    const Datum input = TRY(operands.evaluate("input", variables));
    const Datum chars = TRY(operands.evaluate("chars", variables));
    return trim_text(name, input, chars, operands.find("chars") != nullptr);
  }
  std::string name;
  NamedOperands operands;
};

Result<ExpressionPtr> parse_trim(const Element& argument, const Scope& scope) {
  static constexpr std::string_view kNames[] = {"input", "chars"};
  auto trim = std::make_unique<TrimExpression>();
  trim->name = argument.key();
  if (!argument.is_document()) {
    return bad(50696, fmt::format("{} only supports an object as an argument, found {}", argument.key(), bson::type_name(argument.type())));
  }
  trim->operands = TRY(NamedOperands::parse(argument, scope, argument.key(), kNames, 50694, 50696));
  if (!trim->operands.find("input")) return bad(50695, fmt::format("{} requires an 'input' field", argument.key()));
  const bool literals = trim->operands.are_literals();
  return fold(std::move(trim), literals, scope);
}

struct ReplaceExpression final : Expression {
  Result<Datum> evaluate(Variables& variables) const override {
    const Datum input = TRY(operands.evaluate("input", variables));
    const Datum find = TRY(operands.evaluate("find", variables));
    const Datum replacement = TRY(operands.evaluate("replacement", variables));
    const std::pair<std::string_view, const Datum*> all[] = {
        {"input", &input}, {"find", &find}, {"replacement", &replacement}};
    int code = 51746;
    for (const auto& [role, value] : all) {
      if (!value->nullish() && value->type() != Type::kString) {
        return bad(code, fmt::format("{} requires that '{}' be a string, found: {}", name, role, printed(*value)));
      }
      --code;
    }
    if (input.nullish() || find.nullish() || replacement.nullish()) return Datum::null();
    std::string_view rest = text(input);
    const std::string_view wanted = text(find);
    std::string result;
    if (wanted.empty()) {  // matches everywhere
      if (name == "$replaceOne")
        return Datum::from(std::string_view(std::string(text(replacement)) + std::string(rest)));
      for (const char byte : rest) {  // by bytes, as the server has it
        result.append(text(replacement)).push_back(byte);
        TRY(check_value_size(result.size()));
      }
      result.append(text(replacement));
      return Datum::from(std::string_view(result));
    }
    for (std::size_t at = rest.find(wanted); at != std::string_view::npos; at = rest.find(wanted)) {
      result.append(rest.substr(0, at)).append(text(replacement));
      TRY(check_value_size(result.size()));
      rest.remove_prefix(at + wanted.size());
      if (name == "$replaceOne") break;
    }
    result.append(rest);
    return Datum::from(std::string_view(result));
  }
  std::string name;
  NamedOperands operands;
};

Result<ExpressionPtr> parse_replace(const Element& argument, const Scope& scope) {
  static constexpr std::string_view kNames[] = {"input", "find", "replacement"};
  auto replace = std::make_unique<ReplaceExpression>();
  replace->name = argument.key();
  if (!argument.is_document()) {
    return bad(51751, fmt::format("{} requires an object as an argument, found: {}", argument.key(), bson::type_name(argument.type())));
  }
  replace->operands = TRY(NamedOperands::parse(argument, scope, argument.key(), kNames, 51750, 51751));
  int code = 51749;
  for (const std::string_view name : kNames) {
    if (!replace->operands.find(name))
      return bad(code, fmt::format("{} requires '{}' to be specified", argument.key(), name));
    --code;
  }
  return replace;
}

// $regexMatch, $regexFind, $regexFindAll.
struct RegexExpression final : Expression {
  Result<Datum> evaluate(Variables& variables) const override {
    const Datum input = TRY(operands.evaluate("input", variables));
    const Datum regex = TRY(operands.evaluate("regex", variables));
    const Datum options = TRY(operands.evaluate("options", variables));
    if (!input.nullish() && input.type() != Type::kString && input.type() != Type::kSymbol) {
      return bad(51104, fmt::format("{} needs 'input' to be of type string", name));
    }
    const auto compiled = TRY(compile(regex, options, variables.context().version));
    if (!compiled || input.nullish()) return nothing();
    const std::string_view subject = text(input);
    bson::ArrayBuilder found;
    std::size_t from = 0;
    // An empty string is searched too; the end of another is not.
    do {
      int failure = 0;
      const auto match = compiled->search(subject, from, failure);
      if (failure != 0) return bad(51156, fmt::format("Error occurred while executing the regular expression in {}. Result code: {}", name, failure));
      if (name == "$regexMatch") return Datum::from(match.has_value());
      if (!match) break;
      bson::Builder one = describe(subject, *match);
      if (name == "$regexFind") return Datum::document(std::move(one).finish());
      found.append(std::move(one).finish());
      TRY(check_value_size(found.size()));
      from = match->end > match->begin ? match->end : behind_code_point(subject, match->end);
    } while (from < subject.size());
    if (name == "$regexFind") return Datum::null();
    return Datum::array(std::move(found));
  }

  static std::size_t behind_code_point(std::string_view subject, std::size_t at) {
    do {
      ++at;
    } while (at < subject.size() && (static_cast<unsigned char>(subject[at]) & 0xc0) == 0x80);
    return at;
  }

  Result<Datum> nothing() const {
    if (name == "$regexMatch") return Datum::from(false);
    return name == "$regexFind" ? Datum::null() : Datum::array({});
  }

  static bson::Builder describe(std::string_view subject, const CompiledRegex::Match& match) {
    bson::Builder one;
    one.append("match", subject.substr(match.begin, match.end - match.begin));
    one.append("idx", static_cast<std::int32_t>(code_points(subject.substr(0, match.begin))));
    auto captures = one.open_array("captures");
    for (const auto& [begin, end] : match.groups) {
      if (begin == std::string_view::npos) {
        captures.append(bson::Null{});
      } else {
        captures.append(subject.substr(begin, end - begin));
      }
    }
    captures.close();
    return one;
  }

  Result<std::shared_ptr<const CompiledRegex>> compile(const Datum& regex, const Datum& options,
                                                       ServerVersion version) const {
    if (regex.nullish()) return nullptr;
    if (regex.type() != Type::kString && regex.type() != Type::kRegex) {
      return bad(51105, fmt::format("{} needs 'regex' to be of type string or regex", name));
    }
    if (!options.nullish() && options.type() != Type::kString) {
      return bad(51106, fmt::format("{} needs 'options' to be of type string", name));
    }
    std::string flags = options.nullish() ? std::string() : std::string(text(options));
    std::string_view pattern;
    if (regex.type() == Type::kRegex) {
      const auto held = regex.element().regex_value();
      pattern = held.pattern;
      if (!held.options.empty()) {
        if (!flags.empty())
          return bad(51107,
                     fmt::format("{}: found regex option(s) specified in both 'regex' and 'option' fields", name));
        flags = held.options;
      }
    } else {
      pattern = text(regex);
    }
    if (pattern.find('\0') != std::string_view::npos) return bad(51109, fmt::format("{}: regular expression cannot contain an embedded null byte", name));
    if (flags.find('\0') != std::string::npos) return bad(51110, fmt::format("{}: regular expression options cannot contain an embedded null byte", name));
    if (prepared) return prepared;
    return TRY(CompiledRegex::compile_for(name, pattern, flags, version));
  }
  std::string name;
  NamedOperands operands;
  std::shared_ptr<const CompiledRegex> prepared;
};

Result<ExpressionPtr> parse_regex(const Element& argument, const Scope& scope) {
  static constexpr std::string_view kNames[] = {"input", "regex", "options"};
  auto regex = std::make_unique<RegexExpression>();
  regex->name = argument.key();
  if (!argument.is_document()) {
    return bad(51103, fmt::format("{} expects an object of named arguments but found: {}", argument.key(),
                                  bson::type_name(argument.type())));
  }
  regex->operands = TRY(NamedOperands::parse(argument, scope, argument.key(), kNames, 31024, 51103));
  if (!regex->operands.find("input")) return bad(31022, fmt::format("{} requires 'input' parameter", argument.key()));
  if (!regex->operands.find("regex")) return bad(31023, fmt::format("{} requires 'regex' parameter", argument.key()));
  const Datum* pattern = regex->operands.find("regex")->constant();
  const Expression* options = regex->operands.find("options");
  if (pattern && (!options || options->constant())) {
    const Datum none;
    regex->prepared = TRY(regex->compile(*pattern, options ? *options->constant() : none, scope.context().version));
  }
  return regex;
}

constexpr Operator kOperators[] = {
    {"$concat", 0, kAnyCount, concat},       {"$toLower", 1, 1, to_lower},         {"$toUpper", 1, 1, to_upper},
    {"$strcasecmp", 2, 2, case_compare},     {"$substr", 3, 3, substr_bytes},      {"$substrBytes", 3, 3, substr_bytes},
    {"$substrCP", 3, 3, substr_cp},          {"$strLenBytes", 1, 1, length_bytes}, {"$strLenCP", 1, 1, length_cp},
    {"$indexOfBytes", 2, 4, index_of_bytes}, {"$indexOfCP", 2, 4, index_of_cp},    {"$split", 2, 2, split},
};
constexpr SpecialForm kForms[] = {
    {"$trim", parse_trim},          {"$ltrim", parse_trim},         {"$rtrim", parse_trim},
    {"$replaceOne", parse_replace}, {"$replaceAll", parse_replace}, {"$regexMatch", parse_regex},
    {"$regexFind", parse_regex},    {"$regexFindAll", parse_regex},
};

}  // namespace

std::span<const Operator> string_operators() { return kOperators; }
std::span<const SpecialForm> string_forms() { return kForms; }

}  // namespace drover::sandbox::query
