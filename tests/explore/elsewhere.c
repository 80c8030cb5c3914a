/*
 * Calls on another thread: the caller waits until it is over, so that a run has one order of events
 * and repeats. One thread serves the process.
 */
#include "explore.h"

#include <pthread.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static void (*task)(void *);
static void *argument;

static void *serve(void *unused)
{
    (void)pthread_mutex_lock(&lock);
    for (;;) {
        while (!task)
            (void)pthread_cond_wait(&changed, &lock);
        task(argument);
        task = NULL;
        (void)pthread_cond_broadcast(&changed);
    }
    return unused;
}

static void begin(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, serve, NULL) != 0)
        abort();
    (void)pthread_detach(thread);
}

void elsewhere(void (*fn)(void *), void *context)
{
    (void)pthread_once(&once, begin);
    (void)pthread_mutex_lock(&lock);
    argument = context;
    task = fn;
    (void)pthread_cond_broadcast(&changed);
    while (task)
        (void)pthread_cond_wait(&changed, &lock);
    (void)pthread_mutex_unlock(&lock);
}
