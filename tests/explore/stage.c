/*
 * One run: the world, what is in it, the callbacks, and what must be true when all is over.
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

/* ---- The world ------------------------------------------------------------------------------- */

cede_sim_config manners_of(const program *p)
{
    cede_sim_config c = {.flags = 0};
    if (p->manners >= 2)
        c = cede_sim_rough(0);
    switch (p->manners) {
    case 0:
        c.flags = CEDE_SIM_IN_ORDER;
        break;
    case 3:
        c.immediate_permille = 1000;
        c.late_permille = 0;
        break;
    case 4:
        c.in_flight_most = 2;
        c.batch_most = 1;
        break;
    case 5:
        c.immediate_permille = 0;
        c.cancel_lost_permille = 700;
        c.cancel_again_permille = 500;
        break;
    case 6:
        c.starve_permille = 100;
        c.lose_permille = 200;
        break;
    case 7:
        c.batch_permille = 900;
        c.late_permille = 700;
        c.latency_min_ns = c.latency_max_ns = 1;
        break;
    default:
        break;
    }
    c.seed = p->seed;
    c.flags |= CEDE_SIM_DEADLOCK_FAILS | CEDE_SIM_LENDS;
    c.waits_most = 200000;
    return c;
}

thing *thing_new(uint32_t role, cede_handle handle)
{
    if (now.thing_count == sizeof now.things / sizeof *now.things)
        return NULL;
    thing *t = &now.things[now.thing_count++];
    bytes in = {t->in.data, 0, t->in.room}, out = {t->out.data, 0, t->out.room};
    *t = (thing){.role = role, .handle = handle, .in = in, .out = out};
    return t;
}

/* ---- What is there at first ------------------------------------------------------------------ */

static cede_result setup_result;

static void on_setup(cede_req *req, cede_result result)
{
    (void)req;
    setup_result = result;
}

/* In a world that fails now and then: until it does not. */
static cede_handle set_up(void (*prep)(cede_req *, const void *), const void *what)
{
    cede_req req;
    now.bound = true;
    for (int tries = 0; tries < 1000; tries++) {
        prep(&req, what);
        (void)cede_wait(now.loop, cede_submit(now.loop, &req, on_setup), CEDE_FOREVER);
        if (setup_result.status == CEDE_OK)
            return setup_result.handle;
    }
    broken(0, NULL, "the stage cannot be set: %s", cede_status_name(setup_result.status));
}

struct file {
    const char *path;
    uint32_t flags;
};

static void prep_setup_file(cede_req *req, const void *what)
{
    const struct file *file = what;
    cede_prep_open(req, file->path, file->flags | CEDE_OPEN_CREATE, 0644);
}

static void prep_setup_listener(cede_req *req, const void *what)
{
    cede_address at = cede_ipv4(127, 0, 0, 1, PORT);
    (void)what;
    cede_prep_listen(req, &at, 4, 0);
}

static void prep_setup_datagram(cede_req *req, const void *what)
{
    cede_address at = cede_ipv4(127, 0, 0, 1, *(const uint16_t *)what);
    cede_prep_datagram(req, &at, 0);
}

static cede_handle second;

static void prep_setup_pair(cede_req *req, const void *what)
{
    (void)what;
    cede_prep_pair(req, CEDE_PAIR_STREAM, &second);
}

static void place(uint32_t at, uint32_t role, cede_handle handle)
{
    now.at[at] = thing_new(role, handle);
}

static void connected(uint32_t a, uint32_t b)
{
    now.at[a]->peer = now.at[b];
    now.at[b]->peer = now.at[a];
}

static void set_files(uint32_t roles)
{
    static const struct file files[] = {{"/file", CEDE_OPEN_READ | CEDE_OPEN_WRITE},
                                        {"/log", CEDE_OPEN_WRITE},
                                        {"/source", CEDE_OPEN_READ},
                                        {"/sink", CEDE_OPEN_WRITE}};
    for (uint32_t i = 0; i < 4; i++) {
        if (roles & R_FILE << i)
            place(i, R_FILE << i, set_up(prep_setup_file, &files[i]));
    }
    if (roles & R_STREAMS_OUT)
        now.source = set_up(prep_setup_file, &files[2]);
    if (roles & R_FILE) {
        if (!now.source)
            now.source = set_up(prep_setup_file, &files[2]);
        place(11, R_FILE, set_up(prep_setup_file, &files[0]));
    }
}

