/*
 * Close comes last (law 10; C1 to C7), drop, release, import and the binding of handles.
 */
#include "conformance.h"

#include <string.h>

static cft_rec *read_from(cft *t, cede_handle handle)
{
    cft_rec *rec = cft_new(t);
    cede_prep_read(rec->req, handle, cft_buffer(rec, 8), 8, CEDE_CURRENT);
    cft_submit(rec);
    return rec;
}

static cft_rec *close_of(cft *t, cede_handle handle)
{
    cft_rec *rec = cft_new(t);
    cede_prep_close(rec->req, handle);
    cft_submit(rec);
    return rec;
}

static void expect_stale(cft *t, cede_handle handle)
{
    cft_rec *read = read_from(t, handle);
    cft_await(t, read);
    CFT_STATUS(t, read, CEDE_EBADF);
    CFT_CHECK(t, read->result.status != CEDE_OK);
}

/* C1 */
CFT_CASE(close_delivers_all_that_is_pending_and_then_itself)
{
    enum { PENDING = 8 };
    cft_rec *all[PENDING];
    cft_pipe pipe = cft_pipe_reader(t);
    for (uint32_t i = 0; i < PENDING; i++)
        all[i] = read_from(t, pipe.handle);
    cft_flush(t);
    cft_rec *close = close_of(t, pipe.handle);
    cft_await(t, close);
    CFT_OK(t, close);
    for (uint32_t i = 0; i < PENDING; i++) {
        CFT_CHECK(t, all[i]->done == 1);
        CFT_ENDED(t, all[i], CEDE_ECANCELED, CEDE_BY_CLOSE);
        CFT_CHECK(t, all[i]->returned_at < close->done_at);
    }
    expect_stale(t, pipe.handle);
}

static cft_rec *refused_by(cft *t, cede_handle handle)
{
    cft_rec *rec = cft_new(t);
    cede_prep_accept(rec->req, handle, NULL);
    cft_submit(rec);
    return rec;
}

static void expect_before(cft *t, const cft_rec *refused, const cft_rec *close)
{
    CFT_EXPECT(t, refused->done == 1 && refused->returned_at < close->done_at);
    CFT_STATUS(t, refused, CEDE_EINVAL);
}

/* Who waits for a close frees what the others lie in, too. */
CFT_CASE(close_comes_behind_what_its_handle_refused)
{
    cft_pipe pipe = cft_pipe_reader(t);
    cft_file(t, "f", NULL, 64, 1);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_READ | CEDE_OPEN_WRITE);
    for (uint32_t second = 0; second < 2 && file && pipe.handle; second++) {
        cft_rec *by_file = refused_by(t, file);
        cft_rec *by_pipe = refused_by(t, pipe.handle);
        cft_rec *copy = cft_new(t);
        cede_prep_copy(copy->req, file, 0, pipe.handle, 0, 8);
        cft_submit(copy);
        cft_rec *close = close_of(t, second ? pipe.handle : file);
        cft_await(t, close);
        CFT_OK(t, close);
        expect_before(t, copy, close);
        expect_before(t, second ? by_pipe : by_file, close);
        cft_await(t, second ? by_file : by_pipe);
        if (second)
            break;
        file = cft_opened(t, "f", CEDE_OPEN_READ | CEDE_OPEN_WRITE);
    }
    cft_closed(t, file);
}

CFT_CASE(close_comes_behind_what_was_refused_for_its_arguments)
{
    cft_file(t, "f", NULL, 64, 1);
    for (uint32_t i = 0; i < 4; i++) {
        cede_handle one = cft_opened(t, "f", CEDE_OPEN_READ | CEDE_OPEN_WRITE);
        cede_handle other = cft_opened(t, "f", CEDE_OPEN_READ | CEDE_OPEN_WRITE);
        cft_rec *refused = cft_new(t);
        if (i < 2)
            cede_prep_copy(refused->req, one, UINT64_MAX, other, 0, 8);
        else
            cede_prep_send_file(refused->req, one, other, UINT64_MAX, 8);
        cft_submit(refused);
        cft_rec *close = close_of(t, i % 2 ? one : other);
        cft_await(t, close);
        CFT_OK(t, close);
        if (one && other)
            expect_before(t, refused, close);
        cft_closed(t, i % 2 ? other : one);
    }
}

