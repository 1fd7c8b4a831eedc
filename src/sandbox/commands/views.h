// Views as documents of <db>.system.views, which are the truth: the catalog's entries follow them (WriteUnit::refresh_views).
#pragma once

#include "sandbox/commands/support.h"

namespace drover::sandbox {

// Options of `create` without the collection's name: viewOn, pipeline, collation?. 48 when the name is taken; refused are
// pipelines that cannot be parsed or that write, views that stand on themselves, and a collation other than that of the
// view below.
Status create_view(CommandContext& context, WriteUnit& unit, const Namespace& ns, bson::View options);
Status replace_view(CommandContext& context, WriteUnit& unit, const Namespace& ns, bson::View options);
// 26 when there is no such view.
Status drop_view(WriteUnit& unit, const Namespace& ns);

}  // namespace drover::sandbox
