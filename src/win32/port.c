/*
 * The completion port: one a loop. Packets are taken in batches; a wake is a packet, too.
 *
 * A wake must not fail, and posting a packet allocates. So at most one is outstanding, and if it
 * cannot be posted there is the sentinel: a wait for a client on a pipe of our own that nobody
 * knows, which is always under way. Cancelling it allocates nothing, and its end is a packet that
 * the system has had since it began. If that is off too (there was no room to begin it anew), the
 * wake is stranded: the loop sleeps for moments only while that can be, and who waits for the event
 * of embed.c is woken by the event itself.
 *
 * Waits end on milliseconds, and late by up to one. Where the system has timers of high resolution
 * (Windows 10, 1803), a finite wait is ended by one, through an APC.
 *
 * Threads: wake is for any; the rest is the loop's.
 */
#include "calls.h"

#include <stdio.h>

#define TURN_MOST  4096u /* packets that one wait reports, so that a turn is bounded */
#define AT_ONCE    128u
#define PIPE_TRIES 6u
#define FINE_MOST  (UINT64_C(24) * 3600 * CEDE_SECOND) /* a longer wait need not be fine */

/* ---- Wakes ---------------------------------------------------------------------------------- */

bool cedi_win_arm(win *self)
{
    OVERLAPPED fresh = {0};
    uint32_t error;
    if (self->armed)
        return true;
    self->sentinel_overlapped = fresh;
    (void)DisconnectNamedPipe(self->sentinel); /* whoever found it */
    error = cedi_win_connect_pipe(self, self->sentinel, &self->sentinel_overlapped);
    self->armed = error == ERROR_IO_PENDING || error == 0;
    return self->armed;
}

void cedi_win_wake(void *context)
{
    win *self = context;
    if (atomic_exchange_explicit(&self->woken, true, memory_order_seq_cst))
        return; /* one is on its way, and the loop has yet to look */
    if (cedi_win_post(self, WIN_KEY_WAKE, NULL) != 0 && !CEDI_FAULT(WAKE_NEEDS_ROOM) &&
        !CancelIoEx(self->sentinel, &self->sentinel_overlapped)) {
        atomic_store(&self->stranded, true); /* nobody sleeps for long: the sentinel is off */
        if (!CEDI_FAULT(STRANDED_IS_LOST))
            cedi_win_embed_wake(self);
    }
}

/* It was stranded, and has arrived. In this order: a wake that comes between is seen by the look
 * that follows. */
static bool was_stranded(win *self)
{
    if (!cedi_win_is_stranded(self))
        return false;
    atomic_store(&self->stranded, false);
    (void)atomic_exchange_explicit(&self->woken, false, memory_order_seq_cst);
    return true;
}

/* Whether the loop may sleep: not if a wake came that nothing will tell of, and not for long while
 * the next one might be such. */
static uint64_t may_sleep(win *self, uint64_t timeout_ns)
{
    const uint64_t soon = 10 * CEDE_MILLISECOND;
    bool armed = cedi_win_arm(self);
    if (was_stranded(self))
        return 0;
    return armed || timeout_ns < soon ? timeout_ns : soon;
}

/* ---- Packets -------------------------------------------------------------------------------- */

static void take_packet(win *self, const OVERLAPPED_ENTRY *entry)
{
    switch (entry->lpCompletionKey) {
    case WIN_KEY_IO:
    case WIN_KEY_POST:
        /* The owner of a borrowed handle may use it too: his packets come here, and what they name
         * is his. */
        if (cedi_win_is_ours(self, entry->lpOverlapped))
            cedi_win_arrived(self, CONTAINING_RECORD(entry->lpOverlapped, win_io, overlapped));
        return;
    case WIN_KEY_SENTINEL:
        self->armed = false;
        (void)cedi_win_arm(self);
        break;
    case WIN_KEY_WAKE:
        break;
    default:
        return;
    }
    if (CEDI_FAULT(WAKE_IS_THE_LAST))
        return;
    /* An exchange, not a store: it sees what a waker that found the flag set did before. */
    (void)atomic_exchange_explicit(&self->woken, false, memory_order_seq_cst);
}

