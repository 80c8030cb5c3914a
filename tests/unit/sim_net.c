/*
 * What only the simulated network has (cede/sim.h): a black hole, a backlog that is full at will,
 * reordering by the seed, every schedule of a small program. One function a promise.
 */
#include "unit.h"

#include <string.h>

#include "cede/backend.h"
#include "cede/sim.h"

typedef struct item {
    cede_req req;
    cede_ticket ticket;
    cede_result result;
    int done;
    cede_address address;
    char buffer[64];
} item;

static item a, b, c, d;

static void on_done(cede_req *req, cede_result result)
{
    item *i = CEDE_CONTAINER(req, item, req);
    i->done++;
    i->result = result;
}

static cede_loop *loop_in(cede_sim *world)
{
    cede_sim_config in = {.world = world};
    cede_options options = CEDE_OPTIONS_INIT;
    cede_loop *loop;
    REQUIRE(world, "no world");
    options.backend_table = &cede_sim_backend;
    options.backend_config = &in;
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

static cede_handle listening(cede_loop *loop, cede_address at, uint32_t backlog, uint32_t flags)
{
    static item i;
    cede_prep_listen(&i.req, &at, backlog, flags);
    return perform(loop, &i) == CEDE_OK ? i.result.handle : 0;
}

static cede_handle datagrams(cede_loop *loop, uint16_t port)
{
    static item i;
    cede_address at = cede_address_any(CEDE_ADDRESS_IPV4, port);
    cede_prep_datagram(&i.req, &at, CEDE_DATAGRAM_SHARED);
    return perform(loop, &i) == CEDE_OK ? i.result.handle : 0;
}

static void connect_to(cede_loop *loop, item *i, cede_address to)
{
    cede_prep_connect(&i->req, &to, 0);
    submit(loop, i);
}

static cede_status status_of_connect(cede_loop *loop, cede_address to)
{
    connect_to(loop, &a, to);
    return await(loop, &a);
}

static cede_address here(uint16_t port)
{
    return cede_address_loopback(CEDE_ADDRESS_IPV4, port);
}

/* ---- Addresses ------------------------------------------------------------------------------- */

static void a_black_hole_never_answers(void)
{
    cede_sim *world = cede_sim_new(NULL);
    cede_loop *loop = loop_in(world);
    cede_sim_counts counts;
    cede_address hole = cede_ipv4(192, 0, 2, 77, 80);
    cede_handle sender = datagrams(loop, 0);
    uint64_t before = cede_sim_now(world);
    cede_prep_connect(&a.req, &hole, 0);
    cede_within(&a.req, 3600 * CEDE_SECOND);
    REQUIRE(perform(loop, &a) == CEDE_EDEADLINE, "%s", cede_status_name(a.result.status));
    REQUIRE(cede_sim_now(world) - before >= 3600 * CEDE_SECOND, "early");
    connect_to(loop, &a, hole);
    (void)cede_run(loop, CEDE_SECOND);
    cede_sim_count(world, &counts);
    REQUIRE(a.done == 0 && counts.blocked == 1, "%" PRIu64 " blocked", counts.blocked);
    cede_cancel(a.ticket);
    REQUIRE(await(loop, &a) == CEDE_ECANCELED, "%s", cede_status_name(a.result.status));
    cede_prep_sendto(&a.req, sender, "lost", 4, &hole);
    REQUIRE(perform(loop, &a) == CEDE_OK && a.result.count == 4, "a datagram is lost unheard");
    REQUIRE(status_of_connect(loop, cede_ipv4(198, 51, 100, 1, 80)) == CEDE_ENETUNREACH, "a way");
    REQUIRE(status_of_connect(loop, here(80)) == CEDE_ECONNREFUSED, "somebody");
    over(loop, world);
}

static void ports_are_given_in_order(void)
{
    cede_sim *world = cede_sim_new(NULL);
    cede_loop *loop = loop_in(world);
    for (uint16_t i = 0; i < 3; i++) {
        cede_handle listener = listening(loop, here(i == 1 ? 49153 : 0), 0, 0);
        cede_prep_name(&a.req, listener, CEDE_NAME_OWN, &a.address);
        REQUIRE(listener && perform(loop, &a) == CEDE_OK, "no name");
        REQUIRE(a.address.port == 49152 + i, "port %u", a.address.port);
    }
    REQUIRE(!listening(loop, here(49152), 0, 0), "two listen at one port");
    REQUIRE(!listening(loop, cede_address_any(CEDE_ADDRESS_IPV4, 49152), 0, 0), "the same");
    REQUIRE(listening(loop, cede_address_any(CEDE_ADDRESS_IPV6, 49152), 0, 0), "another family");
    REQUIRE(!listening(loop, cede_ipv4(10, 0, 0, 1, 1), 0, 0), "not this machine's");
    over(loop, world);
}

static void local_names_are_files(void)
{
    cede_sim *world = cede_sim_new(NULL);
    cede_loop *loop = loop_in(world);
    cede_address at = cede_address_local("/tmp/s");
    cede_handle listener = listening(loop, at, 0, 0);
    cede_stat stat;
    REQUIRE(listener && cede_sim_stat(world, "/tmp/s", &stat) == CEDE_OK, "no name");
    REQUIRE(stat.type == CEDE_FILE_SOCKET, "type %u", stat.type);
    REQUIRE(!listening(loop, at, 0, CEDE_LISTEN_REPLACE), "it is in use");
    cede_prep_open(&a.req, "/tmp/s", CEDE_OPEN_READ, 0);
    REQUIRE(perform(loop, &a) == CEDE_ENXIO, "%s", cede_status_name(a.result.status));
    cede_drop(listener);
    REQUIRE(status_of_connect(loop, at) == CEDE_ECONNREFUSED, "nobody listens");
    REQUIRE(!listening(loop, at, 0, 0), "the name is left behind");
    REQUIRE(listening(loop, at, 0, CEDE_LISTEN_REPLACE), "taken over");
    REQUIRE(status_of_connect(loop, at) == CEDE_OK, "%s", cede_status_name(a.result.status));
    cede_prep_unlink(&a.req, "/tmp/s");
    REQUIRE(perform(loop, &a) == CEDE_OK, "%s", cede_status_name(a.result.status));
    REQUIRE(status_of_connect(loop, at) == CEDE_ECONNREFUSED, "%s",
            cede_status_name(a.result.status));
    REQUIRE(cede_sim_put(world, "/tmp/f", "x", 1) == CEDE_OK, "no file");
    REQUIRE(!listening(loop, cede_address_local("/tmp/f"), 0, CEDE_LISTEN_REPLACE), "a file");
    over(loop, world);
}

/* ---- Listeners ------------------------------------------------------------------------------- */

static void a_full_backlog_lets_connects_wait(void)
{
    cede_sim *world = cede_sim_new(NULL);
    cede_loop *loop = loop_in(world);
    cede_handle listener = listening(loop, here(80), 2, 0);
    REQUIRE(status_of_connect(loop, here(80)) == CEDE_OK, "the first");
    REQUIRE(status_of_connect(loop, here(80)) == CEDE_OK, "the second");
    connect_to(loop, &b, here(80));
    connect_to(loop, &c, here(80));
    (void)cede_run(loop, CEDE_SECOND);
    REQUIRE(b.done + c.done == 0, "there was no room");
    cede_prep_accept(&d.req, listener, NULL);
    REQUIRE(perform(loop, &d) == CEDE_OK, "%s", cede_status_name(d.result.status));
    (void)cede_run(loop, CEDE_SECOND);
    REQUIRE(b.done + c.done == 1, "there is room for one");
    cede_drop(listener);
    REQUIRE(await(loop, b.done ? &c : &b) == CEDE_ECONNREFUSED, "nobody listens any more");
    /* Who was connected and not taken is told. */
    cede_prep_recv(&d.req, a.result.handle, d.buffer, 10);
    REQUIRE(perform(loop, &d) == CEDE_ECONNRESET, "%s", cede_status_name(d.result.status));
    cede_prep_recv(&d.req, a.result.handle, d.buffer, 10);
    REQUIRE(perform(loop, &d) == CEDE_OK && d.result.count == 0, "once");
    cede_prep_send(&d.req, a.result.handle, "x", 1);
    REQUIRE(perform(loop, &d) == CEDE_EPIPE, "%s", cede_status_name(d.result.status));
    over(loop, world);
}

/* A client whose end did not linger is passed over; one that only closed is there with its data. */
static void who_left_is_passed_over(void)
{
    cede_sim *world = cede_sim_new(NULL);
    cede_loop *loop = loop_in(world);
    cede_handle listener = listening(loop, here(80), 0, 0);
    REQUIRE(status_of_connect(loop, here(80)) == CEDE_OK, "not connected");
    cede_prep_set_option(&b.req, a.result.handle, CEDE_OPTION_LINGER, 0);
    REQUIRE(perform(loop, &b) == CEDE_OK, "%s", cede_status_name(b.result.status));
    cede_drop(a.result.handle);
    REQUIRE(status_of_connect(loop, here(80)) == CEDE_OK, "not connected");
    cede_prep_send(&b.req, a.result.handle, "hi", 2);
    REQUIRE(perform(loop, &b) == CEDE_OK, "%s", cede_status_name(b.result.status));
    cede_drop(a.result.handle);
    cede_prep_accept(&c.req, listener, &c.address);
    REQUIRE(perform(loop, &c) == CEDE_OK && c.address.port >= 49152, "%s",
            cede_status_name(c.result.status));
    cede_prep_recv(&b.req, c.result.handle, b.buffer, 10);
    REQUIRE(perform(loop, &b) == CEDE_OK && b.result.count == 2, "another client");
    cede_prep_accept(&c.req, listener, NULL);
    cede_within(&c.req, CEDE_SECOND);
    REQUIRE(perform(loop, &c) == CEDE_EDEADLINE, "who was reset is there");
    over(loop, world);
}

static void an_accept_outlives_the_descriptor_limit(void)
{
    cede_sim *world = cede_sim_new(NULL);
    cede_loop *loop = loop_in(world);
    cede_handle listener = listening(loop, here(80), 0, 0);
    REQUIRE(status_of_connect(loop, here(80)) == CEDE_OK, "not connected");
    cede_sim_limit_open(world, 2);
    REQUIRE(!listening(loop, here(81), 0, 0), "beyond the limit");
    cede_prep_accept(&b.req, listener, NULL);
    submit(loop, &b);
    cede_prep_timer(&c.req, CEDE_SECOND);
    REQUIRE(perform(loop, &c) == CEDE_OK && b.done == 0, "it did not wait");
    cede_sim_limit_open(world, 3);
    REQUIRE(await(loop, &b) == CEDE_OK, "%s", cede_status_name(b.result.status));
    over(loop, world);
}

/* ---- Datagrams ------------------------------------------------------------------------------- */

static void groups_reach_their_members(void)
{
    cede_sim *world = cede_sim_new(NULL);
    cede_loop *loop = loop_in(world);
    cede_address group = cede_ipv4(239, 1, 2, 3, 5000);
    cede_handle one = datagrams(loop, 5000), two = datagrams(loop, 5000), away = datagrams(loop, 1);
    cede_handle member[] = {one, two, away};
    REQUIRE(one && two && away, "no sockets");
    for (int i = 0; i < 3; i++) {
        cede_prep_group(&a.req, member[i], &group, 0, CEDE_GROUP_JOIN);
        REQUIRE(perform(loop, &a) == CEDE_OK, "%s", cede_status_name(a.result.status));
    }
    for (int round = 0; round < 2; round++) {
        cede_prep_sendto(&a.req, away, "all", 3, &group);
        REQUIRE(perform(loop, &a) == CEDE_OK, "%s", cede_status_name(a.result.status));
        for (int i = 0; i < 3; i++) {
            bool meant = round == 0 ? i < 2 : i == 0;
            cede_prep_recvfrom(&a.req, member[i], a.buffer, 2, &a.address);
            cede_within(&a.req, CEDE_SECOND);
            REQUIRE(perform(loop, &a) == (meant ? CEDE_OK : CEDE_EDEADLINE), "member %d: %s", i,
                    cede_status_name(a.result.status));
            REQUIRE(!meant || (a.result.flags & CEDE_TRUNCATED), "it fitted");
            REQUIRE(!meant || a.address.port == 1, "from port %u", a.address.port);
        }
        cede_prep_group(&a.req, two, &group, 0, CEDE_GROUP_LEAVE);
        REQUIRE(perform(loop, &a) == (round ? CEDE_EADDRNOTAVAIL : CEDE_OK), "%s",
                cede_status_name(a.result.status));
    }
    over(loop, world);
}

enum { PACKETS = 8 };

/* Sends some one after the other, and returns their order when received, in hexadecimal. */
static uint64_t order_of(const cede_sim_config *config, uint64_t *hash)
{
    cede_sim *world = cede_sim_new(config);
    cede_loop *loop = loop_in(world);
    cede_handle socket = datagrams(loop, 9);
    cede_address to = here(9);
    uint64_t order = 0;
    for (int i = 1; i <= PACKETS; i++) {
        unsigned char number = (unsigned char)i;
        cede_prep_sendto(&a.req, socket, &number, 1, &to);
        REQUIRE(perform(loop, &a) == CEDE_OK, "%s", cede_status_name(a.result.status));
    }
    for (;;) {
        cede_prep_recvfrom(&a.req, socket, a.buffer, 1, NULL);
        cede_within(&a.req, CEDE_SECOND);
        if (perform(loop, &a) != CEDE_OK)
            break;
        order = order << 4 | (unsigned char)a.buffer[0];
    }
    *hash = cede_sim_hash(world);
    over(loop, world);
    return order;
}

static void datagrams_overtake_and_are_lost_by_the_seed(void)
{
    uint64_t hash, again;
    unsigned overtaken = 0, lost = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        cede_sim_config config = {.seed = seed};
        REQUIRE(order_of(&config, &hash) == 0x12345678, "polite worlds keep the order");
        config.overtake_permille = 300;
        uint64_t order = order_of(&config, &hash);
        overtaken += order != 0x12345678;
        REQUIRE(order_of(&config, &again) == order && again == hash, "another run");
        config.lose_permille = 300;
        lost += order_of(&config, &hash) < 0x11111111;
    }
    REQUIRE(overtaken > 10 && lost > 10, "%u overtaken, %u lost", overtaken, lost);
}

