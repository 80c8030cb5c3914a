/*
 * Waits until a descriptor is ready.
 *
 * An entry that polls is told also of what nobody asked for: that the other end sends no more
 * (POLLRDHUP), which stays so. Whoever waits for room on such a stream would be told at once that
 * there is none, and again, for as long as the peer does not read. An epoll set adds no such thing:
 * where that alone was told, the wait goes on for a set of its own. (A poll that tells more than
 * once would do with no set, but has to be taken back, for which there may be no entry.)
 *
 * The loop's thread.
 */
#include "uring.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

bool cedi_uring_ready_entry(uring *self, int native, unsigned events, uint64_t user_data)
{
    struct io_uring_sqe *sqe = cedi_uring_sqe(self);
    if (!sqe)
        return false;
    cedi_uring_fill(sqe, IORING_OP_POLL_ADD, native, NULL, 0, 0, user_data);
    io_uring_prep_poll_add(sqe, native, events); /* knows how events are stored */
    sqe->flags = 0;
    sqe->user_data = user_data;
    return true;
}

bool cedi_uring_ready_ask(uring *self, uring_job *job, unsigned events)
{
    job->awaited = events;
    return cedi_uring_ready_entry(self, (int)job->work.native, events, job->token | URING_JOB);
}

bool cedi_uring_ready_start(uring *self, const cede_work *work, unsigned kind, unsigned events)
{
    uring_job *job = cedi_uring_job_new(self, work, kind);
    if (!job)
        return cedi_uring_no_record(self, work);
    if (cedi_uring_ready_ask(self, job, events))
        return true;
    cedi_uring_job_free(self, job);
    return false;
}

void cedi_uring_ready_left(uring_job *job)
{
    if (job->set < 0)
        return;
    (void)close(job->set);
    job->set = -1;
}

static int make_set(const uring *self, uring_job *job)
{
    struct epoll_event event = {.events = job->awaited};
    int error = cedi_uring_fault(self, "epoll");
    if (!error) {
        job->set = cedi_own_fd(epoll_create1(EPOLL_CLOEXEC));
        if (job->set < 0 || epoll_ctl(job->set, EPOLL_CTL_ADD, (int)job->work.native, &event) != 0)
            error = errno;
    }
    /* Who polls is told; who sends has not asked for a descriptor, and waits for one. */
    if (error && job->kind != URING_POLLED)
        return -EAGAIN;
    return error == ENOSPC ? -ENOMEM : -error; /* the user's limit of watches (epoll(7)) */
}

/* What is so of the descriptor, now that its set has something to tell. */
static int of_set(uring_job *job)
{
    struct epoll_event event = {0};
    if (epoll_wait(job->set, &event, 1, 0) <= 0)
        return 0;
    cedi_uring_ready_left(job);
    return (int)event.events;
}

bool cedi_uring_ready_came(uring *self, uring_job *job, int *result)
{
    if (*result < 0)
        return true;
    if (job->set >= 0)
        *result = of_set(job);
    if (CEDI_FAULT(HALF_IS_READY) || (*result & (int)(job->awaited | POLLERR | POLLHUP | POLLNVAL)))
        return true;
    *result = job->set < 0 ? make_set(self, job) : 0;
    if (*result < 0)
        return true;
    if (cedi_uring_ready_entry(self, job->set, POLLIN, job->token | URING_JOB))
        return false;
    *result = -EAGAIN;
    return true;
}

/* Of a completion's events. IN and OUT are told only to whom they were asked by; after a hang-up or
 * an error neither waits. */
int cedi_uring_ready_told(const uring_job *job, int result)
{
    uint32_t told = 0, asked = job->work.args.range.flags | CEDE_POLL_HANGUP | CEDE_POLL_ERROR;
    if (result & (POLLIN | POLLHUP | POLLERR))
        told |= CEDE_POLL_IN;
    if (result & (POLLOUT | POLLHUP | POLLERR))
        told |= CEDE_POLL_OUT;
    if (result & POLLHUP)
        told |= CEDE_POLL_HANGUP;
    if (result & POLLERR)
        told |= CEDE_POLL_ERROR;
    return (int)(told & asked);
}
