/*
 * Moments that no other thread can hit by chance for certain: between two steps of the loop's, seen
 * from the backend. A table that stands between the core and the simulated backend acts exactly
 * there; on io_uring the hook before its system calls does (laws 6, 14, 15; W2, Q3).
 *
 * In the simulated world a sleep that nothing can end returns CEDE_EDEADLK, so what is lost shows
 * at once and not by a hang.
 */
#include "conformance.h"

#include "cede/sim.h"
#include "cede/uring.h"

/* ---- What stands between -------------------------------------------------------------------- */

#define LATE_MOST 16u

/* One at a time in a process. */
static struct between {
    cft *t;
    cede_core *core;
    void (*act)(void *); /* on another thread, inside the next start of a read; then NULL */
    void *context;
    uint32_t refuse; /* so many cancels are answered CEDE_CANCEL_AGAIN */
    uint32_t miss;   /* so many are taken up and, in the next wait, found nothing */
    uint64_t missed[LATE_MOST];
    uint32_t missed_count;
    uint32_t cancels; /* asked for */
} between;

static cede_status between_open(const cede_backend_setup *setup, void **self)
{
    between.core = setup->core;
    return cede_sim_backend.open(setup, self);
}

/* The loop has taken its inbox for this turn, and does not know yet that it will sleep. */
static uint32_t between_start(void *self, const cede_work *batch, uint32_t count)
{
    void (*act)(void *) = between.act;
    if (act && batch[0].op == CEDE_OP_READ) {
        between.act = NULL;
        cft_thread(between.t, act, between.context);
        cft_join(between.t);
    }
    return cede_sim_backend.start(self, batch, count);
}

static int between_cancel(void *self, uint64_t token)
{
    between.cancels++;
    if (between.refuse) {
        between.refuse--;
        return CEDE_CANCEL_AGAIN;
    }
    if (between.miss) {
        CFT_CHECK(between.t, between.missed_count < LATE_MOST);
        between.miss--;
        between.missed[between.missed_count++] = token;
        return CEDE_CANCEL_SENT;
    }
    return cede_sim_backend.cancel(self, token);
}

static cede_status between_wait(void *self, uint64_t timeout_ns)
{
    if (between.missed_count)
        timeout_ns = 0; /* an answer ends the wait */
    while (between.missed_count)
        cede_core_cancel_again(between.core, between.missed[--between.missed_count]);
    return cede_sim_backend.wait(self, timeout_ns);
}

/* A loop in a world of its own, behind what stands between. */
static cede_loop *open_between(cft *t, cede_sim **world)
{
    static cede_backend table;
    cede_sim_config config = {.flags = CEDE_SIM_DEADLOCK_FAILS}, place = {0};
    cede_options options;
    *world = cede_sim_new(&config);
    CFT_CHECK(t, *world != NULL);
    table = cede_sim_backend;
    table.open = between_open;
    table.start = between_start;
    table.cancel = between_cancel;
    table.wait = between_wait;
    between = (struct between){.t = t};
    place.world = *world;
    cft_options(t, &options);
    options.backend = NULL;
    options.backend_table = &table;
    options.backend_config = &place;
    return cft_open(t, &options);
}

static void close_between(cft *t, cede_loop *loop, cede_sim *world)
{
    CFT_CHECK(t, cft_close_on(t, loop, CEDE_FOREVER) == CEDE_OK);
    CFT_CHECK(t, cede_sim_free(world) == CEDE_OK);
}

/* A read that pends until somebody ends it. */
static cft_rec *read_of(cft *t, cede_loop *loop, cede_sim *world, cede_handle *handle)
{
    cft_rec *read = cft_new(t);
    CFT_CHECK(t, cede_sim_pipe_new(world, 0, handle, NULL) != NULL);
    cede_prep_read(read->req, *handle, cft_buffer(read, 4), 4, CEDE_CURRENT);
    cft_submit_on(read, loop);
    return read;
}

/* ---- Between the last look and the sleep ---------------------------------------------------- */

struct deed {
    cede_loop *loop;
    cft_rec *rec;
    cede_ticket ticket;
    cede_handle handle;
    cede_req bare;
    bool bare_done;
};

static void post(void *context)
{
    struct deed *deed = context;
    cft_submit_remote(deed->rec, deed->loop);
}

/* One that needs no ticket may travel by another way. */
static void bare_done(cede_req *req, cede_result result)
{
    struct deed *deed = CEDE_CONTAINER(req, struct deed, bare);
    CFT_CHECK(between.t, result.status == CEDE_OK);
    deed->bare_done = true;
    cede_stop(deed->loop);
}

static void post_bare(void *context)
{
    struct deed *deed = context;
    cede_prep_nop(&deed->bare);
    cede_submit_remote(deed->loop, &deed->bare, bare_done, NULL);
}

static void cancel(void *context)
{
    cede_cancel(((struct deed *)context)->ticket);
}

static void complete(void *context)
{
    cede_complete(((struct deed *)context)->ticket, CEDE_OK, 3);
}

static void drop(void *context)
{
    cede_drop(((struct deed *)context)->handle);
}

static void stop(void *context)
{
    cede_stop(((struct deed *)context)->loop);
}

static void stop_it(cft_rec *rec)
{
    cede_stop(rec->loop);
}

