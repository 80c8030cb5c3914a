/* A backend whose queue has one entry takes the rest of a batch after the next wait, which empties
 * its queue; the loop must not sleep before that (law 14). */
#include "fake.h"

static unsigned queued;

static int one_entry(fake *self, const cede_work *work)
{
    (void)self, (void)work;
    if (queued)
        return FAKE_REFUSE;
    queued++;
    return FAKE_KEEP;
}

static void flush(fake *self, uint64_t timeout_ns)
{
    cede_work *write = fake_find(self, CEDE_OP_WRITE);
    (void)timeout_ns;
    queued = 0;
    if (write) { /* its bytes are what the reader waits for */
        fake_report(self, write->token, CEDE_OK, 1);
        fake_report(self, fake_find(self, CEDE_OP_READ)->token, CEDE_OK, 1);
    }
}

REGRESSION(prefix_goes_on)
{
    static fake backend;
    static note read, write;
    static char in, out;
    cede_loop *loop = fake_loop(&backend);

    backend.on_start = one_entry;
    backend.on_wait = flush;
    cede_prep_read(&read.req, fake_handle(CEDE_KIND_PIPE, CEDE_IMPORT_BORROW), &in, 1,
                   CEDE_CURRENT);
    cede_submit(loop, &read.req, note_done);
    cede_prep_write(&write.req, fake_handle(CEDE_KIND_PIPE, CEDE_IMPORT_BORROW), &out, 1,
                    CEDE_CURRENT);
    cede_submit(loop, &write.req, note_done);
    CHECK(cede_run(loop, CEDE_FOREVER) == 2);
    CHECK(read.result.count == 1 && write.result.count == 1);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    return 0;
}
