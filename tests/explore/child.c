/*
 * Runs in processes of their own: a program that breaks a law ends its process, and one that
 * crashes or hangs must not end the search. This process never calls the library itself, which
 * refuses a forked child what its parent has opened. What a child says, it writes into shared
 * memory.
 */
#include "explore.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define BROKEN       9  /* exit code */
#define SECONDS_BUSY 2  /* of processor time for one program, which needs some microseconds */
#define SECONDS_MOST 60 /* of all time, for one that sleeps */

struct shared {
    uint64_t at; /* the seed that is being run */
    char said[SAID_MOST];
};

static struct shared *shared;

static void say(const char *text)
{
    snprintf(shared->said, sizeof shared->said, "%s", text);
    _exit(BROKEN);
}

static pid_t start(void)
{
    if (!shared) {
        shared =
            mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (shared == MAP_FAILED)
            abort();
    }
    shared->said[0] = 0;
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        abort();
    if (pid == 0) {
        const struct rlimit none = {0, 0};
        (void)setrlimit(RLIMIT_CORE, &none);
        explore_broken = say;
        stage_allocator();
    }
    return pid;
}

/* A signal ends it when the time of this program is over. */
static void run_bounded(const program *p)
{
    const struct itimerval most = {{0, 0}, {SECONDS_BUSY, 0}};
    (void)setitimer(ITIMER_VIRTUAL, &most, NULL);
    (void)alarm(SECONDS_MOST);
    program_run(p, NULL);
}

static verdict end_of(pid_t pid)
{
    verdict v = {0};
    int status = 0;
    if (waitpid(pid, &status, 0) != pid)
        abort();
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return v;
    v.failed = true;
    memcpy(v.said, shared->said, sizeof v.said);
    if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGVTALRM || WTERMSIG(status) == SIGALRM))
        snprintf(v.said, sizeof v.said, "it hangs");
    else if (!v.said[0] && WIFSIGNALED(status))
        snprintf(v.said, sizeof v.said, "signal %d", WTERMSIG(status));
    else if (!v.said[0])
        snprintf(v.said, sizeof v.said, "exit code %d", WEXITSTATUS(status));
    return v;
}

static void be_quiet(void)
{
    if (!freopen("/dev/null", "w", stderr))
        abort();
}

verdict child_try(const program *p)
{
    pid_t pid = start();
    if (pid == 0) {
        if (!explore_trace)
            be_quiet();
        run_bounded(p);
        (void)fflush(NULL);
        _exit(0);
    }
    return end_of(pid);
}

/* A checked library never uses a loop's memory again, and has room for so many. */
#define SEEDS_MOST 20000

static void some_seeds(uint64_t first, uint64_t end, verdict *v)
{
    pid_t pid = start();
    if (pid == 0) {
        static program p;
        for (shared->at = first; shared->at < end; shared->at++) {
            program_from_seed(&p, shared->at);
            run_bounded(&p);
        }
        exit(0); /* so that LeakSanitizer has its say */
    }
    *v = end_of(pid);
}

uint64_t child_seeds(uint64_t first, uint64_t end, verdict *v)
{
    *v = (verdict){0};
    while (first < end && !v->failed) {
        uint64_t next = end - first < SEEDS_MOST ? end : first + SEEDS_MOST;
        some_seeds(first, next, v);
        first = v->failed ? shared->at : next;
    }
    return first;
}
