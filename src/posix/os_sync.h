/*
 * Threads and what they wait at, on POSIX: for what several systems share (src/pool). Windows has
 * the same names in its folder; they are found by the include path. Any thread.
 */
#ifndef CEDE_OS_SYNC_H
#define CEDE_OS_SYNC_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

typedef pthread_mutex_t cede_os_mutex;
typedef pthread_cond_t cede_os_cond;
typedef pthread_t cede_os_thread_id;
typedef void *cede_os_result;
#define CEDE_OS_CALL /* how the system calls a thread's function, which returns 0 */

static inline bool cede_os_mutex_init(cede_os_mutex *mutex)
{
    return pthread_mutex_init(mutex, NULL) == 0;
}

static inline void cede_os_mutex_destroy(cede_os_mutex *mutex)
{
    (void)pthread_mutex_destroy(mutex);
}

static inline void cede_os_mutex_lock(cede_os_mutex *mutex)
{
    (void)pthread_mutex_lock(mutex);
}

static inline void cede_os_mutex_unlock(cede_os_mutex *mutex)
{
    (void)pthread_mutex_unlock(mutex);
}

static inline bool cede_os_cond_init(cede_os_cond *cond)
{
    return pthread_cond_init(cond, NULL) == 0;
}

static inline void cede_os_cond_destroy(cede_os_cond *cond)
{
    (void)pthread_cond_destroy(cond);
}

static inline void cede_os_cond_wait(cede_os_cond *cond, cede_os_mutex *mutex)
{
    (void)pthread_cond_wait(cond, mutex);
}

static inline void cede_os_cond_signal(cede_os_cond *cond)
{
    (void)pthread_cond_signal(cond);
}

static inline void cede_os_cond_broadcast(cede_os_cond *cond)
{
    (void)pthread_cond_broadcast(cond);
}

/* The thread blocks every signal that is sent to the process, so that handlers keep running where
 * the program expects them; a write to a broken pipe leaves its SIGPIPE pending on a thread that
 * never sees it. */
static inline bool cede_os_thread_start(cede_os_thread_id *thread,
                                        cede_os_result(CEDE_OS_CALL *run)(void *), void *context)
{
    sigset_t all, before;
    bool made;
    (void)sigfillset(&all);
    (void)sigdelset(&all, SIGSEGV); /* raised by the thread's own acts: tools want to see them */
    (void)sigdelset(&all, SIGBUS);
    (void)sigdelset(&all, SIGFPE);
    (void)sigdelset(&all, SIGILL);
    (void)sigdelset(&all, SIGTRAP);
    (void)sigdelset(&all, SIGSYS);
    (void)sigdelset(&all, SIGABRT);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    made = pthread_create(thread, NULL, run, context) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return made;
}

static inline void cede_os_thread_join(cede_os_thread_id thread)
{
    (void)pthread_join(thread, NULL);
}

static inline void cede_os_thread_detach(cede_os_thread_id thread)
{
    (void)pthread_detach(thread);
}

/* What names the calling thread to a call that ends its blocking calls; here there is none. */
static inline void *cede_os_own_thread(void)
{
    return NULL;
}

static inline void cede_os_own_thread_free(void *thread)
{
    (void)thread;
}

#endif