CFT_CASE(handle_is_stale_from_the_submit_of_its_close_on)
{
    cft_file(t, "f", NULL, 64, 1);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_READ | CEDE_OPEN_WRITE);
    cft_rec *close = close_of(t, file);
    cft_rec *late = cft_new(t);
    cede_prep_write(late->req, file, cft_input(late, "x", 1), 1, 0);
    cft_submit(late);
    cft_settle(t);
    CFT_OK(t, close);
    CFT_STATUS(t, late, CEDE_EBADF);
    unsigned char seen[64];
    CFT_EXPECT(t, cft_file_read(t, "f", seen, 64, 0) == 64 && cft_filled(seen, 64, 1, 0));
}

/* C2: the system hands the same number out again; the old name must not reach it. */
CFT_CASE(stale_handle_never_reaches_a_later_file)
{
    unsigned char seen[16];
    cft_file(t, "a", NULL, 16, 1);
    cft_file(t, "b", NULL, 16, 2);
    cede_handle old = 0;
    for (uint32_t i = 0; i < 10; i++) {
        cede_handle first = cft_opened(t, "a", CEDE_OPEN_READ | CEDE_OPEN_WRITE);
        CFT_EXPECT(t, first != old);
        cft_closed(t, first);
        cede_handle second = cft_opened(t, "b", CEDE_OPEN_READ | CEDE_OPEN_WRITE);
        CFT_EXPECT(t, second != first);
        cft_rec *write = cft_new(t);
        cede_prep_write(write->req, first, cft_input(write, "x", 1), 1, 0);
        cft_do(write);
        CFT_STATUS(t, write, CEDE_EBADF);
        cft_drop(t, first);
        cft_rec *close = close_of(t, first);
        cft_await(t, close);
        CFT_STATUS(t, close, CEDE_EBADF);
        cft_rec *read = cft_new(t);
        cede_prep_read_all(read->req, second, cft_buffer(read, 16), 16, 0);
        cft_do(read);
        CFT_MOVED(t, read, 16);
        CFT_EXPECT(t, cft_filled(read->bytes, 16, 2, 0));
        cft_closed(t, second);
        old = first;
    }
    CFT_EXPECT(t, cft_file_read(t, "b", seen, 16, 0) == 16 && cft_filled(seen, 16, 2, 0));
}

static void close_in_callback(cft_rec *rec)
{
    cft_rec *close = rec->data;
    cede_prep_close(close->req, (cede_handle)rec->number);
    cft_submit_on(close, rec->loop);
}

/* C3 */
CFT_CASE(close_in_ones_own_callback)
{
    cft_pipe pipe = cft_pipe_reader(t);
    cft_rec *close = cft_new(t);
    cft_rec *first = cft_new(t);
    first->then = close_in_callback;
    first->data = close;
    first->number = pipe.handle;
    cede_prep_read(first->req, pipe.handle, cft_buffer(first, 3), 3, CEDE_CURRENT);
    cft_submit(first);
    cft_rec *second = read_from(t, pipe.handle);
    cft_flush(t);
    cft_peer_write(t, &pipe, "abc", 3);
    cft_settle(t);
    CFT_EXPECT(t, first->result.status == CEDE_OK);
    CFT_CHECK(t, close->done == 1 && second->done == 1);
    CFT_EXPECT(t, close->result.status == CEDE_OK);
    CFT_EXPECT(t, second->returned_at < close->done_at);
}

