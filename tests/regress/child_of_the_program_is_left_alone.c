/* The library took away a child that the program had begun by itself, and was to wait for: it had
 * the number of one that the library had started, and that the program had waited for, since it was
 * released to it, or since the program waits for any child. */
#include "fake.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static note spawned, timer;

/* One that ends when its input does, or at once. */
static cede_handle spawn(cede_loop *loop, const char *program, cede_handle input, uint64_t *id)
{
    const char *const arguments[] = {program, NULL};
    const cede_spawn how = {.program = program, .arguments = arguments, .stdio = {input}};
    cede_prep_spawn(&spawned.req, &how, id);
    CHECK(cede_wait(loop, note_submit(loop, &spawned, note_done), CEDE_FOREVER) == CEDE_OK);
    CHECK(spawned.result.status == CEDE_OK);
    return spawned.result.handle;
}

static void pass(cede_loop *loop, uint64_t ns)
{
    cede_prep_timer(&timer.req, ns);
    CHECK(cede_wait(loop, note_submit(loop, &timer, note_done), CEDE_FOREVER) == CEDE_OK);
}

/* A child of this program that has the number, and has ended; false: it cannot be had. */
static bool fork_as(uint64_t number)
{
    for (int tries = 0; tries < 200; tries++) {
        char text[32];
        siginfo_t info;
        pid_t mine;
        int fd = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
        int length = snprintf(text, sizeof text, "%d", (int)number - 1);
        bool set = fd >= 0 && write(fd, text, (size_t)length) == length;
        if (fd >= 0)
            (void)close(fd);
        if (!set)
            return false;
        mine = fork();
        CHECK(mine >= 0);
        if (mine == 0)
            _exit(42);
        CHECK(waitid(P_PID, (id_t)mine, &info, WEXITED | WNOWAIT) == 0);
        if (mine == (pid_t)number)
            return true;
        CHECK(waitpid(mine, NULL, 0) == mine);
    }
    return false;
}

/* After another spawn, and the close of that. */
static void is_left_alone(cede_loop *loop, uint64_t number)
{
    int status = 0;
    cede_drop(spawn(loop, "true", 0, NULL));
    pass(loop, 0);
    CHECK(waitpid((pid_t)number, &status, 0) == (pid_t)number);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 42);
}

/* Released, used before or not; a child of the program's own has the number of its descriptor. */
static void is_released_for_good(cede_loop *loop, bool used)
{
    static note kill;
    uint64_t number = 0;
    intptr_t native = -1;
    int status = 0, its;
    cede_handle child = spawn(loop, "true", 0, &number);
    if (used) {
        cede_prep_child_kill(&kill.req, child, CEDE_KILL_FORCE);
        CHECK(cede_wait(loop, note_submit(loop, &kill, note_done), CEDE_FOREVER) == CEDE_OK);
    }
    CHECK(cede_release(child, &native) == CEDE_OK && close((int)native) == 0);
    CHECK(waitpid((pid_t)number, NULL, 0) == (pid_t)number);
    pid_t mine = fork();
    CHECK(mine >= 0);
    if (mine == 0)
        _exit(42);
    its = (int)syscall(SYS_pidfd_open, mine, 0);
    CHECK(its == (int)native);
    siginfo_t info;
    CHECK(waitid(P_PID, (id_t)mine, &info, WEXITED | WNOWAIT) == 0);
    cede_drop(cede_import(its, CEDE_KIND_CHILD, 0));
    CHECK(waitpid(mine, &status, 0) == mine && WEXITSTATUS(status) == 42);
}

REGRESSION(child_of_the_program_is_left_alone)
{
    static note pair;
    cede_handle child, other;
    uint64_t number = 0;
    intptr_t native = -1;
    cede_loop *loop;

    port_limit(60);
    CHECK(cede_loop_open(NULL, &loop) == CEDE_OK);
    if (!cede_supports(loop, CEDE_OP_SPAWN))
        return 77;

    is_released_for_good(loop, false);
    is_released_for_good(loop, true);

    child = spawn(loop, "true", 0, &number);
    CHECK(cede_release(child, &native) == CEDE_OK && native >= 0);
    CHECK(close((int)native) == 0 && waitpid((pid_t)number, NULL, 0) == (pid_t)number);
    if (!fork_as(number))
        return 77;
    other = spawn(loop, "true", 0, NULL); /* has the number of that descriptor */
    is_left_alone(loop, number);
    cede_drop(other);

    cede_prep_pair(&pair.req, CEDE_PAIR_TO_CHILD, &other);
    CHECK(cede_wait(loop, note_submit(loop, &pair, note_done), CEDE_FOREVER) == CEDE_OK);
    CHECK(pair.result.status == CEDE_OK);
    child = spawn(loop, "cat", other, &number);
    cede_drop(child);                  /* it runs */
    pass(loop, 50 * CEDE_MILLISECOND); /* moments of a start are told apart by 10 ms */
    cede_drop(other);
    CHECK(cede_release(pair.result.handle, &native) == CEDE_OK && close((int)native) == 0);
    CHECK(waitpid((pid_t)number, NULL, 0) == (pid_t)number && fork_as(number));
    is_left_alone(loop, number);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    return 0;
}
