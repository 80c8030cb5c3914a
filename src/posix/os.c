/*
 * The system services of src/core/os.h on POSIX. Stateless but for the process lock and the word
 * that tells a forked child from its parent.
 */
#include "../core/os.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "tsan.h"

static pthread_mutex_t process_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t alive_once = PTHREAD_ONCE_INIT;
static volatile uint32_t alive_fallback = 1;
static volatile uint32_t *alive_word = &alive_fallback;

static void child_after_fork(void)
{
    alive_fallback = 0;
}

/* MADV_WIPEONFORK zeroes the page in a child, also one made by a raw clone; where it is missing,
 * pthread_atfork catches fork() at least. */
static void alive_make(void)
{
    long page = sysconf(_SC_PAGESIZE);
    size_t bytes = page > 0 ? (size_t)page : 4096;
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
#ifdef MADV_WIPEONFORK
    if (memory != MAP_FAILED && madvise(memory, bytes, MADV_WIPEONFORK) == 0) {
        alive_word = memory;
        *alive_word = 1;
        return;
    }
#endif
    if (memory != MAP_FAILED)
        (void)munmap(memory, bytes);
    (void)pthread_atfork(NULL, NULL, child_after_fork);
}

const volatile uint32_t *cede_os_alive(void)
{
    (void)pthread_once(&alive_once, alive_make);
    return alive_word;
}

void cede_os_lock(void)
{
    (void)pthread_mutex_lock(&process_lock);
}

void cede_os_unlock(void)
{
    (void)pthread_mutex_unlock(&process_lock);
}

void cede_os_yield(void)
{
    (void)sched_yield();
}

uint64_t cede_os_now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

void cede_os_say(const char *line)
{
    struct iovec parts[2] = {
        {.iov_base = (void *)(uintptr_t)line, .iov_len = strlen(line)},
        {.iov_base = (void *)(uintptr_t) "\n", .iov_len = 1},
    };
    if (writev(STDERR_FILENO, parts, 2) < 0)
        return; /* nobody to tell */
}

_Noreturn void cede_os_fatal(const char *line)
{
    cede_os_say(line);
    abort();
}

/* ---- The gate -------------------------------------------------------------------------------- */

/* A word, and the kernel's queue of those who sleep for it (futex(2)): what opens a gate may be a
 * signal handler, which may have interrupted the very thread that is about to sleep, so there is no
 * lock to be found taken. Who sleeps says what he saw: the kernel looks again, and a word that was
 * set meanwhile keeps him awake. It takes no descriptor, and nothing that could fail later. */
struct cede_os_gate {
    _Atomic uint32_t open;
};

#if defined(SYS_futex_time64) /* of 32 bits: there are two calls, by what the C library's time is */
#define FUTEX (sizeof(time_t) > sizeof(long) ? SYS_futex_time64 : SYS_futex)
#else
#define FUTEX SYS_futex
#endif

/* ThreadSanitizer keeps a signal that comes outside of the calls it knows until the next of those:
 * a handler would not be run while its thread sleeps here. */
#ifdef CEDE_WITH_TSAN
#define NAP_MOST UINT64_C(10000000)
#else
#define NAP_MOST UINT64_MAX
#endif

cede_os_gate *cede_os_gate_new(void)
{
    return calloc(1, sizeof(cede_os_gate));
}

void cede_os_gate_free(cede_os_gate *gate)
{
    free(gate);
}

/* To wake those who sleep for a word of one's own does not fail, and so leaves errno alone. */
void cede_os_gate_open(cede_os_gate *gate)
{
    if (atomic_exchange(&gate->open, 1) == 0)
        (void)syscall(FUTEX, &gate->open, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* Ends also for a signal, and for nothing. UINT64_MAX: for ever. */
static void nap(cede_os_gate *gate, uint64_t ns)
{
    uint64_t most = ns < NAP_MOST ? ns : NAP_MOST;
    struct timespec length = {.tv_sec = (time_t)(most / UINT64_C(1000000000)),
                              .tv_nsec = (long)(most % UINT64_C(1000000000))};
    (void)syscall(FUTEX, &gate->open, FUTEX_WAIT_PRIVATE, 0, most == UINT64_MAX ? NULL : &length,
                  NULL, 0);
}

void cede_os_gate_wait(cede_os_gate *gate, uint64_t timeout_ns)
{
    uint64_t now = cede_os_now();
    uint64_t end = timeout_ns > (uint64_t)INT64_MAX - now ? UINT64_MAX : now + timeout_ns;
    while (atomic_exchange(&gate->open, 0) == 0 && now < end) {
        nap(gate, end == UINT64_MAX ? UINT64_MAX : end - now);
        now = cede_os_now();
    }
}
