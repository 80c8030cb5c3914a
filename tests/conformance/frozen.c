/*
 * The worst race, made certain: the kernel is stopped in the middle of its copy (userfaultfd on
 * Linux, a hold in sim), and then comes the cancel, the deadline, the close, the end of the loop
 * (F3, F4, D4, L1, X9; laws 6, 7, 9, 11, 13).
 */
#include "conformance.h"

#include <stdatomic.h>
#include <string.h>

#define BYTES 256u

static cft_rec *opened(cft *t, const char *path)
{
    cft_rec *open = cft_new(t);
    cede_prep_open(open->req, path, CEDE_OPEN_READ, 0);
    cft_do(open);
    CFT_OK(t, open);
    return open;
}

static cft_rec *frozen_read(cft *t, cede_ticket scope, cede_handle *file)
{
    unsigned char *buffer = cft_frozen_buffer(t, BYTES);
    const cft_rec *open = opened(t, cft_frozen_file(t, BYTES));
    cft_rec *read = cft_new(t);
    read->data = buffer;
    cede_prep_read(read->req, open->result.handle, buffer, BYTES, 0);
    if (scope.generation)
        cede_in(read->req, scope);
    cft_submit(read);
    cft_freeze(t);
    cft_frozen_await(t);
    *file = open->result.handle;
    return read;
}

static void expect_whole(cft *t, const cft_rec *read)
{
    const unsigned char *buffer = read->data;
    CFT_OK(t, read);
    CFT_CHECK(t, read->result.count == BYTES);
    CFT_CHECK(t, read->result.flags & CEDE_CANCEL_ASKED);
    /* both halves came: neither is the fill any more */
    CFT_CHECK(t, buffer[0] != 0xee && buffer[BYTES - 1] != 0xee);
}

/* F3 */
CFT_CASE(read_cancelled_while_frozen_completes_with_its_count)
{
    cede_handle file = 0;
    cft_rec *read = frozen_read(t, (cede_ticket){0, 0}, &file);
    cft_cancel(t, read->ticket);
    for (uint32_t i = 0; i < 5; i++) {
        cft_turn(t);
        cft_flush(t);
        CFT_CHECK(t, read->done == 0); /* not before the kernel has let go */
    }
    CFT_CHECK(t, cft_wait(t, read, CEDE_MILLISECOND) == CEDE_EDEADLINE);
    cft_thaw(t);
    cft_await(t, read);
    expect_whole(t, read);
    CFT_CHECK(t, (read->result.flags & CEDE_BY_ANY) == 0);
    cft_closed(t, file);
}

/* D4 */
CFT_CASE(deadline_on_a_frozen_read_waits_for_the_thaw)
{
    cede_handle file = 0;
    cft_rec *read = frozen_read(t, (cede_ticket){0, 0}, &file);
    cede_extend(read->ticket, 200 * CEDE_MICROSECOND); /* gives it one, now that it is frozen */
    cft_rec *timer = cft_new(t);
    cede_prep_timer(timer->req, 3 * CEDE_MILLISECOND);
    cft_do(timer);
    cft_flush(t);
    CFT_CHECK(t, read->done == 0);
    cft_thaw(t);
    cft_await(t, read);
    CFT_OK(t, read); /* what cannot be stopped completes late and truthfully */
    CFT_CHECK(t, read->result.count == BYTES);
    cft_closed(t, file);
}

CFT_CASE(scope_of_a_frozen_read_ends_after_the_thaw)
{
    cede_handle file = 0;
    cft_rec *scope = cft_new(t);
    cede_prep_scope(scope->req);
    cft_submit(scope);
    cft_rec *other = cft_new(t);
    cede_prep_pend(other->req);
    cede_in(other->req, scope->ticket);
    cft_submit(other);
    cft_rec *read = frozen_read(t, scope->ticket, &file);
    cft_fail(t, scope->ticket, CEDE_EIO);
    cft_await(t, other);
    CFT_ENDED(t, other, CEDE_ECANCELED, CEDE_BY_SCOPE);
    CFT_CHECK(t, cft_wait(t, scope, CEDE_MILLISECOND) == CEDE_EDEADLINE);
    CFT_CHECK(t, read->done == 0 && scope->done == 0);
    cft_thaw(t);
    cft_await(t, scope);
    CFT_STATUS(t, scope, CEDE_EIO);
    expect_whole(t, read);
    CFT_CHECK(t, read->returned_at < scope->done_at);
    cft_closed(t, file);
}

