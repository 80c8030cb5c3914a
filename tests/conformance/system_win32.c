/*
 * What Windows tells a program and Wine does not, or not when asked to: injected (cede/win32.h), or
 * made with the system's own objects. Cases of the Windows lanes.
 */
#include "hooks_win32.h"

#include <stdio.h>
#include <string.h>
#include <wchar.h>
#include <winsock2.h>

/* ---- Watches --------------------------------------------------------------------------------- */

static uint32_t refuse_after; /* so many calls */
static uint32_t refuse_by;

static uint32_t refuse(void *directory, void *buffer, uint32_t bytes, void *overlapped)
{
    if (refuse_after == 0)
        return refuse_by;
    refuse_after--;
    return cede_win32_system_calls()->read_changes(directory, buffer, bytes, overlapped);
}

static struct {
    cede_pool *pool;
    uint32_t items;
    uint8_t what;
} seen;

static void on_change(cede_req *req, cede_result item)
{
    uint64_t at = 0;
    const cede_change *change = cede_next_change(item.buffer, item.count, &at);
    (void)req;
    seen.what = change->what;
    seen.items++;
    cede_pool_give(seen.pool, item.buffer);
}

static cft_rec *follow(cft *t, cede_loop *loop, cede_handle watch)
{
    cft_rec *rec = cft_new(t);
    cede_prep_watch_many(rec->req, watch, seen.pool, on_change);
    cft_submit_on(rec, loop);
    return rec;
}

static const struct {
    uint32_t error;
    uint8_t what; /* 0: no change */
    cede_status status;
} said[] = {{ERROR_DELETE_PENDING, CEDE_CHANGE_GONE, CEDE_OK},
            {745, CEDE_CHANGE_GONE, CEDE_OK},         /* ERROR_NOTIFY_CLEANUP */
            {1022, CEDE_CHANGE_LOST, CEDE_ECANCELED}, /* ERROR_NOTIFY_ENUM_DIR */
            {ERROR_ACCESS_DENIED, 0, CEDE_EACCES}};

static cft_rec *begin_watch(cft *t, cede_loop *loop, const char *directory, cede_handle *made)
{
    cft_rec *watch = cft_new(t);
    refuse_after = 1;
    cede_prep_watch(watch->req, directory, 0);
    cft_submit_on(watch, loop);
    hooks_await(t, loop, watch);
    CFT_OK(t, watch);
    *made = watch->result.handle;
    return follow(t, loop, *made);
}

/* Of a directory that is deleted, of one that ran over, of one that is there and refuses. */
CFT_CASE(watch_makes_changes_of_what_the_system_says)
{
    static const cede_win32_calls calls = {.read_changes = refuse};
    const char *directory = cft_path(t, "watched");
    CFT_CHECK(t, CreateDirectoryA(directory, NULL));
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++) {
        cede_loop *loop = hooks_open(t, &calls, 0, 0);
        memset(&seen, 0, sizeof seen);
        CFT_CHECK(t, cede_pool_open(loop, 1, CEDE_WATCH_BYTES, 0, &seen.pool) == CEDE_OK);
        refuse_by = said[i].error;
        cede_handle watch;
        cft_rec *rec = begin_watch(t, loop, directory, &watch);
        while (seen.items == 0 && !cft_is_done(rec))
            CFT_CHECK(t, cft_run_on(loop, CEDE_MILLISECOND) >= 0);
        CFT_CHECK(t, seen.what == said[i].what);
        refuse_after = UINT32_MAX;
        cede_cancel(rec->ticket);
        hooks_await(t, loop, rec);
        CFT_STATUS(t, rec, said[i].status);
        if (said[i].what == CEDE_CHANGE_GONE) { /* and stays so */
            rec = follow(t, loop, watch);
            hooks_await(t, loop, rec);
            CFT_CHECK(t, rec->result.status == CEDE_OK && seen.items == 1);
        }
        cede_pool_close(seen.pool);
    }
}

/* ---- Programs -------------------------------------------------------------------------------- */

static uint32_t begun;

static uint32_t begin_none(cede_win32_process *how)
{
    (void)how;
    begun++;
    return ERROR_ACCESS_DENIED;
}