/* C4 */
CFT_CASE(second_close_finds_nothing)
{
    cft_file(t, "f", NULL, 8, 1);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_READ);
    cft_rec *first = close_of(t, file);
    cft_rec *second = close_of(t, file);
    cft_settle(t);
    CFT_OK(t, first);
    CFT_STATUS(t, second, CEDE_EBADF);
    cft_rec *third = close_of(t, file);
    cft_await(t, third);
    CFT_STATUS(t, third, CEDE_EBADF);
}

/* C5 */
CFT_CASE(cancel_of_what_a_close_is_ending_changes_nothing)
{
    cft_pipe pipe = cft_pipe_reader(t);
    cft_rec *read = read_from(t, pipe.handle);
    cft_flush(t);
    cft_rec *close = close_of(t, pipe.handle);
    cft_cancel(t, read->ticket);
    cft_cancel(t, close->ticket);
    cft_settle(t);
    CFT_OK(t, close);
    CFT_ENDED(t, read, CEDE_ECANCELED, CEDE_BY_CLOSE);
}

/* C6 */
CFT_CASE(peer_sees_the_end_after_a_close)
{
    char byte;
    cft_pipe pipe = cft_pipe_writer(t);
    cft_rec *write = cft_new(t);
    cede_prep_write_all(write->req, pipe.handle, cft_input(write, "bye", 3), 3, CEDE_CURRENT);
    cft_do(write);
    cft_closed(t, pipe.handle);
    char seen[8];
    CFT_EXPECT(t, cft_peer_read(t, &pipe, seen, 8) == 3 && memcmp(seen, "bye", 3) == 0);
    CFT_EXPECT(t, cft_peer_read(t, &pipe, &byte, 1) == 0);

    cede_handle reader = 0;
    cede_handle writer = 0;
    cft_pipe_both(t, &reader, &writer);
    cft_rec *read = read_from(t, reader);
    cft_flush(t);
    cft_closed(t, writer);
    cft_await(t, read);
    CFT_OK(t, read);
    CFT_EXPECT(t, read->result.count == 0);
    cft_closed(t, reader);
}

/* C7 */
CFT_CASE(remote_close_is_a_close)
{
    cft_pipe pipe = cft_pipe_reader(t);
    cft_rec *read = read_from(t, pipe.handle);
    cft_flush(t);
    cft_rec *close = cft_new(t);
    cede_prep_close(close->req, pipe.handle);
    cft_submit_remote(close, cft_loop(t));
    cft_settle(t);
    CFT_OK(t, close);
    CFT_ENDED(t, read, CEDE_ECANCELED, CEDE_BY_CLOSE);
    CFT_EXPECT(t, read->returned_at < close->done_at);
    expect_stale(t, pipe.handle);
}

CFT_CASE(drop_closes_without_a_request)
{
    cft_pipe pipe = cft_pipe_reader(t);
    cft_rec *read = read_from(t, pipe.handle);
    cft_flush(t);
    cft_drop(t, pipe.handle);
    cft_settle(t); /* an outstanding drop keeps the loop from being idle */
    CFT_CHECK(t, read->done == 1);
    CFT_ENDED(t, read, CEDE_ECANCELED, CEDE_BY_CLOSE);
    expect_stale(t, pipe.handle);
    cft_drop(t, pipe.handle);
    cft_drop(t, 0);
    cft_drop(t, UINT64_MAX);
    cft_turn(t);
}

CFT_CASE(drop_of_an_unbound_handle_closes_in_the_call)
{
    cede_handle reader = 0;
    cede_handle writer = 0;
    cft_pipe_both(t, &reader, &writer);
    cft_rec *read = read_from(t, reader);
    cft_flush(t);
    cft_drop(t, writer); /* never used with a loop */
    cft_await(t, read);
    CFT_OK(t, read);
    CFT_EXPECT(t, read->result.count == 0);
    cft_closed(t, reader);
}

