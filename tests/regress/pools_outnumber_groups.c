/* On io_uring a pool's buffers are a group of the ring's, whose number is 16 bits wide. Pool 65,537
 * of a loop took another's group for its own, and its receives brought that one's buffers (law 16).
 * Pools beyond the groups do without; a group that was let go of serves again. */
#include "fake.h"

#include "cede/net.h"
#include "cede/pool.h"

#include <sys/socket.h>

enum { GROUPS = 65536, POOLS = GROUPS + 2, STREAMS = 256, BYTES = 8 };

static cede_loop *loop;
static cede_pool *pools[POOLS];
static cede_handle streams[STREAMS];
static int peers[STREAMS];
static note notes_of[STREAMS];

static void name_of(uint32_t number, char name[BYTES + 1])
{
    (void)snprintf(name, BYTES + 1, "%08u", (unsigned)number);
}

static void begin(uint32_t number, uint32_t stream)
{
    char name[BYTES + 1];
    name_of(number, name);
    CHECK(send(peers[stream], name, BYTES, 0) == BYTES);
    cede_prep_recv_pool(&notes_of[stream].req, streams[stream], pools[number]);
    note_submit(loop, &notes_of[stream], note_done);
}

static void expect(uint32_t number, uint32_t stream)
{
    const cede_result *result = &notes_of[stream].result;
    char name[BYTES + 1];
    name_of(number, name);
    CHECK(notes_of[stream].calls == 1 && result->status == CEDE_OK && result->count == BYTES);
    CHECK(memcmp(result->buffer, name, BYTES) == 0);
    cede_pool_give(pools[number], result->buffer);
}

/* One receive from each, all at once; at most as many as there are streams. */
static void receive(uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        begin(first + i, i);
    CHECK(cede_run(loop, 20 * CEDE_SECOND) == count);
    for (uint32_t i = 0; i < count; i++)
        expect(first + i, i);
}

static void open_pools(uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < first + count; i++)
        CHECK(cede_pool_open(loop, 1, BYTES, 0, &pools[i]) == CEDE_OK);
}

REGRESSION(pools_outnumber_groups)
{
    const cede_options options = {.backend = "io_uring"};
    cede_status status = cede_loop_open(&options, &loop);
    if (status == CEDE_EPERM || status == CEDE_ENOTSUP)
        return 77;
    CHECK(status == CEDE_OK);
    for (uint32_t i = 0; i < STREAMS; i++) {
        int ends[2];
        CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        streams[i] = cede_import(ends[0], CEDE_KIND_AUTO, 0);
        peers[i] = ends[1];
        CHECK(streams[i]);
    }
    for (uint32_t first = 0; first < POOLS; first += STREAMS) {
        uint32_t count = POOLS - first < STREAMS ? POOLS - first : STREAMS;
        open_pools(first, count);
        receive(first, count);
    }
    receive(GROUPS - 4, 6); /* of both kinds, and not for the first time */
    receive(0, 4);

    for (uint32_t i = GROUPS - 4; i < GROUPS; i++)
        cede_pool_close(pools[i]);
    open_pools(GROUPS - 4, 4);
    receive(GROUPS - 4, 6);
    receive(0, 4);
    return 0; /* the kernel takes them away quicker than one by one */
}
