/* A forked child of a process that takes signals is not that process: a signal to the child does
 * there what it did before anybody took it, and the parent's loop is not told. */
#include "fake.h"

#include <signal.h>
#include <sys/wait.h>

static cede_loop *loop;
static unsigned told;

static void on_signal(cede_req *req, cede_result item)
{
    (void)req, (void)item;
    told++;
    cede_stop(loop);
}

static void handler(int number)
{
    (void)number;
    _exit(7);
}

/* How a child ends that is sent this signal. */
static int end_of_child(int number)
{
    int status;
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        (void)raise(number);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    return status;
}

REGRESSION(signal_in_a_child)
{
    uint32_t signals = CEDE_SIGNAL_BIT(CEDE_SIGNAL_TERMINATE) | CEDE_SIGNAL_BIT(CEDE_SIGNAL_HANGUP);
    note n = {0};
    cede_ticket ticket;
    int status;

    port_limit(30);
    CHECK(signal(SIGHUP, handler) != SIG_ERR);
    CHECK(cede_loop_open(NULL, &loop) == CEDE_OK);
    cede_prep_signal_many(&n.req, signals, on_signal);
    ticket = cede_submit(loop, &n.req, note_done);
    CHECK(cede_run(loop, 0) == 0);
    status = end_of_child(SIGTERM);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    status = end_of_child(SIGHUP);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    CHECK(cede_run(loop, 10 * CEDE_MILLISECOND) == 0 && told == 0);
    CHECK(raise(SIGTERM) == 0); /* here it is taken */
    while (told == 0)
        CHECK(cede_run(loop, CEDE_FOREVER) >= 0);
    cede_cancel(ticket);
    CHECK(cede_run(loop, CEDE_FOREVER) == 1 && n.calls == 1);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    return 0;
}
