#include "bson/collation.h"

#include <array>
#include <cmath>
#include <optional>
#include <vector>

#include <fmt/format.h>
#include <unicode/coll.h>
#include <unicode/unistr.h>

#include "bson/builder.h"
#include "bson/ejson.h"

namespace drover::bson {

namespace {

constexpr int kNoSuchKey = 4;
constexpr int kBadValue = 2;
constexpr int kFailedToParse = 9;
constexpr int kTypeMismatch = 14;
constexpr int kOperationFailed = 96;
constexpr int kIncompatibleCollationVersion = 161;
// What every server since 4.4 calls its collation data. Ours is newer; the order of ordinary text is the same.
constexpr std::string_view kVersion = "57.1";

tl::unexpected<Error> refuse(int server_code, std::string message) {
  return fail(ErrorCode::kUnsupported, std::move(message), server_code);
}

struct Choice {
  std::string_view name;
  int value;
};

constexpr std::array kCaseFirst = {Choice{"upper", UCOL_UPPER_FIRST}, Choice{"lower", UCOL_LOWER_FIRST},
                                   Choice{"off", UCOL_OFF}};
constexpr std::array kAlternate = {Choice{"non-ignorable", UCOL_NON_IGNORABLE}, Choice{"shifted", UCOL_SHIFTED}};
constexpr std::array kMaxVariable = {Choice{"punct", UCOL_REORDER_CODE_PUNCTUATION},
                                     Choice{"space", UCOL_REORDER_CODE_SPACE}};

std::string_view name_of(std::span<const Choice> choices, int value) {
  for (const Choice& choice : choices) {
    if (choice.value == value) return choice.name;
  }
  return choices.back().name;
}

// 'a' or 'b'; 'a', 'b', or 'c'
std::string list_of(std::span<const Choice> choices) {
  if (choices.size() == 2) return fmt::format("'{}' or '{}'", choices[0].name, choices[1].name);
  return fmt::format("'{}', '{}', or '{}'", choices[0].name, choices[1].name, choices[2].name);
}

tl::unexpected<Error> wrong_type(std::string_view field, const char* expected, const Element& found) {
  return refuse(kTypeMismatch, fmt::format("\"{}\" had the wrong type. Expected {}, found {}", field, expected,
                                           type_name(found.type())));
}

// Applies the fields of one specification to an ICU collator, in the server's order, so that the first error is its.
class SpecReader {
 public:
  SpecReader(View spec, icu::Collator& collator) : spec_(spec), collator_(collator) {}

  Status apply() {
    TRY(flag("caseLevel", UCOL_CASE_LEVEL));
    TRY(choice("caseFirst", UCOL_CASE_FIRST, kCaseFirst));
    TRY(strength());
    TRY(flag("numericOrdering", UCOL_NUMERIC_COLLATION));
    TRY(choice("alternate", UCOL_ALTERNATE_HANDLING, kAlternate));
    TRY(max_variable());
    TRY(flag("normalization", UCOL_NORMALIZATION_MODE));
    TRY(flag("backwards", UCOL_FRENCH_COLLATION));
    TRY(version());
    if (fields_read_ < spec_.field_count()) {
      return refuse(kFailedToParse,
                    fmt::format("Collation spec contains unknown field. Collation spec: {}", to_shell(spec_)));
    }
    return {};
  }

 private:
  Element take(std::string_view field) {
    const Element element = spec_[field];
    if (element) ++fields_read_;
    return element;
  }

  Status set(std::string_view field, UColAttribute attribute, int value) {
    UErrorCode code = U_ZERO_ERROR;
    collator_.setAttribute(attribute, static_cast<UColAttributeValue>(value), code);
    return check(field, code);
  }

  Status check(std::string_view field, UErrorCode code) {
    if (U_SUCCESS(code)) return {};
    return refuse(kOperationFailed, fmt::format("Failed to set '{}' attribute: {}. Collation spec: {}", field,
                                                u_errorName(code), to_shell(spec_)));
  }

  Status flag(std::string_view field, UColAttribute attribute) {
    const Element element = take(field);
    if (!element) return {};
    if (element.type() != Type::kBool) return wrong_type(field, "bool", element);
    return set(field, attribute, element.bool_value() ? UCOL_ON : UCOL_OFF);
  }