CFT_CASE(close_of_a_frozen_handle_waits_for_the_thaw)
{
    cede_handle file = 0;
    cede_handle other = opened(t, cft_file(t, "other", NULL, BYTES, 1))->result.handle;
    cft_rec *read = frozen_read(t, (cede_ticket){0, 0}, &file);
    cft_rec *close = cft_new(t);
    cede_prep_close(close->req, file);
    cft_submit(close);
    cft_closed(t, other); /* a close that waits for nothing has been by now */
    CFT_CHECK(t, cft_wait(t, close, CEDE_MILLISECOND) == CEDE_EDEADLINE);
    CFT_CHECK(t, read->done == 0 && close->done == 0);
    cft_rec *late = cft_new(t);
    cede_prep_stat_handle(late->req, file, cft_buffer(late, sizeof(cede_stat)));
    cft_do(late);
    CFT_STATUS(t, late, CEDE_EBADF);
    cft_thaw(t);
    cft_await(t, close);
    CFT_OK(t, close);
    expect_whole(t, read);
    CFT_CHECK(t, read->returned_at < close->done_at);
}

struct lines {
    char text[2000];
};

static void keep_line(void *context, const char *line)
{
    struct lines *lines = context;
    size_t used = strlen(lines->text);
    if (used + strlen(line) + 2 < sizeof lines->text) {
        memcpy(lines->text + used, line, strlen(line));
        lines->text[used + strlen(line)] = '\n';
    }
}

/* L1, X9: the close runs out of its limit, says for whom it waits, and may be called again. */
CFT_CASE(loop_close_waits_for_a_frozen_read_and_says_so)
{
    struct lines *lines = cft_alloc(t, sizeof *lines);
    cede_options options;
    cft_options(t, &options);
    options.trace = keep_line;
    options.trace_context = lines;
    cede_loop *loop = cft_open(t, &options);
    unsigned char *buffer = cft_frozen_buffer(t, BYTES);
    const char *path = cft_frozen_file(t, BYTES);
    cft_rec *open = cft_new(t);
    cede_prep_open(open->req, path, CEDE_OPEN_READ, 0);
    cft_submit_on(open, loop);
    CFT_CHECK(t, cft_wait_on(loop, open->ticket, CEDE_FOREVER) == CEDE_OK);
    cft_rec *read = cft_new(t);
    read->data = buffer;
    cede_prep_read(read->req, open->result.handle, buffer, BYTES, 0);
    cft_submit_on(read, loop);
    cft_freeze(t);
    cft_frozen_await_on(t, loop);
    CFT_CHECK(t, cft_close_on(t, loop, 2 * CEDE_MILLISECOND) == CEDE_EDEADLINE);
    CFT_CHECK(t, read->done == 0);
    CFT_CHECK(t, strstr(lines->text, "read") != NULL);
    cft_rec *late = cft_new(t);
    cede_prep_nop(late->req);
    cft_submit_on(late, loop); /* it stays closing */
    CFT_CHECK(t, cft_run_on(loop, 0) >= 0);
    CFT_CHECK(t, late->done == 1);
    CFT_ENDED(t, late, CEDE_EENDED, CEDE_BY_LOOP);
    CFT_CHECK(t, cft_close_on(t, loop, 0) == CEDE_EDEADLINE);
    cft_thaw(t);
    CFT_CHECK(t, cft_close_on(t, loop, CEDE_FOREVER) == CEDE_OK);
    CFT_CHECK(t, read->done == 1);
    expect_whole(t, read);
}

