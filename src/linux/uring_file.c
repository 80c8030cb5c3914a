/*
 * Files to streams: send_file.
 *
 * A piece of the file is read into a buffer of our own and sent from there without waiting; while
 * the stream has no room, the work waits for some without a buffer. What did not go is read again
 * then: the file still has it. So a slow peer costs a record and no memory, nothing is ever left
 * between the two, and what was counted is what went.
 *
 * splice is half as dear for what is large and cached (docs/facts-linux.md has the figures), but
 * the kernel makes each by a worker, twice a piece: one that waits for a slow peer holds a thread,
 * and small files, which are most, take longer by two changes of threads.
 *
 * Buffers are few, so that thousands of sends at once need no more than a fixed room; works wait
 * for one in the order in which they came, and give theirs to the first that waits after each
 * piece. The loop's thread.
 */
#include "uring.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#define PIECE_BYTES  ((uint32_t)128 << 10)
#define BLOCK_BYTES  ((uint32_t)4 << 10) /* what O_DIRECT asks for at most, of all but few */
#define LEAST_BYTES  ((uint32_t)4 << 10) /* of a stream that takes little at a time */
#define BUFFERS_MOST 32u
#define VAIN_MOST    1u /* so often running there may be no room, though it is told that there is */

typedef struct buffer {
    struct buffer *next;
} buffer;

enum { READING, SENDING, POLLING, WAITING };

/* ---- Buffers -------------------------------------------------------------------------------- */

static bool take_buffer(uring *self, uring_job *job)
{
    buffer *taken = self->files.free;
    if (taken) {
        self->files.free = taken->next;
    } else if (self->files.made < BUFFERS_MOST) {
        taken = cedi_memory_get(PIECE_BYTES + 2 * BLOCK_BYTES);
        self->files.made += taken != NULL;
    }
    job->file.buffer = taken;
    return taken != NULL;
}

static void give_buffer(uring *self, uring_job *job)
{
    buffer *given = job->file.buffer;
    if (!given)
        return;
    job->file.buffer = NULL;
    given->next = self->files.free;
    self->files.free = given;
}

void cedi_uring_files_free(uring *self)
{
    while (self->files.free) {
        buffer *next = ((buffer *)self->files.free)->next;
        cedi_memory_free(self->files.free);
        self->files.free = next;
    }
}

/* ---- Steps ---------------------------------------------------------------------------------- */

/* Where a piece begins. What may only be read in whole blocks (O_DIRECT) is, and what is in front
 * of it is left out: there is room for a block more. */
static char *bytes_of(const uring_job *job)
{
    uintptr_t memory = (uintptr_t)job->file.buffer;
    return (char *)job->file.buffer + (BLOCK_BYTES - memory % BLOCK_BYTES) % BLOCK_BYTES;
}

static struct io_uring_sqe *step(uring *self, uring_job *job, uint8_t what, int opcode, int fd,
                                 uint32_t skip, uint32_t length, uint64_t offset)
{
    struct io_uring_sqe *sqe = cedi_uring_sqe(self);
    if (!sqe)
        return NULL;
    cedi_uring_fill(sqe, opcode, fd, bytes_of(job) + skip, length, offset, job->token | URING_JOB);
    sqe->flags = self->work_flags;
    job->file.step = what;
    return sqe;
}

/* What is left to do, at most what fits into a buffer. */
static uint32_t piece(const uring_job *job)
{
    uint64_t asked = job->work.args.copy.length_bytes;
    uint64_t left = asked - job->work.moved - job->file.moved;
    if (asked == CEDE_TO_END || left > job->file.piece_bytes)
        return job->file.piece_bytes;
    return (uint32_t)left;
}

