/*
 * What a file is: stat, times, mode, the text of a link. On a pool thread; results lie in the job
 * until the loop's thread gives them.
 *
 * Of the permission bits Windows has one, "read-only". So a file reads as 0644 or 0444, a directory
 * as 0755, and setting a mode sets that one.
 */
#include "calls.h"
#include "path.h"

#include <string.h>

#define EPOCH_TICKS INT64_C(116444736000000000) /* 1601 to 1970, in 100 ns */

static int64_t ns_of(int64_t ticks)
{
    int64_t since = ticks - EPOCH_TICKS;
    if (since > INT64_MAX / 100)
        return INT64_MAX;
    if (since < -(INT64_MAX / 100))
        return -INT64_MAX;
    return since * 100;
}

static int64_t ticks_of(int64_t ns)
{
    int64_t ticks = ns / 100;
    if (ns % 100 < 0)
        ticks--; /* before 1970: downwards */
    return ticks + EPOCH_TICKS;
}

static uint64_t join(DWORD high, DWORD low)
{
    return (uint64_t)high << 32 | low;
}

/* ---- The text of a link --------------------------------------------------------------------- */

/* What FSCTL_GET_REPARSE_POINT gives for symbolic links and for mount points. */
typedef struct link_data {
    DWORD tag;
    WORD data_bytes, unused;
    WORD target_at, target_bytes;
    WORD print_at, print_bytes;
    /* a symbolic link has flags here (4 bytes); then the texts */
} link_data;

typedef union link_buffer {
    link_data head;
    unsigned char all[MAXIMUM_REPARSE_DATA_BUFFER_SIZE];
    wchar_t units[MAXIMUM_REPARSE_DATA_BUFFER_SIZE / sizeof(wchar_t)];
} link_buffer;

static bool begins_with(const wchar_t *text, size_t units, const wchar_t *with)
{
    size_t less = wcslen(with);
    return units >= less && wcsncmp(text, with, less) == 0;
}

/* Where there is no text for people to read there is the kernel's own, whose "\??\" no program can
 * open: it is "\\?\" to those, which a drive goes without, and a share with less. Returns how many
 * units are left out in front. */
static size_t plain_target(wchar_t *text, size_t units)
{
    if (!begins_with(text, units, L"\\??\\"))
        return 0;
    if (units > 5 && text[5] == L':')
        return 4;
    if (begins_with(text, units, L"\\??\\UNC\\")) {
        text[6] = L'\\';
        return 6;
    }
    text[1] = L'\\';
    return 0;
}

/* As it was given. */
static uint32_t text_of(link_buffer *data, size_t got, unsigned char *room, uint64_t *bytes)
{
    bool printed = data->head.print_bytes != 0;
    size_t at = sizeof data->head, length, left_out;
    if (data->head.tag == IO_REPARSE_TAG_SYMLINK)
        at += 4;
    at += printed ? data->head.print_at : data->head.target_at;
    length = printed ? data->head.print_bytes : data->head.target_bytes;
    if (at + length > got)
        return ERROR_INVALID_REPARSE_DATA;
    memmove(data->all, data->all + at, length);
    length /= sizeof(wchar_t);
    left_out = plain_target(data->units, length);
    for (size_t i = 0; i < length; i++) {
        if (data->units[i] == L'\\')
            data->units[i] = L'/';
    }
    *bytes =
        cedi_win_utf8((char *)room, WIN_BOUNCE_BYTES, data->units + left_out, length - left_out);
    return *bytes ? 0 : ERROR_INVALID_REPARSE_DATA;
}

uint32_t cedi_win_link_text(const win *self, HANDLE link, unsigned char *room, uint64_t *bytes)
{
    link_buffer data;
    uint32_t got = 0, error;
    error = self->calls.get_reparse_point(link, &data, sizeof data, &got);
    if (error)
        return error;
    if (got < sizeof data.head ||
        (data.head.tag != IO_REPARSE_TAG_SYMLINK && data.head.tag != IO_REPARSE_TAG_MOUNT_POINT))
        return ERROR_NOT_A_REPARSE_POINT;
    return text_of(&data, got, room, bytes);
}

