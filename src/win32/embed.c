/*
 * For those who wait in a loop of their own (a message loop): an event that is set while the loop
 * has something to do.
 *
 * A port cannot be waited for beside other things in a documented way. So, once it was asked for, a
 * thread watches the port: it takes packets into a small store and sets the event; until the loop
 * has emptied the store it takes no more. The loop takes from the store and from the port, and
 * sleeps on the event instead of the port.
 *
 * Routines of the APC lane need no thread: they run in the foreign loop's wait, which must be
 * alertable (MsgWaitForMultipleObjectsEx with MWMO_ALERTABLE), and set the event there.
 *
 * Threads: store and event are shared under the lock; embed_wake is for any; all but it and watch
 * is the loop's.
 */
#include "calls.h"

#include <process.h>

#define STORE 64u

typedef struct win_embed {
    SRWLOCK lock;
    CONDITION_VARIABLE taken;
    HANDLE ready; /* set by hand, cleared by the loop */
    HANDLE thread;
    HANDLE port;
    bool stopping;
    uint32_t at, count; /* of what is in the store */
    OVERLAPPED_ENTRY store[STORE];
} win_embed;

static unsigned __stdcall watch(void *context)
{
    win_embed *embed = context;
    OVERLAPPED_ENTRY entries[STORE];
    ULONG got;
    AcquireSRWLockExclusive(&embed->lock);
    while (!embed->stopping) {
        if (embed->at < embed->count) {
            (void)SleepConditionVariableSRW(&embed->taken, &embed->lock, INFINITE, 0);
            continue;
        }
        ReleaseSRWLockExclusive(&embed->lock);
        got = 0;
        (void)GetQueuedCompletionStatusEx(embed->port, entries, STORE, &got, INFINITE, FALSE);
        AcquireSRWLockExclusive(&embed->lock);
        embed->at = embed->count = 0;
        for (ULONG i = 0; i < got; i++) {
            if (entries[i].lpCompletionKey != WIN_KEY_STOP)
                embed->store[embed->count++] = entries[i];
        }
        if (embed->count > 0)
            (void)SetEvent(embed->ready);
    }
    ReleaseSRWLockExclusive(&embed->lock);
    return 0;
}

static void embed_free(win_embed *embed)
{
    if (embed->ready)
        (void)CloseHandle(embed->ready);
    cedi_memory_free(embed);
}

static bool embed_open(win *self)
{
    win_embed *embed;
    if (cedi_win_fault(self, "CreateEventW"))
        return false;
    embed = cedi_memory_get(sizeof *embed);
    if (!embed)
        return false;
    InitializeSRWLock(&embed->lock);
    InitializeConditionVariable(&embed->taken);
    embed->port = self->port;
    embed->ready = CreateEventW(NULL, TRUE, FALSE, NULL);
    if (embed->ready && !cedi_win_fault(self, "thread"))
        embed->thread = (HANDLE)_beginthreadex(NULL, 0, watch, embed, 0, NULL);
    if (!embed->thread) {
        embed_free(embed);
        return false;
    }
    self->embed = embed;
    atomic_store(&self->ready, embed->ready);
    return true;
}

void cedi_win_embed_close(win *self)
{
    win_embed *embed = self->embed;
    if (!embed)
        return;
    AcquireSRWLockExclusive(&embed->lock);
    embed->stopping = true;
    WakeConditionVariable(&embed->taken);
    ReleaseSRWLockExclusive(&embed->lock);
    while (WaitForSingleObject(embed->thread, 1) == WAIT_TIMEOUT)
        (void)PostQueuedCompletionStatus(self->port, 0, WIN_KEY_STOP, NULL);
    (void)CloseHandle(embed->thread);
    for (uint32_t i = embed->at; i < embed->count; i++) {
        if (embed->store[i].lpCompletionKey == WIN_KEY_SENTINEL)
            self->armed = false; /* nobody will take it any more */
    }
    self->embed = NULL;
    atomic_store(&self->ready, NULL); /* nobody wakes a loop that is closing */
    embed_free(embed);
}

void cedi_win_embed_signal(win *self)
{
    (void)SetEvent(self->embed->ready);
}

void cedi_win_embed_wake(win *self)
{
    HANDLE ready = atomic_load(&self->ready);
    if (ready)
        (void)SetEvent(ready);
}

/* What the store holds, then what the port does. */
static uint32_t take_now(win *self, OVERLAPPED_ENTRY *entries, uint32_t most, uint32_t *count)
{
    win_embed *embed = self->embed;
    *count = 0;
    AcquireSRWLockExclusive(&embed->lock);
    while (embed->at < embed->count && *count < most)
        entries[(*count)++] = embed->store[embed->at++];
    if (embed->at == embed->count)
        WakeConditionVariable(&embed->taken);
    ReleaseSRWLockExclusive(&embed->lock);
    if (*count > 0)
        return 0;
    return self->calls.get_completions(self->port, entries, most, count, 0, FALSE);
}

uint32_t cedi_win_embed_take(win *self, OVERLAPPED_ENTRY *entries, uint32_t most, uint32_t *count,
                             uint32_t timeout_ms)
{
    DWORD waited;
    uint32_t error;
    if (timeout_ms == 0)
        return take_now(self, entries, most, count);
    (void)ResetEvent(
        self->embed->ready); /* before the look, so that what comes behind it is seen */
    error = take_now(self, entries, most, count);
    if (*count > 0 || (error && error != WAIT_TIMEOUT))
        return error;
    waited = WaitForSingleObjectEx(self->embed->ready, timeout_ms, TRUE);
    if (waited == WAIT_IO_COMPLETION)
        return WAIT_IO_COMPLETION;
    return take_now(self, entries, most, count);
}

/* Cleared first, then set if there is a reason: so whatever comes between is seen. */
intptr_t cedi_win_waitable(void *context)
{
    win *self = context;
    win_embed *embed;
    if (!self->embed && !embed_open(self))
        return -1;
    embed = self->embed;
    (void)cedi_win_arm(self);
    (void)ResetEvent(embed->ready);
    AcquireSRWLockExclusive(&embed->lock);
    if (embed->at < embed->count)
        (void)SetEvent(embed->ready);
    ReleaseSRWLockExclusive(&embed->lock);
    if (cedi_win_has_news(self) || cedi_win_is_stranded(self))
        (void)SetEvent(embed->ready);
    return (intptr_t)embed->ready;
}
