// What follows from an error's code alone. Names are in command.h (error_code_name).
#pragma once

#include <string>
#include <vector>

#include "bson/document.h"

namespace drover::sandbox {

// The labels of a command's failure. Facts: MongoDB's src/mongo/db/error_labels.cpp.
struct FailedCommand {
  bson::View body;
  int code = 0;                        // 0: the command succeeded
  int write_concern_code = 0;
  bool reads_change_stream = false;
};
std::vector<std::string> error_labels(const FailedCommand& failed);

// Labels that the server adds by itself.
bool is_retryable_write_code(int code);        // RetryableWriteError, for retryable writes and commit or abort
bool is_transient_transaction_code(int code);  // TransientTransactionError, inside a transaction
bool is_resumable_change_stream_code(int code);      // ResumableChangeStreamError, where a stream is read

}  // namespace drover::sandbox
