/*
 * Watches of directories, by inotify(7): watch, watch_many.
 *
 * A watch is an inotify descriptor of its own with one directory, so that its queue is its own, and
 * closing it is closing a descriptor. A record waits until there is something in the queue, then
 * picks a buffer, reads events into it and makes changes of them in place, each of which is shorter
 * than the event that it comes from.
 *
 * Threads: watch runs on the pool, since a path may be on a slow file system, and so does the end
 * of one, for which the kernel takes its time; the rest is the loop's.
 */
#include "uring.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define THE_END (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT)

/* ---- Events to changes ---------------------------------------------------------------------- */

/* 0: not worth telling. */
static uint8_t change_of(const struct inotify_event *event)
{
    if (event->mask & IN_Q_OVERFLOW)
        return CEDI_FAULT(LOSS_IS_SILENT) ? 0 : CEDE_CHANGE_LOST;
    if (event->mask & THE_END)
        return CEDE_CHANGE_GONE;
    if (event->len == 0)
        return 0; /* of the directory itself */
    if (event->mask & IN_CREATE)
        return CEDE_CHANGE_CREATED;
    if (event->mask & IN_DELETE)
        return CEDE_CHANGE_REMOVED;
    if (event->mask & IN_MOVED_FROM)
        return CEDE_CHANGE_RENAMED_FROM;
    if (event->mask & IN_MOVED_TO)
        return CEDE_CHANGE_RENAMED_TO;
    return event->mask & (IN_MODIFY | IN_ATTRIB) ? CEDE_CHANGE_MODIFIED : 0;
}

static size_t put(char *to, uint8_t what, const char *name, size_t name_bytes)
{
    size_t head = offsetof(cede_change, name), used = head + name_bytes + 1;
    size_t whole = (used + 7) & ~(size_t)7;
    uint16_t change_bytes = (uint16_t)whole;
    memmove(to + head, name, name_bytes);
    memset(to + head + name_bytes, 0, whole - head - name_bytes);
    memcpy(to + offsetof(cede_change, change_bytes), &change_bytes, sizeof change_bytes);
    to[offsetof(cede_change, what)] = (char)what;
    to[offsetof(cede_change, unused_)] = 0;
    return whole;
}

/* Returns how much there is; what comes behind the end is dropped. */
static size_t convert(char *buffer, size_t bytes, bool *ended)
{
    size_t at = 0, filled = 0;
    while (at + sizeof(struct inotify_event) <= bytes && !*ended) {
        struct inotify_event event;
        const char *name = buffer + at + sizeof event;
        uint8_t what;
        memcpy(&event, buffer + at, sizeof event);
        what = change_of(&event);
        at += sizeof event + event.len;
        *ended = what == CEDE_CHANGE_GONE;
        if (what == CEDE_CHANGE_GONE || what == CEDE_CHANGE_LOST)
            filled += put(buffer + filled, what, name, 0);
        else if (what)
            filled += put(buffer + filled, what, name, strnlen(name, event.len));
    }
    return filled;
}

/* Nothing will come any more. A descriptor without a watch would keep a later request waiting for
 * ever: so the end of a pipe takes its place, which says so to each. It is there before it is
 * needed, where "no descriptors" can still be told. 0 or an errno. */
static int keep_an_end(uring *self)
{
    int ends[2], error;
    if (self->end_fd >= 0)
        return 0;
    error = cedi_uring_fault(self, "pipe");
    if (error)
        return error;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return errno;
    (void)close(ends[1]);
    self->end_fd = cedi_own_fd(ends[0]);
    return 0;
}

/* ---- On the loop's thread ------------------------------------------------------------------- */

bool cedi_uring_start_watch_many(uring *self, const cede_work *work)
{
    uring_job *job;
    int error = work->how & CEDE_WORK_BORROWED ? 0 : keep_an_end(self);
    if (error)
        return cedi_uring_failed(self, work, error);
    job = cedi_uring_job_new(self, work, URING_WATCH);
    if (!job)
        return cedi_uring_no_record(self, work);
    job->watch.view = cede_core_pool(work);
    job->watch.borrowed = work->how & CEDE_WORK_BORROWED;
    job->watch.reading = false;
    if (cedi_uring_ready_ask(self, job, POLLIN))
        return true;
    cedi_uring_job_free(self, job);
    return false;
}

