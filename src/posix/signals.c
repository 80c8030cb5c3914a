/*
 * See signals.h.
 */
#include "signals.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "../core/os.h"

void *cedi_memory_get(size_t bytes);

struct cedi_listener {
    _Atomic uint32_t wanted;
    _Atomic uint32_t pending;
    void (*wake)(void *); /* these two are written while it wants nothing, and nobody looks */
    void *context;
    cedi_listener *next; /* written before it is published */
    bool taken;          /* under the lock */
};

static const int numbers[CEDE_SIGNAL_COUNT] = {
    [CEDE_SIGNAL_INTERRUPT] = SIGINT, [CEDE_SIGNAL_TERMINATE] = SIGTERM,
    [CEDE_SIGNAL_HANGUP] = SIGHUP,    [CEDE_SIGNAL_QUIT] = SIGQUIT,
    [CEDE_SIGNAL_USER_1] = SIGUSR1,   [CEDE_SIGNAL_USER_2] = SIGUSR2,
    [CEDE_SIGNAL_RESIZE] = SIGWINCH,
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic(cedi_listener *) listeners;
static _Atomic uint32_t inside;                    /* handlers that run now */
static uint32_t users[CEDE_SIGNAL_COUNT];          /* under the lock */
static struct sigaction before[CEDE_SIGNAL_COUNT]; /* what it had before us */
static const volatile uint32_t *_Atomic alive;     /* 1: not in a forked child */

/* ---- The handler ---------------------------------------------------------------------------- */

static uint32_t signal_of(int number)
{
    for (uint32_t i = 1; i < CEDE_SIGNAL_COUNT; i++) {
        if (numbers[i] == number)
            return i;
    }
    return 0;
}

/* A child that was forked and has not executed anything: its parent's loops are not its own. */
static void handle_in_child(uint32_t which)
{
    (void)sigaction(numbers[which], &before[which], NULL);
    (void)raise(numbers[which]); /* comes when this handler has returned */
}

static void handle(int number)
{
    int kept = errno;
    uint32_t which = signal_of(number), bit = CEDE_SIGNAL_BIT(which);
    if (*alive != 1) {
        handle_in_child(which);
        errno = kept;
        return;
    }
    atomic_fetch_add(&inside, 1);
    for (cedi_listener *at = atomic_load(&listeners); at; at = at->next) {
        if (!(atomic_load(&at->wanted) & bit))
            continue;
        atomic_fetch_or(&at->pending, bit);
        at->wake(at->context);
    }
    atomic_fetch_sub(&inside, 1);
    errno = kept;
}

/* ---- Listening ------------------------------------------------------------------------------ */

/* With the lock held, like the next three. */
static bool is_ours(uint32_t which, struct sigaction *now)
{
    return sigaction(numbers[which], NULL, now) == 0 && !(now->sa_flags & SA_SIGINFO) &&
           now->sa_handler == handle;
}

/* Somebody may have set another since we had it. Calls that it interrupts go on. */
static void take_over(uint32_t which)
{
    struct sigaction ours;
    if (is_ours(which, &ours))
        return;
    memset(&ours, 0, sizeof ours);
    ours.sa_handler = handle;
    ours.sa_flags = SA_RESTART | SA_ONSTACK;
    (void)sigfillset(&ours.sa_mask);
    (void)sigaction(numbers[which], &ours, &before[which]);
}

static void give_back(uint32_t which)
{
    struct sigaction now;
    if (is_ours(which, &now))
        (void)sigaction(numbers[which], &before[which], NULL);
}

/* A wanted one is wanted before it can come, and one that is not any more has had its last chance
 * before it is not. */
static void change(cedi_listener *self, uint32_t bits, uint32_t begun)
{
    uint32_t old = atomic_load(&self->wanted);
    atomic_store(&self->wanted, old | bits);
    for (uint32_t i = 1; i < CEDE_SIGNAL_COUNT; i++) {
        uint32_t bit = CEDE_SIGNAL_BIT(i);
        if (begun & bit)
            take_over(i);
        if (bits & ~old & bit)
            users[i]++;
        else if ((old & ~bits & bit) && --users[i] == 0)
            give_back(i);
    }
    atomic_store(&self->wanted, bits);
}

cedi_listener *cedi_signals_listen(void (*wake)(void *), void *context)
{
    cedi_listener *self;
    (void)pthread_mutex_lock(&lock);
    alive = cede_os_alive();
    self = atomic_load(&listeners);
    while (self && self->taken)
        self = self->next;
    if (!self) {
        self = cedi_memory_get(sizeof *self);
        if (self) {
            self->next = atomic_load(&listeners);
            atomic_store(&listeners, self);
        }
    }
    if (self) {
        self->taken = true;
        self->wake = wake;
        self->context = context;
        atomic_store(&self->pending, 0);
    }
    (void)pthread_mutex_unlock(&lock);
    return self;
}

/* By what it had before us, if we have it. */
uint32_t cedi_signals_heeded(uint32_t bits)
{
    if (!(bits & CEDE_SIGNAL_UNLESS_IGNORED))
        return bits;
    (void)pthread_mutex_lock(&lock);
    for (uint32_t i = 1; i < CEDE_SIGNAL_COUNT; i++) {
        struct sigaction now = {0};
        if (is_ours(i, &now))
            now = before[i];
        if (!(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_IGN)
            bits &= ~CEDE_SIGNAL_BIT(i);
    }
    (void)pthread_mutex_unlock(&lock);
    return bits & ~CEDE_SIGNAL_UNLESS_IGNORED;
}

void cedi_signals_want(cedi_listener *self, uint32_t bits, uint32_t begun)
{
    (void)pthread_mutex_lock(&lock);
    change(self, bits, begun);
    (void)pthread_mutex_unlock(&lock);
}

uint32_t cedi_signals_take(cedi_listener *self)
{
    return atomic_exchange(&self->pending, 0);
}

bool cedi_signals_came(const cedi_listener *self)
{
    return atomic_load(&self->pending) != 0;
}

/* A handler that has seen it wanted may be on another thread, and on its way; not on this one. */
void cedi_signals_leave(cedi_listener *self)
{
    (void)pthread_mutex_lock(&lock);
    change(self, 0, 0);
    while (atomic_load(&inside))
        (void)sched_yield();
    self->taken = false;
    (void)pthread_mutex_unlock(&lock);
}
