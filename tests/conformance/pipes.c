/*
 * Pipes (P2 to P5, O1, O2, K1 to K3 and K7 as pipes have them; laws 7, 10, 14).
 */
#include "conformance.h"

#include <string.h>

static cft_rec *read_from(cft *t, cede_handle handle, size_t bytes)
{
    cft_rec *rec = cft_new(t);
    cede_prep_read(rec->req, handle, cft_buffer(rec, bytes), bytes, CEDE_CURRENT);
    cft_submit(rec);
    return rec;
}

static cft_rec *write_to(cft *t, cede_handle handle, const void *bytes, size_t count)
{
    cft_rec *rec = cft_new(t);
    cede_prep_write(rec->req, handle, cft_input(rec, bytes, count), count, CEDE_CURRENT);
    cft_submit(rec);
    return rec;
}

CFT_CASE(pipe_read_waits_for_data)
{
    cft_pipe pipe = cft_pipe_reader(t);
    cft_rec *read = read_from(t, pipe.handle, 100);
    cft_turn(t);
    cft_turn(t);
    CFT_EXPECT(t, !cft_is_done(read));
    CFT_CHECK(t, cft_peer_write(t, &pipe, "hello", 5) == 5 || cft_faulted(t));
    cft_await(t, read);
    CFT_MOVED(t, read, 5);
    CFT_EXPECT(t, memcmp(read->bytes, "hello", read->result.count) == 0);
    cft_closed(t, pipe.handle);
}

CFT_CASE(pipe_read_finds_data_that_is_there)
{
    cft_pipe pipe = cft_pipe_reader(t);
    cft_peer_write(t, &pipe, "hello", 5);
    cft_rec *read = read_from(t, pipe.handle, 3);
    cft_await(t, read);
    CFT_MOVED(t, read, 3);
    CFT_EXPECT(t, memcmp(read->bytes, "hel", read->result.count) == 0);
    cft_closed(t, pipe.handle);
}

CFT_CASE(pipe_read_ends_when_the_writer_is_gone)
{
    cft_pipe pipe = cft_pipe_reader(t);
    cft_rec *read = read_from(t, pipe.handle, 100);
    cft_flush(t);
    cft_peer_close(t, &pipe);
    cft_await(t, read);
    CFT_OK(t, read);
    CFT_EXPECT(t, read->result.count == 0);
    cft_rec *again = read_from(t, pipe.handle, 100);
    cft_await(t, again);
    CFT_OK(t, again);
    CFT_EXPECT(t, again->result.count == 0);
    cft_closed(t, pipe.handle);
}

CFT_CASE(pipe_write_reaches_the_peer)
{
    char seen[16];
    cft_pipe pipe = cft_pipe_writer(t);
    cft_rec *write = write_to(t, pipe.handle, "hello", 5);
    cft_await(t, write);
    CFT_MOVED(t, write, 5);
    size_t got = cft_peer_read(t, &pipe, seen, sizeof seen);
    CFT_EXPECT(t, got == write->result.count && memcmp(seen, "hello", got) == 0);
    cft_closed(t, pipe.handle);
}

CFT_CASE(pipe_write_waits_for_room)
{
    cft_pipe pipe = cft_pipe_writer(t);
    size_t held = cft_pipe_fill(t, &pipe);
    unsigned char *seen = cft_alloc(t, held + 16);
    cft_rec *write = write_to(t, pipe.handle, "more", 4);
    cft_turn(t);
    cft_turn(t);
    CFT_EXPECT(t, !cft_is_done(write));
    size_t got = cft_peer_read(t, &pipe, seen, held);
    CFT_EXPECT(t, got == held && cft_filled(seen, held, 9, 0));
    cft_await(t, write);
    CFT_MOVED(t, write, 4);
    got = cft_peer_read(t, &pipe, seen, 16);
    CFT_EXPECT(t, got == write->result.count && memcmp(seen, "more", got) == 0);
    cft_closed(t, pipe.handle);
}

