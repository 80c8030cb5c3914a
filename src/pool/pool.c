/*
 * The pool: a locked queue towards the threads, a lock-free stack back.
 *
 * Lifetime: a job belongs to the pool from submit until take or a successful remove.
 */
#include "pool.h"

#include "os_sync.h" /* by the include path */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The library's allocator (src/core/memory.c). */
void *cedi_memory_get(size_t bytes);
void cedi_memory_free(void *);

#define FIRST_ROOM 8u /* more than a pool has unless it is told to */

struct cedi_pool {
    _Atomic(cedi_pool_job *) finished; /* first: cedi_pool_has_finished reads it; newest first */
    cede_os_mutex lock;
    cede_os_cond more;   /* or one that ran alone has ended */
    cedi_pool_job queue; /* its links only: a ring, oldest at next */
    uint64_t queued;
    uint64_t holding; /* jobs that hold: queued, or running on one of the threads */
    uint32_t waiting; /* threads inside the wait, signalled for or not */
    uint32_t made;
    uint32_t room;  /* for so many there is */
    uint32_t alone; /* threads of single jobs */
    bool stopping;
    cedi_pool_setup setup;
    cede_os_thread_id *threads; /* grows: "at most" may be any number */
};

_Static_assert(offsetof(cedi_pool, finished) == 0, "cedi_pool_has_finished reads it");

/* With the lock held, like the next. */
static void unlink_job(cedi_pool *pool, cedi_pool_job *job)
{
    job->next->prev = job->prev;
    job->prev->next = job->next;
    job->queued = false;
    pool->queued--;
}

static cedi_pool_job *next_job(cedi_pool *pool)
{
    cedi_pool_job *job = pool->queue.next;
    if (job == &pool->queue)
        return NULL;
    unlink_job(pool, job);
    return job;
}

static void finish(cedi_pool *pool, cedi_pool_job *job)
{
    cedi_pool_job *head = atomic_load_explicit(&pool->finished, memory_order_relaxed);
    do {
        job->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&pool->finished, &head, job,
                                                    memory_order_seq_cst, memory_order_relaxed));
    pool->setup.notify(pool->setup.context);
}

static cede_os_result CEDE_OS_CALL thread_main(void *context)
{
    cedi_pool *pool = context;
    void *thread = cede_os_own_thread();
    cede_os_mutex_lock(&pool->lock);
    for (;;) {
        cedi_pool_job *job = next_job(pool);
        if (job) {
            bool holds = job->holds;
            cede_os_mutex_unlock(&pool->lock);
            job->run(job, thread);
            finish(pool, job);
            cede_os_mutex_lock(&pool->lock);
            pool->holding -= holds;
        } else if (pool->stopping) {
            break;
        } else {
            pool->waiting++;
            cede_os_cond_wait(&pool->more, &pool->lock);
            pool->waiting--;
        }
    }
    cede_os_mutex_unlock(&pool->lock);
    cede_os_own_thread_free(thread);
    return 0;
}

cedi_pool *cedi_pool_open(const cedi_pool_setup *setup)
{
    cedi_pool *pool = cedi_memory_get(sizeof *pool);
    if (!pool)
        return NULL;
    pool->setup = *setup;
    if (pool->setup.threads == 0)
        pool->setup.threads = 1;
    pool->room = pool->setup.threads < FIRST_ROOM ? pool->setup.threads : FIRST_ROOM;
    pool->threads = cedi_memory_get(pool->room * sizeof *pool->threads);
    if (!pool->threads) {
        cedi_memory_free(pool);
        return NULL;
    }
    pool->queue.next = pool->queue.prev = &pool->queue;
    if (!cede_os_mutex_init(&pool->lock)) {
        cedi_memory_free(pool->threads);
        cedi_memory_free(pool);
        return NULL;
    }
    if (!cede_os_cond_init(&pool->more)) {
        cede_os_mutex_destroy(&pool->lock);
        cedi_memory_free(pool->threads);
        cedi_memory_free(pool);
        return NULL;
    }
    return pool;
}

void cedi_pool_close(cedi_pool *pool)
{
    if (!pool)
        return;
    cede_os_mutex_lock(&pool->lock);
    pool->stopping = true;
    cede_os_cond_broadcast(&pool->more);
    while (pool->alone > 0)
        cede_os_cond_wait(&pool->more, &pool->lock);
    cede_os_mutex_unlock(&pool->lock);
    for (uint32_t i = 0; i < pool->made; i++)
        cede_os_thread_join(pool->threads[i]);
    cede_os_cond_destroy(&pool->more);
    cede_os_mutex_destroy(&pool->lock);
    cedi_memory_free(pool->threads);
    cedi_memory_free(pool);
}

