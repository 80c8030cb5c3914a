/*
 * What is sent to a loop that closes, and what finds no slot there, at each instruction of the turn
 * or the close that it meets (steps.h): all of it comes back, each thread's in its order (laws 11,
 * 14, 15; 1b: Threads, Names and room).
 * Usage: unit_steps_short [BUDGET]   as unit_steps
 */
#include "core.h"

#include "steps_loops.h"

static note keeper;
static cede_handle file;
static cede_ticket ticket;

/* What the backend does behind it is not stepped through. */
static void turn_here(void)
{
    turn_of(loop);
}

static void is_far_enough(fake *self, uint64_t timeout_ns)
{
    (void)self, (void)timeout_ns;
    steps_no_further();
}

/* ---- A loop that closes, and what is still being sent --------------------------------------- */

/* Only what comes behind its last turn is stepped through, and before the backend is closed: the
 * rest is long, and shares nothing. */
static bool last_turn;

static int closes_at_once(fake *self, const cede_work *work)
{
    last_turn = true;
    cede_core_done(self->core, work->token, CEDE_OK, 0, 0);
    return FAKE_REPORTED;
}

static uint64_t now_steps(void *self)
{
    if (last_turn)
        steps_from_here();
    return fake_now(self);
}

static void close_steps(void *self)
{
    steps_no_further();
    fake_close(self);
}

static void set_up_close(void)
{
    static cede_backend table;
    forget();
    last_turn = false;
    table = fake_backend;
    table.close = close_steps;
    table.now = now_steps;
    memset(&backends[0], 0, sizeof backends[0]);
    loop = fake_loop_on(&backends[0], &table, (cede_options)CEDE_OPTIONS_INIT);
    turn_of(loop);
    cede_prep_poll(&keeper.req, fake_handle(CEDE_KIND_STREAM, 0), CEDE_POLL_IN); /* binds it */
    (void)cede_submit(loop, &keeper.req, note_done);
    turn_of(loop);
    backends[0].on_start = closes_at_once;
}

static void close_here(void)
{
    CHECK(cede_loop_close(loop, 3600 * CEDE_SECOND) == CEDE_OK);
}

static bool is_shut(void)
{
    return atomic_load(&loop->inbox) == UINT32_MAX;
}

/* As long as it can: behind that it must have returned (law 11). */
static void other_sends_late(void)
{
    if (is_shut())
        return;
    cede_prep_nop(&a.req);
    cede_submit_remote(loop, &a.req, note_done, NULL);
    cede_prep_pend(&b.req);
    cede_submit_remote(loop, &b.req, note_done, &ticket);
    cede_cancel(ticket);
    a.order = -1; /* was sent */
}

static void other_posts_late(void)
{
    if (is_shut())
        return;
    cede_prep_nop(&a.req);
    cede_submit_remote(loop, &a.req, note_done, NULL);
    b.calls = 1;
    b.result.status = CEDE_EENDED;
    a.order = -1;
}

/* All that was sent came back, by the time that the close returned. */
static void behind_closed(void)
{
    CHECK(!a.order || (a.calls == 1 && b.calls == 1));
    CHECK(!b.calls || b.result.status == CEDE_ECANCELED || b.result.status == CEDE_EENDED);
}

static void closings(void)
{
    steps.late = steps.patient = true; /* law 11: what is sent must be there before the end */
    try_each("loop close and submits", set_up_close, close_here, other_sends_late, behind_closed);
    try_each("loop close and posts", set_up_close, close_here, other_posts_late, behind_closed);
    steps.late = steps.patient = false;
}

/* ---- What finds no slot keeps its turn ------------------------------------------------------ */

static note crowd[FILLERS], last;
static cede_ticket lone;

/* One slot is left for other threads. */
static void set_up_short(void)
{
    forget();
    memory_is_out = false;
    loop = opened(0);
    turn_of(loop);
    for (unsigned i = 0; i < FILLERS - 1; i++) {
        cede_prep_pend(&crowd[i].req);
        cede_background(&crowd[i].req);
        cede_submit_remote(loop, &crowd[i].req, note_done, i == 0 ? &lone : NULL);
        memory_is_out = true;
    }
    turn_of(loop);
    file = fake_handle(CEDE_KIND_FILE, CEDE_IMPORT_BORROW);
    backends[0].on_wait = is_far_enough;
    last.calls = last.order = 0;
}

/* The second has no slot, and is dealt with behind the first. */
static void other_reads_and_closes(void)
{
    static char byte;
    cede_prep_read(&a.req, file, &byte, 1, 0);
    cede_submit_remote(loop, &a.req, note_done, NULL);
    cede_prep_close(&b.req, file);
    cede_submit_remote(loop, &b.req, note_done, NULL);
    cede_prep_pend(&last.req);
    cede_submit_remote(loop, &last.req, note_done, NULL);
}

static void behind_short(void)
{
    for (unsigned i = 0; i < 3; i++)
        turn_of(loop);
    CHECK(last.calls == 1 && last.result.status == CEDE_ENOMEM && last.order > 0);
    CHECK(a.calls == 1 && a.result.status == CEDE_ECANCELED && a.result.flags & CEDE_BY_CLOSE);
    CHECK(was_well(&b) && a.order < b.order);
    close_of(loop);
    memory_is_out = false;
}

/* What was sent before it is still on its way. */
static void set_up_short_sent(void)
{
    static char byte;
    set_up_short();
    cede_prep_read(&a.req, file, &byte, 1, 0);
    cede_submit_remote(loop, &a.req, note_done, NULL);
}

static void other_sends_close(void)
{
    cede_prep_close(&b.req, file);
    cede_submit_remote(loop, &b.req, note_done, NULL);
    cede_prep_pend(&last.req);
    cede_submit_remote(loop, &last.req, note_done, NULL);
}

static void wait_here(void)
{
    CHECK(cede_wait(loop, cedi_orphan_ticket(loop), CEDE_FOREVER) == CEDE_OK);
}

/* The loop is the other's: it takes what this thread found, and more comes, while this sends. */
static void other_is_short(void)
{
    set_up_short_sent();
}

static void set_up_short_elsewhere(void)
{
    steps_on_other(other_is_short);
}

static void cancels_one(void *nothing)
{
    (void)nothing;
    cede_cancel(lone);
}

static void other_takes(void)
{
    port_thread thread;
    turn_of(loop);
    port_start(&thread, cancels_one, NULL);
    port_join(&thread);
}

static void other_is_behind_short(void)
{
    behind_short();
}

static void behind_short_elsewhere(void)
{
    steps_on_other(other_is_behind_short);
}

static void shortages(void)
{
    try_each("turn and what has no slot", set_up_short, turn_here, other_reads_and_closes,
             behind_short);
    try_each("turn and what is behind", set_up_short_sent, turn_here, other_sends_close,
             behind_short);
    try_each("wait and what has no slot", set_up_short, wait_here, other_reads_and_closes,
             behind_short);
    try_each("what has no slot and turn", set_up_short_elsewhere, other_sends_close, other_takes,
             behind_short_elsewhere);
}

static void shortages_and_closings(void)
{
    shortages(); /* first: a loop of another would leave more slots */
    closings();
}

int main(int argc, char **argv)
{
    use_short_memory();
    CHECK(fake_handle(CEDE_KIND_FILE, 0)); /* the table of handles has its memory */
    return try_all(argc, argv, shortages_and_closings);
}
