/* On io_uring, who waits for data had a buffer in its hand that others could have had (pool.h, law
 * 15): the worker that reads a terminal; in steps, a read of a pipe that another had emptied. And a
 * receive in steps that the kernel had no room for lost its buffer (law 8). While a terminal that
 * waits for time between bytes keeps a buffer, as it may, the loop turned without an end. In a pool
 * of one. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "uring.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

static int no_room; /* so many calls say so */

static int fault(void *context, const char *call)
{
    (void)context;
    return no_room && strcmp(call, "enter") == 0 ? no_room--, ENOMEM : 0;
}

static cede_loop *open_loop(uint32_t without, cede_pool **pool)
{
    const cede_uring_config config = {.without = without, .fault = fault};
    cede_loop *loop = uring_loop(&config);
    CHECK(cede_pool_open(loop, 1, 100, 0, pool) == CEDE_OK);
    return loop;
}

static cede_ticket receive(cede_loop *loop, cede_pool *pool, cede_handle from, note *rec)
{
    memset(rec, 0, sizeof *rec);
    cede_prep_recv_pool(&rec->req, from, pool);
    return cede_submit(loop, &rec->req, note_done);
}

/* Whoever else waits, a socket with data has the buffer. */
static void expect_served(cede_loop *loop, cede_pool *pool)
{
    int ends[2];
    note rec = {0};
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    CHECK(write(ends[1], "hello", 5) == 5);
    cede_handle handle = cede_import((intptr_t)ends[0], CEDE_KIND_AUTO, 0);
    cede_prep_recv_pool(&rec.req, handle, pool);
    CHECK(cede_wait(loop, cede_submit(loop, &rec.req, note_done), 10 * CEDE_SECOND) == CEDE_OK);
    CHECK(rec.result.count == 5 && rec.result.buffer);
    cede_pool_give(pool, rec.result.buffer);
    cede_drop(handle);
    CHECK(close(ends[1]) == 0);
}

