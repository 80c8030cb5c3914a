/*
 * cede-proxy in a network that is made up: the program as it is, its clients and its target beside
 * it in one loop, and time that is virtual. So what it does with deadlines, with peers that do not
 * read and with ends of every kind is seen to the moment, on a polite kernel and on rough ones.
 * Usage: proxy_sim [SEEDS]
 *
 * Of the program only what the operating system is to it (its arguments, Ctrl-C) is left out; its
 * loop is a simulated one, and when it would run, a scene plays, which drives the others and runs
 * the loop for all.
 */
#include "../../examples/example_os.h"

#include <cede/sim.h>

#include <stdio.h>
#include <stdlib.h>

static cede_status open_simulated(const cede_options *given, cede_loop **out);
static int64_t play(cede_loop *running, uint64_t at_most_ns);
int proxy_main(int count, char **words);

#define main                   proxy_main
#define os_begin(count, words) ((void)(count), (void)(words))
#define os_on_interrupt(wish)  ((void)(wish))
#define cede_loop_open         open_simulated
#define cede_run               play
/* NOLINTNEXTLINE(bugprone-suspicious-include): the program itself, with these in it */
#include "../../examples/cede-proxy.c"
#undef main
#undef cede_loop_open
#undef cede_run

enum { PROXY_PORT = 7000, TARGET_PORT = 80, LARGE = 1500000, MOST_WORDS = 8 };

/* One that a scene is for; it plays while the proxy runs. */
typedef struct scene {
    const char *name;
    const char *target;
    const char *options[MOST_WORDS - 3];
    void (*play)(void); /* NULL: it does not get so far, */
    int code;           /* and this is what it ends with */
} scene;

static const scene *now_playing;
static uint64_t seed; /* 0: the polite kernel */
static cede_sim *world;
static cede_handle target_listener;
static uint64_t open_before;
static unsigned char all_bytes[LARGE], heard[2][LARGE];

