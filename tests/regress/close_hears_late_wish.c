/* A wish of another thread for a request that is delivered before the loop hears it: loop close
 * takes it and is over; nothing is left that would end its sleep (law 11). */
#include "fake.h"

#include "cede/sim.h"

static cede_ticket last;
static note second;

static void cancel_last(void *unused)
{
    (void)unused;
    cede_cancel(last);
}

static void on_first(cede_req *req, cede_result r)
{
    port_thread thread;
    (void)req;
    (void)r;
    port_start(&thread, cancel_last, NULL);
    port_join(&thread);
}

int main(void)
{
    static cede_req first;
    cede_sim_config config = {.flags = CEDE_SIM_DEADLOCK_FAILS};
    cede_options options = {.backend_table = &cede_sim_backend, .backend_config = &config};
    cede_loop *loop;

    CHECK(cede_loop_open(&options, &loop) == CEDE_OK);
    cede_prep_pend(&first);
    cede_submit(loop, &first, on_first);
    cede_prep_pend(&second.req);
    last = cede_submit(loop, &second.req, note_done);
    CHECK(cede_run(loop, 0) == 0);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    CHECK(second.calls == 1);
    return 0;
}
