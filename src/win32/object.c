/*
 * Waits for what can be signalled: a child's end, a foreign event.
 *
 * By a wait of the system's thread pool, the record's own, on a duplicate of the handle, which may
 * be closed meanwhile. What cannot be waited for is refused before: it would take down the pool, or
 * who else waits in it. A cancel asks the pool to stop, and the pool says which of the two it was:
 * of an event that a wait resets nobody else knows. The loop's thread.
 */
#include "net.h"

#include <string.h>

void cedi_win_object_left(win *self, win_io *io)
{
    (void)CloseHandle((HANDLE)io->owner);
    cedi_win_io_free(self, io);
}

uint32_t cedi_win_object_came(win_io *io)
{
    return cedi_win_event_came(io) ? 0 : ERROR_OPERATION_ABORTED;
}

static int stop(win *self, win_io *io)
{
    (void)self;
    cedi_win_event_unwatch(io);
    return CEDE_CANCEL_SENT;
}

/* The system's pool takes none: it raises an exception. */
static bool is_mutex(HANDLE object)
{
    static const wchar_t mutant[] = L"Mutant";
    const cedi_nt *nt = cedi_win_nt();
    cedi_nt_object_type type;
    unsigned long bytes;
    return nt->query_object &&
           nt->query_object(object, CEDI_NT_OBJECT_TYPE, &type, sizeof type, &bytes) >= 0 &&
           type.name_bytes == sizeof mutant - sizeof *mutant &&
           memcmp(type.name, mutant, type.name_bytes) == 0;
}

/* Whether it can be waited for, and by this handle, is tried. The trial takes no signal: it waits
 * for both of two, of which the other never has one. */
static uint32_t refuse(const win_io *io, HANDLE object)
{
    HANDLE both[2] = {io->event->event, object};
    if (is_mutex(object))
        return ERROR_INVALID_PARAMETER;
    (void)ResetEvent(io->event->event);
    return WaitForMultipleObjects(2, both, TRUE, 0) == WAIT_FAILED ? GetLastError() : 0;
}

/* It was not opened for this. */
static cede_status refusal(uint32_t error)
{
    return error == ERROR_ACCESS_DENIED ? CEDE_EBADF : cedi_error_status(error);
}

bool cedi_win_object_wait(win *self, const cede_work *work,
                          void (*over)(win *, win_io *, uint32_t error, uint32_t bytes))
{
    HANDLE here = GetCurrentProcess(), own = NULL;
    win_io *io = cedi_win_io_new(self, work);
    uint32_t error;
    if (!io)
        return false;
    if (!cedi_win_event_make(io)) {
        cedi_win_io_free(self, io);
        return false;
    }
    error = cedi_win_fault(self, "DuplicateHandle");
    if (error == 0 &&
        !DuplicateHandle(here, (HANDLE)work->native, here, &own, 0, FALSE, DUPLICATE_SAME_ACCESS))
        error = GetLastError();
    if (error == 0)
        error = refuse(io, own);
    if (error) {
        if (own)
            (void)CloseHandle(own);
        cedi_win_io_free(self, io);
        cede_core_done(self->core, work->token, refusal(error), (int32_t)error, 0);
        return true;
    }
    io->owner = own;
    io->over = over;
    io->stop = stop;
    io->overlapped.Internal = SYSTEM_STATUS_SUCCESS;
    io->overlapped.InternalHigh = 0;
    cedi_win_event_watch_for(io, own);
    return true;
}
