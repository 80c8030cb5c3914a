/* Each child took memory, also when as many had come and gone before (law 15). */
#include "fake.h"

static unsigned asked_for;
static note spawned, waited, closed;

static void *resize(void *context, void *memory, size_t bytes)
{
    (void)context;
    if (bytes) {
        asked_for++;
        return realloc(memory, bytes);
    }
    free(memory);
    return NULL;
}

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

int main(void)
{
    static const cede_allocator allocator = {.resize = resize};
    cede_loop *loop;
    port_limit(30);
    CHECK(cede_set_allocator(&allocator) == CEDE_OK);
    CHECK(cede_loop_open(NULL, &loop) == CEDE_OK);
    if (cede_supports(loop, CEDE_OP_SPAWN)) {
        run(loop);
        run(loop);
        asked_for = 0;
        for (int i = 0; i < 10; i++)
            run(loop);
        CHECK(asked_for == 0);
    }
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    return 0;
}
