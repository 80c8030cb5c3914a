/*
 * What only the simulated system has (cede/sim.h): names and programs that are told to it, signals
 * and changes at a chosen moment, reports of sends at a time of their own. One function a promise.
 */
#include "unit.h"

#include <string.h>

#include "cede/backend.h"
#include "cede/sim.h"

#define BIG 300000u

typedef struct item {
    cede_req req;
    cede_ticket ticket;
    cede_result result;
    int done;
    cede_handle second;
} item;

static item a, b, c;
static unsigned char out[BIG], in[BIG];

static void on_done(cede_req *req, cede_result result)
{
    item *i = CEDE_CONTAINER(req, item, req);
    i->done++;
    i->result = result;
}

static cede_loop *loop_in(cede_sim *world)
{
    cede_sim_config place = {.world = world};
    cede_options options = CEDE_OPTIONS_INIT;
    cede_loop *loop;
    REQUIRE(world, "no world");
    options.backend_table = &cede_sim_backend;
    options.backend_config = &place;
    REQUIRE(cede_loop_open(&options, &loop) == CEDE_OK, "no loop");
    return loop;
}

/* What is still open goes with the world. */
static void over(cede_loop *loop, cede_sim *world)
{
    REQUIRE(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK, "the loop did not close");
    REQUIRE(cede_sim_free(world) == CEDE_OK, "somebody lives in the world");
}

static void submit(cede_loop *loop, item *i)
{
    i->done = 0;
    i->ticket = cede_submit(loop, &i->req, on_done);
}

static cede_status await(cede_loop *loop, item *i)
{
    REQUIRE(cede_wait(loop, i->ticket, CEDE_FOREVER) == CEDE_OK && i->done == 1, "not done");
    return i->result.status;
}

static cede_status perform(cede_loop *loop, item *i)
{
    submit(loop, i);
    return await(loop, i);
}

/* ---- Sends ----------------------------------------------------------------------------------- */

/* Two ends of a stream over the network: not a local one. */
static void connected(cede_loop *loop, cede_handle *one, cede_handle *other)
{
    cede_address at = cede_address_loopback(CEDE_ADDRESS_IPV4, 80);
    cede_prep_listen(&a.req, &at, 0, 0);
    REQUIRE(perform(loop, &a) == CEDE_OK, "no listener");
    cede_prep_connect(&b.req, &at, 0);
    REQUIRE(perform(loop, &b) == CEDE_OK, "no connection");
    *one = b.result.handle;
    cede_prep_accept(&b.req, a.result.handle, NULL);
    REQUIRE(perform(loop, &b) == CEDE_OK, "no client");
    *other = b.result.handle;
}

/* What is sent without a copy is the network's until its done: a cancel does not hasten that. */
static void a_buffer_comes_back_in_its_own_time(void)
{
    cede_sim_config slow = {.latency_min_ns = CEDE_MILLISECOND, .latency_max_ns = CEDE_MILLISECOND};
    cede_sim *world = cede_sim_new(&slow);
    cede_loop *loop = loop_in(world);
    cede_handle one, other;
    connected(loop, &one, &other);
    memset(out, 'x', sizeof out);
    uint64_t began = cede_sim_now(world);
    cede_prep_send_zero_copy(&a.req, one, out, 100000);
    submit(loop, &a);
    cede_prep_recv_all(&b.req, other, in, 100000);
    REQUIRE(perform(loop, &b) == CEDE_OK, "%s", cede_status_name(b.result.status));
    REQUIRE(a.done == 0 || cede_sim_now(world) - began >= 2 * CEDE_MILLISECOND, "early");
    cede_cancel(a.ticket);
    REQUIRE(await(loop, &a) == CEDE_OK && a.result.count == 100000, "it has gone");
    REQUIRE(cede_sim_now(world) - began >= 2 * CEDE_MILLISECOND, "the cancel hastened it");
    began = cede_sim_now(world); /* a small one is copied */
    cede_prep_send_zero_copy(&a.req, one, out, 1000);
    REQUIRE(perform(loop, &a) == CEDE_OK, "%s", cede_status_name(a.result.status));
    REQUIRE(cede_sim_now(world) - began < 2 * CEDE_MILLISECOND, "nothing was lent");
    over(loop, world);
}

