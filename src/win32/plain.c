/*
 * Transfers of handles that were not made for overlapped I/O: the calls, which wait.
 *
 * The system keeps a position for such a file, and a transfer with an offset moves it. Nobody shall
 * see that, so it is put back, and the transfers of one file keep out of each other's way: of one
 * file, since handles that are duplicates have one position, and they cannot be told from others.
 * Files that are not the same do not wait for each other: a call on one may hang, as where a server
 * is gone.
 *
 * Threads: those of the pool.
 */
#include "calls.h"

/* A file that a thread is busy with; it lies on that thread's stack. */
typedef struct busy {
    struct busy *next;
    uint64_t file_id;
    uint32_t volume;
} busy;

static SRWLOCK lock = SRWLOCK_INIT;
static CONDITION_VARIABLE one_left = CONDITION_VARIABLE_INIT;
static busy *all; /* under the lock */

static bool is_busy(const busy *file)
{
    const busy *other = all;
    while (other && (other->file_id != file->file_id || other->volume != file->volume))
        other = other->next;
    return other != NULL;
}

/* What has no such name, a disk, counts as one file with all its like. */
static void enter(busy *file, HANDLE handle)
{
    BY_HANDLE_FILE_INFORMATION known = {0};
    if (!GetFileInformationByHandle(handle, &known))
        known.nFileIndexLow = known.nFileIndexHigh = known.dwVolumeSerialNumber = 0;
    file->file_id = (uint64_t)known.nFileIndexHigh << 32 | known.nFileIndexLow;
    file->volume = known.dwVolumeSerialNumber;
    AcquireSRWLockExclusive(&lock);
    while (is_busy(file))
        (void)SleepConditionVariableSRW(&one_left, &lock, INFINITE, 0);
    file->next = all;
    all = file;
    ReleaseSRWLockExclusive(&lock);
}

static void leave(const busy *file)
{
    busy **place = &all;
    AcquireSRWLockExclusive(&lock);
    while (*place != file)
        place = &(*place)->next;
    *place = file->next;
    ReleaseSRWLockExclusive(&lock);
    WakeAllConditionVariable(&one_left);
}

static uint32_t transfer(const win *self, HANDLE handle, bool writes, void *buffer, uint32_t asked,
                         OVERLAPPED *where, uint32_t *bytes)
{
    DWORD moved = 0;
    BOOL happened;
    *bytes = 0;
    if (cedi_win_fault(self, writes ? "WriteFile" : "ReadFile"))
        return ERROR_NO_SYSTEM_RESOURCES;
    happened = writes ? WriteFile(handle, buffer, asked, &moved, where)
                      : ReadFile(handle, buffer, asked, &moved, where);
    *bytes = moved;
    return happened ? 0 : GetLastError();
}

uint32_t cedi_win_plain_stream(const win *self, HANDLE handle, bool writes, void *buffer,
                               uint32_t asked, uint32_t *bytes)
{
    return transfer(self, handle, writes, buffer, asked, NULL, bytes);
}

uint32_t cedi_win_plain_transfer(const win *self, HANDLE handle, bool writes, void *buffer,
                                 uint32_t asked, uint64_t position, uint32_t *bytes)
{
    LARGE_INTEGER zero = {0}, before;
    OVERLAPPED where = {0};
    busy file;
    bool known;
    uint32_t error;
    enter(&file, handle);
    known = SetFilePointerEx(handle, zero, &before, FILE_CURRENT) != 0;
    where.Offset = position == WIN_AT_END ? 0xffffffffu : (DWORD)position;
    where.OffsetHigh = position == WIN_AT_END ? 0xffffffffu : (DWORD)(position >> 32);
    error = transfer(self, handle, writes, buffer, asked,
                     position == WIN_AT_CURRENT ? NULL : &where, bytes);
    if (known && position != WIN_AT_CURRENT)
        (void)SetFilePointerEx(handle, before, NULL, FILE_BEGIN);
    leave(&file);
    return error;
}

/* Not if the read of nothing took an empty message, which was all; but one that it left has to be
 * read. */
bool cedi_win_plain_has_data(HANDLE pipe)
{
    cedi_nt_peek peek = {0};
    DWORD bytes = 0;
    if (!DeviceIoControl(pipe, CEDI_NT_PEEK, NULL, 0, &peek, sizeof peek, &bytes, NULL))
        return true; /* more than fits, or an error, which the read meets, too */
    return peek.bytes > 0 || peek.messages > 0;
}
