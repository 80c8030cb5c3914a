/*
 * Handles of other makes, names that Windows bends, and long cancel races: cases of the Windows
 * lanes.
 */
#include "conformance.h"
#include "os.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include "cede/win32.h"

static cft_rec *read_from(cft *t, cede_handle handle, size_t bytes)
{
    cft_rec *rec = cft_new(t);
    cede_prep_read(rec->req, handle, cft_buffer(rec, bytes), bytes, CEDE_CURRENT);
    cft_submit(rec);
    return rec;
}

static void write_all(cft *t, cede_handle handle, const char *text)
{
    cft_rec *rec = cft_new(t);
    cede_prep_write_all(rec->req, handle, cft_input(rec, text, strlen(text)), strlen(text),
                        CEDE_CURRENT);
    cft_do(rec);
    CFT_MOVED(t, rec, strlen(text));
}

static cede_handle take(cft *t, HANDLE native, uint32_t flags)
{
    cede_handle handle = cede_import((intptr_t)native, CEDE_KIND_AUTO, flags);
    CFT_CHECK(t, native != INVALID_HANDLE_VALUE && handle != 0);
    return handle;
}

/* ---- Lanes ----------------------------------------------------------------------------------- */

static void named_pipe(cft *t, HANDLE *in, HANDLE *out, DWORD type)
{
    static uint32_t made;
    char name[96];
    snprintf(name, sizeof name, "\\\\.\\pipe\\cede-handles.%lu.%u", GetCurrentProcessId(), made++);
    *in = CreateNamedPipeA(name, PIPE_ACCESS_INBOUND | FILE_FLAG_OVERLAPPED, type, 1, 65536, 65536,
                           0, NULL);
    *out = CreateFileA(name, GENERIC_WRITE | FILE_READ_ATTRIBUTES, 0, NULL, OPEN_EXISTING,
                       FILE_FLAG_OVERLAPPED, NULL);
    CFT_CHECK(t, *in != INVALID_HANDLE_VALUE && *out != INVALID_HANDLE_VALUE);
}

/* Whatever the loop's own lane is, a handle may be imported for the other. */
CFT_CASE(one_loop_hosts_both_lanes)
{
    HANDLE in, out;
    cft_pipe own = cft_pipe_reader(t);
    named_pipe(t, &in, &out, PIPE_TYPE_BYTE);
    cede_handle reader = take(t, in, CEDE_IMPORT_APC);
    cede_handle writer = take(t, out, CEDE_IMPORT_APC);
    for (uint32_t i = 0; i < 20; i++) {
        cft_rec *one = read_from(t, own.handle, 8);
        cft_rec *two = read_from(t, reader, 8);
        cft_turn(t);
        CFT_CHECK(t, !one->done && !two->done);
        if (i % 2)
            cft_peer_write(t, &own, "port", 4);
        write_all(t, writer, "apc");
        if (!(i % 2))
            cft_peer_write(t, &own, "port", 4);
        cft_settle(t);
        CFT_MOVED(t, one, 4);
        CFT_MOVED(t, two, 3);
    }
    cft_rec *last = read_from(t, reader, 8);
    cft_turn(t);
    cft_closed(t, reader);
    CFT_ENDED(t, last, CEDE_ECANCELED, CEDE_BY_CLOSE);
    cft_closed(t, writer);
}

/* The loop closes with reads pending in both. */
CFT_CASE(loop_close_drains_both_lanes)
{
    HANDLE in, out;
    cft_pipe own = cft_pipe_reader(t);
    named_pipe(t, &in, &out, PIPE_TYPE_BYTE);
    cede_handle reader = take(t, in, CEDE_IMPORT_APC);
    cft_rec *one = read_from(t, own.handle, 8);
    cft_rec *two = read_from(t, reader, 8);
    cft_turn(t);
    CFT_CHECK(t, cft_close(t, 10 * CEDE_SECOND) == CEDE_OK);
    CFT_CHECK(t, one->result.status == CEDE_ECANCELED && two->result.status == CEDE_ECANCELED);
    CloseHandle(out);
}

