/*
 * The trials. Each is a few requests and up to three threads; the first is the loop's. What must
 * hold: every done comes exactly once, one thread's in order; nobody sleeps for ever (relacy calls
 * it a deadlock); no wish and no wake is lost; a stale ticket does nothing; what a thread wrote
 * into memory before it was ceded is seen by the done (else it is a data race); and all that the
 * core asserts of itself.
 */
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "trial.h"

#define MINUTE (60 * CEDE_SECOND)

static cede_loop *loop;
static cede_req alive, reqs[8]; /* `alive` keeps the loop from being idle */
static cede_ticket alive_ticket, tickets[8];
static cede_result results[8];
static unsigned done_count, value[8], last[TRIAL_THREADS];
static _Atomic uint32_t flag;

static void open_loop(void)
{
    cede_options options = CEDE_OPTIONS_INIT;
    options.backend_table = &trial_backend;
    TRIAL_CHECK(cede_loop_open(&options, &loop) == CEDE_OK);
}

static void close_loop(void)
{
    TRIAL_CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
}

static void on_alive(cede_req *req, cede_result r)
{
    (void)req;
    (void)r;
}

static void stay_alive(void)
{
    cede_prep_pend(&alive);
    alive_ticket = cede_submit(loop, &alive, on_alive);
}

static unsigned index_of(const cede_req *req)
{
    return (unsigned)(req - reqs);
}

static void begin(void)
{
    done_count = 0;
    memset(last, 0, sizeof last);
    memset(value, 0, sizeof value);
    memset(results, 0, sizeof results);
    memset(tickets, 0, sizeof tickets);
    atomic_store_explicit(&flag, 0, memory_order_relaxed);
    open_loop();
}

/* ---- Remote submits: each once, in the order of their thread -------------------------------- */

#define SENT 3u /* by each thread */

static void on_sent(cede_req *req, cede_result r)
{
    unsigned i = index_of(req), thread = 1 + i / SENT;
    TRIAL_CHECK(r.status == CEDE_OK);
    TRIAL_CHECK(value[i] == i + 1);
    value[i] = 0;
    TRIAL_CHECK(last[thread] == i % SENT);
    last[thread]++;
    if (++done_count == 2 * SENT)
        cede_complete(alive_ticket, CEDE_OK, 0);
}

/* With a ticket it goes through a slot, without one it is posted. */
static void send(unsigned thread, unsigned with_ticket)
{
    for (unsigned n = 0; n < SENT; n++) {
        unsigned i = (thread - 1) * SENT + n;
        value[i] = i + 1;
        cede_prep_nop(&reqs[i]);
        cede_submit_remote(loop, &reqs[i], on_sent, with_ticket >> n & 1 ? &tickets[i] : NULL);
    }
}

static void begin_alive(void)
{
    begin();
    stay_alive();
}

static void run_and_close(void)
{
    TRIAL_CHECK(cede_run(loop, CEDE_FOREVER) >= 0);
    close_loop();
}

static void run_sent(void)
{
    run_and_close();
    TRIAL_CHECK(done_count == 2 * SENT);
}

static void send_mixed_1(void)
{
    send(1, 2);
}

static void send_mixed_2(void)
{
    send(2, 5);
}

static void send_slots_1(void)
{
    send(1, 7);
}

static void send_slots_2(void)
{
    send(2, 7);
}

/* ---- Cancels from other threads, of what the core runs and of what the kernel does ----------- */

static void on_ended(cede_req *req, cede_result r)
{
    unsigned i = index_of(req);
    results[i] = r;
    value[i]++;
    done_count++;
}

/* The same slot again, at once: what was meant for the one before must not reach it. */
static void on_ended_next(cede_req *req, cede_result r)
{
    on_ended(req, r);
    cede_prep_roundtrip(&reqs[2]);
    tickets[2] = cede_submit(loop, &reqs[2], on_ended);
}

static void begin_cancels(void)
{
    begin();
    trial_hold();
    cede_prep_pend(&reqs[0]);
    tickets[0] = cede_submit(loop, &reqs[0], on_ended_next);
    cede_prep_roundtrip(&reqs[1]);
    tickets[1] = cede_submit(loop, &reqs[1], on_ended);
}

