/*
 * libevent's base, and the locks that it wants where several threads use one: pthread mutexes,
 * given by hand so that its core library is enough.
 */
#include "bench.h"

#include <pthread.h>
#include <stdlib.h>

#include <event2/event.h>
#include <event2/thread.h>

static void *lock_alloc(unsigned type)
{
    pthread_mutexattr_t attributes;
    pthread_mutex_t *lock = bench_alloc(1, sizeof *lock, 0);
    pthread_mutexattr_init(&attributes);
    if (type & EVTHREAD_LOCKTYPE_RECURSIVE) {
        pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    }
    pthread_mutex_init(lock, &attributes);
    pthread_mutexattr_destroy(&attributes);
    return lock;
}

static void lock_free(void *lock, unsigned type)
{
    (void)type;
    pthread_mutex_destroy(lock);
    free(lock);
}

static int lock_take(unsigned mode, void *lock)
{
    return mode & EVTHREAD_TRY ? pthread_mutex_trylock(lock) : pthread_mutex_lock(lock);
}

static int lock_give(unsigned mode, void *lock)
{
    (void)mode;
    return pthread_mutex_unlock(lock);
}

static void *condition_alloc(unsigned type)
{
    (void)type;
    pthread_cond_t *condition = bench_alloc(1, sizeof *condition, 0);
    pthread_cond_init(condition, NULL);
    return condition;
}

static void condition_free(void *condition)
{
    pthread_cond_destroy(condition);
    free(condition);
}

static int condition_signal(void *condition, int broadcast)
{
    return broadcast ? pthread_cond_broadcast(condition) : pthread_cond_signal(condition);
}

static int condition_wait(void *condition, void *lock, const struct timeval *limit)
{
    (void)limit; /* libevent waits here for a callback to end, without a limit */
    return pthread_cond_wait(condition, lock);
}

static unsigned long thread_id(void)
{
    return (unsigned long)pthread_self();
}

static void use_threads(void)
{
    static const struct evthread_lock_callbacks locks = {EVTHREAD_LOCK_API_VERSION,
                                                         EVTHREAD_LOCKTYPE_RECURSIVE,
                                                         lock_alloc,
                                                         lock_free,
                                                         lock_take,
                                                         lock_give};
    static const struct evthread_condition_callbacks conditions = {
        EVTHREAD_CONDITION_API_VERSION, condition_alloc, condition_free, condition_signal,
        condition_wait};
    static bool done;
    if (!done) {
        evthread_set_lock_callbacks(&locks);
        evthread_set_condition_callbacks(&conditions);
        evthread_set_id_callback(thread_id);
        done = true;
    }
}

struct event_base *bench_event_base(bool locks)
{
    struct event_config *config;
    struct event_base *base;
    if (locks) {
        use_threads();
    }
    config = event_config_new();
    if (config && !locks) {
        event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    }
    base = config ? event_base_new_with_config(config) : NULL;
    if (!base) {
        bench_die("libevent: no base");
    }
    event_config_free(config);
    return base;
}
