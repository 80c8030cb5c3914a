/*
 * Records of work that a token alone cannot serve: what runs on the pool, and what must be looked
 * at again when the kernel has done it.
 *
 * Records are made in chunks that double, recycled, and freed by close; so the steady state
 * allocates nothing. They are found by token, through a hash: a cancel knows nothing else.
 *
 * Threads: all is the loop's, but run_on_pool: a pool thread has the record's work, and nothing
 * else of it, between submit and take.
 */
#include "uring.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define FIRST_CHUNK 32u

typedef struct uring_chunk {
    struct uring_chunk *older;
    uint32_t count;
    uring_job jobs[];
} uring_chunk;

/* ---- Records -------------------------------------------------------------------------------- */

static uring_job **bucket_of(const uring *self, uint64_t token)
{
    return &self->buckets[token * UINT64_C(0x9e3779b97f4a7c15) >> self->bucket_shift];
}

/* Doubles the number of records. Only when none is free, so every record there is stands in the
 * table. */
static bool grow(uring *self)
{
    uint32_t count = self->jobs_made ? self->jobs_made : FIRST_CHUNK;
    uint32_t total = self->jobs_made + count, shift = 63;
    uring_chunk *chunk = cedi_memory_get(sizeof *chunk + count * sizeof chunk->jobs[0]);
    uring_job **buckets;
    while (shift > 32 && UINT64_C(1) << (64 - shift) < total)
        shift--;
    buckets = cedi_memory_get((UINT64_C(1) << (64 - shift)) * sizeof *buckets);
    if (!chunk || !buckets) {
        cedi_memory_free(chunk);
        cedi_memory_free(buckets);
        return false;
    }
    cedi_memory_free(self->buckets);
    self->buckets = buckets;
    self->bucket_shift = shift;
    for (uring_chunk *old = self->chunks; old; old = old->older) {
        for (uint32_t i = 0; i < old->count; i++) {
            uring_job **bucket = bucket_of(self, old->jobs[i].token);
            old->jobs[i].chain = *bucket;
            *bucket = &old->jobs[i];
        }
    }
    chunk->count = count;
    chunk->older = self->chunks;
    self->chunks = chunk;
    self->jobs_made = total;
    for (uint32_t i = count; i-- > 0;) {
        chunk->jobs[i].chain = self->free_jobs;
        self->free_jobs = &chunk->jobs[i];
    }
    return true;
}

/* A close that lingers needs no memory (law 15): there is one record for that, and another that
 * comes while it is taken is put off. It does not stand in the table: nothing cancels it. */
static uring_job *reserve(uring *self, const cede_work *work)
{
    if (work->op != CEDE_OP_CLOSE || self->reserve_taken)
        return NULL;
    self->reserve_taken = true;
    return &self->reserve;
}

static uring_job *fill(uring_job *job, const cede_work *work, unsigned kind)
{
    job->token = work->token;
    job->kind = (uint8_t)kind;
    job->set = -1;
    job->work.args = *work->args;
    job->work.op = work->op;
    job->work.native = work->native;
    job->work.native_other = work->native_other;
    job->work.moved = work->moved;
    return job;
}

uring_job *cedi_uring_job_new(uring *self, const cede_work *work, unsigned kind)
{
    uring_job *job, **bucket;
    if (URING_UNLIKELY(!self->free_jobs)) {
        job = reserve(self, work);
        if (job)
            return fill(job, work, kind);
        if (!grow(self))
            return NULL;
    }
    job = self->free_jobs;
    self->free_jobs = job->chain;
    (void)fill(job, work, kind);
    bucket = bucket_of(self, job->token);
    job->chain = *bucket;
    *bucket = job;
    self->jobs_live++;
    return job;
}

bool cedi_uring_no_record(uring *self, const cede_work *work)
{
    self->works--; /* start counts it */
    cede_core_starved(self->core, work, ENOMEM);
    return true;
}

uring_job *cedi_uring_job_find(const uring *self, uint64_t token)
{
    uring_job *job = *bucket_of(self, token);
    while (job && job->token != token)
        job = job->chain;
    return job;
}

void cedi_uring_job_free(uring *self, uring_job *job)
{
    uring_job **place;
    if (URING_UNLIKELY(job == &self->reserve)) {
        self->reserve_taken = false;
        return;
    }
    cedi_uring_ready_left(job);
    place = bucket_of(self, job->token);
    while (*place != job)
        place = &(*place)->chain;
    *place = job->chain;
    job->chain = self->free_jobs;
    self->free_jobs = job;
    self->jobs_live--;
}

