/*
 * Signals: signal_many. An instance listens once, for all its requests; the handler wakes it as any
 * other thread would, and what has come is told in its next wait. The loop's thread.
 */
#include "uring.h"

#include <errno.h>

static uint32_t wanted(const uring *self)
{
    uint32_t bits = 0;
    for (const uring_job *job = self->signals; job; job = job->signal.next)
        bits |= job->work.args.many.credit;
    return bits;
}

/* What has come before its beginning is told to those who were there, and not to it. */
bool cedi_uring_start_signal_many(uring *self, const cede_work *work)
{
    uring_job *job;
    if (!self->listener)
        self->listener = cedi_signals_listen(cedi_uring_wake, self);
    job = self->listener ? cedi_uring_job_new(self, work, URING_SIGNAL) : NULL;
    if (!job)
        return cedi_uring_no_record(self, work);
    job->work.args.many.credit = cedi_signals_heeded(job->work.args.many.credit);
    cedi_uring_signals_came(self);
    job->signal.next = self->signals;
    self->signals = job;
    self->signal_works++;
    cedi_signals_want(self->listener, wanted(self), job->work.args.many.credit);
    return true;
}

void cedi_uring_signals_came(uring *self)
{
    uint32_t bits = cedi_signals_take(self->listener);
    for (const uring_job *job = self->signals; job; job = job->signal.next) {
        uint32_t its = bits & job->work.args.many.credit;
        if (its)
            cede_core_signals(self->core, job->token, its);
    }
}

/* What has come before the end is told. */
int cedi_uring_signal_cancel(uring *self, uring_job *job)
{
    uint64_t token = job->token;
    uring_job **place = &self->signals;
    uint32_t own = job->work.args.many.credit;
    while (*place != job)
        place = &(*place)->signal.next;
    job->work.args.many.credit = 0;
    cedi_signals_want(self->listener, wanted(self), 0);
    job->work.args.many.credit = own;
    cedi_uring_signals_came(self);
    *place = job->signal.next;
    self->signal_works--;
    cedi_uring_job_free(self, job);
    self->works--;
    cede_core_done(self->core, token, CEDE_ECANCELED, ECANCELED, 0);
    return CEDE_CANCEL_SENT;
}

void cedi_uring_signals_leave(uring *self)
{
    if (self->listener)
        cedi_signals_leave(self->listener);
    self->listener = NULL;
}
