/*
 * Opens that might wait, as that of a named pipe: POSIX says that it waits for the other end.
 *
 * The kernel has few workers for all that is done with files, and an open that waited on one would
 * hold up everybody's. So none that might find a pipe waits there. The first try is told to take
 * what is in the kernel's caches (RESOLVE_CACHED), which makes it inside the call, as if with
 * O_NONBLOCK: 2 us against a worker's 20. What it cannot do in this way it leaves to us (EAGAIN; a
 * kernel before 5.12 says EINVAL, like some files to O_DIRECT), not to a worker, and the second try
 * is told O_NONBLOCK, which is taken back when it is open. So is the first if it creates or
 * truncates, which always goes to a worker, or if a worker is forced. What cannot be walked in the
 * caches is not rare (what was not used for long, /proc/self, network file systems), and a pipe may
 * stand behind it.
 *
 * An open with O_NONBLOCK that says EAGAIN would have waited for something else: that somebody
 * gives up his lease (fcntl(2)), that a device is free. It is made again to wait. And of a pipe:
 *
 * For writing, without a reader, the open said ENXIO, and is made again to wait. What never was a
 * pipe says ENXIO again.
 *
 * For reading, the pipe is open already. Its descriptor is kept, because a writer that comes from
 * now on finds a reader and may write; but the open is not over before a writer has come. It is
 * opened a second time (by /proc/self/fd) to wait for one, and polled, which sees one that came and
 * left before the second open began to wait. Whichever is first ends the wait; the first descriptor
 * is delivered.
 *
 * A writer that has come may have written, and who ends the last reader loses that (laws 7, 8). So
 * a cancelled open for reading ends in steps: the poll goes; if nobody has come by then, the first
 * descriptor is closed while the second open still waits; then that is cancelled. The kernel looks
 * in one whether a writer has come since it began to wait, and takes its reader away if not
 * (docs/facts-linux.md): for whoever came it is delivered, and whoever comes later finds no reader.
 * What is left is a writer that comes between the look and the first close, where the second open
 * does not wait: its worker was held up, or there was no descriptor for its path.
 *
 * An open that waits must be one that can be cancelled, so the kernel's workers make it. But not
 * the loop's own: those are few and everybody's, and on 6.18 a call that waits for ever can leave
 * others behind it in their queue for 5 s, though workers idle (measured on a busy machine: one
 * wake counted for two calls). A ring that another thread uses has workers of its own. So each open
 * that waits gets a thread with a small ring for the time: dear, but rare.
 *
 * A relative path is looked up from the directory that the program was in when it was tried first,
 * though that may be long ago: a descriptor of it is kept (job->set) for all but the first try,
 * which is made inside the call.
 *
 * Threads: wait_on_thread runs on that thread, and touches nothing but its job and the eventfd by
 * which a cancel reaches it; all else is the loop's.
 */
#include "uring.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_PATIENCE_MS   1
#define LONGEST_PATIENCE_MS 100

/* ---- Where a relative path begins ------------------------------------------------------------ */

static int place(const uring_job *job)
{
    return job->set >= 0 ? job->set : AT_FDCWD;
}

/* The working directory, before the program can leave it: for what is looked up later, or again.
 * False: no descriptor. */
static bool keep_place(uring_job *job)
{
    if (job->set < 0 && job->work.args.path.path[0] != '/')
        job->set = cedi_own_fd(open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));
    return job->set >= 0 || job->work.args.path.path[0] == '/';
}

/* ---- On the thread -------------------------------------------------------------------------- */

enum { OPEN = 1, POLL = 2, WISH = 4, CANCEL = 8, BEGUN = 16 };

typedef struct waiter {
    struct io_uring ring;
    uring_job *job;
    int native;       /* for reading: the first descriptor, while it is kept; else -1 */
    int path;         /* leads to the pipe, without being a reader of it; or -1 */
    char again[32];   /* the path of the second open, for reading */
    int opened;       /* by the open that waits, or -1 */
    int error;        /* why not */
    unsigned pending; /* entries that the kernel has: OPEN, POLL, WISH, BEGUN */
    bool came;        /* the other end is, or was, there */
    bool wished;      /* a cancel */
    bool over;        /* it is not opened again */
    bool broken;      /* the ring is beyond use */
} waiter;

