/*
 * Every operation against every way to end it: a wish, its deadline, its scope, a close of its
 * handle, the end of the loop; at each of the schedule's points (S1 to S4 and the others). What
 * comes of it must be the truth: done, with its effect; or ended, with the cause and no effect
 * (laws 6, 7, 8, 10, 11, 12, 13).
 *
 * One case an operation. A subject tells how to set the operation up, how to let it complete where
 * that needs somebody else, and whether its effect has come about.
 */
#include "ends.h"

#include <string.h>

static void feed(cft *t, void *context)
{
    void **pair = context;
    const subject *subject = pair[0];
    if (subject->feed)
        subject->feed(t, pair[1]);
}

/* There are no links to be made, or read. */
static bool without_links(cft *t, const cft_rec *rec)
{
    cede_status instead = rec->op == CEDE_OP_SYMLINK ? CEDE_ENOTSUP : CEDE_ENOENT;
    return (rec->op == CEDE_OP_SYMLINK || rec->op == CEDE_OP_READLINK) &&
           rec->result.status == instead && cft_deviates(t, "symlink_is_not_made");
}

/* What came about before it was ended is counted all the same. */
static bool counts_what_came(uint32_t op)
{
    return cft_is_whole(op) || cft_is_many(op) || op == CEDE_OP_SCOPE;
}

static void expect_truth(cft *t, const subject *subject, stage *s, cft_rec *rec, uint32_t ending)
{
    static const uint32_t causes[] = {CEDE_BY_WISH, CEDE_BY_DEADLINE, CEDE_BY_SCOPE, CEDE_BY_CLOSE,
                                      CEDE_BY_LOOP};
    const cede_result *r = &rec->result;
    if (cft_faulted(t))
        return;
    if (r->status == CEDE_OK) {
        subject->check(t, s, true);
        return;
    }
    if (without_links(t, rec)) {
        subject->check(t, s, false);
        return;
    }
    CFT_CHECK(t, r->status == (ending == BY_DEADLINE ? CEDE_EDEADLINE : CEDE_ECANCELED));
    uint32_t by = r->flags & CEDE_BY_ANY;
    /* At the loop's end, its handles end too. */
    CFT_CHECK(t, by == causes[ending] || (ending == BY_LOOP && by == CEDE_BY_CLOSE));
    CFT_CHECK(t, r->count == 0 || counts_what_came(rec->op));
    subject->check(t, s, false);
}

/* Returns the record that stands for the ending, if it has one. */
static void end_it(cft *t, stage *s, cft_rec *scope, uint32_t ending)
{
    switch (ending) {
    case BY_WISH:
        cft_cancel(t, s->rec->ticket);
        break;
    case BY_DEADLINE:
        break; /* it comes */
    case BY_SCOPE:
        cft_fail(t, scope->ticket, CEDE_EIO);
        break;
    case BY_CLOSE:
        if (s->handle)
            cft_drop(t, s->handle);
        else
            cft_cancel(t, s->rec->ticket);
        break;
    default:
        CFT_CHECK(t, cft_close(t, CEDE_FOREVER) == CEDE_OK);
        break;
    }
}

static void one_end(cft *t, const subject *subject, uint32_t ending)
{
    stage *s = cft_alloc(t, sizeof *s);
    void *pair[2] = {(void *)subject, s};
    cft_rec *scope = NULL;
    s->round = s->told = ending;
    memcpy(s->name, "f0", 3);
    s->name[1] = (char)('0' + ending);
    memcpy(s->other, "g0", 3);
    s->other[1] = (char)('0' + ending);
    s->rec = cft_new(t);
    if (ending == BY_SCOPE) {
        scope = cft_new(t);
        cede_prep_scope(scope->req);
        cft_submit(scope);
    }
    subject->prepare(t, s);
    if (ending == BY_DEADLINE)
        cede_within(s->rec->req, cft_late(t) ? 3600 * CEDE_SECOND : 30 * CEDE_MICROSECOND);
    if (ending == BY_SCOPE)
        cede_in(s->rec->req, scope->ticket);
    cft_submit(s->rec);
    cft_reach(t, s->rec, feed, pair);
    end_it(t, s, scope, ending);
    if (ending == BY_DEADLINE && cft_late(t))
        cft_cancel(t, s->rec->ticket);
    if (ending != BY_LOOP)
        cft_await(t, s->rec);
    if ((ending == BY_CLOSE && !s->handle) || (ending == BY_DEADLINE && cft_late(t)))
        s->told = BY_WISH;
    expect_truth(t, subject, s, s->rec, s->told);
    if (ending == BY_SCOPE && !cft_faulted(t)) {
        cft_await(t, scope);
        CFT_CHECK(t, scope->result.status == CEDE_EIO || scope->result.status == CEDE_OK);
        CFT_CHECK(t, scope->result.count == 1);
    }
    if (ending != BY_LOOP && ending != BY_CLOSE && s->handle)
        cft_drop(t, s->handle);
    if (ending != BY_LOOP && s->second)
        cft_drop(t, s->second);
    if (ending != BY_LOOP)
        cft_flush(t);
}

