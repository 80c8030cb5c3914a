/* A request that found no slot and is submitted again before its done stops the process, like any
 * other that is in flight (law 17). */
#include "orphans.h"

REGRESSION(orphan_twice)
{
    if (regression_act) {
        static fake backend;
        static note one;
        cede_loop *loop;
        use_short_memory();
        loop = fake_loop(&backend);
        fill_slots(loop, 0);
        cede_prep_nop(&one.req);
        cede_submit(loop, &one.req, note_done);
        cede_submit(loop, &one.req, note_done);
        return 0;
    }
    CHECK(regression_breaks_off("twice"));
    return 0;
}
