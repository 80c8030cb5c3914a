/*
 * What blocks: run on threads of the pool, from a copy of the work, and brought home by wait.
 *
 * A cancel takes a job that has not begun out of the queue. Of those that run, a transfer of a
 * handle that was not made for overlapped I/O may wait for ever, and is stopped by
 * CancelSynchronousIo, which knows threads, not operations. So there is a handshake: the thread
 * says under the job's lock that it is about to call and that it has called, and the cancel is made
 * under the lock too: it can come too early, and is then repeated, but never hits what the thread
 * does next.
 *
 * Threads: run_* is a pool thread's, which has the job, and nothing else, between submit and take;
 * all else is the loop's.
 */
#include "net.h"

#include <string.h>

#include "../work.h"

/* ---- On a thread ---------------------------------------------------------------------------- */

static uint32_t do_work(win_job *job)
{
    job->status = cedi_work_run(job->args.work.run, job->args.work.argument, &job->count);
    return 0;
}

static uint32_t do_close(win_job *job)
{
    return job->socket ? cedi_win_socket_close(job->self->calls.close_socket, (SOCKET)job->native)
                       : job->self->calls.close_handle((HANDLE)job->native);
}

static win_perform *performer_of(uint8_t op)
{
    static win_perform *const performers[CEDE_OP_COUNT] = {
        [CEDE_OP_WORK] = do_work,
        [CEDE_OP_CLOSE] = do_close,
        [CEDE_OP_OPEN] = cedi_win_do_open,
        [CEDE_OP_FSYNC] = cedi_win_do_fsync,
        [CEDE_OP_FDATASYNC] = cedi_win_do_fsync,
        [CEDE_OP_TRUNCATE] = cedi_win_do_truncate,
        [CEDE_OP_ALLOCATE] = cedi_win_do_allocate,
        [CEDE_OP_STAT] = cedi_win_do_stat,
        [CEDE_OP_STAT_HANDLE] = cedi_win_do_stat_handle,
        [CEDE_OP_RENAME] = cedi_win_do_rename,
        [CEDE_OP_UNLINK] = cedi_win_do_unlink,
        [CEDE_OP_MKDIR] = cedi_win_do_mkdir,
        [CEDE_OP_RMDIR] = cedi_win_do_rmdir,
        [CEDE_OP_LINK] = cedi_win_do_link,
        [CEDE_OP_SYMLINK] = cedi_win_do_symlink,
        [CEDE_OP_READLINK] = cedi_win_do_readlink,
        [CEDE_OP_READDIR] = cedi_win_do_readdir,
        [CEDE_OP_SET_TIMES] = cedi_win_do_set_times,
        [CEDE_OP_SET_MODE] = cedi_win_do_set_mode,
        [CEDE_OP_COPY] = cedi_win_do_copy,
        [CEDE_OP_SEND_FILE] = cedi_win_do_read_piece,
        [CEDE_OP_SPAWN] = cedi_win_do_spawn,
        [CEDE_OP_WATCH] = cedi_win_do_watch,
    };
    return performers[op];
}

static void run_performer(cedi_pool_job *pool_job, void *thread)
{
    win_job *job = (win_job *)(void *)pool_job;
    (void)thread;
    job->error = performer_of(job->record.op)(job);
}

/* False: a cancel came before. */
static bool call_begins(win_job *job, HANDLE thread)
{
    bool begins;
    AcquireSRWLockExclusive(&job->lock);
    begins = !job->wished || CEDI_FAULT(WISH_IS_FORGOTTEN);
    job->thread = begins ? thread : NULL;
    ReleaseSRWLockExclusive(&job->lock);
    return begins;
}

static void call_is_over(win_job *job)
{
    AcquireSRWLockExclusive(&job->lock);
    if (!CEDI_FAULT(CALL_IS_NEVER_OVER))
        job->thread = NULL;
    ReleaseSRWLockExclusive(&job->lock);
}