/* F4: a running write that is cancelled tells its full count. */
CFT_CASE(write_cancelled_while_frozen_completes_with_its_count)
{
    unsigned char seen[BYTES];
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_WRITE | CEDE_OPEN_CREATE);
    unsigned char *buffer = cft_frozen_buffer(t, BYTES);
    cft_fill(buffer, BYTES, 4, 0);
    cft_rec *write = cft_new(t);
    cede_prep_write(write->req, file, buffer, BYTES, 0);
    cft_submit(write);
    cft_freeze(t);
    cft_frozen_await(t);
    cft_cancel(t, write->ticket);
    for (uint32_t i = 0; i < 5; i++) {
        cft_turn(t);
        CFT_CHECK(t, write->done == 0);
    }
    cft_thaw(t);
    cft_await(t, write);
    CFT_OK(t, write);
    CFT_CHECK(t, write->result.count == BYTES);
    CFT_CHECK(t, write->result.flags & CEDE_CANCEL_ASKED);
    CFT_CHECK(t, cft_file_read(t, "f", seen, BYTES, 0) == BYTES);
    CFT_CHECK(t, cft_filled(seen, BYTES, 4, 0));
    cft_closed(t, file);
}

/* Others go on meanwhile. */
CFT_CASE(frozen_read_holds_up_nobody_else)
{
    cede_handle file = 0;
    cft_pipe pipe = cft_pipe_reader(t);
    cft_rec *read = frozen_read(t, (cede_ticket){0, 0}, &file);
    cft_cancel(t, read->ticket);
    for (uint32_t i = 0; i < 5; i++) {
        cft_rec *timer = cft_new(t);
        cede_prep_timer(timer->req, 50 * CEDE_MICROSECOND);
        cft_do(timer);
        CFT_OK(t, timer);
        cft_peer_write(t, &pipe, "abcd", 4);
        cft_rec *other = cft_new(t);
        cede_prep_read_all(other->req, pipe.handle, cft_buffer(other, 4), 4, CEDE_CURRENT);
        cft_do(other);
        CFT_MOVED(t, other, 4);
    }
    CFT_CHECK(t, read->done == 0);
    cft_thaw(t);
    cft_await(t, read);
    expect_whole(t, read);
    cft_closed(t, file);
    cft_closed(t, pipe.handle);
}

struct waker {
    cft *t;
    cede_ticket ticket;
    _Atomic bool *cancelled;
};

static void cancel_then_thaw(void *context)
{
    struct waker *waker = context;
    cede_cancel(waker->ticket);
    cft_thaw(waker->t);
}

/* The loop sleeps in its wait for the frozen read, and another thread wishes and thaws. */
CFT_CASE(frozen_read_cancelled_and_thawed_by_another_thread)
{
    cede_handle file = 0;
    struct waker *waker = cft_alloc(t, sizeof *waker);
    cft_rec *read = frozen_read(t, (cede_ticket){0, 0}, &file);
    waker->t = t;
    waker->ticket = read->ticket;
    cft_thread(t, cancel_then_thaw, waker);
    CFT_CHECK(t, cft_wait_on(cft_loop(t), read->ticket, CEDE_FOREVER) == CEDE_OK);
    cft_join(t);
    CFT_OK(t, read);
    CFT_CHECK(t, read->result.count == BYTES);
    cft_closed(t, file);
}

/* Z3: what the scope owns is closed after its last member is back, not when the end is wished. */
CFT_CASE(owned_handle_stays_open_until_the_frozen_member_is_back)
{
    cede_handle file = 0;
    char seen[8];
    cft_pipe pipe = cft_pipe_writer(t);
    cft_rec *scope = cft_new(t);
    cede_prep_scope(scope->req);
    cft_submit(scope);
    cede_own(scope->ticket, pipe.handle);
    cft_rec *read = frozen_read(t, scope->ticket, &file);
    cft_cancel(t, scope->ticket);
    cft_flush(t);
    cft_rec *write = cft_new(t);
    cede_prep_write_all(write->req, pipe.handle, cft_input(write, "bye", 3), 3, CEDE_CURRENT);
    cft_do(write);
    CFT_OK(t, write);
    CFT_CHECK(t, scope->done == 0);
    cft_thaw(t);
    cft_await(t, scope);
    expect_whole(t, read);
    CFT_EXPECT(t, cft_peer_read(t, &pipe, seen, sizeof seen) == 3);
    cft_closed(t, file);
}
