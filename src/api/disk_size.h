// The size of a cluster's disks: of the whole cluster in the older shapes of the Admin API, of each instance in the newest one. Pure.
#pragma once

#include "api/rest.h"

namespace drover::api {

// Of replicationSpecs of the newest shape. 0: they do not tell, or not the same.
double size_of_all(const Json::Array& specs);
// One of them with this size in each of its instances, and nothing else of it changed. Size 0 takes it out of them.
Json spec_with_size(const Json& spec, double size);
// "diskSizeGB" of a body; 0: it is not given.
RestResult<double> asked_size(const Json& body);

}  // namespace drover::api
