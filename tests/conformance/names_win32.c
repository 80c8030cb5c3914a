/*
 * What file systems of Windows answer that are not Wine's: reparse points that are no links, empty
 * volumes, questions that they do not know, renames that fail half way, names that go or are no
 * UTF-16, texts of links. Cases of the Windows lanes.
 */
#include "hooks_win32.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static const cede_win32_calls *real(void)
{
    return cede_win32_system_calls();
}

static cede_loop *at; /* the loop that the helpers use */

static cede_status did(cft *t, cft_rec *rec)
{
    hooks_do(t, at, rec);
    return rec->result.status;
}

static cede_status do_unlink(cft *t, const char *name)
{
    cft_rec *rec = cft_new(t);
    cede_prep_unlink(rec->req, cft_path(t, name));
    return did(t, rec);
}

static cede_status do_rmdir(cft *t, const char *name)
{
    cft_rec *rec = cft_new(t);
    cede_prep_rmdir(rec->req, cft_path(t, name));
    return did(t, rec);
}

static cede_status do_rename(cft *t, const char *from, const char *to)
{
    cft_rec *rec = cft_new(t);
    cede_prep_rename(rec->req, cft_path(t, from), cft_path(t, to), 0);
    return did(t, rec);
}

static DWORD attributes_of(cft *t, const char *name)
{
    return GetFileAttributesA(cft_path(t, name));
}

static void make_directory(cft *t, const char *name)
{
    CFT_CHECK(t, CreateDirectoryA(cft_path(t, name), NULL));
}

/* ---- Reparse points -------------------------------------------------------------------------- */

static uint32_t tag; /* of all that has "point" in its name, or is asked by its handle */

static uint32_t point_by_name(const wchar_t *path, uint32_t *attributes)
{
    uint32_t error = real()->get_path_attributes(path, attributes);
    if (error == 0 && wcsstr(path, L"point"))
        *attributes |= FILE_ATTRIBUTE_REPARSE_POINT;
    return error;
}

static uint32_t point_by_handle(void *file, int what, void *out, uint32_t bytes)
{
    uint32_t error = real()->get_file_info(file, what, out, bytes);
    FILE_ATTRIBUTE_TAG_INFO *info = out;
    if (error == 0 && what == FileAttributeTagInfo) {
        info->FileAttributes |= FILE_ATTRIBUTE_REPARSE_POINT;
        info->ReparseTag = tag;
    }
    return error;
}

static const cede_win32_calls points = {.get_path_attributes = point_by_name,
                                        .get_file_info = point_by_handle};

#define PROJECTED 0x9000001cu /* IO_REPARSE_TAG_PROJFS: a directory that a program provides */

CFT_CASE(directory_that_is_no_link_is_one)
{
    at = hooks_open(t, &points, 0, 0);
    tag = PROJECTED;
    make_directory(t, "point");
    make_directory(t, "other point");
    cft_file(t, "f", "x", 1, 0);
    CFT_CHECK(t, do_rename(t, "f", "point") == CEDE_EISDIR);
    CFT_CHECK(t, do_rename(t, "point", "f") == CEDE_ENOTDIR);
    CFT_CHECK(t, do_rename(t, "point", "point/below") == CEDE_EINVAL);
    CFT_CHECK(t, do_unlink(t, "point") == CEDE_EISDIR);
    CFT_CHECK(t, do_rename(t, "point", "other point") == CEDE_OK);
    CFT_CHECK(t, do_rmdir(t, "other point") == CEDE_OK);
    CFT_CHECK(t, attributes_of(t, "other point") == INVALID_FILE_ATTRIBUTES);
}