/* One handle of the system under two names keeps to one lane. */
CFT_CASE(handle_keeps_to_one_lane)
{
    HANDLE in, out;
    bool apc = strcmp(cft_backend(t), "win32-apc") == 0;
    named_pipe(t, &in, &out, PIPE_TYPE_BYTE);
    cede_handle first = take(t, in, 0);
    cede_handle second = take(t, in, CEDE_IMPORT_BORROW | CEDE_IMPORT_APC);
    cede_handle writer = take(t, out, 0);
    write_all(t, writer, "abcd");
    cft_rec *read = read_from(t, first, 2);
    cft_await(t, read);
    CFT_MOVED(t, read, 2);
    cft_rec *other = read_from(t, second, 2);
    cft_await(t, other);
    CFT_STATUS(t, other, apc ? CEDE_OK : CEDE_EINVAL);
    cft_closed(t, second);
    cft_closed(t, first);
    cft_closed(t, writer);
}

/* Bound to a port of somebody else's: served by events, and that port hears nothing of it. */
CFT_CASE(handle_of_a_foreign_port_is_served_by_events)
{
    HANDLE in, out;
    OVERLAPPED_ENTRY entry;
    ULONG count = 0;
    named_pipe(t, &in, &out, PIPE_TYPE_BYTE);
    HANDLE foreign = CreateIoCompletionPort(in, NULL, 99, 0);
    CFT_CHECK(t, foreign && CreateIoCompletionPort(out, foreign, 98, 0));
    cede_handle reader = take(t, in, CEDE_IMPORT_BORROW | CEDE_IMPORT_APC);
    cede_handle writer = take(t, out, CEDE_IMPORT_BORROW);
    for (uint32_t i = 0; i < 20; i++) {
        cft_rec *read = read_from(t, reader, 8);
        cft_turn(t);
        CFT_CHECK(t, read->done == 0);
        if (i % 2) {
            cft_cancel(t, read->ticket);
            cft_await(t, read);
            CFT_ENDED(t, read, CEDE_ECANCELED, CEDE_BY_WISH);
        } else {
            write_all(t, writer, "foreign");
            cft_await(t, read);
            CFT_MOVED(t, read, 7);
        }
    }
    CFT_CHECK(t, !GetQueuedCompletionStatusEx(foreign, &entry, 1, &count, 0, FALSE));
    cft_closed(t, reader);
    cft_closed(t, writer);
    CloseHandle(in);
    CloseHandle(out);
    CloseHandle(foreign);
}

/* ---- Other makes ----------------------------------------------------------------------------- */

/* Not made for overlapped I/O. */
CFT_CASE(anonymous_pipes_are_served_by_threads)
{
    HANDLE in, out;
    CFT_CHECK(t, CreatePipe(&in, &out, NULL, 4096));
    cede_handle reader = take(t, in, 0);
    cede_handle writer = take(t, out, 0);
    for (uint32_t i = 0; i < 20; i++) {
        cft_rec *read = read_from(t, reader, 8);
        if (i % 3 == 0)
            cft_turn(t);
        if (i % 2) {
            cft_cancel(t, read->ticket);
            cft_await(t, read);
            CFT_ENDED(t, read, CEDE_ECANCELED, CEDE_BY_WISH);
        } else {
            write_all(t, writer, "data");
            cft_await(t, read);
            CFT_MOVED(t, read, 4);
            CFT_CHECK(t, memcmp(read->bytes, "data", 4) == 0);
        }
    }
    cft_closed(t, writer);
    cft_rec *end = read_from(t, reader, 8);
    cft_await(t, end);
    CFT_OK(t, end);
    CFT_CHECK(t, end->result.count == 0);
    cft_closed(t, reader);
}

