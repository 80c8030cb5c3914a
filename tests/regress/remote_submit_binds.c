/* A remote submit binds the handles that it names in the call (1b: Handles): another loop cannot
 * take them over before it is taken; also if it finds no slot, and those of what it links to. */
#include "orphans.h"

static fake backends[2];
static cede_loop *mine, *other;
static cede_handle handle;

/* One whose slots are used up, and whether it can have more. */
static void begin(bool memory)
{
    backends[0].on_start = NULL;
    mine = fake_loop(&backends[0]);
    other = fake_loop(&backends[1]);
    handle = fake_handle(CEDE_KIND_FILE, 0);
    fill_slots(mine, 0);
    memory_is_out = !memory;
}

static void other_is_refused(void)
{
    static note read;
    static char byte;
    memory_is_out = false;
    cede_prep_read(&read.req, handle, &byte, 1, 0);
    cede_submit(other, &read.req, note_done);
    CHECK(cede_run(other, CEDE_FOREVER) == 1);
    CHECK(read.result.status == CEDE_EINVAL);
}

static void end(void)
{
    CHECK(cede_loop_close(mine, CEDE_FOREVER) == CEDE_OK);
    CHECK(cede_loop_close(other, CEDE_FOREVER) == CEDE_OK);
}

static void race(bool memory)
{
    static note close;
    begin(memory);
    cede_prep_close(&close.req, handle);
    cede_submit_remote(mine, &close.req, note_done, NULL);
    other_is_refused();
    CHECK(cede_run(mine, CEDE_FOREVER) == 1);
    CHECK(close.result.status == CEDE_OK);
    end();
}

static int report_at_once(fake *self, const cede_work *work)
{
    cede_core_done(self->core, work->token, CEDE_OK, 0, 1);
    return FAKE_REPORTED;
}

static void chain(bool memory)
{
    static note first, second, write;
    static char byte;
    begin(memory);
    cede_prep_nop(&first.req);
    cede_prep_nop(&second.req);
    cede_prep_write(&write.req, handle, &byte, 1, 0);
    cede_link(&first.req, &second.req, note_done);
    cede_link(&second.req, &write.req, note_done);
    cede_submit_remote(mine, &first.req, note_done, NULL);
    other_is_refused();
    backends[0].on_start = report_at_once;
    CHECK(cede_run(mine, CEDE_FOREVER) == 3);
    CHECK(write.result.status == (memory ? CEDE_OK : CEDE_ECANCELED));
    end();
}

/* Links that run in a circle are told when they are taken, and do not keep the call. */
static void circle(void)
{
    static fake backend;
    static note notes_of[3];
    cede_loop *loop = fake_loop(&backend);
    for (unsigned i = 0; i < 3; i++)
        cede_prep_nop(&notes_of[i].req);
    cede_link(&notes_of[0].req, &notes_of[1].req, note_done);
    cede_link(&notes_of[1].req, &notes_of[2].req, note_done);
    cede_link(&notes_of[2].req, &notes_of[1].req, note_done);
    cede_submit_remote(loop, &notes_of[0].req, note_done, NULL);
}

REGRESSION(remote_submit_binds)
{
    use_short_memory();
    chain(false); /* without memory first: loops leave their slots to the next */
    race(false);
    race(true);
    chain(true);
    circle();
    return 0;
}
