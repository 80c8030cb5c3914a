/* Spinning before a sleep (cede_options.spin_ns) neither makes timers late nor the sleep after it
 * longer than what is left (law 13, loop.h). */
#include "fake.h"

static uint64_t took(cede_loop *loop, uint64_t ns)
{
    static note timer;
    uint64_t start = port_now();
    cede_prep_timer(&timer.req, ns);
    cede_submit(loop, &timer.req, note_done);
    CHECK(cede_run(loop, CEDE_FOREVER) == 1);
    return port_now() - start;
}

REGRESSION(spin_keeps_time)
{
    static fake backend;
    cede_loop *loop;
    cede_options options = CEDE_OPTIONS_INIT;
    uint64_t best_short = CEDE_FOREVER, best_long = CEDE_FOREVER;

    port_limit(30);
    options.backend_table = &fake_backend;
    options.backend_config = &backend;
    options.spin_ns = 100 * CEDE_MILLISECOND;
    CHECK(cede_loop_open(&options, &loop) == CEDE_OK);
    for (int i = 0; i < 3; i++) {
        uint64_t a = took(loop, 5 * CEDE_MILLISECOND), b = took(loop, 150 * CEDE_MILLISECOND);
        best_short = a < best_short ? a : best_short;
        best_long = b < best_long ? b : best_long;
    }
    CHECK(best_short < 50 * CEDE_MILLISECOND);
    CHECK(best_long < 200 * CEDE_MILLISECOND);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    return 0;
}
