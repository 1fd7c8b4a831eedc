// The package index of a Debian machine as documents: versions, sizes as Int64, hashes as binary, dependencies as arrays of
// nested documents, tags.
#pragma once

#include "workload/control_file.h"
#include "workload/datasets.h"

namespace drover::workload {

// Whether this machine has one.
bool has_debian_packages();

// Reads `apt-cache dumpavail`. Nothing is given on a machine without it.
Status read_debian_packages(int copy, const DocumentSink& sink);

bson::Document package_document(const ControlParagraph& paragraph, int copy);

}  // namespace drover::workload