void cedi_uring_jobs_free(uring *self)
{
    while (self->chunks) {
        uring_chunk *older = self->chunks->older;
        cedi_memory_free(self->chunks);
        self->chunks = older;
    }
    cedi_memory_free(self->buckets);
    self->buckets = NULL;
}

/* ---- On the pool ---------------------------------------------------------------------------- */

static void run_on_pool(cedi_pool_job *job, void *thread)
{
    (void)thread;
    cedi_blocking_perform(&((uring_job *)job)->work);
}

/* What ends something waits for no work (law 10). */
static cede_status submit(uring *self, uring_job *job)
{
    uint32_t op = job->work.op;
    cede_status status;
    job->pool.run = run_on_pool;
    job->pool.holds = op == CEDE_OP_WORK;
    status = op == CEDE_OP_CLOSE || op == CEDE_OP_WATCH_MANY
                 ? cedi_pool_submit_past(self->pool, &job->pool)
                 : cedi_pool_submit(self->pool, &job->pool);
    self->pool_live += status == CEDE_OK;
    return status;
}

bool cedi_uring_to_pool_with(uring *self, const cede_work *work, const int streams[3])
{
    uring_job *job = cedi_uring_job_new(self, work, URING_ON_POOL);
    cede_status status;
    if (!job) {
        if (streams)
            cedi_child_streams_close(streams);
        return cedi_uring_no_record(self, work);
    }
    if (streams)
        memcpy(job->work.streams, streams, sizeof job->work.streams);
    status = submit(self, job);
    if (status == CEDE_OK)
        return true;
    cedi_uring_job_free(self, job);
    if (streams)
        cedi_child_streams_close(streams);
    if (work->op == CEDE_OP_CLOSE) { /* which does not fail for want of a thread (law 10) */
        if (!cedi_net_lingers((int)work->native))
            return cedi_uring_close_here(self, work);
        status = CEDE_REPORT_PARK;
    }
    self->works--; /* start counts it */
    cede_core_done(self->core, work->token, status, EAGAIN, 0);
    return true;
}

bool cedi_uring_job_to_pool(uring *self, uring_job *job)
{
    if (submit(self, job) != CEDE_OK)
        return false;
    job->kind = URING_ON_POOL;
    return true;
}

bool cedi_uring_to_pool(uring *self, const cede_work *work)
{
    return cedi_uring_to_pool_with(self, work, NULL);
}

/* Takes its leave of the record, then reports: the report may start the next work. */
static void report(uring *self, uring_job *job, cede_status status, int32_t error, uint64_t count)
{
    uint64_t token = job->token;
    cedi_uring_job_free(self, job);
    self->works--;
    cede_core_done(self->core, token, status, error, count);
}

void cedi_uring_take_finished(uring *self)
{
    cedi_pool_job *next, *finished = cedi_pool_take(self->pool);
    for (; finished; finished = next) {
        uring_job *job = (uring_job *)finished;
        cedi_blocking *work = &job->work;
        next = finished->next;
        if (!finished->run) {
            cedi_uring_lookup_came_home(self, finished);
            continue;
        }
        self->pool_live--;
        if (job->kind == URING_FIFO)
            (void)close(job->fifo.cancel_fd);
        if (cedi_blocking_unfinished(work)) {
            cede_core_touch(self->core, job->token, true);
            cedi_blocking_finish(work);
            cede_core_touch(self->core, job->token, false);
        }
        report(self, job, work->status, work->os_error, work->count);
    }
}

/* ---- In the ring ---------------------------------------------------------------------------- */

/* Times beyond the years 1677 to 2262 do not fit, and become the nearest that do; but for the one
 * value that means something else (CEDE_TIME_KEEP). */
static int64_t ns_of(struct statx_timestamp t)
{
    const int64_t most = INT64_MAX / (int64_t)CEDE_SECOND - 1;
    if (t.tv_sec > most)
        return INT64_MAX;
    if (t.tv_sec < -most)
        return -INT64_MAX;
    return t.tv_sec * (int64_t)CEDE_SECOND + (int64_t)t.tv_nsec;
}

