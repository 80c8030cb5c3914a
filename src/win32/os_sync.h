/*
 * Threads and what they wait at, on Windows: see src/posix/os_sync.h, which has the same names. Any
 * thread.
 */
#ifndef CEDE_OS_SYNC_H
#define CEDE_OS_SYNC_H

#include "system.h"

#include <process.h>
#include <stdbool.h>

typedef SRWLOCK cede_os_mutex;
typedef CONDITION_VARIABLE cede_os_cond;
typedef HANDLE cede_os_thread_id;
typedef unsigned cede_os_result;
#define CEDE_OS_CALL __stdcall

static inline bool cede_os_mutex_init(cede_os_mutex *mutex)
{
    InitializeSRWLock(mutex);
    return true;
}

static inline void cede_os_mutex_destroy(cede_os_mutex *mutex)
{
    (void)mutex;
}

static inline void cede_os_mutex_lock(cede_os_mutex *mutex)
{
    AcquireSRWLockExclusive(mutex);
}

static inline void cede_os_mutex_unlock(cede_os_mutex *mutex)
{
    ReleaseSRWLockExclusive(mutex);
}

static inline bool cede_os_cond_init(cede_os_cond *cond)
{
    InitializeConditionVariable(cond);
    return true;
}

static inline void cede_os_cond_destroy(cede_os_cond *cond)
{
    (void)cond;
}

static inline void cede_os_cond_wait(cede_os_cond *cond, cede_os_mutex *mutex)
{
    (void)SleepConditionVariableSRW(cond, mutex, INFINITE, 0);
}

static inline void cede_os_cond_signal(cede_os_cond *cond)
{
    WakeConditionVariable(cond);
}

static inline void cede_os_cond_broadcast(cede_os_cond *cond)
{
    WakeAllConditionVariable(cond);
}

/* Paths lie on the stacks of the pool's threads, so these do not go by what the program was linked
 * with. */
#define CEDE_OS_STACK_BYTES (1u << 20)

static inline bool cede_os_thread_start(cede_os_thread_id *thread,
                                        cede_os_result(CEDE_OS_CALL *run)(void *), void *context)
{
    *thread = (HANDLE)_beginthreadex(NULL, CEDE_OS_STACK_BYTES, run, context,
                                     STACK_SIZE_PARAM_IS_A_RESERVATION, NULL);
    return *thread != NULL;
}

static inline void cede_os_thread_join(cede_os_thread_id thread)
{
    (void)WaitForSingleObject(thread, INFINITE);
    (void)CloseHandle(thread);
}

static inline void cede_os_thread_detach(cede_os_thread_id thread)
{
    (void)CloseHandle(thread);
}

/* A handle that means this thread on every thread, for CancelSynchronousIo. NULL: its calls cannot
 * be cancelled. Errors of the medium ("there is no disk in the drive") are results on this thread
 * and put no question to whoever sits there. */
static inline void *cede_os_own_thread(void)
{
    (void)SetThreadErrorMode(SEM_FAILCRITICALERRORS, NULL);
    return OpenThread(THREAD_TERMINATE, FALSE, GetCurrentThreadId());
}

static inline void cede_os_own_thread_free(void *thread)
{
    if (thread)
        (void)CloseHandle(thread);
}

#endif
