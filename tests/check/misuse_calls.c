/*
 * What law 17 stops, besides misuse.c: calls that lack something, and calls in a forked child.
 */
#include "../port.h"
#include "check.h"

#ifndef _WIN32
#include <sys/wait.h>
#endif

static cede_req one, two;
static cede_ticket awaited;

/* ---- Nothing where something must be -------------------------------------------------------- */

/* They stay NULL, which compilers and the analyzer need not know. */
static cede_req *volatile nothing;
static cede_loop *volatile nowhere;

void check_submit_without_loop(stage *s)
{
    (void)s;
    cede_prep_nop(&one);
    WANT("law 17: submit without a loop, a request or a callback: nop, now at ");
    HERE((void)cede_submit(NULL, &one, check_done));
}

void check_submit_without_request(stage *s)
{
    WANT("law 17: submit without a loop, a request or a callback");
    HERE((void)cede_submit(s->loop, nothing, check_done));
}

void check_submit_without_done(stage *s)
{
    cede_prep_nop(&one);
    WANT("law 17: submit without a loop, a request or a callback: nop, now at ");
    HERE(cede_submit_remote(s->loop, &one, NULL, NULL));
}

/* Of what nobody prepared, there is no more to say. */
void check_submit_unprepared_without_done(stage *s)
{
    WANT("law 17: submit without a loop, a request or a callback, now at ");
    HERE((void)cede_submit(s->loop, &one, NULL));
}

void check_run_without_loop(stage *s)
{
    (void)s;
    WANT("law 17: run without a loop");
    (void)cede_run(nowhere, 0);
}

void check_stop_without_loop(stage *s)
{
    (void)s;
    WANT("law 17: stop without a loop");
    cede_stop(nowhere);
}

/* One that nobody could aim at, and that has no slot, is on its way as well. */
void check_post_twice(stage *s)
{
    cede_prep_nop(&one);
    WANT("law 17: submitted while in flight: nop, submitted at ");
    HERE(cede_submit_remote(s->loop, &one, check_done, NULL));
    WANT("now at ");
    HERE(cede_submit_remote(s->loop, &one, check_done, NULL));
}

/* ---- A forked child ------------------------------------------------------------------------- */

/* The parent ends badly too, if the child did: that is what is judged. */
static void in_child(stage *s, void (*fn)(stage *))
{
#if defined(_WIN32)
    (void)s, (void)fn;
    check_skip("there is no fork");
#else
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        fn(s);
        _exit(0);
    }
    HOLDS(waitpid(child, &status, 0) == child);
    HOLDS(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    cede_cancel(awaited); /* and nothing has happened to the parent */
    HOLDS(cede_run(s->loop, CEDE_FOREVER) >= 0);
    HOLDS(cede_loop_close(s->loop, CEDE_FOREVER) == CEDE_OK);
    exit(1);
#endif
}

static void submit_in(stage *s)
{
    WANT("law 17: ");
    WANT("forked child");
    WANT(": nop");
    HERE((void)cede_submit(s->loop, &one, check_done));
}

static void remote_in(stage *s)
{
    WANT("law 17");
    WANT("forked child");
    WANT(": nop");
    HERE(cede_submit_remote(s->loop, &one, check_done, NULL));
}

static void run_in(stage *s)
{
    WANT("law 17: ");
    WANT("forked child");
    (void)cede_run(s->loop, 0);
}

static void cancel_in(stage *s)
{
    (void)s;
    WANT("law 17: ");
    WANT("forked child: pend, submitted at ");
    cede_cancel(awaited);
}

/* Nothing can be said of a request that is gone. */
static void cancel_stale_in(stage *s)
{
    (void)s;
    WANT("law 17: a wish in a forked child");
    cede_cancel(awaited);
}

static void drop_in(stage *s)
{
    WANT("law 17: ");
    WANT("forked child");
    cede_drop(s->in);
}

static void stop_in(stage *s)
{
    WANT("law 17: ");
    WANT("forked child");
    cede_stop(s->loop);
}

void check_submit_in_child(stage *s)
{
    cede_prep_nop(&one);
    in_child(s, submit_in);
}

void check_remote_in_child(stage *s)
{
    cede_prep_nop(&one);
    in_child(s, remote_in);
}

void check_run_in_child(stage *s)
{
    in_child(s, run_in);
}

void check_cancel_in_child(stage *s)
{
    cede_prep_pend(&two);
    awaited = HERE(cede_submit(s->loop, &two, check_done));
    in_child(s, cancel_in);
}

void check_cancel_stale_in_child(stage *s)
{
    cede_prep_nop(&two);
    awaited = cede_submit(s->loop, &two, check_done);
    HOLDS(cede_wait(s->loop, awaited, CEDE_FOREVER) == CEDE_OK);
    in_child(s, cancel_stale_in);
}

void check_drop_in_child(stage *s)
{
    cede_prep_poll(&two, s->in, CEDE_POLL_IN); /* binds it */
    awaited = cede_submit(s->loop, &two, check_done);
    HOLDS(cede_run(s->loop, 0) >= 0);
    in_child(s, drop_in);
}

void check_stop_in_child(stage *s)
{
    in_child(s, stop_in);
}