static cede_status spawn_status(cft *t, cede_loop *loop, const char *program, uint32_t flags)
{
    const char *arguments[] = {"x", "\"&calc.exe", NULL};
    cede_spawn how = {.program = program, .arguments = arguments, .flags = flags};
    cft_rec *rec = cft_new(t);
    cede_prep_spawn(rec->req, &how, NULL);
    hooks_do(t, loop, rec);
    return rec->result.status;
}

static void make_batch(cft *t, char *path, char *directory)
{
    HANDLE file;
    strcpy(path, cft_path(t, "x.bat"));
    for (char *at = path; *at; at++) {
        if (*at == '/')
            *at = '\\';
    }
    strcpy(directory, path);
    *strrchr(directory, '\\') = '\0';
    file = CreateFileA(path, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
    CFT_CHECK(t, file != INVALID_HANDLE_VALUE);
    CloseHandle(file);
}

/* The system leaves out dots and spaces behind a name, and cmd.exe would read the arguments. */
CFT_CASE(batch_file_is_not_run_by_any_of_its_names)
{
    static const cede_win32_calls calls = {.create_process = begin_none};
    static const struct {
        const char *before, *behind; /* of "x.bat"; before: NULL: looked for in PATH */
        cede_status status;
    } names[] = {{NULL, "", CEDE_ENOEXEC},        {NULL, ".", CEDE_EINVAL},
                 {NULL, " ", CEDE_EINVAL},        {NULL, ". .", CEDE_EINVAL},
                 {"", "", CEDE_ENOEXEC},          {"", ".", CEDE_EINVAL},
                 {"", "::$DATA", CEDE_EINVAL},    {"\\\\.\\", "", CEDE_ENOEXEC},
                 {"\\\\.\\", ". .", CEDE_ENOEXEC}};
    cede_loop *loop = hooks_open(t, &calls, 0, 0);
    static char kept[32767], path[MAX_PATH], directory[MAX_PATH], name[2 * MAX_PATH];
    DWORD had = GetEnvironmentVariableA("PATH", kept, sizeof kept);
    make_batch(t, path, directory);
    SetEnvironmentVariableA("PATH", directory);
    begun = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(name, sizeof name, "%s%s%s", names[i].before ? names[i].before : "",
                 names[i].before ? path : "x.bat", names[i].behind);
        CFT_CHECK(t, spawn_status(t, loop, name, 0) == names[i].status);
    }
    SetEnvironmentVariableA("PATH", had ? kept : NULL);
    CFT_CHECK(t, begun == 0);
}

#define DEEP 1024 /* units of a path that is longer than MAX_PATH */

static wchar_t program_begun[DEEP];

static uint32_t note_program(cede_win32_process *how)
{
    begun++;
    wcsncpy(program_begun, how->program, DEEP - 1);
    return ERROR_BAD_FORMAT;
}

/* A directory with what could be a program in it, each by both forms of its name. */
static void make_deep(cft *t, wchar_t deep[DEEP], char name[2 * DEEP], wchar_t *program)
{
    wchar_t part[101] = {0};
    size_t units = GetFullPathNameA(cft_path(t, "x"), 2 * DEEP, name, NULL);
    HANDLE file;
    CFT_CHECK(t, units > 1 && units < MAX_PATH);
    name[units - 2] = '\0'; /* of the directory of all */
    wcscpy(deep, L"\\\\?\\");
    CFT_CHECK(t, MultiByteToWideChar(CP_ACP, 0, name, -1, deep + 4, MAX_PATH) > 0);
    for (uint32_t i = 0; i < 3; i++) {
        wmemset(part, (wchar_t)(L'a' + i), 100);
        wcscat(wcscat(deep, L"\\"), part);
        CFT_CHECK(t, CreateDirectoryW(deep, NULL));
    }
    CFT_CHECK(t, WideCharToMultiByte(CP_UTF8, 0, deep + 4, -1, name, 2 * DEEP, NULL, NULL) > 0);
    wcscat(wcscpy(program, deep), L"\\deep.exe");
    file = CreateFileW(program, GENERIC_WRITE, 0, NULL, CREATE_NEW, 0, NULL);
    CFT_CHECK(t, file != INVALID_HANDLE_VALUE);
    CloseHandle(file);
}