static uint32_t open_link(const win_job *job, HANDLE *link)
{
    win_path path;
    uint32_t error = cedi_win_path(&path, job->args.path.path);
    *link = INVALID_HANDLE_VALUE;
    if (error)
        return error;
    error = cedi_win_open_path(job->self, &path, FILE_READ_ATTRIBUTES, OPEN_EXISTING,
                               FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT, link);
    return cedi_win_path_why(&path, error);
}

uint32_t cedi_win_do_readlink(win_job *job)
{
    HANDLE link;
    uint32_t error = open_link(job, &link);
    if (error)
        return error;
    error = cedi_win_link_text(job->self, link, job->scratch->bytes, &job->count);
    (void)CloseHandle(link);
    if (error == ERROR_INVALID_FUNCTION || error == ERROR_NOT_SUPPORTED ||
        error == ERROR_INVALID_PARAMETER)
        return ERROR_NOT_A_REPARSE_POINT; /* a file system without links */
    if (error == 0 && job->count > job->args.path.length_bytes) {
        job->count = 0;
        return ERROR_INSUFFICIENT_BUFFER;
    }
    return error;
}

/* ---- Stat ----------------------------------------------------------------------------------- */

static uint32_t type_of(DWORD attributes, DWORD tag)
{
    if (cedi_win_is_link(attributes, tag))
        return CEDE_FILE_SYMLINK;
    return attributes & FILE_ATTRIBUTE_DIRECTORY ? CEDE_FILE_DIRECTORY : CEDE_FILE_REGULAR;
}

static uint32_t mode_of(uint32_t type, DWORD attributes)
{
    if (type == CEDE_FILE_SYMLINK)
        return 0777;
    if (type == CEDE_FILE_DIRECTORY)
        return 0755;
    return attributes & FILE_ATTRIBUTE_READONLY ? 0444 : 0644;
}

/* What is no file. */
static void stat_other(win_job *job, uint32_t type)
{
    job->stat.type = type;
    job->stat.mode = 0600;
    job->stat.links = 1;
    job->stat.preferred_bytes = 4096;
}

static uint32_t stat_disk(win_job *job, HANDLE file)
{
    BY_HANDLE_FILE_INFORMATION info;
    FILE_BASIC_INFO basic;
    FILE_STANDARD_INFO standard;
    FILE_ATTRIBUTE_TAG_INFO tag = {0};
    cede_stat *out = &job->stat;
    uint32_t error = job->self->calls.describe_file(file, &info);
    if (cedi_win_has_no_facts(error)) {
        stat_other(job, CEDE_FILE_BLOCK);
        return 0;
    }
    if (error)
        return error;
    if (!GetFileInformationByHandleEx(file, FileBasicInfo, &basic, sizeof basic))
        return GetLastError();
    if (info.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT)
        (void)GetFileInformationByHandleEx(file, FileAttributeTagInfo, &tag, sizeof tag);
    out->type = type_of(info.dwFileAttributes, tag.ReparseTag);
    out->mode = mode_of(out->type, info.dwFileAttributes);
    out->size_bytes = join(info.nFileSizeHigh, info.nFileSizeLow);
    out->allocated_bytes = out->size_bytes;
    if (GetFileInformationByHandleEx(file, FileStandardInfo, &standard, sizeof standard))
        out->allocated_bytes = (uint64_t)standard.AllocationSize.QuadPart;
    out->file_id = join(info.nFileIndexHigh, info.nFileIndexLow);
    out->device = info.dwVolumeSerialNumber;
    out->links = info.nNumberOfLinks;
    out->accessed_ns = ns_of(basic.LastAccessTime.QuadPart);
    out->modified_ns = ns_of(basic.LastWriteTime.QuadPart);
    out->changed_ns = ns_of(basic.ChangeTime.QuadPart);
    out->created_ns = basic.CreationTime.QuadPart ? ns_of(basic.CreationTime.QuadPart) : 0;
    out->preferred_bytes = 65536;
    return 0;
}

static uint32_t stat_any(win_job *job, HANDLE file)
{
    memset(&job->stat, 0, sizeof job->stat);
    switch (GetFileType(file)) {
    case FILE_TYPE_DISK:
        return stat_disk(job, file);
    case FILE_TYPE_PIPE:
        stat_other(job, CEDE_FILE_PIPE);
        break;
    case FILE_TYPE_CHAR:
        stat_other(job, CEDE_FILE_CHARACTER);
        break;
    default:
        stat_other(job, CEDE_FILE_UNKNOWN);
        break;
    }
    return 0;
}

