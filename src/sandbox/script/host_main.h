// The process that runs scripts: the program itself, started again with kHostArgument. It does what the server asks for, one thing at a time,
// until the server closes the socket or is gone; a thread of its own looks for that, whatever the script is doing.
//
// It has no file, no network and no other process: nothing but that socket is open, and the kernel refuses the calls that would open more
// (seccomp). Its memory is bounded by the kernel too, so that an allocation fails where the server's share for it ends.
#pragma once

namespace drover::sandbox::script {

// True when the arguments are those of such a process: then main returns what run_script_host returns.
bool is_script_host(int argc, char** argv);
int run_script_host(int argc, char** argv);

}  // namespace drover::sandbox::script
