/*
 * Files to streams: send_file (laws 1, 4, 7, 10, 13, 14, 16).
 */
#include "ends.h"

#include <string.h>

#define KEY 4u

/* A file of so many bytes of KEY, opened to be read. */
static cede_handle a_file(cft *t, const char *name, uint64_t bytes)
{
    cft_needs(t, CEDE_OP_SEND_FILE);
    cft_file(t, name, NULL, bytes, KEY);
    return cft_opened(t, name, CEDE_OPEN_READ);
}

static cft_rec *send_file(cft *t, cede_handle stream, cede_handle file, uint64_t offset,
                          uint64_t length)
{
    cft_rec *rec = cft_new(t);
    cede_prep_send_file(rec->req, stream, file, offset, length);
    cft_submit(rec);
    return rec;
}

/* The peer gets these bytes of the file. */
static void expect_part(cft *t, cede_handle peer, uint64_t offset, size_t bytes)
{
    unsigned char *seen = cft_alloc(t, bytes);
    size_t taken = cft_take(t, peer, seen, bytes);
    CFT_EXPECT(t, taken == bytes);
    CFT_EXPECT(t, cft_filled(seen, bytes, KEY, offset));
}

static void carries(cft *t, uint32_t kind)
{
    enum { BYTES = 400000, FROM = 1001, LENGTH = 350000 };
    cede_handle a = 0, b = 0, file = a_file(t, "f", BYTES);
    cft_connected(t, kind, &a, &b);
    cft_narrow(t, a, b);
    cft_rec *part = send_file(t, a, file, FROM, LENGTH);
    expect_part(t, b, FROM, LENGTH);
    cft_await(t, part);
    CFT_MOVED(t, part, LENGTH);
    cft_rec *rest = send_file(t, a, file, BYTES - 20000, CEDE_TO_END);
    expect_part(t, b, BYTES - 20000, 20000);
    cft_await(t, rest);
    CFT_MOVED(t, rest, 20000);
    cft_closed(t, a);
    cft_closed(t, b);
    cft_closed(t, file);
}

CFT_CASE(send_file_carries_what_it_was_asked_for)
{
    carries(t, CFT_TCP);
}

CFT_CASE(send_file_carries_it_over_a_local_stream)
{
    carries(t, CFT_LOCAL);
}

/* Larger than the pipe. */
CFT_CASE(send_file_goes_into_a_pipe)
{
    enum { BYTES = 300000 };
    cede_handle file = a_file(t, "f", BYTES);
    cft_rec *pair = cft_new(t);
    cft_prep_pair(pair, CEDE_PAIR_PIPE);
    cft_do(pair);
    CFT_OK(t, pair);
    cft_rec *send = send_file(t, pair->number, file, 0, BYTES);
    expect_part(t, pair->result.handle, 0, BYTES);
    cft_await(t, send);
    CFT_MOVED(t, send, BYTES);
    cft_closed(t, file);
}

CFT_CASE(send_file_that_meets_the_end_says_so_with_its_count)
{
    enum { BYTES = 5000 };
    cede_handle a = 0, b = 0, file = a_file(t, "f", BYTES);
    cft_connected(t, CFT_TCP, &a, &b);
    cft_rec *rec = send_file(t, a, file, 1000, BYTES);
    cft_await(t, rec);
    CFT_STATUS(t, rec, CEDE_EEOF);
    CFT_EXPECT(t, rec->result.count == BYTES - 1000);
    expect_part(t, b, 1000, BYTES - 1000);
    rec = send_file(t, a, file, BYTES + 10, 1);
    cft_await(t, rec);
    CFT_STATUS(t, rec, CEDE_EEOF);
    CFT_EXPECT(t, rec->result.count == 0);
    rec = send_file(t, a, file, BYTES + 10, CEDE_TO_END);
    cft_await(t, rec);
    CFT_MOVED(t, rec, 0);
    rec = send_file(t, a, file, INT64_MAX, CEDE_TO_END);
    cft_await(t, rec);
    CFT_MOVED(t, rec, 0);
    rec = send_file(t, a, file, 0, 0);
    cft_await(t, rec);
    CFT_MOVED(t, rec, 0);
    cft_talk(t, a, b); /* nothing more has come */
}

