// The temporary user of a migration or validation on its destination: made before the migration host is told anything, gone
// when it has ended. Both may be done again: an existing user gets the password, a missing one is gone.
#pragma once

#include <string>

#include "base/error.h"
#include "cluster/deployment.h"

namespace drover::control {

struct DestinationUser {
  std::string name;  // also of its role
  std::string password;
  bool sharded = false;
  bool drops_data = false;
  bool write_block = false;  // the destination knows it: 6.0+
};

// `refused_at_once`: by the first command of all (13), so that nothing was made by this call.
Status make_destination_user(cluster::Deployment& deployment, const DestinationUser& user, bool& refused_at_once);
Status drop_destination_user(cluster::Deployment& deployment, const std::string& name);

}  // namespace drover::control
