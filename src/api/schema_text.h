// JSON schemas (OpenAPI 3.0's) written as one line of text:
//
//   "id!:id created:time errorMessage?:string links!:Link[] status!:'NEW|WORKING' tags:any ..."
//
// A field has a name, ! when it is always there, ? when it may be null, and a type: string, int, int64, number, bool, time, id (24
// hexadecimal digits), object, any, 'A|B' (one of these texts), the name of another schema, or any of them with [] for an array.
// A last "..." allows fields that are not named.
#pragma once

#include <string_view>

#include "base/json.h"

namespace drover::api {

// Aborts on a text that is not of this form: texts are constants.
Json schema_of_fields(std::string_view fields);
// Of a type alone: "Link[]".
Json schema_of_type(std::string_view type);
// The same fields as parameters of a query.
Json::Array query_parameters(std::string_view fields);

}  // namespace drover::api
