#include "workload/debian_packages.h"

#include <charconv>
#include <cstdio>
#include <ext/stdio_filebuf.h>
#include <istream>
#include <map>
#include <memory>
#include <optional>
#include <unistd.h>

#include "bson/builder.h"

namespace drover::workload {
namespace {

constexpr const char* kAptCache = "/usr/bin/apt-cache";

enum class PackageField { kText, kKilobytes, kBytes, kHash, kRelations, kTags, kWords };

struct FieldName {
  std::string_view name;
  PackageField kind;
};

const std::map<std::string_view, FieldName>& field_names() {
  using enum PackageField;
  static const std::map<std::string_view, FieldName> names = {
      {"Source", {"source", kText}},           {"Maintainer", {"maintainer", kText}},
      {"Section", {"section", kText}},         {"Priority", {"priority", kText}},
      {"Description", {"description", kText}}, {"Homepage", {"homepage", kText}},
      {"Multi-Arch", {"multiArch", kText}},    {"Filename", {"file", kText}},
      {"Installed-Size", {"installedSize", kKilobytes}},
      {"Size", {"size", kBytes}},              {"MD5sum", {"md5", kHash}},
      {"SHA256", {"sha256", kHash}},           {"Description-md5", {"descriptionMd5", kHash}},
      {"Depends", {"depends", kRelations}},    {"Pre-Depends", {"preDepends", kRelations}},
      {"Recommends", {"recommends", kRelations}}, {"Suggests", {"suggests", kRelations}},
      {"Provides", {"provides", kRelations}},  {"Conflicts", {"conflicts", kRelations}},
      {"Breaks", {"breaks", kRelations}},      {"Replaces", {"replaces", kRelations}},
      {"Enhances", {"enhances", kRelations}},  {"Tag", {"tags", kTags}},
      {"Ruby-Versions", {"rubyVersions", kWords}}, {"Lua-Versions", {"luaVersions", kWords}},
  };
  return names;
}

void append_relation(bson::Builder& out, const PackageRelation& relation) {
  out.append("package", relation.package);
  if (!relation.architecture.empty()) out.append("architecture", relation.architecture);
  if (relation.version.empty()) return;
  out.append("relation", relation.relation).append("version", relation.version);
}

// The first alternative in the document itself, so that it can be indexed; the others under "alternatives".
void append_relations(bson::Builder& out, std::string_view key, std::string_view text) {
  auto array = out.open_array(key);
  for (const auto& alternatives : parse_relations(text)) {
    if (alternatives.empty()) continue;
    auto item = array.open_document();
    append_relation(item, alternatives[0]);
    if (alternatives.size() == 1) continue;
    auto others = item.open_array("alternatives");
    for (std::size_t i = 1; i < alternatives.size(); ++i) {
      auto other = others.open_document();
      append_relation(other, alternatives[i]);
    }
  }
}

std::optional<std::int64_t> integer_of(std::string_view text) {
  std::int64_t value = 0;
  const auto end = text.data() + text.size();
  if (std::from_chars(text.data(), end, value).ptr != end) return std::nullopt;
  return value;
}

void append_hash(bson::Builder& out, std::string_view key, std::string_view hex) {
  std::vector<std::uint8_t> bytes(hex.size() / 2);
  for (std::size_t i = 0; i < bytes.size(); ++i) std::from_chars(&hex[2 * i], &hex[2 * i] + 2, bytes[i], 16);
  out.append(key, bson::Binary{0, bytes});
}

void append_field(bson::Builder& out, const FieldName& field, const std::string& text) {
  switch (field.kind) {
    case PackageField::kText: out.append(field.name, text); return;
    case PackageField::kHash: append_hash(out, field.name, text); return;
    case PackageField::kRelations: append_relations(out, field.name, text); return;
    case PackageField::kKilobytes:
      if (const auto value = integer_of(text)) out.append(field.name, *value * 1024);
      return;
    case PackageField::kBytes:
      if (const auto value = integer_of(text)) out.append(field.name, *value);
      return;
    case PackageField::kTags:
    case PackageField::kWords: {
      auto array = out.open_array(field.name);
      for (const auto part : split_list(text, field.kind == PackageField::kTags ? ',' : ' ')) array.append(part);
      return;
    }
  }
}

const std::string* find_field(const ControlParagraph& paragraph, std::string_view name) {
  for (const auto& [key, value] : paragraph)
    if (key == name) return &value;
  return nullptr;
}

}  // namespace

bool has_debian_packages() { return ::access(kAptCache, X_OK) == 0; }

Status read_debian_packages(int copy, const DocumentSink& sink) {
  if (!has_debian_packages()) return {};
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen("LC_ALL=C /usr/bin/apt-cache dumpavail 2>/dev/null", "re"), ::pclose);
  if (!pipe) return fail(ErrorCode::kFailure, "reading the package index: apt-cache cannot be started");
  __gnu_cxx::stdio_filebuf<char> buffer(pipe.get(), std::ios::in);
  std::istream text(&buffer);
  ControlReader reader(text);
  while (const auto paragraph = reader.next()) {
    if (find_field(*paragraph, "Version") == nullptr || find_field(*paragraph, "Architecture") == nullptr) continue;
    TRY(sink(package_document(*paragraph, copy)));
  }
  return {};
}

bson::Document package_document(const ControlParagraph& paragraph, int copy) {
  bson::Builder out;
  const auto identity = [&](bson::Builder& into) {
    for (const auto& [key, name] : {std::pair("Package", "package"), {"Version", "version"}, {"Architecture", "architecture"}})
      if (const auto* value = find_field(paragraph, key)) into.append(name, *value);
    if (copy > 0) into.append("copy", copy);
  };
  {
    auto id = out.open_document("_id");
    identity(id);
  }
  identity(out);
  for (const auto& [key, value] : paragraph) {
    const auto field = field_names().find(key);
    if (field != field_names().end()) append_field(out, field->second, value);
  }
  return std::move(out).finish();
}

}  // namespace drover::workload
