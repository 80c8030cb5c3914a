/*
 * Order and progress (law 14; O4, O6): one handle, one direction, in submit order; the rest free.
 */
#include "conformance.h"

#include <string.h>

/* O4 */
CFT_CASE(appends_keep_submit_order)
{
    enum { APPENDS = 12 };
    unsigned char seen[256];
    cft_rec *all[APPENDS];
    uint64_t at = 0;
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_WRITE | CEDE_OPEN_CREATE);
    for (uint32_t i = 0; i < APPENDS; i++) {
        unsigned char data[10];
        memset(data, 'a' + (int)i, sizeof data);
        all[i] = cft_new(t);
        cede_prep_append(all[i]->req, file, cft_input(all[i], data, 10), 10);
        cft_submit(all[i]);
    }
    cft_settle(t);
    uint64_t size = cft_file_read(t, "f", seen, sizeof seen, 0);
    for (uint32_t i = 0; i < APPENDS; i++) {
        CFT_MOVED(t, all[i], 10);
        CFT_EXPECT(t, i == 0 || all[i]->done_at > all[i - 1]->done_at);
        for (uint64_t b = 0; b < all[i]->result.count; b++)
            CFT_EXPECT(t, seen[at + b] == 'a' + i);
        at += all[i]->result.count;
    }
    CFT_EXPECT(t, at == size);
    cft_closed(t, file);
}

/* A read at the position finds this byte next; -1: the end. */
static void expect_next(cft *t, cede_handle file, int byte)
{
    cft_rec *read = cft_new(t);
    cede_prep_read(read->req, file, cft_buffer(read, 1), 1, CEDE_CURRENT);
    cft_do(read);
    CFT_OK(t, read);
    CFT_EXPECT(t, read->result.count == (byte < 0 ? 0u : 1u));
    CFT_EXPECT(t, byte < 0 || read->bytes[0] == byte);
}

/* F12 */
CFT_CASE(append_leaves_the_position_alone_and_append_mode_moves_it)
{
    unsigned char seen[40];
    cft_file(t, "f", "0123456789", 10, 0);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_READ | CEDE_OPEN_WRITE | CEDE_OPEN_APPEND);
    expect_next(t, file, '0');
    cft_rec *append = cft_new(t);
    cede_prep_append(append->req, file, cft_input(append, "abc", 3), 3);
    cft_do(append);
    CFT_MOVED(t, append, 3);
    expect_next(t, file, '1');
    cft_rec *aside = cft_new(t); /* goes to the end too, whatever its offset */
    cede_prep_write_all(aside->req, file, cft_input(aside, "d", 1), 1, 3);
    cft_do(aside);
    CFT_MOVED(t, aside, 1);
    expect_next(t, file, '2');
    cft_rec *write = cft_new(t);
    cede_prep_write(write->req, file, cft_input(write, "xyz", 3), 3, CEDE_CURRENT);
    cft_do(write);
    CFT_MOVED(t, write, 3);
    expect_next(t, file, -1); /* behind what was written */
    uint64_t first = append->result.count, last = write->result.count;
    uint64_t bytes = cft_file_read(t, "f", seen, sizeof seen, 0);
    CFT_EXPECT(t, bytes == 10 + first + 1 + last);
    CFT_EXPECT(t, memcmp(seen, "0123456789abc", 10 + first) == 0 && seen[10 + first] == 'd');
    CFT_EXPECT(t, memcmp(seen + 11 + first, "xyz", last) == 0);
    cft_closed(t, file);

    cede_handle plain = cft_opened(t, "f", CEDE_OPEN_READ | CEDE_OPEN_WRITE);
    expect_next(t, plain, '0');
    cft_rec *again = cft_new(t);
    cede_prep_append(again->req, plain, cft_input(again, "!", 1), 1);
    cft_do(again);
    CFT_MOVED(t, again, 1);
    expect_next(t, plain, '1');
    cft_closed(t, plain);
}

CFT_CASE(failed_first_does_not_stop_the_second)
{
    cft_pipe pipe = cft_pipe_reader(t);
    cft_rec *first = cft_new(t);
    cede_prep_read(first->req, pipe.handle, cft_buffer(first, 4), 4, CEDE_CURRENT);
    cede_within(first->req, CEDE_MILLISECOND);
    cft_submit(first);
    cft_rec *second = cft_new(t);
    cede_prep_read(second->req, pipe.handle, cft_buffer(second, 4), 4, CEDE_CURRENT);
    cft_submit(second);
    cft_await(t, first);
    CFT_ENDED(t, first, CEDE_EDEADLINE, CEDE_BY_DEADLINE);
    CFT_EXPECT(t, second->done == 0);
    cft_peer_write(t, &pipe, "abcd", 4);
    cft_await(t, second);
    CFT_MOVED(t, second, 4);
    cft_closed(t, pipe.handle);
}

