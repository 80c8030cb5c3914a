/*
 * Calls of two threads, one in the middle of the other, at each of its instructions (steps.h): no
 * wake or submission is lost, none comes twice (laws 2, 11, 14; 1b: Threads).
 * Usage: unit_steps [BUDGET]   instructions to be stepped through for each call, in all (20000:
 *                              seconds; 1000000 is each instruction of most calls)
 */
#include "core.h"

#include "steps_loops.h"

static note keeper;
static cede_ticket ticket, kept;

/* ---- The loop's own turn, and what is sent to it -------------------------------------------- */

static void about_to_sleep(fake *self, uint64_t timeout_ns)
{
    (void)self;
    if (timeout_ns)
        steps_last_chance();
}

static void set_up_turn(void)
{
    forget();
    loop = opened(0);
    backends[0].on_wait = about_to_sleep;
    turn_of(loop);
    cede_prep_pend(&keeper.req); /* else it is idle */
    kept = cede_submit(loop, &keeper.req, note_done);
    ticket = kept;
}

static void stop_done(cede_req *req, cede_result result)
{
    note_done(req, result);
    cede_stop(loop);
}

static void other_posts(void)
{
    cede_prep_nop(&a.req);
    cede_submit_remote(loop, &a.req, stop_done, NULL);
}

static void other_sends(void)
{
    cede_ticket before;
    cede_prep_pend(&a.req);
    cede_submit_remote(loop, &a.req, stop_done, &before);
    cede_complete(before, CEDE_OK, 3);
}

static void other_stops(void)
{
    a.calls = 1;
    cede_stop(loop);
}

static void run_until_stopped(void)
{
    (void)cede_run(loop, CEDE_FOREVER); /* a wake that is lost is a test that hangs */
}

static void behind_turn(void)
{
    if (!a.calls)
        run_until_stopped();
    CHECK(a.calls == 1);
    cede_cancel(kept);
    turn_of(loop);
    close_of(loop);
}

static uint64_t timeout;

static void ask_waitable(void)
{
    turn_of(loop);
    backends[0].woken.set = false;
    (void)cede_loop_waitable(loop, &timeout);
}

/* Either the answer was "at once", or the backend was woken since. */
static void behind_waitable(void)
{
    CHECK(timeout == 0 || backends[0].woken.set || a.calls);
    behind_turn();
}

static void turns(void)
{
    try_each("run and post", set_up_turn, run_until_stopped, other_posts, behind_turn);
    try_each("run and submit", set_up_turn, run_until_stopped, other_sends, behind_turn);
    try_each("run and stop", set_up_turn, run_until_stopped, other_stops, behind_turn);
    try_each("waitable and post", set_up_turn, ask_waitable, other_posts, behind_waitable);
}

/* ---- A ticket that is known before its submission is there ---------------------------------- */

static void other_opens_empty(void)
{
    loop = opened(0);
    turn_of(loop);
}

static void other_turns(void)
{
    turn_of(loop);
    turn_of(loop);
}

static void set_up_early(void)
{
    forget();
    steps_on_other(other_opens_empty);
    cede_prep_pend(&a.req);
    cede_submit_remote(loop, &a.req, note_done, &ticket); /* there are slots for others, too */
    cede_cancel(ticket);
    steps_on_other(other_turns);
    CHECK(a.calls == 1);
    forget();
    ticket = (cede_ticket){0, 0};
}

static void send_scope(void)
{
    cede_prep_scope(&a.req);
    cede_submit_remote(loop, &a.req, note_done, &ticket);
}

/* A member, if there is a ticket by now; and wishes that may come too early for the loop. */
static void other_joins(void)
{
    cede_extend(ticket, CEDE_SECOND);
    cede_prep_nop(&b.req);
    if (ticket.id)
        cede_in(&b.req, ticket);
    (void)cede_submit(loop, &b.req, note_done);
    turn_of(loop);
    CHECK(b.calls == 1);
    CHECK(b.result.status == CEDE_OK || b.result.status == CEDE_EENDED);
    cede_cancel(ticket);
    turn_of(loop);
}

static void other_ends_scope(void)
{
    cede_cancel(ticket);
    turn_of(loop);
    turn_of(loop);
    CHECK(a.calls == 1 && b.calls == 1);
    close_of(loop);
}

static void behind_early(void)
{
    steps_on_other(other_ends_scope);
}

/* From where it may overtake the scope. */
static void other_sends_member(void)
{
    cede_prep_nop(&b.req);
    if (ticket.id)
        cede_in(&b.req, ticket);
    cede_submit_remote(loop, &b.req, note_done, NULL);
    turn_of(loop);
    CHECK(b.calls == 1);
    CHECK(b.result.status == CEDE_OK || b.result.status == CEDE_EENDED);
}

static void early(void)
{
    try_each("submit and send", set_up_early, send_scope, other_sends_member, behind_early);
    try_each("submit and join", set_up_early, send_scope, other_joins, behind_early);
}

static void turns_and_early(void)
{
    turns();
    early();
}

int main(int argc, char **argv)
{
    return try_all(argc, argv, turns_and_early);
}
