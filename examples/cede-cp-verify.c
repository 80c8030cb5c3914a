/*
 * cede-cp: a copy compared with its source. Both are read at the same time, block by block; of
 * symbolic links, the texts.
 */
#include "cede-cp.h"

#include <string.h>

#define BLOCK_BYTES 131072u

struct side {
    cede_req req;
    cede_handle file;
    uint64_t count;
    char block[BLOCK_BYTES];
};

struct verify {
    struct job job;
    struct side source, copy;
    uint64_t offset;
    uint32_t busy; /* sides that have something in flight */
};

static void read_blocks(struct verify *v);

static void on_read(cede_req *req, cede_result r)
{
    struct verify *v = req->user_data;
    struct side *s = CEDE_CONTAINER(req, struct side, req);

    if (r.status == CEDE_EEOF)
        r.status = CEDE_OK;
    if (job_failed(&v->job, s == &v->copy ? v->job.to : v->job.from, r))
        return;
    s->count = r.count;
    if (--v->busy)
        return;
    if (v->source.count != v->copy.count || memcmp(v->source.block, v->copy.block, r.count) != 0) {
        report_error(v->job.copy, v->job.to, "differs from its source");
        return; /* with no member left, the scope ends */
    }
    v->offset += r.count;
    v->job.copy->moved_bytes += r.count;
    if (r.count == BLOCK_BYTES)
        read_blocks(v);
}

static void read_blocks(struct verify *v)
{
    cede_prep_read_all(&v->source.req, v->source.file, v->source.block, BLOCK_BYTES,
                       (int64_t)v->offset);
    cede_prep_read_all(&v->copy.req, v->copy.file, v->copy.block, BLOCK_BYTES, (int64_t)v->offset);
    v->busy = 2;
    job_go(&v->job, &v->source.req, on_read);
    job_go(&v->job, &v->copy.req, on_read);
}

static void on_open(cede_req *req, cede_result r)
{
    struct verify *v = req->user_data;
    struct side *s = CEDE_CONTAINER(req, struct side, req);

    if (job_failed(&v->job, s == &v->copy ? v->job.to : v->job.from, r))
        return;
    s->file = r.handle;
    cede_own(v->job.life, r.handle);
    if (--v->busy == 0)
        read_blocks(v);
}

void verify_start(struct copy *c, struct node *node)
{
    struct verify *v = job_new(c, node, sizeof *v, on_job_end);
    bool link = node->type == CEDE_FILE_SYMLINK;

    if (!v)
        return;
    if (link) {
        cede_prep_readlink(&v->source.req, v->job.from, v->source.block, BLOCK_BYTES - 1);
        cede_prep_readlink(&v->copy.req, v->job.to, v->copy.block, BLOCK_BYTES - 1);
    } else {
        cede_prep_open(&v->source.req, v->job.from, CEDE_OPEN_READ | CEDE_OPEN_NOFOLLOW, 0);
        cede_prep_open(&v->copy.req, v->job.to, CEDE_OPEN_READ | CEDE_OPEN_NOFOLLOW, 0);
    }
    v->busy = 2;
    job_go(&v->job, &v->source.req, link ? on_read : on_open);
    job_go(&v->job, &v->copy.req, link ? on_read : on_open);
}