/* P2: and no signal ends the process. */
CFT_CASE(pipe_write_without_a_reader_says_epipe)
{
    cft_pipe pipe = cft_pipe_writer(t);
    cft_peer_close(t, &pipe);
    cft_rec *write = write_to(t, pipe.handle, "hello", 5);
    cft_await(t, write);
    CFT_STATUS(t, write, CEDE_EPIPE);
    cft_rec *all = cft_new(t);
    cede_prep_write_all(all->req, pipe.handle, cft_input(all, "hello", 5), 5, CEDE_CURRENT);
    cft_do(all);
    CFT_STATUS(t, all, CEDE_EPIPE);
    CFT_EXPECT(t, all->result.count == 0);
    cft_closed(t, pipe.handle);
}

CFT_CASE(pending_pipe_write_learns_that_the_reader_went)
{
    cft_pipe pipe = cft_pipe_writer(t);
    cft_pipe_fill(t, &pipe);
    cft_rec *write = write_to(t, pipe.handle, "more", 4);
    cft_flush(t);
    cft_peer_close(t, &pipe);
    cft_await(t, write);
    CFT_STATUS(t, write, CEDE_EPIPE);
    cft_closed(t, pipe.handle);
}

/* K1 */
CFT_CASE(pipe_read_cancelled_leaves_the_stream_whole)
{
    cft_pipe pipe = cft_pipe_reader(t);
    cft_rec *read = read_from(t, pipe.handle, 100);
    cft_flush(t);
    cft_cancel(t, read->ticket);
    cft_await(t, read);
    CFT_ENDED(t, read, CEDE_ECANCELED, CEDE_BY_WISH);
    CFT_CHECK(t, read->bytes[0] == 0xee);
    cft_peer_write(t, &pipe, "hello", 5);
    cft_rec *next = read_from(t, pipe.handle, 100);
    cft_await(t, next);
    CFT_MOVED(t, next, 5);
    CFT_EXPECT(t, memcmp(next->bytes, "hello", next->result.count) == 0);
    cft_closed(t, pipe.handle);
}

struct feed {
    cft_pipe *pipe;
    const char *bytes;
};

static void feed(cft *t, void *context)
{
    struct feed *f = context;
    cft_peer_write(t, f->pipe, f->bytes, strlen(f->bytes));
}

/* K2: whichever wins, no byte is lost or doubled. */
CFT_CASE(data_and_cancel_together_lose_no_byte)
{
    char stream[64];
    size_t got = 0;
    cft_pipe pipe = cft_pipe_reader(t);
    struct feed hello = {&pipe, "hello"};
    cft_rec *read = read_from(t, pipe.handle, 3);
    cft_reach(t, read, feed, &hello);
    if (!cft_late(t))
        cft_peer_write(t, &pipe, "hello", 5);
    cft_cancel(t, read->ticket);
    cft_await(t, read);
    CFT_EXPECT(t, read->result.status == CEDE_OK || read->result.status == CEDE_ECANCELED);
    if (read->result.status == CEDE_OK) {
        memcpy(stream, read->bytes, read->result.count);
        got = read->result.count;
    }
    while (got < 5 && !cft_faulted(t)) {
        cft_rec *rest = read_from(t, pipe.handle, 5 - got);
        cft_await(t, rest);
        CFT_OK(t, rest);
        CFT_EXPECT(t, rest->result.count > 0);
        memcpy(stream + got, rest->bytes, rest->result.count);
        got += rest->result.count;
    }
    CFT_EXPECT(t, memcmp(stream, "hello", 5) == 0);
    cft_closed(t, pipe.handle);
}

