/*
 * The inbox under threads: several producers submit, complete, cancel and drop, as fast as they can
 * and at each other's requests too. Every request comes back once; what one thread sends takes
 * effect in its order; the loop sleeps and is woken in between. For ThreadSanitizer as well.
 * Usage: unit_inbox BACKEND [SEED]
 */
#include "unit.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "../port.h"
#include "cede/cede.h"
#include "cede/sim.h"

#define THREADS 4u
#define WINDOW  48u /* of a thread's requests in flight */
#define PIPES   40u /* of each thread, to be dropped */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MESSAGES 10000u
#else
#define MESSAGES 60000u
#endif

typedef struct producer {
    port_thread thread;
    uint64_t seed;
    unsigned number;
    uint32_t next_ordered; /* the loop's thread: the number that must come next */
    _Atomic uint32_t in_flight;
    _Atomic uint64_t recent[8][2]; /* tickets that others may aim at; torn pairs name nothing */
    unsigned pipes;                /* left */
    cede_handle in[PIPES], out[PIPES];
} producer;

typedef struct message {
    cede_req req;
    producer *from;
    uint32_t number; /* of those of its thread that keep their order */
    bool ordered;
    char byte;
} message;

static producer producers[THREADS];
static _Atomic uint32_t producers_left = THREADS;
static cede_loop *loop;
static cede_sim *world;
static cede_ticket keep;
static uint64_t returned, by_wish, by_close;

static void done(cede_req *req, cede_result r)
{
    message *m = req->user_data;
    producer *p = m->from;
    if (m->ordered) {
        REQUIRE(m->number == p->next_ordered, "thread %u: %u came when it was the turn of %u",
                p->number, m->number, p->next_ordered);
        p->next_ordered++;
    }
    REQUIRE(r.status == CEDE_OK || r.status == CEDE_ECANCELED, "%s", cede_status_name(r.status));
    by_wish += (r.flags & CEDE_BY_WISH) != 0;
    by_close += (r.flags & CEDE_BY_CLOSE) != 0;
    returned++;
    free(m);
    atomic_fetch_sub_explicit(&p->in_flight, 1, memory_order_release);
}

static void kept(cede_req *req, cede_result r)
{
    (void)req;
    REQUIRE(r.status == CEDE_OK, "%s", cede_status_name(r.status));
}

/* ---- A producer ----------------------------------------------------------------------------- */

static message *message_new(producer *p)
{
    message *m = calloc(1, sizeof *m);
    REQUIRE(m, "out of memory");
    while (atomic_load_explicit(&p->in_flight, memory_order_acquire) >= WINDOW)
        port_yield();
    atomic_fetch_add_explicit(&p->in_flight, 1, memory_order_relaxed);
    m->req.user_data = m;
    m->from = p;
    return m;
}

static void send_nop(producer *p, uint32_t number)
{
    message *m = message_new(p);
    m->ordered = true;
    m->number = number;
    cede_prep_nop(&m->req);
    cede_submit_remote(loop, &m->req, done, NULL);
}

/* Completed at once, so it takes its place in the order between those before and after it. */
static void send_completed(producer *p, uint32_t number)
{
    message *m = message_new(p);
    cede_ticket ticket;
    m->ordered = true;
    m->number = number;
    cede_prep_pend(&m->req);
    cede_submit_remote(loop, &m->req, done, &ticket);
    if (number % 2)
        cede_complete(ticket, CEDE_OK, number);
    else
        cede_cancel(ticket);
    cede_complete(ticket, CEDE_EIO, 0); /* the first counts */
}

/* Left lying for some other thread, or for its own next round. */
static void send_target(producer *p, unsigned place)
{
    message *m = message_new(p);
    cede_ticket ticket, before;
    cede_prep_pend(&m->req);
    cede_submit_remote(loop, &m->req, done, &ticket);
    before.id = atomic_load(&p->recent[place][0]);
    before.generation = atomic_load(&p->recent[place][1]);
    atomic_store(&p->recent[place][0], ticket.id);
    atomic_store(&p->recent[place][1], ticket.generation);
    cede_cancel(before);
}

static void aim_at_others(producer *p)
{
    producer *other = &producers[unit_below(&p->seed, THREADS)];
    unsigned place = (unsigned)unit_below(&p->seed, 8);
    cede_ticket ticket = {atomic_load(&other->recent[place][0]),
                          atomic_load(&other->recent[place][1])};
    if (unit_below(&p->seed, 2))
        cede_cancel(ticket);
    else
        cede_complete(ticket, CEDE_OK, 1);
}

