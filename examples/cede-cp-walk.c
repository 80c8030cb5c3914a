/*
 * cede-cp: directories.
 *
 * A walk opens a source directory, makes its copy, reads the entries and looks at each, so that
 * the size of the whole is known long before all is copied. The copy belongs to its owner alone
 * (0700) while it is filled. When the last name below is done, the second job here gives it its
 * mode, which may forbid writing, and its times.
 */
#include "cede-cp.h"

#include <stdio.h>

struct walk {
    struct job job;
    cede_handle directory;
    cede_stat stat;
    const cede_entry *entry;
    uint64_t filled_bytes, position_bytes;
    uint64_t entries[4096]; /* aligned, as cede_next_entry wants it */
    char child[PATH_BYTES + CEDE_NAME_BYTES];
};

static void next_entry(struct walk *w);

/* ---- The entries ---------------------------------------------------------------------------- */

static void on_entry_stat(cede_req *req, cede_result r)
{
    struct walk *w = req->user_data;

    if (r.flags & CEDE_BY_ANY)
        return;
    if (r.status)
        report_error(w->job.copy, w->child, cede_strerror(r.status)); /* gone again, say */
    else
        node_add(w->job.copy, w->job.node, w->child, w->entry->name, NULL, &w->stat);
    next_entry(w);
}

static void on_entries(cede_req *req, cede_result r)
{
    struct walk *w = req->user_data;

    if (job_failed(&w->job, w->job.from, r) || r.count == 0)
        return; /* with no member left, the scope ends */
    w->filled_bytes = r.count;
    w->position_bytes = 0;
    next_entry(w);
}

static void next_entry(struct walk *w)
{
    cede_req *req = &w->job.req;

    w->entry = cede_next_entry(w->entries, w->filled_bytes, &w->position_bytes);
    if (w->entry) {
        snprintf(w->child, sizeof w->child, "%s/%s", w->job.from, w->entry->name);
        cede_prep_stat(req, w->child, &w->stat, CEDE_NOFOLLOW);
        job_go(&w->job, req, on_entry_stat);
    } else {
        cede_prep_readdir(req, w->directory, w->entries, sizeof w->entries);
        job_go(&w->job, req, on_entries);
    }
}

/* ---- The directory and its copy ------------------------------------------------------------- */

static void on_loosened(cede_req *req, cede_result r)
{
    struct walk *w = req->user_data;

    if (!job_failed(&w->job, w->job.to, r))
        next_entry(w);
}

static void on_copy_open(cede_req *req, cede_result r)
{
    struct walk *w = req->user_data;

    if (job_failed(&w->job, w->job.to, r))
        return;
    cede_own(w->job.life, r.handle);
    cede_prep_set_mode(req, r.handle, w->stat.mode | 0700);
    job_go(&w->job, req, on_loosened);
}

static void on_copy_stat(cede_req *req, cede_result r)
{
    struct walk *w = req->user_data;
    struct node *n = w->job.node;

    if (!r.status && w->stat.type != CEDE_FILE_DIRECTORY)
        r.status = CEDE_ENOTDIR;
    if (job_failed(&w->job, w->job.to, r))
        return;
    n->copied = true;
    n->to_device = w->stat.device;
    n->to_id = w->stat.file_id;
    if ((w->stat.mode & 0700) == 0700) {
        next_entry(w);
    } else { /* the earlier copy of a read-only directory: it must take new names */
        cede_prep_open(req, w->job.to, CEDE_OPEN_READ | CEDE_OPEN_DIRECTORY, 0);
        job_go(&w->job, req, on_copy_open);
    }
}

static void on_copy_made(cede_req *req, cede_result r)
{
    struct walk *w = req->user_data;

    if (r.status == CEDE_EEXIST)
        r.status = CEDE_OK;
    if (job_failed(&w->job, w->job.to, r))
        return;
    cede_prep_stat(req, w->job.to, &w->stat, 0);
    job_go(&w->job, req, on_copy_stat);
}

static void on_source_stat(cede_req *req, cede_result r)
{
    struct walk *w = req->user_data;
    struct node *n = w->job.node;

    if (job_failed(&w->job, w->job.from, r))
        return;
    for (const struct node *up = n->parent; up; up = up->parent) {
        if (up->to_device == w->stat.device && up->to_id == w->stat.file_id) {
            report_error(w->job.copy, w->job.from, "a directory is not copied into itself");
            return;
        }
    }
    n->mode = w->stat.mode;
    n->accessed_ns = w->stat.accessed_ns;
    n->modified_ns = w->stat.modified_ns;
    cede_prep_mkdir(req, w->job.to, 0700);
    job_go(&w->job, req, on_copy_made);
}

static void on_source_open(cede_req *req, cede_result r)
{
    struct walk *w = req->user_data;

    if (job_failed(&w->job, w->job.from, r))
        return;
    w->directory = r.handle;
    cede_own(w->job.life, r.handle);
    cede_prep_stat_handle(req, r.handle, &w->stat);
    job_go(&w->job, req, on_source_stat);
}

void walk_start(struct copy *c, struct node *node)
{
    struct walk *w = job_new(c, node, sizeof *w, on_job_end);

    if (!w)
        return;
    cede_prep_open(&w->job.req, w->job.from,
                   CEDE_OPEN_READ | CEDE_OPEN_DIRECTORY | CEDE_OPEN_NOFOLLOW, 0);
    job_go(&w->job, &w->job.req, on_source_open);
}

/* ---- Mode and times, at the very end -------------------------------------------------------- */

struct finish {
    struct job job;
    cede_req times, sync;
};

static void on_set(cede_req *req, cede_result r)
{
    struct finish *f = req->user_data;

    job_failed(&f->job, f->job.to, r);
}

static void on_filled_open(cede_req *req, cede_result r)
{
    struct finish *f = req->user_data;
    struct node *n = f->job.node;

    if (job_failed(&f->job, f->job.to, r))
        return;
    cede_own(f->job.life, r.handle);
    cede_prep_set_mode(req, r.handle, n->mode);
    cede_prep_set_times(&f->times, r.handle, n->accessed_ns, n->modified_ns);
    cede_prep_fsync(&f->sync, r.handle);
    job_link(&f->job, req, &f->times, on_set);
    if (f->job.copy->sync)
        job_link(&f->job, &f->times, &f->sync, on_set);
    job_go(&f->job, req, on_set);
}

void finish_start(struct copy *c, struct node *node)
{
    struct finish *f = job_new(c, node, sizeof *f, on_job_end);

    if (!f)
        return;
    cede_prep_open(&f->job.req, f->job.to, CEDE_OPEN_READ | CEDE_OPEN_DIRECTORY, 0);
    job_go(&f->job, &f->job.req, on_filled_open);
}
