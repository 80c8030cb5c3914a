/*
 * Lengths, room and the medium: truncate, allocate, holes, fsync. On a pool thread, but
 * cedi_win_make_sparse, which is a moment's work on any.
 *
 * A handle may lack a right that the operation needs here and not elsewhere: then a second handle
 * to the same file is opened with it.
 */
#include "calls.h"

#include <string.h>

#define HOLE_BYTES (UINT64_C(1) << 20)

void cedi_win_make_sparse(HANDLE file)
{
    OVERLAPPED here = {0};
    DWORD got;
    HANDLE event = CreateEventW(NULL, TRUE, FALSE, NULL);
    if (!event)
        return;                                   /* then the hole is filled with zeros */
    here.hEvent = (HANDLE)((uintptr_t)event | 1); /* no packet */
    if (!DeviceIoControl(file, FSCTL_SET_SPARSE, NULL, 0, NULL, 0, &got, &here) &&
        GetLastError() == ERROR_IO_PENDING)
        (void)WaitForSingleObject(event, INFINITE);
    (void)CloseHandle(event);
}

/* For a handle that appends only, which has no right to change the length. */
static HANDLE with_length_right(const win_job *job)
{
    uint32_t rights = job->access & (FILE_APPEND_DATA | FILE_WRITE_DATA);
    return rights == FILE_APPEND_DATA
               ? cedi_win_reopen(job->self, (HANDLE)job->native, GENERIC_WRITE)
               : (HANDLE)job->native;
}

static void let_go(const win_job *job, HANDLE file)
{
    if (file != (HANDLE)job->native && file != INVALID_HANDLE_VALUE)
        (void)CloseHandle(file);
}

static uint32_t set_end(const win *self, HANDLE file, uint64_t length)
{
    FILE_END_OF_FILE_INFO end;
    end.EndOfFile.QuadPart = (LONGLONG)length;
    return self->calls.set_file_info(file, FileEndOfFileInfo, &end, sizeof end);
}

uint32_t cedi_win_do_truncate(win_job *job)
{
    HANDLE file = with_length_right(job);
    LARGE_INTEGER size;
    uint64_t length = job->args.range.length_bytes;
    uint32_t error;
    if (file == INVALID_HANDLE_VALUE)
        return ERROR_ACCESS_DENIED;
    if (GetFileSizeEx(file, &size) && length > (uint64_t)size.QuadPart + HOLE_BYTES)
        cedi_win_make_sparse(file);
    error = set_end(job->self, file, length);
    let_go(job, file);
    error = cedi_win_too_far(error, length);
    return error == ERROR_ACCESS_DENIED ? ERROR_INVALID_PARAMETER : error; /* not for writing */
}

/* Setting less room than the file has bytes would cut it; and one that is sparse or compressed has
 * more bytes than room. A file system that takes no wishes for room gets a longer file, or nothing.
 */
static uint32_t reserve(const win *self, HANDLE file, uint64_t end, FILE_STANDARD_INFO *now)
{
    FILE_ALLOCATION_INFO room;
    uint32_t error = self->calls.get_file_info(file, FileStandardInfo, now, sizeof *now);
    if (error)
        return error;
    if (end <= (uint64_t)now->AllocationSize.QuadPart || end <= (uint64_t)now->EndOfFile.QuadPart)
        return 0;
    room.AllocationSize.QuadPart = (LONGLONG)end;
    error = self->calls.set_file_info(file, FileAllocationInfo, &room, sizeof room);
    return error == ERROR_INVALID_PARAMETER || error == ERROR_NOT_SUPPORTED ||
                   error == ERROR_INVALID_FUNCTION || error == ERROR_CALL_NOT_IMPLEMENTED ||
                   error == ERROR_INVALID_LEVEL
               ? 0
               : error;
}

uint32_t cedi_win_do_allocate(win_job *job)
{
    FILE_STANDARD_INFO now;
    uint64_t end = job->args.range.offset + job->args.range.length_bytes;
    HANDLE file = with_length_right(job);
    uint32_t error;
    if (file == INVALID_HANDLE_VALUE)
        return ERROR_ACCESS_DENIED;
    error = reserve(job->self, file, end, &now);
    if (error == 0 && !(job->args.range.flags & CEDE_ALLOCATE_KEEP_SIZE) &&
        end > (uint64_t)now.EndOfFile.QuadPart)
        error = set_end(job->self, file, end);
    let_go(job, file);
    error = cedi_win_too_far(error, end);
    return error == ERROR_ACCESS_DENIED ? ERROR_INVALID_HANDLE : error; /* not for writing */
}

uint32_t cedi_win_do_fsync(win_job *job)
{
    HANDLE file;
    uint32_t error;
    if (FlushFileBuffers((HANDLE)job->native))
        return 0;
    error = GetLastError();
    if (error != ERROR_ACCESS_DENIED)
        return error;
    file = cedi_win_reopen(job->self, (HANDLE)job->native, GENERIC_WRITE);
    if (file == INVALID_HANDLE_VALUE)
        return error;
    error = FlushFileBuffers(file) ? 0 : GetLastError();
    (void)CloseHandle(file);
    return error;
}