/* A piece at a time, and between two a cancel is looked for. */
static void write_to_console(win_job *job, HANDLE thread)
{
    while (job->error == 0 && job->count < job->asked) {
        uint32_t bytes = 0;
        if (!call_begins(job, thread)) {
            job->error = ERROR_OPERATION_ABORTED;
            return;
        }
        job->error = cedi_win_console_write(job, &bytes);
        call_is_over(job);
        job->count += bytes;
    }
}

static void run_transfer(cedi_pool_job *pool_job, void *thread)
{
    win_job *job = (win_job *)(void *)pool_job;
    bool writes = job->args.io.offset != 0;
    uint32_t bytes = 0;
    if (job->can_stop && (!thread || cedi_win_fault(job->self, "OpenThread"))) {
        job->error = ERROR_NO_SYSTEM_RESOURCES; /* a call that nothing could stop is not made */
        return;
    }
    if (job->console) {
        write_to_console(job, thread);
        return;
    }
    if (!call_begins(job, thread)) {
        job->error = ERROR_OPERATION_ABORTED;
        return;
    }
    if (job->can_stop)
        job->error = cedi_win_plain_stream(job->self, (HANDLE)job->native, writes,
                                           job->args.io.buffer, job->asked, &bytes);
    else
        job->error =
            cedi_win_plain_transfer(job->self, (HANDLE)job->native, writes, job->args.io.buffer,
                                    job->asked, job->position, &bytes);
    if (job->waits_for && job->error == 0)
        bytes = cedi_win_plain_has_data((HANDLE)job->native);
    call_is_over(job);
    job->count = bytes;
}

/* Somebody else may take the instance that was waited for. */
static void run_connect(cedi_pool_job *pool_job, void *thread)
{
    win_job *job = (win_job *)(void *)pool_job;
    if (!thread || cedi_win_fault(job->self, "OpenThread")) {
        job->error = ERROR_NO_SYSTEM_RESOURCES; /* a call that nothing could stop is not made */
        return;
    }
    do {
        if (!call_begins(job, thread)) {
            job->error = ERROR_OPERATION_ABORTED;
            return;
        }
        job->error = cedi_win_do_connect(job);
        call_is_over(job);
    } while (job->error == ERROR_PIPE_BUSY);
}

/* ---- To the threads ------------------------------------------------------------------------- */

/* A result of any length, which has to lie somewhere until the loop's thread gives it. */
static bool needs_scratch(uint32_t op)
{
    return op == CEDE_OP_READDIR || op == CEDE_OP_READLINK || op == CEDE_OP_SEND_FILE;
}

/* A close does not fail for want of a thread (law 10): it is made here and now. */
static bool no_thread(win *self, win_job *job, cede_status status)
{
    uint64_t token = job->record.token;
    if (job->record.op == CEDE_OP_CLOSE) {
        uint32_t error;
        if (job->socket)
            cedi_win_socket_unlinger(job->native);
        error = do_close(job);
        cedi_win_job_free(self, job);
        cede_core_done(self->core, token, cedi_error_status(error), (int32_t)error, 0);
        return true;
    }
    cedi_win_job_free(self, job);
    cede_core_done(self->core, token, status, ERROR_MAX_THRDS_REACHED, 0);
    return true;
}

bool cedi_win_to_pool(win *self, const cede_work *work)
{
    return cedi_win_to_pool_for(self, work, 0);
}