static void remove_deep(cft *t, wchar_t deep[DEEP], const wchar_t *program)
{
    CFT_CHECK(t, DeleteFileW(program));
    for (uint32_t i = 0; i < 3; i++) {
        CFT_CHECK(t, RemoveDirectoryW(deep));
        *wcsrchr(deep, L'\\') = L'\0';
    }
}

/* CEDE_ENOEXEC, if it comes as far as a process. */
static cede_status start_in(cft *t, cede_loop *loop, const char *program, const char *directory)
{
    const char *arguments[] = {"x", NULL};
    cede_spawn how = {.program = program, .arguments = arguments, .directory = directory};
    cft_rec *rec = cft_new(t);
    begun = 0;
    program_begun[0] = L'\0';
    cede_prep_spawn(rec->req, &how, NULL);
    hooks_do(t, loop, rec);
    CFT_CHECK(t, begun == (rec->result.status == CEDE_ENOEXEC));
    return rec->result.status;
}

/* CreateProcessW takes the long form of a program's path, and none of a directory's. (Wine's takes
 * neither.) */
CFT_CASE(program_may_lie_deep_and_a_child_may_not_work_there)
{
    static const cede_win32_calls calls = {.create_process = note_program};
    static wchar_t deep[DEEP], program[DEEP];
    static char name[2 * DEEP], path[2 * DEEP], self[MAX_PATH], kept[32767];
    static const char *const ways[] = {"%s\\deep.exe", "%s/./deep"};
    cede_loop *loop = hooks_open(t, &calls, 0, 0);
    make_deep(t, deep, name, program);
    for (uint32_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, ways[i], name);
        CFT_CHECK(t, start_in(t, loop, path, NULL) == CEDE_ENOEXEC);
        CFT_CHECK(t, wcscmp(program_begun, program) == 0);
    }
    DWORD had = GetEnvironmentVariableA("PATH", kept, sizeof kept);
    SetEnvironmentVariableA("PATH", name);
    CFT_CHECK(t, start_in(t, loop, "deep", NULL) == CEDE_ENOEXEC);
    CFT_CHECK(t, wcscmp(program_begun, program) == 0);
    SetEnvironmentVariableA("PATH", had ? kept : NULL);
    snprintf(path, sizeof path, "%s\\none.exe", name);
    CFT_CHECK(t, start_in(t, loop, path, NULL) == CEDE_ENOENT);
    CFT_CHECK(t, start_in(t, loop, name, NULL) == CEDE_EACCES); /* a directory */
    CFT_CHECK(t, GetModuleFileNameA(NULL, self, sizeof self) > 0);
    CFT_CHECK(t, start_in(t, loop, self, NULL) == CEDE_ENOEXEC && program_begun[1] == L':');
    CFT_CHECK(t, start_in(t, loop, self, name) == CEDE_ENAMETOOLONG);
    snprintf(path, sizeof path, "%s\\..\\..", name);
    CFT_CHECK(t, start_in(t, loop, self, path) == CEDE_ENOEXEC); /* short enough */
    strcat(name, "\\none");
    CFT_CHECK(t, start_in(t, loop, self, name) == CEDE_ENOENT);
    remove_deep(t, deep, program);
}

/* As the shell has it; a semicolon between the marks is of the name. */
CFT_CASE(entries_of_path_may_be_quoted)
{
    static const cede_win32_calls calls = {.create_process = note_program};
    static const struct {
        const char *before, *behind;
        cede_status status;
    } paths[] = {{"\"", "\"", CEDE_ENOEXEC},
                 {"C:\\none;\"", "\";C:\\none", CEDE_ENOEXEC},
                 {"C:\\none\";\"", "\"", CEDE_ENOENT}, /* so it is not between any */
                 {"C:\\no\"ne;\"", "", CEDE_ENOENT},
                 {"", "", CEDE_ENOENT}};
    static char kept[32767], directory[MAX_PATH], path[2 * MAX_PATH];
    cede_loop *loop = hooks_open(t, &calls, 0, 0);
    DWORD had = GetEnvironmentVariableA("PATH", kept, sizeof kept);
    CFT_CHECK(t, GetFullPathNameA(cft_path(t, "x;y"), sizeof directory, directory, NULL));
    CFT_CHECK(t, CreateDirectoryA(directory, NULL));
    snprintf(path, sizeof path, "%s\\quoted.exe", directory);
    CloseHandle(CreateFileA(path, GENERIC_WRITE, 0, NULL, CREATE_NEW, 0, NULL));
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        snprintf(path, sizeof path, "%s%s%s", paths[i].before, directory, paths[i].behind);
        SetEnvironmentVariableA("PATH", path);
        cede_status status = start_in(t, loop, "quoted", NULL);
        SetEnvironmentVariableA("PATH", had ? kept : NULL);
        CFT_CHECK(t, status == paths[i].status);
    }
    snprintf(path, sizeof path, "%s\\quoted.exe", directory);
    DeleteFileA(path);
    RemoveDirectoryA(directory);
}

