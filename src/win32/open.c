/*
 * Opening, on a pool thread.
 *
 * Files, pipes and devices are opened for overlapped I/O; directories are not, because what reads
 * them has no overlapped form that is documented. Sharing allows everything, so that a file may be
 * renamed and deleted while it is open. A handle that only appends is opened without the right to
 * write elsewhere: then the system itself puts every write at the end.
 */
#include "calls.h"
#include "path.h"

#define ERROR_IS_A_DIRECTORY 336u /* ERROR_DIRECTORY_NOT_SUPPORTED */

typedef struct manner {
    uint32_t access;
    uint32_t disposition;
    uint32_t flags;
} manner;

static manner manner_of(uint32_t flags, uint32_t mode)
{
    manner how = {0, OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS};
    if (flags & CEDE_OPEN_READ)
        how.access |= GENERIC_READ;
    if (flags & CEDE_OPEN_APPEND)
        how.access |= FILE_GENERIC_WRITE & ~(uint32_t)FILE_WRITE_DATA;
    else if (flags & CEDE_OPEN_WRITE)
        how.access |= GENERIC_WRITE;
    if (flags & CEDE_OPEN_CREATE)
        how.disposition = flags & CEDE_OPEN_EXCLUSIVE ? CREATE_NEW : OPEN_ALWAYS;
    if (flags & (CEDE_OPEN_NOFOLLOW | CEDE_OPEN_EXCLUSIVE))
        how.flags |= FILE_FLAG_OPEN_REPARSE_POINT;
    if (flags & CEDE_OPEN_DIRECT)
        how.flags |= FILE_FLAG_NO_BUFFERING;
    if (flags & CEDE_OPEN_SYNC)
        how.flags |= FILE_FLAG_WRITE_THROUGH;
    if (!(flags & CEDE_OPEN_DIRECTORY))
        how.flags |= FILE_FLAG_OVERLAPPED;
    if ((flags & CEDE_OPEN_CREATE) && !(mode & 0200))
        how.flags |= FILE_ATTRIBUTE_READONLY;
    return how;
}

static bool is_link(const win_job *job, HANDLE file)
{
    uint32_t attributes, tag;
    return cedi_win_attributes(job->self, file, &attributes, &tag) &&
           cedi_win_is_link(attributes, tag);
}

/* The whole right to write is asked for where the mere right to append is not enough. NtCreateFile
 * takes no FILE_APPEND_DATA with FILE_FLAG_NO_BUFFERING, but by GENERIC_WRITE, which has it in it.
 * And of a pipe that bit is FILE_CREATE_PIPE_INSTANCE: to write takes FILE_WRITE_DATA. What a write
 * may do is its handle's to say: so one of a file that only appends is made of such a one. */
static uint32_t open_file(const win_job *job, const win_path *path, const manner *how, HANDLE *file)
{
    HANDLE here = GetCurrentProcess(), whole;
    bool appends = (how->access & FILE_APPEND_DATA) &&
                   ((how->flags & FILE_FLAG_NO_BUFFERING) || cedi_win_path_has_server(path));
    uint32_t access = how->access, error;
    if (appends)
        access = (access & GENERIC_READ) | GENERIC_WRITE;
    error = cedi_win_open_path(job->self, path, access, how->disposition, how->flags, file);
    if (error || !appends || GetFileType(*file) != FILE_TYPE_DISK)
        return error;
    whole = *file;
    access = how->access | FILE_READ_ATTRIBUTES; /* CreateFile adds it */
    if (!DuplicateHandle(here, whole, here, file, access, FALSE, 0)) {
        error = GetLastError();
        *file = INVALID_HANDLE_VALUE;
    }
    (void)CloseHandle(whole);
    return error;
}

/* What was opened as a reparse point and is no link is a file whose data some filter has, which
 * minds only who opens it by way of it. If that leads to another file, somebody has put a link
 * there meanwhile: then it stays as it is. */
static void open_through(const win_job *job, const win_path *path, manner how, HANDLE *file)
{
    uint32_t attributes, tag;
    HANDLE other;
    if (!(how.flags & FILE_FLAG_OPEN_REPARSE_POINT) ||
        !cedi_win_attributes(job->self, *file, &attributes, &tag) ||
        !(attributes & FILE_ATTRIBUTE_REPARSE_POINT) || cedi_win_is_link(attributes, tag))
        return;
    how.disposition = OPEN_EXISTING;
    how.flags &= ~(uint32_t)FILE_FLAG_OPEN_REPARSE_POINT;
    if (open_file(job, path, &how, &other))
        return;
    if (cedi_win_is_same_file(*file, other)) {
        HANDLE first = *file;
        *file = other;
        other = first;
    }
    (void)CloseHandle(other);
}

/* One that only appends has no right to it, and cannot be opened with it if it is read-only, as one
 * may be that was made just now: so what is empty already is left as it is. */