CFT_CASE(close_of_an_unbound_handle_works)
{
    cede_handle reader = 0;
    cede_handle writer = 0;
    cft_pipe_both(t, &reader, &writer);
    cft_closed(t, writer);
    cft_closed(t, reader);
    expect_stale(t, writer);
}

CFT_CASE(close_needs_no_open_scope)
{
    cft_file(t, "f", NULL, 8, 1);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_READ);
    cft_rec *scope = cft_new(t);
    cede_prep_scope(scope->req);
    cft_submit(scope);
    cft_cancel(t, scope->ticket);
    cft_await(t, scope);
    cft_rec *close = cft_new(t);
    cede_prep_close(close->req, file);
    cede_in(close->req, scope->ticket);
    cft_do(close);
    CFT_OK(t, close);
    expect_stale(t, file);
}

CFT_CASE(close_in_a_scope_is_not_moved_by_its_end)
{
    cft_pipe pipe = cft_pipe_reader(t);
    cft_rec *scope = cft_new(t);
    cede_prep_scope(scope->req);
    cft_submit(scope);
    cft_rec *close = cft_new(t);
    cede_prep_close(close->req, pipe.handle);
    cede_in(close->req, scope->ticket);
    cft_submit(close);
    cft_cancel(t, scope->ticket);
    cft_settle(t);
    CFT_OK(t, close);
    CFT_EXPECT(t, scope->done_at > close->returned_at);
}

CFT_CASE(handle_of_another_loop_is_invalid)
{
    cft_file(t, "f", NULL, 8, 1);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_READ);
    cft_rec *bind = cft_new(t);
    cede_prep_read(bind->req, file, cft_buffer(bind, 8), 8, 0);
    cft_do(bind);
    cede_options options;
    cft_options(t, &options);
    cede_loop *other = cft_open(t, &options);
    cft_rec *theirs = cft_new(t);
    cede_prep_read(theirs->req, file, cft_buffer(theirs, 8), 8, 0);
    cft_submit_on(theirs, other);
    CFT_CHECK(t, cft_wait_on(other, theirs->ticket, CEDE_FOREVER) == CEDE_OK);
    CFT_STATUS(t, theirs, CEDE_EINVAL);
    cft_rec *close = cft_new(t);
    cede_prep_close(close->req, file);
    cft_submit_on(close, other);
    CFT_CHECK(t, cft_wait_on(other, close->ticket, CEDE_FOREVER) == CEDE_OK);
    CFT_STATUS(t, close, CEDE_EINVAL);
    CFT_CHECK(t, cft_close_on(t, other, CEDE_FOREVER) == CEDE_OK);
    cft_rec *again = cft_new(t);
    cede_prep_read(again->req, file, cft_buffer(again, 8), 8, 0);
    cft_do(again);
    CFT_MOVED(t, again, 8);
    cft_closed(t, file);
}

CFT_CASE(release_waits_until_nothing_is_pending)
{
    intptr_t native = -1;
    cft_pipe pipe = cft_pipe_reader(t);
    cft_rec *read = read_from(t, pipe.handle);
    cft_flush(t);
    cede_status busy = cede_release(pipe.handle, &native);
    CFT_EXPECT(t, busy == CEDE_EBUSY || busy == CEDE_ENOTSUP);
    cft_cancel(t, read->ticket);
    cft_await(t, read);
    cft_rec *sent = cft_new(t); /* and the loop has not taken it */
    cede_prep_read(sent->req, pipe.handle, cft_buffer(sent, 8), 8, CEDE_CURRENT);
    cft_submit_remote(sent, cft_loop(t));
    busy = cede_release(pipe.handle, &native);
    CFT_EXPECT(t, busy == CEDE_EBUSY || busy == CEDE_ENOTSUP);
    cft_cancel(t, sent->ticket);
    cft_await(t, sent);
    cede_status status = cede_release(pipe.handle, &native);
    CFT_EXPECT(t, status == CEDE_OK || status == CEDE_ENOTSUP);
    if (status == CEDE_OK) {
        CFT_CHECK(t, native == pipe.native);
        expect_stale(t, pipe.handle);
        CFT_CHECK(t, cede_release(pipe.handle, &native) == CEDE_EBADF);
        cede_handle again = cede_import(native, CEDE_KIND_PIPE, 0);
        CFT_EXPECT(t, again != 0 && again != pipe.handle);
        pipe.handle = again;
    }
    cft_peer_write(t, &pipe, "abc", 3);
    cft_rec *next = read_from(t, pipe.handle);
    cft_await(t, next);
    CFT_MOVED(t, next, 3);
    cft_closed(t, pipe.handle);
    CFT_CHECK(t, cede_release(pipe.handle, &native) == CEDE_EBADF);
    CFT_CHECK(t, cede_release(0, &native) == CEDE_EBADF);
}

