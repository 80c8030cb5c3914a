/* A transfer at the position of a file with O_DIRECT is made by a thread of the pool. While it
 * waits for one it is ended like any other, by each cause, with nothing moved (laws 7, 9, 10). */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "uring.h"

#include "cede/file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define BLOCK 4096u

static note work, rec, closed;
static int ends[2];

static cede_status wait_for_byte(void *context, uint64_t *count)
{
    char byte;
    (void)context;
    *count = (uint64_t)read(ends[0], &byte, 1);
    return CEDE_OK;
}

/* Of two blocks. Its own descriptor tells its position. */
static int direct_file(const char *folder)
{
    static char bytes[2 * BLOCK];
    char path[300];
    snprintf(path, sizeof path, "%s/direct", folder);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && write(fd, bytes, sizeof bytes) == (ssize_t)sizeof bytes && close(fd) == 0);
    fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
    CHECK(unlink(path) == 0);
    if (fd < 0 && errno == EINVAL) {
        printf("skipped: no O_DIRECT in %s\n", folder);
        exit(77);
    }
    CHECK(fd >= 0);
    return fd;
}

static void end_it(cede_loop *loop, cede_handle file, int fd, uint32_t cause, void *memory)
{
    cede_ticket ticket, close;
    memset(&rec, 0, sizeof rec);
    cede_prep_read_all(&rec.req, file, memory, 2 * BLOCK, CEDE_CURRENT);
    if (cause == CEDE_BY_DEADLINE)
        cede_within(&rec.req, 5 * CEDE_MILLISECOND);
    ticket = note_submit(loop, &rec, note_done);
    CHECK(cede_run(loop, 0) == 0);
    if (cause == CEDE_BY_WISH)
        cede_cancel(ticket);
    if (cause == CEDE_BY_CLOSE) {
        cede_prep_close(&closed.req, file);
        close = note_submit(loop, &closed, note_done);
        CHECK(cede_wait(loop, close, 10 * CEDE_SECOND) == CEDE_OK);
    }
    CHECK(cede_wait(loop, ticket, 10 * CEDE_SECOND) == CEDE_OK);
    CHECK(rec.calls == 1 && rec.result.count == 0 && (rec.result.flags & cause));
    CHECK(rec.result.status ==
          (cause == CEDE_BY_DEADLINE ? (cede_status)CEDE_EDEADLINE : (cede_status)CEDE_ECANCELED));
    CHECK(lseek(fd, 0, SEEK_CUR) == 0 && work.calls == 0);
}

REGRESSION(queued_direct_reads_are_ended)
{
    cede_options options = CEDE_OPTIONS_INIT;
    char folder[256];
    void *memory = NULL;
    cede_loop *loop;
    port_folder(folder, sizeof folder);
    int fd = direct_file(folder), same = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    CHECK(posix_memalign(&memory, BLOCK, 2 * BLOCK) == 0);
    options.pool_threads = 1;
    options.backend = "io_uring";
    CHECK(cede_loop_open(&options, &loop) == CEDE_OK);
    CHECK(same >= 0 && pipe2(ends, O_CLOEXEC) == 0);
    cede_prep_work(&work.req, wait_for_byte, NULL);
    (void)note_submit(loop, &work, note_done);
    cede_handle file = cede_import(fd, CEDE_KIND_AUTO, 0);
    end_it(loop, file, same, CEDE_BY_WISH, memory);
    end_it(loop, file, same, CEDE_BY_DEADLINE, memory);
    end_it(loop, file, same, CEDE_BY_CLOSE, memory);
    CHECK(write(ends[1], "x", 1) == 1);
    CHECK(cede_run(loop, 10 * CEDE_SECOND) == 1 && work.calls == 1);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    free(memory);
    CHECK(close(same) == 0 && close(ends[0]) == 0 && close(ends[1]) == 0);
    port_folder_gone(folder);
    return 0;
}