/* ---- Many runs ------------------------------------------------------------------------------- */

static void drop(const item *i)
{
    if (i->result.status == CEDE_OK && i->result.handle)
        cede_drop(i->result.handle);
}

/* A connect, an accept, a byte; then one of them is cancelled, or the listener is closed. */
static int meeting(cede_sim *world, void *context)
{
    cede_loop *loop = loop_in(world);
    cede_handle listener = listening(loop, here(80), 1, 0);
    cede_sim_counts counts;
    (void)context;
    if (!listener)
        return 1;
    connect_to(loop, &a, here(80));
    cede_prep_accept(&b.req, listener, NULL);
    submit(loop, &b);
    switch (cede_sim_choose(world, 4)) {
    case 0:
        break;
    case 1:
        cede_cancel(a.ticket);
        break;
    case 2:
        cede_cancel(b.ticket);
        break;
    default:
        cede_drop(listener);
        listener = 0;
        break;
    }
    if (await(loop, &a) != CEDE_OK && a.result.status != CEDE_ECANCELED &&
        a.result.status != CEDE_ECONNREFUSED)
        return 2;
    if (a.result.status != CEDE_OK)
        cede_cancel(b.ticket);
    if (await(loop, &b) == CEDE_OK && a.result.status != CEDE_OK)
        return 3; /* nobody came */
    if (b.result.status == CEDE_OK) {
        cede_prep_send(&c.req, a.result.handle, "x", 1);
        if (perform(loop, &c) != CEDE_OK || c.result.count != 1)
            return 4;
        cede_prep_recv(&c.req, b.result.handle, c.buffer, 5);
        if (perform(loop, &c) != CEDE_OK || c.result.count != 1 || c.buffer[0] != 'x')
            return 5;
    }
    drop(&a);
    drop(&b);
    if (listener)
        cede_drop(listener);
    if (cede_loop_close(loop, CEDE_FOREVER) != CEDE_OK)
        return 6;
    cede_sim_count(world, &counts);
    return counts.open || counts.in_flight ? 7 : 0;
}

