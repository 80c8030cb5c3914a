/* Passing shortages, one before each part of a transfer and behind each item, while nothing else is
 * in flight: four of them are no reason to give up, as each was over at the next try (law 15). */
#include "fake.h"

#define PARTS 10u

static cede_pool *pool;
static unsigned started, items;

static int move_every_other_time(fake *self, const cede_work *work)
{
    uint32_t number;
    if (work->op == CEDE_OP_WRITE_ALL) {
        cede_core_done(self->core, work->token, started++ % 2 ? CEDE_OK : CEDE_REPORT_PARK, 0, 1);
        return FAKE_REPORTED;
    }
    if (work->op != CEDE_OP_RECV_MANY)
        return FAKE_KEEP;
    if (started % 2 == 0 && items < PARTS) {
        CHECK(cede_core_pick(cede_core_pool(work), &number));
        cede_core_item(self->core, work->token, 1, number);
    }
    cede_core_done(self->core, work->token,
                   started++ % 2 == 0 && items == PARTS ? CEDE_OK : CEDE_REPORT_PARK, 0, 0);
    return FAKE_REPORTED;
}

static void give_item(cede_req *req, cede_result result)
{
    (void)req;
    if (!result.buffer)
        return;
    items++;
    cede_pool_give(pool, result.buffer);
}

REGRESSION(progress_renews_tries)
{
    static fake backend;
    static note write, many;
    static char bytes[PARTS];
    cede_loop *loop = fake_loop(&backend);

    backend.on_start = move_every_other_time;
    cede_prep_write_all(&write.req, fake_handle(CEDE_KIND_FILE, CEDE_IMPORT_BORROW), bytes, PARTS,
                        0);
    CHECK(cede_wait(loop, cede_submit(loop, &write.req, note_done), CEDE_FOREVER) == CEDE_OK);
    CHECK(write.result.status == CEDE_OK && write.result.count == PARTS);

    started = 0;
    CHECK(cede_pool_open(loop, 1, 16, 0, &pool) == CEDE_OK);
    cede_prep_recv_many(&many.req, fake_handle(CEDE_KIND_STREAM, CEDE_IMPORT_BORROW), pool,
                        CEDE_CREDIT_ALL, give_item);
    CHECK(cede_wait(loop, cede_submit(loop, &many.req, note_done), CEDE_FOREVER) == CEDE_OK);
    CHECK(many.result.status == CEDE_OK && items == PARTS);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    cede_pool_close(pool);
    return 0;
}
