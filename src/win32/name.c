/*
 * Operations on names: rename, unlink, mkdir, rmdir, links. On a pool thread.
 *
 * Where the file system has them (NTFS since Windows 10, 1607), renames and deletes are those of
 * POSIX: a file that is open can be replaced, and an unlinked name is gone at once. Else they are
 * the old ones, whose difference is seen only by who looks at the name of an open file.
 */
#include "calls.h"
#include "path.h"

#include <stddef.h>
#include <string.h>

#define ERROR_IS_A_DIRECTORY 336u /* ERROR_DIRECTORY_NOT_SUPPORTED */

static uint32_t error_unless(BOOL happened)
{
    return happened ? 0 : GetLastError();
}

/* The system or the file system is older than this way to ask. */
static bool is_unknown(uint32_t error)
{
    return error == ERROR_INVALID_PARAMETER || error == ERROR_INVALID_FUNCTION ||
           error == ERROR_NOT_SUPPORTED || error == ERROR_CALL_NOT_IMPLEMENTED ||
           error == ERROR_INVALID_LEVEL;
}

/* What is not there may become one, or the operation will say it. */
static bool is_directory(const win_path *path)
{
    DWORD attributes = GetFileAttributesW(path->text);
    return attributes == INVALID_FILE_ATTRIBUTES || (attributes & FILE_ATTRIBUTE_DIRECTORY);
}

/* No link can be made by a name with a separator behind it. */
static uint32_t refuse_separator(const win_path *path)
{
    if (!path->directory)
        return 0;
    return GetFileAttributesW(path->text) == INVALID_FILE_ATTRIBUTES ? ERROR_FILE_NOT_FOUND
                                                                     : ERROR_FILE_EXISTS;
}

/* By what ends with dots nothing is made, removed or renamed. */
static uint32_t refuse_dots(const win_path *path, uint32_t error)
{
    if (!path->dots)
        return 0;
    return GetFileAttributesW(path->text) == INVALID_FILE_ATTRIBUTES ? ERROR_FILE_NOT_FOUND : error;
}

static uint32_t look(const win_job *job, const win_path *path, HANDLE *out)
{
    return cedi_win_open_path(job->self, path, FILE_READ_ATTRIBUTES, OPEN_EXISTING,
                              FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT, out);
}

/* As whoever names it sees it: a link to a directory is a link, and no directory. What may be one
 * is opened; where that cannot be done, it counts as one. */
static uint32_t attributes_of(const win_job *job, const win_path *path)
{
    uint32_t attributes, now, tag;
    HANDLE file;
    bool link = true;
    if (job->self->calls.get_path_attributes(path->text, &attributes))
        return INVALID_FILE_ATTRIBUTES;
    if (!(attributes & FILE_ATTRIBUTE_DIRECTORY) || !(attributes & FILE_ATTRIBUTE_REPARSE_POINT))
        return attributes;
    if (look(job, path, &file) == 0) {
        link = !cedi_win_attributes(job->self, file, &now, &tag) || cedi_win_is_link(now, tag);
        (void)CloseHandle(file);
    }
    return link ? attributes & ~(uint32_t)FILE_ATTRIBUTE_DIRECTORY : attributes;
}

static bool is_there_as_directory(const win_job *job, const win_path *path)
{
    uint32_t attributes = attributes_of(job, path);
    return attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY);
}

/* As most file systems here see it: letters have no case. */
static bool is_same_name(const win_path *a, const win_path *b)
{
    return CompareStringOrdinal(a->text, -1, b->text, -1, TRUE) == CSTR_EQUAL;
}

static bool is_below(const win_path *directory, const win_path *path)
{
    size_t units = wcslen(directory->text);
    return wcslen(path->text) > units && path->text[units] == L'\\' &&
           CompareStringOrdinal(directory->text, (int)units, path->text, (int)units, TRUE) ==
               CSTR_EQUAL;
}

/* ---- Rename --------------------------------------------------------------------------------- */