CFT_CASE(post_between_the_last_look_and_the_sleep_is_seen)
{
    cede_sim *world;
    cede_handle handle;
    struct deed deed = {.loop = open_between(t, &world)};
    cft_rec *read = read_of(t, deed.loop, world, &handle);
    deed.rec = cft_new(t);
    deed.rec->then = stop_it;
    cede_prep_nop(deed.rec->req);
    between.act = post;
    between.context = &deed;
    CFT_CHECK(t, cft_run_on(deed.loop, CEDE_FOREVER) == 1);
    CFT_CHECK(t, between.act == NULL && deed.rec->done == 1 && read->done == 0);
    cft_rec *second = read_of(t, deed.loop, world, &handle);
    between.act = post_bare;
    CFT_CHECK(t, cft_run_on(deed.loop, CEDE_FOREVER) == 1);
    CFT_CHECK(t, between.act == NULL && deed.bare_done && second->done == 0);
    close_between(t, deed.loop, world);
    CFT_CHECK(t, read->done == 1 && second->done == 1);
}

CFT_CASE(wishes_between_the_last_look_and_the_sleep_are_seen)
{
    static void (*const acts[])(void *) = {cancel, drop, complete, stop};
    cede_sim *world;
    cede_loop *loop = open_between(t, &world);
    for (uint32_t i = 0; i < 4; i++) {
        struct deed deed = {.loop = loop};
        cft_rec *pend = cft_new(t);
        cede_prep_pend(pend->req);
        cede_background(pend->req);
        pend->then = stop_it;
        cft_submit_on(pend, loop);
        cft_rec *read = read_of(t, loop, world, &deed.handle);
        deed.ticket = acts[i] == complete ? pend->ticket : read->ticket;
        between.act = acts[i];
        between.context = &deed;
        CFT_CHECK(t, cft_run_on(loop, CEDE_FOREVER) >= 0);
        CFT_CHECK(t, between.act == NULL);
        if (acts[i] == cancel)
            CFT_ENDED(t, read, CEDE_ECANCELED, CEDE_BY_WISH);
        if (acts[i] == drop)
            CFT_ENDED(t, read, CEDE_ECANCELED, CEDE_BY_CLOSE);
        CFT_CHECK(t, pend->done == (acts[i] == complete));
        CFT_CHECK(t, read->done == (acts[i] == cancel || acts[i] == drop));
    }
    close_between(t, loop, world);
}

/* ---- Cancels that find no hearing ----------------------------------------------------------- */

static void cancel_unheard(cft *t, uint32_t refuse, uint32_t miss)
{
    enum { READS = 3 };
    cede_sim *world;
    cede_handle handle;
    cede_loop *loop = open_between(t, &world);
    cft_rec *reads[READS];
    for (uint32_t i = 0; i < READS; i++)
        reads[i] = read_of(t, loop, world, &handle);
    CFT_CHECK(t, cft_run_on(loop, 0) >= 0);
    between.refuse = refuse;
    between.miss = miss;
    for (uint32_t i = 0; i < READS; i++)
        cede_cancel(reads[i]->ticket); /* once each */
    CFT_CHECK(t, cft_run_on(loop, CEDE_FOREVER) == READS);
    for (uint32_t i = 0; i < READS; i++)
        CFT_ENDED(t, reads[i], CEDE_ECANCELED, CEDE_BY_WISH);
    CFT_CHECK(t, between.refuse == 0 && between.miss == 0);
    CFT_CHECK(t, between.cancels == READS + refuse + miss);
    close_between(t, loop, world);
}

CFT_CASE(cancel_that_found_nothing_is_sent_again)
{
    cancel_unheard(t, 0, 1);
    cancel_unheard(t, 0, 7);
}

/* Q3 */
CFT_CASE(cancel_that_found_no_room_is_sent_again)
{
    cancel_unheard(t, 1, 0);
    cancel_unheard(t, 7, 0);
}

/* ---- On the doorstep ------------------------------------------------------------------------ */

struct doorstep {
    cft *t;
    struct deed deed;
    bool armed;
};

static int before_call(void *context, const char *call)
{
    struct doorstep *door = context;
    if (door->armed && call[0] == 'e' && call[1] == 'n') { /* "enter" */
        door->armed = false;
        cft_thread(door->t, post, &door->deed);
        cft_join(door->t);
    }
    return 0;
}

/* The loop has looked for the last time and is about to enter the kernel to sleep. */
CFT_CASE(post_on_the_doorstep_of_the_kernel_ends_the_sleep)
{
    struct doorstep *door = cft_alloc(t, sizeof *door);
    cede_uring_config config = {.fault = before_call, .fault_context = door};
    cede_options options;
    cft_options(t, &options);
    options.backend_config = &config;
    door->t = t;
    door->deed.loop = cft_open(t, &options);
    cft_rec *pend = cft_new(t);
    cede_prep_pend(pend->req);
    cft_submit_on(pend, door->deed.loop);
    for (uint32_t i = 0; i < 20; i++) {
        door->deed.rec = cft_new(t);
        door->deed.rec->then = stop_it;
        cede_prep_nop(door->deed.rec->req);
        door->armed = true;
        CFT_CHECK(t, cft_run_on(door->deed.loop, CEDE_FOREVER) == 1);
        CFT_CHECK(t, !door->armed && door->deed.rec->done == 1);
    }
    CFT_CHECK(t, cft_close_on(t, door->deed.loop, CEDE_FOREVER) == CEDE_OK);
    CFT_CHECK(t, pend->done == 1);
}
