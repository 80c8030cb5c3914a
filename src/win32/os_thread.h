/*
 * The name of the calling thread, on Windows: inlined, because every submit compares it (law 17).
 * Never 0; unique among live threads. The core finds this file by the include path, so it keeps
 * <windows.h> and its macros out.
 *
 * On x64 it is the address of the thread's block, read as winnt.h's NtCurrentTeb reads it: one
 * instruction. Elsewhere it is the thread's id.
 */
#ifndef CEDE_OS_THREAD_H
#define CEDE_OS_THREAD_H

#include <stdint.h>

#if defined(_MSC_VER) && defined(_M_X64) && !defined(_M_ARM64EC)
#define CEDE_OS_READS_THREAD_BLOCK 1
unsigned __int64 __readgsqword(unsigned long offset);
#pragma intrinsic(__readgsqword)
#elif !defined(__x86_64__) || defined(_MSC_VER)
__declspec(dllimport) unsigned long __stdcall GetCurrentThreadId(void);
#endif

static inline uintptr_t cede_os_thread(void)
{
#if defined(CEDE_OS_READS_THREAD_BLOCK)
    return (uintptr_t)__readgsqword(0x30);
#elif defined(__x86_64__) && !defined(_MSC_VER)
    uintptr_t self;
    __asm__("movq %%gs:0x30, %0" : "=r"(self));
    return self;
#else
    return (uintptr_t)GetCurrentThreadId();
#endif
}

#endif