/* A file that becomes shorter while it is sent: the count is what went. */
static void a_file_shrinks_while_it_is_sent(void)
{
    cede_sim *world = cede_sim_new(NULL);
    cede_loop *loop = loop_in(world);
    cede_handle one, other, file;
    connected(loop, &one, &other);
    memset(out, 'f', sizeof out);
    REQUIRE(cede_sim_put(world, "/f", out, sizeof out) == CEDE_OK, "no file");
    cede_prep_open(&a.req, "/f", CEDE_OPEN_READ, 0);
    REQUIRE(perform(loop, &a) == CEDE_OK, "no file");
    file = a.result.handle;
    cede_prep_send_file(&a.req, one, file, 0, BIG);
    submit(loop, &a);
    (void)cede_run(loop, CEDE_SECOND); /* the stream is full */
    REQUIRE(a.done == 0 && cede_sim_put(world, "/f", out, 1000) == CEDE_OK, "it did not wait");
    cede_prep_recv(&b.req, other, in, sizeof in);
    REQUIRE(perform(loop, &b) == CEDE_OK, "%s", cede_status_name(b.result.status));
    REQUIRE(await(loop, &a) == CEDE_EEOF, "%s", cede_status_name(a.result.status));
    REQUIRE(a.result.count == b.result.count && a.result.count > 1000 && a.result.count < BIG,
            "%" PRIu64 " of %" PRIu64, a.result.count, b.result.count);
    over(loop, world);
}

/* ---- Names ----------------------------------------------------------------------------------- */

static cede_address found[4];

static cede_status look_up(cede_loop *loop, const char *host, uint32_t flags, uint32_t room)
{
    memset(found, 0, sizeof found);
    cede_prep_lookup(&a.req, host, 80, flags, found, room);
    return perform(loop, &a);
}

static void names_are_told_to_the_world(void)
{
    cede_sim *world = cede_sim_new(NULL);
    cede_loop *loop = loop_in(world);
    const cede_address both[] = {cede_ipv4(10, 0, 0, 1, 0),
                                 cede_address_loopback(CEDE_ADDRESS_IPV6, 0)};
    const cede_sim_target it = {.op = CEDE_OP_LOOKUP, .path = "away.example", .most = 1};
    REQUIRE(look_up(loop, "away.example", 0, 4) == CEDE_ENONAME, "unknown: %s",
            cede_status_name(a.result.status));
    REQUIRE(cede_sim_name(world, "away.example", both, 2) == CEDE_OK, "no memory");
    REQUIRE(look_up(loop, "AWAY.example", 0, 4) == CEDE_OK && a.result.count == 2, "both");
    REQUIRE(found[0].port == 80 && found[0].ip[0] == 10 && found[1].family == CEDE_ADDRESS_IPV6,
            "in this order");
    REQUIRE(look_up(loop, "away.example", CEDE_LOOKUP_IPV6, 4) == CEDE_OK && a.result.count == 1 &&
                found[0].family == CEDE_ADDRESS_IPV6,
            "one family");
    REQUIRE(look_up(loop, "away.example", 0, 1) == CEDE_OK && a.result.count == 2 &&
                found[0].ip[0] == 10 && found[1].family == 0,
            "room for one");
    REQUIRE(cede_sim_fail(world, &it, CEDE_EAGAIN) == CEDE_OK, "no memory");
    REQUIRE(look_up(loop, "localhost", 0, 4) == CEDE_OK && a.result.count == 2, "another");
    REQUIRE(look_up(loop, "away.example", 0, 4) == CEDE_EAGAIN, "no server");
    REQUIRE(look_up(loop, "192.0.2.7", 0, 4) == CEDE_OK && found[0].ip[3] == 7, "a number");
    REQUIRE(look_up(loop, "::1", CEDE_LOOKUP_IPV4, 4) == CEDE_ENONAME, "of another family");
    REQUIRE(look_up(loop, "192.0.2.7:80", 0, 4) == CEDE_ENONAME, "with a port");
    REQUIRE(cede_sim_name(world, "away.example", NULL, 0) == CEDE_OK, "no memory");
    REQUIRE(look_up(loop, "away.example", 0, 4) == CEDE_ENONAME, "none");
    over(loop, world);
}

