/*
 * Child processes: this program, started anew. Some end by themselves with a number, others echo
 * what they are sent, which is then a stream like any other; and some are killed, or are left alone
 * by a close of their handle. Waits are begun anew until they are told: all must be told the same,
 * and it must be the number unless the child may have been killed. A start that was cancelled has
 * started nothing. At the end there must be no child left.
 */
#include "storm.h"

#define NOT_TOLD UINT64_MAX

static child *child_of(const record *rec)
{
    return rec->part;
}

static void check_status(const char *what, cede_status status)
{
    if (status != CEDE_OK && status != CEDE_ECANCELED && status != CEDE_EDEADLINE &&
        status != CEDE_EBADF && status != CEDE_EENDED)
        storm_fail("%s says %s", what, cede_status_name(status));
}

/* Its last act. */
static void leave(record *rec)
{
    child *c = child_of(rec);
    if (--c->active == 0) {
        cede_drop(c->process);
        c->process = 0;
    }
    storm_rest(rec);
}

/* ---- Its end -------------------------------------------------------------------------------- */

/* Only here can there be a signal's. */
static void check_end(child *c, uint64_t count)
{
    bool by_force = c->doomed && ((count & CEDE_CHILD_KILLED) || storm_kills_with_a_code);
    if (count != c->ends_with && !by_force)
        storm_fail("a child that ends with %llu is said to have ended with %llx",
                   (unsigned long long)c->ends_with, (unsigned long long)count);
    if (c->told != NOT_TOLD && c->told != count)
        storm_fail("two waits for a child are told %llx and %llx", (unsigned long long)c->told,
                   (unsigned long long)count);
    c->told = count;
}

static void on_ended(record *rec, cede_result r)
{
    child *c = child_of(rec);
    check_status("child_wait", r.status);
    if (r.status == CEDE_OK) {
        check_end(c, r.count);
        storm_totals.waited++;
        leave(rec);
    } else if (r.flags & (CEDE_BY_WISH | CEDE_BY_DEADLINE)) {
        cede_prep_child_wait(&rec->as.req, c->process);
        storm_perhaps_within(rec);
        storm_submit(rec, on_ended);
    } else {
        leave(rec);
    }
}

static void on_killed(record *rec, cede_result r)
{
    check_status("child_kill", r.status);
    if (r.status == CEDE_OK)
        storm_totals.killed++;
    leave(rec);
}

/* What it was sent last may not come back any more. */
static void kill_it(record *rec)
{
    child *c = child_of(rec);
    bool force = storm_random(&rec->at->random, 2);
    c->doomed = true;
    storm_unsure(c->key);
    cede_prep_child_kill(&rec->as.req, c->process, force ? CEDE_KILL_FORCE : CEDE_KILL_ASK);
    storm_perhaps_within(rec);
    storm_submit(rec, on_killed);
}

static void on_time(record *rec, cede_result r)
{
    (void)r;
    if (storm_random(&rec->at->random, 3)) {
        kill_it(rec);
    } else { /* and is nobody's business any more */
        cede_drop(child_of(rec)->process);
        leave(rec);
    }
}

/* ---- Its beginning -------------------------------------------------------------------------- */

static void begin_waits(child *c, station *at)
{
    for (uint32_t i = 1 + storm_random(&at->random, 2); i > 0; i--) {
        record *rec = storm_take(at, false);
        if (!rec)
            return;
        rec->part = c;
        c->active++;
        cede_prep_child_wait(&rec->as.req, c->process);
        storm_perhaps_within(rec);
        storm_submit(rec, on_ended);
    }
}

/* The child has its ends now, or will never have them. */
static void on_begun(record *rec, cede_result r)
{
    station *at = rec->at;
    child *c = child_of(rec);
    if (!storm_excuses_start(r.os_error))
        check_status("spawn", r.status);
    if ((r.status == CEDE_OK) != (r.handle != 0))
        storm_fail("spawn says %s, and handle %llx", cede_status_name(r.status),
                   (unsigned long long)r.handle);
    cede_drop(c->its[0]);
    cede_drop(c->its[1]);
    if (!r.handle) {
        cede_drop(c->to);
        cede_drop(c->from);
        leave(rec);
        return;
    }
    storm_totals.children++;
    c->process = r.handle;
    if (storm_random(&at->random, 8) == 0)
        storm_show_handle(&at->random, r.handle);
    begin_waits(c, at);
    if (c->to) {
        (void)storm_end_begin(at, c->from, END_RECEIVES);
        c->key = storm_end_begin(at, c->to, END_SENDS);
    }
    if (storm_random(&at->random, 2)) {
        leave(rec);
        return;
    }
    cede_prep_timer(&rec->as.req, storm_random(&at->random, 20) * CEDE_MILLISECOND);
    storm_submit(rec, on_time);
}

