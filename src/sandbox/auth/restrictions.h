// authenticationRestrictions of users and roles: from which addresses somebody may authenticate, and at which of this server's.
//   [{clientSource: ["10.0.0.0/8", ...], serverAddress: ["192.0.2.1", ...]}, ...]
// One of the documents has to be met, with each of the lists that it has; a list is met by one of its ranges. Pure functions.
// Facts: MongoDB's address_restriction.cpp and cidr.cpp.
#pragma once

#include <string>

#include "base/error.h"
#include "bson/document.h"

namespace drover::sandbox::auth {

// The two ends of a connection, without ports; empty where there is no address.
struct Addresses {
  std::string client, server;
};

// What a command was given, as it is stored. 12 for an item that is no document, 162 for one without a list, 2 for all else.
Result<bson::Document> checked_restrictions(bson::View array);
// Nothing restricts when there is no document. What is stored and cannot be read is met by nobody.
bool are_met(bson::View restrictions, const Addresses& addresses);

}  // namespace drover::sandbox::auth
