/*
 * Child processes: spawn, child_wait, child_kill. A spawn runs on the pool, since it may take its
 * time; the descriptors that it names are duplicated before, on the loop's thread, which knows the
 * handles. A wait polls the process descriptor. The loop's thread.
 *
 * A child that runs when its handle is closed is polled once more, as the loop's own: the poll
 * holds the file and no descriptor, and counts for nothing. Its end has the zombie taken away. It
 * goes with the ring if that is closed before.
 */
#include "uring.h"

#include <errno.h>
#include <poll.h>

bool cedi_uring_start_spawn(uring *self, const cede_work *work)
{
    int streams[3];
    int error = cedi_uring_fault(self, "spawn");
    if (!error)
        error = cedi_child_streams(self->core, work->args->spawn.how, streams);
    if (error)
        return cedi_uring_failed(self, work, error);
    return cedi_uring_to_pool_with(self, work, streams);
}

bool cedi_uring_start_child_wait(uring *self, const cede_work *work)
{
    return cedi_uring_ready_start(self, work, URING_CHILD, POLLIN);
}

/* It has ended, or the wait has. */
void cedi_uring_child_completed(uring *self, uring_job *job, int result)
{
    uint64_t token = job->token, count = 0;
    int error = result < 0 ? 0 : cedi_child_status((int)job->work.native, &count);
    cedi_uring_job_free(self, job);
    if (result < 0) {
        cedi_uring_report(self, token, result);
        return;
    }
    self->works--;
    cede_core_done(self->core, token, error == EAGAIN ? CEDE_REPORT_AGAIN : cedi_error_final(error),
                   error, error || CEDI_FAULT(END_HAS_NO_CODE) ? 0 : count);
}

bool cedi_uring_child_left(uring *self, int native)
{
    if (cedi_child_runs(native) &&
        !cedi_uring_ready_entry(self, native, POLLIN, URING_OWN | URING_OWN_CHILD))
        return false;
    cedi_child_left(native);
    return true;
}

/* The descriptor is closed without its entry: the number may soon be somebody else's. */
void cedi_uring_child_forget(uring *self, int native)
{
    const struct io_uring_sq *sq = &self->ring.sq;
    unsigned head = __atomic_load_n(sq->khead, __ATOMIC_ACQUIRE);
    for (; head != sq->sqe_tail; head++) {
        struct io_uring_sqe *sqe = &sq->sqes[head & sq->ring_mask];
        if (sqe->user_data == (URING_OWN | URING_OWN_CHILD) && sqe->fd == native)
            cedi_uring_fill(sqe, IORING_OP_NOP, -1, NULL, 0, 0, URING_OWN | URING_OWN_NOTHING);
    }
}

bool cedi_uring_start_child_kill(uring *self, const cede_work *work)
{
    int error = cedi_uring_fault(self, "kill");
    if (!error)
        error = cedi_child_kill((int)work->native, work->args->range.flags);
    return error ? cedi_uring_failed(self, work, error) : cedi_uring_finished(self, work, 0);
}
