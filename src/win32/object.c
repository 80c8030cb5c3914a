/*
 * Waits for what can be signalled: a child's end, a foreign event.
 *
 * By a wait of the system's thread pool, the record's own, on a duplicate of the handle, which may
 * be closed meanwhile. A cancel asks the pool to stop, and the pool says which of the two it was:
 * of an event that a wait resets nobody else knows. The loop's thread.
 */
#include "net.h"

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
    if (error) {
        cedi_win_io_free(self, io);
        return cedi_win_done_now(self, work, error, 0);
    }
    io->owner = own;
    io->over = over;
    io->stop = stop;
    io->overlapped.Internal = SYSTEM_STATUS_SUCCESS;
    io->overlapped.InternalHigh = 0;
    cedi_win_event_watch_for(io, own);
    return true;
}
