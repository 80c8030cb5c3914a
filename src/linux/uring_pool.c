/*
 * Receives into buffers of a pool.
 *
 * Where the kernel has rings of buffers (Linux 5.19), it picks: a pool is registered when the first
 * receive names it, and every free buffer is put into its ring, so that a receive which waits holds
 * none. A many-shot receive is then one entry for as long as there are buffers (Linux 6.0). Its
 * completions name the buffer; nothing of ours is kept for them.
 *
 * Else, and of terminals, a record goes in steps: wait until there is data, pick (or let the
 * kernel), receive without waiting; if the data has gone meanwhile, put the buffer back and wait
 * again.
 *
 * The loop's thread. A registered pool lives until the core says that no receive uses it.
 */
#include "uring.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>

typedef struct uring_pool {
    struct io_uring_buf_ring *ring;
    size_t ring_bytes;
    uint16_t group, mask, tail;
    struct uring_pool *next_free;
} uring_pool;

/* What a pool that cannot be registered has instead. */
static uring_pool unregistered;

/* ---- The kernel's rings --------------------------------------------------------------------- */

static void put(uring_pool *pool, const cede_pool_view *view, uint32_t number)
{
    struct io_uring_buf *slot = &pool->ring->bufs[pool->tail & pool->mask];
    slot->addr = (uint64_t)(uintptr_t)(view->base + number * view->stride_bytes);
    slot->len = view->buffer_bytes;
    slot->bid = (uint16_t)number;
    pool->tail++;
    __atomic_store_n(&pool->ring->tail, pool->tail, __ATOMIC_RELEASE);
}

void cedi_uring_pool_give(void *self, cede_pool_view *view, uint32_t number)
{
    (void)self;
    if (view->self == &unregistered)
        cede_core_unpick(view, number);
    else
        put(view->self, view, number);
}

/* A group's number is 16 bits wide: so many rings there are at most, and pools beyond them have
 * none. A number is its record's for good, and both are used again. */
static uring_pool *record_new(uring *self)
{
    uring_pool *pool = self->pools_free;
    if (pool) {
        self->pools_free = pool->next_free;
        return pool;
    }
    if (self->groups > UINT16_MAX)
        return NULL;
    pool = cedi_memory_get(sizeof *pool);
    if (pool)
        pool->group = (uint16_t)self->groups++;
    return pool;
}

static void record_free(uring *self, uring_pool *pool)
{
    pool->next_free = self->pools_free;
    self->pools_free = pool;
}

static int register_ring(uring *self, uring_pool *pool, uint32_t entries)
{
    struct io_uring_buf_reg wanted = {.ring_entries = entries, .bgid = pool->group};
    int error = -cedi_uring_fault(self, "register");
    wanted.ring_addr = (uint64_t)(uintptr_t)pool->ring;
    return error ? error : io_uring_register_buf_ring(&self->ring, &wanted, 0);
}

static uring_pool *pool_new(uring *self, const cede_pool_view *view)
{
    uring_pool *pool = record_new(self);
    uint32_t entries = 1;
    if (!pool)
        return NULL;
    while (entries < view->count)
        entries *= 2;
    pool->tail = 0;
    pool->mask = (uint16_t)(entries - 1);
    pool->ring_bytes = entries * sizeof(struct io_uring_buf);
    pool->ring =
        mmap(NULL, pool->ring_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pool->ring != MAP_FAILED) {
        if (register_ring(self, pool, entries) == 0)
            return pool;
        (void)munmap(pool->ring, pool->ring_bytes);
    }
    record_free(self, pool);
    return NULL;
}

void cedi_uring_pool_close(void *context, cede_pool_view *view)
{
    uring *self = context;
    uring_pool *pool = view->self;
    if (pool == &unregistered)
        return;
    (void)io_uring_unregister_buf_ring(&self->ring, pool->group);
    (void)munmap(pool->ring, pool->ring_bytes);
    record_free(self, pool);
}

void cedi_uring_pools_free(uring *self)
{
    while (self->pools_free) {
        uring_pool *next = self->pools_free->next_free;
        cedi_memory_free(self->pools_free);
        self->pools_free = next;
    }
}

/* The kernel's side of it; NULL: there is none. */
static const uring_pool *registered(uring *self, cede_pool_view *view)
{
    uint32_t number;
    if (URING_UNLIKELY(!view->self)) {
        uring_pool *pool =
            self->config.without & CEDE_URING_NO_BUFFER_RING ? NULL : pool_new(self, view);
        view->self = pool ? pool : &unregistered;
        while (pool && cede_core_pick(view, &number))
            put(pool, view, number);
    }
    return view->self == &unregistered ? NULL : view->self;
}

int cedi_uring_pool_group(const cede_pool_view *view)
{
    const uring_pool *pool = view->self;
    return !pool || pool == &unregistered ? -1 : pool->group;
}

/* ---- In steps ------------------------------------------------------------------------------- */

/* Which would be told by its receive, and never becomes readable. */
static bool only_writes(const cede_work *work)
{
    int flags = work->kind != CEDE_KIND_STREAM ? fcntl((int)work->native, F_GETFL) : 0;
    return flags >= 0 && (flags & O_ACCMODE) == O_WRONLY;
}

