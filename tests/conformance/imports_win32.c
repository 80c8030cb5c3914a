/*
 * Handles that the program made and brings along, in whatever state it left them: cases of the
 * Windows lanes.
 */
#include "hooks_win32.h"

#include <stdio.h>
#include <string.h>
#include <windows.h>

static cede_handle take(cft *t, HANDLE native, uint32_t flags)
{
    cede_handle handle = cede_import((intptr_t)native, CEDE_KIND_AUTO, flags);
    CFT_CHECK(t, native != INVALID_HANDLE_VALUE && handle != 0);
    return handle;
}

static cft_rec *read_from(cft *t, cede_handle handle, size_t bytes)
{
    cft_rec *rec = cft_new(t);
    cede_prep_read(rec->req, handle, cft_buffer(rec, bytes), bytes, CEDE_CURRENT);
    cft_submit(rec);
    return rec;
}

/* The client's end has the right to ask what its pipe is. */
static void pipe_pair(cft *t, HANDLE *server, HANDLE *client, DWORD type, DWORD to_client,
                      DWORD to_server)
{
    static uint32_t made;
    char name[96];
    snprintf(name, sizeof name, "\\\\.\\pipe\\cede-imports.%lu.%u", GetCurrentProcessId(), made++);
    *server = CreateNamedPipeA(name, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED, type, 1, to_client,
                               to_server, 0, NULL);
    *client = CreateFileA(name, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING,
                          FILE_FLAG_OVERLAPPED, NULL);
    CFT_CHECK(t, *server != INVALID_HANDLE_VALUE && *client != INVALID_HANDLE_VALUE);
}

/* The program's own transfer, which waits; returns how much it moved. */
static DWORD transfer(HANDLE file, bool writes, void *bytes, DWORD count)
{
    OVERLAPPED here = {0};
    DWORD moved = 0;
    here.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL);
    if ((writes ? WriteFile(file, bytes, count, NULL, &here)
                : ReadFile(file, bytes, count, NULL, &here)) ||
        GetLastError() == ERROR_IO_PENDING)
        (void)GetOverlappedResult(file, &here, &moved, TRUE);
    CloseHandle(here.hEvent);
    return moved;
}

static DWORD waiting_in(HANDLE pipe)
{
    DWORD count = 0;
    (void)PeekNamedPipe(pipe, NULL, 0, NULL, &count, NULL);
    return count;
}

/* ---- Pipes ----------------------------------------------------------------------------------- */

/* A pipe whose two directions hold unlike much: a write that is read from and then cancelled tells
 * what has gone, at either end. */
CFT_CASE(lopsided_pipe_counts_what_has_gone)
{
    static unsigned char sink[65536];
    for (uint32_t i = 0; i < 4; i++) {
        HANDLE ends[2];
        DWORD small = 4096, large = 65536, gone;
        pipe_pair(t, &ends[0], &ends[1], PIPE_TYPE_BYTE, i & 1 ? small : large,
                  i & 1 ? large : small);
        HANDLE peer = ends[!(i >> 1)];
        cede_handle writer = take(t, ends[i >> 1], 0);
        cft_rec *write = cft_new(t);
        memset(sink, 7, sizeof sink);
        cede_prep_write(write->req, writer, cft_input(write, sink, 60000), 60000, CEDE_CURRENT);
        cft_submit(write);
        cft_flush(t);
        gone = transfer(peer, false, sink, 1000);
        CFT_CHECK(t, gone == 1000);
        cft_cancel(t, write->ticket);
        cft_await(t, write);
        while (waiting_in(peer) > 0)
            gone += transfer(peer, false, sink, sizeof sink);
        CFT_OK(t, write);
        CFT_CHECK(t, write->result.count == gone);
        cft_closed(t, writer);
        CloseHandle(peer);
    }
}

