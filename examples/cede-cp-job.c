/*
 * cede-cp: the queue of work, and what all jobs have in common.
 *
 * A job begins with a scope and ends with it. How many run at one time is bounded, and bounded
 * lower when descriptors run out; what does not fit waits in two lists of nodes.
 */
#include "cede-cp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void report(const char *path, const char *message)
{
    progress_clear();
    fprintf(stderr, "cede-cp: %s: %s\n", path, message);
}

void report_error(struct copy *c, const char *path, const char *message)
{
    report(path, message);
    c->errors++;
    if (c->fail_fast) {
        c->stopping = true;
        cede_fail(c->life, CEDE_EENDED);
    }
}

/* ---- Nodes ---------------------------------------------------------------------------------- */

/* Written from its end, upwards in the tree, then moved to the front. */
bool node_path(const struct node *n, bool to, char *out)
{
    char *end = out + PATH_BYTES - 1;

    *end = '\0';
    for (;; n = n->parent) {
        const char *part = n->parent || !to ? n->name : n->root_to;
        size_t bytes = strlen(part);

        if ((size_t)(end - out) <= bytes)
            return false;
        end -= bytes;
        memcpy(end, part, bytes);
        if (!n->parent)
            break;
        *--end = '/';
    }
    memmove(out, end, strlen(end) + 1);
    return true;
}

static void push(struct copy *c, struct node *n)
{
    struct node **list = n->start == walk_start ? &c->walks : &c->ready;

    n->next = *list;
    *list = n;
}

static struct node *pop(struct node **list)
{
    struct node *n = *list;

    *list = n->next;
    return n;
}

/* Nothing more is to be done for n itself. When nothing is left below it either, it goes, and its
 * directory may be at its end, and so on up. */
static void let_go(struct copy *c, struct node *n)
{
    while (n && --n->pending == 0) {
        if (n->start == walk_start && n->copied && !c->stopping) {
            n->start = finish_start;
            n->pending = 1;
            push(c, n);
            return;
        }
        struct node *parent = n->parent;
        free(n->root_to);
        free(n);
        n = parent;
    }
}

void drop_waiting(struct copy *c)
{
    while (c->walks || c->ready)
        let_go(c, pop(c->walks ? &c->walks : &c->ready));
}

void node_add(struct copy *c, struct node *parent, const char *path, const char *name,
              char *root_to, const cede_stat *stat)
{
    struct node *n = calloc(1, sizeof *n + strlen(name) + 1);
    bool special = stat->type != CEDE_FILE_DIRECTORY && stat->type != CEDE_FILE_REGULAR &&
                   stat->type != CEDE_FILE_SYMLINK;

    if (!n || special) {
        report_error(c, path, special ? "pipe, socket or device: left out" : "out of memory");
        free(root_to);
        free(n);
        return;
    }
    strcpy(n->name, name);
    n->root_to = root_to;
    n->parent = parent;
    n->type = stat->type;
    n->pending = 1;
    n->start = n->type == CEDE_FILE_DIRECTORY ? walk_start : file_start;
    if (parent)
        parent->pending++;
    if (n->type == CEDE_FILE_REGULAR) {
        n->size_bytes = stat->size_bytes;
        c->found_bytes += c->verify ? 2 * n->size_bytes : n->size_bytes;
    }
    c->found_files += n->type != CEDE_FILE_DIRECTORY;
    push(c, n);
}

/* ---- Jobs ----------------------------------------------------------------------------------- */

/* Walks come first, in a quarter of the room, so that the size of the whole is known early. */
void pump(struct copy *c)
{
    if (c->pumping)
        return; /* a job failed to start: the loop below goes on */
    c->pumping = true;
    while (!c->stopping && c->running < c->limit && (c->walks || c->ready)) {
        bool walk = c->walks && (!c->ready || c->walking < c->limit / 4);
        struct node *n = pop(walk ? &c->walks : &c->ready);

        c->running++;
        c->walking += walk;
        n->start(c, n);
    }
    c->pumping = false;
    if (!c->running && !c->walks && !c->ready)
        cede_complete(c->keeping, CEDE_OK, 0);
}

static void succeeded(struct copy *c, struct node *n, const char *to)
{
    c->done_dirs += n->start == finish_start;
    if (n->start != file_start)
        return;
    c->done_files++;
    c->done_bytes += n->size_bytes;
    if (c->verbose) {
        progress_clear();
        printf("%s\n", to);
        fflush(stdout);
    }
}

static void node_over(struct copy *c, struct node *n, const char *at, const char *to,
                      cede_status status, uint32_t flags)
{
    bool ended = status == CEDE_EENDED || (flags & CEDE_BY_SCOPE) != 0; /* the whole did */

    c->running--;
    c->walking -= n->start == walk_start;
    c->stopping = c->stopping || ended;
    if (status == CEDE_OK) {
        succeeded(c, n, to);
        if (n->start == file_start && c->verify && !c->stopping) {
            n->start = verify_start;
            n->pending++;
            push(c, n);
        }
    } else if ((status == CEDE_EMFILE || status == CEDE_ENFILE) && c->running && !c->stopping) {
        c->limit = c->running; /* so many do fit: this one comes when another is over */
        n->pending++;
        push(c, n);
    } else if (!ended) {
        report_error(c, at, cede_strerror(status));
    }
    let_go(c, n);
    pump(c);
}

void *job_new(struct copy *c, struct node *n, size_t bytes, cede_done *on_end)
{
    struct job *job = calloc(1, bytes);

    if (!job || !node_path(n, false, job->from) || !node_path(n, true, job->to)) {
        node_over(c, n, n->name, "", job ? CEDE_ENAMETOOLONG : CEDE_ENOMEM, 0);
        free(job);
        return NULL;
    }
    job->copy = c;
    job->node = n;
    job->scope.user_data = job;
    cede_prep_scope(&job->scope);
    cede_in(&job->scope, c->life);
    job->life = cede_submit(c->loop, &job->scope, on_end);
    return job;
}

void job_go(struct job *job, cede_req *req, cede_done *done)
{
    req->user_data = job;
    cede_in(req, job->life);
    cede_submit(job->copy->loop, req, done);
}

cede_req *job_link(struct job *job, cede_req *last, cede_req *req, cede_done *done)
{
    req->user_data = job;
    cede_in(req, job->life);
    cede_link(last, req, done);
    return req;
}

bool job_failed(struct job *job, const char *at, cede_result r)
{
    if (r.status == CEDE_OK)
        return false;
    if (!job->at)
        job->at = at;
    cede_fail(job->life, r.status);
    return true;
}

void job_over(struct job *job, cede_status status, uint32_t flags)
{
    node_over(job->copy, job->node, job->at ? job->at : job->from, job->to, status, flags);
    free(job);
}

void on_job_end(cede_req *scope, cede_result r)
{
    job_over(scope->user_data, r.status, r.flags);
}