/* Reads of it wait for `least` bytes. */
static int terminal(unsigned least, unsigned tenths, int *other)
{
    struct termios settings;
    *other = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK(*other >= 0 && grantpt(*other) == 0 && unlockpt(*other) == 0);
    int fd = open(ptsname(*other), O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK(fd >= 0 && tcgetattr(fd, &settings) == 0);
    cfmakeraw(&settings);
    settings.c_cc[VMIN] = (cc_t)least;
    settings.c_cc[VTIME] = (cc_t)tenths;
    CHECK(tcsetattr(fd, TCSANOW, &settings) == 0);
    return fd;
}

static void of_a_terminal(uint32_t without, unsigned least)
{
    cede_pool *pool;
    cede_loop *loop = open_loop(without, &pool);
    int other, fd = terminal(least, 0, &other), came = 0;
    note rec;
    cede_handle handle = cede_import(fd, CEDE_KIND_AUTO, 0);
    receive(loop, pool, handle, &rec);
    CHECK(cede_run(loop, 0) == 0);
    if (least > 1) { /* too little */
        CHECK(write(other, "x", 1) == 1);
        while (came == 0)
            CHECK(ioctl(fd, FIONREAD, &came) == 0);
        CHECK(cede_run(loop, 0) == 0);
    }
    for (int i = 0; i < 3; i++)
        expect_served(loop, pool);
    CHECK(rec.calls == 0);
    CHECK(write(other, "1234", least) == (ssize_t)least);
    while (!rec.calls)
        CHECK(cede_run(loop, 10 * CEDE_SECOND) >= 0);
    CHECK(rec.result.status == CEDE_OK && rec.result.count >= least && rec.result.buffer);
    cede_pool_give(pool, rec.result.buffer);
    cede_drop(handle);
    CHECK(close(other) == 0);
    cede_pool_close(pool);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
}

/* It has the buffer; a socket has data, and waits for it. */
static void of_one_that_keeps_it(uint32_t without)
{
    cede_pool *pool;
    cede_loop *loop = open_loop(without, &pool);
    int other, fd = terminal(10, 100, &other), ends[2];
    cede_counts before, after;
    note of_terminal, of_socket;
    cede_ticket terminals, sockets;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    CHECK(write(ends[1], "hello", 5) == 5 && write(other, "1", 1) == 1);
    cede_handle handle = cede_import(fd, CEDE_KIND_AUTO, 0);
    cede_handle socket = cede_import((intptr_t)ends[0], CEDE_KIND_AUTO, 0);
    terminals = receive(loop, pool, handle, &of_terminal);
    CHECK(cede_run(loop, 20 * CEDE_MILLISECOND) == 0);
    sockets = receive(loop, pool, socket, &of_socket);
    cede_count(loop, &before);
    CHECK(cede_run(loop, 20 * CEDE_MILLISECOND) == 0);
    cede_count(loop, &after);
    CHECK(after.turns - before.turns < 20);
    CHECK(write(other, "234567890", 9) == 9);
    CHECK(cede_wait(loop, terminals, 10 * CEDE_SECOND) == CEDE_OK);
    CHECK(of_terminal.result.count == 10 && !of_socket.calls);
    cede_pool_give(pool, of_terminal.result.buffer);
    CHECK(cede_wait(loop, sockets, 10 * CEDE_SECOND) == CEDE_OK);
    CHECK(of_socket.result.count == 5);
    cede_pool_give(pool, of_socket.result.buffer);
    cede_drop(handle);
    cede_drop(socket);
    CHECK(close(other) == 0 && close(ends[1]) == 0);
    cede_pool_close(pool);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
}

/* One that only writes would never have any. */
static void of_what_only_writes(uint32_t without)
{
    cede_pool *pool;
    cede_loop *loop = open_loop(without, &pool);
    int other, both = terminal(1, 0, &other);
    int fd = open(ptsname(other), O_WRONLY | O_NOCTTY | O_CLOEXEC);
    note rec;
    CHECK(fd >= 0 && close(both) == 0);
    cede_handle handle = cede_import(fd, CEDE_KIND_AUTO, 0);
    receive(loop, pool, handle, &rec);
    while (!rec.calls)
        CHECK(cede_run(loop, 10 * CEDE_SECOND) == 1);
    CHECK(rec.result.status == CEDE_EBADF && !rec.result.buffer);
    cede_drop(handle);
    CHECK(close(other) == 0);
    cede_pool_close(pool);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
}

/* Two loops read one pipe; both are told of the same byte. */
static void of_a_pipe(void)
{
    cede_pool *pools[2];
    cede_loop *loops[2];
    cede_handle handles[2];
    note recs[2];
    int ends[2];
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    for (int i = 0; i < 2; i++) {
        loops[i] = open_loop(CEDE_URING_NO_BUFFER_RING, &pools[i]);
        handles[i] = cede_import(i ? ends[0] : dup(ends[0]), CEDE_KIND_AUTO, 0);
        receive(loops[i], pools[i], handles[i], &recs[i]);
        CHECK(cede_run(loops[i], 0) == 0);
    }
    CHECK(write(ends[1], "x", 1) == 1);
    while (!recs[0].calls && !recs[1].calls) {
        for (int i = 0; i < 2; i++)
            CHECK(cede_run(loops[i], 0) >= 0);
    }
    for (int i = 0; i < 2; i++) {
        if (recs[i].calls)
            cede_pool_give(pools[i], recs[i].result.buffer);
        expect_served(loops[i], pools[i]);
        cede_drop(handles[i]);
        cede_pool_close(pools[i]);
        CHECK(cede_loop_close(loops[i], CEDE_FOREVER) == CEDE_OK);
    }
    CHECK(recs[0].calls == 1 && recs[1].calls == 1);
    CHECK(close(ends[1]) == 0);
}

/* The receive finds no room in the kernel's queue: it fails, or goes on. */
static void without_room(void)
{
    cede_pool *pool;
    cede_loop *loop = open_loop(CEDE_URING_NO_BUFFER_RING, &pool);
    int ends[2];
    note rec;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    cede_handle handle = cede_import((intptr_t)ends[0], CEDE_KIND_AUTO, 0);
    receive(loop, pool, handle, &rec);
    CHECK(cede_run(loop, 0) == 0);
    CHECK(write(ends[1], "hello", 5) == 5);
    CHECK(cede_run(loop, 0) == 0); /* the data was seen, the receive is queued */
    no_room = 1;
    while (!rec.calls)
        CHECK(cede_run(loop, CEDE_MILLISECOND) >= 0);
    CHECK(no_room == 0 && rec.result.status == CEDE_ENOMEM && !rec.result.buffer);
    expect_served(loop, pool);
    cede_drop(handle);
    CHECK(close(ends[1]) == 0);
    cede_pool_close(pool);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
}

REGRESSION(buffers_are_picked_late)
{
    for (unsigned least = 1; least <= 4; least += 3) {
        of_a_terminal(0, least);
        of_a_terminal(CEDE_URING_NO_BUFFER_RING, least);
    }
    of_one_that_keeps_it(0);
    of_one_that_keeps_it(CEDE_URING_NO_BUFFER_RING);
    of_what_only_writes(0);
    of_what_only_writes(CEDE_URING_NO_BUFFER_RING);
    of_a_pipe();
    without_room();
    return 0;
}