CFT_CASE(directory_that_is_a_link_is_none)
{
    static const uint32_t tags[] = {IO_REPARSE_TAG_SYMLINK, IO_REPARSE_TAG_MOUNT_POINT};
    at = hooks_open(t, &points, 0, 0);
    for (size_t i = 0; i < 2; i++) {
        tag = tags[i];
        make_directory(t, "point");
        make_directory(t, "d");
        CFT_CHECK(t, do_rmdir(t, "point") == CEDE_ENOTDIR);
        CFT_CHECK(t, do_rename(t, "d", "point") == CEDE_ENOTDIR);
        CFT_CHECK(t, do_rename(t, "point", "d") == CEDE_EISDIR);
        CFT_CHECK(t, do_unlink(t, "point") == CEDE_OK);
        CFT_CHECK(t, attributes_of(t, "point") == INVALID_FILE_ATTRIBUTES);
        RemoveDirectoryA(cft_path(t, "d"));
    }
}

static uint32_t opens, last_flags;
static const wchar_t *another; /* is there, when the name is used again */

static uint32_t note_opens(const wchar_t *path, uint32_t access, uint32_t share,
                           uint32_t disposition, uint32_t flags, void **out)
{
    last_flags = flags;
    return real()->create_file(opens++ > 0 && another ? another : path, access, share, disposition,
                               flags, out);
}

static bool holds(cft *t, cede_handle file, const char *byte)
{
    cft_rec *read = cft_new(t);
    cede_prep_read(read->req, file, cft_buffer(read, 8), 8, 0);
    hooks_do(t, at, read);
    CFT_MOVED(t, read, 1);
    return read->bytes[0] == *byte;
}

/* Its data is not there for who opens it as a reparse point. */
CFT_CASE(file_that_is_no_link_is_opened_through)
{
    static wchar_t link[1024];
    cede_win32_calls calls = points;
    calls.create_file = note_opens;
    at = hooks_open(t, &calls, 0, 0);
    MultiByteToWideChar(CP_UTF8, 0, cft_file(t, "f", "f", 1, 0), -1, link, 1024);
    cft_file(t, "point", "p", 1, 0);
    for (uint32_t i = 0; i < 4; i++) {
        tag = i & 1 ? IO_REPARSE_TAG_SYMLINK : PROJECTED;
        another = i & 2 ? link : NULL;
        opens = 0;
        cft_rec *open = cft_new(t);
        cede_prep_open(open->req, cft_path(t, "point"), CEDE_OPEN_READ | CEDE_OPEN_NOFOLLOW, 0);
        CFT_CHECK(t, did(t, open) == (i & 1 ? CEDE_ELOOP : CEDE_OK));
        CFT_CHECK(t, opens == (i & 1 ? 1 : 2));
        if (i & 1)
            continue;
        CFT_CHECK(t, !(last_flags & FILE_FLAG_OPEN_REPARSE_POINT));
        CFT_CHECK(t, holds(t, open->result.handle, "p"));
        cede_drop(open->result.handle);
        CFT_CHECK(t, cft_run_on(at, 0) >= 0);
    }
}

/* ---- Opened and closed ----------------------------------------------------------------------- */

static uint32_t refuse_as_nt_does(const wchar_t *path, uint32_t access, uint32_t share,
                                  uint32_t disposition, uint32_t flags, void **out)
{
    *out = INVALID_HANDLE_VALUE;
    if ((access & FILE_APPEND_DATA) && (flags & FILE_FLAG_NO_BUFFERING))
        return ERROR_INVALID_PARAMETER;
    return real()->create_file(path, access, share, disposition, flags, out);
}

CFT_CASE(file_that_only_appends_may_be_unbuffered)
{
    static const cede_win32_calls calls = {.create_file = refuse_as_nt_does};
    static unsigned char page[4096];
    cft_rec *open = cft_new(t);
    at = hooks_open(t, &calls, 0, 0);
    cft_file(t, "f", NULL, 4096, 1);
    cede_prep_open(open->req, cft_path(t, "f"),
                   CEDE_OPEN_WRITE | CEDE_OPEN_APPEND | CEDE_OPEN_DIRECT, 0);
    CFT_CHECK(t, did(t, open) == CEDE_OK);
    for (uint32_t i = 0; i < 2; i++) {
        cft_rec *write = cft_new(t);
        cft_fill(page, sizeof page, 2, i * sizeof page);
        cede_prep_write(write->req, open->result.handle, cft_input(write, page, 4096), 4096, 0);
        hooks_do(t, at, write);
        CFT_MOVED(t, write, 4096);
        CFT_CHECK(t, cft_file_read(t, "f", page, 4096, 4096 * (i + 1)) == 4096);
        CFT_CHECK(t, cft_filled(page, 4096, 2, 4096 * i));
    }
    CFT_CHECK(t, cft_file_read(t, "f", page, 4096, 0) == 4096 && cft_filled(page, 4096, 1, 0));
    cede_drop(open->result.handle);
    CFT_CHECK(t, cft_run_on(at, 0) >= 0);
}