static void run_cancels(void)
{
    TRIAL_CHECK(cede_run(loop, CEDE_FOREVER) >= 0);
    TRIAL_CHECK(done_count == 3 && value[0] == 1 && value[1] == 1 && value[2] == 1);
    TRIAL_CHECK(results[0].status == CEDE_ECANCELED || results[0].status == CEDE_OK);
    TRIAL_CHECK(results[1].status == CEDE_ECANCELED || results[1].status == CEDE_OK);
    TRIAL_CHECK(results[2].status == CEDE_OK && !(results[2].flags & CEDE_CANCEL_ASKED));
    close_loop();
}

static void cancel_both(void)
{
    cede_cancel(tickets[0]);
    cede_cancel(tickets[1]);
    trial_let_go();
    cede_cancel(tickets[0]);
}

static void cancel_and_complete(void)
{
    cede_cancel(tickets[1]);
    cede_complete(tickets[0], CEDE_OK, 7);
    cede_cancel(tickets[1]);
}

/* ---- Wishes that carry something, into slots that are delivered meanwhile -------------------- */

static void on_payload(cede_req *req, cede_result r)
{
    on_ended(req, r);
    if (index_of(req) != 0 || done_count > 4)
        return;
    cede_prep_pend(&reqs[0]); /* into the slot, if nobody writes into it any more */
    tickets[0] = cede_submit(loop, &reqs[0], on_payload);
    cede_complete(tickets[0], CEDE_EIO, 4);
}

static void begin_payloads(void)
{
    begin();
    cede_prep_pend(&reqs[0]);
    tickets[0] = tickets[2] = cede_submit(loop, &reqs[0], on_payload);
    cede_prep_scope(&reqs[1]);
    tickets[1] = cede_submit(loop, &reqs[1], on_ended);
}

static void run_payloads(void)
{
    if (trial_choose(2)) {
        (void)cede_run(loop, 0);
        cede_complete(tickets[2], CEDE_EIO, 3);
    }
    run_and_close();
    TRIAL_CHECK(value[1] == 1 && value[0] >= 2);
    TRIAL_CHECK(results[1].status == CEDE_EEOF || results[1].status == CEDE_ENOMEM);
    TRIAL_CHECK(results[0].status == CEDE_EIO && results[0].count == 4);
}

static void fail_and_complete(void)
{
    cede_fail(tickets[1], CEDE_EEOF);
    cede_complete(tickets[2], CEDE_EIO, 3);
}

static void complete_and_fail(void)
{
    cede_complete(tickets[2], CEDE_EIO, 3);
    cede_fail(tickets[1], CEDE_ENOMEM);
}

/* ---- What a thread sends behind its wish, which came second ---------------------------------- */

static void begin_seconds(void)
{
    begin_alive();
    cede_prep_scope(&reqs[0]);
    tickets[0] = cede_submit(loop, &reqs[0], on_ended);
    cede_prep_pend(&reqs[1]);
    tickets[1] = cede_submit(loop, &reqs[1], on_ended);
}

/* Each member came behind its thread's wish. */
static void on_member(cede_req *req, cede_result r)
{
    on_ended(req, r);
    TRIAL_CHECK(r.status == CEDE_EENDED);
    TRIAL_CHECK(value[1] == 1);
    if (value[2] && value[3])
        cede_complete(alive_ticket, CEDE_OK, 0);
}

static void run_seconds(void)
{
    run_and_close();
    TRIAL_CHECK(done_count == 4 && value[0] == 1 && value[1] == 1);
}

static void wish_and_send(unsigned i)
{
    cede_complete(tickets[1], CEDE_OK, i);
    if (i == 2)
        cede_fail(tickets[0], CEDE_EIO);
    else
        cede_cancel(tickets[0]);
    cede_prep_nop(&reqs[i]);
    cede_in(&reqs[i], tickets[0]);
    cede_submit_remote(loop, &reqs[i], on_member, NULL);
}

static void wish_and_send_1(void)
{
    wish_and_send(2);
}

static void wish_and_send_2(void)
{
    wish_and_send(3);
}

/* ---- A wish into a slot whose link travels for an older request ------------------------------ */

static void on_heir(cede_req *req, cede_result r)
{
    on_ended(req, r);
    TRIAL_CHECK(r.status == CEDE_ECANCELED);
    if (value[1] && value[3])
        cede_complete(alive_ticket, CEDE_OK, 0);
}

