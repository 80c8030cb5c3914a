/*
 * Console events, as signals.
 *
 * The system calls a handler of ours, on a thread that it makes for that. It marks what came at
 * every loop that takes it and wakes them; nothing is allocated. Once registered it stays: while
 * nobody takes an event it answers that it did nothing, and whoever was there before has it. The
 * last one registered is asked first, so each request that begins has it registered again. There
 * are two of it, by turns: the other is added, and then the first removed, so that no event finds
 * none, and it does not matter which of two that are the same a removal would take.
 *
 * When a handler of the last three events returns, the process is over. So it does not, as long as
 * somebody still takes the event: who has been told cleans up, and exits, or lets go of it; or the
 * system's patience ends, after some seconds. A user's leaving is nothing to a service.
 *
 * Threads: `all` and what loops take is under the lock, which no loop's thread holds for long, and
 * nobody while he wakes a loop. The system has a lock of its own, which it holds from before it
 * calls handlers until they have returned (docs/facts-windows.md): nobody registers under ours; and
 * as a handler of ours may wait for a loop, also where none has been entered yet, no loop waits for
 * a registration but the process's first. The others are made by a thread, one at a time.
 */
#include "calls.h"

#include <process.h>

#include "cede/system.h"

#define LOOPS_MOST 64u /* woken without the lock; more loops than that are woken with it */
#define PATIENCE   30000u

static SRWLOCK lock = SRWLOCK_INIT;
static CONDITION_VARIABLE changed = CONDITION_VARIABLE_INIT;
static win *all; /* that take something, by next_hearing */

typedef uint32_t registration(void (*handler)(void));

static struct {
    SRWLOCK lock;
    uint32_t made;              /* how many there were */
    registration *add, *remove; /* of who asked last for one more; NULL: it is made, or begun */
    bool running;               /* the thread for them */
} registrations = {.lock = SRWLOCK_INIT};

static uint32_t bit_of(DWORD event)
{
    switch (event) {
    case CTRL_C_EVENT:
        return CEDE_SIGNAL_BIT(CEDE_SIGNAL_INTERRUPT);
    case CTRL_BREAK_EVENT:
        return CEDE_SIGNAL_BIT(CEDE_SIGNAL_QUIT);
    case CTRL_CLOSE_EVENT:
        return CEDE_SIGNAL_BIT(CEDE_SIGNAL_HANGUP);
    case CTRL_LOGOFF_EVENT:
    case CTRL_SHUTDOWN_EVENT:
        return CEDE_SIGNAL_BIT(CEDE_SIGNAL_TERMINATE);
    default:
        return 0;
    }
}

static bool is_taken(uint32_t bit)
{
    for (const win *self = all; self; self = self->next_hearing) {
        if (self->hears & bit)
            return true;
    }
    return false;
}

/* With the lock, which it leaves. */
static void tell_all(uint32_t bit)
{
    win *told[LOOPS_MOST];
    uint32_t count = 0;
    for (win *self = all; self; self = self->next_hearing) {
        if (!(self->hears & bit))
            continue;
        atomic_fetch_or(&self->signals, bit);
        if (count == LOOPS_MOST) {
            cede_core_woken(self->core);
            continue;
        }
        AcquireSRWLockShared(&self->visits);
        told[count++] = self;
    }
    ReleaseSRWLockShared(&lock);
    for (uint32_t i = 0; i < count; i++) {
        cede_core_woken(told[i]->core);
        ReleaseSRWLockShared(&told[i]->visits);
    }
}

static void await_their_end(uint32_t bit)
{
    ULONGLONG now = GetTickCount64(), until = now + PATIENCE;
    AcquireSRWLockShared(&lock);
    while (is_taken(bit) && now < until) {
        (void)SleepConditionVariableSRW(&changed, &lock, (DWORD)(until - now),
                                        CONDITION_VARIABLE_LOCKMODE_SHARED);
        now = GetTickCount64();
    }
    ReleaseSRWLockShared(&lock);
}

/* Services, which are in session 0, are told of any user's leaving, and go on. Where it cannot be
 * asked, this may be one. With the lock; somebody takes it. */
static bool is_of_others(DWORD event)
{
    DWORD session = 0;
    return event == CTRL_LOGOFF_EVENT &&
           (cedi_win_fault(all, "ProcessIdToSessionId") ||
            !ProcessIdToSessionId(GetCurrentProcessId(), &session) || session == 0);
}

static BOOL handle(DWORD event)
{
    uint32_t bit = bit_of(event);
    AcquireSRWLockShared(&lock);
    if (!is_taken(bit)) {
        ReleaseSRWLockShared(&lock);
        return FALSE;
    }
    if (is_of_others(event)) {
        ReleaseSRWLockShared(&lock);
        return TRUE; /* else the next handler may end the process */
    }
    tell_all(bit);
    if (event != CTRL_C_EVENT && event != CTRL_BREAK_EVENT && !CEDI_FAULT(LAST_EVENT_RETURNS))
        await_their_end(bit);
    return TRUE;
}