static _Atomic DWORD closed_by;

static uint32_t note_who_closes(void *handle)
{
    atomic_store(&closed_by, GetCurrentThreadId());
    return real()->close_handle(handle);
}

/* It may be a file, whose server takes its time. */
CFT_CASE(close_of_what_nobody_has_used_holds_up_no_loop)
{
    static const cede_win32_calls calls = {.close_handle = note_who_closes};
    cft_rec *close = cft_new(t);
    at = hooks_open(t, &calls, 0, 0);
    cede_handle file = hooks_open_file(t, at);
    atomic_store(&closed_by, 0);
    cede_prep_close(close->req, file);
    CFT_CHECK(t, did(t, close) == CEDE_OK);
    CFT_CHECK(t, atomic_load(&closed_by) != 0 && atomic_load(&closed_by) != GetCurrentThreadId());
}

static HANDLE go;
static DWORD loops_thread;
static bool all_are_remote;

static void no_change(cede_req *req, cede_result item)
{
    (void)req;
    (void)item;
}

static uint32_t close_when_told(void *handle)
{
    atomic_store(&closed_by, GetCurrentThreadId());
    if (GetCurrentThreadId() != loops_thread)
        (void)WaitForSingleObject(go, 20000);
    return real()->close_handle(handle);
}

static uint32_t say_remote(void *handle, int what, void *out, uint32_t bytes)
{
    if (what != FileRemoteProtocolInfo)
        return real()->get_file_info(handle, what, out, bytes);
    return all_are_remote ? 0 : ERROR_INVALID_PARAMETER;
}

/* While the system closes it, the loop goes on. */
static void close_slowly(cft *t, cede_handle handle, bool on_a_thread)
{
    cft_rec *close = cft_new(t), *other = cft_new(t);
    ResetEvent(go);
    atomic_store(&closed_by, 0);
    cede_prep_close(close->req, handle);
    cft_submit_on(close, at);
    cede_prep_nop(other->req);
    CFT_CHECK(t, did(t, other) == CEDE_OK);
    CFT_CHECK(t, cft_run_on(at, 0) >= 0 && (!on_a_thread || !cft_is_done(close)));
    SetEvent(go);
    hooks_await(t, at, close);
    CFT_OK(t, close);
    CFT_CHECK(t, (atomic_load(&closed_by) != GetCurrentThreadId()) == on_a_thread);
}

static cede_handle used_watch(cft *t)
{
    cede_pool *pool;
    cft_rec *watch = cft_new(t), *follow = cft_new(t);
    cede_prep_watch(watch->req, cft_path(t, "d"), 0);
    CFT_CHECK(t, did(t, watch) == CEDE_OK);
    CFT_CHECK(t, cede_pool_open(at, 1, CEDE_WATCH_BYTES, 0, &pool) == CEDE_OK);
    cede_prep_watch_many(follow->req, watch->result.handle, pool, no_change);
    cft_submit_on(follow, at);
    CFT_CHECK(t, cft_run_on(at, 0) >= 0);
    cede_cancel(follow->ticket);
    hooks_await(t, at, follow);
    cede_pool_close(pool);
    return watch->result.handle;
}

