// Codes of server errors that the engine tells apart.
#pragma once

namespace drover::engine {

inline constexpr int kServerUnauthorized = 13;
inline constexpr int kServerNamespaceNotFound = 26;
inline constexpr int kServerIndexNotFound = 27;
inline constexpr int kServerNamespaceExists = 48;
inline constexpr int kServerInvalidOptions = 72;
inline constexpr int kServerTransactionTooOld = 225;    // another process has taken the session over
inline constexpr int kServerSnapshotTooOld = 239;
inline constexpr int kServerSnapshotUnavailable = 246;
inline constexpr int kServerIndexBuildAborted = 276;
inline constexpr int kServerIndexBuildInProgress = 285;  // IndexBuildAlreadyInProgress
inline constexpr int kServerHistoryLost = 286;
inline constexpr int kServerUuidMismatch = 361;          // the name is another collection's, or nobody's
inline constexpr int kServerDuplicateKey = 11000;
inline constexpr int kServerBuildRuns = 12587;           // BackgroundOperationInProgressForNamespace

}  // namespace drover::engine