/* One buffer, and two that wait on threads: neither of them holds it. */
CFT_CASE(threads_that_wait_for_data_hold_no_buffer)
{
    HANDLE in[2], out[2];
    cede_handle readers[2], writers[2];
    cft_rec *recvs[2];
    cede_pool *pool = cft_pool_open(t, 1, 64, 0);
    for (uint32_t i = 0; i < 2; i++) {
        CFT_CHECK(t, CreatePipe(&in[i], &out[i], NULL, 4096));
        readers[i] = take(t, in[i], 0);
        writers[i] = take(t, out[i], 0);
        recvs[i] = cft_new(t);
        cede_prep_recv_pool(recvs[i]->req, readers[i], pool);
        cft_submit(recvs[i]);
        cft_turn(t);
    }
    for (uint32_t i = 2; i-- > 0;) {
        write_all(t, writers[i], "data");
        cft_await(t, recvs[i]);
        CFT_MOVED(t, recvs[i], 4);
        CFT_CHECK(t, memcmp(recvs[i]->result.buffer, "data", 4) == 0);
        cede_pool_give(pool, recvs[i]->result.buffer);
    }
    cft_rec *wished = cft_new(t);
    cede_prep_recv_pool(wished->req, readers[0], pool);
    cft_submit(wished);
    cft_turn(t);
    cft_cancel(t, wished->ticket);
    cft_await(t, wished);
    CFT_ENDED(t, wished, CEDE_ECANCELED, CEDE_BY_WISH);
    cft_closed(t, writers[0]);
    cft_rec *end = cft_new(t);
    cede_prep_recv_pool(end->req, readers[0], pool);
    cft_submit(end);
    cft_await(t, end);
    CFT_OK(t, end);
    CFT_CHECK(t, end->result.count == 0 && !end->result.buffer);
    cft_closed(t, readers[0]);
    cft_closed(t, readers[1]);
    cft_closed(t, writers[1]);
}

