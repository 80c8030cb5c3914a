/*
 * Links (O5; laws 7, 10, 12): the next starts when the first ended OK and complete.
 */
#include "conformance.h"

#include <string.h>

CFT_CASE(link_starts_the_next_after_the_first)
{
    unsigned char seen[8];
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_WRITE | CEDE_OPEN_CREATE);
    cft_rec *all[4];
    for (uint32_t i = 0; i < 4; i++) {
        all[i] = cft_new(t);
        cede_prep_write_all(all[i]->req, file, cft_input(all[i], &"abcd"[i], 1), 1, 0);
    }
    for (uint32_t i = 3; i > 0; i--)
        cft_link(all[i - 1], all[i]);
    cft_submit(all[0]);
    cft_settle(t);
    for (uint32_t i = 0; i < 4; i++) {
        CFT_MOVED(t, all[i], 1);
        CFT_CHECK(t, i == 0 || all[i]->done_at > all[i - 1]->done_at);
    }
    CFT_EXPECT(t, cft_file_read(t, "f", seen, 8, 0) == 1 && seen[0] == 'd');
    cft_closed(t, file);
}

/* The chain that saves a file: write all, sync, rename. */
CFT_CASE(link_of_write_sync_close_and_rename)
{
    unsigned char data[3000];
    unsigned char seen[3000];
    cft_fill(data, sizeof data, 4, 0);
    cft_file(t, "new", NULL, 100, 1);
    cede_handle file = cft_opened(t, "tmp", CEDE_OPEN_WRITE | CEDE_OPEN_CREATE);
    cft_rec *write = cft_new(t);
    cft_rec *sync = cft_new(t);
    cft_rec *close = cft_new(t);
    cft_rec *rename = cft_new(t);
    cede_prep_write_all(write->req, file, cft_input(write, data, sizeof data), sizeof data, 0);
    cede_prep_fsync(sync->req, file);
    cede_prep_close(close->req, file);
    cede_prep_rename(rename->req, cft_path(t, "tmp"), cft_path(t, "new"), 0);
    cft_link(close, rename);
    cft_link(sync, close);
    cft_link(write, sync);
    cft_submit(write);
    cft_settle(t);
    CFT_OK(t, write);
    CFT_OK(t, sync);
    CFT_OK(t, close);
    CFT_OK(t, rename);
    CFT_EXPECT(t, cft_file_read(t, "new", seen, sizeof seen, 0) == sizeof seen);
    CFT_EXPECT(t, memcmp(seen, data, sizeof data) == 0);
    CFT_EXPECT(t, cft_file_size(t, "tmp") == -1);
}

CFT_CASE(link_breaks_at_a_short_transfer)
{
    cft_file(t, "f", NULL, 10, 1);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_READ);
    cft_rec *read = cft_new(t);
    cede_prep_read(read->req, file, cft_buffer(read, 20), 20, 0);
    cft_rec *next = cft_new(t);
    cede_prep_mkdir(next->req, cft_path(t, "d"), 0755);
    cft_rec *last = cft_new(t);
    cede_prep_nop(last->req);
    cft_link(next, last);
    cft_link(read, next);
    cft_submit(read);
    cft_settle(t);
    CFT_OK(t, read);
    CFT_EXPECT(t, read->result.count <= 10);
    CFT_ENDED(t, next, CEDE_ECANCELED, CEDE_BY_LINK);
    CFT_ENDED(t, last, CEDE_ECANCELED, CEDE_BY_LINK);
    CFT_EXPECT(t, cft_file_size(t, "d") == -1);
    CFT_CHECK(t, read->done_at < next->done_at && next->done_at < last->done_at);
    cft_closed(t, file);
}

CFT_CASE(link_passes_a_failure_down_each_once_in_order)
{
    enum { LONG = 100 };
    cft_rec *all[LONG];
    for (uint32_t i = 0; i < LONG; i++) {
        all[i] = cft_new(t);
        if (i == 3)
            cede_prep_unlink(all[i]->req, cft_path(t, "nothing"));
        else
            cede_prep_nop(all[i]->req);
    }
    for (uint32_t i = LONG - 1; i > 0; i--)
        cft_link(all[i - 1], all[i]);
    cft_submit(all[0]);
    cft_settle(t);
    for (uint32_t i = 0; i < LONG; i++) {
        CFT_CHECK(t, all[i]->done == 1);
        CFT_CHECK(t, i == 0 || all[i]->done_at > all[i - 1]->done_at);
        if (i < 3)
            CFT_OK(t, all[i]);
        else if (i == 3)
            CFT_STATUS(t, all[i], CEDE_ENOENT);
        else
            CFT_ENDED(t, all[i], CEDE_ECANCELED, CEDE_BY_LINK);
    }
}