/* Whether a writer is there who has written, or was there. */
static bool has_come(int native)
{
    struct pollfd pipe = {.fd = native, .events = POLLIN};
    return poll(&pipe, 1, 0) > 0;
}

/* Behind a no-op, which the worker that will make it does first: so there is a worker. */
static void send_open(waiter *self)
{
    const cede_args *args = &self->job->work.args;
    struct io_uring_sqe *before = io_uring_get_sqe(&self->ring);
    struct io_uring_sqe *sqe = io_uring_get_sqe(&self->ring);
    bool first = self->job->fifo.native < 0; /* no reader was made */
    int from = first ? place(self->job) : AT_FDCWD;
    unsigned flags = first ? (unsigned)self->job->fifo.flags & ~(unsigned)O_NONBLOCK
                           : O_CLOEXEC | O_NOCTTY | O_RDONLY;
    io_uring_prep_nop(before);
    before->flags = IOSQE_ASYNC | IOSQE_IO_LINK;
    before->user_data = BEGUN;
    io_uring_prep_rw(IORING_OP_OPENAT, sqe, from, first ? args->path.path : self->again,
                     first ? args->path.mode : 0, 0);
    sqe->open_flags = flags;
    sqe->flags = IOSQE_ASYNC;
    sqe->user_data = OPEN;
    self->pending |= OPEN | BEGUN;
}

static void send_poll(waiter *self, int fd, unsigned kind)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&self->ring);
    io_uring_prep_poll_add(sqe, fd, POLLIN);
    sqe->user_data = kind;
    self->pending |= kind;
}

static void send_cancels(waiter *self, unsigned kinds)
{
    for (unsigned kind = OPEN; kind < CANCEL; kind *= 2) {
        struct io_uring_sqe *sqe;
        if (!(self->pending & kinds & kind) || !(sqe = io_uring_get_sqe(&self->ring)))
            continue;
        io_uring_prep_rw(IORING_OP_ASYNC_CANCEL, sqe, -1, NULL, 0, 0);
        sqe->addr = kind;
        sqe->user_data = CANCEL;
    }
}

static void completed(waiter *self, unsigned kind, int result)
{
    self->pending &= ~kind;
    switch (kind) {
    case OPEN:
        if (result >= 0) {
            self->opened = result;
            self->came = true;
        } else if (cedi_error_status(result) == CEDE_REPORT_AGAIN && !self->wished && !self->over) {
            send_open(self);
        } else if (self->error == 0) {
            self->error = -result;
        }
        break;
    case POLL:
        self->came = self->came || result > 0;
        break;
    case WISH:
        self->wished = self->wished || result > 0;
        break;
    default: /* BEGUN; a cancel's own answer tells nothing (uring_reap.c) */
        break;
    }
}

/* Waits by poll, which valgrind knows: in a call that it does not know it lets no other thread run.
 * False: the ring is beyond use. */
static bool take_completions(waiter *self, int patience_ms)
{
    struct pollfd ready = {.fd = self->ring.ring_fd, .events = POLLIN};
    struct io_uring_cqe *cqe;
    int error = io_uring_submit(&self->ring);
    if (error >= 0 && poll(&ready, 1, patience_ms) < 0)
        error = -errno;
    while (io_uring_peek_cqe(&self->ring, &cqe) == 0) {
        unsigned kind = (unsigned)cqe->user_data;
        int result = cqe->res;
        io_uring_cqe_seen(&self->ring, cqe);
        completed(self, kind, result);
    }
    return error >= 0 || error == -EINTR || error == -EAGAIN || error == -EBUSY;
}

/* Until the kernel has let go of these: a poll that is left to the ring's end keeps the pipe open
 * for a while after the descriptor is closed, and the next writer finds a reader that is not there
 * (measured). */
static void end(waiter *self, unsigned kinds)
{
    int patience = FIRST_PATIENCE_MS;
    while ((self->pending & kinds) && !self->broken) {
        send_cancels(self, kinds);
        self->broken = !take_completions(self, patience);
        patience = patience < LONGEST_PATIENCE_MS ? patience * 2 : patience;
    }
}