/* K7 */
CFT_CASE(of_two_pipe_reads_the_cancelled_one_takes_nothing)
{
    cft_pipe pipe = cft_pipe_reader(t);
    cft_rec *first = read_from(t, pipe.handle, 5);
    cft_rec *second = read_from(t, pipe.handle, 5);
    cft_flush(t);
    cft_cancel(t, first->ticket);
    cft_await(t, first);
    CFT_ENDED(t, first, CEDE_ECANCELED, CEDE_BY_WISH);
    cft_peer_write(t, &pipe, "hello", 5);
    cft_await(t, second);
    CFT_MOVED(t, second, 5);
    CFT_EXPECT(t, memcmp(second->bytes, "hello", second->result.count) == 0);
    cft_closed(t, pipe.handle);
}

/* O1, P5 */
CFT_CASE(pipe_reads_take_the_stream_in_submit_order)
{
    enum { READS = 12 };
    unsigned char data[READS * 10];
    cft_rec *all[READS];
    cft_pipe pipe = cft_pipe_reader(t);
    cft_fill(data, sizeof data, 7, 0);
    for (uint32_t i = 0; i < READS; i++)
        all[i] = read_from(t, pipe.handle, 10);
    cft_flush(t);
    for (uint32_t i = 0; i < READS; i++) {
        cft_peer_write(t, &pipe, data + i * 10, 10);
        cft_flush(t);
    }
    cft_peer_close(t, &pipe);
    cft_settle(t);
    uint64_t at = 0;
    for (uint32_t i = 0; i < READS; i++) {
        CFT_OK(t, all[i]);
        CFT_EXPECT(t, cft_filled(all[i]->bytes, all[i]->result.count, 7, at));
        at += all[i]->result.count;
        CFT_EXPECT(t, i == 0 || all[i]->done_at > all[i - 1]->done_at);
    }
    cft_closed(t, pipe.handle);
}

/* O2, O6 */
CFT_CASE(two_large_pipe_writes_do_not_interleave)
{
    const size_t bytes = 150000;
    unsigned char *data = cft_alloc(t, 2 * bytes);
    unsigned char *seen = cft_alloc(t, 2 * bytes);
    size_t got = 0;
    cft_fill(data, 2 * bytes, 7, 0);
    cft_pipe pipe = cft_pipe_writer(t);
    cft_rec *one = cft_new(t);
    cft_rec *two = cft_new(t);
    cede_prep_write_all(one->req, pipe.handle, data, bytes, CEDE_CURRENT);
    cede_prep_write_all(two->req, pipe.handle, data + bytes, bytes, CEDE_CURRENT);
    cft_submit(one);
    cft_submit(two);
    while (got < 2 * bytes && !(cft_is_done(one) && cft_is_done(two))) {
        got += cft_peer_read(t, &pipe, seen + got, 2 * bytes - got);
        cft_run(t, CEDE_MILLISECOND);
        if (cft_faulted(t))
            break;
    }
    if (!cft_faulted(t)) {
        cft_settle(t);
        got += cft_peer_read(t, &pipe, seen + got, 2 * bytes - got);
        CFT_MOVED(t, one, bytes);
        CFT_MOVED(t, two, bytes);
        CFT_EXPECT(t, two->done_at > one->done_at);
        CFT_EXPECT(t, got == 2 * bytes && memcmp(seen, data, got) == 0);
    }
}

/* P3: what the reader got and what the writer was told agree. */
CFT_CASE(partly_drained_pipe_write_cancelled_tells_the_count)
{
    const size_t bytes = 200000;
    unsigned char *data = cft_alloc(t, bytes);
    unsigned char *seen = cft_alloc(t, bytes + 1);
    size_t got = 0;
    cft_fill(data, bytes, 7, 0);
    cft_pipe pipe = cft_pipe_writer(t);
    cft_rec *write = cft_new(t);
    cede_prep_write_all(write->req, pipe.handle, data, bytes, CEDE_CURRENT);
    cft_submit(write);
    while (got < 70000 && !cft_faulted(t)) {
        cft_run(t, CEDE_MILLISECOND);
        got += cft_peer_read(t, &pipe, seen + got, 5000);
    }
    CFT_EXPECT(t, !cft_is_done(write));
    cft_cancel(t, write->ticket);
    cft_await(t, write);
    CFT_ENDED(t, write, CEDE_ECANCELED, CEDE_BY_WISH);
    got += cft_peer_read(t, &pipe, seen + got, bytes - got);
    CFT_EXPECT(t, write->result.count == got);
    CFT_EXPECT(t, memcmp(seen, data, got) == 0);
    cft_closed(t, pipe.handle);
}