/* O2, O3: its turn is where it was submitted. */
CFT_CASE(send_file_takes_its_turn_among_sends)
{
    enum { BYTES = 60000 };
    char seen[8];
    cede_handle a = 0, b = 0, file = a_file(t, "f", BYTES);
    cft_connected(t, CFT_TCP, &a, &b);
    cft_narrow(t, a, b);
    cft_rec *head = cft_send_all(t, a, "head", 4);
    cft_rec *body = send_file(t, a, file, 0, BYTES);
    cft_rec *again = send_file(t, a, file, 7, 100);
    cft_rec *tail = cft_send_all(t, a, "tail", 4);
    size_t taken = cft_take(t, b, seen, 4);
    CFT_EXPECT(t, taken == 4 && memcmp(seen, "head", 4) == 0);
    expect_part(t, b, 0, BYTES);
    expect_part(t, b, 7, 100);
    taken = cft_take(t, b, seen, 4);
    CFT_EXPECT(t, taken == 4 && memcmp(seen, "tail", 4) == 0);
    cft_await(t, tail);
    cft_settle(t);
    CFT_MOVED(t, head, 4);
    CFT_MOVED(t, body, BYTES);
    CFT_MOVED(t, again, 100);
    CFT_EXPECT(t, head->done_at < body->done_at && body->done_at < again->done_at &&
                      again->done_at < tail->done_at);
}

CFT_CASE(send_file_leaves_the_position_alone)
{
    cede_handle a = 0, b = 0, file = a_file(t, "f", 1000);
    cft_connected(t, CFT_TCP, &a, &b);
    for (uint32_t i = 0; i < 2; i++) {
        cft_rec *read = cft_new(t);
        cede_prep_read_all(read->req, file, cft_buffer(read, 100), 100, CEDE_CURRENT);
        cft_do(read);
        CFT_MOVED(t, read, 100);
        CFT_EXPECT(t, cft_filled(read->bytes, 100, KEY, 100 * i));
        cft_rec *send = send_file(t, a, file, 500, 300);
        cft_await(t, send);
        CFT_MOVED(t, send, 300);
    }
}

/* ---- Ended half way ------------------------------------------------------------------------- */

enum { LARGE = 3000000, TAKEN = 20000 };

typedef struct half {
    cede_handle a, b, file;
    cft_rec *send;
    unsigned char *seen;
    size_t got;
} half;

/* A send_file that has moved something and pends, because its peer takes no more. */
static half half_way(cft *t)
{
    half h = {0, 0, a_file(t, "f", LARGE), NULL, cft_alloc(t, LARGE + 1), 0};
    cft_connected(t, CFT_TCP, &h.a, &h.b);
    cft_narrow(t, h.a, h.b);
    h.send = send_file(t, h.a, h.file, 0, LARGE);
    h.got = cft_take(t, h.b, h.seen, TAKEN);
    CFT_EXPECT(t, h.got == TAKEN && !cft_is_done(h.send));
    return h;
}

/* K4: what was counted is what the peer gets. */
static void expect_true_count(cft *t, half *h)
{
    h->got += cft_take(t, h->b, h->seen + h->got, LARGE + 1 - h->got);
    CFT_EXPECT(t, h->send->result.count == h->got && h->got < LARGE);
    CFT_EXPECT(t, cft_filled(h->seen, h->got, KEY, 0));
}

CFT_CASE(send_file_cancelled_half_way_tells_the_count)
{
    half h = half_way(t);
    cft_cancel(t, h.send->ticket);
    cft_cancel(t, h.send->ticket);
    cft_await(t, h.send);
    CFT_ENDED(t, h.send, CEDE_ECANCELED, CEDE_BY_WISH);
    cft_rec *read = cft_new(t); /* the file is nobody's now */
    cede_prep_read(read->req, h.file, cft_buffer(read, 10), 10, 0);
    cft_do(read);
    CFT_OK(t, read);
    cft_closed(t, h.a);
    expect_true_count(t, &h);
}

CFT_CASE(stream_closed_ends_its_send_file)
{
    half h = half_way(t);
    cft_rec *close = cft_close_of(t, h.a);
    cft_await(t, close);
    CFT_OK(t, close);
    CFT_EXPECT(t, cft_is_done(h.send));
    CFT_ENDED(t, h.send, CEDE_ECANCELED, CEDE_BY_CLOSE);
    expect_true_count(t, &h);
}

/* It pends on both. */
CFT_CASE(file_closed_ends_its_send_file)
{
    half h = half_way(t);
    cft_rec *close = cft_close_of(t, h.file);
    cft_await(t, close);
    CFT_OK(t, close);
    CFT_EXPECT(t, cft_is_done(h.send) && h.send->returned_at < close->done_at);
    CFT_ENDED(t, h.send, CEDE_ECANCELED, CEDE_BY_CLOSE);
    cft_closed(t, h.a);
    expect_true_count(t, &h);
}

