/* A file that may have a flush is closed by the pool. There its close waited for works, which may
 * wait for its done: law 10 knows no close that waits for what it cannot see. Also an open with
 * CREATE by a relative path, for which there was a descriptor, found none: the library had taken
 * the last one for the directory. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "uring.h"

#include "cede/file.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <unistd.h>

static note works[2], closed, opened;
static int pipes[2][2];

static cede_status wait_for_byte(void *context, uint64_t *count)
{
    char byte;
    *count = (uint64_t)read(*(const int *)context, &byte, 1);
    return CEDE_OK;
}

static void close_beside_works(uint32_t threads)
{
    cede_options options = CEDE_OPTIONS_INIT;
    cede_loop *loop;
    int fd = uring_with_a_flush(0);
    if (fd < 0) {
        printf("skipped: no message queues here\n");
        exit(77);
    }
    options.pool_threads = threads;
    options.backend = "io_uring";
    CHECK(cede_loop_open(&options, &loop) == CEDE_OK);
    for (uint32_t i = 0; i < threads; i++) {
        CHECK(pipe2(pipes[i], O_CLOEXEC) == 0);
        cede_prep_work(&works[i].req, wait_for_byte, &pipes[i][0]);
        (void)note_submit(loop, &works[i], note_done);
    }
    CHECK(cede_run(loop, 0) == 0);
    cede_handle handle = cede_import(fd, CEDE_KIND_AUTO, 0);
    cede_prep_close(&closed.req, handle);
    cede_ticket ticket = note_submit(loop, &closed, note_done);
    CHECK(cede_wait(loop, ticket, 10 * CEDE_SECOND) == CEDE_OK && closed.calls == 1);
    CHECK(fcntl(fd, F_GETFD) < 0);
    for (uint32_t i = 0; i < threads; i++)
        CHECK(write(pipes[i][1], "x", 1) == 1);
    CHECK(cede_run(loop, 10 * CEDE_SECOND) == threads);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    for (uint32_t i = 0; i < threads; i++)
        CHECK(close(pipes[i][0]) == 0 && close(pipes[i][1]) == 0);
}

static void open_with_the_last_descriptor(void)
{
    char folder[256];
    struct rlimit before, limit;
    cede_loop *loop = uring_loop(NULL);
    int last;
    port_folder(folder, sizeof folder);
    CHECK(chdir(folder) == 0);
    cede_prep_open(&opened.req, "first", CEDE_OPEN_WRITE | CEDE_OPEN_CREATE, 0600);
    CHECK(cede_wait(loop, note_submit(loop, &opened, note_done), CEDE_SECOND) == CEDE_OK);
    CHECK(opened.result.status == CEDE_OK); /* what the loop needs for itself it has now */
    cede_drop(opened.result.handle);
    (void)cede_run(loop, CEDE_SECOND);
    CHECK((last = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0 && close(last) == 0);
    CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
    limit = before;
    limit.rlim_cur = (rlim_t)last + 1;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    cede_prep_open(&opened.req, "second", CEDE_OPEN_WRITE | CEDE_OPEN_CREATE, 0600);
    CHECK(cede_wait(loop, note_submit(loop, &opened, note_done), CEDE_SECOND) == CEDE_OK);
    CHECK(opened.result.status == CEDE_OK);
    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
    cede_drop(opened.result.handle);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    CHECK(unlink("first") == 0 && unlink("second") == 0 && chdir("/") == 0);
    port_folder_gone(folder);
}

REGRESSION(closes_pass_works)
{
    close_beside_works(1);
    close_beside_works(2);
    open_with_the_last_descriptor();
    return 0;
}