void cft_all_ends(cft *t, const subject *subject)
{
    for (uint32_t ending = 0; ending < ENDINGS; ending++) {
        one_end(t, subject, ending);
        if (cft_faulted(t))
            return;
    }
}

void cft_ends_made(cft *t, stage *s, bool happened)
{
    cede_handle made = s->rec->result.handle;
    CFT_CHECK(t, (made != 0) == happened);
    if (made && s->round != BY_LOOP) /* not after the loop has closed */
        cft_closed(t, made);
}

void cft_ends_nothing(cft *t, stage *s, bool happened)
{
    (void)t;
    (void)s;
    (void)happened;
}

void cft_ends_behind_item(cft *t, stage *s, const uint32_t *items)
{
    if (cft_schedule(t) != 4)
        return;
    while (!*items && !cft_is_done(s->rec))
        cft_run(t, CEDE_MILLISECOND);
    cft_cancel(t, s->rec->ticket);
    s->told = BY_WISH;
}

bool cft_ends_open(const stage *s)
{
    return s->round != BY_CLOSE && s->round != BY_LOOP;
}

/* ---- Subjects: what the core runs ------------------------------------------------------------ */

static void nop_prepare(cft *t, stage *s)
{
    (void)t;
    cede_prep_nop(s->rec->req);
}

static void roundtrip_prepare(cft *t, stage *s)
{
    (void)t;
    cede_prep_roundtrip(s->rec->req);
}

static void timer_prepare(cft *t, stage *s)
{
    (void)t;
    cede_prep_timer(s->rec->req, 100 * CEDE_MICROSECOND);
}

static void pend_prepare(cft *t, stage *s)
{
    (void)t;
    cede_prep_pend(s->rec->req);
}

static void pend_feed(cft *t, stage *s)
{
    (void)t;
    cede_complete(s->rec->ticket, CEDE_OK, 77);
}

static void pend_check(cft *t, stage *s, bool happened)
{
    CFT_CHECK(t, s->rec->result.count == (happened ? 77u : 0u));
}

static void scope_prepare(cft *t, stage *s)
{
    (void)t;
    cede_prep_scope(s->rec->req);
}

/* Its only member is over: so is it. */
static void scope_feed(cft *t, stage *s)
{
    cft_rec *member = cft_new(t);
    cede_prep_nop(member->req);
    cede_in(member->req, s->rec->ticket);
    cft_submit(member);
    s->ran++;
}

static void scope_check(cft *t, stage *s, bool happened)
{
    CFT_CHECK(t, !happened || s->ran == 1);
    CFT_CHECK(t, s->rec->result.count == s->ran);
}

static cede_status work_run(void *argument, uint64_t *count)
{
    stage *s = argument;
    s->ran++;
    *count = 5;
    return CEDE_OK;
}

static void work_prepare(cft *t, stage *s)
{
    (void)t;
    cede_prep_work(s->rec->req, work_run, s);
}

static void work_check(cft *t, stage *s, bool happened)
{
    CFT_CHECK(t, s->ran == (happened ? 1u : 0u));
}

/* Its handle is stale from the submit on, so that there is none that a drop could end it by. */
static void close_prepare(cft *t, stage *s)
{
    s->pipe = cft_pipe_reader(t);
    cede_prep_close(s->rec->req, s->pipe.handle);
}

/* No cause moves it. A worker of the kernel that is made to do it (S7) tells of it, and lets go of
 * the file behind that: there, so many writes are less than a pipe holds. */
static void close_check(cft *t, stage *s, bool happened)
{
    uint32_t tries = cft_schedule(t) == 7 ? 10000 : 1;
    CFT_CHECK(t, happened);
    while (tries > 0 && cft_peer_write(t, &s->pipe, "x", 1) != 0)
        tries--;
    CFT_CHECK(t, tries > 0);
}