static void send_dropped(producer *p)
{
    message *m = message_new(p);
    p->pipes--;
    cede_prep_read(&m->req, p->in[p->pipes], &m->byte, 1, CEDE_CURRENT);
    cede_submit_remote(loop, &m->req, done, NULL);
    cede_drop(p->in[p->pipes]);
    cede_drop(p->out[p->pipes]);
}

static void produce(void *context)
{
    producer *p = context;
    uint32_t number = 0;
    for (unsigned i = 0; i < MESSAGES; i++) {
        uint64_t choice = unit_below(&p->seed, 256);
        if (choice < 16) {
            send_target(p, (unsigned)choice % 8);
        } else if (choice < 64) {
            send_completed(p, number++);
        } else {
            if (choice < 80)
                aim_at_others(p);
            if (choice == 255 && p->pipes > 0) {
                send_dropped(p);
                continue;
            }
            send_nop(p, number++);
        }
    }
    for (unsigned place = 0; place < 8; place++) {
        cede_ticket left = {atomic_load(&p->recent[place][0]), atomic_load(&p->recent[place][1])};
        cede_cancel(left);
    }
    if (atomic_fetch_sub(&producers_left, 1) == 1)
        cede_complete(keep, CEDE_OK, 0);
}

/* ---- The loop's thread ---------------------------------------------------------------------- */

static void open_loop(const char *backend)
{
    static cede_sim_config config;
    cede_options options = CEDE_OPTIONS_INIT;
    char why[256];
    options.backend = backend;
    options.why = why;
    options.why_bytes = sizeof why;
    if (strcmp(backend, "sim") == 0) {
        world = cede_sim_new(NULL);
        config.world = world;
        options.backend_config = &config;
    }
    if (cede_loop_open(&options, &loop)) {
        printf("skipped: no %s here: %s\n", backend, why);
        exit(UNIT_SKIPPED);
    }
}

/* All of them before the threads are: ThreadSanitizer does not see the ring close descriptors, and
 * would take their next opening, on another thread, for a race. */
static void make_pipes(producer *p)
{
    for (; p->pipes < PIPES; p->pipes++) {
        cede_handle *in = &p->in[p->pipes], *out = &p->out[p->pipes];
        intptr_t ends[2];
        if (world) {
            REQUIRE(cede_sim_pipe_new(world, 0, in, out), "no pipe");
            continue;
        }
        port_pipe(&ends[0], &ends[1]);
        *in = cede_import(ends[0], CEDE_KIND_PIPE, 0);
        *out = cede_import(ends[1], CEDE_KIND_PIPE, 0);
    }
}

int main(int argc, char **argv)
{
    static cede_req keep_req;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    cede_counts counts;
    REQUIRE(argc >= 2, "usage: %s BACKEND [SEED]", argv[0]);
    printf("seed %" PRIu64 "\n", seed);
    open_loop(argv[1]);
    cede_prep_pend(&keep_req);
    keep = cede_submit(loop, &keep_req, kept);
    for (unsigned i = 0; i < THREADS; i++)
        make_pipes(&producers[i]);
    for (unsigned i = 0; i < THREADS; i++) {
        producers[i].number = i;
        producers[i].seed = unit_random(&seed);
        port_start(&producers[i].thread, produce, &producers[i]);
    }
    REQUIRE(cede_run(loop, CEDE_FOREVER) > 0, "the loop broke");
    for (unsigned i = 0; i < THREADS; i++)
        port_join(&producers[i].thread);
    REQUIRE(cede_run(loop, CEDE_FOREVER) >= 0, "the loop broke");
    for (unsigned i = 0; i < THREADS; i++)
        REQUIRE(atomic_load(&producers[i].in_flight) == 0, "%u of thread %u are missing",
                atomic_load(&producers[i].in_flight), i);
    cede_count(loop, &counts);
    REQUIRE(returned == THREADS * (uint64_t)MESSAGES, "%" PRIu64 " came back", returned);
    REQUIRE(counts.remote == returned && counts.undelivered == 0, "%" PRIu64 " are remote",
            counts.remote);
    printf("%" PRIu64 " messages, %" PRIu64 " ended by a wish, %" PRIu64 " by a drop\n", returned,
           by_wish, by_close);
    REQUIRE(by_wish && by_close, "no wish or drop came in time");
    REQUIRE(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK, "the loop did not close");
    if (world)
        REQUIRE(cede_sim_free(world) == CEDE_OK, "the world lives on");
    return 0;
}
