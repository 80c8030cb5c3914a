/*
 * The system services of src/core/os.h on POSIX. Stateless but for the process lock and the word
 * that tells a forked child from its parent.
 */
#include "../core/os.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

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

struct cede_os_gate {
    pthread_mutex_t mutex;
    pthread_cond_t moved;
    int open;
};

cede_os_gate *cede_os_gate_new(void)
{
    cede_os_gate *gate = calloc(1, sizeof *gate);
    pthread_condattr_t attributes;
    if (!gate)
        return NULL;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    if (pthread_mutex_init(&gate->mutex, NULL) != 0) {
        free(gate);
        gate = NULL;
    } else if (pthread_cond_init(&gate->moved, &attributes) != 0) {
        (void)pthread_mutex_destroy(&gate->mutex);
        free(gate);
        gate = NULL;
    }
    (void)pthread_condattr_destroy(&attributes);
    return gate;
}

void cede_os_gate_free(cede_os_gate *gate)
{
    if (!gate)
        return;
    (void)pthread_cond_destroy(&gate->moved);
    (void)pthread_mutex_destroy(&gate->mutex);
    free(gate);
}

void cede_os_gate_open(cede_os_gate *gate)
{
    (void)pthread_mutex_lock(&gate->mutex);
    gate->open = 1;
    (void)pthread_cond_signal(&gate->moved);
    (void)pthread_mutex_unlock(&gate->mutex);
}

void cede_os_gate_wait(cede_os_gate *gate, uint64_t timeout_ns)
{
    uint64_t now = cede_os_now();
    uint64_t end = timeout_ns > (uint64_t)INT64_MAX - now ? UINT64_MAX : now + timeout_ns;
    struct timespec until = {.tv_sec = (time_t)(end / UINT64_C(1000000000)),
                             .tv_nsec = (long)(end % UINT64_C(1000000000))};
    (void)pthread_mutex_lock(&gate->mutex);
    while (!gate->open) {
        if (end == UINT64_MAX)
            (void)pthread_cond_wait(&gate->moved, &gate->mutex);
        else if (pthread_cond_timedwait(&gate->moved, &gate->mutex, &until) != 0)
            break;
    }
    gate->open = 0;
    (void)pthread_mutex_unlock(&gate->mutex);
}
