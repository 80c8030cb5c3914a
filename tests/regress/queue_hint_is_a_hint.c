/* A hint is a hint: a loop opens with any number of entries for its queue, also one that has no
 * double (loop.h, cede_options). */
#include "fake.h"

REGRESSION(queue_hint_is_a_hint)
{
    static const uint32_t hints[] = {
        1, 3, 32769, UINT32_C(1) << 31, (UINT32_C(1) << 31) + 5, UINT32_MAX};
    static note trip;
    for (size_t i = 0; i < sizeof hints / sizeof *hints; i++) {
        cede_options options = CEDE_OPTIONS_INIT;
        cede_loop *loop;
        options.queue_entries = hints[i];
        CHECK(cede_loop_open(&options, &loop) == CEDE_OK);
        cede_prep_roundtrip(&trip.req);
        cede_submit(loop, &trip.req, note_done);
        CHECK(cede_run(loop, CEDE_FOREVER) == 1);
        CHECK(trip.result.status == CEDE_OK);
        CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    }
    return 0;
}