static void on_older_gone(cede_req *req, cede_result r)
{
    on_ended(req, r);
    cede_prep_scope(&reqs[1]); /* into the slot of the first, if its link is not taken */
    tickets[1] = cede_submit(loop, &reqs[1], on_heir);
    atomic_store_explicit(&flag, 1, memory_order_release);
}

static void begin_older(void)
{
    begin_alive();
    cede_prep_nop(&reqs[0]);
    tickets[0] = cede_submit(loop, &reqs[0], on_ended);
    cede_prep_nop(&reqs[2]);
    (void)cede_submit(loop, &reqs[2], on_older_gone);
}

static void run_older(void)
{
    run_and_close();
    TRIAL_CHECK(done_count == 4 && value[1] == 1 && value[3] == 1);
}

static void wish_older(void)
{
    cede_cancel(tickets[0]);
}

/* Its member is there when the scope ends, so it is ended with it, and not refused. */
static void send_and_end(void)
{
    while (!atomic_load_explicit(&flag, memory_order_acquire))
        trial_yield();
    cede_prep_pend(&reqs[3]);
    cede_in(&reqs[3], tickets[1]);
    cede_submit_remote(loop, &reqs[3], on_heir, NULL);
    cede_cancel(tickets[1]);
}

/* ---- A wish by a ticket that is older than the loop's taking --------------------------------- */

static void on_early(cede_req *req, cede_result r)
{
    on_ended(req, r);
    TRIAL_CHECK(r.status == CEDE_ECANCELED || (r.status == CEDE_EIO && r.count == 9));
    cede_complete(alive_ticket, CEDE_OK, 0);
}

static void run_early(void)
{
    run_and_close();
    TRIAL_CHECK(value[0] == 1);
}

static void send_early(void)
{
    cede_prep_pend(&reqs[0]);
    cede_submit_remote(loop, &reqs[0], on_early, &tickets[0]);
    atomic_store_explicit(&flag, 1, memory_order_release);
    if (trial_choose(2))
        cede_cancel(tickets[0]);
}

static void wish_early(void)
{
    while (!atomic_load_explicit(&flag, memory_order_acquire))
        trial_yield();
    if (trial_choose(2))
        cede_complete(tickets[0], CEDE_EIO, 9);
    cede_cancel(tickets[0]);
}

/* ---- A stop, a post, and a loop that is about to sleep --------------------------------------- */

static void run_stopped(void)
{
    TRIAL_CHECK(cede_run(loop, CEDE_FOREVER) >= 0); /* nothing but the stop ends it */
    while (done_count == 0) {
        trial_yield();
        TRIAL_CHECK(cede_run(loop, 0) >= 0);
    }
    cede_complete(alive_ticket, CEDE_OK, 0);
    run_and_close();
    TRIAL_CHECK(done_count == 1);
}

static void stop(void)
{
    cede_stop(loop);
}

static void post(void)
{
    cede_prep_nop(&reqs[0]);
    cede_submit_remote(loop, &reqs[0], on_ended, NULL);
}

/* ---- A loop that is watched from outside, and closed while it is woken ----------------------- */

static void begin_watched(void)
{
    begin();
    for (unsigned i = 0; i < 2; i++) {
        cede_prep_pend(&reqs[i]);
        tickets[i] = cede_submit(loop, &reqs[i], on_ended);
    }
}

static void run_watched(void)
{
    uint64_t timeout_ns;
    TRIAL_CHECK(cede_loop_waitable(loop, &timeout_ns) == -1);
    close_loop();
    TRIAL_CHECK(value[0] == 1 && value[1] == 1);
}

static void cancel_0(void)
{
    cede_cancel(tickets[0]);
}

static void cancel_1(void)
{
    cede_cancel(tickets[1]);
}

/* ---- A loop is closed, and another gets its slots -------------------------------------------- */

static void begin_reopened(void)
{
    begin();
    cede_prep_pend(&reqs[0]);
    tickets[0] = cede_submit(loop, &reqs[0], on_ended);
}

static void run_reopened(void)
{
    close_loop();
    TRIAL_CHECK(value[0] == 1 && results[0].status == CEDE_ECANCELED);
    open_loop();
    cede_prep_pend(&reqs[1]);
    tickets[1] = cede_submit(loop, &reqs[1], on_ended);
    TRIAL_CHECK(tickets[1].id == tickets[0].id); /* the same slot, or this tries nothing */
    atomic_store_explicit(&flag, 1, memory_order_release);
    run_and_close();
    TRIAL_CHECK(value[1] == 1 && results[1].status == CEDE_EIO && results[1].count == 8);
}

