// drover version
#include <cstdio>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/version.h"

namespace drover::cli {
namespace {

class VersionCommand : public Subcommand {
 public:
  std::string_view name() const override { return "version"; }
  std::string_view summary() const override { return "Print the version"; }
  void configure(OptionSet& options) override {
    options.flag("--json", json_, "One JSON object on standard output, for scripts");
    options.example("drover version");
  }
  int run() override {
    const auto text = json_ ? Json(Json::Object{{"version", version_number()}}).dump() : version_text();
    std::puts(text.c_str());
    return 0;
  }

 private:
  bool json_ = false;
};

}  // namespace

std::unique_ptr<Subcommand> make_version_command() { return std::make_unique<VersionCommand>(); }

}  // namespace drover::cli