/* Who opens a pipe is its client, and is what its server was waiting for: so it is only asked
 * whether the name is there. If it is, that waits for an instance that is free. */
static uint32_t stat_pipe(win_job *job, win_path *path)
{
    uint32_t error = cedi_win_fault(job->self, "WaitNamedPipeW");
    path->text[2] = L'.';
    if (error == 0 && !WaitNamedPipeW(path->text, NMPWAIT_NOWAIT))
        error = GetLastError();
    if (error && error != ERROR_SEM_TIMEOUT)
        return error;
    memset(&job->stat, 0, sizeof job->stat);
    stat_other(job, CEDE_FILE_PIPE);
    return 0;
}

/* To the system both sockets and local streams are pipes, as what they are made of; and a local
 * listener is nothing that it knows. */
uint32_t cedi_win_do_stat_handle(win_job *job)
{
    if (!job->socket)
        return stat_any(job, (HANDLE)job->native);
    memset(&job->stat, 0, sizeof job->stat);
    stat_other(job, CEDE_FILE_SOCKET);
    return 0;
}

/* As elsewhere, a link is as long as its text. */
static void measure_link(win_job *job, HANDLE link)
{
    unsigned char room[WIN_BOUNCE_BYTES]; /* on the stack of a pool thread */
    uint64_t bytes;
    if (cedi_win_link_text(job->self, link, room, &bytes) == 0)
        job->stat.size_bytes = bytes;
}

uint32_t cedi_win_do_stat(win_job *job)
{
    win_path path;
    HANDLE file;
    uint32_t flags = FILE_FLAG_BACKUP_SEMANTICS;
    uint32_t error = cedi_win_path(&path, job->args.path.path);
    if (error)
        return error;
    if (cedi_win_path_is_pipe(&path))
        return stat_pipe(job, &path);
    if ((job->args.path.flags & CEDE_NOFOLLOW) && !path.dots)
        flags |= FILE_FLAG_OPEN_REPARSE_POINT;
    error = cedi_win_open_path(job->self, &path, FILE_READ_ATTRIBUTES, OPEN_EXISTING, flags, &file);
    if (error)
        return cedi_win_path_why(&path, error);
    error = stat_any(job, file);
    if (error == 0 && job->stat.type == CEDE_FILE_SYMLINK)
        measure_link(job, file);
    (void)CloseHandle(file);
    return error;
}

/* ---- Which file it is ----------------------------------------------------------------------- */

enum { OTHER, SAME, UNKNOWN };

/* None, where the file system has none: zeros, or FILE_INVALID_FILE_ID. */
static bool is_number(const void *number, size_t bytes)
{
    const unsigned char *at = number;
    if (*at != 0 && *at != 0xff)
        return true;
    for (size_t i = 1; i < bytes; i++) {
        if (at[i] != at[0])
            return true;
    }
    return false;
}

/* 128 bits: of ReFS, 64 do not tell files apart. */
static int compare_ids(HANDLE one, HANDLE other)
{
    FILE_ID_INFO a, b;
    if (!GetFileInformationByHandleEx(one, FileIdInfo, &a, sizeof a) ||
        !GetFileInformationByHandleEx(other, FileIdInfo, &b, sizeof b) ||
        !is_number(&a.FileId, sizeof a.FileId) || !is_number(&b.FileId, sizeof b.FileId))
        return UNKNOWN;
    return a.VolumeSerialNumber == b.VolumeSerialNumber &&
                   memcmp(&a.FileId, &b.FileId, sizeof a.FileId) == 0
               ? SAME
               : OTHER;
}

/* What file systems have that do not know the other question. */
static int compare_indexes(HANDLE one, HANDLE other)
{
    BY_HANDLE_FILE_INFORMATION a, b;
    uint64_t first, second;
    if (!GetFileInformationByHandle(one, &a) || !GetFileInformationByHandle(other, &b))
        return UNKNOWN;
    first = join(a.nFileIndexHigh, a.nFileIndexLow);
    second = join(b.nFileIndexHigh, b.nFileIndexLow);
    if (!is_number(&first, sizeof first) || !is_number(&second, sizeof second))
        return UNKNOWN;
    return a.dwVolumeSerialNumber == b.dwVolumeSerialNumber && first == second ? SAME : OTHER;
}

