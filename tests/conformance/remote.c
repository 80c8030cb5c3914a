/*
 * Posts and wakes from other threads (law 14; W1 to W4, L8).
 */
#include "conformance.h"

#include <stdatomic.h>

struct sender {
    cede_loop *loop;
    cft_rec *all[400];
    uint32_t count;
    uint64_t random;
    _Atomic uint32_t *sent;
};

static void send_all(void *context)
{
    struct sender *sender = context;
    for (uint32_t i = 0; i < sender->count; i++) {
        if (i % 10 == 0)
            cft_dawdle(&sender->random);
        cft_submit_remote(sender->all[i], sender->loop);
        atomic_fetch_add(sender->sent, 1);
    }
}

static void count_one(cft_rec *rec)
{
    _Atomic uint32_t *got = rec->data;
    atomic_fetch_add(got, 1);
}

static void start_senders(cft *t, uint32_t threads, uint32_t each, struct sender *senders,
                          _Atomic uint32_t *sent, _Atomic uint32_t *got)
{
    for (uint32_t s = 0; s < threads; s++) {
        senders[s].loop = cft_loop(t);
        senders[s].count = each;
        senders[s].random = cft_random(t);
        senders[s].sent = sent;
        for (uint32_t i = 0; i < each; i++) {
            cft_rec *rec = senders[s].all[i] = cft_new(t);
            rec->then = count_one;
            rec->data = (void *)got;
            if (i % 5 == 4)
                cede_prep_roundtrip(rec->req);
            else
                cede_prep_nop(rec->req);
        }
    }
    for (uint32_t s = 0; s < threads; s++)
        cft_thread(t, send_all, &senders[s]);
}

/* W1 */
CFT_CASE(posts_of_many_threads_arrive_each_once)
{
    enum { THREADS = 4, EACH = 400 };
    struct sender *senders = cft_alloc(t, THREADS * sizeof *senders);
    _Atomic uint32_t *sent = cft_alloc(t, sizeof *sent);
    _Atomic uint32_t *got = cft_alloc(t, sizeof *got);
    cft_rec *keep = cft_new(t); /* keeps the loop from being idle */
    cede_prep_pend(keep->req);
    cft_submit_on(keep, cft_loop(t));
    start_senders(t, THREADS, EACH, senders, sent, got);
    while (atomic_load(got) < THREADS * EACH)
        CFT_CHECK(t, cft_run_on(cft_loop(t), 50 * CEDE_MICROSECOND) >= 0);
    cft_join(t);
    cft_turn(t);
    CFT_CHECK(t, atomic_load(got) == THREADS * EACH);
    cede_complete(keep->ticket, CEDE_OK, 0);
    cft_settle(t);
    for (uint32_t s = 0; s < THREADS; s++) {
        for (uint32_t i = 0; i < EACH; i++) {
            CFT_CHECK(t, senders[s].all[i]->done == 1);
            if (i >= 5 && i % 5 != 4 && (i - 1) % 5 != 4) /* nops keep their order */
                CFT_CHECK(t, senders[s].all[i]->done_at > senders[s].all[i - 1]->done_at);
        }
    }
}

struct poster {
    cede_loop *loop;
    cft_rec *rec;
};

static void post_one(void *context)
{
    struct poster *poster = context;
    cft_submit_remote(poster->rec, poster->loop);
}

static void stop_it(cft_rec *rec)
{
    cede_stop(rec->loop);
}

/* W2: a post between the loop's last look and its sleep wakes it. Lost, it hangs. */
CFT_CASE(post_to_a_loop_that_falls_asleep_wakes_it)
{
    for (uint32_t i = 0; i < 40; i++) {
        struct poster *poster = cft_alloc(t, sizeof *poster);
        cft_rec *keep = cft_new(t);
        cede_prep_pend(keep->req);
        cft_submit_on(keep, cft_loop(t));
        poster->loop = cft_loop(t);
        poster->rec = cft_new(t);
        poster->rec->then = stop_it;
        cede_prep_nop(poster->rec->req);
        uint64_t dawdle = cft_random(t);
        cft_thread(t, post_one, poster);
        cft_dawdle(&dawdle);
        CFT_CHECK(t, cft_run_on(cft_loop(t), CEDE_FOREVER) >= 0);
        CFT_CHECK(t, cft_is_done(poster->rec));
        cft_join(t);
        cede_complete(keep->ticket, CEDE_OK, 0);
        cft_await(t, keep);
    }
}

struct stopper {
    cede_loop *loop;
};

static void stop_loop(void *context)
{
    struct stopper *stopper = context;
    cede_stop(stopper->loop);
}

