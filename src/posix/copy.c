/*
 * One round of a copy between two files: in the kernel where it can, else through a buffer.
 *
 * A round is some MiB, so that a cancel gets its say between rounds and a pool thread is not held
 * for ever; at the speed of memory a round takes about 2 ms, beside which handing it to a thread
 * costs nothing.
 */
#include "blocking.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ROUND_BYTES  (UINT64_C(8) << 20)
#define BUFFER_BYTES ((size_t)64 << 10) /* on the stack of a pool thread, which may be 128 KiB */
#define BLOCK_BYTES  ((size_t)4 << 10)  /* what O_DIRECT asks for at most, of all but few */

/* The kernel says EINVAL only if the ranges of a call overlap, and it sees one round of the copy.
 * So the whole is looked at before the first. Towards its own end a file is never copied to its
 * end: that runs away. And what only appends does not write where it is told, by a buffer neither;
 * what is open for the other way alone would be found out by the first byte, and there may be none,
 * or be told of its ranges first. */
static int check_both(const cedi_blocking *work, uint64_t length)
{
    struct stat from, to;
    uint64_t a = work->args.copy.from_offset, b = work->args.copy.to_offset;
    int reads = fcntl((int)work->native, F_GETFL), writes = fcntl((int)work->native_other, F_GETFL);
    if (reads < 0 || (reads & O_ACCMODE) == O_WRONLY)
        return EBADF;
    if (writes < 0 || (writes & O_APPEND) || (writes & O_ACCMODE) == O_RDONLY)
        return EBADF;
    if (fstat((int)work->native, &from) != 0 || fstat((int)work->native_other, &to) != 0)
        return errno;
    if (from.st_dev != to.st_dev || from.st_ino != to.st_ino)
        return 0;
    if (length == CEDE_TO_END && a >= (uint64_t)from.st_size)
        length = 0;
    else if (length == CEDE_TO_END && a >= b)
        length = (uint64_t)from.st_size - a;
    return (a <= b ? b - a : a - b) < length ? EINVAL : 0;
}

/* What may begin and end only with blocks (O_DIRECT) is read so, and what was not asked for is left
 * out. The buffer has room for a block more. */
static ssize_t read_some(int fd, char *buffer, size_t ask, uint64_t at)
{
    size_t skip = (size_t)(at % BLOCK_BYTES), whole = (skip + ask + BLOCK_BYTES - 1) / BLOCK_BYTES;
    ssize_t got = pread(fd, buffer, ask, (off_t)at);
    if (got >= 0 || errno != EINVAL)
        return got;
    got = pread(fd, buffer, whole * BLOCK_BYTES, (off_t)(at - skip));
    if (got < 0)
        return got;
    got = (size_t)got > skip ? got - (ssize_t)skip : 0;
    got = (size_t)got > ask ? (ssize_t)ask : got;
    memmove(buffer, buffer + skip, (size_t)got);
    return got;
}

/* What is left of `error` if something moved before it: the next round meets it again. */
static int copy_through(cedi_blocking *work, uint64_t from, uint64_t to, uint64_t length,
                        char *buffer)
{
    uint64_t done = 0;
    int error = 0;
    while (done < length && !error) {
        size_t ask = length - done < BUFFER_BYTES ? (size_t)(length - done) : BUFFER_BYTES;
        ssize_t got = read_some((int)work->native, buffer, ask, from + done);
        if (got < 0)
            error = errno;
        if (got <= 0)
            break;
        for (ssize_t put = 0; put < got && !error;) {
            ssize_t n = pwrite((int)work->native_other, buffer + put, (size_t)(got - put),
                               (off_t)(to + done));
            if (n < 0)
                error = errno;
            else if (n == 0)
                error = EIO;
            else
                put += n, done += (uint64_t)n;
        }
    }
    work->count = done;
    return done > 0 ? 0 : error;
}

static int copy_by_buffer(cedi_blocking *work, uint64_t from, uint64_t to, uint64_t length)
{
    char buffer[BUFFER_BYTES + 2 * BLOCK_BYTES]; /* it begins with a block, and has one more */
    size_t before = (BLOCK_BYTES - (uintptr_t)buffer % BLOCK_BYTES) % BLOCK_BYTES;
    return copy_through(work, from, to, length, buffer + before);
}

/* Errors that say "not between these two", never "not at all". */
static bool wants_buffer(int error)
{
    return error == EXDEV || error == EINVAL || error == ENOSYS || error == EOPNOTSUPP ||
           error == EBADF || error == EPERM;
}

/* Behind the last offset that there is nothing can lie: a source ends there at the latest. */
static uint64_t round_length(uint64_t left, uint64_t from, uint64_t to)
{
    uint64_t last = INT64_MAX - (from > to ? from : to);
    uint64_t most = last < ROUND_BYTES ? last : ROUND_BYTES;
    return left < most ? left : most;
}

int cedi_copy_round(cedi_blocking *work)
{
    uint64_t asked = work->args.copy.length_bytes, length;
    uint64_t from = work->args.copy.from_offset + work->moved;
    uint64_t to = work->args.copy.to_offset + work->moved;
    int64_t from_at, to_at;
    long moved;
    if (work->moved == 0) {
        int error = check_both(work, asked);
        if (error)
            return error;
    }
    length = round_length(asked == CEDE_TO_END ? asked : asked - work->moved, from, to);
    if (length == 0)
        return to == INT64_MAX && asked != work->moved ? EFBIG : 0;
    from_at = (int64_t)from;
    to_at = (int64_t)to;
    moved = syscall(SYS_copy_file_range, (int)work->native, &from_at, (int)work->native_other,
                    &to_at, (size_t)length, 0u);
    if (moved > 0) {
        work->count = (uint64_t)moved;
        return 0;
    }
    /* 0 is the end of the source, or a file whose length the kernel does not know (/proc, /sys). */
    if (moved == 0 || wants_buffer(errno))
        return copy_by_buffer(work, from, to, length);
    return errno;
}
