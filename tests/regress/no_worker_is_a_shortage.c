/* Where the kernel could make no thread for what it does aside, it ended that with ECANCELED: a
 * close was told so and had left its descriptor open, for ever (law 10); others were told after
 * five seconds that they were cancelled, though nobody had asked (law 7). Also of files with a
 * flush, of which the descriptor is gone whatever the flush says. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "uring.h"

#include "cede/file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534

static note made;

static void *nothing(void *argument)
{
    return argument;
}

/* From here on there are no more threads. */
static void have_no_threads(void)
{
    const struct rlimit none = {1, 1};
    pthread_t thread;
    if (geteuid() == 0 &&
        (setresgid(NOBODY, NOBODY, NOBODY) != 0 || setresuid(NOBODY, NOBODY, NOBODY) != 0))
        _exit(77);
    CHECK(setrlimit(RLIMIT_NPROC, &none) == 0);
    if (pthread_create(&thread, NULL, nothing, NULL) == 0) {
        printf("skipped: there are threads for whoever wants one\n");
        (void)fflush(NULL);
        _exit(77);
    }
}

static cede_result perform(cede_loop *loop)
{
    CHECK(cede_wait(loop, note_submit(loop, &made, note_done), 3 * CEDE_SECOND) == CEDE_OK);
    return made.result;
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* By a request, a drop, a scope, the loop. */
static void close_in_each_way(cede_loop *loop, const int fds[4])
{
    cede_handle handles[4];
    note life = {0};
    for (int i = 0; i < 4; i++) {
        CHECK((handles[i] = cede_import(fds[i], CEDE_KIND_AUTO, 0)) != 0);
        cede_prep_set_times(&made.req, handles[i], CEDE_TIME_KEEP, CEDE_TIME_KEEP);
        CHECK(perform(loop).status == CEDE_EAGAIN); /* there is no thread; but it is this loop's */
    }
    cede_prep_scope(&life.req);
    cede_ticket ticket = note_submit(loop, &life, note_done);
    cede_own(ticket, handles[2]);
    cede_prep_close(&made.req, handles[0]);
    CHECK(perform(loop).status == CEDE_OK && !is_open(fds[0]));
    cede_drop(handles[1]);
    cede_cancel(ticket);
    CHECK(cede_wait(loop, ticket, 3 * CEDE_SECOND) == CEDE_OK && !is_open(fds[2]));
    CHECK(cede_loop_close(loop, 3 * CEDE_SECOND) == CEDE_OK);
    CHECK(!is_open(fds[1]) && !is_open(fds[3]));
}

static void without_threads(void)
{
    static const cede_uring_config aside = {.force = CEDE_URING_FORCE_ASYNC};
    static const char *const devices[] = {"", "", "/dev/ptmx", "/dev/random"};
    cede_stat facts;
    int fds[4], others[4];
    for (int i = 0; i < 4; i++) {
        CHECK((fds[i] = memfd_create("cede", MFD_CLOEXEC)) >= 0);
        others[i] = open(devices[i], O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (others[i] < 0)
            others[i] = uring_with_a_flush(i);
        if (others[i] < 0)
            CHECK((others[i] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0);
    }
    have_no_threads();
    close_in_each_way(uring_loop(&aside), fds);
    close_in_each_way(uring_loop(NULL), others);
    cede_loop *loop = uring_loop(NULL);
    cede_prep_stat(&made.req, "/", &facts, 0);
    CHECK(perform(loop).status == CEDE_EAGAIN && made.result.flags == 0);
    cede_prep_mkdir(&made.req, "/", 0700);
    CHECK(perform(loop).status == CEDE_EAGAIN && made.result.flags == 0);
    CHECK(cede_loop_close(loop, 3 * CEDE_SECOND) == CEDE_OK);
}

/* In a process of its own, which ends without a look for leaks: that would take a thread. */
REGRESSION(no_worker_is_a_shortage)
{
    pid_t child = fork();
    int status = 0;
    if (child == 0) {
        without_threads();
        (void)fflush(NULL);
        _exit(0);
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
    return WEXITSTATUS(status);
}