/* ---- Subjects: transfers --------------------------------------------------------------------- */

void cft_ends_file(cft *t, stage *s, uint32_t flags)
{
    cft_file(t, s->name, NULL, ENDS_BYTES, 1);
    s->handle = cft_opened(t, s->name, flags);
}

static void read_prepare(cft *t, stage *s)
{
    cft_ends_file(t, s, CEDE_OPEN_READ);
    cede_prep_read(s->rec->req, s->handle, cft_buffer(s->rec, ENDS_BYTES), ENDS_BYTES, 0);
}

static void read_all_prepare(cft *t, stage *s)
{
    cft_ends_file(t, s, CEDE_OPEN_READ);
    cede_prep_read_all(s->rec->req, s->handle, cft_buffer(s->rec, ENDS_BYTES), ENDS_BYTES, 0);
}

static void readv_prepare(cft *t, stage *s)
{
    cede_vec *vec = cft_alloc(t, 2 * sizeof *vec);
    unsigned char *buffer = cft_buffer(s->rec, ENDS_BYTES);
    cft_ends_file(t, s, CEDE_OPEN_READ);
    vec[0] = (cede_vec){buffer, 100};
    vec[1] = (cede_vec){buffer + 100, ENDS_BYTES - 100};
    cede_prep_readv(s->rec->req, s->handle, vec, 2, 0);
}

static void read_check(cft *t, stage *s, bool happened)
{
    uint64_t count = s->rec->result.count;
    CFT_CHECK(t, !happened || (count > 0 && count <= ENDS_BYTES));
    CFT_CHECK(t, cft_filled(s->rec->bytes, count, 1, 0));
}

static void write_prepare(cft *t, stage *s)
{
    unsigned char data[ENDS_BYTES];
    cft_fill(data, ENDS_BYTES, 2, 0);
    cft_ends_file(t, s, CEDE_OPEN_WRITE);
    cede_prep_write(s->rec->req, s->handle, cft_input(s->rec, data, ENDS_BYTES), ENDS_BYTES, 0);
}

static void write_all_prepare(cft *t, stage *s)
{
    unsigned char data[ENDS_BYTES];
    cft_fill(data, ENDS_BYTES, 2, 0);
    cft_ends_file(t, s, CEDE_OPEN_WRITE);
    cede_prep_write_all(s->rec->req, s->handle, cft_input(s->rec, data, ENDS_BYTES), ENDS_BYTES, 0);
}

static void writev_prepare(cft *t, stage *s)
{
    unsigned char data[ENDS_BYTES];
    cede_vec *vec = cft_alloc(t, 2 * sizeof *vec);
    cft_fill(data, ENDS_BYTES, 2, 0);
    unsigned char *input = cft_input(s->rec, data, ENDS_BYTES);
    cft_ends_file(t, s, CEDE_OPEN_WRITE);
    vec[0] = (cede_vec){input, 7};
    vec[1] = (cede_vec){input + 7, ENDS_BYTES - 7};
    cede_prep_writev(s->rec->req, s->handle, vec, 2, 0);
}

/* Exactly `count` bytes are changed. */
static void write_check(cft *t, stage *s, bool happened)
{
    unsigned char seen[ENDS_BYTES];
    uint64_t count = s->rec->result.count;
    CFT_CHECK(t, !happened || count > 0);
    CFT_CHECK(t, cft_file_read(t, s->name, seen, ENDS_BYTES, 0) == ENDS_BYTES);
    CFT_CHECK(t, cft_filled(seen, count, 2, 0));
    CFT_CHECK(t, cft_filled(seen + count, ENDS_BYTES - count, 1, count));
}

static void append_prepare(cft *t, stage *s)
{
    cft_ends_file(t, s, CEDE_OPEN_WRITE);
    cede_prep_append(s->rec->req, s->handle, cft_input(s->rec, "0123456789", 10), 10);
}

static void append_check(cft *t, stage *s, bool happened)
{
    (void)happened;
    CFT_CHECK(t, cft_file_size(t, s->name) == (int64_t)(ENDS_BYTES + s->rec->result.count));
}

static void copy_prepare(cft *t, stage *s)
{
    cft_file(t, s->name, NULL, ENDS_BYTES, 1);
    s->second = cft_opened(t, s->name, CEDE_OPEN_READ);
    s->handle = cft_opened(t, s->other, CEDE_OPEN_WRITE | CEDE_OPEN_CREATE);
    cede_prep_copy(s->rec->req, s->second, 0, s->handle, 0, ENDS_BYTES);
}

