/*
 * Records of what was taken: transfers (win_io), what runs on threads (win_job), handles, and what
 * sockets need besides.
 *
 * Made in chunks that double, recycled, and freed by close: so the steady state allocates nothing,
 * addresses are stable, and a packet or routine that comes late meets a record, not freed memory.
 * Found by token through a hash: a cancel knows nothing else. The loop's thread.
 */
#include "net.h"

#define FIRST_CHUNK 16u

typedef struct win_shelf_chunk {
    struct win_shelf_chunk *older;
    uint64_t bytes; /* of what is behind it */
} win_shelf_chunk;

/* As many as there are already, in one piece behind its header; NULL: out of memory. */
static void *shelf_grow(win_shelf *shelf, size_t bytes, uint32_t *count)
{
    win_shelf_chunk *chunk;
    *count = shelf->made ? shelf->made : FIRST_CHUNK;
    chunk = cedi_memory_get(sizeof *chunk + *count * bytes);
    if (!chunk)
        return NULL;
    chunk->older = shelf->chunks;
    chunk->bytes = *count * bytes;
    shelf->chunks = chunk;
    shelf->made += *count;
    return chunk + 1;
}

static void shelf_free(win_shelf *shelf)
{
    while (shelf->chunks) {
        win_shelf_chunk *older = shelf->chunks->older;
        cedi_memory_free(shelf->chunks);
        shelf->chunks = older;
    }
}

/* ---- The table of tokens -------------------------------------------------------------------- */

static win_record **bucket_of(const win *self, uint64_t token)
{
    return &self->buckets[token * UINT64_C(0x9e3779b97f4a7c15) >> self->bucket_shift];
}

/* Room in the table for `total` records. Moves those that are in it. */
static bool table_grow(win *self, uint32_t total)
{
    uint64_t old_count = self->buckets ? UINT64_C(1) << (64 - self->bucket_shift) : 0;
    win_record **old = self->buckets, **made;
    uint32_t shift = 58;
    while (shift > 34 && UINT64_C(1) << (64 - shift) < total)
        shift--;
    if (old && shift >= self->bucket_shift)
        return true;
    made = cedi_memory_get((size_t)(UINT64_C(1) << (64 - shift)) * sizeof(win_record *));
    if (!made)
        return false;
    self->buckets = made;
    self->bucket_shift = shift;
    for (uint64_t i = 0; i < old_count; i++) {
        while (old[i]) {
            win_record *record = old[i], **bucket = bucket_of(self, record->token);
            old[i] = record->chain;
            record->chain = *bucket;
            *bucket = record;
        }
    }
    cedi_memory_free(old);
    return true;
}

static void record_enter(win *self, win_record *record, const cede_work *work, uint8_t what)
{
    win_record **bucket = bucket_of(self, work->token);
    record->token = work->token;
    record->op = (uint8_t)work->op;
    record->pool = NULL;
    record->what = what;
    record->chain = *bucket;
    *bucket = record;
}

static void record_leave(win *self, const win_record *record)
{
    win_record **place = bucket_of(self, record->token);
    while (*place != record)
        place = &(*place)->chain;
    *place = record->chain;
    if (record->pool)
        cede_core_unpick(record->pool, record->number);
}

win_record *cedi_win_record_find(const win *self, uint64_t token)
{
    win_record *record = self->buckets ? *bucket_of(self, token) : NULL;
    while (record && record->token != token)
        record = record->chain;
    return record;
}

/* ---- Transfers ------------------------------------------------------------------------------ */

static bool ios_grow(win *self)
{
    uint32_t count;
    win_io *ios;
    if (!table_grow(self, self->job_shelf.made + 2 * self->io_shelf.made + FIRST_CHUNK))
        return false;
    ios = shelf_grow(&self->io_shelf, sizeof *ios, &count);
    if (!ios)
        return false;
    while (count-- > 0) {
        ios[count].self = self;
        ios[count].record.chain = self->free_ios;
        self->free_ios = &ios[count].record;
    }
    return true;
}

bool cedi_win_is_ours(const win *self, const OVERLAPPED *overlapped)
{
    const win_shelf_chunk *chunk = self->io_shelf.chunks; /* the youngest has half of all */
    while (chunk && (uintptr_t)overlapped - (uintptr_t)(chunk + 1) >= chunk->bytes)
        chunk = chunk->older;
    return chunk && ((uintptr_t)overlapped - (uintptr_t)(chunk + 1)) % sizeof(win_io) == 0;
}

win_io *cedi_win_io_new(win *self, const cede_work *work)
{
    win_io *io;
    if (!self->free_ios && !ios_grow(self))
        return NULL;
    io = CONTAINING_RECORD(self->free_ios, win_io, record);
    self->free_ios = io->record.chain;
    record_enter(self, &io->record, work, WIN_RECORD_IO);
    io->file = NULL;
    io->next = NULL;
    io->bounce = NULL;
    io->net = NULL;
    io->call = NULL;
    io->over = NULL;
    io->stop = NULL;
    io->owner = NULL;
    io->length = 0;
    io->writes = io->wished = false;
    return io;
}

