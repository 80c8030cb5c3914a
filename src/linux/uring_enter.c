/*
 * Into the kernel and back: the submission queue, the wait, and what to do when the kernel will
 * not take anything. The loop's thread.
 *
 * liburing's own submit-and-wait calls hide what is needed here (which flags, which error, what
 * was submitted), so the queue's tail is published by hand, the way they do it: entries are used
 * in order, the index array is the identity (uring_setup.c), and no kernel thread reads the queue.
 */
#include "uring.h"

#include <errno.h>
#include <linux/magic.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define TURN_MOST   4096u /* completions that one wait reports, so that a turn is bounded */
#define GIVE_UP     1000u /* failed enters running */
#define SHORTAGE_NS (10 * CEDE_MILLISECOND) /* between two attempts to hand over what is queued */

/* ---- The system call ------------------------------------------------------------------------ */

URING_COLD static int enter_timed(uring *self, unsigned submit, unsigned wait_for, unsigned flags,
                                  uint64_t timeout_ns)
{
    struct __kernel_timespec time = {.tv_sec = (int64_t)(timeout_ns / CEDE_SECOND),
                                     .tv_nsec = (long long)(timeout_ns % CEDE_SECOND)};
    struct io_uring_getevents_arg argument = {.ts = (uint64_t)(uintptr_t)&time};
    return io_uring_enter2((unsigned)self->ring.enter_ring_fd, submit, wait_for,
                           flags | self->enter_flags | IORING_ENTER_EXT_ARG,
                           (sigset_t *)(void *)&argument, sizeof argument);
}

/* Without EXT_ARG the limit is an entry of its own (cedi_uring_timeout). */
static inline int enter_plain(uring *self, unsigned submit, unsigned wait_for, unsigned flags,
                              uint64_t timeout_ns)
{
    if (wait_for && timeout_ns != CEDE_FOREVER && self->has_ext_arg)
        return enter_timed(self, submit, wait_for, flags, timeout_ns);
    return io_uring_enter2((unsigned)self->ring.enter_ring_fd, submit, wait_for,
                           flags | self->enter_flags, NULL, _NSIG / 8);
}

/* Pipes of pipe(2) take RWF_NOWAIT, those with names in a file system do not (EOPNOTSUPP). */
static bool has_name(int fd)
{
    struct statfs system;
    return fstatfs(fd, &system) != 0 || system.f_type != PIPEFS_MAGIC;
}

/* Without DEFER_TASKRUN the kernel tries a write that waited again when the thread leaves whatever
 * system call it is in, and the signal comes there, where it is not blocked (measured). So on such
 * rings each try is made inside our own call: a stream without room says EAGAIN and is polled for.
 * A pipe that does not take the flag (of any kind before 6.4) is tried on workers, which get no
 * signal. */
unsigned cedi_uring_signal_flags(uring *self, struct io_uring_sqe *sqe)
{
    struct stat what;
    self->odd |= URING_ODD_SIGPIPE;
    if (!(self->odd & URING_ODD_NOWAIT) || fstat(sqe->fd, &what) != 0)
        return 0;
    if (S_ISFIFO(what.st_mode) && has_name(sqe->fd)) {
        sqe->flags |= IOSQE_ASYNC;
        return 0;
    }
    return S_ISFIFO(what.st_mode) || S_ISSOCK(what.st_mode) ? RWF_NOWAIT : 0;
}

/*
 * A write to a broken pipe raises SIGPIPE on the thread that is in io_uring_enter, at submission or
 * whenever the write is tried again. Linux 6.18 has a flag against it, which costs nothing
 * (stream_flags). Before, the signal is blocked around the call and taken away again, from the
 * first write that might raise it on: about 0.3 us a call, paid only by loops that write to
 * streams. The process's disposition and the thread's own mask are as they were. A short write can
 * raise it too, so there is no telling from the results.
 */
static int enter_masked(uring *self, unsigned submit, unsigned wait_for, unsigned flags,
                        uint64_t timeout_ns)
{
    static const struct timespec no_time;
    sigset_t broken, before, pending;
    bool blocked, theirs = false;
    int result;
    (void)sigemptyset(&broken);
    (void)sigaddset(&broken, SIGPIPE);
    (void)pthread_sigmask(SIG_BLOCK, &broken, &before);
    blocked = sigismember(&before, SIGPIPE) == 1;
    if (blocked)
        theirs = sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
    result = enter_plain(self, submit, wait_for, flags, timeout_ns);
    if (!theirs) {
        while (sigtimedwait(&broken, NULL, &no_time) < 0 && errno == EINTR)
            continue;
    }
    if (!blocked)
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result;
}

/* For tools that look after threads themselves and do not know that the ring's call blocks:
 * valgrind lets no other thread run meanwhile (3.19, measured), but it knows poll. */
