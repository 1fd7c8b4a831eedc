// What a process that runs scripts may ask of the kernel: memory, time, random numbers, and the socket that it has. It makes no
// more threads; the engine has made its own when it started.
#pragma once

namespace drover::sandbox::script {

// From here on every other call fails with EPERM, in all its threads. False: the kernel refuses to.
bool confine_process();

}  // namespace drover::sandbox::script
