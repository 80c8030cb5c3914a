/*
 * cede-cp: what its files share.
 *
 *     cede-cp.c           options, signals, the last line
 *     cede-cp-job.c       the queue of work, and what all jobs have in common
 *     cede-cp-walk.c      directories: found, made, given their mode and times at the end
 *     cede-cp-file.c      one file or link: copied under a temporary name, then renamed
 *     cede-cp-verify.c    one copy, compared with its source
 *     cede-cp-progress.c  the bar
 *
 * Everything runs on one thread, in callbacks. Each name in the tree is a node. Work on a node is a
 * job: one allocation, with a scope of its own inside the scope of the whole. A cancel of the whole
 * thus reaches every request there is; each job then ends on its own path and cleans up behind
 * itself, and the last callback that can know of it frees it.
 */
#ifndef CEDE_CP_H
#define CEDE_CP_H

#include "cede/cede.h"

#define PATH_BYTES 4200u /* more than Linux takes; a longer path is CEDE_ENAMETOOLONG */

struct copy;

/* One name in the tree, from its finding until it and all below it are done. */
struct node {
    struct node *next;   /* in the list that it waits in */
    struct node *parent; /* the directory that it was found in; NULL: named by the user */
    void (*start)(struct copy *, struct node *); /* its next job */
    char *root_to;       /* named by the user: where the copy goes; else NULL */
    uint64_t size_bytes; /* files: as found, later as copied */
    int64_t accessed_ns; /* directories: for the copy, at the end, like mode */
    int64_t modified_ns;
    uint64_t to_device; /* directories: the identity of the copy, once `copied` */
    uint64_t to_id;
    uint32_t mode;
    uint32_t type;    /* CEDE_FILE_... */
    uint32_t pending; /* itself, and directories: the children */
    bool copied;      /* the copy is there (a directory's may be empty still) */
    char name[];      /* named by the user: the whole path */
};

/* The whole. */
struct copy {
    cede_loop *loop;
    cede_req scope;  /* every job's scope is inside; `life` is its ticket */
    cede_req keeper; /* a pend: keeps life from ending while there is work */
    cede_ticket life;
    cede_ticket keeping;
    cede_status end; /* the status that life ended with */
    bool ended;
    bool stopping; /* life has ended or is about to: nothing new is started */
    bool quiet, verbose, verify, sync, fail_fast;
    uint32_t limit; /* jobs at one time; lowered when descriptors run out */
    uint32_t running, walking;
    struct node *walks; /* waiting directories to be walked, last in, first out */
    struct node *ready; /* all others that wait */
    bool pumping;
    uint64_t found_files, found_bytes; /* bytes count twice with --verify, like moved_bytes */
    uint64_t moved_bytes, done_bytes, done_files, done_dirs, errors;
    uint64_t started_ns;
    uint32_t temp_random, temp_number;
};

/* What all jobs begin with. */
struct job {
    cede_req scope; /* its end is the job's; `life` is its ticket */
    cede_req req;   /* for whatever the job does next */
    cede_ticket life;
    struct copy *copy;
    struct node *node;
    const char *at; /* the path that the first failure was about */
    char from[PATH_BYTES], to[PATH_BYTES];
};

/* Makes a job of that many bytes, a struct that begins with struct job, and submits its scope.
 * NULL: it failed, and job_over has been called. */
void *job_new(struct copy *, struct node *, size_t bytes, cede_done *on_end);
/* Submits a prepared request as a member of the job; its callback finds the job in user_data. */
void job_go(struct job *, cede_req *, cede_done *);
/* The same for one that follows `last` in a chain. Returns it. */
cede_req *job_link(struct job *, cede_req *last, cede_req *, cede_done *);
/* The error line of every callback: after a failure the job ends, for the first such reason. */
bool job_failed(struct job *, const char *at, cede_result);
/* The end, from on_end or later: reports a failure, or puts the node back for later, or lets go of
 * it; frees the job, and starts what comes next. */
void job_over(struct job *, cede_status, uint32_t flags);
void on_job_end(cede_req *scope, cede_result); /* the on_end of jobs that only call job_over */

/* A name was found, at this source path. Takes root_to, which is NULL below the first. */
void node_add(struct copy *, struct node *parent, const char *path, const char *name, char *root_to,
              const cede_stat *);
bool node_path(const struct node *, bool to, char *out); /* PATH_BYTES; false: too long */
void pump(struct copy *);                                /* starts what may be started */
void drop_waiting(struct copy *);
/* Prints "cede-cp: path: message"; an error also counts, and ends it all with --fail-fast. */
void report(const char *path, const char *message);
void report_error(struct copy *, const char *path, const char *message);

/* The jobs. Each counts as running until its job_over. */
void walk_start(struct copy *, struct node *);
void finish_start(struct copy *, struct node *);
void file_start(struct copy *, struct node *);
void verify_start(struct copy *, struct node *);

/* The bar, drawn by a background timer; to be cleared before anything is printed. */
void progress_begin(struct copy *);
void progress_clear(void);
char *progress_bytes(char *out, double bytes); /* "1.5 GiB", at most 16 bytes; returns out */

#endif