/* A linker may give functions that are the same one address: so these are not. */
static _Atomic uint32_t called;

static BOOL CALLBACK handle_even(DWORD event)
{
    atomic_store(&called, 2);
    return handle(event);
}

static BOOL CALLBACK handle_odd(DWORD event)
{
    atomic_store(&called, 1);
    return handle(event);
}

static void (*handler_of(uint32_t number))(void)
{
    return (void (*)(void))(number & 1 ? handle_odd : handle_even);
}

/* ---- Registrations --------------------------------------------------------------------------- */

/* Each may wait as long as a handler of ours waits for a loop: nobody waits for this thread. If the
 * process ends before, it needed none. One that fails leaves the one before in its place. */
static unsigned __stdcall register_again(void *unused)
{
    (void)unused;
    AcquireSRWLockExclusive(&registrations.lock);
    while (registrations.add) {
        registration *add = registrations.add, *remove = registrations.remove;
        uint32_t number = registrations.made, error;
        registrations.add = NULL;
        ReleaseSRWLockExclusive(&registrations.lock);
        error = add(handler_of(number));
        if (error == 0)
            (void)remove(handler_of(number + 1));
        AcquireSRWLockExclusive(&registrations.lock);
        registrations.made += error == 0;
    }
    registrations.running = false;
    ReleaseSRWLockExclusive(&registrations.lock);
    return 0;
}

/* On the loop's thread. No handler of ours is there yet that could wait for a loop, and without one
 * nothing comes: so this is made before the request begins, or it fails. */
static uint32_t register_first(const win *self)
{
    HMODULE module;
    uint32_t error = cedi_win_fault(self, "SetConsoleCtrlHandler");
    if (error == 0)
        error = self->calls.add_console_handler(handler_of(0));
    if (error)
        return error;
    registrations.made = 1;
    /* They are called whenever an event comes, so their code stays. */
    (void)GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS,
                             (const wchar_t *)(const void *)&registrations, &module);
    return 0;
}

/* Where there is no thread for it the handler stays where it is, until the next request. */
static uint32_t take_over(const win *self)
{
    uint32_t error = 0;
    AcquireSRWLockExclusive(&registrations.lock);
    if (registrations.made == 0) {
        error = register_first(self);
    } else if (!cedi_win_fault(self, "thread")) {
        registrations.add = self->calls.add_console_handler;
        registrations.remove = self->calls.remove_console_handler;
        if (!registrations.running) {
            HANDLE thread = (HANDLE)_beginthreadex(NULL, 0, register_again, NULL, 0, NULL);
            registrations.running = thread != NULL;
            if (thread)
                (void)CloseHandle(thread);
        }
    }
    ReleaseSRWLockExclusive(&registrations.lock);
    return error;
}

/* ---- Who takes what; the loop's thread ------------------------------------------------------ */

static void hear(win *self)
{
    uint32_t wanted = 0;
    win **place = &all;
    for (const win_io *io = self->ears; io; io = io->next)
        wanted |= io->asked;
    AcquireSRWLockExclusive(&lock);
    while (*place && *place != self)
        place = &(*place)->next_hearing;
    if (wanted && !*place) {
        self->next_hearing = NULL;
        *place = self;
    } else if (!wanted && *place) {
        *place = self->next_hearing;
    }
    self->hears = wanted;
    ReleaseSRWLockExclusive(&lock);
    WakeAllConditionVariable(&changed);
}

void cedi_win_tell_signals(win *self)
{
    uint32_t bits = atomic_exchange(&self->signals, 0);
    for (const win_io *io = self->ears; io && bits; io = io->next) {
        if (bits & io->asked)
            cede_core_signals(self->core, io->record.token, bits & io->asked);
    }
}

/* What has come before the end is told: it is not heard any more, and no handler is about to mark
 * something for it, before what was marked is looked at. */
static int stop(win *self, win_io *io)
{
    uint64_t token = io->record.token;
    win_io **place = &self->ears;
    uint32_t own = io->asked;
    io->asked = 0;
    hear(self);
    io->asked = own;
    cedi_win_tell_signals(self);
    while (*place != io)
        place = &(*place)->next;
    *place = io->next;
    cedi_win_io_free(self, io);
    cede_core_done(self->core, token, CEDE_ECANCELED, ERROR_OPERATION_ABORTED, 0);
    return CEDE_CANCEL_SENT;
}

bool cedi_win_start_signal_many(win *self, const cede_work *work)
{
    uint32_t error = take_over(self);
    win_io *io;
    if (error)
        return cedi_win_done_now(self, work, error, 0);
    io = cedi_win_io_new(self, work);
    if (!io)
        return false;
    io->asked = work->args->many.credit;
    io->stop = stop;
    io->next = self->ears;
    cedi_win_tell_signals(self); /* to those who were there */
    self->ears = io;
    hear(self);
    return true;
}