/* A wish that came early: there is hardly a moment more until the open waits. Not for ever. */
static void wait_for_worker(waiter *self)
{
    for (int patience = FIRST_PATIENCE_MS; patience < LONGEST_PATIENCE_MS; patience *= 2) {
        if (self->came || self->broken || !(self->pending & BEGUN))
            return;
        self->broken = !take_completions(self, patience);
    }
}

static void wait_for_other_end(waiter *self)
{
    send_open(self);
    send_poll(self, self->job->fifo.cancel_fd, WISH);
    if (self->native >= 0)
        send_poll(self, self->native, POLL);
    while (!self->came && !self->wished && !self->broken && (self->pending & (OPEN | POLL)))
        self->broken = !take_completions(self, -1);
    self->over = true;
    wait_for_worker(self);
    end(self, POLL | WISH);
    if (!self->came && self->native >= 0)
        self->came = has_come(self->native);
    if (!self->came && self->path >= 0 && (self->pending & OPEN) && !self->broken) {
        (void)cedi_close_elsewhere(self->native);
        self->native = -1;
    }
    end(self, OPEN | BEGUN);
}

/* The way to the pipe for the second open, which the first descriptor's number might not be for
 * long enough. */
static void find_again(waiter *self)
{
    (void)snprintf(self->again, sizeof self->again, "/proc/self/fd/%d", self->native);
    self->path = cedi_own_fd(open(self->again, O_PATH | O_CLOEXEC));
    if (self->path >= 0)
        (void)snprintf(self->again, sizeof self->again, "/proc/self/fd/%d", self->path);
}

/* Of two that were opened one is delivered, of one that nobody came to none. */
static int choose(waiter *self)
{
    int one = self->native >= 0 ? self->native : self->opened;
    if (self->native >= 0 && self->opened >= 0)
        (void)cedi_close_elsewhere(self->opened);
    if (one >= 0 && one == self->opened && self->job->fifo.native >= 0)
        (void)fcntl(one, F_SETFL, self->job->fifo.flags & (O_APPEND | O_DIRECT));
    if (self->came || (self->native >= 0 && has_come(self->native)))
        return one;
    if (one >= 0)
        (void)cedi_close_elsewhere(one);
    return -1;
}

static void wait_on_thread(cedi_pool_job *pool_job, void *thread)
{
    uring_job *job = (uring_job *)pool_job;
    waiter self = {.job = job, .native = job->fifo.native, .path = -1, .opened = -1};
    struct io_uring_params params = {0};
    int error = -cedi_uring_ring_make(&self.ring, 8, &params), native;
    (void)thread;
    if (error == 0) {
        if (self.native >= 0)
            find_again(&self);
        wait_for_other_end(&self);
        cedi_uring_ring_leave(&self.ring);
        error = self.wished || !self.error ? ECANCELED : self.error;
        if (self.path >= 0)
            (void)close(self.path);
    }
    native = choose(&self);
    if (native >= 0)
        error = 0;
    job->work.status = cedi_error_final(error);
    job->work.os_error = error;
    job->work.count = error ? 0 : (uint64_t)native;
}

/* ---- On the loop's thread ------------------------------------------------------------------- */

static void start_waiting(uring *self, uring_job *job, int native)
{
    cede_status status = CEDE_OK;
    uint64_t token = job->token;
    int error = cedi_uring_fault(self, "eventfd");
    if (!error && native < 0 && !keep_place(job))
        error = errno;
    job->fifo.native = native;
    job->fifo.cancel_fd = error ? -1 : cedi_own_fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!error && job->fifo.cancel_fd < 0)
        error = errno;
    if (!error) {
        job->kind = URING_FIFO;
        job->pool.run = wait_on_thread;
        status = cedi_pool_run_alone(self->pool, &job->pool);
        error = status == CEDE_OK ? 0 : EAGAIN;
    }
    if (!error) {
        self->pool_live++;
        return;
    }
    if (native >= 0 && has_come(native))
        error = 0; /* there is nothing to wait for */
    else if (native >= 0)
        (void)close(native);
    if (job->fifo.cancel_fd >= 0)
        (void)close(job->fifo.cancel_fd);
    cedi_uring_job_free(self, job);
    self->works--;
    cede_core_done(self->core, token, cedi_error_final(error), error, error ? 0 : (uint64_t)native);
}