/* A sleep is always alertable: routines of the program's own that are queued to the thread run in
 * it, too. */
static uint32_t dequeue(win *self, OVERLAPPED_ENTRY *entries, uint32_t *count, uint32_t timeout_ms)
{
    uint32_t error = cedi_win_fault(self, "GetQueuedCompletionStatusEx");
    *count = 0;
    if (error)
        return error;
    if (self->embed)
        return cedi_win_embed_take(self, entries, self->packets, count, timeout_ms);
    return self->calls.get_completions(self->port, entries, self->packets, count, timeout_ms,
                                       timeout_ms > 0);
}

/* ---- The wait ------------------------------------------------------------------------------- */

static void CALLBACK time_is_over(LPVOID context, DWORD low, DWORD high)
{
    (void)context;
    (void)low;
    (void)high; /* that it ran ended the wait */
}

static uint32_t milliseconds(uint64_t ns)
{
    uint64_t ms = ns / CEDE_MILLISECOND + (ns % CEDE_MILLISECOND != 0);
    if (ns == CEDE_FOREVER)
        return INFINITE;
    return ms < INFINITE ? (uint32_t)ms : INFINITE - 1;
}

/* The timer ends it; should that fail, it ends by itself, a little late. */
static uint32_t sleep(win *self, OVERLAPPED_ENTRY *entries, uint32_t *count, uint64_t timeout_ns)
{
    LARGE_INTEGER due;
    uint32_t error;
    bool finely = self->timer && timeout_ns < FINE_MOST;
    if (finely) {
        due.QuadPart = -(LONGLONG)((timeout_ns + 99) / 100);
        finely = SetWaitableTimer(self->timer, &due, 0, time_is_over, NULL, FALSE);
    }
    error = dequeue(self, entries, count, milliseconds(timeout_ns));
    if (finely)
        (void)CancelWaitableTimer(self->timer);
    return error;
}

static cede_status status_of(uint32_t error)
{
    if (error == 0 || error == WAIT_TIMEOUT || error == WAIT_IO_COMPLETION ||
        cedi_error_is_shortage(error))
        return CEDE_OK;
    return cedi_error_status(error);
}

bool cedi_win_has_news(win *self)
{
    return cedi_win_has_fired(self) || cedi_pool_has_finished(self->pool) ||
           atomic_load_explicit(&self->signals, memory_order_seq_cst);
}

/* Everything that is there now; sleeps before the first look only. */
static cede_status take_packets(win *self, uint64_t timeout_ns)
{
    OVERLAPPED_ENTRY entries[AT_ONCE];
    uint32_t count = 0, most = TURN_MOST, error;
    error =
        timeout_ns ? sleep(self, entries, &count, timeout_ns) : dequeue(self, entries, &count, 0);
    while (error == 0 && count > 0) {
        for (uint32_t i = 0; i < count; i++)
            take_packet(self, &entries[i]);
        most = most > count ? most - count : 0;
        if (count < self->packets || most == 0)
            break;
        error = dequeue(self, entries, &count, 0);
    }
    if (self->embed && most == 0)
        cedi_win_embed_signal(self);
    return status_of(error);
}

cede_status cedi_win_wait(void *context, uint64_t timeout_ns)
{
    win *self = context;
    cede_status status = CEDE_OK;
    if (timeout_ns)
        timeout_ns = cedi_win_has_news(self) ? 0 : may_sleep(self, timeout_ns);
    if (timeout_ns == 0)
        (void)was_stranded(self);
    if (timeout_ns || self->owed || self->embed ||
        atomic_load_explicit(&self->woken, memory_order_relaxed))
        status = take_packets(self, timeout_ns);
    cedi_win_run_apcs(self);
    if (cedi_win_has_fired(self))
        cedi_win_report_fired(self);
    if (cedi_pool_has_finished(self->pool))
        cedi_win_take_finished(self);
    if (atomic_load_explicit(&self->signals, memory_order_relaxed))
        cedi_win_tell_signals(self);
    return status;
}