static void every_schedule_of_a_meeting(void)
{
    cede_sim_config rough = cede_sim_rough(1), polite = {.seed = 1};
    cede_sim_stats s;
    char text[200];
    REQUIRE(cede_sim_explore(&polite, meeting, NULL, 14, 0, &s) == CEDE_OK, "%d: %s", s.failure,
            cede_sim_explain(&s, text, sizeof text));
    REQUIRE(s.complete && s.runs > 10, "%" PRIu64 " runs", s.runs);
    REQUIRE(cede_sim_explore(&rough, meeting, NULL, 12, 20000, &s) == CEDE_OK, "%d: %s", s.failure,
            cede_sim_explain(&s, text, sizeof text));
    REQUIRE(cede_sim_seeds(&rough, meeting, NULL, 1, 3000, &s) == CEDE_OK, "%d: %s", s.failure,
            cede_sim_explain(&s, text, sizeof text));
    rough.flags |= CEDE_SIM_IN_ORDER;
    REQUIRE(cede_sim_seeds(&rough, meeting, NULL, 1, 500, &s) == CEDE_OK, "%d: %s", s.failure,
            cede_sim_explain(&s, text, sizeof text));
}

static void works_on_sockets_are_held(void)
{
    cede_sim *world = cede_sim_new(NULL);
    cede_loop *loop = loop_in(world);
    cede_address at = cede_address_local("/tmp/s");
    cede_sim_target connects = {.op = CEDE_OP_CONNECT, .path = "/tmp/s"};
    uint32_t hold = cede_sim_hold(world, &connects, CEDE_SIM_MIDWAY);
    cede_handle listener = listening(loop, at, 0, 0);
    connect_to(loop, &a, at);
    cede_prep_accept(&b.req, listener, NULL);
    REQUIRE(perform(loop, &b) == CEDE_OK, "%s", cede_status_name(b.result.status));
    REQUIRE(cede_sim_held(world, hold) == 1 && a.done == 0, "not held");
    cede_cancel(a.ticket);
    (void)cede_run(loop, CEDE_SECOND);
    REQUIRE(a.done == 0, "it was let go");
    cede_sim_release(world, hold);
    REQUIRE(await(loop, &a) == CEDE_OK && a.result.handle, "it was connected: %s",
            cede_status_name(a.result.status));
    over(loop, world);
}

int main(void)
{
    a_black_hole_never_answers();
    ports_are_given_in_order();
    local_names_are_files();
    a_full_backlog_lets_connects_wait();
    who_left_is_passed_over();
    an_accept_outlives_the_descriptor_limit();
    groups_reach_their_members();
    datagrams_overtake_and_are_lost_by_the_seed();
    every_schedule_of_a_meeting();
    works_on_sockets_are_held();
    return 0;
}
