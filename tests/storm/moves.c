/*
 * What an end sends and receives, one transfer after the other, each in a way that chance picks.
 * One that was cancelled by a wish or a deadline may go on where the count says that it stopped:
 * a count that is not the truth is seen in the bytes.
 */
#include "storm.h"

static bool goes_on(station *at, const cede_result *r)
{
    if (r->status == CEDE_OK)
        return true;
    return (r->status == CEDE_ECANCELED || r->status == CEDE_EDEADLINE) &&
           (r->flags & (CEDE_BY_WISH | CEDE_BY_DEADLINE)) && storm_random(&at->random, 4) != 0;
}

static void perhaps_in(record *rec)
{
    if (rec->of->life)
        storm_in(rec, rec->of->life);
    storm_perhaps_within(rec);
}

/* ---- Sending -------------------------------------------------------------------------------- */

static void on_shut(record *rec, cede_result r)
{
    if (r.status != CEDE_OK && r.status != CEDE_ENOTSUP)
        rec->of->failed = true;
    storm_end_leave(rec->of, rec);
}

static void on_reset_soon(record *rec, cede_result r)
{
    (void)r;
    storm_totals.resets++;
    storm_end_leave(rec->of, rec);
}

static void sender_ends(record *rec)
{
    end *e = rec->of;
    rec->stops = false;
    switch (e->how & END_SENDS ? 5 : storm_random(&rec->at->random, 6)) {
    case 0:
    case 1:
    case 2:
        cede_prep_shutdown(&rec->as.req, e->handle);
        perhaps_in(rec);
        storm_submit(rec, on_shut);
        break;
    case 3:
        cede_prep_set_option(&rec->as.req, e->handle, CEDE_OPTION_LINGER, 0);
        perhaps_in(rec);
        storm_submit(rec, on_reset_soon);
        break;
    default:
        storm_end_leave(e, rec);
        break;
    }
}

static void sender_goes_on(record *rec, cede_result r)
{
    end *e = rec->of;
    if (r.count > rec->bytes || (r.status == CEDE_OK && !r.count) ||
        (r.status == CEDE_OK && !rec->stops && r.count != rec->bytes))
        storm_fail("a send of %llu bytes says %s and %llu", (unsigned long long)rec->bytes,
                   cede_status_name(r.status), (unsigned long long)r.count);
    storm_sent(e->out_key, r.count);
    e->out_at += r.count;
    /* The kernel may have kept to itself an error that it met behind the first part of a whole
     * transfer (docs/facts-linux.md), and a wish then have come before the rest could tell. */
    if (!rec->stops && r.status != CEDE_OK && r.count)
        e->failed = true;
    if (goes_on(rec->at, &r)) {
        if (e->out_at < e->out_goal)
            storm_sender(rec);
        else
            sender_ends(rec);
        return;
    }
    if (r.status != CEDE_ECANCELED && r.status != CEDE_EDEADLINE)
        e->failed = true;
    sender_ends(rec);
}

static void on_sent(record *rec, cede_result r)
{
    /* Whoever reads it still sends something else. */
    memset(rec->buffer, 0xee, rec->bytes);
    sender_goes_on(rec, r);
}

/* Its file may have ended before, and by itself: that is as it should be. */
static void on_file_sent(record *rec, cede_result r)
{
    if (r.status == CEDE_EEOF) {
        if (!rec->known || r.count != rec->bytes)
            storm_fail(
                "a file's end after %llu bytes, of %llu: how %x, flags %x, system's error %d",
                (unsigned long long)r.count, (unsigned long long)rec->bytes, (unsigned)rec->of->how,
                (unsigned)r.flags, (int)r.os_error);
        r.status = CEDE_OK;
    } else if (r.status == CEDE_OK && rec->known) {
        storm_fail("more was sent of a file than there is");
    }
    storm_totals.files_sent++;
    sender_goes_on(rec, r);
}

/* The pattern goes on for ever, and the file has some of it: a part, all that is left of it, or
 * more than that. */
static void send_file(record *rec)
{
    end *e = rec->of;
    uint64_t place = storm_place(e->out_key, e->out_at), length = PATTERN_BYTES - place;
    rec->bytes = length;
    rec->known = 0;
    switch (storm_random(&rec->at->random, 8)) {
    case 0:
        length = CEDE_TO_END;
        break;
    case 1:
        length += 1 + storm_random(&rec->at->random, 1000);
        rec->known = 1;
        break;
    default:
        rec->bytes = length = 1 + storm_random(&rec->at->random, BIG_BYTES);
        break;
    }
    cede_prep_send_file(&rec->as.req, e->handle, rec->at->source, place, length);
    perhaps_in(rec);
    storm_submit(rec, on_file_sent);
}

static void prep_pieces(record *rec, cede_handle to)
{
    uint64_t at = 0, third = rec->bytes / 3;
    for (int i = 0; i < 3; i++) {
        rec->vec[i].base = rec->buffer + at;
        rec->vec[i].length_bytes = i < 2 ? third : rec->bytes - at;
        at += third;
    }
    cede_prep_sendv(&rec->as.req, to, rec->vec, 3);
}