static bool read_piece(uring *self, uring_job *job)
{
    uint64_t at = job->work.args.copy.from_offset + job->work.moved +
                  (CEDI_FAULT(PIECES_REPEAT) ? 0 : job->file.moved);
    uint32_t length = piece(job);
    if (at > INT64_MAX - PIECE_BYTES) {
        at = INT64_MAX - PIECE_BYTES; /* no file reaches so far: the end, like any behind it */
    }
    job->file.skip = job->file.direct ? (uint32_t)(at % BLOCK_BYTES) : 0;
    if (job->file.direct)
        length = (job->file.skip + length + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
    return step(self, job, READING, IORING_OP_READ, (int)job->work.native_other, 0, length,
                at - job->file.skip) != NULL;
}

/* So much of what was read is what was asked for. */
static uint32_t was_read(const uring_job *job, uint32_t count)
{
    uint32_t most = piece(job);
    count = count > job->file.skip ? count - job->file.skip : 0;
    return count < most ? count : most;
}

static bool send_piece(uring *self, uring_job *job, uint32_t length)
{
    int fd = (int)job->work.native;
    struct io_uring_sqe *sqe =
        step(self, job, SENDING, job->file.socket ? IORING_OP_SEND : IORING_OP_WRITE, fd,
             job->file.skip, length, job->file.socket ? 0 : (uint64_t)CEDE_CURRENT);
    if (!sqe)
        return false;
    job->file.length = length;
    sqe->flags |= job->file.flags;
    if (job->file.socket)
        sqe->msg_flags = MSG_NOSIGNAL | MSG_DONTWAIT;
    else
        cedi_uring_might_signal(self, sqe, 0);
    return true;
}

static bool wait_for_room(uring *self, uring_job *job)
{
    give_buffer(self, job);
    job->file.step = POLLING;
    return cedi_uring_ready_ask(self, job, POLLOUT);
}

static void join_waiting(uring *self, uring_job *job)
{
    job->file.step = WAITING;
    job->file.next = NULL;
    self->files.waiting++;
    if (self->files.last)
        self->files.last->file.next = job;
    else
        self->files.first = job;
    self->files.last = job;
}

/* With a buffer, sooner or later. False: there is no room for the entry, or, if it has no buffer,
 * no memory for the first. */
static bool begin_piece(uring *self, uring_job *job)
{
    if (!self->files.first && take_buffer(self, job))
        return read_piece(self, job);
    if (!self->files.made)
        return false;
    join_waiting(self, job);
    return true;
}

static void leave_waiting(uring *self, const uring_job *job)
{
    uring_job *before = NULL, *at = self->files.first;
    while (at != job) {
        before = at;
        at = at->file.next;
    }
    *(before ? &before->file.next : &self->files.first) = job->file.next;
    if (self->files.last == job)
        self->files.last = before;
    self->files.waiting--;
}

uint64_t cedi_uring_file_left(uring *self, uring_job *job)
{
    uint64_t moved = job->file.moved;
    if (job->file.step == WAITING)
        leave_waiting(self, job);
    give_buffer(self, job);
    return moved;
}

/* What moved before a failure is told; the next round meets the failure again. */
static void report(uring *self, uring_job *job, cede_status status, int32_t error)
{
    uint64_t token = job->token, moved = cedi_uring_file_left(self, job);
    cedi_uring_job_free(self, job);
    self->works--;
    if (moved)
        cede_core_done(self->core, token, CEDE_OK, 0, moved);
    else
        cede_core_done(self->core, token, status, error, 0);
}

void cedi_uring_files_serve(uring *self)
{
    while (self->files.first) {
        uring_job *job = self->files.first;
        if (!take_buffer(self, job))
            return;
        leave_waiting(self, job);
        if (!read_piece(self, job))
            report(self, job, CEDE_REPORT_AGAIN, EAGAIN);
    }
}

static void over(uring *self, uring_job *job, cede_status status, int32_t error)
{
    report(self, job, status, error);
    cedi_uring_files_serve(self);
}

/* ---- From the ring -------------------------------------------------------------------------- */

static bool is_open_for(intptr_t native, int access)
{
    return (fcntl((int)native, F_GETFL) & O_ACCMODE) == access;
}

bool cedi_uring_start_send_file(uring *self, const cede_work *work)
{
    bool socket = work->kind == CEDE_KIND_STREAM, starved;
    bool nothing = work->args->copy.length_bytes == work->moved;
    uring_job *job;
    /* Where nothing goes there is never room; and what cannot be read is told before there is some,
     * or where none is needed. */
    if ((!socket && is_open_for(work->native, O_RDONLY)) ||
        ((!socket || nothing) && is_open_for(work->native_other, O_WRONLY)))
        return cedi_uring_failed(self, work, EBADF);
    if (nothing)
        return cedi_uring_finished(self, work, 0);
    job = cedi_uring_job_new(self, work, URING_FILE);
    if (!job)
        return cedi_uring_no_record(self, work);
    job->file.buffer = NULL;
    job->file.moved = 0;
    job->file.vain = 0;
    job->file.direct = false;
    job->file.piece_bytes = PIECE_BYTES;
    job->file.socket = socket;
    job->file.flags = cedi_uring_flags(self, work->kind);
    job->file.wished = false;
    job->file.step = POLLING;
    /* Only sockets can be told not to wait: of others, first that there is room. */
    if (job->file.socket ? begin_piece(self, job) : wait_for_room(self, job))
        return true;
    starved = job->file.socket && !job->file.buffer;
    (void)cedi_uring_file_left(self, job);
    cedi_uring_job_free(self, job);
    return starved && cedi_uring_no_record(self, work);
}

/* A stream that took less than it was offered is offered about so much the next time, so that not
 * much is read in vain; one that took all, twice as much. */
static void sent(uring *self, uring_job *job, uint32_t count)
{
    bool all = count == job->file.length;
    uint32_t next = all ? job->file.piece_bytes * 2 : count * 2 & ~(LEAST_BYTES - 1);
    job->file.moved += count;
    job->file.vain = 0;
    job->file.piece_bytes = next < LEAST_BYTES   ? LEAST_BYTES
                            : next > PIECE_BYTES ? PIECE_BYTES
                                                 : next;
    if (job->file.wished || piece(job) == 0) {
        over(self, job, CEDE_ECANCELED, ECANCELED);
        return;
    }
    if (!all || !job->file.socket) {
        if (!wait_for_room(self, job))
            over(self, job, CEDE_REPORT_AGAIN, EAGAIN);
    } else if (!self->files.first) {
        if (!read_piece(self, job))
            over(self, job, CEDE_REPORT_AGAIN, EAGAIN);
        return;
    } else {
        give_buffer(self, job);
        join_waiting(self, job);
    }
    cedi_uring_files_serve(self);
}

void cedi_uring_file_completed(uring *self, uring_job *job, int result)
{
    bool going = true;
    if (job->file.step == READING && result > 0)
        result = (int)was_read(job, (uint32_t)result);
    if (job->file.step == POLLING && !cedi_uring_ready_came(self, job, &result))
        return;
    if (result == -EAGAIN && job->file.step == SENDING && !job->file.wished &&
        job->file.vain++ < VAIN_MOST) {
        job->file.piece_bytes =
            job->file.piece_bytes / 2 < LEAST_BYTES ? LEAST_BYTES : job->file.piece_bytes / 2;
        going = wait_for_room(self, job);
        cedi_uring_files_serve(self);
    } else if (result == -EINVAL && job->file.step == READING && !job->file.direct) {
        job->file.direct = true;
        going = read_piece(self, job);
    } else if (result < 0) {
        over(self, job,
             result != -EAGAIN           ? cedi_error_status(result)
             : job->file.wished          ? CEDE_ECANCELED
             : job->file.step == SENDING ? CEDE_REPORT_POLL
                                         : CEDE_REPORT_PARK,
             -result);
        return;
    } else if (job->file.wished && job->file.step != SENDING) {
        over(self, job, CEDE_ECANCELED, ECANCELED);
        return;
    } else if (job->file.step == POLLING) {
        going = begin_piece(self, job);
        if (!going && !job->file.buffer) {
            over(self, job, CEDE_ENOMEM, ENOMEM);
            return;
        }
    } else if (result == 0) {
        over(self, job, CEDE_OK, 0); /* the file's end */
        return;
    } else if (job->file.step == READING) {
        going = send_piece(self, job, (uint32_t)result);
    } else {
        sent(self, job, (uint32_t)result);
        return;
    }
    if (!going)
        over(self, job, CEDE_REPORT_AGAIN, EAGAIN);
}

/* Between two pieces, or what the kernel can still be kept from. */
int cedi_uring_file_cancel(uring *self, uring_job *job)
{
    if (job->file.step == WAITING) {
        over(self, job, CEDE_ECANCELED, ECANCELED);
        return CEDE_CANCEL_SENT;
    }
    job->file.wished = true;
    return cedi_uring_send_cancel(self, job->token | URING_JOB, job->token | URING_CANCEL);
}
