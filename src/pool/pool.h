/*
 * A small pool of threads for calls that may block and that the system cannot do asynchronously.
 *
 * One pool an instance of a backend. Threads are made when there is work and none is idle, up to
 * a limit, and joined by close. Jobs are the caller's memory: the pool allocates nothing after
 * open. A job is queued, then runs on some thread, then is finished until the owner takes it.
 *
 * Threads: submit, submit_past, run_alone, remove, take and close are the owner's; has_finished is
 * cheap and lock-free.
 */
#ifndef CEDE_THREADS_POOL_H
#define CEDE_THREADS_POOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "cede/types.h"

typedef struct cedi_pool_job cedi_pool_job;
struct cedi_pool_job {
    cedi_pool_job *next, *prev;
    /* `thread` names the thread it runs on, for what ends its blocking calls; or NULL. */
    void (*run)(cedi_pool_job *, void *thread);
    bool queued;            /* under the pool's lock: not yet begun */
    bool holds;             /* it may wait for what others do, as long as it likes: the owner's */
    struct cedi_pool *pool; /* of one that runs alone */
};

typedef struct cedi_pool cedi_pool;

typedef struct cedi_pool_setup {
    uint32_t threads;              /* at most; at least 1 is taken */
    void (*notify)(void *context); /* on a pool thread: a job has finished */
    void *context;
    int (*fault)(void *context, const char *call); /* may be NULL; called with "thread" */
    void *fault_context;
} cedi_pool_setup;

/* NULL: out of memory. Makes no thread yet. */
cedi_pool *cedi_pool_open(const cedi_pool_setup *);

/* Joins the threads. No job is queued or running, and all finished ones were taken. */
void cedi_pool_close(cedi_pool *);

/* CEDE_OK: the job will run. CEDE_EAGAIN: no thread could be made and there is none. */
cede_status cedi_pool_submit(cedi_pool *, cedi_pool_job *);

/* The same for what must not wait for jobs that hold: where these could have all threads, it runs
 * on one of its own. CEDE_EAGAIN: that could not be made. */
cede_status cedi_pool_submit_past(cedi_pool *, cedi_pool_job *);

/* The same on a thread of its own, beyond the limit, that ends with the job: for what may wait for
 * ever and has a way of its own to be told to end. */
cede_status cedi_pool_run_alone(cedi_pool *, cedi_pool_job *);

/* True: it was still queued, and will never run. False: it runs, or has run. */
bool cedi_pool_remove(cedi_pool *, cedi_pool_job *);

/* The finished jobs, oldest first, linked by next; NULL if there are none. */
cedi_pool_job *cedi_pool_take(cedi_pool *);

/* For strays.c: a job of another kind is among the finished ones from here (any thread); whether a
 * test's hook lets a thread be made. */
void cedi_pool_came_home(cedi_pool *, cedi_pool_job *);
bool cedi_pool_may_make_thread(const cedi_pool *);

/* For one who says that he sleeps, and then looks: what is not seen here is notified of. The head
 * of the list of finished jobs lies first in the pool. */
static inline bool cedi_pool_has_finished(const cedi_pool *pool)
{
    const _Atomic(cedi_pool_job *) *head = (const _Atomic(cedi_pool_job *) *)(const void *)pool;
    return atomic_load_explicit(head, memory_order_seq_cst) != NULL;
}

#endif
