// What each route takes and answers: the schemas of the OpenAPI document, after the Admin API's and Cloud Manager's own
// (spec/control-plane.md 3, 6). The end-to-end tests hold every live answer against them: a field that is not named here, or is of
// another type, is a failure there.
#pragma once

#include <string>
#include <string_view>

#include "api/route_table.h"

namespace drover::api {

struct OperationSchema {
  const char* families;  // "v2 v1 cm ext": those that this row is of
  const char* method;
  const char* path;
  int status;            // of success
  const char* request;   // a type (schema_text.h); empty: no body. "A|B": of the route's versions, oldest first
  const char* response;  // the same; "Page<Type>": a list; empty: no body
  const char* query = "";  // fields (schema_text.h) besides the common ones
};
// Null: there is none, which the tests do not let be.
const OperationSchema* operation_schema(const Route& route, Family family);

// The components' schemas, "Paginated…" among them.
Json schema_components();
// "#/components/schemas/PaginatedOrganization" of "Page<Organization>"; as schema_of_type of others.
Json schema_of_response(std::string_view type);

}  // namespace drover::api