CFT_CASE(deadline_ends_a_send_file_that_pends)
{
    half h = {0, 0, a_file(t, "f", LARGE), NULL, cft_alloc(t, LARGE + 1), 0};
    cft_connected(t, CFT_TCP, &h.a, &h.b);
    cft_narrow(t, h.a, h.b);
    uint64_t start = cede_now(cft_loop(t));
    h.send = cft_new(t);
    cede_prep_send_file(h.send->req, h.a, h.file, 0, LARGE);
    cede_within(h.send->req, 3 * CEDE_MILLISECOND);
    cft_submit(h.send);
    cft_await(t, h.send);
    CFT_ENDED(t, h.send, CEDE_EDEADLINE, CEDE_BY_DEADLINE);
    CFT_EXPECT(t, cede_now(cft_loop(t)) - start >= 3 * CEDE_MILLISECOND);
    cft_closed(t, h.a);
    expect_true_count(t, &h);
}

CFT_CASE(scope_ends_a_send_file_and_closes_both)
{
    half h = {0, 0, a_file(t, "f", LARGE), NULL, cft_alloc(t, LARGE + 1), 0};
    cft_connected(t, CFT_TCP, &h.a, &h.b);
    cft_narrow(t, h.a, h.b);
    cft_rec *scope = cft_new(t);
    cede_prep_scope(scope->req);
    cft_submit(scope);
    cede_own(scope->ticket, h.a);
    cede_own(scope->ticket, h.file);
    h.send = cft_new(t);
    cede_prep_send_file(h.send->req, h.a, h.file, 0, LARGE);
    cede_in(h.send->req, scope->ticket);
    cft_submit(h.send);
    h.got = cft_take(t, h.b, h.seen, TAKEN);
    cft_cancel(t, scope->ticket);
    cft_await(t, scope);
    CFT_EXPECT(t, cft_is_done(h.send) && h.send->returned_at < scope->done_at);
    CFT_ENDED(t, h.send, CEDE_ECANCELED, CEDE_BY_SCOPE);
    expect_true_count(t, &h);
}

/* No signal comes. */
CFT_CASE(send_file_learns_that_its_peer_is_gone)
{
    half h = half_way(t);
    cft_closed(t, h.b);
    cft_await(t, h.send);
    CFT_EXPECT(t, h.send->result.status == CEDE_EPIPE || h.send->result.status == CEDE_ECONNRESET);
    CFT_EXPECT(t, h.send->result.count < LARGE);
    cft_rec *again = send_file(t, h.a, h.file, 0, 100);
    cft_await(t, again);
    CFT_EXPECT(t, again->result.status == CEDE_EPIPE || again->result.status == CEDE_ECONNRESET);
    CFT_EXPECT(t, again->result.count == 0);
    again = send_file(t, h.a, h.file, LARGE, 1); /* there is nothing to send */
    cft_await(t, again);
    CFT_STATUS(t, again, CEDE_EEOF);
}

/* What was there is sent, the end is told. */
CFT_CASE(file_that_shrinks_ends_its_send_file)
{
    half h = half_way(t);
    cede_handle writer = cft_opened(t, "f", CEDE_OPEN_WRITE);
    cft_rec *cut = cft_new(t);
    cede_prep_truncate(cut->req, writer, TAKEN / 2);
    cft_do(cut);
    CFT_OK(t, cut);
    CFT_EXPECT(t, !cft_is_done(h.send));
    cft_rec *tail = cft_send_all(t, h.a, "!", 1);
    cft_rec *shut = cft_new(t);
    cede_prep_shutdown(shut->req, h.a);
    cft_submit(shut);
    h.got += cft_take(t, h.b, h.seen + h.got, LARGE + 1 - h.got);
    cft_await(t, shut);
    CFT_OK(t, shut);
    CFT_STATUS(t, h.send, CEDE_EEOF);
    CFT_MOVED(t, tail, 1);
    CFT_EXPECT(t, h.send->result.count + 1 == h.got && h.got < LARGE);
    CFT_EXPECT(t, cft_filled(h.seen, h.got - 1, KEY, 0) && h.seen[h.got - 1] == '!');
}