/* Order binds what has started. */
CFT_CASE(held_request_that_ends_unstarted_is_delivered_at_once)
{
    cft_pipe pipe = cft_pipe_reader(t);
    cft_rec *all[3];
    for (uint32_t i = 0; i < 3; i++) {
        all[i] = cft_new(t);
        cede_prep_read(all[i]->req, pipe.handle, cft_buffer(all[i], 4), 4, CEDE_CURRENT);
        cft_submit(all[i]);
    }
    cft_flush(t);
    cft_cancel(t, all[1]->ticket);
    cft_turn(t);
    cft_turn(t);
    CFT_EXPECT(t, all[0]->done == 0 && all[2]->done == 0);
    cft_await(t, all[1]);
    CFT_ENDED(t, all[1], CEDE_ECANCELED, CEDE_BY_WISH);
    CFT_EXPECT(t, all[0]->done == 0);
    cft_peer_write(t, &pipe, "abcd", 4);
    cft_await(t, all[0]);
    CFT_MOVED(t, all[0], 4);
    uint64_t left = 4 - all[0]->result.count;
    cft_peer_write(t, &pipe, "efgh", 4);
    cft_await(t, all[2]);
    CFT_EXPECT(t, all[2]->result.status == CEDE_OK);
    CFT_EXPECT(t, all[2]->bytes[0] == (unsigned char)"abcdefgh"[4 - left]);
    cft_closed(t, pipe.handle);
}

static void note_order(cft_rec *rec)
{
    uint32_t *next = rec->data;
    CFT_CHECK(rec->t, cft_faulted(rec->t) || rec->number == *next);
    ++*next;
}

CFT_CASE(remote_submits_of_one_thread_keep_their_order)
{
    uint32_t *next = cft_alloc(t, sizeof *next);
    for (uint32_t i = 0; i < 50; i++) {
        cft_rec *rec = cft_new(t);
        rec->then = note_order;
        rec->data = next;
        rec->number = i;
        cede_prep_nop(rec->req);
        cft_submit_remote(rec, cft_loop(t));
    }
    cft_settle(t);
    CFT_EXPECT(t, *next == 50);
}

CFT_CASE(nops_come_in_submit_order)
{
    uint32_t *next = cft_alloc(t, sizeof *next);
    for (uint32_t i = 0; i < 50; i++) {
        cft_rec *rec = cft_new(t);
        rec->then = note_order;
        rec->data = next;
        rec->number = i;
        cede_prep_nop(rec->req);
        cft_submit(rec);
    }
    cft_settle(t);
    CFT_EXPECT(t, *next == 50);
}

/* A pending read on one handle does not hold what is on others. */
CFT_CASE(order_is_each_handles_own)
{
    cft_pipe stuck = cft_pipe_reader(t);
    cft_pipe busy = cft_pipe_reader(t);
    cft_rec *pending = cft_new(t);
    cede_prep_read(pending->req, stuck.handle, cft_buffer(pending, 4), 4, CEDE_CURRENT);
    cft_submit(pending);
    for (uint32_t i = 0; i < 5; i++) {
        cft_peer_write(t, &busy, "abcd", 4);
        cft_rec *read = cft_new(t);
        cede_prep_read_all(read->req, busy.handle, cft_buffer(read, 4), 4, CEDE_CURRENT);
        cft_do(read);
        CFT_MOVED(t, read, 4);
    }
    CFT_EXPECT(t, pending->done == 0);
    cft_closed(t, stuck.handle);
    CFT_ENDED(t, pending, CEDE_ECANCELED, CEDE_BY_CLOSE);
    cft_closed(t, busy.handle);
}

/* Reads and writes at one file's position are two directions. */
CFT_CASE(directions_of_a_file_are_ordered_each_by_itself)
{
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_READ | CEDE_OPEN_WRITE | CEDE_OPEN_CREATE);
    cft_rec *writes[4];
    for (uint32_t i = 0; i < 4; i++) {
        writes[i] = cft_new(t);
        cede_prep_write_all(writes[i]->req, file, cft_input(writes[i], "abcdefgh", 8), 8,
                            CEDE_CURRENT);
        cft_submit(writes[i]);
    }
    cft_settle(t);
    for (uint32_t i = 0; i < 4; i++) {
        CFT_MOVED(t, writes[i], 8);
        CFT_EXPECT(t, i == 0 || writes[i]->done_at > writes[i - 1]->done_at);
    }
    CFT_EXPECT(t, cft_file_size(t, "f") == 32);
    cft_closed(t, file);
}

CFT_CASE(cancelling_a_crowd_in_the_middle_keeps_the_rest_in_order)
{
    enum { READS = 20 };
    cft_rec *all[READS];
    uint64_t at = 0;
    uint32_t last = 0;
    unsigned char data[4 * READS];
    cft_pipe pipe = cft_pipe_reader(t);
    cft_fill(data, sizeof data, 3, 0);
    for (uint32_t i = 0; i < READS; i++) {
        all[i] = cft_new(t);
        cede_prep_read_all(all[i]->req, pipe.handle, cft_buffer(all[i], 4), 4, CEDE_CURRENT);
        cft_submit(all[i]);
    }
    cft_flush(t);
    for (uint32_t i = 1; i < READS; i += 2)
        cft_cancel(t, all[i]->ticket);
    cft_flush(t);
    cft_peer_write(t, &pipe, data, sizeof data / 2);
    cft_settle(t);
    for (uint32_t i = 0; i < READS; i++) {
        if (i % 2) {
            CFT_ENDED(t, all[i], CEDE_ECANCELED, CEDE_BY_WISH);
            continue;
        }
        CFT_MOVED(t, all[i], 4);
        CFT_EXPECT(t, cft_filled(all[i]->bytes, 4, 3, at));
        CFT_EXPECT(t, all[i]->done_at > last);
        at += 4;
        last = all[i]->done_at;
    }
    cft_closed(t, pipe.handle);
}