static void over(uring *self, uring_job *job, cede_status status, int32_t error, uint64_t count)
{
    uint64_t token = job->token;
    cedi_uring_job_free(self, job);
    self->works--;
    cede_core_done(self->core, token, status, error, count);
}

/* Of a pool that the kernel's receives use, too, the kernel has the buffers, and picks. */
static void let_kernel_read(uring *self, uring_job *job, int group)
{
    struct io_uring_sqe *sqe = cedi_uring_sqe(self);
    if (!sqe) {
        over(self, job, CEDE_REPORT_AGAIN, EAGAIN, 0);
        return;
    }
    cedi_uring_fill(sqe, IORING_OP_READ, (int)job->work.native, NULL, job->watch.view->buffer_bytes,
                    (uint64_t)CEDE_CURRENT, job->token | URING_JOB);
    sqe->flags = IOSQE_BUFFER_SELECT;
    sqe->buf_group = (uint16_t)group;
    job->watch.reading = true;
}

/* Nothing comes any more: the end of a pipe takes the descriptor's place, and the kernel ends what
 * was there inside that call. False: it was made here, since there is no thread. */
static bool ends_elsewhere(uring *self, uring_job *job)
{
    job->work.native_other = self->end_fd;
    if (cedi_uring_job_to_pool(self, job))
        return true;
    cedi_blocking_perform(&job->work);
    return false;
}

/* What a read said, of a buffer that was picked unless it failed. */
static void tell(uring *self, uring_job *job, ssize_t got, int error, uint32_t number, bool picked)
{
    cede_pool_view *view = job->watch.view;
    bool ended = false;
    size_t filled = 0;
    if (picked)
        cede_core_filled(view, number);
    if (got > 0)
        filled = convert(view->base + number * view->stride_bytes, (size_t)got, &ended);
    if (picked)
        cede_core_item(self->core, job->token, filled, number); /* 0: it is free again */
    if (ended && !job->watch.borrowed && ends_elsewhere(self, job))
        return;
    if (ended || (got == 0 && !error))
        over(self, job, CEDE_OK, 0, 0);
    else if (filled)
        over(self, job, CEDE_OK, 0, filled);
    else if (error == ENOBUFS)
        over(self, job, CEDE_REPORT_POOL, error, 0);
    else if (error && error != EAGAIN && error != EINTR)
        over(self, job, cedi_error_final(error), error, 0);
    else if (!cedi_uring_ready_ask(self, job, POLLIN))
        over(self, job, CEDE_REPORT_AGAIN, EAGAIN, 0);
}

static void read_events(uring *self, uring_job *job)
{
    const cede_pool_view *view = job->watch.view;
    int group = cedi_uring_pool_group(view);
    uint32_t number;
    ssize_t got;
    if (group >= 0) {
        let_kernel_read(self, job, group);
        return;
    }
    if (!cede_core_pick(job->watch.view, &number)) {
        over(self, job, CEDE_REPORT_POOL, ENOBUFS, 0);
        return;
    }
    got = read((int)job->work.native, view->base + number * view->stride_bytes, view->buffer_bytes);
    tell(self, job, got, got < 0 ? errno : 0, number, true);
}

void cedi_uring_watch_completed(uring *self, uring_job *job, int result)
{
    bool reading = job->watch.reading;
    job->watch.reading = false;
    if (reading)
        tell(self, job, result, result < 0 ? -result : 0, self->told >> IORING_CQE_BUFFER_SHIFT,
             self->told & IORING_CQE_F_BUFFER);
    else if (result >= 0)
        read_events(self, job);
    else
        over(self, job, cedi_error_status(result), -result, 0);
}