CFT_CASE(stop_from_another_thread_wakes_the_loop)
{
    cft_rec *keep = cft_new(t);
    cede_prep_pend(keep->req);
    cft_submit_on(keep, cft_loop(t));
    struct stopper *stopper = cft_alloc(t, sizeof *stopper);
    stopper->loop = cft_loop(t);
    for (uint32_t i = 0; i < 30; i++) {
        uint64_t dawdle = cft_random(t);
        cft_thread(t, stop_loop, stopper);
        cft_dawdle(&dawdle);
        CFT_CHECK(t, cft_run_on(cft_loop(t), CEDE_FOREVER) >= 0);
        CFT_CHECK(t, keep->done == 0);
        cft_join(t);
    }
    cede_complete(keep->ticket, CEDE_OK, 0);
    cft_settle(t);
}

static void complete_it(void *context)
{
    cede_complete(*(cede_ticket *)context, CEDE_OK, 3);
}

CFT_CASE(complete_from_another_thread_wakes_the_loop)
{
    for (uint32_t i = 0; i < 30; i++) {
        cede_ticket *ticket = cft_alloc(t, sizeof *ticket);
        cft_rec *pend = cft_new(t);
        cede_prep_pend(pend->req);
        cft_submit_on(pend, cft_loop(t));
        *ticket = pend->ticket;
        uint64_t dawdle = cft_random(t);
        cft_thread(t, complete_it, ticket);
        cft_dawdle(&dawdle);
        CFT_CHECK(t, cft_wait_on(cft_loop(t), pend->ticket, CEDE_FOREVER) == CEDE_OK);
        CFT_CHECK(t, pend->result.status == CEDE_OK && pend->result.count == 3);
        cft_join(t);
    }
}

/* W3: what was posted before the close is delivered, as CEDE_ECANCELED at the latest. */
CFT_CASE(posts_before_loop_close_are_delivered_by_it)
{
    cft_rec *all[8];
    cft_loop(t);
    for (uint32_t i = 0; i < 8; i++) {
        all[i] = cft_new(t);
        if (i % 2)
            cede_prep_pend(all[i]->req);
        else
            cede_prep_nop(all[i]->req);
        cft_submit_remote(all[i], cft_loop(t));
    }
    CFT_CHECK(t, cft_close(t, CEDE_FOREVER) == CEDE_OK);
    for (uint32_t i = 0; i < 8; i++) {
        CFT_CHECK(t, all[i]->done == 1);
        CFT_EXPECT(t, all[i]->result.status == CEDE_OK || all[i]->result.status == CEDE_ECANCELED);
    }
}

static void post_from_callback(cft_rec *rec)
{
    cft_rec *other = rec->data;
    cede_prep_nop(other->req);
    cft_submit_remote(other, rec->loop);
    CFT_CHECK(rec->t, other->done == 0);
}

/* W4 */
CFT_CASE(post_from_a_callback_is_not_inline)
{
    cft_rec *other = cft_new(t);
    cft_rec *rec = cft_new(t);
    rec->then = post_from_callback;
    rec->data = other;
    cede_prep_nop(rec->req);
    cft_submit(rec);
    cft_settle(t);
    CFT_CHECK(t, other->done == 1 && other->done_at > rec->returned_at);
    CFT_OK(t, other);
}

/* L8: what a thread has ceded does not die with it. */
CFT_CASE(requests_outlive_the_thread_that_ceded_them)
{
    cft_pipe pipe = cft_pipe_reader(t);
    struct poster *posters = cft_alloc(t, 3 * sizeof *posters);
    for (uint32_t i = 0; i < 3; i++) {
        cft_rec *rec = cft_new(t);
        posters[i].loop = cft_loop(t);
        posters[i].rec = rec;
        if (i == 0)
            cede_prep_read(rec->req, pipe.handle, cft_buffer(rec, 4), 4, CEDE_CURRENT);
        else if (i == 1)
            cede_prep_timer(rec->req, 2 * CEDE_MILLISECOND);
        else
            cede_prep_pend(rec->req);
        cft_thread(t, post_one, &posters[i]);
        cft_join(t);
        cft_flush(t);
    }
    CFT_EXPECT(t, posters[0].rec->done == 0);
    cft_await(t, posters[1].rec);
    CFT_OK(t, posters[1].rec);
    cft_peer_write(t, &pipe, "abcd", 4);
    cft_await(t, posters[0].rec);
    CFT_MOVED(t, posters[0].rec, 4);
    cft_complete(t, posters[2].rec->ticket, CEDE_OK, 0);
    cft_await(t, posters[2].rec);
    CFT_OK(t, posters[2].rec);
    cft_closed(t, pipe.handle);
}

/* Before the first run one thread at a time may submit, and another may run. */
CFT_CASE(loop_belongs_to_the_thread_that_runs_it_first)
{
    struct poster *poster = cft_alloc(t, sizeof *poster);
    cede_options options;
    cft_options(t, &options);
    poster->loop = cft_open(t, &options);
    poster->rec = cft_new(t);
    cede_prep_roundtrip(poster->rec->req);
    cft_thread(t, post_one, poster);
    cft_join(t);
    cft_rec *stops = cft_new(t);
    stops->then = stop_it;
    cede_prep_nop(stops->req);
    cft_submit_on(stops, poster->loop);
    CFT_CHECK(t, cft_run_on(poster->loop, CEDE_FOREVER) >= 0);
    CFT_CHECK(t, cft_run_on(poster->loop, CEDE_FOREVER) >= 0);
    CFT_CHECK(t, poster->rec->done == 1 && stops->done == 1);
    CFT_OK(t, poster->rec);
}