static bool start_steps(uring *self, const cede_work *work)
{
    uring_job *job;
    if (only_writes(work))
        return cedi_uring_failed(self, work, EBADF);
    job = cedi_uring_job_new(self, work, URING_PICK);
    if (!job)
        return cedi_uring_no_record(self, work);
    job->picked.kind = work->kind;
    job->picked.view = cede_core_pool(work);
    job->picked.number = UINT32_MAX;
    job->picked.reading = false;
    job->picked.may_wait = false;
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

/* Data was there. It may be gone: another may read too. So the receive does not wait, with a buffer
 * in its hand that others could have; of what cannot be told not to (terminals, pipes of older
 * kernels, pipes with names) it does. */
static void receive(uring *self, uring_job *job)
{
    cede_pool_view *view = job->picked.view;
    bool socket = job->picked.kind == CEDE_KIND_STREAM;
    int group = cedi_uring_pool_group(view);
    struct io_uring_sqe *sqe;
    if (group < 0 && !cede_core_pick(view, &job->picked.number)) {
        over(self, job, CEDE_REPORT_POOL, ENOBUFS, 0);
        return;
    }
    sqe = cedi_uring_sqe(self);
    if (!sqe) {
        cedi_uring_pick_left(job);
        over(self, job, CEDE_REPORT_AGAIN, EAGAIN, 0);
        return;
    }
    job->picked.reading = true;
    cedi_uring_fill(sqe, socket ? IORING_OP_RECV : IORING_OP_READ, (int)job->work.native,
                    group < 0 ? view->base + job->picked.number * view->stride_bytes : NULL,
                    view->buffer_bytes, socket ? 0 : (uint64_t)CEDE_CURRENT,
                    job->token | URING_JOB);
    sqe->flags = cedi_uring_flags(self, job->picked.kind);
    if (socket)
        sqe->msg_flags = MSG_DONTWAIT;
    else if ((job->picked.kind & CEDE_KIND_PIPE) && !job->picked.may_wait)
        sqe->rw_flags = RWF_NOWAIT;
    if (group >= 0) {
        sqe->flags |= IOSQE_BUFFER_SELECT;
        sqe->buf_group = (uint16_t)group;
    }
}

/* The kernel takes a terminal's word that something came for its being enough (VMIN). */
static bool is_enough(const uring_job *job)
{
    struct pollfd one = {.fd = (int)job->work.native, .events = POLLIN};
    return job->picked.kind != CEDE_KIND_TTY || poll(&one, 1, 0) != 0;
}

void cedi_uring_pick_left(uring_job *job)
{
    if (job->picked.number != UINT32_MAX)
        cede_core_unpick(job->picked.view, job->picked.number);
    job->picked.number = UINT32_MAX;
}

void cedi_uring_pick_completed(uring *self, uring_job *job, int result)
{
    uint32_t number = job->picked.number;
    if (!job->picked.reading && result >= 0) {
        if (is_enough(job))
            receive(self, job);
        else if (!cedi_uring_ready_ask(self, job, POLLIN))
            over(self, job, CEDE_REPORT_AGAIN, EAGAIN, 0);
        return;
    }
    if (result == -EOPNOTSUPP && job->picked.reading && !job->picked.may_wait) {
        cedi_uring_pick_left(job);
        job->picked.may_wait = true;
        receive(self, job);
        return;
    }
    if (self->told & IORING_CQE_F_BUFFER)
        number = self->told >> IORING_CQE_BUFFER_SHIFT;
    if (number != UINT32_MAX && (result >= 0 || !CEDI_FAULT(FAILED_KEEPS_BUFFER)))
        cede_core_item(self->core, job->token, result > 0 ? (uint64_t)result : 0, number);
    if (result >= 0)
        over(self, job, CEDE_OK, 0, (uint64_t)result);
    else if (result == -ENOBUFS)
        over(self, job, CEDE_REPORT_POOL, ENOBUFS, 0);
    else
        over(self, job, result == -EAGAIN ? CEDE_REPORT_POLL : cedi_error_status(result), -result,
             0);
}

/* ---- By the kernel's choice ----------------------------------------------------------------- */

static bool start(uring *self, const cede_work *work, bool many)
{
    const uring_pool *pool = registered(self, cede_core_pool(work));
    bool socket = work->kind == CEDE_KIND_STREAM;
    struct io_uring_sqe *sqe;
    /* A read of a terminal waits on a worker, who would pick before there is anything. */
    if (URING_UNLIKELY(!pool || work->kind == CEDE_KIND_TTY))
        return start_steps(self, work);
    sqe = cedi_uring_sqe(self);
    if (URING_UNLIKELY(!sqe))
        return false;
    cedi_uring_fill(sqe, socket ? IORING_OP_RECV : IORING_OP_READ, (int)work->native, NULL,
                    socket ? 0 : cede_core_pool(work)->buffer_bytes, 0, work->token);
    sqe->flags = cedi_uring_flags(self, work->kind) | IOSQE_BUFFER_SELECT;
    sqe->buf_group = pool->group;
    if (!socket) {
        sqe->off = (uint64_t)CEDE_CURRENT;
    } else if (many && self->has_recv_many) {
        sqe->ioprio = IORING_RECV_MULTISHOT;
        sqe->flags &= (uint8_t)~IOSQE_ASYNC; /* never reported, of a local stream that has ended */
    }
    return true;
}

bool cedi_uring_start_recv_pool(uring *self, const cede_work *work)
{
    return start(self, work, false);
}

bool cedi_uring_start_recv_many(uring *self, const cede_work *work)
{
    return start(self, work, !(work->how & CEDE_WORK_ONE));
}

/* A completion with a buffer, or not the last of its entry. */
void cedi_uring_shot(uring *self, uint64_t token, int result, unsigned flags)
{
    bool buffer = flags & IORING_CQE_F_BUFFER;
    if (buffer) /* until 5.19 also at the end of a stream */
        cede_core_item(self->core, token, result > 0 ? (uint64_t)result : 0,
                       flags >> IORING_CQE_BUFFER_SHIFT);
    if (!(flags & IORING_CQE_F_MORE))
        cedi_uring_report(self, token, result);
    else if (!buffer && result >= 0)
        cede_core_item(self->core, token, (uint64_t)result, 0); /* a client */
}