bool cedi_win_to_pool_for(win *self, const cede_work *work, uint32_t asked)
{
    win_job *job = cedi_win_job_new(self, work);
    const win_file *file, *written;
    cede_status status;
    if (!job)
        return false;
    if (needs_scratch(work->op)) {
        job->scratch = cedi_win_bounce_get(self);
        if (!job->scratch) {
            cedi_win_job_free(self, job);
            return false;
        }
    }
    job->asked = asked;
    file = work->native != -1 ? cedi_win_file_find(self, work->native) : NULL;
    written = work->op == CEDE_OP_COPY ? cedi_win_file_find(self, work->native_other) : file;
    job->access = written ? written->access : 0;
    job->access_from = file ? file->access : 0;
    if (work->op == CEDE_OP_CLOSE)
        job->socket = file ? file->socket : cedi_win_is_socket(work->native);
    else if (file)
        job->socket = file->socket || (file->kind & CEDE_KIND_SOCKETS);
    job->pool.run = run_performer;
    job->pool.holds = work->op == CEDE_OP_WORK;
    status = work->op == CEDE_OP_CLOSE ? cedi_pool_submit_past(self->pool, &job->pool)
                                       : cedi_pool_submit(self->pool, &job->pool);
    return status == CEDE_OK || no_thread(self, job, status);
}

bool cedi_win_spawn_to_pool(win *self, const cede_work *work, struct win_spawn *spawn)
{
    win_job *job = cedi_win_job_new(self, work);
    cede_status status;
    if (!job) {
        cedi_win_spawn_free(spawn);
        return false;
    }
    job->spawn = spawn;
    job->pool.run = run_performer;
    status = cedi_pool_submit(self->pool, &job->pool);
    return status == CEDE_OK || no_thread(self, job, status);
}

/* The copy of the arguments says where to: `offset` is whether it writes. NULL: no room. */
static win_job *new_transfer(win *self, const cede_work *work, win_file *file, const void *buffer,
                             uint64_t length, uint64_t position, bool writes)
{
    win_job *job = cedi_win_job_new(self, work);
    if (!job)
        return NULL;
    job->file = file;
    file->pending++;
    job->args.io.buffer = (void *)(uintptr_t)buffer;
    job->args.io.offset = writes;
    job->asked = (uint32_t)length;
    job->position = position;
    job->console = file->console != WIN_CONSOLE_NONE;
    job->part = file->part;
    job->can_stop = file->kind != CEDE_KIND_FILE && file->kind != CEDE_KIND_DISK;
    job->pool.run = run_transfer;
    return job;
}

/* What can wait for ever gets a thread of its own. */
static bool send_transfer(win *self, win_job *job)
{
    win_file *file = job->file;
    cede_status status = job->can_stop ? cedi_pool_run_alone(self->pool, &job->pool)
                                       : cedi_pool_submit(self->pool, &job->pool);
    if (status == CEDE_OK)
        return true;
    file->pending--;
    return no_thread(self, job, status);
}

bool cedi_win_sync_transfer(win *self, const cede_work *work, win_file *file, const void *buffer,
                            uint64_t length, uint64_t position, bool writes)
{
    win_job *job = new_transfer(self, work, file, buffer, length, position, writes);
    return job && send_transfer(self, job);
}

bool cedi_win_sync_receive(win *self, const cede_work *work, win_file *file, void *memory,
                           const win_record *picked)
{
    win_job *job =
        new_transfer(self, work, file, memory, picked->pool->buffer_bytes, WIN_AT_CURRENT, false);
    if (!job)
        return false;
    job->record.pool = picked->pool;
    job->record.number = picked->number;
    return send_transfer(self, job);
}

bool cedi_win_sync_wait(win *self, const cede_work *work, win_file *file, cede_pool_view *pool)
{
    static char nothing[1];
    win_job *job = new_transfer(self, work, file, nothing, 0, WIN_AT_CURRENT, false);
    if (!job)
        return false;
    job->waits_for = pool;
    return send_transfer(self, job);
}

void cedi_win_sync_into(win *self, win_job *job, void *memory, uint32_t bytes)
{
    job->args.io.buffer = memory;
    job->asked = bytes;
    (void)send_transfer(self, job);
}

bool cedi_win_wait_for_instance(win *self, const cede_work *work)
{
    win_job *job = cedi_win_job_new(self, work);
    cede_status status;
    if (!job)
        return false;
    job->can_stop = true;
    job->pool.run = run_connect;
    status = cedi_pool_run_alone(self->pool, &job->pool);
    return status == CEDE_OK || no_thread(self, job, status);
}

