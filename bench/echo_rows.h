/*
 * The servers of echo.h as contestants of a row. Main thread.
 */
#ifndef CEDE_BENCH_ECHO_ROWS_H
#define CEDE_BENCH_ECHO_ROWS_H

#include "bench.h"
#include "echo.h"

void *echo_open(const echo_side *, const bench_case *);
void echo_round(void *self, bench_run *);
void echo_close(void *self);

/* Everybody: the server, its name in the tables, its role. */
#define ECHO_SIDES(X)                         \
    X(ring, "floor", BENCH_FLOOR)             \
    X(epoll, "epoll", BENCH_FLOOR)            \
    X(uv, "libuv", BENCH_PEER)                \
    X(uv_write, "libuv-write", BENCH_PEER)    \
    X(event, "libevent", BENCH_PEER)          \
    X(bufferevent, "bufferevent", BENCH_PEER) \
    X(asio, "asio", BENCH_PEER)               \
    X(cede, "cede", BENCH_CEDE)

extern const bench_contestant echo_by_ring, echo_by_epoll, echo_by_uv, echo_by_uv_write,
    echo_by_event, echo_by_bufferevent, echo_by_asio, echo_by_cede;

#define ECHO_EVERYBODY                                                                 \
    {                                                                                  \
        &echo_by_ring, &echo_by_epoll, &echo_by_uv, &echo_by_uv_write, &echo_by_event, \
            &echo_by_bufferevent, &echo_by_asio, &echo_by_cede                         \
    }

#endif
