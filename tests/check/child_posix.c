/* See child.h. */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void collect(child_end *end, int from, unsigned limit_seconds)
{
    struct pollfd wait_for = {from, POLLIN, 0};
    for (;;) {
        ssize_t got;
        int ready = poll(&wait_for, 1, (int)limit_seconds * 1000);
        if (ready == 0)
            end->hung = true;
        if (ready <= 0)
            return;
        got = read(from, end->output + end->bytes, CHILD_OUTPUT_MOST - 1 - end->bytes);
        if (got <= 0)
            return;
        end->bytes += (size_t)got;
    }
}

void child_run(child_end *end, char *const *arguments, unsigned limit_seconds)
{
    int ends[2], status;
    pid_t child;
    if (pipe2(ends, O_CLOEXEC) != 0 || (child = fork()) < 0) {
        perror("cede_check");
        exit(2);
    }
    if (child == 0) {
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)dup2(ends[1], STDERR_FILENO);
        (void)execvp(arguments[0], arguments);
        perror(arguments[0]);
        _exit(127);
    }
    (void)close(ends[1]);
    collect(end, ends[0], limit_seconds);
    if (end->hung)
        (void)kill(child, SIGKILL);
    (void)close(ends[0]);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    end->code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    end->faulted =
        WIFSIGNALED(status) && (WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGBUS);
}
