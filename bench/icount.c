/*
 * Counting the user-space instructions of an operation, exactly, where the machine's counters
 * cannot be had (as in most virtual machines).
 *
 * A child runs one contestant and stops itself at two markers; between them the parent steps it one
 * instruction at a time. A system call is one step, so only user space counts. Two rounds of
 * different length are counted and the difference is divided by the difference in operations,
 * which takes all that happens once a round out. Only the child's first thread is counted.
 */
#include "bench.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static bool counting;

void bench_count_marker(void)
{
    if (counting) {
        raise(SIGUSR1);
    }
}

/* DIR is in env; then the row's id, the case's number, the contestant's name, and the operations
 * of both rounds. */
int bench_counted_child(const bench_env *env, char **argv)
{
    /* The parent sees it all the same; without one, as under valgrind, nothing happens. */
    signal(SIGUSR1, SIG_IGN);
    for (unsigned i = 0; i < bench_row_count; i++) {
        const bench_row *row = bench_rows[i];
        if (!argv[0] || strcmp(row->id, argv[0]) != 0) {
            continue;
        }
        const bench_case *of = &row->cases[strtoul(argv[1], NULL, 10)];
        for (unsigned j = 0; j < BENCH_CONTESTANTS && of->contestants[j]; j++) {
            const bench_contestant *who = of->contestants[j];
            const char *why = NULL;
            bench_run run = {.env = env, .of = of, .ops = strtoul(argv[3], NULL, 10)};
            void *self = strcmp(who->name, argv[2]) == 0 ? who->open(env, of, &why) : NULL;
            if (!self) {
                continue;
            }
            who->round(self, &run); /* warms up: lazy binding, growth */
            counting = true;
            who->round(self, &run);
            run.ops = strtoul(argv[4], NULL, 10);
            who->round(self, &run);
            counting = false;
            who->close(self);
            return 0;
        }
    }
    return 3;
}

/* Lets the child go on, by one instruction or to its next stop. The signal that it stopped with;
 * -1 when it is gone. */
static int go_on(pid_t child, bool one_step)
{
    int status;
    if (ptrace(one_step ? PTRACE_SINGLESTEP : PTRACE_CONT, child, NULL, NULL) < 0 ||
        waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) {
        return -1;
    }
    return WSTOPSIG(status);
}

/* The instructions between the next marker and the one after it; -1 when the child is gone. */
static double count_section(pid_t child)
{
    double steps = 0;
    int stop;
    while ((stop = go_on(child, false)) != SIGUSR1) {
        if (stop < 0) {
            return -1;
        }
    }
    while ((stop = go_on(child, true)) != SIGUSR1) {
        if (stop < 0) {
            return -1;
        }
        steps += stop == SIGTRAP;
    }
    return steps;
}

static pid_t start(const bench_env *env, const bench_row *row, const bench_case *of,
                   const bench_contestant *who, const char *few, const char *many)
{
    char number[16];
    snprintf(number, sizeof number, "%u", (unsigned)(of - row->cases));
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0) {
            _exit(4);
        }
        execl("/proc/self/exe", "cede-bench", "--counted-child", env->dir, row->id, number,
              who->name, few, many, (char *)NULL);
        _exit(5);
    }
    return child;
}

double bench_count_instructions(const bench_env *env, const bench_row *row, const bench_case *of,
                                const bench_contestant *who, const char **why)
{
    const int least = 32, more = env->quick ? 64 : 256;
    double first = -1, second = -1;
    cpu_set_t before, one;
    int status = 0;
    char few[16], many[16];

    snprintf(few, sizeof few, "%d", least);
    snprintf(many, sizeof many, "%d", least + more);
    /* Parent and child take turns: on one processor that is several times as fast as on two. */
    sched_getaffinity(0, sizeof before, &before);
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    sched_setaffinity(0, sizeof one, &one);
    pid_t child = start(env, row, of, who, few, many);
    if (child > 0 && waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
        ptrace(PTRACE_SETOPTIONS, child, NULL, (void *)(uintptr_t)PTRACE_O_EXITKILL);
        first = count_section(child);
        second = first < 0 ? -1 : count_section(child);
        if (second >= 0 && ptrace(PTRACE_DETACH, child, NULL, NULL) == 0) {
            waitpid(child, &status, 0);
        }
    }
    sched_setaffinity(0, sizeof before, &before);
    if (second < 0 && child > 0) {
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
    }
    if (second < 0) {
        *why = "the child cannot be stepped (ptrace)";
        return -1;
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        *why = "the stepped child failed";
        return -1;
    }
    return (second - first) / more;
}
