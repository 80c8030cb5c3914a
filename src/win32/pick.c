/*
 * Receives into buffers of a pool.
 *
 * A read of nothing waits until there is data; then a buffer is picked, and the same record reads
 * into it. So one that waits holds none. Between the two a cancel finds nothing to stop: it is
 * remembered, and the second read is not made. A pipe that threads serve is waited for in the same
 * way, and console.c knows when there is something to take; of other things that threads serve (a
 * serial line) a read of nothing says nothing: there the buffer is picked first.
 *
 * An empty message ends a read of nothing, too, and may be gone by that. Then the second read would
 * wait, with a buffer: it is taken back, and the wait begun anew. A thread asks before it reads.
 *
 * The buffer stands in the record until its item is given; a record that is left with one puts it
 * back (record.c), whatever became of it. The loop's thread.
 */
#include "net.h"

void *cedi_win_pick(win_record *record, cede_pool_view *pool)
{
    if (!cede_core_pick(pool, &record->number))
        return NULL;
    record->pool = pool;
    return pool->base + record->number * pool->stride_bytes;
}

void cedi_win_picked(win *self, win_record *record, uint64_t bytes)
{
    if (!record->pool || bytes == 0)
        return;
    record->pool = NULL; /* the core's, from here */
    cede_core_item(self->core, record->token, bytes, record->number);
}

static void read_into(win *self, win_io *io, void *memory, uint32_t bytes)
{
    WSABUF piece = {bytes, memory};
    io->buffer = memory;
    io->asked = bytes;
    if (io->call) { /* a socket's */
        io->buffer = &piece;
        io->asked = 1;
    }
    cedi_win_issue(self, io);
}

/* The read that was taken back is over; data may have come before that. */
static void was_taken_back(win *self, win_io *io, uint32_t error, uint32_t bytes)
{
    uint64_t token = io->record.token;
    io->over = NULL;
    if (error != ERROR_OPERATION_ABORTED || bytes > 0 || io->wished) {
        cedi_win_completed(self, io, error, bytes);
        return;
    }
    cedi_win_io_left(self, io);
    cede_core_done(self->core, token, CEDE_REPORT_AGAIN, 0, 0);
}

/* A read that the system has not begun to answer. Of one that is over by now, the record may be
 * another's. */
static bool still_waits(const win_io *io, uint64_t token)
{
    return io->stage == WIN_STAGE_OWED && io->record.token == token &&
           io->overlapped.Internal == SYSTEM_STATUS_PENDING;
}

static void data_is_there(win *self, win_io *io, uint32_t error, uint32_t bytes)
{
    cede_pool_view *pool = io->waits_for;
    uint64_t token = io->record.token;
    bool is_pipe = io->file->is_pipe;
    void *memory;
    (void)bytes;
    io->over = NULL;
    if (error == 0 && io->wished)
        error = ERROR_OPERATION_ABORTED;
    if (error && error != ERROR_MORE_DATA) {
        cedi_win_completed(self, io, error, 0);
        return;
    }
    memory = cedi_win_pick(&io->record, pool);
    if (memory) {
        read_into(self, io, memory, pool->buffer_bytes);
        if (is_pipe && still_waits(io, token)) {
            io->over = was_taken_back;
            (void)cedi_win_cancel_io(self, (HANDLE)io->file->native, &io->overlapped);
        }
        return;
    }
    cedi_win_io_left(self, io);
    cede_core_done(self->core, token, CEDE_REPORT_POOL, 0, 0);
}

static void give_up(win *self, win_job *job, cede_status status)
{
    win_file *file = job->file;
    uint64_t token = job->record.token;
    cedi_win_job_free(self, job);
    file->pending--;
    cedi_win_file_left(self, file);
    cede_core_done(self->core, token, status, 0, 0);
}

/* Its count: whether there is something to read. */
void cedi_win_data_for_job(win *self, win_job *job)
{
    cede_pool_view *pool = job->waits_for;
    bool is_there = job->count > 0;
    void *memory;
    job->waits_for = NULL;
    job->count = 0; /* nothing has moved */
    if (job->error == 0 && job->wished)
        job->error = ERROR_OPERATION_ABORTED;
    if (job->error && job->error != ERROR_MORE_DATA) {
        cedi_win_job_report(self, job);
        return;
    }
    if (job->error == 0 && !is_there) {
        give_up(self, job, CEDE_REPORT_AGAIN);
        return;
    }
    memory = cedi_win_pick(&job->record, pool);
    if (memory) {
        cedi_win_sync_into(self, job, memory, pool->buffer_bytes);
        return;
    }
    give_up(self, job, CEDE_REPORT_POOL);
}

static bool start_waiting(win *self, const cede_work *work, win_file *file)
{
    win_io *io = cedi_win_net_io(self, work, file);
    if (!io)
        return false;
    io->over = data_is_there;
    io->waits_for = cede_core_pool(work);
    read_into(self, io, io->nothing, 0);
    return true;
}

static bool start_on_thread(win *self, const cede_work *work, win_file *file)
{
    cede_pool_view *pool = cede_core_pool(work);
    win_record picked = {.pool = NULL};
    void *memory;
    if (file->console)
        return cedi_win_console_read(self, work, file, NULL, 0, pool);
    if (file->is_pipe)
        return cedi_win_sync_wait(self, work, file, pool);
    memory = cedi_win_pick(&picked, pool);
    if (!memory) {
        cede_core_done(self->core, work->token, CEDE_REPORT_POOL, 0, 0);
        return true;
    }
    if (cedi_win_sync_receive(self, work, file, memory, &picked))
        return true;
    cede_core_unpick(pool, picked.number);
    return false;
}

bool cedi_win_start_recv_pool(win *self, const cede_work *work)
{
    win_file *file;
    if (!cedi_win_file_use(self, work, &file))
        return true;
    if (!file || file->lane == WIN_LANE_NONE)
        return cedi_win_done_now(self, work, ERROR_INVALID_HANDLE, 0);
    if (file->access && !(file->access & FILE_READ_DATA))
        return cedi_win_done_now(self, work, ERROR_INVALID_HANDLE, 0); /* not opened for it */
    return file->lane == WIN_LANE_SYNC ? start_on_thread(self, work, file)
                                       : start_waiting(self, work, file);
}

/* An arrival at a time: the core begins it anew. */
bool cedi_win_start_recv_many(win *self, const cede_work *work)
{
    return cedi_win_start_recv_pool(self, work);
}