static uint32_t type_of(unsigned mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
        return CEDE_FILE_REGULAR;
    case S_IFDIR:
        return CEDE_FILE_DIRECTORY;
    case S_IFLNK:
        return CEDE_FILE_SYMLINK;
    case S_IFIFO:
        return CEDE_FILE_PIPE;
    case S_IFSOCK:
        return CEDE_FILE_SOCKET;
    case S_IFCHR:
        return CEDE_FILE_CHARACTER;
    case S_IFBLK:
        return CEDE_FILE_BLOCK;
    default:
        return CEDE_FILE_UNKNOWN;
    }
}

void cedi_uring_stat_convert(cede_stat *stat)
{
    struct statx from;
    memcpy(&from, stat, sizeof from);
    memset(stat, 0, sizeof *stat);
    stat->type = type_of(from.stx_mode);
    stat->mode = from.stx_mode & 07777u;
    stat->size_bytes = from.stx_size;
    stat->allocated_bytes = from.stx_blocks * 512;
    stat->file_id = from.stx_ino;
    stat->device = makedev(from.stx_dev_major, from.stx_dev_minor);
    stat->links = from.stx_nlink;
    stat->owner = from.stx_uid;
    stat->group = from.stx_gid;
    stat->accessed_ns = ns_of(from.stx_atime);
    stat->modified_ns = ns_of(from.stx_mtime);
    stat->changed_ns = ns_of(from.stx_ctime);
    stat->created_ns = from.stx_mask & STATX_BTIME ? ns_of(from.stx_btime) : 0;
    stat->preferred_bytes = from.stx_blksize;
}

void cedi_uring_job_completed(uring *self, uint64_t token, int result)
{
    uring_job *job = cedi_uring_job_find(self, token);
    switch (job->kind) {
    case URING_OPEN:
        cedi_uring_open_completed(self, job, result);
        return;
    case URING_NET:
        cedi_uring_net_completed(self, job, result);
        return;
    case URING_PICK:
        cedi_uring_pick_completed(self, job, result);
        return;
    case URING_FILE:
        cedi_uring_file_completed(self, job, result);
        return;
    case URING_WATCH:
        cedi_uring_watch_completed(self, job, result);
        return;
    case URING_CHILD:
        cedi_uring_child_completed(self, job, result);
        return;
    case URING_ZERO:
        cedi_uring_zero_completed(self, job, result);
        return;
    case URING_STAT:
        if (result >= 0) {
            cede_core_touch(self->core, token, true);
            cedi_uring_stat_convert(job->work.args.path.out);
            cede_core_touch(self->core, token, false);
        }
        break;
    case URING_POLLED:
        if (!cedi_uring_ready_came(self, job, &result))
            return;
        if (result >= 0)
            result = cedi_uring_ready_told(job, result);
        break;
    default: /* URING_POLL */
        if (!cedi_uring_ready_came(self, job, &result))
            return;
        if (result >= 0 || result == -EAGAIN) {
            report(self, job, result < 0 ? CEDE_REPORT_PARK : CEDE_REPORT_AGAIN, -result, 0);
            return;
        }
        break;
    }
    cedi_uring_job_free(self, job);
    cedi_uring_report(self, token, result);
}

int cedi_uring_job_cancel(uring *self, uring_job *job)
{
    switch (job->kind) {
    case URING_ON_POOL:
        if (job->work.op == CEDE_OP_WATCH_MANY || /* its end is made, whatever else is wished */
            !cedi_pool_remove(self->pool, &job->pool))
            return CEDE_CANCEL_NEVER;
        self->pool_live--;
        if (job->work.op == CEDE_OP_SPAWN)
            cedi_child_streams_close(job->work.streams);
        report(self, job, CEDE_REPORT_AGAIN, ECANCELED, 0); /* it has not begun */
        return CEDE_CANCEL_SENT;
    case URING_FIFO:
        return cedi_uring_fifo_cancel(job);
    case URING_FILE:
        return cedi_uring_file_cancel(self, job);
    case URING_ZERO:
        return cedi_uring_zero_cancel(self, job);
    case URING_SIGNAL:
        return cedi_uring_signal_cancel(self, job);
    case URING_LOOKUP:
        return cedi_uring_lookup_cancel(self, job);
    default:
        return cedi_uring_send_cancel(self, job->token | URING_JOB, job->token | URING_CANCEL);
    }
}
