/*
 * One round of a copy between two files, or what is read of one for a stream. On a pool thread.
 *
 * A round is some MiB, so that a cancel gets its say between rounds and a thread is not held for
 * ever. The handles may belong to a port, in either lane: transfers of a thread's own go by an
 * event whose bit 0 keeps their packets away.
 */
#include "calls.h"

#include <string.h>

#define ROUND_BYTES  (UINT64_C(8) << 20)
#define BUFFER_BYTES 131072u

typedef struct pair {
    win_job *job;
    HANDLE from, to;
    HANDLE event;
    bool plain[2]; /* from, to: not made for overlapped I/O */
} pair;

static uint32_t transfer(const pair *pair, bool writes, void *buffer, uint32_t bytes, uint64_t at,
                         uint32_t *moved)
{
    OVERLAPPED here = {0};
    BOOL happened;
    *moved = 0;
    if (pair->plain[writes])
        return cedi_win_plain_transfer(pair->job->self, writes ? pair->to : pair->from, writes,
                                       buffer, bytes, at, moved);
    here.Offset = (DWORD)at;
    here.OffsetHigh = (DWORD)(at >> 32);
    here.hEvent = (HANDLE)((uintptr_t)pair->event | 1);
    happened = writes ? WriteFile(pair->to, buffer, bytes, NULL, &here)
                      : ReadFile(pair->from, buffer, bytes, NULL, &here);
    if (!happened) {
        if (GetLastError() != ERROR_IO_PENDING)
            return GetLastError();
        (void)WaitForSingleObject(pair->event, INFINITE);
    }
    *moved = (uint32_t)here.InternalHigh;
    return cedi_win_error_of(here.Internal);
}

/* What is left of an error if something moved before it: the next round meets it again. */
static uint32_t copy_round(const pair *pair, uint64_t from, uint64_t to, uint64_t length)
{
    unsigned char room[BUFFER_BYTES + WIN_ALIGNMENT]; /* on the stack of a pool thread */
    unsigned char *buffer = cedi_win_aligned(room);
    uint64_t done = 0;
    uint32_t error = 0;
    while (done < length && error == 0) {
        uint64_t left = length - done;
        uint32_t ask = left < BUFFER_BYTES ? (uint32_t)left : BUFFER_BYTES, got, put = 0;
        error = transfer(pair, false, buffer, ask, from + done, &got);
        if (error || got == 0)
            break;
        while (put < got && error == 0) {
            uint32_t part;
            error = transfer(pair, true, buffer + put, got - put, to + done, &part);
            if (error == 0 && part == 0)
                error = ERROR_WRITE_FAULT;
            put += part;
            done += part;
        }
    }
    pair->job->count = done;
    if (done > 0 || error == ERROR_HANDLE_EOF)
        return 0;
    return error == ERROR_ACCESS_DENIED ? ERROR_INVALID_HANDLE : error; /* not opened for it */
}

/* Towards its own end a file is never copied to its end: that runs away. */
static uint32_t check_overlap(const pair *pair, uint64_t length)
{
    LARGE_INTEGER end;
    uint64_t a = pair->job->args.copy.from_offset, b = pair->job->args.copy.to_offset, size;
    if (!GetFileSizeEx(pair->from, &end))
        return GetLastError();
    if (!cedi_win_is_same_file(pair->from, pair->to))
        return 0;
    size = (uint64_t)end.QuadPart;
    if (length == CEDE_TO_END && a >= size)
        length = 0;
    else if (length == CEDE_TO_END && a >= b)
        length = size - a;
    return (a <= b ? b - a : a - b) < length ? ERROR_INVALID_PARAMETER : 0;
}

/* Of a file that is to go into a stream. */
uint32_t cedi_win_do_read_piece(win_job *job)
{
    pair pair = {job, (HANDLE)job->native_other, NULL, NULL, {false, false}};
    uint32_t error, got = 0;
    pair.plain[0] = cedi_win_is_synchronous(pair.from);
    pair.event = CreateEventW(NULL, TRUE, FALSE, NULL);
    if (!pair.event)
        return GetLastError();
    error = cedi_win_fault(job->self, "ReadFile");
    if (error == 0)
        error = transfer(&pair, false, job->scratch->bytes, job->asked,
                         job->args.copy.from_offset + job->moved, &got);
    (void)CloseHandle(pair.event);
    job->count = got;
    if (error == ERROR_HANDLE_EOF)
        return 0;
    return error == ERROR_ACCESS_DENIED ? ERROR_INVALID_HANDLE : error; /* not opened for it */
}

/* Behind the last offset that there is nothing can lie: a source ends there at the latest. */
static uint64_t round_length(uint64_t left, uint64_t from, uint64_t to)
{
    uint64_t last = INT64_MAX - (from > to ? from : to);
    uint64_t most = last < ROUND_BYTES ? last : ROUND_BYTES;
    return left < most ? left : most;
}

uint32_t cedi_win_do_copy(win_job *job)
{
    pair pair = {job, (HANDLE)job->native, (HANDLE)job->native_other, NULL, {false, false}};
    uint64_t asked = job->args.copy.length_bytes, length;
    uint64_t from = job->args.copy.from_offset + job->moved;
    uint64_t to = job->args.copy.to_offset + job->moved;
    uint32_t error;
    if (job->access_from && !(job->access_from & FILE_READ_DATA))
        return ERROR_INVALID_HANDLE; /* which there may be no byte to find out by */
    if (job->access && !(job->access & FILE_WRITE_DATA))
        return ERROR_INVALID_HANDLE; /* not at all, or at its end only, and not where it is told */
    if (job->moved == 0) {
        error = check_overlap(&pair, asked);
        if (error)
            return error;
    }
    length = round_length(asked == CEDE_TO_END ? asked : asked - job->moved, from, to);
    if (length == 0)
        return to == INT64_MAX && asked != job->moved ? ERROR_FILE_TOO_LARGE : 0;
    pair.plain[0] = cedi_win_is_synchronous(pair.from);
    pair.plain[1] = cedi_win_is_synchronous(pair.to);
    pair.event = CreateEventW(NULL, TRUE, FALSE, NULL);
    if (!pair.event)
        return GetLastError();
    error = copy_round(&pair, from, to, length);
    (void)CloseHandle(pair.event);
    return error;
}
