/*
 * The APC lane: transfers that report by completion routines, and the event lane beside it.
 *
 * A routine runs on the thread that issued the transfer, which is the loop's, inside whatever
 * alertable wait that thread makes next: the loop's, or one of the program's, also in the middle of
 * a callback. So it appends its record to a list and does no more; the loop reports the list in its
 * wait. Nothing else touches the list, and a routine runs at no other point, so it needs no lock.
 *
 * A ready packet or a signalled object hides routines that are queued: the wait then returns for
 * that. They are run by a wait of their own that lasts no time.
 *
 * A handle that leads into somebody else's port takes no routine (ERROR_INVALID_PARAMETER), and its
 * transfers would tell that port. Those go by an event each: bit 0 of its handle keeps the packet
 * from the port, and a wait of the system's thread pool, made with the record and so never lacking,
 * brings the word home.
 */
#include "calls.h"

#include <process.h>

/* ---- Routines ------------------------------------------------------------------------------- */

static void fired(DWORD error, DWORD bytes, LPOVERLAPPED overlapped)
{
    win_io *io = CONTAINING_RECORD(overlapped, win_io, overlapped);
    win *self = io->self;
    if (io->stage != WIN_STAGE_OWED) {
        self->strays++;
        return;
    }
    io->stage = WIN_STAGE_FIRED;
    io->error = error;
    io->bytes = bytes;
    io->next = NULL;
    self->apcs--;
    if (CEDI_FAULT(APC_DELIVERS)) {
        cedi_win_completed(self, io, error, bytes);
        (void)cede_run((cede_loop *)(void *)self->core, 0);
        return;
    }
    *self->fired_end = io;
    self->fired_end = &io->next;
    if (self->embed)
        cedi_win_embed_signal(self);
}

static void CALLBACK routine(DWORD error, DWORD bytes, LPOVERLAPPED overlapped)
{
    fired(error, bytes, overlapped);
}

static void CALLBACK socket_routine(DWORD error, DWORD bytes, LPWSAOVERLAPPED overlapped,
                                    DWORD flags)
{
    (void)flags;
    fired(error, bytes, overlapped);
}

win_routine *cedi_win_socket_routine(void)
{
    return (win_routine *)socket_routine;
}

static uint32_t begin(const win *self, win_io *io)
{
    HANDLE handle = (HANDLE)io->file->native;
    void (*report)(void) = (void (*)(void))routine;
    return io->writes
               ? self->calls.write_file_ex(handle, io->buffer, io->asked, &io->overlapped, report)
               : self->calls.read_file_ex(handle, io->buffer, io->asked, &io->overlapped, report);
}

/* A fault: on a thread that exits, as that of whoever submitted might. */
static unsigned __stdcall begin_and_exit(void *context)
{
    win_io *io = context;
    return begin(io->self, io);
}

static uint32_t begin_elsewhere(win_io *io)
{
    HANDLE thread = (HANDLE)_beginthreadex(NULL, 0, begin_and_exit, io, 0, NULL);
    DWORD error = 0;
    (void)WaitForSingleObject(thread, INFINITE);
    (void)GetExitCodeThread(thread, &error);
    (void)CloseHandle(thread);
    return error;
}

uint32_t cedi_win_issue_apc(win *self, win_io *io)
{
    uint32_t error = cedi_win_fault(self, io->writes ? "WriteFileEx" : "ReadFileEx");
    if (error == 0)
        error = CEDI_FAULT(ISSUED_ELSEWHERE) ? begin_elsewhere(io) : begin(self, io);
    if (error != ERROR_INVALID_PARAMETER)
        return error;
    /* It leads into a port, perhaps since now only: what has begun before stays in its lane. */
    if (!cedi_win_event_make(io))
        return ERROR_NOT_ENOUGH_MEMORY;
    io->file->lane = io->lane = WIN_LANE_EVENT;
    return cedi_win_issue_event(self, io);
}

/* Lets those run that are queued. */
void cedi_win_run_apcs(win *self)
{
    if (self->apcs > 0 && !CEDI_FAULT(APCS_ARE_HIDDEN))
        (void)SleepEx(0, TRUE);
}

/* ---- Events --------------------------------------------------------------------------------- */

static void push(win *self, win_io *io)
{
    win_io *head = atomic_load_explicit(&self->signalled, memory_order_relaxed);
    do {
        io->next = head;
    } while (!atomic_compare_exchange_weak(&self->signalled, &head, io));
}

void cedi_win_event_tell(win_io *io)
{
    cede_core *core = io->self->core;
    push(io->self, io);
    cede_core_woken(core);
}

/* On the thread of events_open's pool. */
static void CALLBACK signalled(PTP_CALLBACK_INSTANCE instance, void *context, PTP_WAIT wait,
                               TP_WAIT_RESULT result)
{
    win_io *io = context;
    (void)instance;
    (void)wait;
    if (result != WAIT_TIMEOUT)
        atomic_store(&io->event->came, true);
    if (!atomic_exchange(&io->event->told, true))
        cedi_win_event_tell(io);
}

/* A pool of this loop's own, with one thread: the process's has so many threads at most, and what
 * runs on all of them may wait for this loop. */
