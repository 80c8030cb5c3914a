/*
 * Handles that two threads bind, drop, release and close at once, one call in the middle of the
 * other, at each of its instructions (steps.h): a handle is bound to one loop, and its descriptor
 * is closed once, or handed out once (laws 8, 10; 1b: Handles).
 * Usage: unit_steps_handles [BUDGET]   as unit_steps
 */
#include "steps_loops.h"

static cede_loop *second;
static cede_handle file;

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

static void other_closes_it(void)
{
    close_of(second);
}

static void behind_bound(void)
{
    cede_handle next;
    close_both();
    next = cede_core_adopt(&handles_table, 6, CEDE_KIND_FILE, 0);
    CHECK(next && next != file);
    cede_drop(next);
    CHECK(discards == 1 && closes == 1);
}

static void behind_closed(void)
{
    steps_on_other(other_opens_second);
    behind_bound();
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
    try_each("drop and loop close", set_up_bound, drop_here, other_closes_it, behind_closed);
    try_each("drop and loop anew", set_up_bound, drop_here, other_closes_loop, behind_bound);
}

int main(int argc, char **argv)
{
    return try_all(argc, argv, handles);
}