/* FILE_RENAME_INFO, in the form that has flags. */
typedef struct rename_info {
    DWORD flags;
    HANDLE root;
    DWORD name_bytes;
    wchar_t name[WIN_PATH_UNITS];
} rename_info;

static uint32_t set_name(const win_job *job, HANDLE file, rename_info *info)
{
    uint32_t bytes = (uint32_t)(offsetof(rename_info, name) + info->name_bytes + sizeof(wchar_t));
    return job->self->calls.set_file_info(file, SYSTEM_RENAME_INFO_EX, info, bytes);
}

/* Or it was denied for something else, and is so again. */
static uint32_t rename_over_read_only(const win_job *job, HANDLE file, rename_info *info,
                                      const win_path *to)
{
    win_flag flag = cedi_win_clear_read_only(job, to, NULL);
    uint32_t error = ERROR_ACCESS_DENIED;
    if (flag.file != INVALID_HANDLE_VALUE)
        error = set_name(job, file, info);
    cedi_win_put_back(job, &flag, error);
    return error;
}

static uint32_t rename_posix(const win_job *job, const win_path *from, const win_path *to)
{
    rename_info info;
    size_t bytes = wcslen(to->text) * sizeof(wchar_t);
    HANDLE file;
    uint32_t error =
        cedi_win_open_path(job->self, from, DELETE | SYNCHRONIZE, OPEN_EXISTING,
                           FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT, &file);
    if (error)
        return error;
    info.flags = SYSTEM_RENAME_POSIX;
    if (!(job->args.path.flags & CEDE_RENAME_NOREPLACE))
        info.flags |= SYSTEM_RENAME_REPLACE | SYSTEM_RENAME_READ_ONLY;
    info.root = NULL;
    info.name_bytes = (DWORD)bytes;
    memcpy(info.name, to->text, bytes + sizeof(wchar_t));
    error = set_name(job, file, &info);
    if (is_unknown(error) && (info.flags & SYSTEM_RENAME_READ_ONLY)) { /* Windows 10, 1809 */
        info.flags &= ~(DWORD)SYSTEM_RENAME_READ_ONLY;
        error = set_name(job, file, &info);
        if (error == ERROR_ACCESS_DENIED)
            error = rename_over_read_only(job, file, &info, to);
        if (error == ERROR_ACCESS_DENIED)
            error = ERROR_INVALID_LEVEL; /* the old way may have other reasons, or none */
    }
    (void)CloseHandle(file);
    return error;
}

/* Also of what cannot be asked: whoever removes it will be told. */
static bool is_empty(const win_path *directory)
{
    wchar_t all[WIN_PATH_UNITS + 2];
    WIN32_FIND_DATAW entry;
    bool empty = true;
    HANDLE search;
    wcscpy(all, directory->text);
    wcscat(all, L"\\*");
    search = FindFirstFileW(all, &entry);
    if (search == INVALID_HANDLE_VALUE)
        return true;
    do {
        empty = wcscmp(entry.cFileName, L".") == 0 || wcscmp(entry.cFileName, L"..") == 0;
    } while (empty && FindNextFileW(search, &entry));
    (void)FindClose(search);
    return empty;
}

/* A name in its directory that nobody has. */
static void name_beside(wchar_t *beside, const win_path *path)
{
    wchar_t unique[WIN_PIPE_UNITS];
    const wchar_t *separator = wcsrchr(path->text, L'\\');
    size_t units = separator ? (size_t)(separator - path->text) + 1 : 0;
    cedi_win_pipe_name(unique, 0);
    memcpy(beside, path->text, units * sizeof *beside);
    wcscpy(beside + units, wcsrchr(unique, L'\\') + 1);
}

/* In this order what is likely to fail (somebody has a file below `from` open) comes before what is
 * there is touched. */