static DWORD input_type;

static uint32_t look_at_input(cede_win32_process *how)
{
    input_type = GetFileType(how->stdio[0]);
    return ERROR_ACCESS_DENIED;
}

CFT_CASE(spawn_inherits_no_handle_that_is_closed)
{
    static const cede_win32_calls calls = {.create_process = look_at_input};
    char self[MAX_PATH];
    HANDLE ours = GetStdHandle(STD_INPUT_HANDLE), none[] = {NULL, INVALID_HANDLE_VALUE, NULL};
    cede_loop *loop = hooks_open(t, &calls, 0, 0);
    CFT_CHECK(t, GetModuleFileNameA(NULL, self, sizeof self) > 0);
    none[2] = (HANDLE)(intptr_t)0xabc4; /* a number that no handle has */
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        cede_status status;
        input_type = FILE_TYPE_UNKNOWN;
        SetStdHandle(STD_INPUT_HANDLE, none[i]);
        status = spawn_status(t, loop, self, CEDE_SPAWN_INHERIT_INPUT);
        SetStdHandle(STD_INPUT_HANDLE, ours);
        CFT_CHECK(t, status == CEDE_EACCES && input_type == FILE_TYPE_CHAR);
    }
}

static int64_t input_at;

static uint32_t look_at_position(cede_win32_process *how)
{
    LARGE_INTEGER at = {.QuadPart = 0};
    if (!SetFilePointerEx(how->stdio[0], at, &at, FILE_CURRENT))
        at.QuadPart = -1;
    input_at = at.QuadPart;
    return ERROR_ACCESS_DENIED;
}

/* Used here or not, or inherited: the child goes on where it is. */
CFT_CASE(child_reads_on_in_a_file_that_nobody_here_has_used)
{
    static const cede_win32_calls calls = {.create_process = look_at_position};
    const char *path = cft_file(t, "f", "hello world", 11, 0);
    const char *arguments[] = {"x", NULL};
    char self[MAX_PATH];
    CFT_CHECK(t, GetModuleFileNameA(NULL, self, sizeof self) > 0);
    for (uint32_t i = 0; i < 4; i++) {
        bool inherits = i & 1, used = i & 2;
        LARGE_INTEGER six = {.QuadPart = 6};
        HANDLE ours = GetStdHandle(STD_INPUT_HANDLE);
        HANDLE native = CreateFileA(path, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING,
                                    FILE_FLAG_OVERLAPPED, NULL);
        cede_loop *loop = hooks_open(t, &calls, 0, 0);
        CFT_CHECK(t, SetFilePointerEx(native, six, NULL, FILE_BEGIN));
        cede_handle file = cede_import((intptr_t)native, CEDE_KIND_AUTO, 0);
        cede_spawn how = {.program = self, .arguments = arguments, .stdio = {inherits ? 0 : file}};
        if (used) {
            cft_rec *read = cft_new(t);
            cede_prep_read(read->req, file, cft_buffer(read, 2), 2, CEDE_CURRENT);
            hooks_do(t, loop, read);
            CFT_MOVED(t, read, 2);
        }
        if (inherits) {
            how.flags = CEDE_SPAWN_INHERIT_INPUT;
            SetStdHandle(STD_INPUT_HANDLE, native);
        }
        cft_rec *rec = cft_new(t);
        input_at = -2;
        cede_prep_spawn(rec->req, &how, NULL);
        hooks_do(t, loop, rec);
        SetStdHandle(STD_INPUT_HANDLE, ours);
        CFT_CHECK(t, rec->result.status == CEDE_EACCES && input_at == (used ? 8 : 6));
        cede_drop(file);
        CFT_CHECK(t, cft_run_on(loop, 0) >= 0);
    }
}

