/*
 * The pool: a locked queue towards the threads, a lock-free stack back.
 *
 * Lifetime: a job belongs to the pool from submit until take or a successful remove.
 */
#include "pool.h"

#include "system.h"

#include <process.h>

/* The library's allocator (src/core/memory.c). */
void *cedi_memory_get(size_t bytes);
void cedi_memory_free(void *);

struct cedi_pool {
    _Atomic(cedi_pool_job *) finished; /* newest first */
    SRWLOCK lock;
    CONDITION_VARIABLE more; /* or one that ran alone has ended */
    cedi_pool_job queue;     /* its links only: a ring, oldest at next */
    uint64_t queued;
    uint32_t waiting; /* threads inside the wait, woken for or not */
    uint32_t made;
    uint32_t alone; /* threads of single jobs */
    bool stopping;
    cedi_pool_setup setup;
    HANDLE *threads;
};

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
    } while (!atomic_compare_exchange_weak(&pool->finished, &head, job));
    pool->setup.notify(pool->setup.context);
}

/* A handle that means this thread on every thread; the pool's own, if it could be had no other way.
 * NULL only makes that its calls cannot be cancelled. */
static HANDLE own_handle(void)
{
    return OpenThread(THREAD_TERMINATE, FALSE, GetCurrentThreadId());
}

static unsigned __stdcall thread_main(void *context)
{
    cedi_pool *pool = context;
    HANDLE thread = own_handle();
    AcquireSRWLockExclusive(&pool->lock);
    for (;;) {
        cedi_pool_job *job = next_job(pool);
        if (job) {
            ReleaseSRWLockExclusive(&pool->lock);
            job->run(job, thread);
            finish(pool, job);
            AcquireSRWLockExclusive(&pool->lock);
        } else if (pool->stopping) {
            break;
        } else {
            pool->waiting++;
            (void)SleepConditionVariableSRW(&pool->more, &pool->lock, INFINITE, 0);
            pool->waiting--;
        }
    }
    ReleaseSRWLockExclusive(&pool->lock);
    if (thread)
        (void)CloseHandle(thread);
    return 0;
}

cedi_pool *cedi_pool_open(const cedi_pool_setup *setup)
{
    uint32_t threads = setup->threads ? setup->threads : 1;
    cedi_pool *pool = cedi_memory_get(sizeof *pool + threads * sizeof(HANDLE));
    if (!pool)
        return NULL;
    pool->setup = *setup;
    pool->setup.threads = threads;
    pool->threads = (HANDLE *)(void *)(pool + 1);
    pool->queue.next = pool->queue.prev = &pool->queue;
    InitializeSRWLock(&pool->lock);
    InitializeConditionVariable(&pool->more);
    return pool;
}

void cedi_pool_close(cedi_pool *pool)
{
    if (!pool)
        return;
    AcquireSRWLockExclusive(&pool->lock);
    pool->stopping = true;
    WakeAllConditionVariable(&pool->more);
    while (pool->alone > 0)
        (void)SleepConditionVariableSRW(&pool->more, &pool->lock, INFINITE, 0);
    ReleaseSRWLockExclusive(&pool->lock);
    for (uint32_t i = 0; i < pool->made; i++) {
        (void)WaitForSingleObject(pool->threads[i], INFINITE);
        (void)CloseHandle(pool->threads[i]);
    }
    cedi_memory_free(pool);
}

static HANDLE make_thread(cedi_pool *pool, unsigned(__stdcall *run)(void *), void *context)
{
    if (pool->setup.fault && pool->setup.fault(pool->setup.fault_context, "thread") != 0)
        return NULL;
    return (HANDLE)_beginthreadex(NULL, 0, run, context, 0, NULL);
}

/* With the lock held: the new thread's first act is to wait for it. */
static void one_more(cedi_pool *pool)
{
    HANDLE thread = make_thread(pool, thread_main, pool);
    if (thread)
        pool->threads[pool->made++] = thread;
}

static unsigned __stdcall alone_main(void *context)
{
    cedi_pool_job *job = context;
    cedi_pool *pool = job->pool;
    HANDLE thread = own_handle();
    job->run(job, thread);
    finish(pool, job);
    if (thread)
        (void)CloseHandle(thread);
    AcquireSRWLockExclusive(&pool->lock);
    pool->alone--;
    WakeAllConditionVariable(&pool->more);
    ReleaseSRWLockExclusive(&pool->lock);
    return 0;
}

cede_status cedi_pool_run_alone(cedi_pool *pool, cedi_pool_job *job)
{
    HANDLE thread;
    job->pool = pool;
    job->queued = false;
    AcquireSRWLockExclusive(&pool->lock);
    thread = make_thread(pool, alone_main, job);
    pool->alone += thread ? 1 : 0;
    ReleaseSRWLockExclusive(&pool->lock);
    if (thread)
        (void)CloseHandle(thread);
    return thread ? CEDE_OK : CEDE_EAGAIN;
}

cede_status cedi_pool_submit(cedi_pool *pool, cedi_pool_job *job)
{
    cede_status status = CEDE_OK;
    AcquireSRWLockExclusive(&pool->lock);
    if (pool->queued >= pool->waiting && pool->made < pool->setup.threads)
        one_more(pool);
    if (pool->made == 0) {
        status = CEDE_EAGAIN;
    } else {
        job->next = &pool->queue;
        job->prev = pool->queue.prev;
        job->prev->next = job;
        pool->queue.prev = job;
        job->queued = true;
        pool->queued++;
        if (pool->waiting > 0)
            WakeConditionVariable(&pool->more);
    }
    ReleaseSRWLockExclusive(&pool->lock);
    return status;
}

bool cedi_pool_remove(cedi_pool *pool, cedi_pool_job *job)
{
    bool removed;
    AcquireSRWLockExclusive(&pool->lock);
    removed = job->queued;
    if (removed)
        unlink_job(pool, job);
    ReleaseSRWLockExclusive(&pool->lock);
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

bool cedi_pool_has_finished(const cedi_pool *pool)
{
    return atomic_load_explicit(&pool->finished, memory_order_seq_cst) != NULL;
}
