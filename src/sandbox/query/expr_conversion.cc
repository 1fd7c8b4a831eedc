// $type, $convert and its short forms, $toString, $bsonSize, $binarySize, $isNumber.
#include <cmath>
#include <limits>

#include <fmt/core.h>

#include "bson/ejson.h"
#include "sandbox/query/calendar.h"
#include "sandbox/query/convert_binary.h"
#include "sandbox/query/date_complaint.h"
#include "sandbox/query/date_words.h"
#include "sandbox/query/expression_ops.h"
#include "sandbox/query/hashed_key.h"
#include "sandbox/query/numeric.h"
#include "sandbox/query/type_set.h"

namespace drover::sandbox::query {

using bson::Element;
using bson::Type;
using bson::View;
using Operands = std::span<const Datum>;

namespace {

// To six digits, as the server prints doubles: 1234567.0 is 1.23457e+06.
std::string format_double(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  return fmt::format("{:g}", value);
}

std::string text_of_number(const Datum& value) {
  switch (value.type()) {
    case Type::kDouble: return format_double(as_double(value));
    case Type::kDecimal128: return bson::decimal_to_string(value.element().decimal_value());
    default: return std::to_string(as_int64(value));
  }
}

tl::unexpected<Error> unsupported(const Datum& value, Type target) {
  return bad(code::kConversionFailure,
             fmt::format("Unsupported conversion from {} to {} in $convert with no onError value", type_name_of(value),
                         bson::type_name(target)));
}

tl::unexpected<Error> out_of_range(const Datum& value, std::string_view what) {
  return bad(code::kConversionFailure,
             fmt::format("Conversion would overflow target type in $convert with no onError value: {}{}",
                         text_of_number(value), what));
}

tl::unexpected<Error> unparsable(const Datum& value, std::string_view why) {
  return bad(code::kConversionFailure, fmt::format("Failed to parse number '{}' in $convert with no onError value: {}",
                                                   value.element().string_value(), why));
}

Status refuse_hexadecimal(const std::string& text) {
  if (!text.starts_with("0x")) return {};
  return bad(code::kConversionFailure, fmt::format("Illegal hexadecimal input in $convert with no onError value: {}", text));
}

Result<std::int64_t> integer_from(const Datum& value, Type target, std::int64_t low, std::int64_t high) {
  switch (value.type()) {
    case Type::kBool: return value.element().bool_value() ? 1 : 0;
    case Type::kInt32:
    case Type::kInt64: {
      const std::int64_t number = as_int64(value);
      if (number < low || number > high) return out_of_range(value, "");
      return number;
    }
    case Type::kDouble: {
      const double number = as_double(value);
      if (std::isnan(number))
        return bad(code::kConversionFailure,
                   "Attempt to convert NaN value to integer type in $convert with no onError value");
      if (std::isinf(number))
        return bad(code::kConversionFailure,
                   "Attempt to convert infinity value to integer type in $convert with no onError value");
      const double whole = std::trunc(number);
      if (whole < static_cast<double>(low) || whole >= static_cast<double>(high) + 1) return out_of_range(value, "");
      return static_cast<std::int64_t>(whole);
    }
    case Type::kDecimal128: {
      const auto number = bson::decimal_to_int64(value.element().decimal_value());
      if (!number || *number < low || *number > high) return out_of_range(value, "");
      return *number;
    }
    case Type::kDateTime:
      if (target == Type::kInt64) return value.element().date_value().millis;
      return unsupported(value, target);
    case Type::kString: {
      const std::string text(value.element().string_value());
      TRY(refuse_hexadecimal(text));
      if (text.empty() || text == "+" || text == "-") return unparsable(value, "No digits");
      char* end = nullptr;
      errno = 0;
      const long long number = std::strtoll(text.c_str(), &end, 10);
      if (end == text.c_str() || std::isspace(static_cast<unsigned char>(text[0]))) return unparsable(value, "Did not consume whole string.");
      if (end != text.c_str() + text.size()) return unparsable(value, "Did not consume whole string.");
      if (errno == ERANGE || number < low || number > high) return unparsable(value, "Overflow");
      return number;
    }
    default: return unsupported(value, target);
  }
}

Result<Datum> to_double(const Datum& value) {
  if (value.is_number()) {
    const double number = as_double(value);
    if (value.type() == Type::kDecimal128 && std::isinf(number) &&
        !bson::decimal_to_string(value.element().decimal_value()).ends_with("nfinity")) {
      return out_of_range(value, "");
    }
    return Datum::from(number);
  }
  if (value.type() == Type::kBool) return Datum::from(value.element().bool_value() ? 1.0 : 0.0);
  if (value.type() == Type::kDateTime) return Datum::from(static_cast<double>(value.element().date_value().millis));
  if (value.type() != Type::kString) return unsupported(value, Type::kDouble);
  const std::string text(value.element().string_value());
  TRY(refuse_hexadecimal(text));
  if (text.empty()) return unparsable(value, "Empty string");
  if (std::isspace(static_cast<unsigned char>(text[0]))) return unparsable(value, "Leading whitespace");
  char* end = nullptr;
  errno = 0;
  const double number = std::strtod(text.c_str(), &end);
  if (end == text.c_str()) return unparsable(value, "Did not consume any digits");
  if (end != text.c_str() + text.size()) return unparsable(value, "Did not consume whole string.");
  if (errno == ERANGE && std::isinf(number)) return unparsable(value, "Out of range");
  return Datum::from(number);
}

Result<Datum> to_decimal(const Datum& value) {
  if (value.is_number()) return Datum::from(as_decimal(value));
  if (value.type() == Type::kBool) return Datum::from(bson::decimal_from_int64(value.element().bool_value()));
  if (value.type() == Type::kDateTime)
    return Datum::from(bson::decimal_from_int64(value.element().date_value().millis));
  if (value.type() != Type::kString) return unsupported(value, Type::kDecimal128);
  const auto parsed = bson::decimal_from_string(value.element().string_value());
  if (!parsed) return unparsable(value, "Failed to parse string to decimal");
  // Read as infinite or as nothing, although it is written with digits.
  const auto digits = value.element().string_value().find_first_of("0123456789");
  if (digits != std::string_view::npos && std::isinf(bson::decimal_to_double(*parsed)) && text_of_number(Datum::from(*parsed)).ends_with("Infinity")) return unparsable(value, "Conversion from string to decimal would overflow");
  const auto mantissa = value.element().string_value().substr(0, value.element().string_value().find_first_of("eE"));
  if (bson::decimal_is_zero(*parsed) && mantissa.find_first_of("123456789") != std::string_view::npos) {
    return unparsable(value, "Conversion from string to decimal would underflow");
  }
  return Datum::from(*parsed);
}

Result<Datum> to_object_id(const Datum& value) {
  if (value.type() == Type::kObjectId) return value;
  if (value.type() != Type::kString) return unsupported(value, Type::kObjectId);
  const std::string_view text = value.element().string_value();
  bson::ObjectId id;
  bool good = text.size() == 24;
  for (std::size_t i = 0; good && i < 24; ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    const int digit = std::isdigit(c) ? c - '0' : std::isxdigit(c) ? std::tolower(c) - 'a' + 10 : -1;
    good = digit >= 0;
    if (good) id.bytes[i / 2] = static_cast<std::uint8_t>(id.bytes[i / 2] << 4 | digit);
  }
  if (good) return Datum::from(id);
  const std::string why =
      text.size() != 24 ? fmt::format("Invalid string length for parsing to OID, expected 24 but found {}", text.size())
                        : "Invalid character found in hex string";
  return bad(code::kConversionFailure,
             fmt::format("Failed to parse objectId '{}' in $convert with no onError value: {}", text, why));
}

Result<Datum> to_date(const Datum& value, ServerVersion version) {
  switch (value.type()) {
    case Type::kDateTime: return value;
    case Type::kInt64: return Datum::from(bson::DateTime{as_int64(value)});
    case Type::kDouble:
    case Type::kDecimal128:
      return Datum::from(
          bson::DateTime{TRY(integer_from(value, Type::kDateTime, std::numeric_limits<std::int64_t>::min(),
                                          std::numeric_limits<std::int64_t>::max()))});
    case Type::kTimestamp:
      if (version < ServerVersion{5, 1, 0}) return unsupported(value, Type::kDateTime);
      return Datum::from(bson::DateTime{std::int64_t{value.element().timestamp_value().seconds} * 1000});
    case Type::kObjectId: {
      const auto id = value.element().object_id_value();
      const std::uint32_t seconds = std::uint32_t{id.bytes[0]} << 24 | std::uint32_t{id.bytes[1]} << 16 |
                                    std::uint32_t{id.bytes[2]} << 8 | id.bytes[3];
      return Datum::from(bson::DateTime{std::int64_t{seconds} * 1000});
    }
    case Type::kString: {
      const auto millis = read_date(value.element().string_value(), 0);
      if (millis) return Datum::from(bson::DateTime{*millis});
      return bad(code::kConversionFailure,
                 date_complaint(value.element().string_value()));
    }
    default: return unsupported(value, Type::kDateTime);
  }
}

Result<Datum> to_text(const Datum& value) {
  switch (value.type()) {
    case Type::kString: return value;
    case Type::kBool: return Datum::from(value.element().bool_value() ? std::string_view("true") : "false");
    case Type::kObjectId: return Datum::from(std::string_view(value.element().object_id_value().to_string()));
    case Type::kDateTime: return Datum::from(std::string_view(format_iso_date(value.element().date_value().millis)));
    default: break;
  }
  if (value.is_number()) return Datum::from(std::string_view(text_of_number(value)));
  return unsupported(value, Type::kString);
}

Result<Datum> convert(const Datum& value, Type target, ServerVersion version) {
  switch (target) {
    case Type::kDouble: return to_double(value);
    case Type::kString: return to_text(value);
    case Type::kObjectId: return to_object_id(value);
    case Type::kDateTime: return to_date(value, version);
    case Type::kDecimal128: return to_decimal(value);
    case Type::kBool: return Datum::from(value.is_number() || value.type() == Type::kBool ? value.truthy() : true);
    case Type::kInt32:
      return Datum::from(static_cast<std::int32_t>(TRY(integer_from(
          value, target, std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max()))));
    case Type::kInt64:
      return Datum::from(TRY(integer_from(value, target, std::numeric_limits<std::int64_t>::min(),
                                          std::numeric_limits<std::int64_t>::max())));
    default: return unsupported(value, target);
  }
}

constexpr ServerVersion kBinarySince{8, 0, 0};

template <Type kTarget>
Result<Datum> short_form(Operands o, Variables& variables) {
  if (o[0].nullish()) return Datum::null();
  const bool of_binary = o[0].type() == Type::kBinary && kTarget == Type::kString && variables.context().version >= kBinarySince;
  return of_binary ? text_of_binary(o[0], BinaryFormat::kAuto) : convert(o[0], kTarget, variables.context().version);
}

Result<Datum> to_uuid(Operands o, Variables&) {
  if (o[0].nullish()) return Datum::null();
  if (o[0].type() == Type::kBinary) return binary_of_binary(o[0], kUuidSubtype);
  return o[0].type() == Type::kString ? binary_of_text(o[0], BinaryFormat::kUuid, kUuidSubtype) : Result<Datum>(unsupported(o[0], Type::kBinary));
}

Result<Type> type_named(const Datum& target) {
  if (target.type() == Type::kString) {
    const auto type = type_from_alias(target.element().string_value());
    if (!type) return bad(code::kBadValue, fmt::format("Unknown type name: {}", target.element().string_value()));
    return *type;
  }
  const auto code_number = target.is_number() ? whole_number(target) : std::nullopt;
  if (!code_number) return bad(code::kFailedToParse, fmt::format("$convert's 'to' argument must be a string or number, but is {}", type_name_of(target)));
  const auto type = type_from_code(*code_number);
  if (!type) return bad(code::kFailedToParse, fmt::format("In $convert, numeric value for 'to' does not correspond to a BSON type: {}", *code_number));
  return *type;
}

// Types of binary data that are known, and those that users may define.
Result<std::uint8_t> subtype_named(const Datum& subtype) {
  constexpr std::int64_t kLastKnown = 8, kFirstOfUsers = 128, kLastOfUsers = 255;
  if (!subtype.is_number()) return bad(4341108, fmt::format("$convert's 'subtype' argument must be a number, but is {}", type_name_of(subtype)));
  const auto number = whole_number(subtype);
  if (!number) return bad(4341106, fmt::format("In $convert, numeric 'subtype' argument is not an integer: {}", printed(subtype)));
  const bool known = (*number >= 0 && *number <= kLastKnown) || (*number >= kFirstOfUsers && *number <= kLastOfUsers);
  if (!known) return bad(4341107, fmt::format("In $convert, numeric value for 'subtype' does not correspond to a BinData type: {}", *number));
  return static_cast<std::uint8_t>(*number);
}

struct ConvertExpression final : Expression {
  Result<Datum> evaluate(Variables& variables) const override {
    const Datum target = TRY(operands.evaluate("to", variables));
    const Datum input = TRY(operands.evaluate("input", variables));
    if (input.nullish())
      return operands.find("onNull") ? operands.evaluate("onNull", variables) : Result<Datum>(Datum::null());
    if (target.nullish()) return Datum::null();
    const bool knows_binary = variables.context().version >= kBinarySince;
    const bool detailed = knows_binary && target.type() == Type::kDocument;
    const Datum type_value = detailed ? target.inside(target.element().document_value()["type"]) : target;
    if (type_value.nullish()) return Datum::null();
    const Type type = TRY(type_named(type_value));
    std::uint8_t subtype = 0;
    if (detailed) {
      const Datum given = target.inside(target.element().document_value()["subtype"]);
      if (!given.nullish()) subtype = TRY(subtype_named(given));
    }
    auto result = knows_binary ? convert_with_binary(variables, input, type, subtype) : convert(input, type, variables.context().version);
    if (!result && result.error().server_code == code::kConversionFailure && operands.find("onError")) return operands.evaluate("onError", variables);
    return result;
  }