/* ---- Objects --------------------------------------------------------------------------------- */

static cft_rec *poll_on(cft *t, cede_loop *loop, cede_handle handle, uint32_t events)
{
    cft_rec *rec = cft_new(t);
    cede_prep_poll(rec->req, handle, events);
    cft_submit_on(rec, loop);
    CFT_CHECK(t, cft_run_on(loop, 0) >= 0);
    return rec;
}

CFT_CASE(poll_waits_for_an_object_and_leaves_it_as_it_is)
{
    cede_loop *loop = cft_loop(t);
    HANDLE event = CreateEventW(NULL, TRUE, FALSE, NULL);
    cede_handle handle = cede_import((intptr_t)event, CEDE_KIND_OBJECT, CEDE_IMPORT_BORROW);
    cft_rec *goes = poll_on(t, loop, handle, CEDE_POLL_IN);
    cft_rec *first = poll_on(t, loop, handle, CEDE_POLL_IN);
    cft_rec *wrong = poll_on(t, loop, handle, CEDE_POLL_OUT);
    hooks_await(t, loop, wrong);
    CFT_STATUS(t, wrong, CEDE_EINVAL);
    cede_cancel(goes->ticket);
    hooks_await(t, loop, goes);
    CFT_ENDED(t, goes, CEDE_ECANCELED, CEDE_BY_WISH);
    CFT_CHECK(t, !cft_is_done(first));
    SetEvent(event);
    hooks_await(t, loop, first);
    CFT_OK(t, first);
    CFT_CHECK(t, first->result.count == CEDE_POLL_IN);
    cft_rec *again = poll_on(t, loop, handle, CEDE_POLL_IN);
    hooks_await(t, loop, again);
    CFT_OK(t, again);
    cede_drop(handle);
    CFT_CHECK(t, cft_run_on(loop, 0) >= 0);
    CFT_CHECK(t, WaitForSingleObject(event, 0) == WAIT_OBJECT_0);
    CloseHandle(event);
}

/* The loop has been told, and has not looked yet. */
CFT_CASE(poll_cancelled_when_it_is_over_is_told_once)
{
    cede_loop *loop = cft_loop(t);
    uint64_t timeout_ns;
    HANDLE event = CreateEventW(NULL, TRUE, FALSE, NULL);
    cede_handle handle = cede_import((intptr_t)event, CEDE_KIND_OBJECT, 0);
    cft_rec *rec = poll_on(t, loop, handle, CEDE_POLL_IN);
    HANDLE ready = (HANDLE)cede_loop_waitable(loop, &timeout_ns);
    SetEvent(event);
    CFT_CHECK(t, WaitForSingleObject(ready, 10000) == WAIT_OBJECT_0);
    cede_cancel(rec->ticket);
    hooks_await(t, loop, rec);
    CFT_OK(t, rec);
    CFT_CHECK(t, (rec->result.flags & CEDE_CANCEL_ASKED) && rec->result.count == CEDE_POLL_IN);
}

/* Whoever comes first: what is told as cancelled has taken nothing, of an event that a wait resets,
 * and what has taken the signal is told. */
CFT_CASE(poll_cancelled_as_its_event_is_set_takes_it_or_leaves_it)
{
    cede_loop *loop = cft_loop(t);
    HANDLE event = CreateEventW(NULL, FALSE, FALSE, NULL);
    cede_handle handle = cede_import((intptr_t)event, CEDE_KIND_OBJECT, CEDE_IMPORT_BORROW);
    for (uint32_t i = 0; i < 100; i++) {
        cft_rec *rec = poll_on(t, loop, handle, CEDE_POLL_IN);
        SetEvent(event);
        for (volatile uint32_t spin = i * 37 % 50 * 40; spin > 0; spin--)
            continue;
        cede_cancel(rec->ticket);
        hooks_await(t, loop, rec);
        bool is_set = WaitForSingleObject(event, 0) == WAIT_OBJECT_0;
        CFT_STATUS(t, rec, is_set ? CEDE_ECANCELED : CEDE_OK);
    }
    cede_drop(handle);
    CFT_CHECK(t, cft_run_on(loop, 0) >= 0);
    CloseHandle(event);
}

