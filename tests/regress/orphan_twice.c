/* A request that found no slot and is submitted again before its done stops the process, like any
 * other that is in flight (law 17). */
#include "orphans.h"

#include <signal.h>
#include <sys/wait.h>

int main(void)
{
    int status;
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        static fake backend;
        static note one;
        cede_loop *loop;
        (void)close(STDERR_FILENO);
        use_short_memory();
        loop = fake_loop(&backend);
        fill_slots(loop, 0);
        cede_prep_nop(&one.req);
        cede_submit(loop, &one.req, note_done);
        cede_submit(loop, &one.req, note_done);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    return 0;
}