static uint32_t rename_over_directory(const win_job *job, const win_path *from, const win_path *to)
{
    const cede_win32_calls *calls = &job->self->calls;
    wchar_t beside[WIN_PATH_UNITS + WIN_PIPE_UNITS];
    uint32_t error;
    if (!is_empty(to))
        return ERROR_DIR_NOT_EMPTY;
    name_beside(beside, to);
    error = calls->move_file(from->text, beside, 0);
    if (error)
        return error;
    error = error_unless(RemoveDirectoryW(to->text));
    if (error == 0) {
        error = calls->move_file(beside, to->text, 0);
        if (error)
            (void)CreateDirectoryW(to->text, NULL);
    }
    if (error)
        (void)calls->move_file(beside, from->text, 0);
    return error;
}

/* Over what is there this way puts files only, and those only that are not read-only. */
static uint32_t rename_old(const win_job *job, const win_path *from, const win_path *to,
                           bool replace)
{
    const cede_win32_calls *calls = &job->self->calls;
    uint32_t flags = replace ? MOVEFILE_REPLACE_EXISTING : 0;
    uint32_t now = replace ? attributes_of(job, to) : INVALID_FILE_ATTRIBUTES;
    bool there = now != INVALID_FILE_ATTRIBUTES && !is_same_name(from, to);
    win_flag flag;
    uint32_t error;
    if (there && (now & FILE_ATTRIBUTE_DIRECTORY))
        return rename_over_directory(job, from, to);
    error = calls->move_file(from->text, to->text, flags);
    if (error != ERROR_ACCESS_DENIED || !there || !(now & FILE_ATTRIBUTE_READONLY))
        return error;
    flag = cedi_win_clear_read_only(job, to, NULL);
    if (flag.file == INVALID_HANDLE_VALUE)
        return error;
    cedi_win_leave_flag(&flag); /* nothing is put over a file that is open */
    error = calls->move_file(from->text, to->text, flags);
    if (error || flag.was.nNumberOfLinks > 1)
        cedi_win_find_flag(job, to, &flag);
    cedi_win_put_back(job, &flag, error);
    return error;
}

static bool is_same_file(const win_job *job, const win_path *from, const win_path *to)
{
    HANDLE a, b;
    bool same = false;
    if (look(job, from, &a))
        return false;
    if (look(job, to, &b) == 0) {
        same = cedi_win_is_same_file(a, b);
        (void)CloseHandle(b);
    }
    (void)CloseHandle(a);
    return same;
}

/* What may not be put over what: elsewhere the system says it, here each file system something
 * else. `nothing`: both names are the file's already, and stay so. */
static uint32_t check_target(const win_job *job, const win_path *from, const win_path *to,
                             bool replace, bool *nothing)
{
    uint32_t old = attributes_of(job, from), now = attributes_of(job, to);
    *nothing = false;
    if (old == INVALID_FILE_ATTRIBUTES)
        return 0; /* which the rename will say */
    if ((old & FILE_ATTRIBUTE_DIRECTORY) && is_below(from, to))
        return ERROR_INVALID_PARAMETER;
    if (now == INVALID_FILE_ATTRIBUTES)
        return 0;
    if (is_same_name(from, to)) /* or its letters change their case */
        return !replace && wcscmp(from->text, to->text) == 0 ? ERROR_FILE_EXISTS : 0;
    if (!replace)
        return ERROR_FILE_EXISTS;
    *nothing = is_same_file(job, from, to);
    if (*nothing || !((old ^ now) & FILE_ATTRIBUTE_DIRECTORY))
        return 0;
    return now & FILE_ATTRIBUTE_DIRECTORY ? ERROR_IS_A_DIRECTORY : ERROR_DIRECTORY;
}

uint32_t cedi_win_do_rename(win_job *job)
{
    win_path from, to;
    uint32_t error = cedi_win_path(&from, job->args.path.path);
    bool replace = !(job->args.path.flags & CEDE_RENAME_NOREPLACE), nothing;
    if (error == 0)
        error = cedi_win_path(&to, job->args.path.to);
    if (error)
        return error;
    error = refuse_dots(&from, ERROR_BUSY);
    if (error == 0)
        error = refuse_dots(&to, replace ? ERROR_BUSY : ERROR_FILE_EXISTS);
    if (error)
        return error;
    if (to.directory && !is_directory(&from))
        return ERROR_DIRECTORY;
    error = check_target(job, &from, &to, replace, &nothing);
    if (error || nothing)
        return error;
    error = ERROR_INVALID_LEVEL;
    if (!(job->self->config.without & CEDE_WIN32_NO_POSIX_RENAME))
        error = rename_posix(job, &from, &to);
    if (is_unknown(error))
        error = rename_old(job, &from, &to, replace);
    if (error == ERROR_PATH_NOT_FOUND)
        return cedi_win_path_why(
            GetFileAttributesW(from.text) == INVALID_FILE_ATTRIBUTES ? &from : &to, error);
    return error;
}

