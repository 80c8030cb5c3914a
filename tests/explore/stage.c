/*
 * One run: its memory, its callbacks, and what must be true when all is over.
 */
#include "kinds.h"

stage now;
uint32_t stage_starving, stage_starved;

/* ---- Memory that may be out ------------------------------------------------------------------ */

static void *resize(void *context, void *memory, size_t size)
{
    (void)context;
    if (size == 0) {
        free(memory);
        return NULL;
    }
    if (stage_starving > 0) {
        stage_starving--;
        stage_starved++;
        return NULL;
    }
    return realloc(memory, size);
}

void stage_allocator(void)
{
    static const cede_allocator allocator = {resize, NULL};
    if (cede_set_allocator(&allocator) != CEDE_OK)
        abort();
}

/* ---- Opening --------------------------------------------------------------------------------- */

static void on_trace(void *context, const char *line)
{
    (void)context;
    if (explore_trace)
        fprintf(explore_trace, "%s\n", line);
}

static void stage_clear(void)
{
    struct {
        bytes in, out;
    } kept[sizeof now.things / sizeof *now.things];
    for (uint32_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        kept[i].in = now.things[i].in;
        kept[i].out = now.things[i].out;
    }
    uint32_t calls = now.call_count;
    memset(now.calls, 0, calls * sizeof *now.calls);
    now.call_count = now.thing_count = now.frame_count = now.caller_count = now.out_count = 0;
    memset((char *)&now + offsetof(stage, reg), 0, sizeof now - offsetof(stage, reg));
    for (uint32_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        now.things[i].in = kept[i].in;
        now.things[i].out = kept[i].out;
    }
    now.step = 1;
    stage_starving = stage_starved = 0;
}

static uint32_t homes_of(const program *p)
{
    uint32_t most = 0;
    for (uint32_t i = 0; i < p->count; i++)
        most = p->action[i].home > most ? p->action[i].home : most;
    return most + 1;
}

void stage_open(const program *p, cede_sim *world)
{
    static cede_sim_config in;
    cede_options options = CEDE_OPTIONS_INIT;
    cede_sim_config manners = manners_of(p);
    stage_clear();
    now.program = p;
    if (explore_trace)
        manners.trace = on_trace;
    now.world = world ? world : cede_sim_new(&manners);
    now.own_world = !world;
    now.narrow = manners.in_flight_most > 0;
    now.hungry = manners.starve_permille > 0 && !world;
    now.forgetful = manners.watch_most > 0 && !world;
    in.world = now.world;
    options.backend_table = setup_backend();
    options.backend_config = &in;
    options.queue_entries = 4;
    options.trace = on_trace;
    now.home_count = homes_of(p);
    for (home *h = now.homes; h < now.homes + now.home_count; h++)
        LAW(0, NULL, now.world && cede_loop_open(&options, &h->loop) == CEDE_OK, "no loop");
    setup_world(p);
}

/* ---- Callbacks ------------------------------------------------------------------------------- */

/* The memory is the callee's: what is written into it now, nobody may see or undo. */
static void retire(call *c)
{
    if (!c->memory)
        return;
    memset(&c->memory->req, GONE, sizeof c->memory->req);
    memset(c->memory->data, GONE, c->memory->room);
    c->memory = NULL;
}

void on_done(cede_req *req, cede_result result)
{
    block *b = CEDE_CONTAINER(req, block, req);
    call *c = b->owner;
    if (explore_trace)
        fprintf(explore_trace, "%12" PRIu64 " ns  done of %s #%" PRIu32 ": %s, %" PRIu64 "\n",
                cede_sim_now(now.world), c->kind->name, c->serial, cede_status_name(result.status),
                result.count);
    laws_entered(c, &result);
    if (!c->item_done)
        act_body(c);
    retire(c);
    laws_returned(c);
}

void on_item(cede_req *req, cede_result result)
{
    call *c = CEDE_CONTAINER(req, block, req)->owner;
    laws_item(c, &result);
    c->kind->judge(c, &result);
    if (!c->item_done && (c->how->attr & A_ITEM)) {
        c->item_done = true;
        act_body(c);
    }
    now.frame_count--;
}

/* ---- Many at once ---------------------------------------------------------------------------- */

#define FLOOD 600u

static cede_req flood_reqs[FLOOD];
static uint8_t flood_dones[FLOOD];

static void on_flood(cede_req *req, cede_result result)
{
    (void)result;
    now.callers[now.caller_count ? now.caller_count - 1 : 0].callbacks++;
    LAW(2, NULL, ++flood_dones[req - flood_reqs] == 1, "one of a flood came twice");
}

void stage_flood(home *h)
{
    if (now.flooded)
        return;
    now.flooded = true;
    memset(flood_dones, 0, sizeof flood_dones);
    for (uint32_t i = 0; i < FLOOD; i++) {
        cede_prep_pend(&flood_reqs[i]);
        cede_background(&flood_reqs[i]);
        (void)cede_submit(h->loop, &flood_reqs[i], on_flood);
    }
    now.starved = now.starved || stage_starved > 0;
}

/* ---- The end --------------------------------------------------------------------------------- */

static void nothing_is_left(void)
{
    cede_sim_counts counts;
    while (now.out_count > 0)
        truth_give();
    if (now.pool && !now.pool_closed) { /* else it went with the last buffer */
        LAW(8, NULL, cede_pool_out(now.pool) == 0, "%" PRIu32 " buffers are out, with nobody",
            cede_pool_out(now.pool));
        cede_pool_close(now.pool);
    }
    cede_drop(now.source.handle);
    cede_drop(now.child_in);
    cede_drop(now.child_out);
    for (thing *t = now.things; t < now.things + now.thing_count; t++)
        cede_drop(t->handle); /* those that nothing was ever submitted on */
    cede_sim_count(now.world, &counts);
    LAW(11, NULL, counts.in_flight == 0, "%" PRIu64 " works are in flight", counts.in_flight);
    LAW(8, NULL, counts.open == 0, "%" PRIu64 " descriptors are open", counts.open);
    for (uint32_t i = 0; i < FLOOD && now.flooded; i++)
        LAW(2, NULL, flood_dones[i] == 1, "one of a flood never came");
    for (block *b = now.blocks, *next; b; b = next) {
        next = b->next;
        for (size_t i = 0; i < b->room; i++)
            LAW(4, NULL, b->data[i] == GONE, "memory was touched after its done");
        for (size_t i = 0; i < sizeof b->req; i++)
            LAW(4, NULL, ((const uint8_t *)&b->req)[i] == GONE, "a request, after its done");
        free(b);
    }
    now.blocks = NULL;
}

void stage_close(void)
{
    for (home *h = now.homes; h < now.homes + now.home_count; h++)
        (void)waits_close(h, CEDE_FOREVER);
    truth_final();
    nothing_is_left();
    if (now.own_world)
        LAW(11, NULL, cede_sim_free(now.world) == CEDE_OK, "the world is not free");
}

void program_run(const program *p, cede_sim *world)
{
    stage_open(p, world);
    act_all(p);
    stage_settle();
    stage_close();
}
