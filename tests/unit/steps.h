/*
 * One thread's call, met between two of its machine instructions by all that another thread does:
 * tried at each of its instructions in turn (or at each so many-th of a long one). What relacy
 * searches in the core's source on C11's memory, this does with the code that runs, on this
 * processor: every schedule of two threads with one switch and back. By the processor's trap flag,
 * so on x86-64 only; the program decides nothing by time.
 *
 * If the other blocks (on a lock that the call holds there), the call goes on, and the other when
 * it can: that is a schedule too.
 */
#ifndef UNIT_STEPS_H
#define UNIT_STEPS_H

#include <fcntl.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "../port.h"

#define TRAP_FLAG 0x100

typedef void steps_fn(void);

static struct {
    port_thread thread;
    sem_t go;
    steps_fn *job;
    _Atomic int started, done, number; /* number: the system's, of the thread */
} steps_other;

static struct {
    unsigned long budget; /* instructions to be stepped through for one call, in all */
    bool late;            /* the call begins to be stepped through where it says so itself */
    bool patient;         /* and the other must be through before it goes on */
    volatile bool on;
    volatile bool met;
    volatile unsigned long count, stop;
    steps_fn *meanwhile;
} steps;

static void steps_other_main(void *context)
{
    (void)context;
    atomic_store(&steps_other.number, (int)syscall(SYS_gettid));
    for (;;) {
        while (sem_wait(&steps_other.go) != 0)
            continue;
        if (!steps_other.job)
            return;
        atomic_store(&steps_other.started, 1);
        steps_other.job();
        atomic_store(&steps_other.done, 1);
    }
}

static void steps_tell(steps_fn *job)
{
    steps_other.job = job;
    atomic_store(&steps_other.started, 0);
    atomic_store(&steps_other.done, 0);
    (void)sem_post(&steps_other.go);
}

/* Has the other thread do it, and waits. */
static void steps_on_other(steps_fn *job)
{
    steps_tell(job);
    while (!atomic_load(&steps_other.done))
        (void)sched_yield();
}

/* Whether the other thread sleeps in the system. In a handler. */
static bool steps_other_sleeps(void)
{
    char path[64], text[256];
    const char *state;
    ssize_t length;
    int file;
    (void)snprintf(path, sizeof path, "/proc/self/task/%d/stat", atomic_load(&steps_other.number));
    file = open(path, O_RDONLY | O_CLOEXEC);
    length = file >= 0 ? read(file, text, sizeof text - 1) : -1;
    if (file >= 0)
        (void)close(file);
    text[length > 0 ? length : 0] = '\0';
    state = strrchr(text, ')');
    return state && state[1] && state[2] == 'S';
}

/* Its turn: until it is through, or can go no further before the call does. It may go round and
 * wait for that, too: after so many looks the call goes on, if nothing speaks against it. */
static void steps_meet(void)
{
    steps.met = true;
    steps_tell(steps.meanwhile);
    for (unsigned looks = 0; !atomic_load(&steps_other.done); looks++) {
        if (!steps.patient &&
            (looks == 2000 || (atomic_load(&steps_other.started) && steps_other_sleeps())))
            break;
        (void)sched_yield();
    }
}

static void steps_trapped(int number, siginfo_t *info, void *context)
{
    ucontext_t *at = context;
    (void)number, (void)info;
    steps.count++;
    if (steps.on && steps.count == steps.stop) {
        steps_meet();
        steps.on = false;
    }
    if (!steps.on)
        at->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
}

static void steps_trap(void)
{
    steps.on = true;
    __asm__ volatile("lea -128(%%rsp), %%rsp\n\t" /* what may lie below the stack's end */
                     "pushfq\n\t"
                     "orq %0, (%%rsp)\n\t"
                     "popfq\n\t"
                     "lea 128(%%rsp), %%rsp"
                     :
                     : "i"(TRAP_FLAG)
                     : "memory", "cc");
}

/* The call, with the other's doing at one of its instructions. False: it has not so many. */
static bool steps_call(unsigned long stop, steps_fn *call, steps_fn *meanwhile)
{
    steps.count = 0;
    steps.stop = stop;
    steps.met = false;
    steps.meanwhile = meanwhile;
    if (!steps.late)
        steps_trap();
    call();
    steps.on = false;
    while (steps.met && !atomic_load(&steps_other.done))
        (void)sched_yield();
    return steps.met;
}

/* In a call that is late: from here, and no further. */
static inline void steps_from_here(void)
{
    if (steps.late && !steps.met && !steps.on)
        steps_trap();
}

static inline void steps_no_further(void)
{
    steps.on = false;
}

/* In the call, where it is about to sleep: now or never. */
static inline void steps_last_chance(void)
{
    bool stepping = steps.on;
    steps.on = false;
    if (!stepping || steps.met) /* met: between the two lines above */
        return;
    steps.met = true;
    steps_on_other(steps.meanwhile);
}

static void steps_begin(unsigned long budget)
{
    struct sigaction action;
    steps.budget = budget;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = steps_trapped;
    action.sa_flags = SA_SIGINFO;
    (void)sigaction(SIGTRAP, &action, NULL);
    (void)sem_init(&steps_other.go, 0, 0);
    port_start(&steps_other.thread, steps_other_main, NULL);
}

static void steps_end(void)
{
    steps_other.job = NULL;
    (void)sem_post(&steps_other.go);
    port_join(&steps_other.thread);
}

/* At each instruction, or in a long call at each so many-th: set up, the call, and what must hold
 * behind it. Returns how many schedules that were. */
static unsigned steps_each(steps_fn *set_up, steps_fn *call, steps_fn *meanwhile, steps_fn *behind)
{
    unsigned long all, stops, every, dense = 1;
    unsigned count = 0;
    set_up();
    (void)steps_call(0, call, meanwhile); /* alone: how long is it? */
    all = steps.count;
    if (!steps.met)
        steps_on_other(meanwhile);
    behind();
    stops = 2 * steps.budget / (all + 1); /* each is half way on average */
    every = 1 + all / (stops > 10 ? stops : 10);
    while (dense * dense < 2 * steps.budget)
        dense++; /* the first ones cost little: each of them */
    for (unsigned long stop = 1; stop <= all + every; stop += stop < dense ? 1 : every, count++) {
        set_up();
        if (!steps_call(stop, call, meanwhile))
            steps_on_other(meanwhile);
        behind();
    }
    return count;
}

#endif
