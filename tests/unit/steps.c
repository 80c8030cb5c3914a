/*
 * Calls of two threads, one in the middle of the other, at each of its instructions (steps.h): no
 * wish, wake or submission is lost, none comes twice, a handle is bound to one loop and closed once,
 * and a ticket that is stale by then does nothing (laws 2, 6, 10, 14; 1b: Threads, Handles).
 * Usage: unit_steps [BUDGET]   instructions to be stepped through for each call, in all (20000: seconds;
 *                              1000000 is each instruction of most)
 */
#include "steps.h"

#include "../regress/orphans.h"
#include "core.h"

static fake backends[3];
static cede_loop *loop, *second, *third;
static note a, b, keeper;
static cede_ticket ticket, of_b, kept;
static cede_handle file;
static unsigned schedules;

static void try_each(const char *what, steps_fn *set_up, steps_fn *call, steps_fn *meanwhile,
                     steps_fn *behind)
{
    unsigned count = steps_each(set_up, call, meanwhile, behind);
    printf("%s: %u schedules\n", what, count);
    schedules += count;
}

static cede_loop *opened(unsigned which)
{
    memset(&backends[which], 0, sizeof backends[which]);
    return fake_loop(&backends[which]);
}

/* As the loop's thread. */
static void turn_of(cede_loop *of)
{
    CHECK(cede_run(of, 0) >= 0);
}

static void close_of(cede_loop *of)
{
    CHECK(cede_loop_close(of, CEDE_FOREVER) == CEDE_OK);
}

static void forget(void)
{
    memset(&a, 0, sizeof a);
    memset(&b, 0, sizeof b);
    notes = 0;
}

/* ---- A wish with a payload, and the loop that is over with its request ---------------------- */

static void other_opens(void)
{
    loop = opened(0);
    turn_of(loop); /* it is this thread's */
    cede_prep_scope(&a.req);
    ticket = cede_submit(loop, &a.req, note_done);
    cede_prep_pend(&b.req);
    of_b = cede_submit(loop, &b.req, note_done);
}

static void set_up_wish(void)
{
    forget();
    steps_on_other(other_opens);
}

static void fail_it(void)
{
    cede_fail(ticket, CEDE_EIO);
}

static void complete_it(void)
{
    cede_complete(of_b, CEDE_OK, 7);
}

static void cancel_them(void)
{
    cede_cancel(ticket);
    cede_cancel(of_b);
}

/* Its own cancels, then as many turns as it takes to be through with both. */
static void other_ends_both(void)
{
    cancel_them();
    for (unsigned i = 0; i < 4; i++)
        turn_of(loop);
    CHECK(a.calls == 1 && b.calls == 1);
    cede_prep_pend(&a.req); /* the slots are other requests' by now */
    (void)cede_submit(loop, &a.req, note_done);
    cede_prep_scope(&b.req);
    ticket = cede_submit(loop, &b.req, note_done);
    turn_of(loop);
}

static void other_closes_at_once(void)
{
    cede_status status = cede_loop_close(loop, 0);
    CHECK(status == CEDE_OK || status == CEDE_EDEADLINE);
    if (!status)
        loop = NULL;
}

static void other_closes(void)
{
    if (loop)
        close_of(loop);
}

static void behind_wish(void)
{
    CHECK(a.calls == 1 && b.calls == 1); /* the successors are untouched */
    steps_on_other(other_closes);
    CHECK(a.calls == 2 && b.calls == 2);
}

static void behind_close(void)
{
    steps_on_other(other_closes);
    CHECK(a.calls == 1 && b.calls == 1);
    CHECK(a.result.status == CEDE_ECANCELED || a.result.status == CEDE_EIO);
    CHECK(b.result.status == CEDE_ECANCELED || b.result.count == 7);
}

/* The loop closes, and its memory, chunks too, goes to two others, crosswise. */
static void other_closes_and_opens_two(void)
{
    close_of(loop);
    second = opened(1);
    third = opened(2);
    turn_of(second);
    turn_of(third);
    cede_prep_pend(&a.req);
    (void)cede_submit(third, &a.req, note_done);
    cede_prep_pend(&b.req);
    (void)cede_submit(second, &b.req, note_done);
    turn_of(second);
    turn_of(third);
}

static void other_closes_two(void)
{
    turn_of(second);
    turn_of(third);
    CHECK(a.calls == 1 && b.calls == 1);
    close_of(second);
    close_of(third);
}

static void behind_two(void)
{
    steps_on_other(other_closes_two);
    CHECK(a.calls == 2 && b.calls == 2);
}