static HANDLE without_the_right(void)
{
    HANDLE event = CreateEventW(NULL, TRUE, TRUE, NULL), weak = NULL;
    (void)DuplicateHandle(GetCurrentProcess(), event, GetCurrentProcess(), &weak,
                          EVENT_MODIFY_STATE, FALSE, 0);
    CloseHandle(event);
    return weak;
}

static HANDLE token(void)
{
    HANDLE made = NULL;
    (void)OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &made);
    return made;
}

/* Who else waits, in the same pool of threads, is told as if it had not been asked for. */
CFT_CASE(what_cannot_be_waited_for_is_refused_alone)
{
    cede_loop *loop = cft_loop(t);
    HANDLE event = CreateEventW(NULL, TRUE, FALSE, NULL);
    const struct {
        HANDLE native;
        cede_status status;
    } bad[] = {
        {without_the_right(), CEDE_EBADF},
        {CreateFileMappingW(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, 4096, NULL), CEDE_EBADF},
        {token(), CEDE_EBADF},
        {CreateMutexW(NULL, FALSE, NULL), CEDE_EINVAL},
        {OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, GetCurrentProcessId()), CEDE_EBADF}};
    for (uint32_t i = 0; i < 5; i++) {
        uint32_t kind = i < 4 ? CEDE_KIND_OBJECT : CEDE_KIND_CHILD;
        cede_handle handle = cede_import((intptr_t)bad[i].native, kind, 0);
        cede_handle good = cede_import((intptr_t)event, CEDE_KIND_OBJECT, CEDE_IMPORT_BORROW);
        cft_rec *refused = cft_new(t), *waits = poll_on(t, loop, good, CEDE_POLL_IN);
        CFT_CHECK(t, bad[i].native && handle && good);
        if (kind == CEDE_KIND_CHILD)
            cede_prep_child_wait(refused->req, handle);
        else
            cede_prep_poll(refused->req, handle, CEDE_POLL_IN);
        hooks_do(t, loop, refused);
        CFT_STATUS(t, refused, bad[i].status);
        SetEvent(event);
        hooks_await(t, loop, waits);
        CFT_OK(t, waits);
        ResetEvent(event);
        cede_drop(handle);
        cede_drop(good);
        CFT_CHECK(t, cft_run_on(loop, 0) >= 0);
    }
    CloseHandle(event);
}

/* ---- Sockets --------------------------------------------------------------------------------- */

/* Its owner may bind it to a port of his own, which can be done once. */
CFT_CASE(socket_that_is_polled_is_its_owners_to_bind)
{
    cede_loop *loop = cft_loop(t);
    struct sockaddr_in at = {.sin_family = AF_INET};
    SOCKET native = WSASocketW(AF_INET, SOCK_DGRAM, 0, NULL, 0, WSA_FLAG_OVERLAPPED);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CFT_CHECK(t, bind(native, (struct sockaddr *)&at, sizeof at) == 0);
    cede_handle handle = cede_import((intptr_t)native, CEDE_KIND_AUTO, CEDE_IMPORT_BORROW);
    cft_rec *rec = cft_new(t);
    cede_prep_poll(rec->req, handle, CEDE_POLL_IN);
    cft_submit_on(rec, loop);
    CFT_CHECK(t, cft_run_on(loop, 0) >= 0);
    HANDLE port = CreateIoCompletionPort((HANDLE)native, NULL, 1, 1);
    CFT_CHECK(t, port != NULL);
    cede_cancel(rec->ticket);
    hooks_await(t, loop, rec);
    CFT_ENDED(t, rec, CEDE_ECANCELED, CEDE_BY_WISH);
    cede_drop(handle);
    CFT_CHECK(t, cft_run_on(loop, 0) >= 0);
    closesocket(native);
    CloseHandle(port);
}