/* Whoever was asked goes on unheard: the cancel takes no time. */
static void a_look_up_is_cancelled_at_once(void)
{
    cede_sim_config slow = {.latency_min_ns = CEDE_SECOND, .latency_max_ns = CEDE_SECOND};
    cede_sim *world = cede_sim_new(&slow);
    cede_loop *loop = loop_in(world);
    cede_prep_lookup(&a.req, "localhost", 80, 0, found, 4);
    submit(loop, &a);
    (void)cede_run(loop, CEDE_MILLISECOND);
    uint64_t began = cede_sim_now(world);
    cede_cancel(a.ticket);
    REQUIRE(await(loop, &a) == CEDE_ECANCELED, "%s", cede_status_name(a.result.status));
    REQUIRE(cede_sim_now(world) - began < CEDE_MILLISECOND, "it took its time");
    over(loop, world);
}

/* ---- Readiness and signals ------------------------------------------------------------------- */

static uint64_t polled(cede_loop *loop, cede_handle handle, uint32_t events)
{
    cede_prep_poll(&c.req, handle, events);
    cede_within(&c.req, CEDE_MILLISECOND);
    return perform(loop, &c) == CEDE_OK ? c.result.count : 0;
}

static void readiness_follows_what_happens(void)
{
    cede_sim *world = cede_sim_new(NULL);
    cede_loop *loop = loop_in(world);
    cede_handle one, other;
    connected(loop, &one, &other);
    REQUIRE(polled(loop, one, CEDE_POLL_IN) == 0, "nothing came");
    REQUIRE(polled(loop, one, CEDE_POLL_IN | CEDE_POLL_OUT) == CEDE_POLL_OUT, "there is room");
    cede_prep_poll(&c.req, other, CEDE_POLL_IN);
    submit(loop, &c);
    (void)cede_run(loop, CEDE_SECOND);
    REQUIRE(c.done == 0, "nothing came");
    cede_prep_send_all(&a.req, one, out, BIG); /* more than there is room for */
    submit(loop, &a);
    REQUIRE(await(loop, &c) == CEDE_OK && c.result.count == CEDE_POLL_IN, "woken");
    (void)cede_run(loop, CEDE_SECOND);
    REQUIRE(polled(loop, one, CEDE_POLL_OUT) == 0, "it is full");
    cede_prep_poll(&c.req, one, CEDE_POLL_OUT);
    submit(loop, &c);
    cede_prep_recv_all(&b.req, other, in, BIG);
    REQUIRE(perform(loop, &b) == CEDE_OK && await(loop, &a) == CEDE_OK, "the stream");
    REQUIRE(await(loop, &c) == CEDE_OK && c.result.count == CEDE_POLL_OUT, "woken");
    cede_drop(other);
    (void)cede_run(loop, CEDE_SECOND);
    REQUIRE(polled(loop, one, CEDE_POLL_IN) == CEDE_POLL_IN, "the end can be read");
    over(loop, world);
}

static uint32_t told[CEDE_SIGNAL_COUNT];

static void on_signal(cede_req *req, cede_result item)
{
    (void)req;
    told[item.count]++;
}

