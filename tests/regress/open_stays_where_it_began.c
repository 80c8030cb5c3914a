/* On io_uring, an open by a relative path that was made again, to wait for a pipe's other end or
 * because its path was not in the caches, was looked up anew: a program that had changed its
 * directory meanwhile got another file, or made one there. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "uring.h"

#include "cede/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char place[64];

static void go(const char *name)
{
    CHECK(chdir(place) == 0 && chdir(name) == 0);
}

/* A pipe "f" in one directory, a file of that name, if any, in the other. */
static void make(bool file)
{
    strcpy(place, "/tmp/cede-regress-XXXXXX");
    CHECK(mkdtemp(place) && chdir(place) == 0);
    CHECK(mkdir("first", 0700) == 0 && mkdir("then", 0700) == 0 && mkfifo("first/f", 0600) == 0);
    if (file)
        CHECK(close(open("then/f", O_CREAT | O_WRONLY | O_CLOEXEC, 0600)) == 0);
}

static void unmake(bool file)
{
    go(".");
    CHECK(unlink("first/f") == 0 && unlink("then/f") == (file ? 0 : -1));
    CHECK(rmdir("first") == 0 && rmdir("then") == 0 && chdir("/") == 0 && rmdir(place) == 0);
}

static void wait_for_a_reader(uint32_t flags, bool file)
{
    cede_loop *loop = uring_loop(NULL);
    note open_it = {0};
    struct stat one, other;
    intptr_t native;
    int reader;
    make(file);
    go("first");
    cede_prep_open(&open_it.req, "f", CEDE_OPEN_WRITE | flags, 0600);
    cede_ticket ticket = note_submit(loop, &open_it, note_done);
    (void)cede_run(loop, 0);
    go("then");
    CHECK(cede_wait(loop, ticket, 30 * CEDE_MILLISECOND) == CEDE_EDEADLINE);
    while ((reader = open("../first/f", O_RDONLY | O_NONBLOCK | O_CLOEXEC)) < 0)
        continue;
    CHECK(cede_wait(loop, ticket, 10 * CEDE_SECOND) == CEDE_OK);
    CHECK(open_it.result.status == CEDE_OK);
    CHECK(cede_release(open_it.result.handle, &native) == CEDE_OK);
    CHECK(fstat((int)native, &one) == 0 && fstat(reader, &other) == 0);
    CHECK(one.st_ino == other.st_ino && one.st_dev == other.st_dev);
    CHECK(close((int)native) == 0 && close(reader) == 0);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    unmake(file);
}

/* Nobody waits: /proc/self is never in the caches. */
static void ask_for_the_way(void)
{
    cede_loop *loop = uring_loop(NULL);
    note open_it = {0};
    CHECK(chdir("/proc") == 0);
    cede_prep_open(&open_it.req, "self/comm", CEDE_OPEN_READ, 0);
    cede_ticket ticket = note_submit(loop, &open_it, note_done);
    (void)cede_run(loop, 0);
    CHECK(chdir("/") == 0);
    CHECK(cede_wait(loop, ticket, 10 * CEDE_SECOND) == CEDE_OK);
    CHECK(open_it.result.status == CEDE_OK);
    cede_drop(open_it.result.handle);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
}

REGRESSION(open_stays_where_it_began)
{
    wait_for_a_reader(0, true);
    wait_for_a_reader(0, false);
    wait_for_a_reader(CEDE_OPEN_CREATE, true);
    wait_for_a_reader(CEDE_OPEN_CREATE, false);
    ask_for_the_way();
    return 0;
}
