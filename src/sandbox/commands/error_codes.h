// What follows from an error's code alone. Names are in command.h (error_code_name).
#pragma once

namespace drover::sandbox {

// Labels that the server adds by itself.
bool is_retryable_write_code(int code);        // RetryableWriteError, for retryable writes and commit or abort
bool is_transient_transaction_code(int code);  // TransientTransactionError, inside a transaction
bool is_non_resumable_change_stream_code(int code);  // NonResumableChangeStreamError

}  // namespace drover::sandbox