static void signals_go_to_all_that_take_them(void)
{
    cede_sim *world = cede_sim_new(NULL);
    cede_loop *loop = loop_in(world), *second = loop_in(world);
    memset(told, 0, sizeof told);
    REQUIRE(cede_sim_signal(world, CEDE_SIGNAL_INTERRUPT) == 0, "nobody takes it");
    cede_prep_signal_many(&a.req, CEDE_SIGNAL_STOPS, on_signal);
    submit(loop, &a);
    cede_prep_signal_many(&b.req, CEDE_SIGNAL_BIT(CEDE_SIGNAL_INTERRUPT), on_signal);
    submit(second, &b);
    (void)cede_run(loop, CEDE_MILLISECOND);
    (void)cede_run(second, CEDE_MILLISECOND);
    REQUIRE(cede_sim_signal(world, CEDE_SIGNAL_USER_1) == 0, "nobody takes it");
    REQUIRE(cede_sim_signal(world, CEDE_SIGNAL_HANGUP) == 1, "one takes it");
    for (int i = 0; i < 3; i++)
        REQUIRE(cede_sim_signal(world, CEDE_SIGNAL_INTERRUPT) == 2, "two take it");
    (void)cede_run(second, CEDE_MILLISECOND);
    REQUIRE(told[CEDE_SIGNAL_INTERRUPT] == 1, "told once");
    cede_cancel(a.ticket);
    REQUIRE(await(loop, &a) == CEDE_ECANCELED && a.result.count == 2, "those that had come");
    REQUIRE(told[CEDE_SIGNAL_INTERRUPT] == 2 && told[CEDE_SIGNAL_HANGUP] == 1, "all are told");
    REQUIRE(cede_sim_signal(world, CEDE_SIGNAL_INTERRUPT) == 1, "one is left");
    REQUIRE(cede_loop_close(second, CEDE_FOREVER) == CEDE_OK, "the loop did not close");
    REQUIRE(b.done == 1 && b.result.count == 2 && told[CEDE_SIGNAL_INTERRUPT] == 3, "and that");
    over(loop, world);
}

/* ---- Children -------------------------------------------------------------------------------- */

static cede_handle half(cede_loop *loop, uint32_t what)
{
    cede_prep_pair(&c.req, what, &c.second);
    REQUIRE(perform(loop, &c) == CEDE_OK, "no pipe");
    return c.result.handle;
}

static cede_status spawn(cede_loop *loop, const char *program, cede_handle input,
                         cede_handle output)
{
    const char *arguments[] = {program, "seven", NULL};
    cede_spawn how = {.program = program, .arguments = arguments, .stdio = {input, output}};
    cede_prep_spawn(&c.req, &how, NULL);
    return perform(loop, &c);
}

static uint64_t outcome(cede_loop *loop, cede_handle child)
{
    cede_prep_child_wait(&b.req, child);
    REQUIRE(perform(loop, &b) == CEDE_OK, "%s", cede_status_name(b.result.status));
    return b.result.count;
}

/* It is looked at in the middle of the start. */
static void by_its_arguments(void *context, const cede_spawn *how, cede_sim_behaviour *does)
{
    (void)context;
    does->output = how->arguments[1];
    does->output_bytes = strlen(how->arguments[1]);
    does->exit_code++;
}