void storm_sender(record *rec)
{
    end *e = rec->of;
    uint64_t most = rec->big ? BIG_BYTES : SMALL_BYTES, left = e->out_goal - e->out_at;
    rec->bytes = storm_random(&rec->at->random, 3) ? most : 1 + storm_random(&rec->at->random, 999);
    if (rec->bytes > left)
        rec->bytes = left ? left : 1;
    rec->stops = false;
    if (e->out_at >= 8 && rec->at->source && storm_random(&rec->at->random, 12) == 0) {
        send_file(rec);
        return;
    }
    storm_fill(e->out_key, e->out_at, rec->buffer, rec->bytes);
    switch (storm_random(&rec->at->random, 4)) {
    case 0:
        rec->stops = true;
        cede_prep_send(&rec->as.req, e->handle, rec->buffer, rec->bytes);
        break;
    case 1:
        prep_pieces(rec, e->handle);
        break;
    case 2:
        cede_prep_send_zero_copy(&rec->as.req, e->handle, rec->buffer, rec->bytes);
        break;
    default:
        cede_prep_send_all(&rec->as.req, e->handle, rec->buffer, rec->bytes);
        break;
    }
    perhaps_in(rec);
    storm_submit(rec, on_sent);
}

/* ---- Receiving ------------------------------------------------------------------------------ */

static void receiver_goes_on(record *rec, const cede_result *r, bool ended)
{
    end *e = rec->of;
    /* Of two receives the first alone is told of a reset. */
    if (r->status != CEDE_OK && r->status != CEDE_ECANCELED && r->status != CEDE_EDEADLINE &&
        !ended)
        e->failed = true;
    if (ended) {
        e->ended = true;
        storm_end_leave(e, rec);
    } else if (goes_on(rec->at, r) && storm_random(&rec->at->random, 100) != 0) {
        storm_receiver(rec);
    } else {
        storm_end_leave(e, rec);
    }
}

static void on_received(record *rec, cede_result r)
{
    if (r.count > rec->bytes)
        storm_fail("a receive brings more than it has room for");
    storm_feed(rec->of, rec->buffer, r.count);
    receiver_goes_on(rec, &r,
                     r.status == CEDE_EEOF || (r.status == CEDE_OK && r.count == 0 && rec->stops));
}

static void take_pooled(record *rec, cede_result r)
{
    if (!r.buffer)
        return;
    storm_totals.pooled++;
    storm_feed(rec->of, r.buffer, r.count);
    storm_hold(rec->at, rec->pool, r.buffer);
}

static void on_pooled(record *rec, cede_result r)
{
    if ((r.buffer != NULL) != (r.status == CEDE_OK && r.count > 0))
        storm_fail("recv_pool says %s and %llu, %s", cede_status_name(r.status),
                   (unsigned long long)r.count, r.buffer ? "with a buffer" : "without a buffer");
    take_pooled(rec, r);
    receiver_goes_on(rec, &r, r.status == CEDE_OK && r.count == 0);
}

static void on_many_item(record *rec, cede_result r)
{
    if (!r.buffer || !r.count)
        storm_fail("an item without a buffer");
    rec->items += r.count;
    take_pooled(rec, r);
    /* More may have come by now, and that is not lost (law 8). */
    if (storm_random(&rec->at->random, 16) == 0)
        cede_cancel(rec->ticket);
}

static void on_many(record *rec, cede_result r)
{
    if (r.count != rec->items)
        storm_fail("recv_many says %llu, and its items brought %llu", (unsigned long long)r.count,
                   (unsigned long long)rec->items);
    receiver_goes_on(rec, &r, r.status == CEDE_OK);
}

void storm_receiver(record *rec)
{
    end *e = rec->of;
    station *at = rec->at;
    rec->stops = true;
    rec->items = 0;
    rec->pool = at->pool;
    rec->bytes = 1 + storm_random(&at->random, SMALL_BYTES);
    step *then = on_received;
    switch (storm_random(&at->random, 4)) {
    case 0:
        cede_prep_recv(&rec->as.req, e->handle, rec->buffer, rec->bytes);
        break;
    case 1:
        rec->stops = false;
        cede_prep_recv_all(&rec->as.req, e->handle, rec->buffer, rec->bytes);
        break;
    case 2:
        cede_prep_recv_pool(&rec->as.req, e->handle, rec->pool);
        then = on_pooled;
        break;
    default:
        rec->stops = false;
        rec->item = on_many_item;
        cede_prep_recv_many(&rec->as.req, e->handle, rec->pool,
                            storm_random(&at->random, 3) ? CEDE_CREDIT_ALL : 4, storm_item);
        then = on_many;
        break;
    }
    perhaps_in(rec);
    storm_submit(rec, then);
}
