/*
 * Waits for what can be signalled: a child's end, a foreign event.
 *
 * By a wait of the system's thread pool, the record's own, on a duplicate of the handle, which may
 * be closed meanwhile. Either the wait's callback or a cancel takes it, never both. The loop's
 * thread.
 */
#include "net.h"

void cedi_win_object_left(win *self, win_io *io)
{
    (void)CloseHandle((HANDLE)io->owner);
    cedi_win_io_free(self, io);
}

static int stop(win *self, win_io *io)
{
    if (cedi_win_event_unwatch(io))
        cedi_win_completed(self, io, ERROR_OPERATION_ABORTED, 0);
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
