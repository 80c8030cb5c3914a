/*
 * The name of the calling thread, on POSIX: inlined, because every submit compares it (law 17).
 * Never 0; unique among live threads. The core finds this file by the include path.
 */
#ifndef CEDE_OS_THREAD_H
#define CEDE_OS_THREAD_H

#include <pthread.h>
#include <stdint.h>

/* By version: gcc 10 on x86 says by __has_builtin that it has it, and then has not. */
#if defined(__clang__) ? __clang_major__ >= 14 : defined(__GNUC__) && __GNUC__ >= 11
#define CEDE_OS_HAS_THREAD_POINTER 1
#endif

static inline uintptr_t cede_os_thread(void)
{
#ifdef CEDE_OS_HAS_THREAD_POINTER
    return (uintptr_t)__builtin_thread_pointer();
#else
    return (uintptr_t)pthread_self();
#endif
}

#endif
