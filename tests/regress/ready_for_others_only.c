/* On io_uring, what waits on a descriptor that is O_NONBLOCK asked without an end as long as poll
 * told it that it need not wait, because something else was there: an error in the socket's queue
 * of errors, a little room (law 15). So did a send_file, on any stream with such an error. It looks
 * from time to time now, is not given up, and gets what comes. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "uring.h"

#include "cede/file.h"
#include "cede/net.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>

#define BYTES (32u << 20) /* more than a stream takes whose peer does not read */

static note rec;
static unsigned entries;

static int count(void *context, const char *call)
{
    (void)context;
    entries += strcmp(call, "entry") == 0;
    return 0;
}

static void await(int fd, short events)
{
    struct pollfd one = {.fd = fd, .events = events};
    CHECK(poll(&one, 1, 10000) == 1);
}

/* It pends, and hardly anything is asked. */
static cede_ticket pend(cede_loop *loop)
{
    cede_ticket ticket = note_submit(loop, &rec, note_done);
    CHECK(cede_wait(loop, ticket, 50 * CEDE_MILLISECOND) == CEDE_EDEADLINE); /* what goes, goes */
    entries = 0;
    CHECK(cede_wait(loop, ticket, 200 * CEDE_MILLISECOND) == CEDE_EDEADLINE);
    CHECK(entries < 400 && !rec.calls);
    return ticket;
}

static void is_done(cede_loop *loop, cede_ticket ticket, uint64_t moved)
{
    CHECK(cede_wait(loop, ticket, 10 * CEDE_SECOND) == CEDE_OK);
    CHECK(rec.result.status == CEDE_OK && rec.result.count == moved);
}

static void datagram(cede_loop *loop)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof name;
    int one = 1, fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int nobody = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    static char buffer[8];
    CHECK(bind(nobody, (struct sockaddr *)&name, sizeof name) == 0);
    CHECK(getsockname(nobody, (struct sockaddr *)&name, &bytes) == 0 && close(nobody) == 0);
    CHECK(setsockopt(fd, IPPROTO_IP, IP_RECVERR, &one, sizeof one) == 0);
    CHECK(sendto(fd, "x", 1, 0, (struct sockaddr *)&name, sizeof name) == 1);
    await(fd, 0);
    CHECK(recv(fd, buffer, 1, 0) < 0 && errno == ECONNREFUSED); /* and the queue has it still */
    cede_handle handle = cede_import(fd, CEDE_KIND_AUTO, 0);
    cede_prep_recvfrom(&rec.req, handle, buffer, sizeof buffer, NULL);
    cede_ticket ticket = pend(loop);
    CHECK(getsockname(fd, (struct sockaddr *)&name, &bytes) == 0);
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(sendto(fd, "data", 4, 0, (struct sockaddr *)&name, sizeof name) == 4);
    is_done(loop, ticket, 4);
    cede_drop(handle);
}

/* Its tries are no cancels. */
static void expect_no_cancel(void *context, const cede_pending *pending)
{
    (void)context;
    CHECK(pending->cancel_tries == 0);
}

static void event(cede_loop *loop)
{
    const uint64_t nearly = UINT64_MAX - 6;
    static const uint64_t ten = 10;
    uint64_t seen;
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    CHECK(write(fd, &nearly, sizeof nearly) == sizeof nearly);
    cede_handle handle = cede_import(fd, CEDE_KIND_AUTO, 0);
    cede_prep_write(&rec.req, handle, &ten, sizeof ten, CEDE_CURRENT);
    cede_ticket ticket = pend(loop);
    cede_dump(loop, expect_no_cancel, NULL);
    CHECK(read(fd, &seen, sizeof seen) == sizeof seen && seen == nearly);
    is_done(loop, ticket, sizeof ten);
    cede_drop(handle);
}

/* A connection, one end of which is told when what it sent was acknowledged. */
static void connect_both(int ends[2])
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof name;
    int told = SOF_TIMESTAMPING_TX_ACK | SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(listener, (struct sockaddr *)&name, sizeof name) == 0 && listen(listener, 1) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&name, &bytes) == 0);
    CHECK(connect(ends[0], (struct sockaddr *)&name, sizeof name) == 0);
    CHECK((ends[1] = accept(listener, NULL, NULL)) >= 0 && close(listener) == 0);
    CHECK(setsockopt(ends[0], SOL_SOCKET, SO_TIMESTAMPING, &told, sizeof told) == 0);
    CHECK(send(ends[0], "q", 1, 0) == 1);
    await(ends[0], 0);
}

static void vector(cede_loop *loop)
{
    static char bytes[2][8];
    static const cede_vec pieces[2] = {{bytes[0], 8}, {bytes[1], 8}};
    int ends[2];
    connect_both(ends);
    CHECK(fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0);
    cede_handle handle = cede_import(ends[0], CEDE_KIND_AUTO, 0);
    cede_prep_readv(&rec.req, handle, pieces, 2, CEDE_CURRENT);
    cede_ticket ticket = pend(loop);
    CHECK(send(ends[1], "0123456789", 10, 0) == 10);
    is_done(loop, ticket, 10);
    cede_drop(handle);
    CHECK(close(ends[1]) == 0);
}

static void into_a_pool(cede_loop *loop)
{
    cede_pool *pool;
    int ends[2];
    connect_both(ends);
    CHECK(cede_pool_open(loop, 1, 64, 0, &pool) == CEDE_OK);
    cede_handle handle = cede_import(ends[0], CEDE_KIND_AUTO, 0);
    cede_prep_recv_pool(&rec.req, handle, pool);
    cede_ticket ticket = pend(loop);
    CHECK(send(ends[1], "0123456789", 10, 0) == 10);
    is_done(loop, ticket, 10);
    cede_pool_give(pool, rec.result.buffer);
    cede_drop(handle);
    cede_pool_close(pool);
    CHECK(close(ends[1]) == 0);
}

static void file(cede_loop *loop)
{
    static char bytes[1 << 16];
    int ends[2], memory = memfd_create("cede", MFD_CLOEXEC);
    CHECK(memory >= 0 && ftruncate(memory, BYTES) == 0);
    connect_both(ends);
    cede_handle to = cede_import(ends[0], CEDE_KIND_AUTO, 0);
    cede_handle from = cede_import(memory, CEDE_KIND_AUTO, 0);
    cede_prep_send_file(&rec.req, to, from, 0, BYTES);
    cede_ticket ticket = pend(loop);
    while (recv(ends[1], bytes, sizeof bytes, MSG_DONTWAIT) > 0 || !rec.calls)
        (void)cede_run(loop, CEDE_MILLISECOND);
    is_done(loop, ticket, BYTES);
    cede_drop(to);
    cede_drop(from);
    CHECK(close(ends[1]) == 0);
}

REGRESSION(ready_for_others_only)
{
    static const cede_uring_config whole = {.fault = count};
    static const cede_uring_config older = {.fault = count, .without = CEDE_URING_NO_BUFFER_RING};
    cede_loop *loop = uring_loop(&whole);
    datagram(loop);
    event(loop);
    vector(loop);
    file(loop);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    loop = uring_loop(&older);
    into_a_pool(loop);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    return 0;
}
