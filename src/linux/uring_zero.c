/*
 * Sends without a copy of the system's: send_zero_copy.
 *
 * Such an entry has two completions: one tells what went, and says "more"; the other, a
 * notification, that the kernel has let go of the memory, which on a stream is when the peer has
 * acknowledged it. What is sent behind it may start with the first, the work is over with the
 * second. One that failed may have both, too (a bad descriptor does: docs/facts-linux.md); one that
 * says no "more" is over at once.
 *
 * A peer that does not read acknowledges nothing, and no cancel takes back what has gone. So a send
 * that was only cancelled completes late; one whose stream is about to be closed has the connection
 * broken off, which the peer hears as a reset: else it could keep a close waiting for ever.
 *
 * What cannot be sent so is sent by copying: little (it is dearer then), on pipes and terminals, on
 * kernels before 6.0; and, when the kernel has said so, on local streams and where pinned memory
 * has come to its limit. The loop's thread.
 */
#include "uring.h"

#include <errno.h>
#include <sys/socket.h>

#define ROUND_BYTES UINT64_C(0x7ffff000) /* what one transfer moves at most */

static struct io_uring_sqe *rest(uring *self, const cede_args *args, uint64_t moved, int native,
                                 uint64_t token, int opcode)
{
    struct io_uring_sqe *sqe = cedi_uring_sqe(self);
    uint64_t length = args->io.length_bytes - moved;
    if (!sqe)
        return NULL;
    cedi_uring_fill(sqe, opcode, native, (const char *)args->io.buffer + (size_t)moved,
                    length < ROUND_BYTES ? length : ROUND_BYTES, 0, token | URING_JOB);
    sqe->flags = self->work_flags;
    sqe->msg_flags = MSG_NOSIGNAL | MSG_WAITALL;
    return sqe;
}

bool cedi_uring_start_send_zero_copy(uring *self, const cede_work *work)
{
    uint64_t left = work->args->io.length_bytes - work->moved;
    uring_job *job;
    if (!self->has_zero_copy || work->kind != CEDE_KIND_STREAM || left < CEDE_ZERO_COPY_LEAST_BYTES)
        return cedi_uring_start_send_all(self, work);
    job = cedi_uring_job_new(self, work, URING_ZERO);
    if (!job)
        return cedi_uring_no_record(self, work);
    job->zero.told = job->zero.wished = false;
    if (rest(self, work->args, work->moved, (int)work->native, work->token, URING_OP_SEND_ZC))
        return true;
    cedi_uring_job_free(self, job);
    return false;
}

static bool wants_copy(int result)
{
    return result == -EOPNOTSUPP || result == -ENOMEM || result == -ENOBUFS;
}

/* The kernel has let go of the memory; nothing of it went. */
static void send_copied(uring *self, uring_job *job)
{
    uint64_t token = job->token;
    job->kind = URING_NET;
    job->net.native = -1;
    if (rest(self, &job->work.args, job->work.moved, (int)job->work.native, token, IORING_OP_SEND))
        return;
    cedi_uring_job_free(self, job);
    cedi_uring_report(self, token, -EINTR);
}

static void over(uring *self, uring_job *job, int result)
{
    uint64_t token = job->token;
    if (wants_copy(result)) {
        send_copied(self, job);
        return;
    }
    cedi_uring_job_free(self, job);
    cedi_uring_report(self, token, result);
}

/* A completion that says "more". */
void cedi_uring_zero_told(uring *self, uint64_t token, int result)
{
    uring_job *job = cedi_uring_job_find(self, token);
    if (!job || job->kind != URING_ZERO)
        return;
    job->zero.told = true;
    job->zero.result = result;
    if (result >= 0 && (uint64_t)result == job->work.args.io.length_bytes - job->work.moved)
        cede_core_gone(self->core, token);
    if (job->zero.wished)
        cede_core_cancel_again(self->core, token); /* there is another way from here on */
    if (CEDI_FAULT(ZERO_COPY_TOLD_EARLY))
        cedi_uring_report(self, token, result);
    if (CEDI_FAULT(FAILED_IS_NOT_NOTIFIED) && result < 0)
        over(self, job, result);
}

void cedi_uring_zero_completed(uring *self, uring_job *job, int result)
{
    if (CEDI_FAULT(NOTIFICATION_FORGOTTEN) && job->zero.told)
        return;
    if (CEDI_FAULT(ZERO_COPY_TOLD_EARLY) && job->zero.told) {
        cedi_uring_job_free(self, job);
        return;
    }
    over(self, job, job->zero.told ? job->zero.result : result);
}

/* Gives up what is under way both ways (connect(2)); the kernel lets go of it at once. */
static bool break_off(int fd)
{
    struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    return connect(fd, &nobody, sizeof nobody) == 0;
}

int cedi_uring_zero_cancel(uring *self, uring_job *job)
{
    job->zero.wished = true;
    if (!job->zero.told)
        return cedi_uring_send_cancel(self, job->token | URING_JOB, job->token | URING_CANCEL);
    if (cede_core_is_leaving(self->core, job->token) && break_off((int)job->work.native))
        return CEDE_CANCEL_SENT;
    return CEDE_CANCEL_AGAIN; /* the stream may be closed yet */
}