/* More at once than any backend should have buffers for; one that pends holds nobody up. */
CFT_CASE(many_send_files_share_what_there_is)
{
    enum { STREAMS = 40, BYTES = 40000 };
    cede_handle a[STREAMS], b[STREAMS], file = a_file(t, "f", BYTES + STREAMS);
    cft_rec *all[STREAMS];
    half h = {0};
    cft_file(t, "large", NULL, LARGE, KEY);
    h.file = cft_opened(t, "large", CEDE_OPEN_READ);
    cft_connected(t, CFT_TCP, &h.a, &h.b);
    cft_narrow(t, h.a, h.b);
    h.send = send_file(t, h.a, h.file, 0, LARGE);
    for (uint32_t i = 0; i < STREAMS; i++)
        cft_connected(t, CFT_PAIR, &a[i], &b[i]);
    for (uint32_t i = 0; i < STREAMS; i++)
        all[i] = send_file(t, a[i], file, i, BYTES);
    for (uint32_t i = 0; i < STREAMS; i++)
        expect_part(t, b[i], i, BYTES);
    for (uint32_t i = 0; i < STREAMS; i++) {
        cft_await(t, all[i]);
        CFT_MOVED(t, all[i], BYTES);
        cft_drop(t, a[i]);
        cft_drop(t, b[i]);
    }
    CFT_EXPECT(t, !cft_is_done(h.send));
    cft_cancel(t, h.send->ticket);
    cft_await(t, h.send);
    CFT_ENDED(t, h.send, CEDE_ECANCELED, CEDE_BY_WISH);
}

/* ---- Bad input ------------------------------------------------------------------------------ */

static void expect_refused(cft *t, cede_handle stream, cede_handle file, uint64_t offset,
                           uint64_t length, cede_status status)
{
    cft_rec *rec = send_file(t, stream, file, offset, length);
    cft_await(t, rec);
    CFT_STATUS(t, rec, status);
    CFT_EXPECT(t, rec->result.count == 0);
}

CFT_CASE(send_file_needs_a_stream_and_a_file)
{
    cede_handle a = 0, b = 0, file = a_file(t, "f", 100);
    cft_pipe pipe = cft_pipe_reader(t);
    cft_connected(t, CFT_TCP, &a, &b);
    cede_handle writer = cft_opened(t, "w", CEDE_OPEN_WRITE | CEDE_OPEN_CREATE);
    expect_refused(t, pipe.handle, file, 0, 10, CEDE_EBADF);
    cft_closed(t, pipe.handle);
    expect_refused(t, a, b, 0, 10, CEDE_EINVAL);
    expect_refused(t, file, file, 0, 10, CEDE_EINVAL);
    expect_refused(t, a, 0, 0, 10, CEDE_EBADF);
    expect_refused(t, 0, file, 0, 10, CEDE_EBADF);
    expect_refused(t, a, writer, 0, 10, CEDE_EBADF);
    expect_refused(t, a, writer, 0, 0, CEDE_EBADF);
    expect_refused(t, a, writer, 10, CEDE_TO_END, CEDE_EBADF);
    expect_refused(t, a, file, (uint64_t)INT64_MAX + 1, 10, CEDE_EINVAL);
    expect_refused(t, a, file, 10, INT64_MAX, CEDE_EINVAL);
    cft_closed(t, file);
    expect_refused(t, a, file, 0, 10, CEDE_EBADF);
    cft_talk(t, a, b);
}

/* ---- Every way to end it -------------------------------------------------------------------- */

static void send_file_prepare(cft *t, stage *s)
{
    cede_handle file;
    cft_needs(t, CEDE_OP_SEND_FILE);
    cft_file(t, s->name, NULL, ENDS_BYTES, 1);
    file = cft_opened(t, s->name, CEDE_OPEN_READ);
    cft_connected(t, CFT_TCP, &s->handle, &s->second);
    cede_prep_send_file(s->rec->req, s->handle, file, 0, ENDS_BYTES);
}

static void send_file_check(cft *t, stage *s, bool happened)
{
    unsigned char seen[ENDS_BYTES + 1];
    uint64_t count = s->rec->result.count;
    CFT_CHECK(t, count == ENDS_BYTES || !happened);
    if (s->round == BY_LOOP)
        return;
    cft_drop(t, s->handle);
    CFT_CHECK(t, cft_take(t, s->second, seen, sizeof seen) == count || cft_faulted(t));
    CFT_EXPECT(t, cft_filled(seen, count, 1, 0));
}

ENDS(send_file, SEND_FILE, send_file_prepare, NULL, send_file_check)