static void expect_busy(cft *t, cede_handle handle)
{
    intptr_t native = -1;
    cede_status status = cede_release(handle, &native);
    CFT_CHECK(t, native == -1);
    CFT_EXPECT(t, status == CEDE_EBUSY || status == CEDE_ENOTSUP);
}

/* And taken back. */
static void expect_released(cft *t, cft_pipe *pipe)
{
    intptr_t native = -1;
    cede_status status = cede_release(pipe->handle, &native);
    CFT_EXPECT(t, status == CEDE_OK || status == CEDE_ENOTSUP);
    if (status)
        return;
    CFT_CHECK(t, native == pipe->native);
    pipe->handle = cede_import(native, CEDE_KIND_PIPE, 0);
    CFT_EXPECT(t, pipe->handle != 0);
}

/* A close of the handle, or a spawn that is given it. */
static cft_rec *close_or_spawn(cft *t, bool close, cede_handle handle)
{
    const char *words[] = {"exit:0", NULL};
    cft_rec *rec;
    if (!close)
        return cft_prep_child(t, 0, handle, words);
    rec = cft_new(t);
    cede_prep_close(rec->req, handle);
    return rec;
}

/* It stands in no order of the handle's: refused, or behind a link that is open. */
CFT_CASE(release_waits_for_a_close_or_spawn_that_has_not_begun)
{
    cft_pipe pipe = cft_pipe_reader(t);
    for (int close = 0; close < 2; close++) {
        cft_rec *refused = close_or_spawn(t, close, pipe.handle);
        cede_link(refused->req, NULL, NULL);
        cft_submit_on(refused, cft_loop(t));
        expect_busy(t, pipe.handle);
        cft_await(t, refused);
        CFT_STATUS(t, refused, CEDE_EINVAL);
        expect_released(t, &pipe);
    }
    for (int close = 0; close < 2; close++) {
        cft_rec *first = cft_new(t), *held = close_or_spawn(t, close, pipe.handle);
        cede_prep_pend(first->req);
        cft_link(first, held);
        cft_submit_on(first, cft_loop(t));
        cft_flush(t);
        expect_busy(t, pipe.handle);
        cft_complete(t, first->ticket, CEDE_EPIPE, 0); /* only a close goes on then */
        cft_settle(t);
        CFT_STATUS(t, held, close ? CEDE_OK : CEDE_ECANCELED);
        if (!close)
            expect_released(t, &pipe);
    }
    expect_stale(t, pipe.handle);
}

static void drops_it(void *context)
{
    cede_drop(*(cede_handle *)context);
}

/* What another thread sent before, and the loop has not taken: the handle is stale then. */
CFT_CASE(release_behind_a_drop_or_close_that_was_sent_finds_nothing)
{
    intptr_t native = -1;
    for (int close = 0; close < 2; close++) {
        cft_pipe pipe = cft_pipe_reader(t);
        cft_rec *read = read_from(t, pipe.handle);
        cft_cancel(t, read->ticket);
        cft_await(t, read);
        cft_rec *rec = close ? cft_new(t) : NULL;
        if (close) {
            cede_prep_close(rec->req, pipe.handle);
            cft_submit_remote(rec, cft_loop(t));
        } else {
            cft_thread(t, drops_it, &pipe.handle);
            cft_join(t);
        }
        cede_status status = cede_release(pipe.handle, &native);
        CFT_EXPECT(t, status == CEDE_EBADF || status == CEDE_ENOTSUP);
        if (close) {
            cft_await(t, rec);
            CFT_OK(t, rec);
        }
        cft_settle(t);
        expect_stale(t, pipe.handle);
    }
}

