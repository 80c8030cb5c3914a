/*
 * Watches of directories.
 *
 * The system records from the first call on a handle that asks for changes, into a buffer of its
 * own, and keeps what comes between two calls. So the call that opens a watch asks once and takes
 * that back. Each round asks for as much as a network allows, into a buffer of ours, and what came
 * is put into buffers of the pool in our form. What no buffer was there for keeps with the file.
 *
 * Changes are told by an event in both lanes: that the call "succeeded" may mean that it pends, so
 * no packet may ever be left out, and a watch should not be tied to a port.
 *
 * Threads: cedi_win_do_watch is a pool thread's, the rest is the loop's.
 */
#include "net.h"
#include "path.h"

#include <string.h>

#include "cede/system.h"

#define NOTIFY_CLEANUP 745u  /* ERROR_NOTIFY_CLEANUP */
#define NOTIFY_ENUM    1022u /* ERROR_NOTIFY_ENUM_DIR: there were too many */
#define WATCH_HOW      (FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OVERLAPPED)

/* ---- Its beginning -------------------------------------------------------------------------- */

/* Whatever it brings was before. */
static uint32_t begin_record(const win *self, HANDLE directory)
{
    win_bounce *room = cedi_memory_get(sizeof *room);
    OVERLAPPED here = {0};
    DWORD got;
    uint32_t error = room ? cedi_win_fault(self, "ReadDirectoryChangesW") : ERROR_OUTOFMEMORY;
    here.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL);
    if (error == 0 && !here.hEvent)
        error = GetLastError();
    if (error == 0)
        error = self->calls.read_changes(directory, cedi_win_aligned(room->room), WIN_BOUNCE_BYTES,
                                         &here);
    if (error == ERROR_IO_PENDING) {
        error = 0;
        (void)CancelIoEx(directory, &here);
        (void)GetOverlappedResult(directory, &here, &got, TRUE);
    }
    if (here.hEvent)
        (void)CloseHandle(here.hEvent);
    cedi_memory_free(room);
    return error;
}

uint32_t cedi_win_do_watch(win_job *job)
{
    win_path path;
    HANDLE directory;
    BY_HANDLE_FILE_INFORMATION info;
    uint32_t error = cedi_win_path(&path, job->args.path.path);
    if (error)
        return error;
    error = cedi_win_open_path(job->self, &path, FILE_LIST_DIRECTORY, OPEN_EXISTING, WATCH_HOW,
                               &directory);
    if (error)
        return cedi_win_path_why(&path, error);
    if (!GetFileInformationByHandle(directory, &info) ||
        !(info.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY))
        error = ERROR_DIRECTORY;
    if (error == 0)
        error = begin_record(job->self, directory);
    if (error) {
        (void)CloseHandle(directory);
        return error;
    }
    job->count = (uint64_t)(uintptr_t)directory;
    return 0;
}

/* ---- From the system's form to ours --------------------------------------------------------- */

static uint8_t what_of(DWORD action)
{
    switch (action) {
    case FILE_ACTION_ADDED:
        return CEDE_CHANGE_CREATED;
    case FILE_ACTION_REMOVED:
        return CEDE_CHANGE_REMOVED;
    case FILE_ACTION_RENAMED_OLD_NAME:
        return CEDE_CHANGE_RENAMED_FROM;
    case FILE_ACTION_RENAMED_NEW_NAME:
        return CEDE_CHANGE_RENAMED_TO;
    default:
        return CEDE_CHANGE_MODIFIED;
    }
}

/* Returns its bytes; 0: there is no room for it. */
static uint32_t put(char *to, uint32_t room, uint8_t what, const wchar_t *name, uint32_t units)
{
    cede_change change = {0};
    uint32_t whole, bytes = 0;
    if (units > 0)
        bytes = (uint32_t)cedi_win_utf8(change.name, sizeof change.name - 1, name, units);
    whole = ((uint32_t)offsetof(cede_change, name) + bytes + 1 + 7) & ~7u;
    if (whole > room)
        return 0;
    change.change_bytes = (uint16_t)whole;
    change.what = what;
    memcpy(to, &change, whole);
    return whole;
}

/* Records are said to begin at multiples of 4; not all do (docs/facts-windows.md). */
static uint32_t put_kept(win *self, win_file *file, char *to, uint32_t room)
{
    const size_t before = offsetof(FILE_NOTIFY_INFORMATION, FileName);
    uint32_t used = 0;
    while (file->changes) {
        const unsigned char *at = file->changes->bytes + file->changes_at;
        FILE_NOTIFY_INFORMATION record;
        uint32_t bytes;
        memcpy(&record, at, before);
        bytes = put(to + used, room - used, what_of(record.Action),
                    (const wchar_t *)(const void *)(at + before),
                    record.FileNameLength / (uint32_t)sizeof(wchar_t));
        if (bytes == 0)
            break;
        used += bytes;
        file->changes_at += record.NextEntryOffset;
        if (record.NextEntryOffset == 0) {
            cedi_win_bounce_put(self, file->changes);
            file->changes = NULL;
        }
    }
    return used;
}