/* Its owner has told it to send no packets for what succeeds at once: none is waited for. */
CFT_CASE(handle_that_skips_packets_already_loses_nothing)
{
    static unsigned char text[] = "message";
    for (uint32_t i = 0; i < 4; i++) {
        HANDLE in, out;
        pipe_pair(t, &in, &out, i & 1 ? PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE : PIPE_TYPE_BYTE,
                  4096, 4096);
        CFT_CHECK(t, SetFileCompletionNotificationModes(in, FILE_SKIP_COMPLETION_PORT_ON_SUCCESS));
        cede_handle reader = take(t, in, 0);
        for (uint32_t part = 0; part < 2; part++) {
            if (i & 2)
                transfer(out, true, text, 7);
            cft_rec *first = read_from(t, reader, 4);
            cft_flush(t);
            if (!(i & 2))
                transfer(out, true, text, 7);
            cft_await(t, first);
            CFT_MOVED(t, first, 4);
            cft_rec *rest = read_from(t, reader, 4); /* finds it there */
            cft_await(t, rest);
            CFT_MOVED(t, rest, 3);
            CFT_CHECK(t, memcmp(rest->bytes, "age", 3) == 0);
        }
        cft_closed(t, reader);
        CloseHandle(out);
    }
}

/* Others may write empty messages; a count of 0 is the end, and only the end. */
CFT_CASE(empty_message_is_not_the_end)
{
    static unsigned char text[] = "text";
    for (uint32_t i = 0; i < 4; i++) {
        HANDLE in, out;
        pipe_pair(t, &in, &out, PIPE_TYPE_MESSAGE | (i & 1 ? PIPE_READMODE_MESSAGE : 0), 4096,
                  4096);
        cede_handle reader = take(t, in, 0);
        if (i & 2)
            transfer(out, true, text, 0);
        cft_rec *read = read_from(t, reader, 8);
        cft_flush(t);
        transfer(out, true, text, 0);
        cft_flush(t);
        CFT_CHECK(t, !read->done);
        transfer(out, true, text, 4);
        cft_await(t, read);
        CFT_MOVED(t, read, 4);
        CloseHandle(out);
        cft_rec *end = read_from(t, reader, 8);
        cft_await(t, end);
        CFT_MOVED(t, end, 0);
        cft_closed(t, reader);
    }
}

static cft_rec *recv_pool(cft *t, cede_handle handle, cede_pool *pool)
{
    cft_rec *rec = cft_new(t);
    cede_prep_recv_pool(rec->req, handle, pool);
    cft_submit(rec);
    return rec;
}

/* `how`: whether it is for overlapped I/O, and how it is read. The writer's end is not. */
static void message_pipe(cft *t, DWORD how, HANDLE *in, HANDLE *out)
{
    static uint32_t made;
    char name[96];
    snprintf(name, sizeof name, "\\\\.\\pipe\\cede-messages.%lu.%u", GetCurrentProcessId(), made++);
    *in =
        CreateNamedPipeA(name, PIPE_ACCESS_DUPLEX | (how & FILE_FLAG_OVERLAPPED),
                         PIPE_TYPE_MESSAGE | (how & PIPE_READMODE_MESSAGE), 1, 4096, 4096, 0, NULL);
    *out = CreateFileA(name, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0, NULL);
    CFT_CHECK(t, *in != INVALID_HANDLE_VALUE && *out != INVALID_HANDLE_VALUE);
}

/* One pipe is written empty messages, before its receive and while it waits; the other has data,
 * and the one buffer. */
