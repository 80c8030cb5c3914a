/* A handler that the program sets while a request takes the signal: the next request got nothing of
 * it, where it is told to. It takes the signal over again, and gives back what it found. */
#include "fake.h"

#include <signal.h>

static note first, next, ignoring, timer;
static unsigned told[3];
static volatile sig_atomic_t theirs;

static void on_first(cede_req *req, cede_result item)
{
    (void)req;
    (void)item;
    told[0]++;
}

static void on_next(cede_req *req, cede_result item)
{
    (void)req;
    (void)item;
    told[1]++;
}

static void on_ignoring(cede_req *req, cede_result item)
{
    (void)req;
    (void)item;
    told[2]++;
}

static void handle(int number)
{
    (void)number;
    theirs++;
}

static cede_ticket listening(cede_loop *loop, note *note, uint32_t more, cede_item *item)
{
    cede_ticket ticket;
    cede_prep_signal_many(&note->req, CEDE_SIGNAL_BIT(CEDE_SIGNAL_USER_1) | more, item);
    cede_background(&note->req);
    ticket = note_submit(loop, note, note_done);
    (void)cede_run(loop, 0);
    return ticket;
}

static void end(cede_loop *loop, note *note, cede_ticket ticket)
{
    cede_cancel(ticket);
    CHECK(cede_wait(loop, ticket, CEDE_FOREVER) == CEDE_OK);
    CHECK(note->result.status == CEDE_ECANCELED);
}

/* All that it is told of is told before this has returned. */
static void raise_it(cede_loop *loop)
{
    CHECK(raise(SIGUSR1) == 0);
    cede_prep_timer(&timer.req, 0);
    CHECK(cede_wait(loop, note_submit(loop, &timer, note_done), CEDE_FOREVER) == CEDE_OK);
    (void)cede_run(loop, 0);
}

REGRESSION(signal_is_taken_over_again)
{
    cede_options options = CEDE_OPTIONS_INIT;
    cede_ticket one, two;
    cede_loop *loop, *other;
    struct sigaction now;
    options.backend = "io_uring";
    if (cede_loop_open(&options, &loop) != CEDE_OK)
        exit(77);
    CHECK(cede_loop_open(&options, &other) == CEDE_OK);

    one = listening(loop, &first, 0, on_first);
    CHECK(signal(SIGUSR1, handle) != SIG_ERR);
    raise_it(loop);
    CHECK(theirs == 1 && told[0] == 0);
    two = listening(loop, &next, 0, on_next); /* of the same loop, which takes it already */
    raise_it(loop);
    CHECK(theirs == 1 && told[0] == 1 && told[1] == 1);
    end(loop, &next, two);
    raise_it(loop);
    CHECK(theirs == 1 && told[0] == 2 && told[1] == 1);
    end(loop, &first, one);
    raise_it(loop);
    CHECK(theirs == 2); /* it was given back */

    (void)listening(loop, &first, 0, on_first);
    CHECK(signal(SIGUSR1, SIG_IGN) != SIG_ERR);
    (void)listening(other, &ignoring, CEDE_SIGNAL_UNLESS_IGNORED, on_ignoring);
    raise_it(other);
    CHECK(told[2] == 0 && sigaction(SIGUSR1, NULL, &now) == 0 && now.sa_handler == SIG_IGN);
    CHECK(cede_loop_close(other, CEDE_FOREVER) == CEDE_OK);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    CHECK(sigaction(SIGUSR1, NULL, &now) == 0 && now.sa_handler == SIG_IGN); /* it stays */
    return 0;
}
