// Views as documents of <db>.system.views, which are the truth: the catalog's entries follow them (WriteUnit::refresh_views).
#pragma once

#include "sandbox/commands/support.h"

namespace drover::sandbox {

// Options of `create` without the collection's name: viewOn, pipeline, collation?. 48 when the name is taken.
Status create_view(WriteUnit& unit, const Namespace& ns, bson::View options);
Status replace_view(WriteUnit& unit, const Namespace& ns, bson::View options);
// 26 when there is no such view.
Status drop_view(WriteUnit& unit, const Namespace& ns);

}  // namespace drover::sandbox