/* ---- Home again ----------------------------------------------------------------------------- */

/* What a thread made lies in the job: the caller's memory is written here, opened for it. */
static void give(win *self, win_job *job)
{
    cede_core_touch(self->core, job->record.token, true);
    switch (job->record.op) {
    case CEDE_OP_STAT:
    case CEDE_OP_STAT_HANDLE:
        memcpy(job->args.path.out, &job->stat, sizeof job->stat);
        break;
    case CEDE_OP_READLINK:
        memcpy(job->args.path.out, job->scratch->bytes, (size_t)job->count);
        break;
    case CEDE_OP_READDIR:
        memcpy(job->args.io.buffer, job->scratch->bytes, (size_t)job->count);
        break;
    case CEDE_OP_SPAWN:
        if (job->args.spawn.id)
            *job->args.spawn.id = job->id;
        break;
    default:
        break;
    }
    cede_core_touch(self->core, job->record.token, false);
}

void cedi_win_job_report(win *self, win_job *job)
{
    uint64_t token = job->record.token, count = job->count;
    uint32_t error = job->error;
    cede_status status = error ? cedi_error_status(error) : job->status;
    if (job->waits_for) {
        cedi_win_data_for_job(self, job);
        return;
    }
    if (job->file) {
        win_file *file = job->file;
        win_record record = job->record;
        bool writes = job->args.io.offset != 0;
        uint32_t asked = job->asked;
        if (job->console)
            file->part = job->part;
        cedi_win_picked(self, &job->record, count);
        cedi_win_job_free(self, job);
        cedi_win_size_learn(file, writes, asked, error, count);
        cedi_win_report_transfer(self, &record, file, writes, error, count);
        file->pending--;
        cedi_win_file_left(self, file);
        return;
    }
    if (job->record.op == CEDE_OP_SEND_FILE && error == 0 && count > 0) {
        cedi_win_send_piece(self, job);
        return;
    }
    if (error == 0)
        give(self, job);
    else if (job->record.op == CEDE_OP_CONNECT && cedi_error_is_shortage(error))
        status = CEDE_REPORT_PARK;
    cedi_win_job_free(self, job);
    cede_core_done(self->core, token, status, (int32_t)error, count);
}

void cedi_win_take_finished(win *self)
{
    cedi_pool_job *next, *finished = cedi_pool_take(self->pool);
    for (; finished; finished = next) {
        next = finished->next;
        cedi_win_job_report(self, (win_job *)(void *)finished);
    }
}

/* ---- Cancel --------------------------------------------------------------------------------- */

static int stop_call(win *self, win_job *job)
{
    uint32_t error = 0;
    AcquireSRWLockExclusive(&job->lock);
    job->wished = true;
    if (job->thread) {
        error = cedi_win_fault(self, "CancelSynchronousIo");
        if (error == 0)
            error = self->calls.cancel_synchronous_io(job->thread);
    }
    ReleaseSRWLockExclusive(&job->lock);
    return error ? CEDE_CANCEL_AGAIN : CEDE_CANCEL_SENT;
}

int cedi_win_job_cancel(win *self, win_job *job)
{
    if (!job->can_stop) {
        if (!cedi_pool_remove(self->pool, &job->pool)) {
            if (job->record.op != CEDE_OP_SEND_FILE)
                return CEDE_CANCEL_NEVER;
            job->wished = true; /* looked at when it has been read, on this thread */
            return CEDE_CANCEL_SENT;
        }
        if (job->record.op == CEDE_OP_WORK)
            job->status = CEDE_REPORT_AGAIN; /* it has not begun: what it returns is its own */
        else
            job->error = ERROR_OPERATION_ABORTED;
        cedi_win_job_report(self, job);
        return CEDE_CANCEL_SENT;
    }
    return stop_call(self, job);
}