CFT_CASE(linked_close_closes_also_when_the_link_failed)
{
    cft_file(t, "f", NULL, 10, 1);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_READ);
    cft_rec *first = cft_new(t);
    cede_prep_unlink(first->req, cft_path(t, "nothing"));
    cft_rec *close = cft_new(t);
    cede_prep_close(close->req, file);
    cft_rec *last = cft_new(t);
    cede_prep_nop(last->req);
    cft_link(close, last);
    cft_link(first, close);
    cft_submit(first);
    cft_settle(t);
    CFT_STATUS(t, first, CEDE_ENOENT);
    CFT_OK(t, close);
    CFT_CHECK(t, first->done_at < close->done_at && close->done_at < last->done_at);
    cft_rec *read = cft_new(t);
    cede_prep_read(read->req, file, cft_buffer(read, 8), 8, 0);
    cft_do(read);
    CFT_STATUS(t, read, CEDE_EBADF);
}

/* A linked close takes effect on its turn, not at submit. */
CFT_CASE(linked_close_lets_the_first_use_the_handle)
{
    cft_file(t, "f", NULL, 10, 1);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_READ);
    cft_rec *read = cft_new(t);
    cede_prep_read_all(read->req, file, cft_buffer(read, 10), 10, 0);
    cft_rec *close = cft_new(t);
    cede_prep_close(close->req, file);
    cft_link(read, close);
    cft_submit(read);
    cft_settle(t);
    CFT_MOVED(t, read, 10);
    CFT_EXPECT(t, cft_filled(read->bytes, 10, 1, 0));
    CFT_OK(t, close);
}

CFT_CASE(cancelled_first_cancels_its_followers)
{
    cft_rec *first = cft_new(t);
    cede_prep_pend(first->req);
    cft_rec *next = cft_new(t);
    cede_prep_mkdir(next->req, cft_path(t, "d"), 0755);
    cft_link(first, next);
    cft_submit(first);
    cft_turn(t);
    CFT_EXPECT(t, first->done == 0 && next->done == 0);
    cft_cancel(t, first->ticket);
    cft_settle(t);
    CFT_ENDED(t, first, CEDE_ECANCELED, CEDE_BY_WISH);
    CFT_ENDED(t, next, CEDE_ECANCELED, CEDE_BY_LINK);
    CFT_EXPECT(t, cft_file_size(t, "d") == -1);
}

/* A follower joins its scope when the chain is submitted. */
CFT_CASE(follower_is_ended_through_its_scope_while_the_first_goes_on)
{
    cft_rec *scope = cft_new(t);
    cede_prep_scope(scope->req);
    cft_submit(scope);
    cft_rec *first = cft_new(t);
    cede_prep_pend(first->req);
    cft_rec *next = cft_new(t);
    cede_prep_mkdir(next->req, cft_path(t, "d"), 0755);
    cede_in(next->req, scope->ticket);
    cft_rec *last = cft_new(t);
    cede_prep_nop(last->req);
    cft_link(next, last);
    cft_link(first, next);
    cft_submit(first);
    cft_turn(t);
    CFT_EXPECT(t, !cft_is_done(scope));
    cft_cancel(t, scope->ticket);
    cft_await(t, scope);
    CFT_ENDED(t, next, CEDE_ECANCELED, CEDE_BY_SCOPE);
    CFT_EXPECT(t, first->done == 0);
    cft_complete(t, first->ticket, CEDE_OK, 0);
    cft_settle(t);
    CFT_OK(t, first);
    CFT_ENDED(t, last, CEDE_ECANCELED, CEDE_BY_LINK);
    CFT_EXPECT(t, cft_file_size(t, "d") == -1);
}

