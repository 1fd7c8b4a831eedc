#include "sandbox/commands/write_block.h"

#include <fmt/format.h>

#include "sandbox/commands/support.h"
#include "sandbox/commands/tables.h"

namespace drover::sandbox {

namespace {

const Namespace kSections{"config", "user_writes_critical_sections"};

Result<bson::Document> set_user_write_block_mode(CommandContext& context) {
  TRY(check_fields(context, {"global", "reason"}));
  const auto global = context.body["global"];
  if (!global) return server_error(code::kMissingField, "BSON field 'setUserWriteBlockMode.global' is missing but a required field");
  if (global.type() != bson::Type::kBool) {
    return server_error(code::kTypeMismatch, fmt::format("BSON field 'setUserWriteBlockMode.global' is the wrong type '{}', expected type 'bool'",
                                                         bson::type_name(global.type())));
  }
  const bool block = global.bool_value();
  // The block is not acknowledged while a transaction that began writing before it may still commit.
  while (true) {
    const auto ended = context.engine().transactions_ended();
    bool waiting = false;
    TRY(in_write_unit(context, [&](WriteUnit& unit) -> Status {
      waiting = block && unit.any_transaction_writes();
      const auto sections = unit.catalog().find(kSections)
                                ? unit.catalog().find(kSections)
                                : TRY(unit.create_collection(kSections, bson::View(), default_id_index(nullptr)));
      const auto id = bson::make_document({{"_id", ""}});
      const auto existing = TRY(unit.find_by_id(*sections, id["_id"]));
      if (block && !existing) {
        TRY(unit.insert(sections, bson::make_document({{"_id", ""}, {"blockNewUserShardedDDL", false}, {"blockUserWrites", true}})));
      } else if (!block && existing) {
        TRY(unit.remove(sections, existing->id, existing->document));
      }
      return {};
    }));
    if (!waiting) return bson::Document();
    TRY(check_interrupt(context));
    wait_for_transaction(context, ended);
  }
}

}  // namespace

Result<bool> user_writes_blocked(const Reader& reader) {
  const auto sections = reader.catalog().find(kSections);
  if (!sections) return false;
  RecordCursor records(reader, *sections);
  while (const auto document = TRY(records.next())) {
    if ((*document)["blockUserWrites"].is_truthy()) return true;
  }
  return false;
}

std::span<const Command> write_block_commands() {
  static const Command kRows[] = {
      {.name = "setUserWriteBlockMode", .flags = kAdminOnly | kWriteConcern, .resource = ResourceKind::kCluster, .action = "setUserWriteBlockMode",
       .handler = set_user_write_block_mode, .help = "blocks or allows writes of users", .since = {6, 0, 0}},
  };
  return kRows;
}

}  // namespace drover::sandbox
