/*
 * What ends a wait besides completions: wakes from other threads, the time limit where the kernel
 * takes none, and the descriptor for those who wait in a loop of their own.
 *
 * A wake is a flag and a write to an eventfd; the ring watches it by a read entry, armed before the
 * first sleep after each wake, so that a wake costs the loop one entry and no system call. The flag
 * keeps the counter from ever filling up, so the write cannot block: only who sets it writes, and
 * the loop clears it when the read has completed. A wake that finds it set is covered by the one
 * that set it: the loop has yet to look.
 *
 * Threads: wake is for any; the rest is the loop's.
 */
#include "uring.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

static void write_one(int fd)
{
    static const uint64_t one = 1;
    while (write(fd, &one, sizeof one) < 0 && errno == EINTR)
        continue; /* EAGAIN: it is readable, which is all that was wanted */
}

void cedi_uring_wake(void *context)
{
    uring *self = context;
    if (!atomic_exchange_explicit(&self->woken, true, memory_order_seq_cst))
        write_one(self->wake_fd);
    if (atomic_load_explicit(&self->signals_ready, memory_order_seq_cst)) {
        atomic_store_explicit(&self->woken_outside, true, memory_order_seq_cst);
        write_one(self->ready_fd);
    }
}

bool cedi_uring_watch(uring *self)
{
    struct io_uring_sqe *sqe = cedi_uring_sqe(self);
    if (!sqe)
        return false;
    cedi_uring_fill(sqe, IORING_OP_READ, self->wake_fd, &self->wake_value, sizeof self->wake_value,
                    0, URING_OWN | URING_OWN_WATCH);
    self->watching = true;
    return true;
}

void cedi_uring_watched(uring *self)
{
    self->watching = false;
    if (self->wake_value == 0)
        return; /* the read failed; the next sleep arms another */
    self->wake_value = 0;
    /* An exchange, not a store: it sees what a waker that found the flag set did before. */
    (void)atomic_exchange_explicit(&self->woken, false, memory_order_seq_cst);
}

void cedi_uring_unwatch(uring *self)
{
    unsigned tries = 1000;
    if (self->watching)
        write_one(self->wake_fd);
    while (self->watching && tries--) {
        int error = cedi_uring_enter(self, 1, CEDE_FOREVER);
        if (error && error != -EINTR && error != -EAGAIN && error != -EBUSY)
            break;
        (void)cedi_uring_reap(self, UINT32_MAX);
    }
}

/* ---- For a foreign loop --------------------------------------------------------------------- */

/* With DEFER_TASKRUN polling the ring's descriptor wakes nobody; a registered eventfd does. It is
 * another than the one for wakes: that one is watched by the ring, and would see its own. */
static bool embed(uring *self)
{
    int fd;
    if (cedi_uring_fault(self, "eventfd"))
        return false;
    fd = cedi_own_fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (fd < 0)
        return false;
    if (cedi_uring_fault(self, "register") || io_uring_register_eventfd(&self->ring, fd) != 0) {
        (void)close(fd);
        return false;
    }
    self->ready_fd = fd;
    self->odd |= URING_ODD_EMBEDDED;
    atomic_store_explicit(&self->signals_ready, true, memory_order_seq_cst);
    atomic_store(&self->woken_outside, true); /* whatever happened before anybody looked */
    return true;
}

static void drain(uring *self)
{
    uint64_t value;
    while (read(self->ready_fd, &value, sizeof value) < 0 && errno == EINTR)
        continue; /* EAGAIN: it was not readable */
}

/* Made unreadable first, then readable if there is a reason; so whatever comes between is seen. A
 * wake since the last call counts as one, though the loop may have looked already: at worst the
 * foreign loop runs it once in vain. */
intptr_t cedi_uring_waitable(void *context)
{
    uring *self = context;
    if (!(self->odd & URING_ODD_EMBEDDED) && !embed(self))
        return -1;
    drain(self);
    if (cedi_uring_unsubmitted(self) || cedi_uring_wants(self))
        (void)cedi_uring_enter(self, 0, 0);
    if (self->works == 0)
        (void)cedi_uring_reap(self, UINT32_MAX); /* our own only: nobody need run the loop for it */
    if (atomic_exchange_explicit(&self->woken_outside, false, memory_order_seq_cst) ||
        cedi_uring_completed(self) || cedi_uring_unsubmitted(self) || cedi_uring_wants(self) ||
        cedi_pool_has_finished(self->pool))
        write_one(self->ready_fd);
    return self->ready_fd;
}

void cedi_uring_drain(uring *self)
{
    drain(self);
    /* A loop that never sleeps here would never clear the flag. */
    if (!self->watching && atomic_load_explicit(&self->woken, memory_order_relaxed))
        (void)cedi_uring_watch(self);
}

void cedi_uring_signal(uring *self)
{
    write_one(self->ready_fd);
}

/* ---- Time ----------------------------------------------------------------------------------- */

static uint64_t read_clock(clockid_t clock)
{
    struct timespec t;
    (void)clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * CEDE_SECOND + (uint64_t)t.tv_nsec;
}

uint64_t cedi_uring_now(void *self)
{
    (void)self;
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t cedi_uring_now_coarse(void *self)
{
    (void)self;
    return read_clock(CLOCK_MONOTONIC_COARSE);
}

/* For kernels before 5.11, which take no time limit with the wait: an entry that completes when it
 * is over. One is armed at a time; one that ends earlier than asked for only makes the core look
 * too early. */
bool cedi_uring_timeout(uring *self, uint64_t timeout_ns)
{
    uint64_t now = cedi_uring_now(self);
    uint64_t at = timeout_ns > INT64_MAX - now ? INT64_MAX : now + timeout_ns;
    struct io_uring_sqe *sqe;
    if (self->timeout_number && self->timeout_at <= at)
        return true;
    if (self->timeout_number) {
        sqe = cedi_uring_sqe(self);
        if (!sqe)
            return false;
        cedi_uring_fill(sqe, IORING_OP_TIMEOUT_REMOVE, -1, NULL, 0, 0,
                        URING_OWN | URING_OWN_NOTHING);
        sqe->addr = URING_OWN | URING_OWN_TIMEOUT | self->timeout_number << URING_OWN_SHIFT;
        self->timeout_number = 0;
    }
    sqe = cedi_uring_sqe(self);
    if (!sqe)
        return false;
    self->timeout_at = at;
    self->timeout_number = ++self->timeouts & (UINT64_MAX >> 16);
    self->timeout_spec.tv_sec = (int64_t)(at / CEDE_SECOND);
    self->timeout_spec.tv_nsec = (long long)(at % CEDE_SECOND);
    cedi_uring_fill(sqe, IORING_OP_TIMEOUT, -1, &self->timeout_spec, 1, 0,
                    URING_OWN | URING_OWN_TIMEOUT | self->timeout_number << URING_OWN_SHIFT);
    sqe->timeout_flags = IORING_TIMEOUT_ABS;
    return true;
}

void cedi_uring_timed_out(uring *self, uint64_t number)
{
    if (number == self->timeout_number)
        self->timeout_number = 0; /* another was armed since, if not */
}
