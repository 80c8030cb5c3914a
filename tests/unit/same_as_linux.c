/*
 * Corners in which a simulated world answered otherwise than Linux: one table of answers, asked of
 * io_uring and of sim.
 */
#include "unit.h"

#include <string.h>
#include <unistd.h>

#include "cede/cede.h"

static cede_loop *loop;
static cede_req req;
static cede_result last;
static unsigned told; /* changes */
static cede_pool *pool;

static void on_done(cede_req *request, cede_result result)
{
    (void)request;
    last = result;
}

static cede_status perform(void)
{
    cede_ticket ticket = cede_submit(loop, &req, on_done);
    REQUIRE(cede_wait(loop, ticket, CEDE_FOREVER) == CEDE_OK, "a wait");
    return last.status;
}

static cede_address at(const char *text, uint16_t port)
{
    cede_address address;
    REQUIRE(cede_address_parse(text, port, &address) == CEDE_OK, "%s", text);
    return address;
}

/* ---- Addresses ------------------------------------------------------------------------------ */

static const struct {
    cede_status status;
    char what; /* l: listen, c: connect, d: datagram */
    const char *address;
} answers[] = {
    {CEDE_OK, 'l', "127.0.0.1"},
    {CEDE_OK, 'l', "224.0.0.1"},
    {CEDE_OK, 'l', "255.255.255.255"},
    {CEDE_OK, 'l', "127.255.255.255"},
    {CEDE_EINVAL, 'l', "ff02::1"},
    {CEDE_EADDRNOTAVAIL, 'l', "192.0.2.1"},
    {CEDE_ENETUNREACH, 'c', "127.255.255.255"},
    {CEDE_OK, 'd', "255.255.255.255"},
    {CEDE_OK, 'd', "127.255.255.255"},
    {CEDE_EADDRNOTAVAIL, 'd', "192.0.2.1"},
};

static bool has_ipv6(void)
{
    cede_address here = at("::1", 0);
    cede_prep_listen(&req, &here, 0, 0);
    if (perform() != CEDE_OK)
        return false;
    cede_drop(last.handle);
    return true;
}

static void ask_addresses(const char *backend)
{
    bool both = has_ipv6();
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        cede_address to = at(answers[i].address, answers[i].what == 'c' ? 9 : 0);
        if (to.family == CEDE_ADDRESS_IPV6 && !both)
            continue;
        if (answers[i].what == 'l')
            cede_prep_listen(&req, &to, 0, 0);
        else if (answers[i].what == 'c')
            cede_prep_connect(&req, &to, 0);
        else
            cede_prep_datagram(&req, &to, 0);
        REQUIRE(perform() == answers[i].status, "%s: %c %s: %s", backend, answers[i].what,
                answers[i].address, cede_status_name(last.status));
        cede_drop(last.handle);
    }
    if (!both)
        return;
    cede_address own = at("::ffff:127.0.0.1", 0), any = at("::", 9);
    cede_prep_datagram(&req, &own, CEDE_DATAGRAM_DUAL);
    REQUIRE(perform() == CEDE_OK, "%s: %s", backend, cede_status_name(last.status));
    cede_handle socket = last.handle;
    cede_prep_name(&req, socket, CEDE_NAME_OWN, &own);
    REQUIRE(perform() == CEDE_OK, "%s: its name", backend);
    any.port = own.port; /* to itself */
    cede_prep_sendto(&req, socket, "x", 1, &any);
    REQUIRE(perform() == CEDE_OK, "%s: %s", backend, cede_status_name(last.status));
    char byte = 0;
    cede_prep_recvfrom(&req, socket, &byte, 1, NULL);
    REQUIRE(perform() == CEDE_OK && byte == 'x', "%s: what was sent", backend);
    cede_drop(socket);
}

/* ---- Changes -------------------------------------------------------------------------------- */

static void on_changes(cede_req *request, cede_result item)
{
    uint64_t position = 0;
    (void)request;
    while (cede_next_change(item.buffer, item.count, &position))
        told++;
    cede_pool_give(pool, item.buffer);
}

/* How many were told since the last time. */
static unsigned changes(void)
{
    unsigned count;
    cede_prep_timer(&req, 2 * CEDE_MILLISECOND);
    (void)cede_submit(loop, &req, on_done);
    REQUIRE(cede_run(loop, CEDE_FOREVER) >= 0, "a timer");
    count = told;
    told = 0;
    return count;
}

static void ask_changes(const char *backend)
{
    char place[] = "/tmp/cede-same-XXXXXX", path[64];
    bool real = strcmp(backend, "sim") != 0;
    static cede_req many; /* its done comes when the loop closes */
    REQUIRE(!real || mkdtemp(place), "a directory");
    (void)snprintf(path, sizeof path, "%s/f", real ? place : "/d");
    cede_prep_mkdir(&req, "/d", 0755);
    REQUIRE(real || perform() == CEDE_OK, "a directory");
    cede_prep_open(&req, path, CEDE_OPEN_WRITE | CEDE_OPEN_CREATE, 0644);
    REQUIRE(perform() == CEDE_OK, "a file");
    cede_handle file = last.handle;
    REQUIRE(cede_pool_open(loop, 4, CEDE_WATCH_BYTES, 0, &pool) == CEDE_OK, "a pool");
    cede_prep_watch(&req, real ? place : "/d", 0);
    REQUIRE(perform() == CEDE_OK, "a watch");
    cede_handle watch = last.handle;
    cede_prep_watch_many(&many, watch, pool, on_changes);
    cede_background(&many);
    (void)cede_submit(loop, &many, on_done);

    cede_prep_write(&req, file, "x", 0, 0);
    REQUIRE(perform() == CEDE_OK && changes() == 1, "%s: a write of nothing", backend);
    cede_prep_set_times(&req, file, CEDE_TIME_KEEP, CEDE_TIME_KEEP);
    REQUIRE(perform() == CEDE_OK && changes() == 0, "%s: no time that is set", backend);
    cede_prep_set_times(&req, file, 1, 2);
    REQUIRE(perform() == CEDE_OK && changes() == 1, "%s: times that are set", backend);
    cede_drop(file);
    cede_drop(watch);
    if (real)
        REQUIRE(unlink(path) == 0 && rmdir(place) == 0, "nothing is left");
}

int main(void)
{
    static const char *const backends[] = {"sim", "io_uring"};
    for (int i = 0; i < 2; i++) {
        cede_options options = CEDE_OPTIONS_INIT;
        options.backend = backends[i];
        if (cede_loop_open(&options, &loop) != CEDE_OK)
            continue; /* the kernel has none */
        ask_addresses(backends[i]);
        if (cede_supports(loop, CEDE_OP_WATCH))
            ask_changes(backends[i]);
        REQUIRE(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK, "%s does not close", backends[i]);
        if (pool)
            cede_pool_close(pool);
        pool = NULL;
    }
    return 0;
}