static void wishes(void)
{
    try_each("fail and delivery", set_up_wish, fail_it, other_ends_both, behind_wish);
    try_each("complete and delivery", set_up_wish, complete_it, other_ends_both, behind_wish);
    try_each("cancels and delivery", set_up_wish, cancel_them, other_ends_both, behind_wish);
    try_each("fail and loop close", set_up_wish, fail_it, other_closes_at_once, behind_close);
    try_each("complete and loop close", set_up_wish, complete_it, other_closes_at_once,
             behind_close);
    try_each("cancels and other loops", set_up_wish, cancel_them, other_closes_and_opens_two,
             behind_two);
}

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

/* ---- Handles: bound once, closed once ------------------------------------------------------- */

static unsigned discards;

static void count_discard(intptr_t native)
{
    (void)native;
    discards++;
}

static unsigned closes;
static _Atomic unsigned releases;

static int count_closes(fake *self, const cede_work *work)
{
    closes += work->op == CEDE_OP_CLOSE;
    cede_core_done(self->core, work->token, CEDE_OK, 0, 0);
    return FAKE_REPORTED;
}

static cede_backend handles_table;
static const cede_options no_options = CEDE_OPTIONS_INIT;

/* So that it has its slots. */
static void warm(cede_loop *its)
{
    static note nop;
    cede_prep_nop(&nop.req);
    (void)cede_submit(its, &nop.req, note_done);
    turn_of(its);
}

static void other_opens_second(void)
{
    memset(&backends[1], 0, sizeof backends[1]);
    second = fake_loop_on(&backends[1], &handles_table, no_options);
    backends[1].on_start = count_closes;
    warm(second);
}

static void set_up_handle(void)
{
    closes = discards = 0;
    releases = 0;
    memset(&backends[0], 0, sizeof backends[0]);
    loop = fake_loop_on(&backends[0], &handles_table, no_options);
    backends[0].on_start = count_closes;
    warm(loop);
    steps_on_other(other_opens_second);
    forget();
    file = cede_core_adopt(&handles_table, 5, CEDE_KIND_FILE, 0);
    CHECK(file);
}

static void use_here(void)
{
    cede_prep_fsync(&a.req, file);
    (void)cede_submit(loop, &a.req, note_done);
}

static void drop_here(void)
{
    cede_drop(file);
}

static void release_here(void)
{
    intptr_t native = 0;
    cede_status status = cede_release(file, &native);
    CHECK(status == CEDE_OK ? native == 5 : status == CEDE_EBADF && native == 0);
    atomic_fetch_add(&releases, status == CEDE_OK);
}

static void other_uses(void)
{
    cede_prep_fsync(&b.req, file);
    (void)cede_submit(second, &b.req, note_done);
    turn_of(second);
}

static void other_sends_use(void)
{
    cede_prep_fsync(&b.req, file);
    cede_submit_remote(loop, &b.req, note_done, NULL);
}

static void other_drops(void)
{
    cede_drop(file);
}

static void other_releases(void)
{
    release_here();
}

static void other_closes_second(void)
{
    turn_of(second);
    close_of(second);
}

static void close_both(void)
{
    turn_of(loop);
    close_of(loop);
    steps_on_other(other_closes_second);
    cede_drop(file); /* stale by now, or nobody had it */
    CHECK(closes + discards == 1);
}

static bool was_well(const note *n)
{
    return n->calls == 1 && n->result.status == CEDE_OK;
}

static void behind_bind(void)
{
    close_both();
    CHECK(a.calls == 1 && b.calls == 1 && was_well(&a) != was_well(&b));
    CHECK(a.result.status == CEDE_OK || a.result.status == CEDE_EINVAL);
    CHECK(b.result.status == CEDE_OK || b.result.status == CEDE_EINVAL);
}

static void behind_same_loop(void)
{
    close_both();
    CHECK(was_well(&a) && (was_well(&b) || b.result.status == CEDE_EENDED));
}

static void behind_use_and_drop(void)
{
    close_both();
    CHECK(a.calls == 1 && (a.result.status == CEDE_OK || a.result.status == CEDE_EBADF ||
                           a.result.status == CEDE_ECANCELED));
}

static void behind_drop_and_use(void)
{
    close_both();
    CHECK(b.calls == 1 && (b.result.status == CEDE_OK || b.result.status == CEDE_EBADF ||
                           b.result.status == CEDE_ECANCELED));
}