static void programs_do_what_they_were_told(void)
{
    cede_sim *world = cede_sim_new(NULL);
    cede_loop *loop = loop_in(world);
    cede_sim_counts counts;
    const cede_sim_behaviour cat = {.flags = CEDE_SIM_COPIES}, says = {.exit_code = 6},
                             lasts = {.runs_ns = 3600 * CEDE_SECOND, .exit_code = 1},
                             stays = {.runs_ns = CEDE_FOREVER, .flags = CEDE_SIM_IGNORES_ASK};
    REQUIRE(cede_sim_executable(world, "/bin/cat", &cat, NULL, NULL) == CEDE_OK &&
                cede_sim_executable(world, "/says", &says, by_its_arguments, NULL) == CEDE_OK &&
                cede_sim_executable(world, "/lasts", &lasts, NULL, NULL) == CEDE_OK &&
                cede_sim_executable(world, "/stays", &stays, NULL, NULL) == CEDE_OK,
            "no memory");
    cede_handle from = half(loop, CEDE_PAIR_FROM_CHILD), to_it = c.second;
    REQUIRE(spawn(loop, "/says", 0, to_it) == CEDE_OK, "%s", cede_status_name(c.result.status));
    cede_drop(to_it);
    REQUIRE(outcome(loop, c.result.handle) == 7 && outcome(loop, c.result.handle) == 7, "twice");
    cede_prep_read_all(&a.req, from, in, 10, CEDE_CURRENT);
    REQUIRE(perform(loop, &a) == CEDE_EEOF && a.result.count == 5 && memcmp(in, "seven", 5) == 0,
            "%s, %" PRIu64, cede_status_name(a.result.status), a.result.count);
    uint64_t began = cede_sim_now(world);
    REQUIRE(spawn(loop, "/lasts", 0, 0) == CEDE_OK && outcome(loop, c.result.handle) == 1,
            "an hour");
    REQUIRE(cede_sim_now(world) - began >= 3600 * CEDE_SECOND, "early");
    REQUIRE(spawn(loop, "cat", 0, 0) == CEDE_OK && outcome(loop, c.result.handle) == 0, "by PATH");
    REQUIRE(spawn(loop, "cat2", 0, 0) == CEDE_ENOENT && spawn(loop, "/tmp", 0, 0) == CEDE_EACCES,
            "nothing of the kind");
    REQUIRE(spawn(loop, "/stays", 0, 0) == CEDE_OK, "%s", cede_status_name(c.result.status));
    for (uint32_t how = CEDE_KILL_ASK; how <= CEDE_KILL_FORCE; how++) {
        cede_prep_child_kill(&a.req, c.result.handle, how);
        REQUIRE(perform(loop, &a) == CEDE_OK, "%s", cede_status_name(a.result.status));
        cede_sim_count(world, &counts);
        REQUIRE(counts.children == (how == CEDE_KILL_ASK), "%" PRIu64, counts.children);
    }
    REQUIRE(outcome(loop, c.result.handle) == (CEDE_CHILD_KILLED | 9), "by force");
    REQUIRE(spawn(loop, "/stays", 0, 0) == CEDE_OK, "%s", cede_status_name(c.result.status));
    cede_drop(c.result.handle);
    (void)cede_run(loop, CEDE_SECOND);
    cede_sim_count(world, &counts);
    REQUIRE(counts.children == 1, "it lives on");
    over(loop, world);
}

/* Both directions at once, more than the pipes hold, at a kernel of bad manners. */
static int echo(cede_sim *world, void *context)
{
    const cede_sim_behaviour cat = {.flags = CEDE_SIM_COPIES};
    cede_loop *loop = loop_in(world);
    REQUIRE(cede_sim_executable(world, "/cat", &cat, NULL, NULL) == CEDE_OK, "no memory");
    cede_handle from = half(loop, CEDE_PAIR_FROM_CHILD), its_output = c.second;
    cede_handle to = half(loop, CEDE_PAIR_TO_CHILD), its_input = c.second;
    REQUIRE(spawn(loop, "/cat", its_input, its_output) == CEDE_OK, "%s",
            cede_status_name(c.result.status));
    cede_drop(its_input);
    cede_drop(its_output);
    for (unsigned i = 0; i < BIG; i++)
        out[i] = (unsigned char)(i * 7 + i / 251);
    cede_prep_send_all(&a.req, to, out, BIG);
    submit(loop, &a);
    cede_prep_recv_all(&b.req, from, in, BIG);
    if (perform(loop, &b) != CEDE_OK || await(loop, &a) != CEDE_OK || memcmp(in, out, BIG) != 0)
        return 1;
    cede_drop(to);
    if (outcome(loop, c.result.handle) != 0)
        return 2;
    *(uint64_t *)context = cede_sim_hash(world);
    return cede_loop_close(loop, CEDE_FOREVER) ? 3 : 0;
}

static void children_echo_by_every_seed(void)
{
    cede_sim_config rough = cede_sim_rough(1);
    cede_sim_stats stats;
    char text[100];
    for (uint64_t seed = 1; seed <= 10; seed++) {
        uint64_t hash = 0, again = 0;
        REQUIRE(cede_sim_seeds(&rough, echo, &hash, seed, 1, &stats) == CEDE_OK &&
                    cede_sim_seeds(&rough, echo, &again, seed, 1, &stats) == CEDE_OK,
                "%d, %s", stats.failure, cede_sim_explain(&stats, text, sizeof text));
        REQUIRE(hash == again, "seed %" PRIu64 " was another run the second time", seed);
    }
}

/* ---- Watches --------------------------------------------------------------------------------- */

static struct {
    cede_pool *pool;
    char text[400]; /* what has come, a sign and a name each */
} seen;