/* ---- Unlink --------------------------------------------------------------------------------- */

typedef uint32_t delete_how(const win_job *, HANDLE file);

static uint32_t delete_by_flags(const win_job *job, HANDLE file, DWORD flags)
{
    return job->self->calls.set_file_info(file, SYSTEM_DISPOSITION_INFO_EX, &flags, sizeof flags);
}

static uint32_t delete_posix(const win_job *job, HANDLE file)
{
    return delete_by_flags(job, file, SYSTEM_DELETE | SYSTEM_DELETE_POSIX);
}

static uint32_t delete_old(const win_job *job, HANDLE file)
{
    FILE_DISPOSITION_INFO info = {TRUE};
    return job->self->calls.set_file_info(file, FileDispositionInfo, &info, sizeof info);
}

static uint32_t refuse_directory(const win_job *job, HANDLE file)
{
    uint32_t attributes, tag;
    if (!cedi_win_attributes(job->self, file, &attributes, &tag) ||
        cedi_win_is_link(attributes, tag))
        return 0;
    return attributes & FILE_ATTRIBUTE_DIRECTORY ? ERROR_IS_A_DIRECTORY : 0;
}

/* Neither way deletes what is read-only. It is so again before its last handle is closed. */
static uint32_t delete_any(const win_job *job, const win_path *path, HANDLE file, delete_how *how)
{
    uint32_t attributes, tag, error;
    win_flag flag;
    if (!cedi_win_attributes(job->self, file, &attributes, &tag) ||
        !(attributes & FILE_ATTRIBUTE_READONLY))
        return how(job, file);
    flag = cedi_win_clear_read_only(job, path, file);
    error = how(job, file);
    cedi_win_put_back(job, &flag, error);
    return error;
}

/* The flag for what is read-only came later than the others (Windows 10, 1809). */
static uint32_t remove_posix(const win_job *job, const win_path *path, HANDLE file)
{
    uint32_t error =
        delete_by_flags(job, file, SYSTEM_DELETE | SYSTEM_DELETE_POSIX | SYSTEM_DELETE_READ_ONLY);
    return is_unknown(error) ? delete_any(job, path, file, delete_posix) : error;
}

uint32_t cedi_win_do_unlink(win_job *job)
{
    win_path path;
    HANDLE file;
    uint32_t error = cedi_win_path(&path, job->args.path.path);
    if (error == 0)
        error = refuse_dots(&path, ERROR_IS_A_DIRECTORY);
    if (error)
        return error;
    error = cedi_win_open_path(job->self, &path, DELETE | FILE_READ_ATTRIBUTES | SYNCHRONIZE,
                               OPEN_EXISTING,
                               FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT, &file);
    if (error)
        return cedi_win_path_why(&path, error);
    error = refuse_directory(job, file);
    if (error == 0) {
        error = ERROR_INVALID_LEVEL;
        if (!(job->self->config.without & CEDE_WIN32_NO_POSIX_DELETE))
            error = remove_posix(job, &path, file);
        if (is_unknown(error))
            error = delete_any(job, &path, file, delete_old);
    }
    (void)CloseHandle(file);
    return error;
}

/* ---- Directories ---------------------------------------------------------------------------- */

uint32_t cedi_win_do_mkdir(win_job *job)
{
    win_path path;
    uint32_t error = cedi_win_path(&path, job->args.path.path);
    if (error == 0)
        error = refuse_dots(&path, ERROR_ALREADY_EXISTS);
    if (error)
        return error;
    error = cedi_win_pending_deletion(error_unless(CreateDirectoryW(path.text, NULL)));
    return error == ERROR_DELETE_PENDING ? ERROR_BUSY : cedi_win_path_why(&path, error);
}