static int enter_polled(uring *self, unsigned submit, unsigned flags, uint64_t timeout_ns)
{
    struct pollfd ring = {.fd = self->ring.ring_fd, .events = POLLIN};
    struct timespec time = {.tv_sec = (time_t)(timeout_ns / CEDE_SECOND),
                            .tv_nsec = (long)(timeout_ns % CEDE_SECOND)};
    int result = enter_plain(self, submit, 0, flags, 0);
    if (result == (int)submit && !cedi_uring_completed(self))
        (void)ppoll(&ring, 1, timeout_ns == CEDE_FOREVER ? NULL : &time, NULL);
    return result;
}

URING_COLD static int enter_oddly(uring *self, unsigned submit, unsigned wait_for, unsigned flags,
                                  uint64_t timeout_ns)
{
    int error = cedi_uring_fault(self, "enter");
    if (error)
        return -error;
    if (self->odd & URING_ODD_SIGPIPE)
        return enter_masked(self, submit, wait_for, flags, timeout_ns);
    if (wait_for && (self->odd & URING_ODD_POLLED))
        return enter_polled(self, submit, flags, timeout_ns);
    return enter_plain(self, submit, wait_for, flags, timeout_ns);
}

static inline int enter(uring *self, unsigned submit, unsigned wait_for, unsigned flags,
                        uint64_t timeout_ns)
{
    if (URING_UNLIKELY(self->odd & URING_ODD_ENTER))
        return enter_oddly(self, submit, wait_for, flags, timeout_ns);
    return enter_plain(self, submit, wait_for, flags, timeout_ns);
}

/* Shows the kernel what was filled; returns how many entries it has not taken yet. */
static inline unsigned publish(uring *self)
{
    struct io_uring_sq *sq = &self->ring.sq;
    sq->sqe_head = sq->sqe_tail;
    __atomic_store_n(sq->ktail, sq->sqe_tail, __ATOMIC_RELEASE);
    return cedi_uring_unsubmitted(self);
}

URING_COLD struct io_uring_sqe *cedi_uring_sqe_slow(uring *self)
{
    if (URING_UNLIKELY(self->config.fault != NULL)) {
        struct io_uring_sqe *sqe;
        if (cedi_uring_fault(self, "entry"))
            return NULL;
        sqe = io_uring_get_sqe(&self->ring);
        if (sqe)
            return sqe;
    }
    /* Completions that nobody has reaped: first room for more, or they overflow. */
    if (cedi_uring_completed(self) > self->ring.cq.ring_entries / 2 ||
        (cedi_uring_wants(self) & IORING_SQ_CQ_OVERFLOW))
        return NULL;
    if (!self->enabled)
        return NULL;
    (void)enter(self, publish(self), 0, 0, 0);
    return io_uring_get_sqe(&self->ring);
}

/* It stopped at an entry that it refused, or for want of room, and did not wait. */
URING_COLD static int enter_again(uring *self, unsigned wait_for, uint64_t timeout_ns)
{
    int result = 1;
    unsigned submit;
    while (result > 0 && (submit = cedi_uring_unsubmitted(self)) > 0)
        result = enter(self, submit, wait_for, IORING_ENTER_GETEVENTS, timeout_ns);
    return result < 0 ? result : 0;
}

static inline int flush_and_wait(uring *self, unsigned wait_for, uint64_t timeout_ns)
{
    unsigned submit = publish(self);
    int result = enter(self, submit, wait_for, IORING_ENTER_GETEVENTS, timeout_ns);
    if (URING_LIKELY(result == (int)submit))
        return 0;
    return result <= 0 ? result : enter_again(self, wait_for, timeout_ns);
}

int cedi_uring_enter(uring *self, unsigned wait_for, uint64_t timeout_ns)
{
    return flush_and_wait(self, wait_for, timeout_ns);
}

/* ---- Shortage ------------------------------------------------------------------------------- */

typedef struct staged {
    uint64_t works;             /* entries of works that the kernel has not taken */
    struct io_uring_sqe *first; /* the first of them */
    bool watch;                 /* the watch's entry is among those not taken */
} staged;

static staged look_at_staged(uring *self)
{
    const struct io_uring_sq *sq = &self->ring.sq;
    staged found = {0, NULL, false};
    unsigned head = __atomic_load_n(sq->khead, __ATOMIC_ACQUIRE);
    for (; head != sq->sqe_tail; head++) {
        struct io_uring_sqe *sqe = &sq->sqes[head & sq->ring_mask];
        if (!(sqe->user_data & URING_CANCEL)) {
            found.first = found.first ? found.first : sqe;
            found.works++;
        } else if (sqe->user_data == (URING_OWN | URING_OWN_WATCH)) {
            found.watch = true;
        }
    }
    return found;
}

/* Fails the first staged work: nothing is in flight whose end would make room (law 15). Its entry
 * cannot be taken out of the middle of the queue, so it becomes one that does nothing. A close does
 * not fail for want of room (law 10): it is made here and now. */
