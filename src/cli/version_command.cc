// drover version
#include <cstdio>

#include "cli/commands.h"
#include "cli/version.h"

namespace drover::cli {
namespace {

class VersionCommand : public Subcommand {
 public:
  std::string_view name() const override { return "version"; }
  std::string_view summary() const override { return "Print the version"; }
  void configure(OptionSet& options) override { options.example("drover version"); }
  int run() override {
    std::puts(version_text().c_str());
    return 0;
  }
};

}  // namespace

std::unique_ptr<Subcommand> make_version_command() { return std::make_unique<VersionCommand>(); }

}  // namespace drover::cli
