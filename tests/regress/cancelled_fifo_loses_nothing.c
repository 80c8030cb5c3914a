/* On io_uring a cancelled open for reading of a named pipe was a reader of it for some time after
 * its last look whether a writer had come: who came then, wrote and left, with success, had written
 * to nobody (laws 7, 8). */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "fake.h"

#include "cede/file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { TRIES = 400, STEP_NS = 77777 };

static cede_loop *loop;
static char path[64];
static unsigned lost;

static uint64_t now(void)
{
    struct timespec time;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &time) == 0);
    return (uint64_t)time.tv_sec * CEDE_SECOND + (uint64_t)time.tv_nsec;
}

static bool write_a_byte(uint64_t in_ns)
{
    uint64_t until = now() + in_ns;
    bool written;
    int fd;
    while (now() < until)
        continue;
    fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    written = fd >= 0 && write(fd, "x", 1) == 1;
    if (fd >= 0)
        CHECK(close(fd) == 0);
    return written;
}

static uint64_t read_a_byte(cede_handle handle)
{
    static note read;
    static char byte[2];
    cede_prep_read(&read.req, handle, byte, sizeof byte, CEDE_CURRENT);
    note_submit(loop, &read, note_done);
    CHECK(cede_run(loop, CEDE_FOREVER) == 1 && read.result.status == CEDE_OK);
    cede_drop(handle);
    return read.result.count;
}

/* Whether it was cancelled. */
static bool try_once(uint64_t in_ns)
{
    static note open_it;
    cede_ticket ticket;
    bool written;
    cede_prep_open(&open_it.req, path, CEDE_OPEN_READ, 0);
    ticket = note_submit(loop, &open_it, note_done);
    CHECK(cede_run(loop, 2 * CEDE_MILLISECOND) == 0); /* until it waits; nothing tells of that */
    cede_cancel(ticket);
    written = write_a_byte(in_ns);
    CHECK(cede_run(loop, CEDE_FOREVER) == 1);
    if (open_it.result.status == CEDE_OK) {
        CHECK(read_a_byte(open_it.result.handle) == (written ? 1 : 0));
        return false;
    }
    CHECK(open_it.result.status == CEDE_ECANCELED);
    lost += written;
    return true;
}

REGRESSION(cancelled_fifo_loses_nothing)
{
    const cede_options options = {.backend = "io_uring"};
    cede_status status = cede_loop_open(&options, &loop);
    uint64_t span = 200 * CEDE_MICROSECOND;
    unsigned cancelled = 0;
    if (status == CEDE_EPERM || status == CEDE_ENOTSUP)
        return 77;
    CHECK(status == CEDE_OK && signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    (void)snprintf(path, sizeof path, "/tmp/cede-fifo-%ld", (long)getpid());
    CHECK(mkfifo(path, 0600) == 0);
    /* Writers come at any time up to the one that a cancel takes, which is found on the way. */
    for (unsigned i = 0; i < TRIES; i++) {
        bool was_cancelled = try_once(i * (uint64_t)STEP_NS % span);
        if (!was_cancelled && span < 20 * CEDE_MILLISECOND)
            span += span / 8;
        else if (was_cancelled && span > 50 * CEDE_MICROSECOND)
            span -= span / 8;
        cancelled += was_cancelled;
    }
    CHECK(unlink(path) == 0);
    CHECK(cancelled > 0);
    CHECK(lost <= TRIES / 100); /* law 7's table: an open that does not wait yet; it was a fifth */
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    return 0;
}
