// A migration's end as the stable JSON object of `drover migrate --json`, and in a sentence.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "engine/progress.h"

namespace drover::cli {

// {"state","documents","bytes","copySeconds","changeEventsApplied","maxLagSeconds","finalLagSeconds",
//  "writeUnavailableMillis","restarts","kills","verification"}, and with an error "error": {"exitCode","message"}. What is not
// known is null: writeUnavailableMillis before the cutover, verification when it is switched off or did not come to an end.
Json to_json(const engine::Progress& progress, const Error* error = nullptr);

// "12,345 documents (67.8 MB) in 9 collections, ..." for a person at the end.
std::string summary(const engine::Progress& progress);

// What there is to say of a run that was stopped, by how far it had come: whether its engine had `begun`, and the state that it ended in
// (engine::Progress). COMMITTING is that of a cutover that is decided: one that is given up before ends as RUNNING.
std::string stopped_message(bool begun, std::string_view state);

}  // namespace drover::cli