static void copy_check(cft *t, stage *s, bool happened)
{
    unsigned char seen[ENDS_BYTES];
    uint64_t count = s->rec->result.count;
    CFT_CHECK(t, count == ENDS_BYTES || !happened);
    CFT_CHECK(t, cft_file_read(t, s->other, seen, ENDS_BYTES, 0) == count);
    CFT_CHECK(t, cft_filled(seen, count, 1, 0));
}

/* ---- Subjects: pipes ------------------------------------------------------------------------- */

static void pipe_read_prepare(cft *t, stage *s)
{
    s->pipe = cft_pipe_reader(t);
    s->handle = s->pipe.handle;
    cede_prep_read(s->rec->req, s->handle, cft_buffer(s->rec, 10), 10, CEDE_CURRENT);
}

static void pipe_read_all_prepare(cft *t, stage *s)
{
    s->pipe = cft_pipe_reader(t);
    s->handle = s->pipe.handle;
    cede_prep_read_all(s->rec->req, s->handle, cft_buffer(s->rec, 10), 10, CEDE_CURRENT);
}

static void pipe_read_feed(cft *t, stage *s)
{
    cft_peer_write(t, &s->pipe, "0123456789", 10);
}

static void pipe_read_check(cft *t, stage *s, bool happened)
{
    CFT_CHECK(t, !happened || s->rec->result.count > 0);
    CFT_CHECK(t, memcmp(s->rec->bytes, "0123456789", s->rec->result.count) == 0);
    for (uint64_t i = s->rec->result.count; i < 10; i++)
        CFT_CHECK(t, s->rec->bytes[i] == 0xee);
}

static void pipe_write_prepare(cft *t, stage *s)
{
    s->pipe = cft_pipe_writer(t);
    s->handle = s->pipe.handle;
    s->held = cft_pipe_fill(t, &s->pipe);
    cede_prep_write(s->rec->req, s->handle, cft_input(s->rec, "0123456789", 10), 10, CEDE_CURRENT);
}

/* Only what filled it: on Windows a reader also sees what a write has pending. */
static void pipe_write_feed(cft *t, stage *s)
{
    unsigned char *seen = cft_alloc(t, s->held);
    (void)cft_peer_read(t, &s->pipe, seen, s->held);
}

static void pipe_write_check(cft *t, stage *s, bool happened)
{
    const size_t room = 1u << 20;
    unsigned char *seen = cft_alloc(t, room);
    size_t got = cft_peer_read(t, &s->pipe, seen, room);
    uint64_t count = s->rec->result.count;
    CFT_CHECK(t, !happened || count > 0);
    CFT_CHECK(t, got >= count);
    CFT_CHECK(t, memcmp(seen + got - count, "0123456789", count) == 0);
    if (!count && got)
        CFT_CHECK(t, cft_filled(seen, got, 9, 0));
}

/* ---- The cases ------------------------------------------------------------------------------ */

ENDS(nop, NOP, nop_prepare, NULL, cft_ends_nothing)
ENDS(roundtrip, ROUNDTRIP, roundtrip_prepare, NULL, cft_ends_nothing)
ENDS(timer, TIMER, timer_prepare, NULL, cft_ends_nothing)
ENDS(pend, PEND, pend_prepare, pend_feed, pend_check)
ENDS(scope, SCOPE, scope_prepare, scope_feed, scope_check)
ENDS(close, CLOSE, close_prepare, NULL, close_check)
ENDS(work, WORK, work_prepare, NULL, work_check)
ENDS(read, READ, read_prepare, NULL, read_check)
ENDS(read_all, READ_ALL, read_all_prepare, NULL, read_check)
ENDS(readv, READV, readv_prepare, NULL, read_check)
ENDS(write, WRITE, write_prepare, NULL, write_check)
ENDS(write_all, WRITE_ALL, write_all_prepare, NULL, write_check)
ENDS(writev, WRITEV, writev_prepare, NULL, write_check)
ENDS(append, APPEND, append_prepare, NULL, append_check)
ENDS(copy, COPY, copy_prepare, NULL, copy_check)
ENDS(pipe_read, READ, pipe_read_prepare, pipe_read_feed, pipe_read_check)
ENDS(pipe_read_all, READ_ALL, pipe_read_all_prepare, pipe_read_feed, pipe_read_check)
ENDS(pipe_write, WRITE, pipe_write_prepare, pipe_write_feed, pipe_write_check)
