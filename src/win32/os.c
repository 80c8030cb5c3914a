/*
 * The system services of src/core/os.h on Windows. Stateless but for the process lock and the
 * frequency of the clock, which does not change while the system runs.
 */
#include "../core/os.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

static SRWLOCK process_lock = SRWLOCK_INIT;

/* Windows has no fork: the process that asks is the one that was. */
const volatile uint32_t *cede_os_alive(void)
{
    static const volatile uint32_t alive = 1;
    return &alive;
}

void cede_os_lock(void)
{
    AcquireSRWLockExclusive(&process_lock);
}

void cede_os_unlock(void)
{
    ReleaseSRWLockExclusive(&process_lock);
}

void cede_os_yield(void)
{
    /* The first looks at this processor only. */
    if (!SwitchToThread())
        Sleep(0);
}

uint64_t cede_os_now(void)
{
    static _Atomic uint64_t kept;
    const uint64_t second = UINT64_C(1000000000);
    uint64_t per_second = atomic_load_explicit(&kept, memory_order_relaxed);
    LARGE_INTEGER value;
    if (per_second == 0) { /* several threads may find the same */
        (void)QueryPerformanceFrequency(&value);
        per_second = (uint64_t)value.QuadPart;
        atomic_store_explicit(&kept, per_second, memory_order_relaxed);
    }
    (void)QueryPerformanceCounter(&value);
    uint64_t ticks = (uint64_t)value.QuadPart;
    if (per_second == 10000000) /* what today's systems have; two divisions less */
        return ticks * 100;
    return ticks / per_second * second + ticks % per_second * second / per_second;
}

/* One write a line, or lines of several threads would mix. */
void cede_os_say(const char *line)
{
    char piece[2048];
    size_t length = strlen(line);
    HANDLE to = GetStdHandle(STD_ERROR_HANDLE);
    DWORD written;
    if (length > sizeof piece - 1)
        length = sizeof piece - 1;
    memcpy(piece, line, length);
    piece[length] = '\n';
    if (to == NULL || to == INVALID_HANDLE_VALUE ||
        !WriteFile(to, piece, (DWORD)length + 1, &written, NULL))
        OutputDebugStringA(line); /* a program with windows has no standard error */
}

_Noreturn void cede_os_fatal(const char *line)
{
    cede_os_say(line);
    /* Not abort, which asks the user in a window where there is one. This leaves a dump for error
     * reporting and runs no handler, which might use what is broken. */
    RaiseFailFastException(NULL, NULL, FAIL_FAST_GENERATE_EXCEPTION_ADDRESS);
    (void)TerminateProcess(GetCurrentProcess(), 3);
    abort();
}

struct cede_os_gate {
    SRWLOCK lock;
    CONDITION_VARIABLE moved;
    int open;
};

cede_os_gate *cede_os_gate_new(void)
{
    cede_os_gate *gate = malloc(sizeof *gate);
    if (!gate)
        return NULL;
    InitializeSRWLock(&gate->lock);
    InitializeConditionVariable(&gate->moved);
    gate->open = 0;
    return gate;
}

void cede_os_gate_free(cede_os_gate *gate)
{
    free(gate);
}

void cede_os_gate_open(cede_os_gate *gate)
{
    AcquireSRWLockExclusive(&gate->lock);
    gate->open = 1;
    WakeConditionVariable(&gate->moved);
    ReleaseSRWLockExclusive(&gate->lock);
}

/* Milliseconds, never too few; INFINITE is for those who wait for ever. */
static DWORD milliseconds(uint64_t ns)
{
    uint64_t whole = ns / 1000000 + (ns % 1000000 != 0);
    return whole < INFINITE ? (DWORD)whole : INFINITE - 1;
}

void cede_os_gate_wait(cede_os_gate *gate, uint64_t timeout_ns)
{
    uint64_t now = cede_os_now();
    uint64_t end = timeout_ns > UINT64_MAX - now ? UINT64_MAX : now + timeout_ns;
    AcquireSRWLockExclusive(&gate->lock);
    while (!gate->open) {
        now = end == UINT64_MAX ? 0 : cede_os_now();
        if (now >= end)
            break;
        (void)SleepConditionVariableSRW(&gate->moved, &gate->lock,
                                        end == UINT64_MAX ? INFINITE : milliseconds(end - now), 0);
    }
    gate->open = 0;
    ReleaseSRWLockExclusive(&gate->lock);
}