/* ---- Its life ------------------------------------------------------------------------------- */

/* The counter is this copy's of the library: there may be others in the process. */
void cedi_win_pipe_name(wchar_t name[WIN_PIPE_UNITS], uint32_t tries)
{
    static _Atomic uint32_t made;
    LARGE_INTEGER now = {0};
    (void)QueryPerformanceCounter(&now);
    (void)swprintf(name, WIN_PIPE_UNITS, L"\\\\.\\pipe\\%lscede.%lu.%lx.%lx.%lu",
                   tries % 2 ? L"LOCAL\\" : L"", GetCurrentProcessId(), now.LowPart,
                   (unsigned long)((uintptr_t)&made >> 4),
                   (unsigned long)atomic_fetch_add(&made, 1));
}

bool cedi_win_pipe_again(uint32_t error, uint32_t tries)
{
    return (error == ERROR_ACCESS_DENIED || error == ERROR_PIPE_BUSY) && tries < PIPE_TRIES;
}

static uint32_t make_sentinel(HANDLE *out)
{
    const DWORD how = PIPE_ACCESS_INBOUND | FILE_FLAG_OVERLAPPED | FILE_FLAG_FIRST_PIPE_INSTANCE;
    wchar_t name[WIN_PIPE_UNITS];
    uint32_t error, tries = 0;
    do {
        cedi_win_pipe_name(name, tries);
        *out = CreateNamedPipeW(name, how, PIPE_TYPE_BYTE | PIPE_REJECT_REMOTE_CLIENTS, 1, 0, 0, 0,
                                NULL);
        error = *out == INVALID_HANDLE_VALUE ? GetLastError() : 0;
    } while (cedi_win_pipe_again(error, ++tries));
    return error;
}

static void make_timer(win *self)
{
    if (!(self->config.without & CEDE_WIN32_NO_FINE_TIMER))
        self->timer = CreateWaitableTimerExW(NULL, NULL, CREATE_WAITABLE_TIMER_HIGH_RESOLUTION,
                                             TIMER_ALL_ACCESS);
}

cede_status cedi_win_port_open(win *self, char *why, size_t why_bytes)
{
    void *port = NULL;
    uint32_t error = cedi_win_bind_port(self, INVALID_HANDLE_VALUE, NULL, 0, &port);
    if (error) {
        (void)snprintf(why, why_bytes, "no completion port: Windows error %lu",
                       (unsigned long)error);
        return cedi_error_status(error);
    }
    self->port = port;
    self->packets =
        self->config.packets && self->config.packets < AT_ONCE ? self->config.packets : AT_ONCE;
    error = cedi_win_fault(self, "CreateNamedPipeW");
    if (error == 0)
        error = make_sentinel(&self->sentinel);
    if (error == 0)
        error = cedi_win_bind_port(self, self->sentinel, self->port, WIN_KEY_SENTINEL, &port);
    if (error) {
        (void)snprintf(why, why_bytes, "no pipe for wakes: Windows error %lu",
                       (unsigned long)error);
        return cedi_error_status(error);
    }
    make_timer(self);
    return CEDE_OK;
}

/* The system writes into the sentinel's memory until its packet has come. */
static void disarm(win *self)
{
    OVERLAPPED_ENTRY entry;
    uint32_t count;
    while (self->armed) {
        (void)CancelIoEx(self->sentinel, &self->sentinel_overlapped);
        if (cede_win32_system_calls()->get_completions(self->port, &entry, 1, &count, 100, FALSE) !=
            0)
            continue;
        if (entry.lpCompletionKey == WIN_KEY_SENTINEL)
            self->armed = false;
    }
}

void cedi_win_port_close(win *self)
{
    if (self->port)
        disarm(self);
    if (self->timer)
        (void)CloseHandle(self->timer);
    if (self->sentinel && self->sentinel != INVALID_HANDLE_VALUE)
        (void)CloseHandle(self->sentinel);
    if (self->port)
        (void)CloseHandle(self->port);
}