static void take_back(uring *self, struct io_uring_sqe *sqe, int error)
{
    uint64_t token = sqe->user_data & ~URING_TAGS;
    cede_status status = error == -ENOMEM ? CEDE_ENOMEM : CEDE_EAGAIN;
    uint64_t moved = 0;
    if (sqe->user_data & URING_JOB) {
        uring_job *job = cedi_uring_job_find(self, token);
        if (job->kind == URING_FILE)
            moved = cedi_uring_file_left(self, job);
        if (job->kind == URING_NET && job->net.native >= 0)
            (void)close(job->net.native); /* a connect's socket */
        if (job->kind == URING_PICK)
            cedi_uring_pick_left(job);
        cedi_uring_job_free(self, job);
    }
    if (sqe->opcode == IORING_OP_CLOSE) {
        cedi_uring_child_forget(self, sqe->fd);
        error = close(sqe->fd) != 0 ? -errno : 0;
        status = error ? cedi_error_final(-error) : CEDE_OK;
    }
    cedi_uring_fill(sqe, IORING_OP_NOP, -1, NULL, 0, 0, URING_OWN | URING_OWN_NOTHING);
    self->works--;
    cede_core_done(self->core, token, moved ? CEDE_OK : status, moved ? 0 : -error, moved);
    cedi_uring_files_serve(self);
}

/* The kernel has no room for what is queued (-EAGAIN, -ENOMEM), or wants its completions taken
 * first (-EBUSY). Waits for what it has already, if that can end the wait, but not for long: among
 * what is queued may be the cancel, or the write, that alone would end what it has. */
static cede_status shortage(uring *self, int error, uint64_t timeout_ns)
{
    staged queued;
    if (++self->failures >= GIVE_UP)
        return cedi_error_final(error);
    if (cedi_uring_completed(self) || cedi_pool_has_finished(self->pool))
        return CEDE_OK;
    queued = look_at_staged(self);
    if (self->works == queued.works + self->files.waiting + self->signal_works) {
        if (queued.first)
            take_back(self, queued.first, error);
        return CEDE_OK;
    }
    if (timeout_ns > SHORTAGE_NS)
        timeout_ns = SHORTAGE_NS;
    if (timeout_ns && self->watching && !queued.watch && self->has_ext_arg)
        (void)enter(self, 0, 1, IORING_ENTER_GETEVENTS, timeout_ns);
    return CEDE_OK;
}

URING_COLD static cede_status trouble(uring *self, int error, uint64_t timeout_ns)
{
    switch (error) {
    case -EINTR:
    case -ETIME:
        return CEDE_OK;
    case -EAGAIN:
    case -EBUSY:
    case -ENOMEM:
        return shortage(self, error, timeout_ns);
    default: /* a wrong thread (-EEXIST), completions lost (-EBADR): beyond use */
        return cedi_error_final(error);
    }
}

/* ---- The wait ------------------------------------------------------------------------------- */

static inline bool may_sleep(uring *self, uint64_t timeout_ns)
{
    if (cedi_uring_completed(self) || cedi_pool_has_finished(self->pool))
        return false;
    if (URING_UNLIKELY(self->listener != NULL) && cedi_signals_came(self->listener))
        return false;
    if (URING_UNLIKELY(!self->watching) && !cedi_uring_watch(self))
        return false;
    return URING_LIKELY(timeout_ns == CEDE_FOREVER || self->has_ext_arg) ||
           cedi_uring_timeout(self, timeout_ns);
}

URING_COLD static unsigned reap_overflow(uring *self, unsigned most)
{
    while (most > 0 && (cedi_uring_wants(self) & IORING_SQ_CQ_OVERFLOW)) {
        if (cedi_uring_enter(self, 0, 0) != 0)
            break;
        most -= cedi_uring_reap(self, most);
    }
    return most;
}

cede_status cedi_uring_wait(void *context, uint64_t timeout_ns)
{
    uring *self = context;
    cede_status status = CEDE_OK;
    unsigned most = TURN_MOST;
    if (URING_UNLIKELY(self->odd & URING_ODD_EMBEDDED))
        cedi_uring_drain(self);
    if (timeout_ns && !may_sleep(self, timeout_ns))
        timeout_ns = 0;
    /* Without the wish to sleep, only what the kernel can be seen to need is a reason to call. */
    if (timeout_ns || cedi_uring_unsubmitted(self) || cedi_uring_wants(self)) {
        int error = flush_and_wait(self, timeout_ns != 0, timeout_ns);
        if (URING_UNLIKELY(error))
            status = trouble(self, error, timeout_ns);
        else
            self->failures = 0;
    }
    most -= cedi_uring_reap(self, most);
    if (URING_UNLIKELY(cedi_uring_wants(self) & IORING_SQ_CQ_OVERFLOW))
        most = reap_overflow(self, most);
    if (URING_UNLIKELY(cedi_pool_has_finished(self->pool)))
        cedi_uring_take_finished(self);
    if (URING_UNLIKELY(self->listener != NULL) && cedi_signals_came(self->listener))
        cedi_uring_signals_came(self);
    if (URING_UNLIKELY(self->odd & URING_ODD_EMBEDDED) && (cedi_uring_completed(self) || most == 0))
        cedi_uring_signal(self);
    return status;
}
