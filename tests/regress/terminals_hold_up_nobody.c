/* A terminal that nobody reads holds up its own writes, and not the loop: they end at their
 * deadline, by a cancel and by a close, with counts that are what the other side can read (laws 7,
 * 10, 13). So do reads that its settings keep waiting for more. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "fake.h"

#include <fcntl.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

static cede_loop *loop;
static cede_handle terminal;
static int other = -1; /* the side of who looks at it */
static char bytes[100000], room[100000];

/* Bytes go through as they are; a read waits for `least` of them, or for a second between two. */
static void open_both(unsigned least)
{
    struct termios settings;
    int fd;
    other = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK(other >= 0 && grantpt(other) == 0 && unlockpt(other) == 0);
    fd = open(ptsname(other), O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK(fd >= 0 && tcgetattr(fd, &settings) == 0);
    cfmakeraw(&settings);
    settings.c_cc[VMIN] = (cc_t)least;
    settings.c_cc[VTIME] = least > 1 ? 255 : 0;
    CHECK(tcsetattr(fd, TCSANOW, &settings) == 0);
    CHECK(fcntl(other, F_SETFL, O_NONBLOCK) == 0);
    terminal = cede_import(fd, CEDE_KIND_AUTO, 0);
    CHECK(terminal);
}

static void close_both(void)
{
    cede_drop(terminal);
    CHECK(cede_run(loop, CEDE_FOREVER) >= 0);
    CHECK(close(other) == 0);
}

static uint64_t take(void)
{
    uint64_t got = 0;
    ssize_t count;
    while ((count = read(other, room, sizeof room)) > 0)
        got += (uint64_t)count;
    return got;
}

enum { DEADLINE, WISH, CLOSE, CAUSES };

static void prepare(cede_req *req, int what)
{
    static cede_vec vec[2];
    vec[0] = (cede_vec){bytes, sizeof bytes / 2};
    vec[1] = (cede_vec){bytes + sizeof bytes / 2, sizeof bytes / 2};
    if (what == 0)
        cede_prep_write_all(req, terminal, bytes, sizeof bytes, CEDE_CURRENT);
    else if (what == 1)
        cede_prep_send_all(req, terminal, bytes, sizeof bytes);
    else
        cede_prep_sendv(req, terminal, vec, 2);
}

static void write_ends(int what, int cause)
{
    static note write;
    cede_ticket ticket;
    open_both(1);
    memset(&write, 0, sizeof write);
    prepare(&write.req, what);
    if (cause == DEADLINE)
        cede_within(&write.req, 20 * CEDE_MILLISECOND);
    ticket = cede_submit(loop, &write.req, note_done);
    CHECK(cede_run(loop, 0) >= 0);
    if (cause == WISH)
        cede_cancel(ticket);
    else if (cause == CLOSE)
        cede_drop(terminal);
    CHECK(cede_wait(loop, ticket, CEDE_FOREVER) == CEDE_OK);
    CHECK(write.result.status == (cause == DEADLINE ? CEDE_EDEADLINE : CEDE_ECANCELED));
    CHECK(write.result.count < sizeof bytes);
    if (cause != CLOSE) /* what nobody had read goes with the terminal */
        CHECK(take() == write.result.count);
    close_both();
}

static void send_file_ends(void)
{
    static note send;
    FILE *file = tmpfile();
    cede_handle from;
    open_both(1);
    CHECK(file && fwrite(bytes, 1, sizeof bytes, file) == sizeof bytes && fflush(file) == 0);
    from = cede_import(fileno(file), CEDE_KIND_AUTO, CEDE_IMPORT_BORROW);
    cede_prep_send_file(&send.req, terminal, from, 0, sizeof bytes);
    cede_within(&send.req, 20 * CEDE_MILLISECOND);
    CHECK(cede_wait(loop, cede_submit(loop, &send.req, note_done), CEDE_FOREVER) == CEDE_OK);
    CHECK(send.result.status == CEDE_EDEADLINE && send.result.count < sizeof bytes);
    CHECK(take() == send.result.count);
    cede_drop(from);
    close_both();
    (void)fclose(file);
}

/* One byte is there, and two are waited for. */
static void read_ends(bool by_pool)
{
    static note read;
    cede_pool *pool;
    memset(&read, 0, sizeof read);
    open_both(2);
    CHECK(cede_pool_open(loop, 1, 100, 0, &pool) == CEDE_OK);
    CHECK(write(other, "x", 1) == 1);
    if (by_pool)
        cede_prep_recv_pool(&read.req, terminal, pool);
    else
        cede_prep_recv(&read.req, terminal, room, sizeof room);
    cede_within(&read.req, 20 * CEDE_MILLISECOND);
    CHECK(cede_wait(loop, cede_submit(loop, &read.req, note_done), CEDE_FOREVER) == CEDE_OK);
    CHECK(read.result.status == CEDE_OK ? read.result.count == 1
                                        : read.result.status == CEDE_EDEADLINE);
    if (read.result.status == CEDE_OK && by_pool)
        cede_pool_give(pool, read.result.buffer);
    close_both();
    cede_pool_close(pool);
}

REGRESSION(terminals_hold_up_nobody)
{
    if (cede_loop_open(NULL, &loop) != CEDE_OK)
        return 0;    /* no ring here */
    (void)alarm(60); /* ends a call that nothing else does */
    for (int what = 0; what < 3; what++) {
        for (int cause = 0; cause < CAUSES; cause++)
            write_ends(what, cause);
    }
    send_file_ends();
    read_ends(false);
    read_ends(true);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    return 0;
}
