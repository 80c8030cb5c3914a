/*
 * Files that are read-only, which what deletes or replaces them minds: made writable for it, and
 * not for longer than that. On a pool thread.
 *
 * By handles: a name may be another file's by now, which keeps its flag. It is the file's, not the
 * name's, so whoever has other names of it would find it gone for good.
 */
#include "calls.h"
#include "path.h"

#include <string.h>

#define RIGHTS (FILE_READ_ATTRIBUTES | FILE_WRITE_ATTRIBUTES)
#define HOW    (FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT)

static uint32_t open_flags(const win_job *job, const win_path *path, HANDLE *out)
{
    return cedi_win_open_path(job->self, path, RIGHTS, OPEN_EXISTING, HOW, out);
}

static bool set_attributes(const win_job *job, HANDLE file, DWORD attributes)
{
    FILE_BASIC_INFO info;
    memset(&info, 0, sizeof info); /* the times: as they are */
    info.FileAttributes = attributes ? attributes : FILE_ATTRIBUTE_NORMAL;
    return job->self->calls.set_file_info(file, FileBasicInfo, &info, sizeof info) == 0;
}

void cedi_win_leave_flag(win_flag *flag)
{
    (void)CloseHandle(flag->file);
    flag->file = INVALID_HANDLE_VALUE;
}

win_flag cedi_win_clear_read_only(const win_job *job, const win_path *path, HANDLE known)
{
    win_flag flag;
    memset(&flag.was, 0, sizeof flag.was);
    if (open_flags(job, path, &flag.file))
        return flag;
    if (job->self->calls.describe_file(flag.file, &flag.was) == 0 &&
        (flag.was.dwFileAttributes & FILE_ATTRIBUTE_READONLY) &&
        (!known || cedi_win_is_same_file(known, flag.file)) &&
        set_attributes(job, flag.file, flag.was.dwFileAttributes & ~(DWORD)FILE_ATTRIBUTE_READONLY))
        return flag;
    cedi_win_leave_flag(&flag);
    return flag;
}

static bool is_it(const win_job *job, HANDLE file, const BY_HANDLE_FILE_INFORMATION *was)
{
    BY_HANDLE_FILE_INFORMATION now;
    return job->self->calls.describe_file(file, &now) == 0 &&
           now.nFileIndexHigh == was->nFileIndexHigh && now.nFileIndexLow == was->nFileIndexLow &&
           now.dwVolumeSerialNumber == was->dwVolumeSerialNumber;
}

/* By its number, whatever names it still has. INVALID_HANDLE_VALUE:
 * it is gone, or the file system opens nothing so (FAT: it has no other names either). */
static HANDLE open_by_number(const win_job *job, const win_path *path,
                             const BY_HANDLE_FILE_INFORMATION *was)
{
    win_path directory = *path;
    wchar_t *separator = wcsrchr(directory.text, L'\\');
    FILE_ID_DESCRIPTOR id;
    HANDLE beside, file;
    if (!separator)
        return INVALID_HANDLE_VALUE;
    separator[1] = L'\0';
    if (cedi_win_open_path(job->self, &directory, FILE_READ_ATTRIBUTES, OPEN_EXISTING,
                           FILE_FLAG_BACKUP_SEMANTICS, &beside))
        return INVALID_HANDLE_VALUE;
    memset(&id, 0, sizeof id);
    id.dwSize = sizeof id;
    id.Type = FileIdType;
    id.FileId.HighPart = (LONG)was->nFileIndexHigh;
    id.FileId.LowPart = was->nFileIndexLow;
    file = OpenFileById(beside, &id, RIGHTS, WIN_SHARE_ALL, NULL, HOW);
    (void)CloseHandle(beside);
    if (file == INVALID_HANDLE_VALUE || is_it(job, file, was))
        return file;
    (void)CloseHandle(file);
    return INVALID_HANDLE_VALUE;
}

void cedi_win_find_flag(const win_job *job, const win_path *path, win_flag *flag)
{
    HANDLE there;
    bool found = open_flags(job, path, &there) == 0 && is_it(job, there, &flag->was);
    if (!found && there != INVALID_HANDLE_VALUE)
        (void)CloseHandle(there);
    flag->file = found ? there : open_by_number(job, path, &flag->was);
}

void cedi_win_put_back(const win_job *job, win_flag *flag, uint32_t error)
{
    if (flag->file == INVALID_HANDLE_VALUE)
        return;
    if (error || flag->was.nNumberOfLinks > 1)
        (void)set_attributes(job, flag->file, flag->was.dwFileAttributes);
    (void)CloseHandle(flag->file);
}
