/* A request for which a backend found no memory kept back all that was submitted behind it, closes
 * and other handles too, for as long as anything idle was pending. It is its own outcome (law 15),
 * and no more to the others than any that fails (law 14; 1b: Order). */
#include "fake.h"

#include "cede/file.h"
#include "cede/net.h"

#define PATIENCE (10 * CEDE_SECOND)

static cede_loop *loop;

static cede_ticket submit(note *it)
{
    return cede_submit(loop, &it->req, note_done);
}

static cede_handle make_pair(cede_handle *second)
{
    note made = {0};
    cede_prep_pair(&made.req, CEDE_PAIR_STREAM, second);
    CHECK(cede_wait(loop, submit(&made), PATIENCE) == CEDE_OK && made.result.status == CEDE_OK);
    return made.result.handle;
}

static cede_handle make_listener(void)
{
    note made = {0};
    cede_address at = cede_address_loopback(CEDE_ADDRESS_IPV4, 0);
    cede_prep_listen(&made.req, &at, 0, 0);
    CHECK(cede_wait(loop, submit(&made), PATIENCE) == CEDE_OK && made.result.status == CEDE_OK);
    return made.result.handle;
}

static bool may(cede_status status)
{
    return status == CEDE_OK || status == CEDE_ENOMEM;
}

REGRESSION(shortage_is_ones_own)
{
    static note idle, used, stat, accept, pieces, behind, receive, close;
    static char byte[8], got[8];
    static cede_stat facts;
    static cede_address peer;
    const cede_vec vec[2] = {{byte + 1, 1}, {byte + 2, 1}};
    cede_handle idle_ends[2], ends[2], old[2], listener;
    cede_ticket tickets[3];
    use_short_memory();
    CHECK(cede_loop_open(NULL, &loop) == CEDE_OK);
    idle_ends[0] = make_pair(&idle_ends[1]);
    ends[0] = make_pair(&ends[1]);
    old[0] = make_pair(&old[1]);
    listener = make_listener();
    cede_prep_recv(&idle.req, idle_ends[0], byte, 1);
    submit(&idle);
    cede_prep_send(&used.req, ends[1], "x", 1);
    CHECK(cede_wait(loop, submit(&used), PATIENCE) == CEDE_OK && used.result.status == CEDE_OK);

    memory_is_out = true;
    cede_prep_stat(&stat.req, ".", &facts, 0);
    tickets[0] = submit(&stat);
    cede_prep_accept(&accept.req, listener, &peer);
    submit(&accept);
    cede_prep_sendv(&pieces.req, ends[0], vec, 2);
    submit(&pieces);
    cede_prep_send(&behind.req, ends[0], "c", 1);
    submit(&behind);
    cede_prep_recv(&receive.req, ends[0], got, sizeof got);
    tickets[1] = submit(&receive);
    cede_prep_close(&close.req, old[0]);
    tickets[2] = submit(&close);
    cede_drop(old[1]);
    for (int i = 0; i < 3; i++)
        CHECK(cede_wait(loop, tickets[i], PATIENCE) == CEDE_OK);
    CHECK(stat.result.status == CEDE_ENOMEM);
    CHECK(receive.result.status == CEDE_OK && receive.result.count == 1 && got[0] == 'x');
    CHECK(close.result.status == CEDE_OK);
    CHECK(cede_run(loop, 50 * CEDE_MILLISECOND) >= 0);
    CHECK(behind.calls == 1 && pieces.calls == 1 && pieces.order < behind.order);
    CHECK(may(pieces.result.status) && behind.result.status == CEDE_OK);
    CHECK(idle.calls == 0 && accept.calls == 0); /* an accept waits for as long as it takes */

    memory_is_out = false;
    cede_prep_recv(&receive.req, ends[1], got, sizeof got);
    CHECK(cede_wait(loop, submit(&receive), PATIENCE) == CEDE_OK);
    CHECK(receive.result.count == (pieces.result.status == CEDE_OK ? 3 : 1));
    cede_prep_stat(&stat.req, ".", &facts, 0);
    CHECK(cede_wait(loop, submit(&stat), PATIENCE) == CEDE_OK && stat.result.status == CEDE_OK);
    CHECK(cede_loop_close(loop, PATIENCE) == CEDE_OK);
    CHECK(idle.result.status == CEDE_ECANCELED && accept.result.status == CEDE_ECANCELED);
    return 0;
}
