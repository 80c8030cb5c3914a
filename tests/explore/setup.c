/*
 * The world, and what is in it at first: files, streams, a listener, children, watches. Only what
 * a program may ask for, since each costs time.
 */
#include "kinds.h"

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
        c.watch_most = 1;
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
    home *h = &now.homes[0];
    h->bound = true;
    for (int tries = 0; tries < 1000; tries++) {
        prep(&req, what);
        (void)cede_wait(h->loop, cede_submit(h->loop, &req, on_setup), CEDE_FOREVER);
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
        now.source.handle = set_up(prep_setup_file, &files[2]);
    if (roles & R_FILE) {
        if (!now.source.handle)
            now.source.handle = set_up(prep_setup_file, &files[2]);
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

/* The first child that copies gets the inner ends; see prep_spawn. */
static void set_pipes_of_child(void)
{
    cede_handle reader = 0, writer = 0;
    LAW(0, NULL, cede_sim_pipe_new(now.world, 512, &now.child_in, &writer), "no pipe");
    LAW(0, NULL, cede_sim_pipe_new(now.world, 512, &reader, &now.child_out), "no pipe");
    place(16, R_PIPE_OUT, writer);
    place(17, R_PIPE_IN, reader);
    connected(16, 17);
    now.at[17]->relayed = true;
}

static const behaviour *const first_child = &behaviours[1];

static void prep_setup_child(cede_req *req, const void *what)
{
    static const char *const arguments[] = {"first", NULL};
    static cede_spawn how = {.arguments = arguments};
    (void)what;
    how.program = first_child->path;
    cede_prep_spawn(req, &how, NULL);
}

static void prep_setup_watch(cede_req *req, const void *what)
{
    cede_prep_watch(req, what, 0);
}

static void prep_setup_directory(cede_req *req, const void *what)
{
    cede_prep_open(req, what, CEDE_OPEN_READ | CEDE_OPEN_DIRECTORY, 0);
}

static void set_system(uint32_t roles)
{
    if (roles & R_CHILD) {
        for (uint32_t i = 0; i < sizeof behaviours / sizeof *behaviours; i++) {
            const behaviour *b = &behaviours[i];
            if (strchr(b->path, '/') && strcmp(b->path, "/bin/none") != 0)
                (void)cede_sim_executable(now.world, b->path, &b->does, NULL, NULL);
        }
        place(18, R_CHILD, set_up(prep_setup_child, NULL));
        now.at[18]->child.runs = first_child;
    }
    if (roles & R_WATCH) {
        place(19, R_WATCH, set_up(prep_setup_watch, "/tmp"));
        for (uint32_t i = 0; i < NAMES; i++)
            now.at[19]->watch.name[i] = NAME_ABSENT;
        (void)cede_sim_mkdir(now.world, "/tmp/d0"); /* the watch tells */
        now.directories[0] = 1;
        place(22, R_WATCH, set_up(prep_setup_watch, "/tmp/d0"));
        now.at[22]->watch.where = 1;
    }
    if (roles & R_DIR)
        place(21, R_DIR, set_up(prep_setup_directory, "/tmp"));
}

/* ---- A descriptor that is somebody else's ---------------------------------------------------- */

static intptr_t last_attached;

static cede_status attach(void *self, intptr_t native, uint32_t *kind)
{
    last_attached = native;
    return cede_sim_backend.attach(self, native, kind);
}

/* The simulation's, which tells what number a handle's descriptor has. */
const cede_backend *setup_backend(void)
{
    static cede_backend backend;
    backend = cede_sim_backend;
    backend.attach = attach;
    return &backend;
}

static void prep_setup_name(cede_req *req, const void *what)
{
    static cede_address address;
    cede_prep_name(req, *(const cede_handle *)what, CEDE_NAME_OWN, &address);
}

static void set_foreign(void)
{
    (void)set_up(prep_setup_name, &now.at[6]->handle);
    now.at[6]->named = home_bit(&now.homes[0]);
    cede_handle handle =
        cede_core_adopt(&cede_sim_backend, last_attached, CEDE_KIND_STREAM, CEDE_IMPORT_BORROW);
    LAW(0, NULL, handle, "no handle for a foreign descriptor");
    place(20, R_FOREIGN, handle);
    now.at[20]->lender = now.at[6];
}

/* ---- Which of them a program needs ----------------------------------------------------------- */

static void needs_of(const action *a, uint32_t *roles, bool *copies)
{
    const kind *k = &kinds[a->kind];
    if (a->verb == V_DROP || a->verb == V_OWN || (a->verb == V_SUBMIT && k->roles == R_ALL))
        *roles |= R_PIPE_IN | R_STREAM;
    if (a->verb != V_SUBMIT || k->roles == R_ALL)
        return;
    *roles |= k->roles;
    if (k->op == CEDE_OP_CONNECT)
        *roles |= R_LISTENER;
    if (k->op == CEDE_OP_SPAWN)
        *roles |= R_CHILD;
    *copies = *copies || (k->op == CEDE_OP_SPAWN && copies_its_input(a));
    if (k->traits & T_POOL) {
        uint32_t bytes = k->op == CEDE_OP_WATCH_MANY ? CEDE_WATCH_BYTES : POOL_BYTES;
        now.pool_bytes = now.pool_bytes > bytes ? now.pool_bytes : bytes;
    }
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

void setup_world(const program *p)
{
    uint32_t roles = 0;
    bool copies = false;
    for (uint32_t i = 0; i < p->count; i++)
        needs_of(&p->action[i], &roles, &copies);
    put_files();
    set_files(roles);
    set_sockets(roles);
    set_system(roles);
    if (copies)
        set_pipes_of_child();
    if (roles & R_FOREIGN)
        set_foreign();
    if (now.pool_bytes)
        LAW(0, NULL,
            cede_pool_open(now.homes[0].loop, POOL_COUNT, now.pool_bytes, 0, &now.pool) == CEDE_OK,
            "no pool");
}