/* A file that was not: its position is the system's, and positioned transfers leave it alone. */
CFT_CASE(plain_file_handles_keep_their_position)
{
    const char *path = cft_file(t, "f", "0123456789", 10, 0);
    HANDLE native = CreateFileA(path, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
    cede_handle file = take(t, native, 0);
    static const char *const parts[] = {"012", "345"};
    for (uint32_t i = 0; i < 2; i++) {
        cft_rec *read = read_from(t, file, 3);
        cft_await(t, read);
        CFT_MOVED(t, read, 3);
        CFT_CHECK(t, memcmp(read->bytes, parts[i], 3) == 0);
        cft_rec *at = cft_new(t);
        cede_prep_read(at->req, file, cft_buffer(at, 2), 2, 8);
        cft_do(at);
        CFT_MOVED(t, at, 2);
        CFT_CHECK(t, memcmp(at->bytes, "89", 2) == 0);
    }
    cft_closed(t, file);
}

/* A message that is longer than the buffer is a success with a warning; its rest is not lost. */
CFT_CASE(message_longer_than_its_buffer_comes_in_parts)
{
    HANDLE in, out;
    named_pipe(t, &in, &out, PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE);
    cede_handle reader = take(t, in, 0);
    cede_handle writer = take(t, out, 0);
    for (uint32_t i = 0; i < 4; i++) {
        cft_rec *first = i % 2 ? read_from(t, reader, 6) : NULL; /* pends, or finds it there */
        write_all(t, writer, "long message");
        if (!first)
            first = read_from(t, reader, 6);
        cft_await(t, first);
        CFT_MOVED(t, first, 6);
        CFT_CHECK(t, memcmp(first->bytes, "long m", 6) == 0);
        cft_rec *rest = read_from(t, reader, 20);
        cft_await(t, rest);
        CFT_MOVED(t, rest, 6);
        CFT_CHECK(t, memcmp(rest->bytes, "essage", 6) == 0);
    }
    cft_closed(t, reader);
    cft_closed(t, writer);
}

static cede_status ask_mode(void *argument, uint64_t *count)
{
    (void)argument;
    *count = GetThreadErrorMode();
    return CEDE_OK;
}

/* A drive without a disk is a result; nobody is asked for one in a box that has to be answered. */
CFT_CASE(threads_of_the_pool_ask_nobody)
{
    cft_rec *work = cft_new(t);
    cede_prep_work(work->req, ask_mode, NULL);
    cft_do(work);
    CFT_OK(t, work);
    CFT_CHECK(t, work->result.count & SEM_FAILCRITICALERRORS);
}

/* ---- Names ----------------------------------------------------------------------------------- */

static void expect_name(cft *t, const char *name, cede_status status)
{
    cft_open_says(t, name, CEDE_OPEN_WRITE | CEDE_OPEN_CREATE, status);
}

CFT_CASE(names_that_windows_would_bend_are_refused)
{
    static const char *const bad[] = {"dot.",  "space ", "d/dot./x", "nul",    "NUL.txt",    "con",
                                      "Aux.c", "com1",   "LPT9.log", "a:b",    "a*b",        "a?b",
                                      "a|b",   "a<b",    "a\"b",     "tab\tx", "com\xc2\xb9"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect_name(t, bad[i], CEDE_EINVAL);
    expect_name(t, "\xff\xfe", CEDE_EINVAL); /* not UTF-8 */
    expect_name(t, "console", CEDE_OK);
    expect_name(t, "com10", CEDE_OK);
    expect_name(t, ".dot", CEDE_OK);
    expect_name(t, "a..b", CEDE_OK);
    expect_name(t, "gr\xc3\xbc\xc3\x9f \xe2\x82\xac.txt", CEDE_OK);
    expect_name(t, "./x/../console", CEDE_OK);
}

CFT_CASE(paths_may_be_longer_than_they_used_to)
{
    char name[1200] = "";
    cft_rec *made;
    for (uint32_t i = 0; i < 6; i++) {
        char part[102];
        memset(part, 'a' + (int)i, 100);
        part[100] = '/';
        part[101] = 0;
        strcat(name, part);
        name[strlen(name) - 1] = 0;
        made = cft_new(t);
        cede_prep_mkdir(made->req, cft_path(t, name), 0755);
        cft_do(made);
        CFT_OK(t, made);
        if (i < 3)
            strcat(name, "/");
        else
            break; /* 400 and the directory's own */
    }
    strcat(name, "/file");
    expect_name(t, name, CEDE_OK);
    cft_rec *seen = cft_new(t);
    cede_prep_stat(seen->req, cft_path(t, name), cft_buffer(seen, sizeof(cede_stat)), 0);
    cft_do(seen);
    CFT_OK(t, seen);
    cft_rec *gone = cft_new(t);
    cede_prep_unlink(gone->req, cft_path(t, name));
    cft_do(gone);
    CFT_OK(t, gone);
    while (strchr(name, '/')) {
        *strrchr(name, '/') = 0;
        cft_rec *removed = cft_new(t);
        cede_prep_rmdir(removed->req, cft_path(t, name));
        cft_do(removed);
        CFT_OK(t, removed);
    }
}

/* ---- Races ----------------------------------------------------------------------------------- */

static uint32_t rounds(void)
{
    const char *text = getenv("CEDE_CONFORMANCE_ROUNDS"); /* 20000 is the whole of it */
    return text ? (uint32_t)strtoul(text, NULL, 10) : 300;
}

struct racer {
    cft *t;
    cft_pipe pipe;
    _Atomic uint64_t id, generation;
    _Atomic uint32_t round; /* that is on; the last: stop */
    _Atomic uint32_t over;
    uint64_t random;
};

static cede_ticket named(const struct racer *racer)
{
    cede_ticket ticket = {atomic_load(&racer->id), atomic_load(&racer->generation)};
    return ticket;
}

static void name(struct racer *racer, cede_ticket ticket)
{
    atomic_store(&racer->id, ticket.id);
    atomic_store(&racer->generation, ticket.generation);
}

/* In each round a byte; in odd rounds a cancel too, before it or behind it. */
static void feed_and_cancel(void *context)
{
    struct racer *racer = context;
    unsigned char next = 0;
    for (uint32_t round = 1;; round++) {
        while (atomic_load(&racer->round) < round)
            cft_os_yield();
        if (atomic_load(&racer->round) == UINT32_MAX)
            return;
        bool first = (racer->random >> 40 & 1) && round % 2;
        if (first)
            cede_cancel(named(racer));
        if (!first || (racer->random >> 41 & 1))
            cft_dawdle(&racer->random);
        CFT_CHECK(racer->t, cft_peer_write(racer->t, &racer->pipe, &next, 1) == 1);
        next++;
        cft_dawdle(&racer->random);
        if (!first && round % 2)
            cede_cancel(named(racer));
        atomic_store(&racer->over, round);
    }
}

static void read_one(cft *t, struct racer *racer, cft_rec *read)
{
    cede_prep_read(read->req, racer->pipe.handle, cft_buffer(read, 1), 1, CEDE_CURRENT);
    name(racer, cft_submit_on(read, cft_loop(t)));
    CFT_CHECK(t, cft_run_on(cft_loop(t), 0) >= 0);
}

/* Nothing lost, nothing doubled: each read ends once, and the stream is whole. In even rounds the
 * loop's own thread cancels, while the other writes. */
CFT_CASE(pipe_reads_race_with_cancels)
{
    struct racer *racer = cft_alloc(t, sizeof *racer);
    uint32_t won = 0, most = rounds();
    uint64_t random = cft_random(t);
    unsigned char expected = 0;
    cede_loop *loop = cft_loop(t);
    racer->t = t;
    racer->random = cft_random(t);
    racer->pipe = cft_pipe_reader(t);
    cft_thread(t, feed_and_cancel, racer);
    for (uint32_t round = 1; round <= most; round++) {
        cft_rec *read = cft_new(t);
        read_one(t, racer, read);
        atomic_store(&racer->round, round);
        if (round % 2 == 0) {
            cft_dawdle(&random);
            cede_cancel(read->ticket);
        }
        CFT_CHECK(t, cft_wait_on(loop, read->ticket, 20 * CEDE_SECOND) == CEDE_OK);
        CFT_CHECK(t, read->done == 1);
        while (atomic_load(&racer->over) != round)
            cft_os_yield();
        if (read->result.status != CEDE_OK) {
            CFT_CHECK(t, read->result.status == CEDE_ECANCELED && read->result.count == 0);
            won++;
            read = cft_new(t);
            read_one(t, racer, read);
            CFT_CHECK(t, cft_wait_on(loop, read->ticket, 20 * CEDE_SECOND) == CEDE_OK);
        }
        CFT_CHECK(t, read->result.count == 1 && read->bytes[0] == expected);
        expected++;
    }
    atomic_store(&racer->round, UINT32_MAX);
    cft_join(t);
    cft_note(t, "%u rounds, %u cancels won", most, won);
    cft_closed(t, racer->pipe.handle);
}

/* Wishes for whatever is named, at any moment. */
static void cancel_all_the_time(void *context)
{
    struct racer *racer = context;
    while (atomic_load(&racer->round) == 0) {
        cede_cancel(named(racer));
        cft_dawdle(&racer->random);
    }
}

CFT_CASE(file_transfers_race_with_cancels)
{
    struct racer *racer = cft_alloc(t, sizeof *racer);
    uint32_t won = 0, most = rounds();
    cft_file(t, "f", NULL, 4096, 1);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_READ | CEDE_OPEN_WRITE);
    cede_loop *loop = cft_loop(t);
    racer->t = t;
    cft_thread(t, cancel_all_the_time, racer);
    for (uint32_t i = 0; i < most; i++) {
        cft_rec *read = cft_new(t);
        cede_prep_read(read->req, file, cft_buffer(read, 64), 64, i % 4000);
        name(racer, cft_submit_on(read, loop));
        CFT_CHECK(t, cft_wait_on(loop, read->ticket, 20 * CEDE_SECOND) == CEDE_OK);
        CFT_CHECK(t, read->done == 1);
        if (read->result.status == CEDE_OK) {
            CFT_CHECK(t, read->result.count > 0 &&
                             cft_filled(read->bytes, read->result.count, 1, i % 4000));
        } else {
            CFT_CHECK(t, read->result.status == CEDE_ECANCELED && read->bytes[0] == 0xee);
            won++;
        }
    }
    atomic_store(&racer->round, 1);
    cft_join(t);
    cft_note(t, "%u rounds, %u cancels won", most, won);
    cft_closed(t, file);
}
