/*
 * cede-cp: one file or symbolic link.
 *
 * The copy grows under a temporary name beside its final one. At the end stands a chain of linked
 * requests: data, mode, times, (fsync,) close, rename. Each starts when the one before it was OK
 * and complete, so the final name never stands for a wrong or half file, whatever happens when.
 *
 * The end of the scope is the one place that looks at what came of it, and removes the temporary
 * file. It goes by what the results said, not by what was asked: a rename that won the race against
 * a cancel is a success.
 */
#include "cede-cp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_BYTES  (UINT64_C(8) << 20) /* between two pieces come progress and cancel */
#define SPARSE_BYTES (UINT64_C(64) << 10)
#define SET_ID_BITS  06000u

struct file {
    struct job job; /* its req also is the first of the chain */
    cede_req mode, times, sync, close, rename;
    cede_handle in, out;
    cede_stat source, made;
    uint64_t offset; /* copied, or found to be a hole, up to here */
    uint64_t size_bytes;
    bool temp_made, renamed;
    cede_status status; /* the scope's */
    uint32_t flags;
    char *piece; /* of a sparse file; else NULL */
    char temp[PATH_BYTES + 64];
    char text[PATH_BYTES]; /* a link's */
};

/* ---- The end -------------------------------------------------------------------------------- */

static void on_removed(cede_req *req, cede_result r)
{
    struct file *f = req->user_data;

    if (r.status)
        report_error(f->job.copy, f->temp, cede_strerror(r.status));
    else if (f->flags & CEDE_BY_SCOPE)
        report(f->job.to, "half-written, removed");
    job_over(&f->job, f->status, f->flags);
}

/* Every done of this file has returned, and its handles are closed. */
static void on_end(cede_req *scope, cede_result r)
{
    struct file *f = scope->user_data;

    free(f->piece);
    f->status = f->renamed ? CEDE_OK : r.status;
    f->flags = r.flags;
    if (f->renamed)
        f->job.node->size_bytes = f->offset;
    if (f->renamed || !f->temp_made) {
        job_over(&f->job, f->status, f->flags);
        return;
    }
    cede_prep_unlink(&f->job.req, f->temp); /* in no scope: what is cancelled still cleans up */
    cede_submit(f->job.copy->loop, &f->job.req, on_removed);
}

/* ---- The chain ------------------------------------------------------------------------------ */

static void on_renamed(cede_req *req, cede_result r)
{
    struct file *f = req->user_data;

    f->renamed = !job_failed(&f->job, f->job.to, r);
}

static void on_step(cede_req *req, cede_result r)
{
    struct file *f = req->user_data;

    job_failed(&f->job, f->job.to, r);
}

static void on_last_piece(cede_req *req, cede_result r)
{
    struct file *f = req->user_data;

    f->offset += r.count;
    f->job.copy->moved_bytes += r.count;
    job_failed(&f->job, f->job.to, r);
}

/* Submits job.req, prepared for the last of the data, with all that follows it. */
static void finish(struct file *f, cede_done *on_data)
{
    struct job *job = &f->job;
    uint32_t mode = f->source.mode;

    /* The owner cannot be kept, and set-user-id for another one would be a gift. */
    if (f->made.owner != f->source.owner || f->made.group != f->source.group)
        mode &= ~SET_ID_BITS;
    cede_prep_set_mode(&f->mode, f->out, mode);
    cede_prep_set_times(&f->times, f->out, f->source.accessed_ns, f->source.modified_ns);
    cede_prep_fsync(&f->sync, f->out);
    cede_prep_close(&f->close, f->out);
    cede_prep_rename(&f->rename, f->temp, job->to, 0);

    cede_req *last = job_link(job, &job->req, &f->mode, on_step);
    last = job_link(job, last, &f->times, on_step);
    if (job->copy->sync)
        last = job_link(job, last, &f->sync, on_step);
    last = job_link(job, last, &f->close, on_step);
    job_link(job, last, &f->rename, on_renamed);
    job_go(job, &job->req, on_data);
}

/* ---- The data ------------------------------------------------------------------------------- */

static void next_piece(struct file *f);

static void on_piece(cede_req *req, cede_result r)
{
    struct file *f = req->user_data;

    f->offset += r.count;
    f->job.copy->moved_bytes += r.count;
    if (r.status == CEDE_EEOF) {
        f->size_bytes = f->offset; /* it shrank: the copy is what it is now */
        r.status = CEDE_OK;
    }
    if (!job_failed(&f->job, f->job.to, r))
        next_piece(f);
}