/* Two names of one file are taken for two files: better than to take two files for one. */
static int compare_names(HANDLE one, HANDLE other)
{
    wchar_t *names = cedi_memory_get(2 * WIN_PATH_UNITS * sizeof *names);
    wchar_t *second = names ? names + WIN_PATH_UNITS : NULL;
    DWORD units = names ? GetFinalPathNameByHandleW(one, names, WIN_PATH_UNITS, 0) : 0;
    DWORD more = names ? GetFinalPathNameByHandleW(other, second, WIN_PATH_UNITS, 0) : 0;
    int answer = OTHER;
    if (units > 0 && units < WIN_PATH_UNITS && units == more &&
        CompareStringOrdinal(names, (int)units, second, (int)units, FALSE) == CSTR_EQUAL)
        answer = SAME;
    cedi_memory_free(names);
    return answer;
}

bool cedi_win_is_same_file(HANDLE one, HANDLE other)
{
    int answer = compare_ids(one, other);
    if (answer == UNKNOWN)
        answer = compare_indexes(one, other);
    if (answer == UNKNOWN)
        answer = compare_names(one, other);
    return answer == SAME;
}

/* ---- Times and mode ------------------------------------------------------------------------- */

/* The handle may lack the right, which on other systems comes with owning the file. */
static uint32_t set_basic(const win_job *job, FILE_BASIC_INFO *info)
{
    HANDLE file = (HANDLE)job->native;
    uint32_t error = 0;
    if (SetFileInformationByHandle(file, FileBasicInfo, info, sizeof *info))
        return 0;
    error = GetLastError();
    if (error != ERROR_ACCESS_DENIED)
        return error;
    file = cedi_win_reopen(job->self, file, FILE_WRITE_ATTRIBUTES);
    if (file == INVALID_HANDLE_VALUE)
        return error;
    error =
        SetFileInformationByHandle(file, FileBasicInfo, info, sizeof *info) ? 0 : GetLastError();
    (void)CloseHandle(file);
    return error;
}

/* Pipes, sockets and devices have neither times nor a mode: nothing of it has a place there. */
static bool is_file(const win_job *job)
{
    HANDLE handle = (HANDLE)job->native;
    BY_HANDLE_FILE_INFORMATION info;
    return !job->socket && GetFileType(handle) == FILE_TYPE_DISK &&
           !cedi_win_has_no_facts(job->self->calls.describe_file(handle, &info));
}

uint32_t cedi_win_do_set_times(win_job *job)
{
    FILE_BASIC_INFO info;
    if (!is_file(job))
        return 0;
    memset(&info, 0, sizeof info); /* 0: as it is */
    if (job->args.times.accessed_ns != CEDE_TIME_KEEP)
        info.LastAccessTime.QuadPart = ticks_of(job->args.times.accessed_ns);
    if (job->args.times.modified_ns != CEDE_TIME_KEEP)
        info.LastWriteTime.QuadPart = ticks_of(job->args.times.modified_ns);
    return set_basic(job, &info);
}

uint32_t cedi_win_do_set_mode(win_job *job)
{
    FILE_BASIC_INFO info;
    DWORD wanted;
    if (!is_file(job))
        return 0;
    if (!GetFileInformationByHandleEx((HANDLE)job->native, FileBasicInfo, &info, sizeof info))
        return GetLastError();
    wanted = info.FileAttributes & ~(DWORD)FILE_ATTRIBUTE_READONLY;
    if (!(job->args.path.mode & 0200) && !(wanted & FILE_ATTRIBUTE_DIRECTORY))
        wanted |= FILE_ATTRIBUTE_READONLY;
    if (wanted == info.FileAttributes)
        return 0;
    memset(&info, 0, sizeof info);
    info.FileAttributes = wanted ? wanted : FILE_ATTRIBUTE_NORMAL;
    return set_basic(job, &info);
}