static void send_nothing(cft *t, DWORD how, bool before)
{
    cede_pool *pool = cft_pool_open(t, 1, 64, 0);
    HANDLE in, out, with_data, for_data;
    DWORD count;
    message_pipe(t, how, &in, &out);
    CFT_CHECK(t, CreatePipe(&with_data, &for_data, NULL, 4096));
    if (before)
        CFT_CHECK(t, WriteFile(out, "", 0, &count, NULL));
    cede_handle idle = take(t, in, 0), busy = take(t, with_data, 0);
    cft_rec *waits = recv_pool(t, idle, pool);
    cft_turn(t);
    for (uint32_t i = 0; i < 3; i++) {
        CFT_CHECK(t, WriteFile(out, "", 0, &count, NULL));
        CFT_CHECK(t, WriteFile(for_data, "data", 4, &count, NULL));
        cft_rec *recv = recv_pool(t, busy, pool);
        cft_await(t, recv);
        CFT_MOVED(t, recv, 4);
        cede_pool_give(pool, recv->result.buffer);
        CFT_CHECK(t, !waits->done);
    }
    CFT_CHECK(t, WriteFile(out, "late", 4, &count, NULL));
    cft_await(t, waits);
    CFT_MOVED(t, waits, 4);
    CFT_CHECK(t, memcmp(waits->result.buffer, "late", 4) == 0);
    cede_pool_give(pool, waits->result.buffer);
    CloseHandle(out);
    CloseHandle(for_data);
    cft_closed(t, idle);
    cft_closed(t, busy);
}

CFT_CASE(empty_message_leaves_the_pool_its_buffer)
{
    for (uint32_t i = 0; i < 8; i++)
        send_nothing(t, (i & 1 ? FILE_FLAG_OVERLAPPED : 0) | (i & 2 ? PIPE_READMODE_MESSAGE : 0),
                     i & 4);
}

/* Its results come at once or never: nothing that a loop could wait for. */
CFT_CASE(pipe_that_never_waits_is_refused)
{
    HANDLE in, out;
    DWORD state = PIPE_NOWAIT;
    pipe_pair(t, &in, &out, PIPE_TYPE_BYTE, 4096, 4096);
    CFT_CHECK(t, SetNamedPipeHandleState(in, &state, NULL, NULL));
    cede_handle reader = take(t, in, 0);
    cft_rec *read = read_from(t, reader, 8);
    cft_await(t, read);
    CFT_STATUS(t, read, CEDE_EINVAL);
    cft_closed(t, reader);
    CloseHandle(out);
}

/* While a handle is lent, and afterwards if it cannot leave the loop's port, the packets of what
 * its owner does with it come to the loop, which knows nothing of them and leaves their memory
 * alone. */