  // Nothing when the field is absent.
  Result<std::optional<int>> chosen(std::string_view field, std::span<const Choice> choices) {
    const Element element = take(field);
    if (!element) return std::nullopt;
    if (!element.is_string()) return wrong_type(field, "string", element);
    for (const Choice& choice : choices) {
      if (choice.name == element.string_value()) return choice.value;
    }
    return refuse(kFailedToParse, fmt::format("Field '{}' must be {}. Got: {}", field, list_of(choices),
                                              element.string_value()));
  }

  Status choice(std::string_view field, UColAttribute attribute, std::span<const Choice> choices) {
    const auto value = TRY(chosen(field, choices));
    return value ? set(field, attribute, *value) : Status();
  }

  Status max_variable() {
    const auto value = TRY(chosen("maxVariable", kMaxVariable));
    if (!value) return {};
    UErrorCode code = U_ZERO_ERROR;
    collator_.setMaxVariable(static_cast<UColReorderCode>(*value), code);
    return check("maxVariable", code);
  }

  Status strength() {
    const Element element = take("strength");
    if (!element) return {};
    if (!element.is_number()) {
      return refuse(kTypeMismatch, fmt::format("Expected field \"strength\" to have numeric type, but found {}",
                                               type_name(element.type())));
    }
    const auto whole = element.to_int64();
    if (!whole || static_cast<double>(*whole) != element.to_double()) {
      return refuse(kBadValue, fmt::format("Expected field \"strength\" to have a value exactly representable as a "
                                           "64-bit integer, but found strength: {}",
                                           to_shell(element)));
    }
    constexpr UColAttributeValue kLevels[] = {UCOL_PRIMARY, UCOL_SECONDARY, UCOL_TERTIARY, UCOL_QUATERNARY,
                                              UCOL_IDENTICAL};
    if (*whole < 1 || *whole > 5) {
      return refuse(kFailedToParse, fmt::format("Field 'strength' must be an integer 1 through 5. Got: {}", *whole));
    }
    return set("strength", UCOL_STRENGTH, kLevels[*whole - 1]);
  }

  Status version() {
    const Element element = take("version");
    if (!element) return {};
    if (!element.is_string()) return wrong_type("version", "string", element);
    if (element.string_value() == kVersion) return {};
    return refuse(kIncompatibleCollationVersion,
                  fmt::format("Requested collation version {} but the only available collator version was {}. "
                              "Requested collation spec: {}",
                              element.string_value(), kVersion, to_shell(spec_)));
  }