static void on_changes(cede_req *req, cede_result item)
{
    static const char signs[] = "?+-*<>!X";
    uint64_t at = 0;
    const cede_change *change;
    (void)req;
    while ((change = cede_next_change(item.buffer, item.count, &at)) != NULL) {
        size_t used = strlen(seen.text);
        (void)snprintf(seen.text + used, sizeof seen.text - used, "%c%.40s ", signs[change->what],
                       change->name);
    }
    cede_pool_give(seen.pool, item.buffer);
}

static void expect_changes(cede_loop *loop, const char *what)
{
    (void)cede_run(loop, CEDE_MILLISECOND);
    REQUIRE(strcmp(seen.text, what) == 0, "%s instead of %s", seen.text, what);
    seen.text[0] = '\0';
}

static void path_op(cede_loop *loop, void (*prep)(cede_req *, const char *), const char *path)
{
    prep(&b.req, path);
    REQUIRE(perform(loop, &b) == CEDE_OK, "%s", cede_status_name(b.result.status));
}

static void move(cede_loop *loop, const char *from, const char *to)
{
    cede_prep_rename(&b.req, from, to, 0);
    REQUIRE(perform(loop, &b) == CEDE_OK, "%s", cede_status_name(b.result.status));
}

static void watches_tell_all_that_changes(void)
{
    cede_sim_config small = {.watch_most = 4};
    cede_sim *world = cede_sim_new(&small);
    cede_loop *loop = loop_in(world);
    REQUIRE(cede_sim_mkdir(world, "/d") == CEDE_OK &&
                cede_sim_put(world, "/x", "x", 1) == CEDE_OK &&
                cede_pool_open(loop, 2, CEDE_WATCH_BYTES, 0, &seen.pool) == CEDE_OK,
            "no memory");
    cede_prep_watch(&a.req, "/x", 0);
    REQUIRE(perform(loop, &a) == CEDE_ENOTDIR, "%s", cede_status_name(a.result.status));
    cede_prep_watch(&a.req, "/d", 0);
    REQUIRE(perform(loop, &a) == CEDE_OK, "%s", cede_status_name(a.result.status));
    cede_prep_watch_many(&a.req, a.result.handle, seen.pool, on_changes);
    submit(loop, &a);
    REQUIRE(cede_sim_put(world, "/d/f", "y", 1) == CEDE_OK, "no memory");
    expect_changes(loop, "+f *f ");
    cede_prep_link(&b.req, "/d/f", "/g");
    REQUIRE(perform(loop, &b) == CEDE_OK, "%s", cede_status_name(b.result.status));
    REQUIRE(cede_sim_put(world, "/g", "z", 1) == CEDE_OK, "no memory");
    expect_changes(loop, "*f ");
    move(loop, "/d/f", "/d/e");
    expect_changes(loop, "<f >e ");
    move(loop, "/x", "/d/e");
    expect_changes(loop, ">e ");
    move(loop, "/d/e", "/x");
    expect_changes(loop, "<e ");
    REQUIRE(cede_sim_mkdir(world, "/d/s/t") == CEDE_OK, "no memory");
    expect_changes(loop, "+s ");
    path_op(loop, cede_prep_rmdir, "/d/s/t");
    path_op(loop, cede_prep_rmdir, "/d/s");
    expect_changes(loop, "-s ");
    for (int i = 0; i < 4; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "/d/%d", i);
        REQUIRE(cede_sim_put(world, name, "", 0) == CEDE_OK, "no memory");
    }
    expect_changes(loop, "+0 *0 +1 *1 ! ");
    move(loop, "/d", "/elsewhere");
    expect_changes(loop, "X ");
    REQUIRE(await(loop, &a) == CEDE_OK, "%s", cede_status_name(a.result.status));
    cede_pool_close(seen.pool);
    over(loop, world);
}

int main(void)
{
    a_buffer_comes_back_in_its_own_time();
    a_file_shrinks_while_it_is_sent();
    names_are_told_to_the_world();
    a_look_up_is_cancelled_at_once();
    readiness_follows_what_happens();
    signals_go_to_all_that_take_them();
    programs_do_what_they_were_told();
    children_echo_by_every_seed();
    watches_tell_all_that_changes();
    return 0;
}