static bool events_open(win *self)
{
    PTP_POOL pool;
    if (self->events)
        return true;
    pool = cedi_win_fault(self, "CreateThreadpool") ? NULL : CreateThreadpool(NULL);
    if (!pool)
        return false;
    SetThreadpoolThreadMaximum(pool, 1);
    if (!SetThreadpoolThreadMinimum(pool, 1)) {
        CloseThreadpool(pool);
        return false;
    }
    self->events = pool;
    return true;
}

void cedi_win_events_close(win *self)
{
    if (self->events)
        CloseThreadpool(self->events);
    self->events = NULL;
}

static PTP_WAIT make_wait(win_io *io)
{
    TP_CALLBACK_ENVIRON environment;
    PTP_WAIT wait;
    InitializeThreadpoolEnvironment(&environment);
    SetThreadpoolCallbackPool(&environment, io->self->events);
    wait = CreateThreadpoolWait(signalled, io, &environment);
    DestroyThreadpoolEnvironment(&environment);
    return wait;
}

bool cedi_win_event_make(win_io *io)
{
    win_event *event = io->event;
    if (event)
        return true;
    if (!events_open(io->self))
        return false;
    event = cedi_memory_get(sizeof *event);
    if (!event)
        return false;
    event->event = CreateEventW(NULL, TRUE, FALSE, NULL);
    event->wait = event->event ? make_wait(io) : NULL;
    if (!event->wait) {
        if (event->event)
            (void)CloseHandle(event->event);
        cedi_memory_free(event);
        return false;
    }
    io->event = event;
    return true;
}

void cedi_win_event_free(win_io *io)
{
    if (!io->event)
        return;
    WaitForThreadpoolWaitCallbacks(io->event->wait, FALSE);
    CloseThreadpoolWait(io->event->wait);
    (void)CloseHandle(io->event->event);
    cedi_memory_free(io->event);
    io->event = NULL;
}

void cedi_win_event_ready(win_io *io)
{
    (void)ResetEvent(io->event->event);
    io->overlapped.hEvent =
        (HANDLE)((uintptr_t)io->event->event | (CEDI_FAULT(FOREIGN_PORT_HEARS) ? 0 : 1));
}

uint32_t cedi_win_issue_event(win *self, win_io *io)
{
    HANDLE handle = (HANDLE)io->file->native;
    cedi_win_event_ready(io);
    return io->writes ? cedi_win_write(self, handle, io->buffer, io->asked, &io->overlapped)
                      : cedi_win_read(self, handle, io->buffer, io->asked, &io->overlapped);
}

void cedi_win_event_watch(win_io *io)
{
    cedi_win_event_watch_for(io, io->event->event);
}

void cedi_win_event_watch_for(win_io *io, HANDLE object)
{
    io->event->leaves = false;
    atomic_store(&io->event->came, false);
    atomic_store(&io->event->told, false);
    SetThreadpoolWait(io->event->wait, object, NULL);
}

/*
 * What a wait resets may have been reset by this one although no callback has run yet: only the
 * pool knows. So it is the pool that ends the wait, too: it is given the record's own event, which
 * nobody signals, and no time. Its callback then says that time was over, or that of the object,
 * which was on its way, that it came. Nothing here waits.
 */
void cedi_win_event_unwatch(win_io *io)
{
    FILETIME at_once = {0, 0};
    win_event *event = io->event;
    if (event->leaves || (atomic_load(&event->told) && !CEDI_FAULT(UNWATCHED_IS_TOLD)))
        return;
    event->leaves = true;
    (void)ResetEvent(event->event);
    SetThreadpoolWait(event->wait, NULL, NULL); /* queues no more; what is queued still runs */
    SetThreadpoolWait(event->wait, event->event, &at_once);
}

/* Both callbacks may have been queued. They are in that order, and one has run, so the pool has a
 * thread for the other. */
bool cedi_win_event_came(win_io *io)
{
    win_event *event = io->event;
    if (event->leaves) {
        SetThreadpoolWait(event->wait, NULL, NULL);
        WaitForThreadpoolWaitCallbacks(event->wait, FALSE);
    }
    return atomic_load(&event->came) && !(event->leaves && CEDI_FAULT(UNWATCHED_IS_TOLD));
}

/* ---- Reports -------------------------------------------------------------------------------- */

static void report_signalled(win *self)
{
    win_io *io = atomic_exchange(&self->signalled, NULL), *oldest = NULL;
    while (io) {
        win_io *older = io->next;
        io->next = oldest;
        oldest = io;
        io = older;
    }
    while (oldest) {
        io = oldest;
        oldest = io->next;
        cedi_win_completed(self, io, cedi_win_io_error(io), (uint32_t)io->overlapped.InternalHigh);
    }
}

/* Those that have fired by now; what a report lets start keeps for the next turn. */
void cedi_win_report_fired(win *self)
{
    win_io *io = self->fired;
    self->fired = NULL;
    self->fired_end = &self->fired;
    while (io) {
        win_io *next = io->next;
        cedi_win_completed(self, io, io->error, io->bytes);
        io = next;
    }
    if (atomic_load_explicit(&self->signalled, memory_order_relaxed))
        report_signalled(self);
}
