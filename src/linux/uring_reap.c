/*
 * Completions to reports, and cancel.
 *
 * A work is over with its own last completion, never with a cancel's: a cancel's own answer only
 * tells whether the wish must be repeated. The loop's thread.
 */
#include "uring.h"

#include <errno.h>

/* A close that says no has closed all the same, and by now the number may be another file's: so
 * nothing of it means "again" (close(2), law 10). But one: where the kernel was to leave a close to
 * a worker and could make none, it has not begun. (What a flush says does not come here:
 * uring_handle.c.) */
static cede_status closed(uring *self, int32_t *error)
{
    cede_status status = cedi_error_status(*error);
    if (*error == ECANCELED) {
        self->no_worker_closes = true;
        return CEDE_REPORT_AGAIN;
    }
    if (status == CEDE_REPORT_AGAIN) {
        *error = 0;
        status = CEDE_OK;
    }
    return status;
}

void cedi_uring_report(uring *self, uint64_t token, int result)
{
    cede_status status = CEDE_OK;
    uint64_t count = 0;
    int32_t error = 0;
    if (URING_LIKELY(result >= 0)) {
        count = (uint64_t)result;
    } else {
        error = -result;
        /* Whether EAGAIN means "not ready" or "no room" is found out by the poll (start_wait). */
        status = cede_core_is_close(self->core, token) ? closed(self, &error)
                 : result == -EAGAIN                   ? CEDE_REPORT_POLL
                 : result == -ENOBUFS ? CEDE_REPORT_POOL /* of what has no pool: no memory */
                                      : cedi_error_status(error);
    }
    self->works--;
    cede_core_done(self->core, token, status, error, count);
}

/* Entries that are tagged. */
static void tagged(uring *self, uint64_t user_data, int result)
{
    uint64_t name = user_data & ~URING_TAGS;
    switch (user_data & URING_TAGS) {
    case URING_JOB:
        cedi_uring_job_completed(self, name, result);
        return;
    case URING_CANCEL:
        /* -ENOENT and -EALREADY do not mean "over": a forced-asynchronous receive that had
         * answered -EALREADY stayed pending until a second cancel (measured, 15 of 180,000). */
        if (result < 0)
            cede_core_cancel_again(self->core, name);
        return;
    default:
        break;
    }
    switch (name & URING_OWN_KIND) {
    case URING_OWN_WATCH:
        cedi_uring_watched(self);
        break;
    case URING_OWN_CHILD:
        cedi_child_sweep();
        break;
    case URING_OWN_TIMEOUT:
        cedi_uring_timed_out(self, name >> URING_OWN_SHIFT);
        break;
    default:
        break;
    }
}

unsigned cedi_uring_reap(uring *self, unsigned most)
{
    const struct io_uring_cq *cq = &self->ring.cq;
    const struct io_uring_cqe *cqes = cq->cqes;
    unsigned head = *cq->khead, mask = cq->ring_mask;
    unsigned count = __atomic_load_n(cq->ktail, __ATOMIC_ACQUIRE) - head;
    if (count > most)
        count = most;
    for (unsigned i = 0; i < count; i++) {
        const struct io_uring_cqe *cqe = &cqes[(head + i) & mask];
        uint64_t user_data = cqe->user_data;
        int result = cqe->res;
        unsigned shot = cqe->flags & (IORING_CQE_F_MORE | IORING_CQE_F_BUFFER);
        if (CEDI_FAULT(MORE_IS_LAST))
            shot &= ~IORING_CQE_F_MORE;
        if (URING_UNLIKELY(user_data & URING_TAGS)) {
            self->told = cqe->flags;
            if (!(shot & IORING_CQE_F_MORE))
                tagged(self, user_data, result);
            else if ((user_data & URING_TAGS) == URING_JOB) /* not its last word */
                cedi_uring_zero_told(self, user_data & ~URING_TAGS, result);
        } else if (URING_UNLIKELY(shot)) {
            cedi_uring_shot(self, user_data, result, shot | (cqe->flags & ~IORING_CQE_F_MORE));
        } else {
            cedi_uring_report(self, user_data, result);
        }
    }
    __atomic_store_n(cq->khead, head + count, __ATOMIC_RELEASE);
    return count;
}

/* ---- Cancel --------------------------------------------------------------------------------- */

/* By user_data, which is unique: by descriptor it would reach operations on a duplicate, and be
 * quadratic. */
int cedi_uring_send_cancel(uring *self, uint64_t target, uint64_t user_data)
{
    struct io_uring_sqe *sqe = cedi_uring_sqe(self);
    if (URING_UNLIKELY(!sqe))
        return CEDE_CANCEL_AGAIN;
    cedi_uring_fill(sqe, IORING_OP_ASYNC_CANCEL, -1, NULL, 0, 0, user_data);
    sqe->addr = target;
    sqe->flags = self->cancel_flags;
    return CEDE_CANCEL_SENT;
}

int cedi_uring_cancel(void *context, uint64_t token)
{
    uring *self = context;
    if (URING_UNLIKELY(self->jobs_live)) {
        uring_job *job = cedi_uring_job_find(self, token);
        if (job)
            return cedi_uring_job_cancel(self, job);
    }
    return cedi_uring_send_cancel(self, token, token | URING_CANCEL);
}
