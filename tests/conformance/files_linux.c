/*
 * What Linux was told of an open, by its own word, and what an import finds out. Cases of io_uring
 * alone.
 */
#define _GNU_SOURCE
#include "conformance.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef O_LARGEFILE
#define O_LARGEFILE 0
#endif

/* What the system says of a file that is opened with these flags, beside what it says of all. */
static int what_was_told(cft *t, uint32_t flags)
{
    intptr_t native = -1;
    cft_rec *rec = cft_new(t);
    cede_prep_open(rec->req, cft_path(t, "f"), flags, 0600);
    cft_do(rec);
    CFT_OK(t, rec);
    CFT_CHECK(t, cede_release(rec->result.handle, &native) == CEDE_OK);
    int told = fcntl((int)native, F_GETFL), own = fcntl((int)native, F_GETFD);
    CFT_CHECK(t, told >= 0 && own == FD_CLOEXEC);
    CFT_CHECK(t, close((int)native) == 0);
    return told & ~(O_LARGEFILE | 0100000); /* which a 64-bit libc has as 0, and the kernel sets */
}

CFT_CASE(flags_of_an_open_reach_the_system)
{
    const uint32_t both = CEDE_OPEN_READ | CEDE_OPEN_WRITE;
    CFT_CHECK(t, what_was_told(t, CEDE_OPEN_WRITE | CEDE_OPEN_CREATE) == O_WRONLY);
    CFT_CHECK(t, what_was_told(t, CEDE_OPEN_READ) == O_RDONLY);
    CFT_CHECK(t, what_was_told(t, both) == O_RDWR);
    CFT_CHECK(t, what_was_told(t, both | CEDE_OPEN_CREATE | CEDE_OPEN_TRUNCATE) == O_RDWR);
    CFT_CHECK(t, what_was_told(t, CEDE_OPEN_WRITE | CEDE_OPEN_APPEND) == (O_WRONLY | O_APPEND));
    CFT_CHECK(t, what_was_told(t, both | CEDE_OPEN_SYNC) == (O_RDWR | O_SYNC));
    CFT_CHECK(t, what_was_told(t, CEDE_OPEN_WRITE | CEDE_OPEN_CREATE | CEDE_OPEN_SYNC) ==
                     (O_WRONLY | O_SYNC));
    int native = open(cft_path(t, "f"), O_RDONLY | O_DIRECT | O_CLOEXEC);
    if (native < 0)
        return; /* this file system has it not */
    CFT_CHECK(t, close(native) == 0);
    CFT_CHECK(t, what_was_told(t, both | CEDE_OPEN_DIRECT) == (O_RDWR | O_DIRECT));
    CFT_CHECK(t, what_was_told(t, CEDE_OPEN_WRITE | CEDE_OPEN_CREATE | CEDE_OPEN_APPEND |
                                      CEDE_OPEN_DIRECT) == (O_WRONLY | O_APPEND | O_DIRECT));
}

static cede_handle import(cft *t, int native)
{
    CFT_CHECK(t, native >= 0);
    cede_handle handle = cede_import(native, CEDE_KIND_AUTO, 0);
    CFT_CHECK(t, handle != 0);
    return handle;
}

static cft_rec *read_from(cft *t, cede_handle handle, uint32_t bytes, uint64_t offset)
{
    cft_rec *read = cft_new(t);
    cede_prep_read(read->req, handle, cft_buffer(read, bytes), bytes, offset);
    cft_do(read);
    return read;
}