static void begin_it(record *rec)
{
    child *c = child_of(rec);
    c->words[0] = storm_program();
    c->words[1] = "--child";
    c->words[2] = c->code;
    c->how.program = c->words[0];
    c->how.arguments = c->words;
    c->how.stdio[0] = c->its[0];
    c->how.stdio[1] = c->its[1];
    rec->stops = true;
    cede_prep_spawn(&rec->as.req, &c->how, (uint64_t *)(void *)rec->buffer);
    storm_perhaps_within(rec);
    storm_submit(rec, on_begun);
}

static void on_pipe_back(record *rec, cede_result r)
{
    child *c = child_of(rec);
    if (r.status != CEDE_OK) {
        cede_drop(c->to);
        cede_drop(c->its[0]);
        leave(rec);
        return;
    }
    c->from = r.handle;
    c->its[1] = rec->second;
    begin_it(rec);
}

static void on_pipe_there(record *rec, cede_result r)
{
    child *c = child_of(rec);
    if (r.status != CEDE_OK) {
        leave(rec);
        return;
    }
    c->to = r.handle;
    c->its[0] = rec->second;
    cede_prep_pair(&rec->as.req, CEDE_PAIR_FROM_CHILD, &rec->second);
    storm_perhaps_within(rec);
    storm_submit(rec, on_pipe_back);
}

void storm_child(station *at)
{
    child *c = at->children;
    while (c < at->children + CHILDREN && c->active)
        c++;
    record *rec = c < at->children + CHILDREN ? storm_take(at, false) : NULL;
    if (!rec)
        return;
    memset(c, 0, sizeof *c);
    c->active = 1;
    c->told = NOT_TOLD;
    rec->part = c;
    if (storm_random(&at->random, 3) == 0) {
        c->ends_with = storm_random(&at->random, 100);
        snprintf(c->code, sizeof c->code, "%u", (unsigned)c->ends_with);
        begin_it(rec);
        return;
    }
    c->ends_with = STORM_ECHO_ENDS;
    snprintf(c->code, sizeof c->code, "echo");
    rec->stops = true;
    cede_prep_pair(&rec->as.req, CEDE_PAIR_TO_CHILD, &rec->second);
    storm_perhaps_within(rec);
    storm_submit(rec, on_pipe_there);
}

/* ---- All of them ---------------------------------------------------------------------------- */

static void on_over(cede_req *req, cede_result r)
{
    (void)req;
    if (r.status != CEDE_OK)
        storm_fail("at the end: %s", cede_status_name(r.status));
}

static cede_handle begun;

static void on_last(cede_req *req, cede_result r)
{
    begun = r.handle;
    if (!storm_excuses_start(r.os_error))
        on_over(req, r);
}

/* One more, whose close takes those away that were left alone and have ended meanwhile. */
static void one_more(cede_loop *loop)
{
    static const char *words[] = {NULL, "--child", "0", NULL};
    const cede_spawn how = {.program = storm_program(), .arguments = words};
    cede_req req;
    words[0] = storm_program();
    cede_prep_spawn(&req, &how, NULL);
    (void)cede_submit(loop, &req, on_last);
    (void)cede_run(loop, CEDE_FOREVER);
    if (!begun)
        return;
    cede_prep_child_wait(&req, begun);
    (void)cede_submit(loop, &req, on_over);
    (void)cede_run(loop, CEDE_FOREVER);
    cede_drop(begun);
    (void)cede_run(loop, CEDE_FOREVER);
}

/* Those that were left alone end by themselves: their streams have. */
void storm_children_gone(void)
{
    cede_options options = CEDE_OPTIONS_INIT;
    cede_loop *loop;
    options.backend = storm_backend;
    uint64_t until = port_now() + 60 * CEDE_SECOND;
    if (cede_loop_open(&options, &loop) != CEDE_OK)
        storm_fail("no loop at the end");
    do
        one_more(loop);
    while (storm_child_is_left() && port_now() < until);
    if (cede_loop_close(loop, CEDE_FOREVER) != CEDE_OK)
        storm_fail("the last loop does not close");
    if (storm_child_is_left())
        storm_fail("there is a child that nobody has taken away");
}
