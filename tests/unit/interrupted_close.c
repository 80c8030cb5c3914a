/*
 * A close whose completion says EINTR, or anything else, has closed: by then the number may be
 * another file's, and is not closed again (law 10, close(2)). What says so is the flush of a file
 * (FUSE, NFS), which no test has at hand: so a table of the test's own closes in the kernel's
 * stead, gives the number to another file at once, and completes the close as the ring would.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../regress/fake.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "linux/uring.h"

extern const cede_backend cede_uring_backend;

static cede_backend table; /* io_uring's, but for start */
static int result;         /* what the next close is to say; 0: it is the ring's own */
static int closes;

static int file(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    return fd;
}

static uint32_t start(void *self, const cede_work *batch, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t before;
        if (batch[i].op != CEDE_OP_CLOSE || result == 0)
            continue;
        before = i ? cede_uring_backend.start(self, batch, i) : 0;
        if (before < i)
            return before;
        closes++;
        CHECK(close((int)batch[i].native) == 0);
        CHECK(file() == (int)batch[i].native);
        ((uring *)self)->works++;
        cedi_uring_report(self, batch[i].token, result);
        return i + 1;
    }
    return cede_uring_backend.start(self, batch, count);
}

static cede_loop *begin(void)
{
    cede_loop *loop;
    cede_options options = CEDE_OPTIONS_INIT;
    options.backend_table = &table;
    if (cede_loop_open(&options, &loop) != CEDE_OK) {
        printf("io_uring cannot be had here\n");
        exit(77);
    }
    return loop;
}

/* By a request, a drop, the end of a scope, and of the loop. */
static void closes_once(int how, int says, cede_status status, int32_t os_error)
{
    static note close_it, life;
    cede_loop *loop = begin();
    int fd = file();
    cede_handle handle = cede_core_adopt(&table, fd, CEDE_KIND_FILE, 0);
    CHECK(handle);
    closes = 0;
    result = says;
    memset(&close_it, 0, sizeof close_it);
    memset(&life, 0, sizeof life);
    if (how == 0) {
        cede_prep_close(&close_it.req, handle);
        cede_submit(loop, &close_it.req, note_done);
    } else if (how == 1) {
        cede_prep_fsync(&close_it.req, handle); /* binds it */
        cede_submit(loop, &close_it.req, note_done);
        cede_drop(handle);
    } else if (how == 2) {
        cede_prep_scope(&life.req);
        cede_ticket scope = cede_submit(loop, &life.req, note_done);
        CHECK(cede_run(loop, 0) >= 0);
        cede_own(scope, handle);
        cede_cancel(scope);
    } else {
        cede_prep_fsync(&close_it.req, handle);
        cede_submit(loop, &close_it.req, note_done);
    }
    if (how != 3)
        CHECK(cede_run(loop, 10 * CEDE_SECOND) >= 0);
    CHECK(cede_loop_close(loop, 10 * CEDE_SECOND) == CEDE_OK);
    CHECK(closes == 1);
    CHECK(how != 0 || (close_it.calls == 1 && close_it.result.status == status &&
                       close_it.result.os_error == os_error));
    CHECK(how != 2 || life.calls == 1);
    result = 0;
    CHECK(close(fd) == 0); /* the other's, which is still there */
}

int main(void)
{
    table = cede_uring_backend;
    table.start = start;
    port_limit(60);
    for (int how = 0; how < 4; how++) {
        closes_once(how, -EINTR, CEDE_OK, 0);
        closes_once(how, -512, CEDE_OK, 0); /* ERESTARTSYS */
        closes_once(how, -EAGAIN, CEDE_EAGAIN, EAGAIN);
        closes_once(how, -ENOBUFS, CEDE_ENOMEM, ENOBUFS);
        closes_once(how, -EIO, CEDE_EIO, EIO);
    }
    return 0;
}