CFT_CASE(owner_of_a_borrowed_handle_may_use_it)
{
    const DWORD page = 4096;
    unsigned char *fenced = VirtualAlloc(NULL, 2 * page, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
    HANDLE in, out, event = CreateEventW(NULL, TRUE, FALSE, NULL);
    DWORD before, moved;
    CFT_CHECK(t, fenced && VirtualProtect(fenced + page, page, PAGE_NOACCESS, &before));
    OVERLAPPED *here = (OVERLAPPED *)(void *)(fenced + page - sizeof *here);
    pipe_pair(t, &in, &out, PIPE_TYPE_BYTE, 4096, 4096);
    cede_handle lent = take(t, in, CEDE_IMPORT_BORROW);
    for (uint32_t i = 0; i < 20; i++) {
        unsigned char text[] = "mine";
        cft_rec *read = read_from(t, lent, 8);
        cft_flush(t);
        memset(here, 0, sizeof *here);
        here->hEvent = event;
        CFT_CHECK(t, WriteFile(in, "owner", 5, NULL, here) || GetLastError() == ERROR_IO_PENDING);
        CFT_CHECK(t, GetOverlappedResult(in, here, &moved, TRUE) && moved == 5);
        CFT_CHECK(t, cft_run(t, CEDE_MILLISECOND) == 0);
        transfer(out, true, text, 4);
        cft_await(t, read);
        CFT_MOVED(t, read, 4);
    }
    cft_closed(t, lent);
    CloseHandle(in);
    CloseHandle(out);
    CloseHandle(event);
    VirtualFree(fenced, 0, MEM_RELEASE);
}

static void CALLBACK write_five(void *pipe, BOOLEAN fired)
{
    static unsigned char text[] = "waits";
    (void)fired;
    (void)transfer(pipe, true, text, 5);
}

/* Its owner gets it back as it was: he may wait for the handle itself. */
/* To a port of its own, while a read by a routine pends. What comes then is served by events; what
 * pends is told as it was begun. */
CFT_CASE(owner_may_bind_a_handle_that_pends)
{
    HANDLE server, client;
    char bytes[8], both[] = "firstother";
    OVERLAPPED_ENTRY entry;
    ULONG count = 0;
    pipe_pair(t, &server, &client, PIPE_TYPE_BYTE, 4096, 4096);
    cede_handle handle = take(t, server, CEDE_IMPORT_BORROW | CEDE_IMPORT_APC);
    cft_rec *read = read_from(t, handle, 5);
    CFT_CHECK(t, cft_run_on(cft_loop(t), 0) == 0);
    HANDLE port = CreateIoCompletionPort(server, NULL, 99, 0);
    CFT_CHECK(t, port != NULL);
    cft_rec *write = cft_new(t);
    cede_prep_write(write->req, handle, "lent", 4, CEDE_CURRENT);
    cft_submit(write);
    cft_await(t, write);
    CFT_MOVED(t, write, 4);
    CFT_CHECK(t, transfer(client, false, bytes, 4) == 4 && memcmp(bytes, "lent", 4) == 0);
    CFT_CHECK(t, read->done == 0);
    cft_rec *second = read_from(t, handle, 5);
    CFT_CHECK(t, transfer(client, true, both, 10) == 10);
    cft_await(t, read);
    CFT_MOVED(t, read, 5);
    CFT_CHECK(t, memcmp(read->bytes, "first", 5) == 0);
    cft_await(t, second);
    CFT_MOVED(t, second, 5);
    CFT_CHECK(t, memcmp(second->bytes, "other", 5) == 0);
    CFT_CHECK(t, !GetQueuedCompletionStatusEx(port, &entry, 1, &count, 0, FALSE));
    cft_closed(t, handle);
    CloseHandle(server);
    CloseHandle(client);
    CloseHandle(port);
}

CFT_CASE(borrowed_handle_can_be_waited_for_afterwards)
{
    HANDLE in, out, timer = NULL;
    OVERLAPPED here = {0};
    unsigned char bytes[8];
    DWORD moved = 0;
    pipe_pair(t, &in, &out, PIPE_TYPE_BYTE, 4096, 4096);
    cede_handle reader = take(t, in, CEDE_IMPORT_BORROW);
    cft_rec *read = read_from(t, reader, 8);
    cft_flush(t);
    write_five(out, FALSE);
    cft_await(t, read);
    CFT_MOVED(t, read, 5);
    cft_closed(t, reader);
    CFT_CHECK(t, !ReadFile(in, bytes, sizeof bytes, NULL, &here));
    CFT_CHECK(t, GetLastError() == ERROR_IO_PENDING);
    CFT_CHECK(t, CreateTimerQueueTimer(&timer, NULL, write_five, out, 1, 0, 0));
    CFT_CHECK(t, WaitForSingleObject(in, 10000) == WAIT_OBJECT_0);
    CFT_CHECK(t, GetOverlappedResult(in, &here, &moved, FALSE) && moved == 5);
    (void)DeleteTimerQueueTimer(NULL, timer, INVALID_HANDLE_VALUE);
    CloseHandle(in);
    CloseHandle(out);
}

static uint32_t told;

static uint32_t note_modes(void *file, uint8_t modes)
{
    told++;
    return cede_win32_system_calls()->set_notification_modes(file, modes);
}

/* What a handle was told about packets it keeps: so a borrowed one is told nothing. */
CFT_CASE(borrowed_handle_is_told_nothing_for_life)
{
    static const cede_win32_calls calls = {.set_notification_modes = note_modes};
    HANDLE in, out;
    cede_loop *loop = hooks_open(t, &calls, CEDE_WIN32_LANE_PORT, 0);
    pipe_pair(t, &in, &out, PIPE_TYPE_BYTE, 4096, 4096);
    cede_handle reader = take(t, in, CEDE_IMPORT_BORROW);
    told = 0;
    cft_rec *read = hooks_read_pipe(t, loop, reader);
    write_five(out, FALSE);
    hooks_await(t, loop, read);
    CFT_MOVED(t, read, 5);
    CFT_CHECK(t, told == 0);
    cede_drop(reader);
    cede_handle writer = take(t, out, 0);
    cft_rec *write = cft_new(t);
    cede_prep_write(write->req, writer, cft_input(write, "x", 1), 1, CEDE_CURRENT);
    cft_submit_on(write, loop);
    hooks_await(t, loop, write);
    CFT_MOVED(t, write, 1);
    CFT_CHECK(t, told == 1 || cft_schedule(t) == 13); /* one that is ours is */
    cede_drop(writer);
    CFT_CHECK(t, cft_run_on(loop, 0) >= 0);
    CloseHandle(in);
}

/* ---- Files that were not made for overlapped I/O --------------------------------------------- */

static HANDLE plain_file(cft *t, const char *name, const char *text)
{
    const char *path = cft_file(t, name, text, strlen(text), 0);
    HANDLE file = CreateFileA(path, GENERIC_READ | GENERIC_WRITE,
                              FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING, 0, NULL);
    CFT_CHECK(t, file != INVALID_HANDLE_VALUE);
    return file;
}

static uint64_t position_of(HANDLE file)
{
    LARGE_INTEGER zero = {0}, at;
    return SetFilePointerEx(file, zero, &at, FILE_CURRENT) ? (uint64_t)at.QuadPart : UINT64_MAX;
}

/* The program goes on where the loop has stopped reading. */
CFT_CASE(plain_file_is_left_where_it_was_read_to)
{
    HANDLE native = plain_file(t, "f", "0123456789");
    cede_handle file = take(t, native, CEDE_IMPORT_BORROW);
    for (uint32_t i = 0; i < 2; i++) {
        cft_rec *read = read_from(t, file, 3);
        cft_await(t, read);
        CFT_MOVED(t, read, 3);
    }
    cft_closed(t, file);
    CFT_CHECK(t, position_of(native) == 6);
    CloseHandle(native);
}

/* A copy has offsets of its own and leaves the positions alone. */
CFT_CASE(copy_of_plain_files_leaves_their_positions)
{
    LARGE_INTEGER four, two;
    char text[16] = "";
    HANDLE from = plain_file(t, "from", "0123456789");
    HANDLE to = plain_file(t, "to", "abcdef");
    four.QuadPart = 4;
    two.QuadPart = 2;
    CFT_CHECK(t, SetFilePointerEx(from, four, NULL, FILE_BEGIN));
    CFT_CHECK(t, SetFilePointerEx(to, two, NULL, FILE_BEGIN));
    cede_handle in = take(t, from, 0);
    cede_handle out = take(t, to, CEDE_IMPORT_BORROW);
    cft_rec *copy = cft_new(t);
    cede_prep_copy(copy->req, in, 1, out, 3, CEDE_TO_END);
    cft_do(copy);
    CFT_MOVED(t, copy, 9);
    cft_rec *read = read_from(t, in, 2);
    cft_await(t, read);
    CFT_MOVED(t, read, 2);
    CFT_CHECK(t, memcmp(read->bytes, "45", 2) == 0);
    cft_closed(t, in);
    cft_closed(t, out);
    CFT_CHECK(t, position_of(to) == 2);
    CloseHandle(to);
    CFT_CHECK(t, cft_file_read(t, "to", text, sizeof text, 0) == 12);
    CFT_CHECK(t, memcmp(text, "abc123456789", 12) == 0);
}