CFT_CASE(follower_deadline_counts_from_the_submit)
{
    cft_rec *first = cft_new(t);
    cede_prep_pend(first->req);
    cft_rec *next = cft_new(t);
    cede_prep_nop(next->req);
    cede_within(next->req, CEDE_MILLISECOND);
    cft_link(first, next);
    cft_submit(first);
    cft_rec *timer = cft_new(t);
    cede_prep_timer(timer->req, 3 * CEDE_MILLISECOND);
    cft_do(timer);
    cft_flush(t);
    CFT_EXPECT(t, first->done == 0);
    CFT_EXPECT(t, next->done == 1);
    CFT_ENDED(t, next, CEDE_EDEADLINE, CEDE_BY_DEADLINE);
    cft_complete(t, first->ticket, CEDE_OK, 0);
    cft_settle(t);
    CFT_OK(t, first);
}

CFT_CASE(follower_that_was_not_prepared_is_invalid)
{
    cft_rec *first = cft_new(t);
    cft_rec *next = cft_new(t);
    cede_prep_nop(first->req);
    memset(next->req, 0, sizeof *next->req);
    next->req->user_data = next;
    cft_link(first, next);
    cft_submit(first);
    cft_settle(t);
    /* Told by the follower, or by the first, which then passes it down. */
    CFT_CHECK(t, first->done == 1 && next->done == 1);
    CFT_EXPECT(t, next->result.status == CEDE_EINVAL || (first->result.status == CEDE_EINVAL &&
                                                         next->result.status == CEDE_ECANCELED));
}

CFT_CASE(members_linked_in_a_scope_end_together)
{
    cft_rec *scope = cft_new(t);
    cede_prep_scope(scope->req);
    cft_submit(scope);
    cft_rec *all[5];
    for (uint32_t i = 0; i < 5; i++) {
        all[i] = cft_new(t);
        if (i == 0)
            cede_prep_pend(all[i]->req);
        else
            cede_prep_roundtrip(all[i]->req);
        cede_in(all[i]->req, scope->ticket);
    }
    for (uint32_t i = 4; i > 0; i--)
        cft_link(all[i - 1], all[i]);
    cft_submit(all[0]);
    cft_flush(t);
    cft_fail(t, scope->ticket, CEDE_EIO);
    cft_settle(t);
    CFT_STATUS(t, scope, CEDE_EIO);
    CFT_EXPECT(t, scope->result.count == 5);
    for (uint32_t i = 0; i < 5; i++) {
        CFT_STATUS(t, all[i], CEDE_ECANCELED);
        CFT_EXPECT(t, all[i]->returned_at < scope->done_at);
    }
}

/* Its members may use the stream that what is linked behind it uses; so may others, until it is
 * over. A close finds what waits so. */
CFT_CASE(link_behind_a_scope_takes_its_place_when_that_is_over)
{
    char seen[8] = {0};
    cede_handle a = 0, b = 0;
    cft_connected(t, CFT_TCP, &a, &b);
    for (int closes = 0; closes < 2; closes++) {
        cft_rec *scope = cft_new(t), *last = cft_new(t);
        cede_prep_scope(scope->req);
        cede_prep_send_all(last->req, a, cft_input(last, "c", 1), 1);
        cft_link(scope, last);
        cft_submit(scope);
        if (closes) {
            cft_closed(t, a);
            CFT_EXPECT(t, cft_is_done(last));
            CFT_ENDED(t, last, CEDE_ECANCELED, CEDE_BY_CLOSE);
            cede_fail(scope->ticket, CEDE_OK);
            cft_await(t, scope);
            return;
        }
        cft_rec *member = cft_new(t);
        cede_prep_send_all(member->req, a, cft_input(member, "a", 1), 1);
        cede_in(member->req, scope->ticket);
        cft_submit(member);
        cft_rec *other = cft_send_all(t, a, "b", 1);
        cft_await(t, member);
        cft_await(t, other);
        CFT_EXPECT(t, !cft_is_done(last));
        cede_fail(scope->ticket, CEDE_OK);
        cft_await(t, last);
        CFT_MOVED(t, last, 1);
        size_t taken = cft_take(t, b, seen, 3);
        CFT_EXPECT(t, taken == 3 && memcmp(seen, "abc", 3) == 0);
    }
}