static uint32_t truncate(const win_job *job, HANDLE file, uint32_t flags)
{
    FILE_END_OF_FILE_INFO end = {0};
    HANDLE other = INVALID_HANDLE_VALUE;
    LARGE_INTEGER size;
    uint32_t error;
    if (flags & CEDE_OPEN_APPEND) {
        if (GetFileSizeEx(file, &size) && size.QuadPart == 0)
            return 0;
        other = cedi_win_reopen(job->self, file, GENERIC_WRITE);
    }
    error = job->self->calls.set_file_info(other == INVALID_HANDLE_VALUE ? file : other,
                                           FileEndOfFileInfo, &end, sizeof end);
    if (other != INVALID_HANDLE_VALUE)
        (void)CloseHandle(other);
    return error;
}

/* What was opened is what was asked for. */
static uint32_t check(const win_job *job, HANDLE file, uint32_t flags, bool *directory)
{
    BY_HANDLE_FILE_INFORMATION info;
    uint32_t error = ERROR_NOT_SUPPORTED;
    *directory = false;
    if (GetFileType(file) == FILE_TYPE_DISK)
        error = job->self->calls.describe_file(file, &info);
    if (cedi_win_has_no_facts(error))
        return flags & CEDE_OPEN_DIRECTORY ? ERROR_DIRECTORY : 0;
    if (error)
        return error;
    if ((flags & CEDE_OPEN_NOFOLLOW) && is_link(job, file))
        return ERROR_CANT_RESOLVE_FILENAME;
    *directory = (info.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
    if (*directory)
        return flags & (CEDE_OPEN_WRITE | CEDE_OPEN_CREATE) ? ERROR_IS_A_DIRECTORY : 0;
    if (flags & CEDE_OPEN_DIRECTORY)
        return ERROR_DIRECTORY;
    return flags & CEDE_OPEN_TRUNCATE ? truncate(job, file, flags) : 0;
}

static uint32_t refused(const win_path *path, uint32_t flags, uint32_t error)
{
    DWORD attributes;
    if (error == ERROR_DELETE_PENDING && (flags & CEDE_OPEN_CREATE))
        return ERROR_BUSY; /* the name is gone, but cannot be had yet */
    if (error == ERROR_ACCESS_DENIED && (flags & CEDE_OPEN_WRITE)) {
        attributes = GetFileAttributesW(path->text);
        if (attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY))
            return flags & CEDE_OPEN_EXCLUSIVE ? ERROR_FILE_EXISTS : ERROR_IS_A_DIRECTORY;
    }
    return cedi_win_path_why(path, error);
}

uint32_t cedi_win_do_open(win_job *job)
{
    uint32_t flags = job->args.path.flags, error;
    manner how = manner_of(flags, job->args.path.mode);
    win_path path;
    HANDLE file;
    bool directory;
    error = cedi_win_path(&path, job->args.path.path);
    if (path.directory && (flags & CEDE_OPEN_CREATE) && (error == 0 || error == ERROR_DIRECTORY))
        return ERROR_IS_A_DIRECTORY; /* no file can be made by this name */
    if (error)
        return error;
    if (path.dots) /* a directory's own name, and no link's */
        how.flags &= ~(uint32_t)FILE_FLAG_OPEN_REPARSE_POINT;
    error = open_file(job, &path, &how, &file);
    if (error)
        return refused(&path, flags, error);
    open_through(job, &path, how, &file);
    error = check(job, file, flags, &directory);
    if (error == 0 && directory && (how.flags & FILE_FLAG_OVERLAPPED)) {
        (void)CloseHandle(file);
        how.disposition = OPEN_EXISTING;
        how.flags &= ~(uint32_t)FILE_FLAG_OVERLAPPED;
        error = open_file(job, &path, &how, &file);
        if (error == 0)
            open_through(job, &path, how, &file);
    }
    if (error) {
        if (file != INVALID_HANDLE_VALUE)
            (void)CloseHandle(file);
        return error;
    }
    job->count = (uint64_t)(intptr_t)file;
    return 0;
}

/* The flags for who may act as us are told to those alone who could: to the file systems of drives
 * the same bit is FILE_FLAG_OPEN_NO_RECALL. */
uint32_t cedi_win_open_path(const win *self, const win_path *path, uint32_t access,
                            uint32_t disposition, uint32_t flags, HANDLE *out)
{
    if (cedi_win_path_has_server(path))
        flags |= SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION;
    return cedi_win_create_file(self, path->text, access, disposition, flags, out);
}

HANDLE cedi_win_reopen(const win *self, HANDLE native, uint32_t access)
{
    if (self->config.without & CEDE_WIN32_NO_REOPEN)
        return INVALID_HANDLE_VALUE;
    return ReOpenFile(native, access, WIN_SHARE_ALL, FILE_FLAG_BACKUP_SEMANTICS);
}
