/* A forked child that drops a handle of the parent's loop, or stops it, is stopped (law 17): it
 * would cancel in the parent's ring. */
#include "fake.h"

#include <signal.h>
#include <sys/wait.h>

static void expect_abort(void (*act)(cede_loop *, cede_handle), cede_loop *loop, cede_handle handle)
{
    int status;
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        (void)close(STDERR_FILENO);
        act(loop, handle);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void drop(cede_loop *loop, cede_handle handle)
{
    (void)loop;
    cede_drop(handle);
}

static void stop(cede_loop *loop, cede_handle handle)
{
    (void)handle;
    cede_stop(loop);
}

REGRESSION(drop_in_a_child)
{
    static fake backend;
    static note read;
    static char byte;
    cede_loop *loop = fake_loop(&backend);
    cede_handle handle = fake_handle(CEDE_KIND_PIPE, 0);
    cede_ticket ticket;

    cede_prep_read(&read.req, handle, &byte, 1, CEDE_CURRENT);
    ticket = cede_submit(loop, &read.req, note_done);
    (void)cede_run(loop, 0);
    expect_abort(drop, loop, handle);
    expect_abort(stop, loop, handle);
    cede_cancel(ticket);
    CHECK(cede_run(loop, CEDE_FOREVER) == 1);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    return 0;
}