static cede_handle used_writer(cft *t, HANDLE native)
{
    cede_handle handle = cede_import((intptr_t)native, CEDE_KIND_AUTO, 0);
    cft_rec *write = cft_new(t);
    CFT_CHECK(t, native != INVALID_HANDLE_VALUE && handle != 0);
    cede_prep_write(write->req, handle, cft_input(write, "x", 1), 1, CEDE_CURRENT);
    CFT_CHECK(t, did(t, write) == CEDE_OK);
    return handle;
}

static void close_a_pipe(cft *t, bool remote)
{
    char name[80];
    (void)snprintf(name, sizeof name, "\\\\.\\pipe\\cede-names.%lu", GetCurrentProcessId());
    HANDLE server = CreateNamedPipeA(name, PIPE_ACCESS_INBOUND, PIPE_TYPE_BYTE, 1, 64, 64, 0, NULL);
    HANDLE client = CreateFileA(name, GENERIC_WRITE | FILE_READ_ATTRIBUTES, 0, NULL, OPEN_EXISTING,
                                FILE_FLAG_OVERLAPPED, NULL);
    CFT_CHECK(t, server != INVALID_HANDLE_VALUE);
    all_are_remote = remote;
    close_slowly(t, used_writer(t, client), remote);
    CloseHandle(server);
}

/* A file server that is told of it may hang, and a serial line sends the rest. */
CFT_CASE(close_of_what_has_a_server_or_driver_holds_up_no_loop)
{
    static const cede_win32_calls calls = {.close_handle = close_when_told,
                                           .get_file_info = say_remote};
    cft_rec *open = cft_new(t), *stat = cft_new(t);
    at = hooks_open(t, &calls, 0, 0);
    go = CreateEventW(NULL, TRUE, FALSE, NULL);
    loops_thread = GetCurrentThreadId();
    all_are_remote = false;
    make_directory(t, "d");
    cede_prep_open(open->req, cft_path(t, "d"), CEDE_OPEN_READ | CEDE_OPEN_DIRECTORY, 0);
    CFT_CHECK(t, did(t, open) == CEDE_OK);
    cede_prep_stat_handle(stat->req, open->result.handle, cft_buffer(stat, sizeof(cede_stat)));
    CFT_CHECK(t, did(t, stat) == CEDE_OK);
    close_slowly(t, open->result.handle, true);
    close_slowly(t, used_watch(t), true);
    close_slowly(t,
                 used_writer(t, CreateFileA("NUL", GENERIC_WRITE, 0, NULL, OPEN_EXISTING,
                                            FILE_FLAG_OVERLAPPED, NULL)),
                 true);
    close_a_pipe(t, true);
    close_a_pipe(t, false);
    CloseHandle(go);
}

/* ---- Renames the old way --------------------------------------------------------------------- */

static uint32_t moves, refused; /* how often; which one is refused, from 1 */

static uint32_t refuse_a_move(const wchar_t *from, const wchar_t *to, uint32_t flags)
{
    return ++moves == refused ? ERROR_ACCESS_DENIED : real()->move_file(from, to, flags);
}

static const cede_win32_calls moving = {.move_file = refuse_a_move};

/* Whichever step fails, both are there. */
CFT_CASE(rename_over_a_directory_that_fails_leaves_both)
{
    at = hooks_open(t, &moving, 0, CEDE_WIN32_NO_POSIX_RENAME);
    make_directory(t, "from");
    make_directory(t, "to");
    cft_file(t, "from/f", "x", 1, 0);
    for (refused = 1; refused <= 3; refused++) {
        moves = 0;
        CFT_CHECK(t, do_rename(t, "from", "to") == (refused <= 2 ? CEDE_EACCES : CEDE_OK));
        bool there = attributes_of(t, "from/f") != INVALID_FILE_ATTRIBUTES;
        CFT_CHECK(t, there == (refused <= 2));
        CFT_CHECK(t, attributes_of(t, "to") & FILE_ATTRIBUTE_DIRECTORY);
        CFT_CHECK(t, (attributes_of(t, "to/f") == INVALID_FILE_ATTRIBUTES) == there);
    }
    make_directory(t, "from");
    moves = 0;
    CFT_CHECK(t, do_rename(t, "from", "to") == CEDE_ENOTEMPTY && moves == 0);
    CFT_CHECK(t, attributes_of(t, "from") != INVALID_FILE_ATTRIBUTES);
}