struct dropper {
    cede_handle handle;
};

static void drop_it(void *context)
{
    struct dropper *dropper = context;
    cede_drop(dropper->handle);
}

CFT_CASE(drop_from_another_thread_ends_what_is_pending)
{
    for (uint32_t i = 0; i < 10; i++) {
        struct dropper *dropper = cft_alloc(t, sizeof *dropper);
        cft_pipe pipe = cft_pipe_reader(t);
        cft_rec *read = cft_new(t);
        cede_prep_read(read->req, pipe.handle, cft_buffer(read, 4), 4, CEDE_CURRENT);
        cft_submit_on(read, cft_loop(t));
        dropper->handle = pipe.handle;
        cft_thread(t, drop_it, dropper);
        CFT_CHECK(t, cft_wait_on(cft_loop(t), read->ticket, CEDE_FOREVER) == CEDE_OK);
        CFT_ENDED(t, read, CEDE_ECANCELED, CEDE_BY_CLOSE);
        cft_join(t);
    }
    cft_settle(t);
}

/* One thread's submits and wishes take effect in the order made. */
CFT_CASE(remote_wishes_follow_the_submits_before_them)
{
    for (uint32_t i = 0; i < 6; i++) {
        cft_rec *scope = cft_new(t);
        cede_prep_scope(scope->req);
        cft_submit(scope);
        cft_rec *member = cft_new(t);
        cede_prep_pend(member->req);
        cede_in(member->req, scope->ticket);
        cft_submit(member);
        if (i % 2)
            cft_flush(t);
        cft_fail(t, scope->ticket, CEDE_EIO);
        cft_settle(t);
        CFT_STATUS(t, scope, CEDE_EIO);
        CFT_ENDED(t, member, CEDE_ECANCELED, CEDE_BY_SCOPE);
        CFT_EXPECT(t, scope->result.count == 1);
    }
}

/* Idle is looked at after the inbox too: else the run sleeps for ever with nothing to wait for. */
CFT_CASE(run_is_idle_when_only_background_requests_were_posted)
{
    cft_rec *background = cft_new(t);
    cede_prep_pend(background->req);
    cede_background(background->req);
    cft_submit_remote(background, cft_loop(t));
    CFT_CHECK(t, cft_run(t, CEDE_FOREVER) >= 0);
    CFT_EXPECT(t, background->done == 0);
    cft_rec *gone = cft_new(t);
    cede_prep_pend(gone->req);
    cft_submit_remote(gone, cft_loop(t));
    cede_cancel(gone->ticket);
    CFT_CHECK(t, cft_run(t, CEDE_FOREVER) >= 0);
    CFT_CHECK(t, gone->done == 1);
    cede_complete(background->ticket, CEDE_OK, 0);
    cft_await(t, background);
}

struct volley {
    cede_loop *loop;
    cede_req req;
    uint32_t most;
    _Atomic uint32_t back;
};

static void on_volley(cede_req *req, cede_result result)
{
    struct volley *volley = CEDE_CONTAINER(req, struct volley, req);
    (void)result;
    uint32_t back = atomic_fetch_add(&volley->back, 1) + 1;
    if (back == volley->most)
        cede_stop(volley->loop);
    for (volatile uint32_t spin = back * 7 % 1024; spin; spin--)
        continue; /* so that now the loop is later, now the next post */
}

static void play(void *context)
{
    struct volley *volley = context;
    for (uint32_t i = 0; i < volley->most; i++) {
        while (atomic_load(&volley->back) != i)
            continue;
        cede_prep_nop(&volley->req);
        cede_submit_remote(volley->loop, &volley->req, on_volley, NULL);
    }
}

/* W2: each post comes while the loop is on its way to sleep, at every point of it in the end. */
CFT_CASE(thousands_of_posts_meet_a_loop_that_is_falling_asleep)
{
    struct volley *volley = cft_alloc(t, sizeof *volley);
    cft_rec *keep = cft_new(t);
    cede_prep_pend(keep->req);
    cft_submit_on(keep, cft_loop(t));
    volley->loop = cft_loop(t);
    volley->most = cft_can_fork(t) ? 20000 : 5000; /* where a process is dear a wake is too: Wine */
    cft_thread(t, play, volley);
    CFT_CHECK(t, cft_run_on(cft_loop(t), CEDE_FOREVER) >= 0);
    CFT_CHECK(t, atomic_load(&volley->back) == volley->most);
    cft_join(t);
    cede_complete(keep->ticket, CEDE_OK, 0);
    cft_await(t, keep);
}