static void set_sockets(uint32_t roles)
{
    static const uint16_t ports[2] = {PORT + 1, PORT + 2};
    if (roles & (R_PIPE_IN | R_PIPE_OUT)) {
        cede_handle reader = 0, writer = 0;
        LAW(0, NULL, cede_sim_pipe_new(now.world, 512, &reader, &writer), "no pipe");
        place(4, R_PIPE_IN, reader);
        place(5, R_PIPE_OUT, writer);
        connected(4, 5);
    }
    if (roles & R_STREAM) {
        cede_handle first = set_up(prep_setup_pair, NULL);
        place(6, R_STREAM, first);
        place(7, R_STREAM, second);
        connected(6, 7);
    }
    if (roles & R_LISTENER)
        place(8, R_LISTENER, set_up(prep_setup_listener, NULL));
    if (roles & R_DATAGRAM) {
        place(9, R_DATAGRAM, set_up(prep_setup_datagram, &ports[0]));
        place(10, R_DATAGRAM, set_up(prep_setup_datagram, &ports[1]));
    }
}

/* Which things a program needs. */
static uint32_t roles_of(const program *p, bool *pool)
{
    uint32_t roles = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        const action *a = &p->action[i];
        bool any = a->verb == V_DROP || a->verb == V_OWN;
        uint32_t fit = kinds[a->kind].roles;
        if (a->verb == V_SUBMIT && fit != R_ALL) {
            roles |= fit;
            *pool = *pool || kinds[a->kind].group == G_POOL;
            if (kinds[a->kind].op == CEDE_OP_CONNECT)
                roles |= R_LISTENER;
        } else if (any || a->verb == V_SUBMIT) {
            roles |= R_PIPE_IN | R_STREAM;
        }
    }
    return roles;
}

static void put_files(void)
{
    uint8_t data[4096];
    for (uint32_t i = 0; i < sizeof data; i++)
        data[i] = pattern(SOURCE, i);
    (void)cede_sim_put(now.world, "/source", data, sizeof data);
    for (uint32_t i = 0; i < FILE_FIRST; i++)
        data[i] = pattern(FIRST, i);
    (void)cede_sim_put(now.world, "/file", data, FILE_FIRST);
    (void)cede_sim_put(now.world, "/log", data, 0);
    (void)cede_sim_put(now.world, "/sink", data, 0);
}

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

void stage_open(const program *p, cede_sim *world)
{
    static cede_sim_config in;
    cede_options options = CEDE_OPTIONS_INIT;
    cede_sim_config manners = manners_of(p);
    bool pool = false;
    stage_clear();
    now.program = p;
    if (explore_trace)
        manners.trace = on_trace;
    now.world = world ? world : cede_sim_new(&manners);
    now.own_world = !world;
    now.narrow = manners.in_flight_most > 0;
    now.hungry = manners.starve_permille > 0 && !world;
    in.world = now.world;
    options.backend_table = &cede_sim_backend;
    options.backend_config = &in;
    options.queue_entries = 4;
    options.trace = on_trace;
    LAW(0, NULL, now.world && cede_loop_open(&options, &now.loop) == CEDE_OK, "no loop");
    put_files();
    uint32_t roles = roles_of(p, &pool);
    set_files(roles);
    set_sockets(roles);
    if (pool)
        LAW(0, NULL, cede_pool_open(now.loop, POOL_COUNT, POOL_BYTES, 0, &now.pool) == CEDE_OK,
            "no pool");
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

void stage_flood(void)
{
    if (now.flooded)
        return;
    now.flooded = true;
    memset(flood_dones, 0, sizeof flood_dones);
    for (uint32_t i = 0; i < FLOOD; i++) {
        cede_prep_pend(&flood_reqs[i]);
        cede_background(&flood_reqs[i]);
        (void)cede_submit(now.loop, &flood_reqs[i], on_flood);
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
    cede_drop(now.source);
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
    if (!now.closed)
        (void)waits_close(CEDE_FOREVER);
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