  Result<Datum> convert_with_binary(Variables& variables, const Datum& input, Type type, std::uint8_t subtype) const {
    if (input.type() == Type::kBinary && type == Type::kBinary) return binary_of_binary(input, subtype);
    const bool to_text = input.type() == Type::kBinary && type == Type::kString;
    const bool from_text = input.type() == Type::kString && type == Type::kBinary;
    if (!to_text && !from_text) return convert(input, type, variables.context().version);
    const Datum format = TRY(operands.evaluate("format", variables));
    if (format.nullish()) {
      return bad(4341115, fmt::format("Format must be speficied when converting from '{}' to '{}'", type_name_of(input), bson::type_name(type)));
    }
    if (format.type() != Type::kString) {
      return bad(4341114, fmt::format("$convert requires that 'format' be a string, found: {} with value {}", type_name_of(format), printed(format)));
    }
    const auto known = find_binary_format(format.element().string_value());
    if (!known) return bad(4341125, fmt::format("Invalid 'format' argument for $convert: {}", format.element().string_value()));
    return to_text ? text_of_binary(input, *known) : binary_of_text(input, *known, subtype);
  }
  NamedOperands operands;
};

Result<ExpressionPtr> parse_convert(const Element& argument, const Scope& scope) {
  static constexpr std::string_view kNames[] = {"input", "to", "onError", "onNull", "format"};
  if (!argument.is_document()) {
    return bad(code::kFailedToParse, fmt::format("$convert expects an object of named arguments but found: {}",
                                                 bson::type_name(argument.type())));
  }
  auto expression = std::make_unique<ConvertExpression>();
  const bool formats = scope.context().version >= kBinarySince;
  const auto names = std::span(kNames).first(formats ? 5 : 4);
  expression->operands = TRY(NamedOperands::parse(argument, scope, "$convert", names, code::kFailedToParse, code::kFailedToParse));
  if (!expression->operands.find("input")) return bad(code::kFailedToParse, "Missing 'input' parameter to $convert");
  if (!expression->operands.find("to")) return bad(code::kFailedToParse, "Missing 'to' parameter to $convert");
  const bool literals = expression->operands.are_literals();
  return fold(std::move(expression), literals, scope);
}

// "Nov 30 16:49:31:2": the increment in hexadecimal.
std::string pretty(bson::Timestamp time) {
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const CalendarTime t = to_calendar(std::int64_t{time.seconds} * 1000);
  return fmt::format("{} {:2} {:02}:{:02}:{:02}:{:x}", kMonths[t.month - 1], t.day, t.hour, t.minute, t.second, time.increment);
}

Result<Datum> type_of(Operands o, Variables&) { return Datum::from(std::string_view(type_name_of(o[0]))); }
Result<Datum> is_number(Operands o, Variables&) { return Datum::from(o[0].is_number()); }

Result<Datum> bson_size(Operands o, Variables&) {
  if (o[0].nullish()) return Datum::null();
  if (o[0].type() != Type::kDocument)
    return bad(31393, fmt::format("$bsonSize requires a document input, found: {}", type_name_of(o[0])));
  return Datum::integer(static_cast<std::int64_t>(o[0].element().document_value().size()));
}
Result<Datum> binary_size(Operands o, Variables&) {
  if (o[0].nullish()) return Datum::null();
  if (o[0].type() == Type::kString)
    return Datum::integer(static_cast<std::int64_t>(o[0].element().string_value().size()));
  if (o[0].type() == Type::kBinary)
    return Datum::integer(static_cast<std::int64_t>(o[0].element().binary_value().data.size()));
  return bad(51276, fmt::format("$binarySize requires a string or BinData argument, found: {}", type_name_of(o[0])));
}

Result<bson::Timestamp> timestamp_of(const Datum& value, std::string_view name, int complaint) {
  if (value.type() == Type::kTimestamp) return value.element().timestamp_value();
  return bad(complaint, fmt::format(" Argument to {} must be a timestamp, but is {}", name, type_name_of(value)));
}

Result<Datum> ts_second(Operands o, Variables&) {
  if (o[0].nullish()) return Datum::null();
  return Datum::from(std::int64_t{TRY(timestamp_of(o[0], "$tsSecond", 5687301)).seconds});
}

Result<Datum> ts_increment(Operands o, Variables&) {
  if (o[0].nullish()) return Datum::null();
  return Datum::from(std::int64_t{TRY(timestamp_of(o[0], "$tsIncrement", 5687302)).increment});
}

Result<Datum> to_hashed_index_key(Operands o, Variables&) {
  const Datum value = o[0].missing() ? Datum::null() : o[0];  // as an index has what is not there
  return Datum::from(hashed_key(value.element()));
}

constexpr Operator kOperators[] = {
    {"$toHashedIndexKey", 1, 1, to_hashed_index_key, {7, 0, 0}},
    {"$type", 1, 1, type_of},
    {"$isNumber", 1, 1, is_number},
    {"$toDouble", 1, 1, short_form<Type::kDouble>},
    {"$toString", 1, 1, short_form<Type::kString>},
    {"$toObjectId", 1, 1, short_form<Type::kObjectId>},
    {"$toDate", 1, 1, short_form<Type::kDateTime>},
    {"$toDecimal", 1, 1, short_form<Type::kDecimal128>},
    {"$toBool", 1, 1, short_form<Type::kBool>},
    {"$toInt", 1, 1, short_form<Type::kInt32>},
    {"$toLong", 1, 1, short_form<Type::kInt64>},
    {"$toUUID", 1, 1, to_uuid, kBinarySince},
    {"$bsonSize", 1, 1, bson_size},
    {"$binarySize", 1, 1, binary_size},
    {"$tsSecond", 1, 1, ts_second, {5, 1, 0}},
    {"$tsIncrement", 1, 1, ts_increment, {5, 1, 0}},
};
constexpr SpecialForm kForms[] = {{"$convert", parse_convert}};

}  // namespace

// coerceToString: numbers, dates and strings; null and missing are "".
Result<std::string> string_of(const Datum& value) {
  if (value.nullish()) return std::string();
  if (value.type() == Type::kDouble) return fmt::format("{:g}", as_double(value));  // "inf" and "nan", unlike $toString
  if (value.is_number()) return text_of_number(value);
  switch (value.type()) {
    case Type::kString:
    case Type::kSymbol:
    case Type::kCode: return std::string(value.element().string_value());
    case Type::kDateTime: return format_iso_date(value.element().date_value().millis);
    case Type::kTimestamp: return pretty(value.element().timestamp_value());
    default: return bad(16007, fmt::format("can't convert from BSON type {} to String", type_name_of(value)));
  }
}

std::span<const Operator> conversion_operators() { return kOperators; }
std::span<const SpecialForm> conversion_forms() { return kForms; }

}  // namespace drover::sandbox::query
