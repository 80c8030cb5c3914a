/* A remote close binds its handle in the call (1b: Handles): another loop cannot take it over
 * before it is taken; also if it finds no slot. */
#include "orphans.h"

static void race(bool memory)
{
    static fake backends[2];
    static note close, read;
    static char byte;
    cede_loop *mine = fake_loop(&backends[0]), *other = fake_loop(&backends[1]);
    cede_handle handle = fake_handle(CEDE_KIND_FILE, 0);

    fill_slots(mine, 0);
    memory_is_out = !memory;
    cede_prep_close(&close.req, handle);
    cede_submit_remote(mine, &close.req, note_done, NULL);
    memory_is_out = false;
    cede_prep_read(&read.req, handle, &byte, 1, 0);
    cede_submit(other, &read.req, note_done);
    CHECK(cede_run(other, CEDE_FOREVER) == 1);
    CHECK(read.result.status == CEDE_EINVAL);
    CHECK(cede_run(mine, CEDE_FOREVER) == 1);
    CHECK(close.result.status == CEDE_OK);
    CHECK(cede_loop_close(mine, CEDE_FOREVER) == CEDE_OK);
    CHECK(cede_loop_close(other, CEDE_FOREVER) == CEDE_OK);
}

int main(void)
{
    use_short_memory();
    race(false);
    race(true);
    return 0;
}