static void wish_old(void)
{
    cede_cancel(tickets[0]);
    cede_complete(tickets[0], CEDE_EIO, 1);
}

static void wish_new(void)
{
    while (!atomic_load_explicit(&flag, memory_order_acquire))
        trial_yield();
    cede_complete(tickets[1], CEDE_EIO, 8);
}

/* ---- One handle, dropped by everybody -------------------------------------------------------- */

static void begin_drops(void)
{
    begin();
    trial_handle = cede_core_adopt(&trial_backend, 1, CEDE_KIND_FILE, 0);
    cede_prep_fsync(&reqs[0], trial_handle);
    tickets[0] = cede_submit(loop, &reqs[0], on_ended);
}

static void run_drops(void)
{
    TRIAL_CHECK(cede_run(loop, trial_choose(2) ? CEDE_FOREVER : 0) >= 0);
    cede_prep_fsync(&reqs[1], trial_handle);
    tickets[1] = cede_submit(loop, &reqs[1], on_ended);
    close_loop();
    TRIAL_CHECK(value[0] == 1 && value[1] == 1);
}

static void drop(void)
{
    cede_drop(trial_handle);
    cede_drop(trial_handle);
}

/* ---- Submits while the loop closes; with slots, without, and posts --------------------------- */

static void on_late(cede_req *req, cede_result r)
{
    TRIAL_CHECK(r.status == CEDE_OK || r.status == CEDE_EENDED || r.status == CEDE_ENOMEM);
    TRIAL_CHECK(value[index_of(req)] == 0);
    on_ended(req, r);
}

static void begin_late(void)
{
    begin();
    trial_hold();
    cede_prep_roundtrip(&reqs[0]);
    tickets[0] = cede_submit(loop, &reqs[0], on_ended);
}

static void begin_late_without_room(void)
{
    begin_late();
    trial_no_memory = true;
}

/* The kernel must have the first before anybody ends it: then it is not over before it is let go,
 * and so nor is the close before all have been sent (law 11). */
static void run_late(void)
{
    (void)cede_run(loop, 0);
    atomic_store_explicit(&flag, 1, memory_order_release);
    close_loop();
    TRIAL_CHECK(done_count == 4);
}

static void send_late(void)
{
    cede_prep_nop(&reqs[1]);
    cede_submit_remote(loop, &reqs[1], on_late, NULL);
    cede_prep_nop(&reqs[2]);
    cede_submit_remote(loop, &reqs[2], on_late, &tickets[2]);
    cede_prep_nop(&reqs[3]);
    cede_submit_remote(loop, &reqs[3], on_late, NULL);
    trial_let_go();
}

static void cancel_late(void)
{
    while (!atomic_load_explicit(&flag, memory_order_acquire))
        trial_yield();
    cede_cancel(tickets[0]);
}

const trial trials[] = {
    {"remote_submits", begin_alive, {run_sent, send_mixed_1, send_mixed_2}, 8000},
    {"remote_slots", begin_alive, {run_sent, send_slots_1, send_slots_2}, 8000},
    {"cancels", begin_cancels, {run_cancels, cancel_both, cancel_and_complete}, 8000},
    {"payloads", begin_payloads, {run_payloads, fail_and_complete, complete_and_fail}, 8000},
    {"seconds", begin_seconds, {run_seconds, wish_and_send_1, wish_and_send_2}, 8000},
    {"older_links", begin_older, {run_older, wish_older, send_and_end}, 8000},
    {"early_wishes", begin_alive, {run_early, send_early, wish_early}, 8000},
    {"stop_and_post", begin_alive, {run_stopped, stop, post}, 8000},
    {"watched", begin_watched, {run_watched, cancel_0, cancel_1}, 8000},
    {"reopened", begin_reopened, {run_reopened, wish_old, wish_new}, 8000},
    {"drops", begin_drops, {run_drops, drop, drop}, 8000},
    {"late_submits", begin_late, {run_late, send_late, cancel_late}, 8000},
    {"late_without_room", begin_late_without_room, {run_late, send_late, cancel_late}, 8000},
    {NULL, NULL, {NULL, NULL, NULL}, 0},
};