CFT_CASE(import_refuses_what_cannot_be)
{
    (void)cft_loop(t);
    CFT_CHECK(t, cede_import(-1, CEDE_KIND_AUTO, 0) == 0);
    CFT_CHECK(t, cede_import(INTPTR_MIN, CEDE_KIND_PIPE, 0) == 0);
    CFT_CHECK(t, cede_import(0, CEDE_KIND_FILE | CEDE_KIND_PIPE, 0) == 0);
    CFT_CHECK(t, cede_import(0, 0x8000, 0) == 0);
    CFT_CHECK(t, cede_import(0, CEDE_KIND_FILE, 0x80) == 0);
}

/* Borrowed: close forgets it, the descriptor stays the caller's. */
CFT_CASE(borrowed_descriptor_outlives_its_handle)
{
    cft_pipe pipe = cft_pipe_reader(t);
    for (uint32_t i = 0; i < 6; i++) {
        cede_handle borrowed = cede_import(pipe.native, CEDE_KIND_PIPE, CEDE_IMPORT_BORROW);
        CFT_EXPECT(t, borrowed != 0 && borrowed != pipe.handle);
        cft_rec *read = read_from(t, borrowed);
        cft_flush(t);
        if (i % 3 == 0) {
            cft_closed(t, borrowed);
        } else if (i % 3 == 1) {
            cft_drop(t, borrowed);
        } else {
            cft_peer_write(t, &pipe, "x", 1);
            cft_await(t, read);
            CFT_MOVED(t, read, 1);
            cft_closed(t, borrowed);
        }
        cft_await(t, read);
        expect_stale(t, borrowed);
    }
    cft_peer_write(t, &pipe, "abc", 3);
    cft_rec *read = read_from(t, pipe.handle);
    cft_await(t, read);
    CFT_MOVED(t, read, 3);
    cft_closed(t, pipe.handle);
}

/* Cancel by the request's own slot, never by descriptor. */
CFT_CASE(closing_one_name_of_a_descriptor_spares_the_other)
{
    cft_pipe pipe = cft_pipe_reader(t);
    cede_handle borrowed = cede_import(pipe.native, CEDE_KIND_PIPE, CEDE_IMPORT_BORROW);
    cft_rec *ours = read_from(t, pipe.handle);
    cft_rec *theirs = read_from(t, borrowed);
    cft_flush(t);
    cft_closed(t, borrowed);
    CFT_ENDED(t, theirs, CEDE_ECANCELED, CEDE_BY_CLOSE);
    cft_turn(t);
    CFT_EXPECT(t, ours->done == 0);
    cft_peer_write(t, &pipe, "abc", 3);
    cft_await(t, ours);
    CFT_MOVED(t, ours, 3);
    cft_closed(t, pipe.handle);
}

CFT_CASE(many_handles_open_and_close)
{
    enum { MANY = 60 };
    cede_handle all[MANY];
    cft_file(t, "f", NULL, 8, 1);
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < MANY; i++)
            all[i] = cft_opened(t, "f", CEDE_OPEN_READ);
        for (uint32_t i = 0; i < MANY; i++) {
            uint32_t j = (i * 17 + round) % MANY;
            if (j % 2)
                cft_drop(t, all[j]);
            else
                cft_closed(t, all[j]);
        }
        for (uint32_t i = 0; i < MANY; i++)
            expect_stale(t, all[i]);
    }
}