/* `over`: it was the last. */
static uint32_t fill(win *self, win_file *file, char *to, uint32_t room, bool *over)
{
    uint32_t used = 0;
    if (file->lost)
        used = put(to, room, CEDE_CHANGE_LOST, NULL, 0);
    file->lost = false;
    used += put_kept(self, file, to + used, room - used);
    *over = false;
    if (file->gone && !file->changes) {
        uint32_t bytes = put(to + used, room - used, CEDE_CHANGE_GONE, NULL, 0);
        *over = file->gone_told = bytes > 0;
        used += bytes;
    }
    return used;
}

/* ---- Giving --------------------------------------------------------------------------------- */

static bool has_something(const win_file *file)
{
    return file->lost || file->gone || file->changes;
}

/* As much as there are buffers for. It begins anew for the rest; behind the last there is none. */
static void give(win *self, win_file *file, uint64_t token, cede_pool_view *pool)
{
    uint64_t total = 0;
    bool over = false;
    while (has_something(file) && !over) {
        uint32_t number, bytes;
        if (!cede_core_pick(pool, &number)) {
            cede_core_done(self->core, token, total ? CEDE_OK : CEDE_REPORT_POOL, 0, total);
            return;
        }
        bytes =
            fill(self, file, pool->base + number * pool->stride_bytes, pool->buffer_bytes, &over);
        cede_core_item(self->core, token, bytes, number);
        total += bytes;
    }
    cede_core_done(self->core, token, total || over ? CEDE_OK : CEDE_REPORT_AGAIN, 0,
                   over ? 0 : total);
}

/* ---- Asking --------------------------------------------------------------------------------- */

static uint32_t call_read(win *self, win_io *io)
{
    uint32_t error = cedi_win_fault(self, "ReadDirectoryChangesW");
    cedi_win_event_ready(io);
    return error ? error
                 : self->calls.read_changes((HANDLE)io->file->native, io->buffer, io->asked,
                                            &io->overlapped);
}

/* A directory that is deleted refuses what is asked of it, and ends what had been asked. The word
 * for that may mean something else, so it is asked itself. */
static bool is_gone(const win_file *file, uint32_t error)
{
    FILE_STANDARD_INFO info;
    if (error == ERROR_DELETE_PENDING || error == NOTIFY_CLEANUP)
        return true;
    if (error != ERROR_ACCESS_DENIED)
        return false;
    return !GetFileInformationByHandleEx((HANDLE)file->native, FileStandardInfo, &info,
                                         sizeof info) ||
           info.DeletePending || info.NumberOfLinks == 0;
}

static void changed(win *self, win_io *io, uint32_t error, uint32_t bytes)
{
    win_file *file = io->file;
    cede_pool_view *pool = io->waits_for;
    uint64_t token = io->record.token;
    if (error == NOTIFY_ENUM || (error == 0 && bytes == 0)) {
        file->lost = true;
        error = 0;
    } else if (error == 0) {
        file->changes = io->bounce;
        file->changes_at = 0;
        io->bounce = NULL;
    } else if (is_gone(file, error)) {
        file->gone = true;
        error = 0;
    }
    cedi_win_io_free(self, io);
    if (error == 0)
        give(self, file, token, pool);
    else
        cede_core_done(self->core, token,
                       cedi_error_is_shortage(error) ? CEDE_REPORT_PARK : cedi_error_status(error),
                       (int32_t)error, 0);
    file->pending--;
    cedi_win_file_left(self, file);
}

bool cedi_win_start_watch_many(win *self, const cede_work *work)
{
    win_file *file = cedi_win_file_find(self, work->native);
    win_io *io;
    if (!file)
        return cedi_win_done_now(self, work, ERROR_INVALID_HANDLE, 0);
    if (file->gone_told)
        return cedi_win_done_now(self, work, 0, 0);
    if (has_something(file)) {
        give(self, file, work->token, cede_core_pool(work));
        return true;
    }
    io = cedi_win_net_io_in(self, work, file, WIN_LANE_EVENT);
    if (!io)
        return false;
    io->bounce = cedi_win_bounce_get(self);
    if (!io->bounce) {
        file->pending--;
        cedi_win_io_free(self, io);
        return false;
    }
    io->buffer = io->bounce->bytes;
    io->asked = WIN_BOUNCE_BYTES;
    io->waits_for = cede_core_pool(work);
    io->call = call_read;
    io->over = changed;
    cedi_win_issue(self, io);
    return true;
}

/* One that was made elsewhere records from its first round on. */
cede_status cedi_win_watch_attach(win_file *file)
{
    DWORD flags;
    if (!GetHandleInformation((HANDLE)file->native, &flags))
        return CEDE_EBADF;
    file->lane = WIN_LANE_EVENT;
    return cedi_win_is_synchronous((HANDLE)file->native) ? CEDE_EINVAL : CEDE_OK;
}
