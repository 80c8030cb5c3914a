/* On io_uring, whoever waited for room on a full stream was told that the other end sends no more,
 * and asked again, without an end, until that end read: a send_file, and, where the kernel tells a
 * send on a socket that is O_NONBLOCK that there is no room, that too; a poll for room was over
 * with nothing to tell. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "uring.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define BYTES 4096u

static unsigned entries;
static int refuse; /* the set: no descriptor */

static int count(void *context, const char *call)
{
    (void)context;
    entries += strcmp(call, "entry") == 0;
    return refuse && strcmp(call, "epoll") == 0 ? refuse : 0;
}

static cede_loop *open_loop(void)
{
    static const cede_uring_config config = {.fault = count};
    return uring_loop(&config);
}

/* ends[0] has no room, and hears nothing more from ends[1]. */
static void make_full(int ends[2], int flags)
{
    static char bytes[BYTES];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0, ends) == 0);
    CHECK(shutdown(ends[1], SHUT_WR) == 0);
    while (send(ends[0], bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        ;
}

static void make_room(int end)
{
    static char bytes[1 << 16];
    while (recv(end, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        ;
}

static void prepare(int kind, cede_req *req, cede_handle to, cede_handle file)
{
    static char bytes[BYTES];
    if (kind == 0)
        cede_prep_send_file(req, to, file, 0, BYTES);
    else if (kind == 1)
        cede_prep_send(req, to, bytes, BYTES);
    else
        cede_prep_poll(req, to, CEDE_POLL_OUT);
}

static void wait_for_room(int kind, bool cancelled)
{
    cede_loop *loop = open_loop();
    int ends[2], memory = memfd_create("cede", MFD_CLOEXEC);
    note rec = {0};
    CHECK(memory >= 0 && ftruncate(memory, BYTES) == 0);
    make_full(ends, kind == 1 ? SOCK_NONBLOCK : 0);
    cede_handle to = cede_import(ends[0], CEDE_KIND_AUTO, 0);
    cede_handle file = cede_import(memory, CEDE_KIND_AUTO, 0);
    prepare(kind, &rec.req, to, file);
    entries = 0;
    cede_ticket ticket = cede_submit(loop, &rec.req, note_done);
    CHECK(cede_wait(loop, ticket, 20 * CEDE_MILLISECOND) == CEDE_EDEADLINE);
    CHECK(entries < 16 && !rec.calls);
    if (cancelled)
        cede_cancel(ticket);
    else
        make_room(ends[1]);
    CHECK(cede_wait(loop, ticket, 10 * CEDE_SECOND) == CEDE_OK);
    CHECK(rec.result.status == (cancelled ? CEDE_ECANCELED : CEDE_OK));
    CHECK(rec.result.count == (cancelled ? 0 : kind == 2 ? CEDE_POLL_OUT : BYTES));
    cede_drop(to);
    cede_drop(file);
    CHECK(close(ends[1]) == 0);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
}

/* A send waits for one; a poll is told. */
static void without_a_descriptor(int kind)
{
    cede_loop *loop = open_loop();
    int ends[2], memory = memfd_create("cede", MFD_CLOEXEC);
    note rec = {0};
    CHECK(memory >= 0 && ftruncate(memory, BYTES) == 0);
    make_full(ends, 0);
    cede_handle to = cede_import(ends[0], CEDE_KIND_AUTO, 0);
    cede_handle file = cede_import(memory, CEDE_KIND_AUTO, 0);
    prepare(kind, &rec.req, to, file);
    refuse = EMFILE;
    cede_ticket ticket = cede_submit(loop, &rec.req, note_done);
    (void)cede_wait(loop, ticket, 20 * CEDE_MILLISECOND);
    CHECK(rec.calls == (kind == 2));
    refuse = 0;
    make_room(ends[1]);
    CHECK(cede_wait(loop, ticket, 10 * CEDE_SECOND) == CEDE_OK);
    CHECK(rec.result.status == (kind == 2 ? CEDE_EMFILE : CEDE_OK));
    CHECK(rec.result.count == (kind == 2 ? 0 : BYTES));
    cede_drop(to);
    cede_drop(file);
    CHECK(close(ends[1]) == 0);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
}

REGRESSION(half_closed_peer_is_waited_for)
{
    for (int kind = 0; kind < 3; kind++) {
        wait_for_room(kind, false);
        wait_for_room(kind, true);
    }
    without_a_descriptor(0);
    without_a_descriptor(2);
    return 0;
}
