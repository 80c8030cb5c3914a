/* On sim a stop in a signal handler took a lock that the thread which it had interrupted might
 * have: the loop stood still for ever. */
#include "fake.h"

#include <errno.h>
#include <signal.h>
#include <sys/time.h>

#define ROUNDS 20000 /* the moment lasts some 0.1 us */

static cede_loop *loop;
static volatile sig_atomic_t handled, changed;

static void handle(int number)
{
    int kept = errno;
    (void)number;
    errno = 4711;
    cede_stop(loop);
    changed |= errno != 4711;
    handled = 1;
    errno = kept;
}

/* A little later each time: it meets the thread on its way into the sleep. */
static void signal_soon(int round)
{
    const struct itimerval when = {.it_value.tv_usec = 1 + round % 8};
    handled = 0;
    CHECK(setitimer(ITIMER_REAL, &when, NULL) == 0);
}

REGRESSION(stop_in_a_handler)
{
    const struct sigaction how = {.sa_handler = handle, .sa_flags = SA_RESTART};
    const cede_options options = {.backend = "sim"};
    note pend = {.calls = 0};
    CHECK(sigaction(SIGALRM, &how, NULL) == 0);
    CHECK(cede_loop_open(&options, &loop) == CEDE_OK);
    cede_prep_pend(&pend.req);
    cede_ticket ticket = note_submit(loop, &pend, note_done);
    CHECK(cede_run(loop, 0) == 0);
    for (int round = 0; round < ROUNDS; round++) {
        signal_soon(round);
        CHECK(cede_run(loop, CEDE_FOREVER) == 0 && handled);
    }
    CHECK(pend.calls == 0 && !changed);
    cede_complete(ticket, CEDE_OK, 0);
    CHECK(cede_wait(loop, ticket, CEDE_FOREVER) == CEDE_OK && pend.calls == 1);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    return 0;
}
