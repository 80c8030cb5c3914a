/* Each child took memory, also when as many had come and gone before (law 15). */
#include "memory.h"

static note spawned, waited, closed;

static void run(cede_loop *loop)
{
    static const char *const arguments[] = {"true", NULL};
    const cede_spawn how = {.program = "/bin/true", .arguments = arguments};
    cede_prep_spawn(&spawned.req, &how, NULL);
    CHECK(cede_wait(loop, note_submit(loop, &spawned, note_done), CEDE_FOREVER) == CEDE_OK);
    CHECK(spawned.result.status == CEDE_OK);
    cede_prep_child_wait(&waited.req, spawned.result.handle);
    CHECK(cede_wait(loop, note_submit(loop, &waited, note_done), CEDE_FOREVER) == CEDE_OK);
    CHECK(waited.result.status == CEDE_OK && waited.result.count == 0);
    cede_prep_close(&closed.req, spawned.result.handle);
    CHECK(cede_wait(loop, note_submit(loop, &closed, note_done), CEDE_FOREVER) == CEDE_OK);
}

REGRESSION(spawns_use_what_they_had)
{
    cede_loop *loop;
    port_limit(30);
    memory_watch();
    CHECK(cede_loop_open(NULL, &loop) == CEDE_OK);
    if (cede_supports(loop, CEDE_OP_SPAWN)) {
        run(loop);
        run(loop);
        memory_asked = 0;
        for (int i = 0; i < 10; i++)
            run(loop);
        CHECK(memory_asked == 0);
    }
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    return 0;
}