uint32_t cedi_win_do_rmdir(win_job *job)
{
    win_path path;
    uint32_t error = cedi_win_path(&path, job->args.path.path);
    if (error)
        return error;
    error = refuse_dots(&path, path.dots == 1 ? ERROR_INVALID_PARAMETER : ERROR_DIR_NOT_EMPTY);
    if (error)
        return error;
    if (!(attributes_of(job, &path) & FILE_ATTRIBUTE_DIRECTORY))
        return ERROR_DIRECTORY;
    error = cedi_win_pending_deletion(error_unless(RemoveDirectoryW(path.text)));
    return error == ERROR_DIRECTORY ? error : cedi_win_path_why(&path, error);
}

/* ---- Links ---------------------------------------------------------------------------------- */

uint32_t cedi_win_do_link(win_job *job)
{
    win_path existing, path;
    uint32_t error = cedi_win_path(&existing, job->args.path.path);
    if (error == 0)
        error = cedi_win_path(&path, job->args.path.to);
    if (error == 0)
        error = refuse_separator(&path);
    if (error)
        return error;
    error = error_unless(CreateHardLinkW(path.text, existing.text, NULL));
    if (error == ERROR_ACCESS_DENIED && is_there_as_directory(job, &existing)) {
        job->status = CEDE_EPERM; /* as elsewhere, whatever rights one has */
        return 0;
    }
    if (error == ERROR_PATH_NOT_FOUND)
        return cedi_win_path_why(&path, error);
    return error;
}

/* The system wants to be told what the target is; one that is not there yet counts as a file. A
 * path in the long form is taken as it is, so its dots have to be worked out before. */
static DWORD link_flags(const win_path *path, const wchar_t *target)
{
    wchar_t whole[WIN_PATH_UNITS], full[WIN_PATH_UNITS];
    DWORD attributes;
    size_t units = wcslen(path->text), more = wcslen(target);
    bool absolute = target[0] == L'\\' || (target[0] && target[1] == L':');
    while (units > 0 && path->text[units - 1] != L'\\')
        units--;
    if (absolute)
        units = 0;
    if (units + more >= WIN_PATH_UNITS)
        return 0;
    memcpy(whole, path->text, units * sizeof *whole);
    memcpy(whole + units, target, (more + 1) * sizeof *whole);
    units = GetFullPathNameW(whole, WIN_PATH_UNITS, full, NULL);
    attributes = GetFileAttributesW(units > 0 && units < WIN_PATH_UNITS ? full : whole);
    return attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY)
               ? SYMBOLIC_LINK_FLAG_DIRECTORY
               : 0;
}

/* A link that was not made though the call says so is as good as refused. */
uint32_t cedi_win_do_symlink(win_job *job)
{
    win_path path;
    wchar_t target[WIN_PATH_UNITS];
    DWORD flags;
    uint32_t error = cedi_win_path(&path, job->args.path.to);
    if (error == 0)
        error = refuse_separator(&path);
    if (error == 0)
        error = cedi_win_text(target, WIN_PATH_UNITS, job->args.path.path);
    if (error)
        return error;
    for (wchar_t *at = target; *at; at++) {
        if (*at == L'/')
            *at = L'\\';
    }
    flags = link_flags(&path, target);
    error = error_unless(CreateSymbolicLinkW(path.text, target,
                                             flags | SYMBOLIC_LINK_FLAG_ALLOW_UNPRIVILEGED_CREATE));
    if (error == ERROR_INVALID_PARAMETER) /* before Windows 10, 1703 */
        error = error_unless(CreateSymbolicLinkW(path.text, target, flags));
    if (error)
        return cedi_win_path_why(&path, error);
    return GetFileAttributesW(path.text) == INVALID_FILE_ATTRIBUTES ? ERROR_NOT_SUPPORTED : 0;
}
