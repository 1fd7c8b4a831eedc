// What a process that runs scripts may ask of the kernel: private memory, time, random numbers, and the socket that it has. It makes no
// more threads; the engine has made its own when it started.
#pragma once

namespace drover::sandbox::script {

// From here on this thread, and those that it makes, have no capability, whoever the server runs as. Before there are others. False: the
// kernel refuses to.
bool drop_privileges();
// From here on every other call, and these with other arguments, fail with EPERM, in all its threads. False: the kernel refuses to.
bool confine_process();

}  // namespace drover::sandbox::script