#define CHECK(truth)                  \
    do {                              \
        if (!(truth))                 \
            failed(#truth, __LINE__); \
    } while (0)

static void print_line(void *context, const char *line)
{
    (void)context;
    fprintf(stderr, "  %s\n", line);
}

static _Noreturn void failed(const char *what, int line)
{
    fprintf(stderr, "proxy_sim: %s, seed %llu, line %d: not so: %s\n", now_playing->name,
            (unsigned long long)seed, line, what);
    cede_sim_trace(world, print_line, NULL);
    exit(1);
}

/* ---- What the others do ---------------------------------------------------------------------- */

typedef struct call {
    cede_req req;
    cede_result r;
    bool came;
} call;

static void on_came(cede_req *req, cede_result r)
{
    call *c = CEDE_CONTAINER(req, call, req);
    c->r = r;
    c->came = true;
    cede_stop(loop);
}

static void start(call *c)
{
    c->came = false;
    cede_submit(loop, &c->req, on_came);
}

/* Runs everything until it came. A run that ends at once was stopped by one that came before. */
static cede_result finish(call *c)
{
    for (int idle = 0; !c->came && idle < 100; idle++) {
        int64_t ran = cede_run(loop, CEDE_FOREVER);
        CHECK(ran >= 0);
        idle = ran ? 0 : idle;
    }
    CHECK(c->came);
    return c->r;
}

static cede_result await(call *c)
{
    start(c);
    return finish(c);
}

/* Lets so much time pass. */
static void pass(uint64_t ns)
{
    call c;
    cede_prep_timer(&c.req, ns);
    CHECK(await(&c).status == CEDE_OK);
}

static cede_handle connect_to_proxy(void)
{
    call c;
    cede_address to = cede_ipv4(127, 0, 0, 1, PROXY_PORT);
    cede_prep_connect(&c.req, &to, 0);
    CHECK(await(&c).status == CEDE_OK);
    return c.r.handle;
}

static cede_handle accept_at_target(void)
{
    call c;
    cede_prep_accept(&c.req, target_listener, NULL);
    CHECK(await(&c).status == CEDE_OK);
    return c.r.handle;
}

static void start_saying(call *c, cede_handle to, size_t bytes)
{
    cede_prep_send_all(&c->req, to, all_bytes, bytes);
    start(c);
}

static void start_hearing(call *c, cede_handle from, int ear, size_t bytes)
{
    memset(heard[ear], 0, bytes);
    cede_prep_recv_all(&c->req, from, heard[ear], bytes);
    start(c);
}

/* So many bytes go from one to the other, and come as they were. */
static void move(cede_handle from, cede_handle to, size_t bytes)
{
    call says, hears;
    start_saying(&says, from, bytes);
    start_hearing(&hears, to, 0, bytes);
    CHECK(finish(&says).status == CEDE_OK);
    CHECK(finish(&hears).status == CEDE_OK && memcmp(heard[0], all_bytes, bytes) == 0);
}

static void shut(cede_handle handle)
{
    call c;
    cede_prep_shutdown(&c.req, handle);
    CHECK(await(&c).status == CEDE_OK);
}

/* Receives to the end of the stream, or to its failure. */
static cede_status hear_out(cede_handle from)
{
    call c;
    do {
        cede_prep_recv(&c.req, from, heard[0], LARGE);
        await(&c);
    } while (c.r.status == CEDE_OK && c.r.count);
    return c.r.status;
}

static void reset(cede_handle handle)
{
    call c;
    cede_prep_set_option(&c.req, handle, CEDE_OPTION_LINGER, 0);
    CHECK(await(&c).status == CEDE_OK);
    cede_drop(handle);
}

/* Nothing of the proxy is left of any connection, and nothing of the others. */
static void all_is_over(void)
{
    cede_sim_counts counts;
    pass(CEDE_SECOND);
    cede_sim_count(world, &counts);
    CHECK(pairs == 0);
    CHECK(cede_pool_out(pool) == 0);
    CHECK(counts.open == open_before);
}

/* Both have said all, and hear that of the other. */
static void part(cede_handle client, cede_handle target)
{
    shut(client);
    shut(target);
    CHECK(hear_out(client) == CEDE_OK);
    CHECK(hear_out(target) == CEDE_OK);
    cede_drop(client);
    cede_drop(target);
}

/* ---- Scenes ---------------------------------------------------------------------------------- */

static void both_ways_at_once(void)
{
    cede_handle client = connect_to_proxy(), target = accept_at_target();
    call says[2], hears[2];
    start_saying(&says[0], client, LARGE);
    start_saying(&says[1], target, LARGE);
    start_hearing(&hears[0], target, 0, LARGE);
    start_hearing(&hears[1], client, 1, LARGE);
    for (int i = 0; i < 2; i++) {
        CHECK(finish(&says[i]).status == CEDE_OK);
        CHECK(finish(&hears[i]).status == CEDE_OK);
        CHECK(memcmp(heard[i], all_bytes, LARGE) == 0);
    }
    part(client, target);
}

/* The one who ends first is heard to the end, and hears the other out. */
static void end_first(cede_handle first, cede_handle other)
{
    move(first, other, 100000);
    shut(first);
    CHECK(hear_out(other) == CEDE_OK);
    pass(CEDE_SECOND);
    move(other, first, LARGE);
    shut(other);
    CHECK(hear_out(first) == CEDE_OK);
    cede_drop(first);
    cede_drop(other);
}

static void target_ends_first(void)
{
    cede_handle client = connect_to_proxy(), target = accept_at_target();
    end_first(target, client);
}

static void client_ends_first(void)
{
    cede_handle client = connect_to_proxy(), target = accept_at_target();
    end_first(client, target);
}

/* What is cut off is never taken for an end. */
static void cut_off(cede_handle who, cede_handle other, bool asked_all)
{
    if (asked_all) {
        shut(other);
        CHECK(hear_out(who) == CEDE_OK);
    }
    move(who, other, 100000);
    reset(who);
    CHECK(hear_out(other) == CEDE_ECONNRESET);
    cede_drop(other);
}

static void resets_pass(void)
{
    for (int i = 0; i < 4; i++) {
        cede_handle client = connect_to_proxy(), target = accept_at_target();
        if (i & 1)
            cut_off(client, target, i & 2);
        else
            cut_off(target, client, i & 2);
    }
}

/* The peer of one that sends is gone: so that sender is told, too. */
static void reset_stops_the_sender(void)
{
    cede_handle client = connect_to_proxy(), target = accept_at_target();
    call says;
    start_saying(&says, client, LARGE);
    pass(CEDE_SECOND);
    CHECK(!says.came);
    reset(target);
    CHECK(finish(&says).status != CEDE_OK);
    cede_drop(client);
}

static bool is_about(uint64_t ns, uint64_t wanted_ns)
{
    return ns >= wanted_ns && ns < wanted_ns + 100 * CEDE_MILLISECOND;
}

static void nobody_answers(void)
{
    uint64_t begun = cede_sim_now(world);
    cede_handle client = connect_to_proxy();
    CHECK(hear_out(client) == CEDE_ECONNRESET);
    CHECK(is_about(cede_sim_now(world) - begun, 2 * CEDE_SECOND));
    cede_drop(client);
}

static void target_refuses(void)
{
    uint64_t begun = cede_sim_now(world);
    cede_handle client = connect_to_proxy();
    CHECK(hear_out(client) == CEDE_ECONNRESET);
    CHECK(is_about(cede_sim_now(world) - begun, 0));
    cede_drop(client);
}

/* One of its addresses does not answer, one refuses, the third is it. */
static void addresses_in_turn(void)
{
    uint64_t begun = cede_sim_now(world);
    cede_handle client = connect_to_proxy(), target = accept_at_target();
    CHECK(is_about(cede_sim_now(world) - begun, 2 * CEDE_SECOND));
    move(client, target, 1000);
    part(client, target);
}

/* Traffic one way is enough; then, with none, it ends for both. */
static void idle_time(void)
{
    cede_handle client = connect_to_proxy(), target = accept_at_target();
    uint64_t last_ns = 0;
    for (int i = 0; i < 20; i++) {
        pass(7 * CEDE_SECOND);
        last_ns = cede_sim_now(world);
        move(i < 10 ? client : target, i < 10 ? target : client, 1);
    }
    CHECK(hear_out(client) == CEDE_ECONNRESET);
    CHECK(is_about(cede_sim_now(world) - last_ns, 10 * CEDE_SECOND));
    CHECK(hear_out(target) == CEDE_ECONNRESET);
    cede_drop(client);
    cede_drop(target);
}

/*
 * Of two clients at most, one is stuck both ways, since neither it nor its target reads. The other
 * is served as ever, a third waits until there is room, and when it reads at last, all is there.
 */
static void stuck_alone(void)
{
    cede_handle client[3], target[3];
    call says[2], hears[2], accept;
    client[0] = connect_to_proxy();
    target[0] = accept_at_target();
    start_saying(&says[0], client[0], LARGE);
    start_saying(&says[1], target[0], LARGE);
    pass(CEDE_SECOND);
    CHECK(!says[0].came && !says[1].came);
    CHECK(cede_pool_out(pool) == 2);

    client[1] = connect_to_proxy();
    target[1] = accept_at_target();
    move(client[1], target[1], LARGE);
    move(target[1], client[1], LARGE);

    client[2] = connect_to_proxy();
    cede_prep_accept(&accept.req, target_listener, NULL);
    cede_within(&accept.req, 5 * CEDE_SECOND);
    CHECK(await(&accept).status == CEDE_EDEADLINE);
    part(client[1], target[1]);
    target[2] = accept_at_target();
    move(client[2], target[2], 1000);
    part(client[2], target[2]);

    start_hearing(&hears[0], target[0], 0, LARGE);
    start_hearing(&hears[1], client[0], 1, LARGE);
    for (int i = 0; i < 2; i++) {
        CHECK(finish(&says[i]).status == CEDE_OK);
        CHECK(finish(&hears[i]).status == CEDE_OK);
        CHECK(memcmp(heard[i], all_bytes, LARGE) == 0);
    }
    part(client[0], target[0]);
}

/* The loop's close ends what there is: the program's affair, and the sanitizers'. */
static void stopped_in_the_middle(void)
{
    cede_handle client = connect_to_proxy(), target = accept_at_target();
    move(client, target, 1000);
    (void)connect_to_proxy();
    open_before = 0;
}

static const scene scenes[] = {
    {"both_ways_at_once", "127.0.0.1:80", {0}, both_ways_at_once, 0},
    {"target_ends_first", "127.0.0.1:80", {0}, target_ends_first, 0},
    {"client_ends_first", "127.0.0.1:80", {0}, client_ends_first, 0},
    {"resets_pass", "127.0.0.1:80", {0}, resets_pass, 0},
    {"reset_stops_the_sender", "127.0.0.1:80", {0}, reset_stops_the_sender, 0},
    {"nobody_answers", "192.0.2.1:80", {"--connect", "2"}, nobody_answers, 0},
    {"target_refuses", "127.0.0.1:81", {0}, target_refuses, 0},
    {"addresses_in_turn", "three.example:80", {"--connect", "2"}, addresses_in_turn, 0},
    {"connect_is_not_idle",
     "three.example:80",
     {"--connect", "2", "--idle", "1"},
     addresses_in_turn,
     0},
    {"idle_time", "127.0.0.1:80", {"--idle", "10"}, idle_time, 0},
    {"stuck_alone", "localhost:80", {"--most", "2", "--idle", "3600"}, stuck_alone, 0},
    {"stopped_in_the_middle", "127.0.0.1:80", {0}, stopped_in_the_middle, 0},
    {"no_such_host", "nowhere.example:80", {0}, NULL, 1},
    {"no_port", "localhost", {0}, NULL, 1},
    {"no_port_of_an_address", "127.0.0.1", {0}, NULL, 1},
    {"no_value", "127.0.0.1:80", {"--idle"}, NULL, 2},
    {"no_time", "127.0.0.1:80", {"--idle", "-1"}, NULL, 2},
    {"no_clients", "127.0.0.1:80", {"--most", "0"}, NULL, 2},
};

/* ---- The stage ------------------------------------------------------------------------------- */

static cede_status open_simulated(const cede_options *given, cede_loop **out)
{
    cede_sim_config config = {.world = world};
    cede_options how = *given;
    how.backend_table = &cede_sim_backend;
    how.backend_config = &config;
    return cede_loop_open(&how, out);
}

static int64_t play(cede_loop *running, uint64_t at_most_ns)
{
    call c;
    cede_address at = cede_ipv4(127, 0, 0, 1, TARGET_PORT);
    cede_sim_counts counts;
    (void)at_most_ns;
    CHECK(running == loop);
    cede_prep_listen(&c.req, &at, 0, 0);
    CHECK(await(&c).status == CEDE_OK);
    target_listener = c.r.handle;
    cede_sim_count(world, &counts);
    open_before = counts.open;
    now_playing->play();
    if (open_before)
        all_is_over();
    return 0;
}

static void run_scene(const scene *s)
{
    cede_sim_config config = {.flags = CEDE_SIM_DEADLOCK_FAILS};
    cede_address three[] = {cede_ipv4(192, 0, 2, 1, 0), cede_ipv4(127, 0, 0, 2, 0),
                            cede_ipv4(127, 0, 0, 1, 0)};
    char words[MOST_WORDS][32], *list[MOST_WORDS + 1] = {NULL};
    const char *given[MOST_WORDS] = {"cede-proxy", "127.0.0.1:7000", s->target};
    int count = 3;
    for (; count < MOST_WORDS && s->options[count - 3]; count++)
        given[count] = s->options[count - 3];
    for (int i = 0; i < count; i++) {
        snprintf(words[i], sizeof words[i], "%s", given[i]);
        list[i] = words[i];
    }
    now_playing = s;
    if (seed) {
        config = cede_sim_rough(seed);
        config.flags |= CEDE_SIM_DEADLOCK_FAILS;
    }
    world = cede_sim_new(&config);
    CHECK(world && cede_sim_name(world, "three.example", three, 3) == CEDE_OK);
    no_more = false; /* and so on, as the program begins */
    accepted = CEDE_OK;
    most = 8; /* but fewer: their buffers are what takes time to set up */
    idle_ns = 60 * CEDE_SECOND;
    connect_ns = 10 * CEDE_SECOND;
    CHECK(proxy_main(count, list) == s->code);
    if (!s->play && s->code == 1) { /* it leaves that to its end */
        CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
        cede_pool_close(pool);
    }
    CHECK(cede_sim_free(world) == CEDE_OK);
}

int main(int count, char **words)
{
    uint64_t seeds = count > 1 ? strtoull(words[1], NULL, 10) : 50;
    for (size_t i = 0; i < sizeof all_bytes; i++)
        all_bytes[i] = (unsigned char)((i * 2654435761u) >> 13);
    for (seed = 0; seed <= seeds; seed++) {
        for (size_t i = 0; i < sizeof scenes / sizeof scenes[0]; i++)
            run_scene(&scenes[i]);
    }
    fprintf(stderr, "%zu scenes, each on %llu kernels\n", sizeof scenes / sizeof scenes[0],
            (unsigned long long)seeds + 1);
    return 0;
}
