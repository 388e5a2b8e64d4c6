#pragma once

#include <sys/types.h>

/// Starts a program that dies with the calling thread: the kernel sends it SIGKILL when that thread ends, however it ends.
///
/// The child gets a process group of its own (so that a terminal's Ctrl-C reaches the caller alone), an empty signal mask,
/// default signal actions, `/dev/null` as input and `output` as output and error output.
/// For single-threaded callers: it forks.
///
/// Returns the child's id, or the negated error number of what failed (fork, or exec of `path`).
pid_t roost_spawn(const char *path, char *const argv[], char *const envp[], int output);

/// Gives free memory of the allocator back to the system, also from between what is in use. Takes some milliseconds.
void roost_release_freed_memory(void);