  const View spec_;
  icu::Collator& collator_;
  std::size_t fields_read_ = 1;  // the locale
};

// ICU answers for any locale by falling back; a locale that it has to alter is refused, as the server does.
Status check_locale(View spec, std::string_view locale, const icu::Collator& collator) {
  if (locale.empty()) {
    return refuse(kBadValue, fmt::format("Field 'locale' cannot be the empty string in: {}", to_shell(spec)));
  }
  UErrorCode code = U_ZERO_ERROR;
  const std::string valid = collator.getLocale(ULOC_VALID_LOCALE, code).getName();
  if (U_SUCCESS(code) && valid == locale) return {};
  std::string message = fmt::format("Field 'locale' is invalid in: {}", to_shell(spec));
  if (valid != "root" && !valid.empty()) message += fmt::format(". Did you mean '{}'?", valid);
  return refuse(kBadValue, std::move(message));
}

// All fields, those not given as the locale has them.
Document full_spec(std::string_view locale, const icu::Collator& collator) {
  const auto attribute = [&](UColAttribute which) {
    UErrorCode code = U_ZERO_ERROR;
    return collator.getAttribute(which, code);
  };
  const auto flag = [&](UColAttribute which) { return attribute(which) == UCOL_ON; };
  const UColAttributeValue level = attribute(UCOL_STRENGTH);
  Builder builder;
  builder.append("locale", locale)
      .append("caseLevel", flag(UCOL_CASE_LEVEL))
      .append("caseFirst", name_of(kCaseFirst, attribute(UCOL_CASE_FIRST)))
      .append("strength", level == UCOL_IDENTICAL ? 5 : static_cast<int>(level) - UCOL_PRIMARY + 1)
      .append("numericOrdering", flag(UCOL_NUMERIC_COLLATION))
      .append("alternate", name_of(kAlternate, attribute(UCOL_ALTERNATE_HANDLING)))
      .append("maxVariable", name_of(kMaxVariable, collator.getMaxVariable()))
      .append("normalization", flag(UCOL_NORMALIZATION_MODE))
      .append("backwards", flag(UCOL_FRENCH_COLLATION))
      .append("version", kVersion);
  return std::move(builder).finish();
}

// Combinations that would have no effect.
Status check_combinations(View full) {
  const int strength = full["strength"].int32_value();
  if (full["backwards"].bool_value() && strength == 1) {
    return refuse(kBadValue, fmt::format("'backwards' is invalid with 'strength' of 1 in: {}", to_shell(full)));
  }
  if (full["caseFirst"].string_value() != "off" && !full["caseLevel"].bool_value() && strength <= 2) {
    return refuse(kBadValue, fmt::format("'caseFirst' is invalid unless 'caseLevel' is on or 'strength' is greater "
                                         "than 2 in: {}",
                                         to_shell(full)));
  }
  return {};
}

icu::StringPiece piece(std::string_view text) { return {text.data(), static_cast<std::int32_t>(text.size())}; }

}  // namespace

struct Collator::Impl {
  std::unique_ptr<icu::Collator> icu;
  Document spec;
};

Collator::Collator(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Collator::~Collator() = default;

Result<std::shared_ptr<const Collator>> Collator::open(View spec) {
  const Element locale_field = spec["locale"];
  if (!locale_field) return refuse(kNoSuchKey, "Missing expected field \"locale\"");
  if (!locale_field.is_string()) return wrong_type("locale", "string", locale_field);
  const std::string locale(locale_field.string_value());
  if (locale.find('\0') != std::string::npos) {
    return refuse(kBadValue, fmt::format("Field 'locale' cannot contain null byte. Collation spec: {}", to_shell(spec)));
  }
  if (locale == "simple") {
    if (spec.field_count() == 1) return nullptr;
    return refuse(kFailedToParse,
                  fmt::format("If locale=simple, no other fields should be present in: {}", to_shell(spec)));
  }

  const icu::Locale icu_locale = icu::Locale::createFromName(locale.c_str());
  if (icu_locale.isBogus()) {
    return refuse(kBadValue, fmt::format("Field 'locale' is not valid in: {}", to_shell(spec)));
  }
  UErrorCode code = U_ZERO_ERROR;
  auto impl = std::make_unique<Impl>();
  impl->icu.reset(icu::Collator::createInstance(icu_locale, code));
  if (U_FAILURE(code)) {
    return refuse(kOperationFailed, fmt::format("Failed to create collator: {}. Collation spec: {}", u_errorName(code),
                                                to_shell(spec)));
  }
  TRY(check_locale(spec, locale, *impl->icu));
  TRY(SpecReader(spec, *impl->icu).apply());
  impl->spec = full_spec(icu_locale.getName(), *impl->icu);
  TRY(check_combinations(impl->spec));
  return std::shared_ptr<const Collator>(new Collator(std::move(impl)));
}

int Collator::compare(std::string_view a, std::string_view b) const {
  UErrorCode code = U_ZERO_ERROR;
  return impl_->icu->compareUTF8(piece(a), piece(b), code);
}

std::string Collator::sort_key(std::string_view text) const {
  const icu::UnicodeString unicode = icu::UnicodeString::fromUTF8(piece(text));
  std::string key(text.size() * 3 + 16, '\0');
  const auto write = [&] {
    return static_cast<std::size_t>(impl_->icu->getSortKey(unicode, reinterpret_cast<std::uint8_t*>(key.data()),
                                                           static_cast<std::int32_t>(key.size())));
  };
  std::size_t size = write();
  if (size > key.size()) {
    key.resize(size);
    size = write();
  }
  key.resize(size > 0 ? size - 1 : 0);  // without its final NUL
  return key;
}

View Collator::spec() const { return impl_->spec; }

bool Collator::same_as(const Collator* other) const {
  return other != nullptr && impl_->spec == other->impl_->spec;
}

bool same_collation(const Collator* a, const Collator* b) { return a == b || (a && a->same_as(b)); }

}  // namespace drover::bson
