#define _GNU_SOURCE
#include "CProcess.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

void roost_release_freed_memory(void) { malloc_trim(0); }

static void fail(int report) {
    int number = errno;
    ssize_t ignored = write(report, &number, sizeof number);
    (void)ignored;
    _exit(127);
}

pid_t roost_spawn(const char *path, char *const argv[], char *const envp[], int output) {
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0) return -errno;
    pid_t parent = getpid();
    pid_t child = fork();
    if (child < 0) {
        int number = errno;
        close(report[0]);
        close(report[1]);
        return -number;
    }
    if (child == 0) {
        setpgid(0, 0);
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) fail(report[1]);
        // The parent may have died before the line above: then nobody would send the signal.
        if (getppid() != parent) _exit(127);
        for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        int input = open("/dev/null", O_RDONLY);
        if (input < 0 || dup2(input, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0) fail(report[1]);
        if (input > 2) close(input);
        execve(path, argv, envp);
        fail(report[1]);
    }
    close(report[1]);
    int number = 0;
    ssize_t count;
    // The pipe closes at exec; a number in it means that exec failed.
    do { count = read(report[0], &number, sizeof number); } while (count < 0 && errno == EINTR);
    close(report[0]);
    if (count == (ssize_t)sizeof number) {
        waitpid(child, NULL, 0);
        return -number;
    }
    return child;
}
