/*
 * B13: what an idle connection costs on the user's side of the system, and what is allocated for
 * each message once it flows.
 *
 * An idle connection was accepted, has sent nothing, and waits to be read from. It costs what the
 * heap has more than before the first of them, with what the heap adds to each piece. `library` is
 * what the library took for it; `all` has also what the program gave it: its own structure, with
 * the requests or handles in it (cede's request, libuv's handle), asio's buffer. Each contestant is
 * looked at in a process of its own, because libraries keep what they had once.
 *
 * Nobody's buffers are in `library`: cede's and the floor's are shared by all connections, libuv's
 * are asked of the program when there is data, bufferevent's come with the first of it.
 *
 * floor  keeps nothing but the descriptor, in the kernel
 */
#include "echo_rows.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "heap.h"

enum { SPARE = 64 };

/* ---- The process in which one is looked at --------------------------------------------------- */

int idle_main(const char *who, uint64_t clients)
{
#define SIDE(which, text, role) {&echo_##which, text},
    static const struct {
        const echo_side *side;
        const char *name;
    } sides[] = {ECHO_SIDES(SIDE)};
#undef SIDE
    for (unsigned i = 0; i < sizeof sides / sizeof sides[0]; i++) {
        if (strcmp(sides[i].name, who) == 0) {
            echo *e = echo_new(sides[i].side, ECHO_SMALL);
            uint64_t heap = heap_bytes(), own = e->own_bytes;
            echo_connect(e, clients);
            heap = heap_bytes() - heap;
            printf("%llu %llu\n", (unsigned long long)heap,
                   (unsigned long long)(e->own_bytes - own));
            fflush(stdout);
            _exit(0); /* the load goes when its wire does */
        }
    }
    return 3;
}

/* Bytes of the heap for so many clients, and those of them that the program has. */
static void look(const char *who, uint64_t clients, unsigned long long bytes[2])
{
    char number[24];
    int ends[2], status;
    snprintf(number, sizeof number, "%llu", (unsigned long long)clients);
    bench_check(pipe(ends), "pipe");
    fflush(NULL);
    pid_t child = (pid_t)bench_check(fork(), "fork");
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close_range(3, ~0u, 0);
        execl("/proc/self/exe", "cede-bench", "--idle", who, number, (char *)NULL);
        _exit(5);
    }
    close(ends[1]);
    FILE *from = fdopen(ends[0], "r");
    bool told = from && fscanf(from, "%llu %llu", &bytes[0], &bytes[1]) == 2;
    if (!told || waitpid(child, &status, 0) != child || status != 0) {
        bench_die("B13: %s could not be looked at", who);
    }
    fclose(from);
}

/* ---- The rows -------------------------------------------------------------------------------- */

/* As many as there are descriptors for, on both sides. */
static uint64_t affordable(uint64_t clients)
{
    struct rlimit files = {.rlim_cur = 1024};
    getrlimit(RLIMIT_NOFILE, &files);
    return files.rlim_cur < clients + SPARE ? files.rlim_cur - SPARE : clients;
}

static void round_(void *self, bench_run *run)
{
    unsigned long long bytes[2] = {0, 0};
    uint64_t clients = affordable(run->env->quick ? run->of->size / 10 : run->of->size);
    bench_start(run);
    look(self, clients, bytes);
    bench_stop(run);
    run->out[0] = (double)(bytes[0] - bytes[1]) / (double)clients;
    run->out[1] = (double)bytes[0] / (double)clients;
}

static void close_(void *self)
{
    (void)self;
}

#define SIDE(which, text, role)                                                             \
    static void *open_##which(const bench_env *env, const bench_case *of, const char **why) \
    {                                                                                       \
        static char name[] = text;                                                          \
        (void)env, (void)of, (void)why;                                                     \
        return name;                                                                        \
    }                                                                                       \
    static const bench_contestant idle_##which = {text, role, open_##which, round_, close_};

ECHO_SIDES(SIDE)

static const bench_case cases[] = {
    {
        .name = "10,000 connections",
        .size = 10000,
        .fixed = true,
        .slow = true,
        .rounds_max = 1,
        .measures = {{"library", "B", false}, {"all", "B", false}},
        .contestants = {&idle_ring, &idle_epoll, &idle_uv, &idle_uv_write, &idle_event,
                        &idle_bufferevent, &idle_asio, &idle_cede},
        .goals = {{"library at most 192 bytes", BENCH_ABSOLUTE, 0, 0, NULL, 192},
                  {"all", BENCH_SHOWN, 1, 0, "libuv", 1}},
    },
    {
        .name = "64 connections, echo",
        .size = 64,
        .variant = ECHO_ALLOCATIONS,
        .fixed = true,
        .slow = true,
        .rounds_max = 3,
        .measures = {{"allocations", "a message", false}},
        .contestants = ECHO_EVERYBODY,
        .goals = {{"none", BENCH_ABSOLUTE, 0, 0, NULL, 0}},
    },
};

const bench_row bench_b13 = {"B13", "an idle connection; allocations", cases, 2};