/* By what only a handle of that kind does. */
CFT_CASE(import_asks_the_system_what_it_is)
{
    static const unsigned char zeros[16];
    uint64_t seven = 7;

    cede_handle file = import(t, open(cft_file(t, "f", NULL, 100, 1), O_RDONLY | O_CLOEXEC));
    cft_rec *read = read_from(t, file, 10, 20);
    CFT_MOVED(t, read, 10);
    CFT_CHECK(t, cft_filled(read->bytes, 10, 1, 20));
    cft_closed(t, file);

    cede_handle directory = import(t, open(cft_path(t, "."), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    cft_rec *names = cft_new(t);
    cede_prep_readdir(names->req, directory, cft_buffer(names, 4096), 4096);
    cft_do(names);
    CFT_OK(t, names);
    CFT_CHECK(t, names->result.count > 0);
    CFT_STATUS(t, read_from(t, directory, 10, 0), CEDE_EISDIR);
    cft_closed(t, directory);

    cede_handle device = import(t, open("/dev/zero", O_RDWR | O_CLOEXEC));
    read = read_from(t, device, 16, CEDE_CURRENT);
    CFT_MOVED(t, read, 16);
    CFT_CHECK(t, memcmp(read->bytes, zeros, 16) == 0);
    cft_closed(t, device);

    /* A terminal is a stream: one read takes a line, and two wait for one in their order. */
    int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (terminal >= 0 && grantpt(terminal) == 0 && unlockpt(terminal) == 0) {
        cede_handle tty = import(t, open(ptsname(terminal), O_RDWR | O_NOCTTY | O_CLOEXEC));
        CFT_CHECK(t, write(terminal, "line\n", 5) == 5);
        read = read_from(t, tty, 16, CEDE_CURRENT);
        CFT_MOVED(t, read, 5);
        CFT_STATUS(t, read_from(t, tty, 16, 0), CEDE_ESPIPE);
        cft_closed(t, tty);
    }
    if (terminal >= 0)
        CFT_CHECK(t, close(terminal) == 0);

    /* Sockets whose messages are no datagrams would lose what a receive has no room for. */
    int pair[2];
    CFT_CHECK(t, socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    for (int i = 0; i < 2; i++) {
        cede_handle odd = import(t, pair[i]);
        CFT_STATUS(t, read_from(t, odd, 16, CEDE_CURRENT), CEDE_ENOTSUP);
        cft_closed(t, odd);
    }

    /* What has no name in a file system is a stream, too. */
    cede_handle event = import(t, eventfd(7, EFD_CLOEXEC));
    read = read_from(t, event, 8, CEDE_CURRENT);
    CFT_MOVED(t, read, 8);
    CFT_CHECK(t, memcmp(read->bytes, &seven, 8) == 0);
    CFT_STATUS(t, read_from(t, event, 8, 0), CEDE_ESPIPE);
    cft_closed(t, event);
}

enum { READ, READV, READV_EMPTY, READ_ALL, RECV, RECV_ALL, WRITE, WRITEV, WRITEV_EMPTY, WRITE_ALL };
enum { APPEND = WRITE_ALL + 1, SEND, SEND_ALL, SENDV, SEND_ZERO_COPY, NOTHINGS };

static cft_rec *ask_for_nothing(cft *t, cede_handle h, int how)
{
    static const cede_vec empty[2];
    cft_rec *rec = cft_new(t);
    cede_req *req = rec->req;
    switch (how) {
    case READ:
        cede_prep_read(req, h, NULL, 0, CEDE_CURRENT);
        break;
    case READV:
    case READV_EMPTY:
        cede_prep_readv(req, h, empty, how == READV ? 0 : 2, CEDE_CURRENT);
        break;
    case READ_ALL:
        cede_prep_read_all(req, h, NULL, 0, CEDE_CURRENT);
        break;
    case RECV:
        cede_prep_recv(req, h, NULL, 0);
        break;
    case RECV_ALL:
        cede_prep_recv_all(req, h, NULL, 0);
        break;
    case WRITE:
        cede_prep_write(req, h, NULL, 0, CEDE_CURRENT);
        break;
    case WRITEV:
    case WRITEV_EMPTY:
        cede_prep_writev(req, h, empty, how == WRITEV ? 0 : 2, CEDE_CURRENT);
        break;
    case WRITE_ALL:
        cede_prep_write_all(req, h, NULL, 0, CEDE_CURRENT);
        break;
    case APPEND:
        cede_prep_append(req, h, NULL, 0);
        break;
    case SEND:
        cede_prep_send(req, h, NULL, 0);
        break;
    case SEND_ALL:
        cede_prep_send_all(req, h, NULL, 0);
        break;
    case SENDV:
        cede_prep_sendv(req, h, empty, 2);
        break;
    default:
        cede_prep_send_zero_copy(req, h, NULL, 0);
        break;
    }
    cft_submit(rec);
    return rec;
}

/* Who looks at it may have typed nothing yet, and may read nothing. */
CFT_CASE(terminal_asked_for_nothing_waits_for_nothing)
{
    int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (terminal < 0 || grantpt(terminal) != 0 || unlockpt(terminal) != 0)
        return; /* there are none here */
    for (int access = O_RDONLY; access <= O_RDWR; access++) {
        cede_handle tty = import(t, open(ptsname(terminal), access | O_NOCTTY | O_CLOEXEC));
        for (int how = 0; how < NOTHINGS; how++) {
            int wrong_end = how < WRITE ? O_WRONLY : O_RDONLY;
            cft_rec *rec = ask_for_nothing(t, tty, how);
            cft_await(t, rec);
            if (access == wrong_end)
                CFT_STATUS(t, rec, CEDE_EBADF);
            else
                CFT_MOVED(t, rec, 0);
        }
        cft_closed(t, tty);
    }

    /* On its turn, all the same. */
    cede_handle tty = import(t, open(ptsname(terminal), O_RDWR | O_NOCTTY | O_CLOEXEC));
    cft_rec *line = cft_new(t);
    cede_prep_read(line->req, tty, cft_buffer(line, 16), 16, CEDE_CURRENT);
    cft_submit(line);
    cft_rec *nothing = ask_for_nothing(t, tty, READ);
    cft_flush(t);
    cft_flush(t);
    CFT_EXPECT(t, line->done == 0 && nothing->done == 0);
    CFT_CHECK(t, write(terminal, "line\n", 5) == 5);
    cft_await(t, nothing);
    CFT_MOVED(t, line, 5);
    CFT_MOVED(t, nothing, 0);
    CFT_EXPECT(t, line->done_at < nothing->done_at);
    cft_closed(t, tty);
    CFT_CHECK(t, close(terminal) == 0);
}

/* ---- What an open waits for ------------------------------------------------------------------ */

/* By a way that the kernel does not go in its caches, where it asks a worker. Those are few, and
 * all that is done with files needs them. */
CFT_CASE(fifo_opens_by_any_way_hold_up_nobody)
{
    enum { MANY = 24 };
    cft_rec *opens[MANY];
    cft_fifo(t, "fifo");
    cft_file(t, "file", "x", 1, 0);
    char *far = cft_alloc(t, 1024);
    CFT_CHECK(t, snprintf(far, 1024, "/proc/self/root%s", cft_path(t, "fifo")) < 1024);
    cede_handle file = cft_opened(t, "file", CEDE_OPEN_READ | CEDE_OPEN_WRITE);
    for (uint32_t access = CEDE_OPEN_READ; access <= CEDE_OPEN_WRITE; access++) {
        for (int i = 0; i < MANY; i++) {
            opens[i] = cft_new(t);
            cede_prep_open(opens[i]->req, far, access, 0);
            cft_submit(opens[i]);
        }
        cft_turn(t);
        cft_rec *sync = cft_new(t);
        cede_prep_fsync(sync->req, file); /* by a worker, always */
        cede_within(sync->req, 10 * CEDE_SECOND);
        cft_do(sync);
        CFT_OK(t, sync);
        for (int i = 0; i < MANY; i++) {
            CFT_EXPECT(t, !cft_is_done(opens[i]));
            cft_cancel(t, opens[i]->ticket);
        }
        for (int i = 0; i < MANY; i++) {
            cft_await(t, opens[i]);
            CFT_ENDED(t, opens[i], CEDE_ECANCELED, CEDE_BY_WISH);
        }
    }
    cft_closed(t, file);
}

/* The signal by which its holder is asked to give it up does nothing by itself. */
static int lease(const char *path, int kind)
{
    int fd = open(path, (kind == F_RDLCK ? O_RDONLY : O_RDWR) | O_CLOEXEC);
    if (fd >= 0 && (fcntl(fd, F_SETSIG, SIGURG) != 0 || fcntl(fd, F_SETLEASE, kind) != 0)) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static cft_rec *open_leased(cft *t, const char *path, uint32_t flags, uint64_t within)
{
    cft_rec *rec = cft_new(t);
    cede_prep_open(rec->req, path, flags, 0600);
    cede_within(rec->req, within);
    cft_submit(rec);
    return rec;
}

/* Which open(2) waits for, too. (EAGAIN was tried again for some 30 ms, and then told.) */
CFT_CASE(open_waits_until_a_lease_is_given_up)
{
    static const struct {
        uint32_t flags;
        int lease;
    } ways[] = {{CEDE_OPEN_WRITE, F_RDLCK},
                {CEDE_OPEN_WRITE | CEDE_OPEN_CREATE, F_RDLCK},
                {CEDE_OPEN_WRITE | CEDE_OPEN_TRUNCATE, F_RDLCK},
                {CEDE_OPEN_READ, F_WRLCK},
                {CEDE_OPEN_READ | CEDE_OPEN_WRITE, F_RDLCK},
                {CEDE_OPEN_READ | CEDE_OPEN_WRITE | CEDE_OPEN_CREATE, F_WRLCK},
                {CEDE_OPEN_READ | CEDE_OPEN_CREATE, F_WRLCK}};
    const char *path = cft_file(t, "f", NULL, 100, 1);
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        int fd = lease(path, ways[i].lease);
        if (fd < 0)
            return; /* this file system has none */
        cft_rec *rec = open_leased(t, path, ways[i].flags, 60 * CEDE_MILLISECOND);
        cft_await(t, rec);
        CFT_ENDED(t, rec, CEDE_EDEADLINE, CEDE_BY_DEADLINE);
        CFT_CHECK(t, close(fd) == 0);
        CFT_CHECK(t, cft_file_size(t, "f") == 100);

        fd = lease(path, ways[i].lease);
        CFT_CHECK(t, fd >= 0);
        rec = open_leased(t, path, ways[i].flags, CEDE_FOREVER);
        cft_turn(t);
        CFT_CHECK(t, !cft_is_done(rec));
        CFT_CHECK(t, close(fd) == 0);
        cft_await(t, rec);
        CFT_OK(t, rec);
        CFT_CHECK(t, cft_file_size(t, "f") == (ways[i].flags & CEDE_OPEN_TRUNCATE ? 0 : 100));
        cft_closed(t, rec->result.handle);
        cft_file(t, "f", NULL, 100, 1);
    }
}

#define BLOCK 4096u
#define ODD   70001u /* bytes: no whole number of blocks */

static cede_handle direct_file(cft *t)
{
    cft_file(t, "f", NULL, ODD, 1);
    int native = open(cft_path(t, "f"), O_RDONLY | O_DIRECT | O_CLOEXEC);
    if (native < 0)
        cft_skip(t, "no_direct");
    return import(t, native);
}

static void send_and_receive(cft *t, cede_handle file, const cede_handle ends[2], uint64_t offset,
                             uint64_t bytes)
{
    uint64_t moved = bytes == CEDE_TO_END ? ODD - offset : bytes;
    cft_rec *send = cft_new(t), *recv = cft_new(t);
    cede_prep_send_file(send->req, ends[0], file, offset, bytes);
    cede_prep_recv_all(recv->req, ends[1], cft_buffer(recv, moved), moved);
    cft_submit(send);
    cft_submit(recv);
    cft_settle(t);
    CFT_OK(t, send);
    CFT_OK(t, recv);
    CFT_EXPECT(t, send->result.count == moved && cft_filled(recv->bytes, moved, 1, offset));
}

/* Where what is asked for begins and ends within blocks, whole ones are read. */
CFT_CASE(direct_file_is_sent_from_anywhere)
{
    cede_handle file = direct_file(t), ends[2];
    cft_rec *pair = cft_new(t);
    cft_prep_pair(pair, CEDE_PAIR_STREAM);
    cft_do(pair);
    CFT_OK(t, pair);
    ends[0] = pair->result.handle;
    ends[1] = pair->number;
    send_and_receive(t, file, ends, 0, BLOCK);
    send_and_receive(t, file, ends, 0, CEDE_TO_END);
    send_and_receive(t, file, ends, 5000, 3);
    send_and_receive(t, file, ends, 4095, 4098);
    send_and_receive(t, file, ends, 1, CEDE_TO_END);
    cft_rec *beyond = cft_new(t);
    cede_prep_send_file(beyond->req, ends[0], file, ODD - 1, 2);
    cft_do(beyond);
    CFT_STATUS(t, beyond, CEDE_EEOF);
    CFT_EXPECT(t, beyond->result.count == 1);
    cft_closed(t, file);
    cft_closed(t, ends[0]);
    cft_closed(t, ends[1]);
}

/* To another file system, so that it goes through a buffer. */
CFT_CASE(direct_file_is_copied_from_anywhere)
{
    static const uint64_t begins[] = {0, 1, 4095, 5000, ODD - 1};
    unsigned char *seen = cft_alloc(t, ODD);
    cede_handle file = direct_file(t);
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++) {
        int memory = memfd_create("cede", MFD_CLOEXEC);
        cede_handle to = cede_import(memory, CEDE_KIND_AUTO, CEDE_IMPORT_BORROW);
        cft_rec *copy = cft_new(t);
        cede_prep_copy(copy->req, file, begins[i], to, 0, CEDE_TO_END);
        cft_do(copy);
        CFT_OK(t, copy);
        CFT_EXPECT(t, copy->result.count == ODD - begins[i]);
        CFT_EXPECT(t, pread(memory, seen, ODD, 0) == (ssize_t)(ODD - begins[i]));
        CFT_EXPECT(t, cft_filled(seen, ODD - begins[i], 1, begins[i]));
        cft_closed(t, to);
        CFT_CHECK(t, close(memory) == 0);
    }
    cft_closed(t, file);
}