/* ---- Entries --------------------------------------------------------------------------------- */

static uint32_t without; /* what a directory is not asked for */
static uint32_t said;    /* instead */
static uint32_t times;   /* so often */

static uint32_t refuse_entries(void *file, int what, void *out, uint32_t bytes)
{
    if (times > 0 && (uint32_t)what == without) {
        times--;
        return said;
    }
    return real()->get_file_info(file, what, out, bytes);
}

static const cede_win32_calls refusing = {.get_file_info = refuse_entries};

static cft_rec *read_entries(cft *t, cede_handle *directory)
{
    cft_rec *open = cft_new(t), *read = cft_new(t);
    cede_prep_open(open->req, cft_path(t, "d"), CEDE_OPEN_READ | CEDE_OPEN_DIRECTORY, 0);
    CFT_CHECK(t, did(t, open) == CEDE_OK);
    *directory = open->result.handle;
    cede_prep_readdir(read->req, *directory, cft_buffer(read, CEDE_READDIR_BYTES),
                      CEDE_READDIR_BYTES);
    hooks_do(t, at, read);
    return read;
}

/* Its root has no dots either. */
CFT_CASE(volume_that_is_empty_has_no_entries)
{
    cede_handle directory;
    at = hooks_open(t, &refusing, 0, 0);
    make_directory(t, "d");
    without = FileIdBothDirectoryInfo;
    said = ERROR_FILE_NOT_FOUND;
    times = 1;
    cft_rec *read = read_entries(t, &directory);
    CFT_OK(t, read);
    CFT_CHECK(t, read->result.count == 0 && times == 0);
    cede_drop(directory);
    CFT_CHECK(t, cft_run_on(at, 0) >= 0);
}

CFT_CASE(directory_without_file_numbers_is_read_all_the_same)
{
    static const uint32_t words[] = {ERROR_INVALID_PARAMETER, ERROR_NOT_SUPPORTED};
    at = hooks_open(t, &refusing, 0, 0);
    make_directory(t, "d");
    cft_file(t, "d/one", "x", 1, 0);
    make_directory(t, "d/two");
    without = FileIdBothDirectoryInfo;
    for (size_t i = 0; i < 2; i++) {
        cede_handle directory;
        uint64_t position = 0;
        uint32_t seen = 0;
        said = words[i];
        times = UINT32_MAX;
        cft_rec *read = read_entries(t, &directory);
        CFT_OK(t, read);
        for (const cede_entry *entry;
             (entry = cede_next_entry(read->bytes, read->result.count, &position));) {
            bool is_one = strcmp(entry->name, "one") == 0;
            CFT_CHECK(t, is_one || strcmp(entry->name, "two") == 0);
            CFT_CHECK(t, entry->type == (is_one ? CEDE_FILE_REGULAR : CEDE_FILE_DIRECTORY));
            CFT_CHECK(t, entry->file_id == 0);
            seen |= is_one ? 1 : 2;
        }
        CFT_CHECK(t, seen == 3);
        cede_drop(directory);
        CFT_CHECK(t, cft_run_on(at, 0) >= 0);
    }
}

/* ---- Names ----------------------------------------------------------------------------------- */

#define DELETE_PENDING 0xc0000056u
#define ACCESS_DENIED  0xc0000022u

/* What CreateFile says, and what its thread is told beside that. */
static uint32_t deny(uint32_t status)
{
    typedef ULONG WINAPI error_of(LONG status); /* and notes it */
    FARPROC found = GetProcAddress(GetModuleHandleA("ntdll.dll"), "RtlNtStatusToDosError");
    return ((error_of *)(void (*)(void))found)((LONG)status);
}

