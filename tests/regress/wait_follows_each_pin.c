/* A wait for the close of a file whose send_file stands behind another send on its stream: the done
 * of that one comes first (laws 9, 10, 14). The search took only the handles of the first in the
 * line. */
#include "fake.h"

static note send, file, closed;

REGRESSION(wait_follows_each_pin)
{
    static fake backend;
    static char byte;
    cede_loop *loop = fake_loop(&backend);
    cede_handle stream = fake_handle(CEDE_KIND_STREAM, 0), source = fake_handle(CEDE_KIND_FILE, 0);

    cede_prep_send(&send.req, stream, &byte, 1);
    cede_submit(loop, &send.req, note_done);
    cede_prep_send_file(&file.req, stream, source, 0, 1);
    cede_submit(loop, &file.req, note_done);
    CHECK(cede_run(loop, 0) == 0 && backend.count == 1);
    fake_report(&backend, backend.works[0].token, CEDE_OK, 1);
    cede_prep_close(&closed.req, source);
    cede_ticket ticket = cede_submit(loop, &closed.req, note_done);
    CHECK(cede_wait(loop, ticket, CEDE_SECOND) == CEDE_OK);
    CHECK(send.order == 1 && file.order == 2 && closed.order == 3);
    CHECK(file.result.status == CEDE_ECANCELED && (file.result.flags & CEDE_BY_CLOSE));
    cede_drop(stream);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    return 0;
}
