/*
 * B5, B6, B7: TCP echo over loopback: 64 bytes and 16 KiB with 64 and 1000 connections, and one
 * connection alone whose server looks for work before it sleeps. B14: accepting and closing.
 *
 * The clients are one load for all, in a process of its own (load.h). The figure of B5 and B6 is
 * the server's CPU time for a message, that of its kernel side included; which includes much of TCP
 * in both directions. In B7 it is the time of a
 * round trip. In B14 a wave of clients is connected before the server
 * looks, which then accepts and closes them all; each is reset by its client, not to be in the way.
 *
 * floor        raw ring, many-shot, buffers picked by the kernel (echo_ring.c)
 * epoll        epoll, recv, send by hand (echo_epoll.c)
 * libuv        uv_try_write from one buffer; libuv-write: uv_write, its requests from a free list
 * libevent     events, recv and send by hand; bufferevent: as its documentation has it
 * asio         async_read_some, async_write
 * cede         as examples/cede-echo.c
 *
 * libuv's and libevent's plain servers do not take care of a client that does not read; the others
 * do. asio and bufferevent have a buffer for each client. In B7 cede and the floor look for
 * completions; of the peers none can be told to, and epoll shows what its sleep costs.
 */
#include "echo_rows.h"

#define SIDE(which, text, role)                                                             \
    static void *open_##which(const bench_env *env, const bench_case *of, const char **why) \
    {                                                                                       \
        (void)env, (void)why;                                                               \
        return echo_open(&echo_##which, of);                                                \
    }                                                                                       \
    const bench_contestant echo_by_##which = {text, role, open_##which, echo_round, echo_close};

ECHO_SIDES(SIDE)

#define ECHO_CASE(text, connections, kind, counted)                                                \
    {                                                                                              \
        .name = text, .size = connections, .variant = kind, .instructions = counted, .plotted = 1, \
        .measures = {{"wall", "ns", false}, {"CPU", "ns", false}}, .contestants = ECHO_EVERYBODY,  \
        .goals = {                                                                                 \
            {"at most 1.03 of the floor", BENCH_CONTESTANT, 1, 0, "floor", 1.03},                  \
            {"ahead of every peer", BENCH_BEST_PEER, 1, 0, NULL, 1},                               \
            {"of epoll by hand", BENCH_SHOWN, 1, 0, "epoll", 1}                                    \
        }                                                                                          \
    }

static const bench_case small[] = {ECHO_CASE("64 connections", 64, ECHO_SMALL, true),
                                   ECHO_CASE("1000 connections", 1000, ECHO_SMALL, false)};
static const bench_case large[] = {ECHO_CASE("64 connections", 64, ECHO_LARGE, true),
                                   ECHO_CASE("1000 connections", 1000, ECHO_LARGE, false)};

static const bench_case spin[] = {{
    .name = "1 connection",
    .size = 1,
    .variant = ECHO_SPIN,
    .measures = {{"wall", "ns", false}, {"CPU", "ns", false}},
    .contestants = ECHO_EVERYBODY,
    .goals = {{"3 times as fast as every peer", BENCH_BEST_PEER, 0, 0, NULL, 1 / 3.0},
              {"of the floor", BENCH_SHOWN, 0, 0, "floor", 1}},
}};

static const bench_case accepts[] = {{
    .name = "waves of 256",
    .size = 256,
    .variant = ECHO_ACCEPTS,
    .instructions = true,
    .plotted = 1,
    .measures = {{"wall", "ns", false}, {"CPU", "ns", false}},
    .contestants = {&echo_by_ring, &echo_by_epoll, &echo_by_uv, &echo_by_event, &echo_by_asio,
                    &echo_by_cede},
    .goals = {{"at most 1.05 of the floor", BENCH_CONTESTANT, 1, 0, "floor", 1.05},
              {"of epoll by hand", BENCH_SHOWN, 1, 0, "epoll", 1}},
}};

const bench_row bench_b5 = {"B5", "TCP echo, 64 bytes", small, 2};
const bench_row bench_b6 = {"B6", "TCP echo, 16 KiB", large, 2};
const bench_row bench_b7 = {"B7", "ping-pong of 64 bytes, looking for work", spin, 1};
const bench_row bench_b14 = {"B14", "accept and close", accepts, 1};