static uint32_t deny_by_name(const wchar_t *path, uint32_t access, uint32_t share,
                             uint32_t disposition, uint32_t flags, void **out)
{
    bool pending = wcsstr(path, L"pending") != NULL;
    if (!pending && !wcsstr(path, L"denied"))
        return real()->create_file(path, access, share, disposition, flags, out);
    *out = INVALID_HANDLE_VALUE;
    return deny(pending ? DELETE_PENDING : ACCESS_DENIED);
}

static cede_status do_open(cft *t, const char *name, uint32_t flags)
{
    cft_rec *rec = cft_new(t);
    cede_prep_open(rec->req, cft_path(t, name), flags, 0644);
    return did(t, rec);
}

static cede_status do_stat(cft *t, const char *name)
{
    cft_rec *rec = cft_new(t);
    cede_prep_stat(rec->req, cft_path(t, name), cft_buffer(rec, sizeof(cede_stat)), 0);
    return did(t, rec);
}

CFT_CASE(name_whose_deletion_is_pending_is_gone)
{
    static const cede_win32_calls calls = {.create_file = deny_by_name};
    at = hooks_open(t, &calls, 0, 0);
    CFT_CHECK(t, deny(DELETE_PENDING) == ERROR_ACCESS_DENIED);
    CFT_CHECK(t, do_open(t, "pending", CEDE_OPEN_READ) == CEDE_ENOENT);
    CFT_CHECK(t, do_open(t, "pending", CEDE_OPEN_WRITE | CEDE_OPEN_CREATE) == CEDE_EBUSY);
    CFT_CHECK(t, do_stat(t, "pending") == CEDE_ENOENT);
    CFT_CHECK(t, do_unlink(t, "pending") == CEDE_ENOENT);
    CFT_CHECK(t, do_open(t, "denied", CEDE_OPEN_READ) == CEDE_EACCES);
    CFT_CHECK(t, do_open(t, "denied", CEDE_OPEN_WRITE | CEDE_OPEN_CREATE) == CEDE_EACCES);
    CFT_CHECK(t, do_stat(t, "denied") == CEDE_EACCES);
    CFT_CHECK(t, do_unlink(t, "denied") == CEDE_EACCES);
}

#define ALONE 0xd83du /* the first half of a character */

/* Wine's files have names that its host can have: there each "=" stands for it. */
static uint32_t create_alone(const wchar_t *path, uint32_t access, uint32_t share,
                             uint32_t disposition, uint32_t flags, void **out)
{
    static wchar_t stands[1024];
    size_t i = 0;
    for (; path[i] && i < 1023; i++)
        stands[i] = path[i] == ALONE ? L'=' : path[i];
    stands[i] = 0;
    return real()->create_file(stands, access, share, disposition, flags, out);
}

static uint32_t entries_alone(void *file, int what, void *out, uint32_t bytes)
{
    uint32_t error = real()->get_file_info(file, what, out, bytes);
    FILE_ID_BOTH_DIR_INFO *info = out;
    if (error || what != FileIdBothDirectoryInfo)
        return error;
    for (;;) {
        for (size_t i = 0; i < info->FileNameLength / sizeof(wchar_t); i++) {
            if (info->FileName[i] == L'=')
                info->FileName[i] = ALONE;
        }
        if (info->NextEntryOffset == 0)
            return 0;
        info = (FILE_ID_BOTH_DIR_INFO *)(void *)((char *)info + info->NextEntryOffset);
    }
}

