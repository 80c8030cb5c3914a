/* `pool_threads` says how many threads there are "at most": 4,294,967,295 of them had no memory on
 * systems where there is a pool (law 15). Room is made for those that there are. */
#include "fake.h"

#include <stdatomic.h>

enum { MANY = 40 };

static atomic_int inside;
static port_event all_are;

static cede_status meets_the_others(void *argument, uint64_t *count)
{
    (void)argument, (void)count;
    if (atomic_fetch_add(&inside, 1) + 1 == MANY)
        port_event_set(&all_are);
    while (atomic_load(&inside) < MANY)
        port_event_wait(&all_are, CEDE_MILLISECOND);
    return CEDE_OK;
}

REGRESSION(threads_are_as_many_as_needed)
{
    static note works[MANY];
    cede_options options = CEDE_OPTIONS_INIT;
    cede_loop *loop;
    options.pool_threads = UINT32_MAX;
    port_limit(30);
    port_event_init(&all_are);
    CHECK(cede_loop_open(&options, &loop) == CEDE_OK);
    for (int i = 0; i < MANY; i++) {
        cede_prep_work(&works[i].req, meets_the_others, NULL);
        cede_submit(loop, &works[i].req, note_done);
    }
    CHECK(cede_run(loop, CEDE_FOREVER) == MANY);
    for (int i = 0; i < MANY; i++)
        CHECK(works[i].result.status == CEDE_OK);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    return 0;
}