/* One of them has the descriptor: who released it, or the drop. */
static void behind_release(void)
{
    turn_of(loop);
    close_of(loop);
    steps_on_other(other_closes_second);
    cede_drop(file);
    CHECK(closes == 0 && discards + releases == 1);
}

static void other_is_over_with_it(void)
{
    other_uses();
    cede_drop(file);
    for (unsigned i = 0; i < 3; i++)
        turn_of(second);
}

static void set_up_bound(void)
{
    set_up_handle();
    steps_on_other(other_uses);
}

static void other_closes_loop(void)
{
    close_of(second);
    other_opens_second();
}

static void behind_bound(void)
{
    cede_handle next;
    close_both();
    next = cede_core_adopt(&handles_table, 6, CEDE_KIND_FILE, 0); /* entries come round */
    CHECK(next && next != file);
    cede_drop(next);
    CHECK(discards == 1 && closes == 1);
}

static void other_drops_it_first(void)
{
    cede_drop(file);
    for (unsigned i = 0; i < 3; i++)
        turn_of(second);
}

static void handles(void)
{
    handles_table = fake_backend;
    handles_table.discard = count_discard;
    handles_table.natives = "fd"; /* which can be released */
    try_each("two loops bind", set_up_handle, use_here, other_uses, behind_bind);
    try_each("one loop binds, twice", set_up_handle, use_here, other_sends_use, behind_same_loop);
    try_each("bind and drop", set_up_handle, use_here, other_drops, behind_use_and_drop);
    try_each("drop and bind", set_up_handle, drop_here, other_uses, behind_drop_and_use);
    try_each("release and drop", set_up_handle, release_here, other_drops, behind_release);
    try_each("two release", set_up_handle, release_here, other_releases, behind_release);
    try_each("drop and bind and close", set_up_handle, drop_here, other_is_over_with_it,
             behind_drop_and_use);
    try_each("drop and the loop's drop", set_up_bound, drop_here, other_drops_it_first,
             behind_bound);
    try_each("drop and loop close", set_up_bound, drop_here, other_closes_loop, behind_bound);
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

static void early(void)
{
    try_each("submit and join", set_up_early, send_scope, other_joins, behind_early);
}

/* ---- A loop that closes, and what is still being sent --------------------------------------- */

static void set_up_close(void)
{
    forget();
    loop = opened(0);
    turn_of(loop);
    cede_prep_pend(&keeper.req);
    (void)cede_submit(loop, &keeper.req, note_done);
}

static void close_here(void)
{
    close_of(loop);
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

/* All that was sent came back, by the time that the close returned. */
static void behind_closed(void)
{
    CHECK(!a.order || (a.calls == 1 && b.calls == 1));
    CHECK(!b.calls || b.result.status == CEDE_ECANCELED || b.result.status == CEDE_EENDED);
}

static void closing(void)
{
    try_each("loop close and submits", set_up_close, close_here, other_sends_late, behind_closed);
}

/* ---- What finds no slot keeps its turn ------------------------------------------------------ */

static note crowd[FILLERS];

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
        cede_submit_remote(loop, &crowd[i].req, note_done, NULL);
        memory_is_out = true;
    }
    turn_of(loop);
    file = fake_handle(CEDE_KIND_FILE, CEDE_IMPORT_BORROW);
}

static void turn_here(void)
{
    turn_of(loop);
}

/* The second has no slot, and is dealt with behind the first. */
static void other_reads_and_closes(void)
{
    static char byte;
    cede_prep_read(&a.req, file, &byte, 1, 0);
    cede_submit_remote(loop, &a.req, note_done, NULL);
    cede_prep_close(&b.req, file);
    cede_submit_remote(loop, &b.req, note_done, NULL);
}

static void behind_short(void)
{
    for (unsigned i = 0; i < 3; i++)
        turn_of(loop);
    CHECK(a.calls == 1 && a.result.status == CEDE_ECANCELED && a.result.flags & CEDE_BY_CLOSE);
    CHECK(was_well(&b) && a.order < b.order);
    close_of(loop);
    memory_is_out = false;
}

static void shortages(void)
{
    try_each("turn and what has no slot", set_up_short, turn_here, other_reads_and_closes,
             behind_short);
}

int main(int argc, char **argv)
{
    use_short_memory();
    CHECK(fake_handle(CEDE_KIND_FILE, 0)); /* the table of handles has its memory */
    steps_begin(argc == 2 ? strtoul(argv[1], NULL, 0) : 20000);
    shortages(); /* first: a loop of another would leave more slots */
    wishes();
    turns();
    handles();
    early();
    closing();
    steps_end();
    printf("%u schedules\n", schedules);
    return 0;
}