/* P4 */
CFT_CASE(close_ends_pending_pipe_transfers_of_both_ends)
{
    cede_handle reader = 0;
    cede_handle writer = 0;
    cft_pipe full = cft_pipe_writer(t);
    cft_pipe_fill(t, &full);
    cft_pipe_both(t, &reader, &writer);
    cft_rec *read = read_from(t, reader, 10);
    cft_rec *write = write_to(t, full.handle, "more", 4);
    cft_flush(t);
    cft_closed(t, reader);
    cft_closed(t, full.handle);
    CFT_CHECK(t, cft_is_done(read) && cft_is_done(write));
    CFT_ENDED(t, read, CEDE_ECANCELED, CEDE_BY_CLOSE);
    CFT_ENDED(t, write, CEDE_ECANCELED, CEDE_BY_CLOSE);
    cft_closed(t, writer);
}

CFT_CASE(pipes_have_no_positions)
{
    cft_pipe pipe = cft_pipe_reader(t);
    cft_peer_write(t, &pipe, "hello", 5);
    cft_rec *read = cft_new(t);
    cede_prep_read(read->req, pipe.handle, cft_buffer(read, 10), 10, 0);
    cft_do(read);
    CFT_STATUS(t, read, CEDE_ESPIPE);
    cft_rec *next = read_from(t, pipe.handle, 10);
    cft_await(t, next);
    CFT_MOVED(t, next, 5);
    cft_closed(t, pipe.handle);
}

/* The end is known before anything is moved. */
CFT_CASE(nothing_moves_at_the_wrong_end_of_a_pipe)
{
    cft_pipe reader = cft_pipe_reader(t), writer = cft_pipe_writer(t);
    cft_move_nothing(t, writer.handle, reader.handle, CEDE_EBADF);
    cft_closed(t, reader.handle);
    cft_closed(t, writer.handle);
}

CFT_CASE(both_ends_of_a_pipe_in_one_loop)
{
    enum { ROUNDS = 50 };
    cede_handle reader = 0;
    cede_handle writer = 0;
    cft_pipe_both(t, &reader, &writer);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        unsigned char data[40];
        cft_fill(data, sizeof data, i, 0);
        cft_rec *read = cft_new(t);
        cede_prep_read_all(read->req, reader, cft_buffer(read, 40), 40, CEDE_CURRENT);
        cft_submit(read);
        cft_rec *write = cft_new(t);
        cede_prep_write_all(write->req, writer, cft_input(write, data, 40), 40, CEDE_CURRENT);
        cft_submit(write);
        if (i % 2)
            cft_await(t, write);
        cft_await(t, read);
        cft_await(t, write);
        CFT_MOVED(t, read, 40);
        CFT_EXPECT(t, memcmp(read->bytes, data, 40) == 0);
    }
    cft_closed(t, writer);
    cft_rec *end = read_from(t, reader, 10);
    cft_await(t, end);
    CFT_OK(t, end);
    CFT_EXPECT(t, end->result.count == 0);
    cft_closed(t, reader);
}

CFT_CASE(fsync_of_a_pipe_is_invalid)
{
    cft_pipe pipe = cft_pipe_writer(t);
    cft_rec *sync = cft_new(t);
    cede_prep_fsync(sync->req, pipe.handle);
    cft_do(sync);
    CFT_STATUS(t, sync, CEDE_EINVAL);
    cft_rec *cut = cft_new(t);
    cede_prep_truncate(cut->req, pipe.handle, 0);
    cft_do(cut);
    CFT_STATUS(t, cut, CEDE_EINVAL);
    cft_closed(t, pipe.handle);
}
