/*
 * See strays.h.
 *
 * Lifetime: what the threads share lives until its owner has closed it and the last thread that was
 * inside a call then has returned from it. Threads that are not are joined.
 */
#include "strays.h"

#include "../mutants.h"
#include "os_sync.h" /* by the include path */

#include <stddef.h>

#define THREADS_MOST 16u

void *cedi_memory_get(size_t bytes);
void cedi_memory_free(void *);

enum { QUEUED, RUNNING, LEFT, HOME };      /* a job */
enum { NONE, WORKS, HAS_ENDED, DETACHED }; /* a thread */

typedef struct stray_thread {
    cedi_strays *strays;
    cede_os_thread_id id;
    cedi_stray *job; /* inside its call */
    uint8_t state;
} stray_thread;

struct cedi_strays {
    cede_os_mutex lock;
    cedi_pool *pool;
    cedi_stray *first, **last; /* queued */
    uint32_t detached;
    bool closed;
    stray_thread threads[THREADS_MOST];
};

static void release(cedi_strays *self)
{
    cede_os_mutex_destroy(&self->lock);
    cedi_memory_free(self);
}

cedi_strays *cedi_strays_open(cedi_pool *pool)
{
    cedi_strays *self = cedi_memory_get(sizeof *self);
    if (!self)
        return NULL;
    if (!cede_os_mutex_init(&self->lock)) {
        cedi_memory_free(self);
        return NULL;
    }
    self->pool = pool;
    self->last = &self->first;
    for (unsigned i = 0; i < THREADS_MOST; i++)
        self->threads[i].strays = self;
    return self;
}

/* With the lock held. */
static cedi_stray *next_job(cedi_strays *self)
{
    cedi_stray *job = self->first;
    if (!job)
        return NULL;
    self->first = job->next;
    if (!self->first)
        self->last = &self->first;
    job->state = RUNNING;
    return job;
}

/* The lock is held while it comes home: the pool is there until the strays are closed. */
static void perform(cedi_strays *self, stray_thread *thread, cedi_stray *job)
{
    thread->job = job;
    cede_os_mutex_unlock(&self->lock);
    job->run(job);
    cede_os_mutex_lock(&self->lock);
    thread->job = NULL;
    if (job->state == LEFT) {
        job->forsaken(job);
    } else {
        job->state = HOME;
        cedi_pool_came_home(self->pool, &job->home);
    }
}

static cede_os_result CEDE_OS_CALL stray_main(void *context)
{
    stray_thread *thread = context;
    cedi_strays *self = thread->strays;
    cedi_stray *job;
    bool last = false;
    cede_os_mutex_lock(&self->lock);
    while ((job = next_job(self)) != NULL)
        perform(self, thread, job);
    if (thread->state == DETACHED)
        last = --self->detached == 0 && self->closed;
    else
        thread->state = HAS_ENDED;
    cede_os_mutex_unlock(&self->lock);
    if (last)
        release(self);
    return 0;
}

/* With the lock held, as the next. One more thread, if there may be one. */
static void one_more(cedi_strays *self)
{
    for (unsigned i = 0; i < THREADS_MOST; i++) {
        stray_thread *thread = &self->threads[i];
        if (thread->state == HAS_ENDED) /* it has the lock behind it */
            cede_os_thread_join(thread->id);
        else if (thread->state != NONE)
            continue;
        thread->state = NONE;
        if (cedi_pool_may_make_thread(self->pool) &&
            cede_os_thread_start(&thread->id, stray_main, thread))
            thread->state = WORKS;
        return;
    }
}

static bool has_thread(const cedi_strays *self)
{
    for (unsigned i = 0; i < THREADS_MOST; i++) {
        if (self->threads[i].state == WORKS)
            return true;
    }
    return false;
}

static void unqueue(cedi_strays *self, const cedi_stray *job)
{
    cedi_stray **place = &self->first;
    while (*place != job)
        place = &(*place)->next;
    *place = job->next;
    if (self->last == &job->next)
        self->last = place;
}

cede_status cedi_strays_run(cedi_strays *self, cedi_stray *job)
{
    cede_status status = CEDE_OK;
    job->home.run = NULL;
    job->home.queued = false;
    job->next = NULL;
    cede_os_mutex_lock(&self->lock);
    job->state = QUEUED;
    *self->last = job;
    self->last = &job->next;
    one_more(self);
    if (!has_thread(self)) {
        unqueue(self, job);
        status = CEDE_EAGAIN;
    }
    cede_os_mutex_unlock(&self->lock);
    return status;
}

bool cedi_strays_leave(cedi_strays *self, cedi_stray *job)
{
    bool queued, left;
    cede_os_mutex_lock(&self->lock);
    queued = job->state == QUEUED;
    left = job->state != HOME;
    if (queued)
        unqueue(self, job);
    else if (left)
        job->state = LEFT;
    cede_os_mutex_unlock(&self->lock);
    if (queued)
        job->forsaken(job);
    return left;
}

void cedi_strays_close(cedi_strays *self)
{
    bool last, ends[THREADS_MOST];
    if (!self)
        return;
    cede_os_mutex_lock(&self->lock);
    for (unsigned i = 0; i < THREADS_MOST; i++) {
        stray_thread *thread = &self->threads[i];
        bool inside = thread->state == WORKS && thread->job && !CEDI_FAULT(CLOSE_AWAITS_STRAYS);
        ends[i] = thread->state != NONE && !inside;
        if (inside) {
            cede_os_thread_detach(thread->id);
            thread->state = DETACHED;
            self->detached++;
        }
    }
    cede_os_mutex_unlock(&self->lock);
    for (unsigned i = 0; i < THREADS_MOST; i++) {
        if (ends[i])
            cede_os_thread_join(self->threads[i].id);
    }
    cede_os_mutex_lock(&self->lock);
    self->closed = true;
    last = self->detached == 0;
    cede_os_mutex_unlock(&self->lock);
    if (last)
        release(self);
}
