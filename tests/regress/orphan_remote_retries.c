/* A request that finds no slot and is sent anew by the way for other threads, in its done, is
 * stopped in a closing loop as any other (law 17); one that comes to its senses before is not. */
#include "orphans.h"

static cede_loop *loop;
static unsigned rounds, most, refused;

static void again(cede_req *req, cede_result r)
{
    refused += r.status == CEDE_EENDED;
    if (++rounds >= most)
        return;
    cede_prep_nop(req);
    cede_submit_remote(loop, req, again, NULL);
}

static void close_under_retries(fake *backend, unsigned times)
{
    static cede_req req;
    most = times;
    use_short_memory();
    loop = fake_loop(backend);
    fill_slots(loop, 0);
    cede_prep_nop(&req);
    cede_submit(loop, &req, again);
    (void)cede_loop_close(loop, CEDE_SECOND);
}

REGRESSION(orphan_remote_retries)
{
    static fake backend;
    if (regression_act) {
        close_under_retries(&backend, 5000);
        return 0;
    }
    CHECK(regression_breaks_off("for-ever"));
    close_under_retries(&backend, 900);
    CHECK(rounds == 900 && refused == 899);
    return 0;
}