void cedi_win_io_free(win *self, win_io *io)
{
    record_leave(self, &io->record);
    io->stage = WIN_STAGE_IDLE;
    if (io->bounce)
        cedi_win_bounce_put(self, io->bounce);
    io->bounce = NULL;
    if (io->net)
        cedi_win_net_put(self, io->net);
    io->net = NULL;
    io->record.chain = self->free_ios;
    self->free_ios = &io->record;
}

/* ---- Jobs ----------------------------------------------------------------------------------- */

static bool jobs_grow(win *self)
{
    uint32_t count;
    win_job *jobs;
    if (!table_grow(self, self->io_shelf.made + 2 * self->job_shelf.made + FIRST_CHUNK))
        return false;
    jobs = shelf_grow(&self->job_shelf, sizeof *jobs, &count);
    if (!jobs)
        return false;
    while (count-- > 0) {
        jobs[count].self = self;
        InitializeSRWLock(&jobs[count].lock);
        jobs[count].record.chain = self->free_jobs;
        self->free_jobs = &jobs[count].record;
    }
    return true;
}

win_job *cedi_win_job_new(win *self, const cede_work *work)
{
    win_job *job;
    if (!self->free_jobs && !jobs_grow(self))
        return NULL;
    job = CONTAINING_RECORD(self->free_jobs, win_job, record);
    self->free_jobs = job->record.chain;
    record_enter(self, &job->record, work, WIN_RECORD_JOB);
    job->args = *work->args;
    job->native = work->native;
    job->native_other = work->native_other;
    job->moved = work->moved;
    job->file = NULL;
    job->access = 0;
    job->scratch = NULL;
    job->waits_for = NULL;
    job->spawn = NULL;
    job->status = CEDE_OK;
    job->error = 0;
    job->count = 0;
    job->thread = NULL;
    job->wished = job->can_stop = job->socket = job->console = job->pool.holds = false;
    return job;
}

void cedi_win_job_free(win *self, win_job *job)
{
    record_leave(self, &job->record);
    if (job->scratch)
        cedi_win_bounce_put(self, job->scratch);
    job->scratch = NULL;
    if (job->spawn)
        cedi_win_spawn_free(job->spawn);
    job->spawn = NULL;
    job->record.chain = self->free_jobs;
    self->free_jobs = &job->record;
}

/* ---- Handles, buffers ----------------------------------------------------------------------- */

win_file *cedi_win_file_new(win *self)
{
    win_file *file = self->free_files, empty = {0};
    if (!file) {
        uint32_t count;
        win_file *files = shelf_grow(&self->file_shelf, sizeof *files, &count);
        if (!files)
            return NULL;
        while (count-- > 0) {
            files[count].chain = self->free_files;
            self->free_files = &files[count];
        }
        file = self->free_files;
    }
    self->free_files = file->chain;
    *file = empty;
    return file;
}

void cedi_win_file_free(win *self, win_file *file)
{
    if (file->changes)
        cedi_win_bounce_put(self, file->changes);
    file->changes = NULL;
    file->chain = self->free_files;
    self->free_files = file;
}

win_bounce *cedi_win_bounce_get(win *self)
{
    win_bounce *bounce = self->free_bounces;
    if (bounce) {
        self->free_bounces = bounce->next;
        return bounce;
    }
    bounce = cedi_memory_get(sizeof *bounce);
    if (bounce)
        bounce->bytes = cedi_win_aligned(bounce->room);
    return bounce;
}

void cedi_win_bounce_put(win *self, win_bounce *bounce)
{
    bounce->next = self->free_bounces;
    self->free_bounces = bounce;
}

win_net *cedi_win_net_get(win *self)
{
    win_net *net = self->free_nets;
    if (!net) {
        uint32_t count;
        win_net *nets = shelf_grow(&self->net_shelf, sizeof *nets, &count);
        if (!nets)
            return NULL;
        while (count-- > 0) {
            nets[count].next = self->free_nets;
            self->free_nets = &nets[count];
        }
        net = self->free_nets;
    }
    self->free_nets = net->next;
    net->made = INVALID_SOCKET;
    net->out = NULL;
    return net;
}

void cedi_win_net_put(win *self, win_net *net)
{
    net->next = self->free_nets;
    self->free_nets = net;
}

static void events_free(win_record *ios)
{
    for (; ios; ios = ios->chain)
        cedi_win_event_free(CONTAINING_RECORD(ios, win_io, record));
}

/* Nothing is out: all records and buffers are on their free lists. */
void cedi_win_records_free(win *self)
{
    events_free(self->free_ios);
    shelf_free(&self->io_shelf);
    shelf_free(&self->job_shelf);
    shelf_free(&self->file_shelf);
    shelf_free(&self->net_shelf);
    while (self->free_bounces) {
        win_bounce *next = self->free_bounces->next;
        cedi_memory_free(self->free_bounces);
        self->free_bounces = next;
    }
    cedi_memory_free(self->buckets);
    cedi_memory_free(self->files);
    self->buckets = NULL;
    self->files = NULL;
}