/* A seek is three times cheaper than asking what it is, and fails on few things. */
static bool is_pipe(int fd)
{
    struct stat what;
    return lseek(fd, 0, SEEK_CUR) < 0 && errno == ESPIPE && fstat(fd, &what) == 0 &&
           S_ISFIFO(what.st_mode);
}

/* False: no room for its entry. */
static bool try_open(uring *self, uring_job *job)
{
    const cede_args *args = &job->work.args;
    uint64_t user_data = job->token | URING_JOB;
    struct io_uring_sqe *sqe = cedi_uring_sqe(self);
    if (!sqe)
        return false;
    if (job->fifo.flags & O_NONBLOCK) {
        if (!job->fifo.placeless)
            (void)keep_place(job);
        cedi_uring_fill(sqe, IORING_OP_OPENAT, place(job), args->path.path, args->path.mode, 0,
                        user_data);
        sqe->open_flags = (uint32_t)job->fifo.flags;
        sqe->flags = self->work_flags;
        return true;
    }
    job->fifo.how.flags = (uint64_t)job->fifo.flags;
    job->fifo.how.mode = 0; /* it creates nothing */
    job->fifo.how.resolve = URING_RESOLVE_CACHED;
    cedi_uring_fill(sqe, IORING_OP_OPENAT2, AT_FDCWD, args->path.path, sizeof job->fifo.how,
                    (uint64_t)(uintptr_t)&job->fifo.how, user_data);
    return true;
}

bool cedi_uring_start_open(uring *self, const cede_work *work, int flags)
{
    uring_job *job = cedi_uring_job_new(self, work, URING_OPEN);
    if (!job)
        return cedi_uring_no_record(self, work);
    if ((flags & (O_CREAT | O_TRUNC)) || self->work_flags)
        flags |= O_NONBLOCK;
    job->fifo.flags = flags;
    job->fifo.placeless = false;
    if (try_open(self, job))
        return true;
    cedi_uring_job_free(self, job);
    return false;
}

static void try_again(uring *self, uring_job *job)
{
    uint64_t token = job->token;
    if (try_open(self, job))
        return;
    cedi_uring_job_free(self, job);
    self->works--;
    cede_core_done(self->core, token, CEDE_REPORT_AGAIN, EAGAIN, 0);
}

void cedi_uring_open_completed(uring *self, uring_job *job, int result)
{
    uint64_t token = job->token;
    int flags = job->fifo.flags;
    bool reads = (flags & O_ACCMODE) == O_RDONLY, writes = (flags & O_ACCMODE) == O_WRONLY;
    if ((result == -EAGAIN || result == -EINVAL) && !(flags & O_NONBLOCK)) {
        job->fifo.flags |= O_NONBLOCK;
        try_again(self, job);
        return;
    }
    if ((result == -EMFILE || result == -ENFILE) && job->set >= 0) {
        (void)close(job->set); /* for which it was one too many */
        job->set = -1;
        job->fifo.placeless = true;
        try_again(self, job);
        return;
    }
    if (result == -EAGAIN || (writes && result == -ENXIO)) {
        start_waiting(self, job, -1);
        return;
    }
    if (result >= 0 && (flags & O_NONBLOCK))
        (void)fcntl(result, F_SETFL, flags & (O_APPEND | O_DIRECT));
    if (result >= 0 && reads && is_pipe(result)) { /* for both ways it never waits */
        start_waiting(self, job, result);
        return;
    }
    cedi_uring_job_free(self, job);
    cedi_uring_report(self, token, result);
}

int cedi_uring_fifo_cancel(uring_job *job)
{
    static const uint64_t one = 1;
    while (write(job->fifo.cancel_fd, &one, sizeof one) < 0 && errno == EINTR)
        continue;
    return CEDE_CANCEL_SENT;
}