CFT_CASE(name_that_is_no_utf16_leads_to_its_file)
{
    static const cede_win32_calls calls = {.create_file = create_alone,
                                           .get_file_info = entries_alone};
    static char name[64] = "d/";
    cede_handle directory;
    uint64_t position = 0;
    at = hooks_open(t, &calls, 0, 0);
    make_directory(t, "d");
    CFT_CHECK(t, do_open(t,
                         "d/a\xed\xa0\xbd"
                         "b",
                         CEDE_OPEN_WRITE | CEDE_OPEN_CREATE) == CEDE_OK);
    CFT_CHECK(t, attributes_of(t, "d/a=b") != INVALID_FILE_ATTRIBUTES);
    cft_rec *read = read_entries(t, &directory);
    CFT_OK(t, read);
    const cede_entry *entry = cede_next_entry(read->bytes, read->result.count, &position);
    CFT_CHECK(t, entry && strcmp(entry->name, "a\xed\xa0\xbd"
                                              "b") == 0);
    CFT_CHECK(t, entry && !cede_next_entry(read->bytes, read->result.count, &position));
    memcpy(name + 2, entry->name, strlen(entry->name) + 1);
    CFT_CHECK(t, do_open(t, name, CEDE_OPEN_READ) == CEDE_OK);
    CFT_CHECK(t, do_unlink(t, name) == CEDE_OK);
    cede_drop(directory);
    CFT_CHECK(t, cft_run_on(at, 0) >= 0);
    /* Two that belong together are one character, and are not to be had by halves. */
    CFT_CHECK(t, do_open(t, "d/\xed\xa0\xbd\xed\xb8\x80", CEDE_OPEN_READ) == CEDE_EINVAL);
}

/* ---- The text of links ----------------------------------------------------------------------- */

static uint32_t point_tag; /* of the next; its texts */
static const wchar_t *target, *print;

static uint32_t make_point(void *file, void *out, uint32_t bytes, uint32_t *got)
{
    uint16_t head[10] = {0}, before = point_tag == IO_REPARSE_TAG_SYMLINK ? 20 : 16;
    uint16_t target_bytes = (uint16_t)(wcslen(target) * 2),
             print_bytes = (uint16_t)(wcslen(print) * 2);
    (void)file;
    if (bytes < (uint32_t)before + target_bytes + print_bytes)
        return ERROR_INSUFFICIENT_BUFFER;
    memcpy(head, &point_tag, 4);
    head[2] = (uint16_t)(before - 8 + target_bytes + print_bytes);
    head[5] = target_bytes;
    head[6] = target_bytes;
    head[7] = print_bytes;
    memcpy(out, head, before);
    memcpy((char *)out + before, target, target_bytes);
    memcpy((char *)out + before + target_bytes, print, print_bytes);
    *got = before + target_bytes + print_bytes;
    return 0;
}

CFT_CASE(text_of_a_link_is_a_path_for_programs)
{
    static const cede_win32_calls calls = {.get_reparse_point = make_point};
    static const struct {
        uint32_t tag;
        const wchar_t *target, *print;
        const char *text;
    } links[] = {
        {IO_REPARSE_TAG_MOUNT_POINT, L"\\??\\C:\\x\\y", L"", "C:/x/y"},
        {IO_REPARSE_TAG_MOUNT_POINT, L"\\??\\C:\\x\\y", L"C:\\x\\y", "C:/x/y"},
        {IO_REPARSE_TAG_MOUNT_POINT, L"\\??\\Volume{1}\\", L"", "//?/Volume{1}/"},
        {IO_REPARSE_TAG_SYMLINK, L"\\??\\UNC\\server\\share\\x", L"", "//server/share/x"},
        {IO_REPARSE_TAG_SYMLINK, L"..\\x", L"", "../x"},
        {IO_REPARSE_TAG_SYMLINK, L"..\\x", L"..\\y", "../y"},
        {IO_REPARSE_TAG_SYMLINK, L"a\xd83d", L"", "a\xed\xa0\xbd"},
    };
    at = hooks_open(t, &calls, 0, 0);
    cft_file(t, "f", "x", 1, 0);
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
        cft_rec *read = cft_new(t);
        point_tag = links[i].tag;
        target = links[i].target;
        print = links[i].print;
        cede_prep_readlink(read->req, cft_path(t, "f"), cft_buffer(read, 64), 64);
        CFT_CHECK(t, did(t, read) == CEDE_OK);
        CFT_CHECK(t, read->result.count == strlen(links[i].text));
        CFT_CHECK(t, memcmp(read->bytes, links[i].text, strlen(links[i].text)) == 0);
    }
}