static void on_sparse_read(cede_req *req, cede_result r)
{
    struct file *f = req->user_data;
    uint64_t zeros = 0;

    if (job_failed(&f->job, f->job.from, r))
        return;
    while (zeros < r.count && f->piece[zeros] == 0)
        zeros++;
    if (zeros < r.count) {
        cede_prep_write_all(req, f->out, f->piece, r.count, (int64_t)f->offset);
        job_go(&f->job, req, on_piece);
    } else { /* a hole: the length, set at the end, will contain it */
        r.status = r.count ? CEDE_OK : CEDE_EEOF;
        on_piece(req, r);
    }
}

static void next_piece(struct file *f)
{
    cede_req *req = &f->job.req;
    uint64_t left = f->offset < f->size_bytes ? f->size_bytes - f->offset : 0;

    if (f->piece && left) {
        cede_prep_read(req, f->in, f->piece, left < SPARSE_BYTES ? left : SPARSE_BYTES,
                       (int64_t)f->offset);
        job_go(&f->job, req, on_sparse_read);
    } else if (f->piece) {
        cede_prep_truncate(req, f->out, f->size_bytes);
        finish(f, on_step);
    } else if (left > PIECE_BYTES) {
        cede_prep_copy(req, f->in, f->offset, f->out, f->offset, PIECE_BYTES);
        job_go(&f->job, req, on_piece);
    } else { /* to the end, wherever that is by then */
        cede_prep_copy(req, f->in, f->offset, f->out, f->offset, CEDE_TO_END);
        finish(f, on_last_piece);
    }
}

/* ---- The beginning -------------------------------------------------------------------------- */

static void on_made_stat(cede_req *req, cede_result r)
{
    struct file *f = req->user_data;

    if (!job_failed(&f->job, f->job.to, r))
        next_piece(f);
}

static void on_temp_open(cede_req *req, cede_result r)
{
    struct file *f = req->user_data;

    if (job_failed(&f->job, f->job.to, r))
        return;
    f->temp_made = true;
    f->out = r.handle;
    cede_own(f->job.life, r.handle);
    if (f->source.mode & SET_ID_BITS) { /* whose is it? */
        cede_prep_stat_handle(req, f->out, &f->made);
        job_go(&f->job, req, on_made_stat);
    } else {
        next_piece(f);
    }
}

static void on_source_stat(cede_req *req, cede_result r)
{
    struct file *f = req->user_data;

    if (!r.status && f->source.type != CEDE_FILE_REGULAR)
        r.status = CEDE_EINVAL; /* it has become something else since it was found */
    if (job_failed(&f->job, f->job.from, r))
        return;
    f->size_bytes = f->source.size_bytes;
    if (f->source.allocated_bytes < f->size_bytes && f->size_bytes > SPARSE_BYTES)
        f->piece = malloc(SPARSE_BYTES); /* without the memory, holes are written as zeros */
    cede_prep_open(req, f->temp, CEDE_OPEN_WRITE | CEDE_OPEN_CREATE | CEDE_OPEN_EXCLUSIVE, 0600);
    job_go(&f->job, req, on_temp_open);
}

static void on_source_open(cede_req *req, cede_result r)
{
    struct file *f = req->user_data;

    if (job_failed(&f->job, f->job.from, r))
        return;
    f->in = r.handle;
    cede_own(f->job.life, r.handle);
    cede_prep_stat_handle(req, f->in, &f->source);
    job_go(&f->job, req, on_source_stat);
}

static void on_link_made(cede_req *req, cede_result r)
{
    struct file *f = req->user_data;

    f->temp_made = !job_failed(&f->job, f->job.to, r);
}

static void on_link_text(cede_req *req, cede_result r)
{
    struct file *f = req->user_data;

    if (job_failed(&f->job, f->job.from, r))
        return;
    f->text[r.count] = '\0';
    cede_prep_symlink(req, f->text, f->temp);
    cede_prep_rename(&f->rename, f->temp, f->job.to, 0);
    job_link(&f->job, req, &f->rename, on_renamed);
    job_go(&f->job, req, on_link_made);
}

void file_start(struct copy *c, struct node *node)
{
    struct file *f = job_new(c, node, sizeof *f, on_end);

    if (!f)
        return;
    const char *slash = strrchr(f->job.to, '/');
    snprintf(f->temp, sizeof f->temp, "%.*s.cede-cp-%08lx-%lu",
             slash ? (int)(slash + 1 - f->job.to) : 0, f->job.to, (unsigned long)c->temp_random,
             (unsigned long)c->temp_number++);
    if (node->type == CEDE_FILE_SYMLINK) {
        cede_prep_readlink(&f->job.req, f->job.from, f->text, sizeof f->text - 1);
        job_go(&f->job, &f->job.req, on_link_text);
    } else {
        cede_prep_open(&f->job.req, f->job.from, CEDE_OPEN_READ | CEDE_OPEN_NOFOLLOW, 0);
        job_go(&f->job, &f->job.req, on_source_open);
    }
}