bool cedi_pool_may_make_thread(const cedi_pool *pool)
{
    return !pool->setup.fault || pool->setup.fault(pool->setup.fault_context, "thread") == 0;
}

static bool make_thread(const cedi_pool *pool, cede_os_thread_id *thread,
                        cede_os_result(CEDE_OS_CALL *run)(void *), void *context)
{
    return cedi_pool_may_make_thread(pool) && cede_os_thread_start(thread, run, context);
}

/* With the lock held, like the next. False: no memory. */
static bool make_room(cedi_pool *pool)
{
    uint64_t room = (uint64_t)pool->room * 2;
    cede_os_thread_id *threads;
    if (pool->made < pool->room)
        return true;
    if (room > pool->setup.threads)
        room = pool->setup.threads;
    if (room > SIZE_MAX / sizeof *threads)
        return false;
    threads = cedi_memory_get((size_t)room * sizeof *threads);
    if (!threads)
        return false;
    memcpy(threads, pool->threads, pool->made * sizeof *threads);
    cedi_memory_free(pool->threads);
    pool->threads = threads;
    pool->room = (uint32_t)room;
    return true;
}

/* The new thread's first act is to wait for the lock. */
static void one_more(cedi_pool *pool)
{
    if (make_room(pool) && make_thread(pool, &pool->threads[pool->made], thread_main, pool))
        pool->made++;
}

static cede_os_result CEDE_OS_CALL alone_main(void *context)
{
    cedi_pool_job *job = context;
    cedi_pool *pool = job->pool;
    void *thread = cede_os_own_thread();
    job->run(job, thread);
    finish(pool, job);
    cede_os_own_thread_free(thread);
    cede_os_mutex_lock(&pool->lock);
    pool->alone--;
    cede_os_cond_broadcast(&pool->more);
    cede_os_mutex_unlock(&pool->lock);
    return 0;
}

cede_status cedi_pool_run_alone(cedi_pool *pool, cedi_pool_job *job)
{
    cede_os_thread_id thread;
    bool made;
    job->pool = pool;
    job->queued = false;
    cede_os_mutex_lock(&pool->lock);
    made = make_thread(pool, &thread, alone_main, job);
    pool->alone += made;
    cede_os_mutex_unlock(&pool->lock);
    if (made)
        cede_os_thread_detach(thread);
    return made ? CEDE_OK : CEDE_EAGAIN;
}

/* With the lock held. */
static void enqueue(cedi_pool *pool, cedi_pool_job *job)
{
    job->next = &pool->queue;
    job->prev = pool->queue.prev;
    job->prev->next = job;
    pool->queue.prev = job;
    job->queued = true;
    pool->queued++;
    pool->holding += job->holds;
    if (pool->waiting > 0)
        cede_os_cond_signal(&pool->more);
}

/* Jobs begin in the order in which they came: what is before this one, and holds, takes fewer
 * threads than there are, or it goes past. */
static cede_status submit(cedi_pool *pool, cedi_pool_job *job, bool past)
{
    cede_status status = CEDE_OK;
    bool held;
    cede_os_mutex_lock(&pool->lock);
    if (pool->queued >= pool->waiting && pool->made < pool->setup.threads)
        one_more(pool);
    held = past && pool->made > 0 && pool->holding >= pool->made;
    if (pool->made == 0)
        status = CEDE_EAGAIN;
    else if (!held)
        enqueue(pool, job);
    cede_os_mutex_unlock(&pool->lock);
    return held ? cedi_pool_run_alone(pool, job) : status;
}

cede_status cedi_pool_submit(cedi_pool *pool, cedi_pool_job *job)
{
    return submit(pool, job, false);
}

cede_status cedi_pool_submit_past(cedi_pool *pool, cedi_pool_job *job)
{
    return submit(pool, job, true);
}

void cedi_pool_came_home(cedi_pool *pool, cedi_pool_job *job)
{
    finish(pool, job);
}

bool cedi_pool_remove(cedi_pool *pool, cedi_pool_job *job)
{
    bool removed;
    cede_os_mutex_lock(&pool->lock);
    removed = job->queued;
    if (removed) {
        unlink_job(pool, job);
        pool->holding -= job->holds;
    }
    cede_os_mutex_unlock(&pool->lock);
    return removed;
}

cedi_pool_job *cedi_pool_take(cedi_pool *pool)
{
    cedi_pool_job *job = atomic_exchange_explicit(&pool->finished, NULL, memory_order_acquire);
    cedi_pool_job *oldest = NULL;
    while (job) {
        cedi_pool_job *older = job->next;
        job->next = oldest;
        oldest = job;
        job = older;
    }
    return oldest;
}
