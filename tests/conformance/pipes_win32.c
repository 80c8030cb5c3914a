/*
 * Named pipes by their paths, and those that the library makes for itself. Cases of the Windows
 * lanes.
 */
#include "hooks_win32.h"

#include <stdio.h>
#include <string.h>

/* ---- Asked for, not opened ------------------------------------------------------------------- */

static uint32_t numbered;

static void name_pipe(char *name, size_t bytes)
{
    snprintf(name, bytes, "\\\\.\\pipe\\cede-pipes.%lu.%u", GetCurrentProcessId(), numbered++);
}

static cede_status stat_of(cft *t, const char *name, uint32_t *type)
{
    cft_rec *rec = cft_new(t);
    cede_prep_stat(rec->req, name, cft_buffer(rec, sizeof(cede_stat)), 0);
    hooks_do(t, cft_loop(t), rec);
    *type = CEDE_FILE_UNKNOWN;
    if (rec->result.status == CEDE_OK)
        *type = ((const cede_stat *)(const void *)rec->bytes)->type;
    return rec->result.status;
}

CFT_CASE(stat_of_a_pipe_is_no_client)
{
    char name[80], other[80];
    uint32_t type;
    OVERLAPPED wait = {.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL)};
    name_pipe(name, sizeof name);
    CFT_CHECK(t, stat_of(t, name, &type) == CEDE_ENOENT);
    HANDLE server = CreateNamedPipeA(name, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED, 0, 1, 4096,
                                     4096, 0, NULL);
    CFT_CHECK(t, server != INVALID_HANDLE_VALUE);
    CFT_CHECK(t, !ConnectNamedPipe(server, &wait) && GetLastError() == ERROR_IO_PENDING);
    CFT_CHECK(t, stat_of(t, name, &type) == CEDE_OK && type == CEDE_FILE_PIPE);
    snprintf(other, sizeof other, "//./C:/../PIPE/%s", strrchr(name, '\\') + 1);
    CFT_CHECK(t, stat_of(t, other, &type) == CEDE_OK && type == CEDE_FILE_PIPE);
    CFT_CHECK(t, WaitForSingleObject(wait.hEvent, 0) == WAIT_TIMEOUT);
    HANDLE client = CreateFileA(name, GENERIC_READ, 0, NULL, OPEN_EXISTING, 0, NULL);
    CFT_CHECK(t, client != INVALID_HANDLE_VALUE);
    CFT_CHECK(t, WaitForSingleObject(wait.hEvent, 10000) == WAIT_OBJECT_0);
    CFT_CHECK(t, stat_of(t, name, &type) == CEDE_OK && type == CEDE_FILE_PIPE);
    CloseHandle(client);
    CloseHandle(server);
    CloseHandle(wait.hEvent);
}

/* ---- Opened ---------------------------------------------------------------------------------- */

#define SQOS (SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION)

static uint32_t opened_by;

static uint32_t refuse_to_open(const wchar_t *path, uint32_t access, uint32_t share,
                               uint32_t disposition, uint32_t flags, void **out)
{
    (void)path;
    (void)access;
    (void)share;
    (void)disposition;
    *out = INVALID_HANDLE_VALUE;
    opened_by = flags & (SECURITY_SQOS_PRESENT | SECURITY_VALID_SQOS_FLAGS);
    return ERROR_ACCESS_DENIED;
}

/* The bit that says so is another to drives' file systems (FILE_FLAG_OPEN_NO_RECALL). */
CFT_CASE(pipe_is_opened_without_leave_to_act_as_us)
{
    static const cede_win32_calls calls = {.create_file = refuse_to_open};
    static const struct {
        const char *name;
        uint32_t flags;
    } names[] = {{"\\\\.\\pipe\\x", SQOS},
                 {"//./Pipe/x", SQOS},
                 {"\\\\?\\pipe\\x", SQOS},
                 {"\\\\.\\C:\\..\\pipe\\x", SQOS},
                 {"\\\\.\\GLOBALROOT\\Device\\NamedPipe\\x", SQOS},
                 {"\\\\server\\pipe\\x", SQOS},
                 {"\\\\?\\UNC\\server\\pipe\\x", SQOS},
                 {"\\\\server\\share\\x", 0},
                 {"x", 0},
                 {"C:\\pipe\\x", 0},
                 {"\\\\.\\C:\\x", 0},
                 {"\\\\?\\C:\\x", 0},
                 {"\\\\.\\pipe\\..\\C:\\x", 0},
                 {"\\\\?\\Volume{00000000-0000-0000-0000-000000000000}\\x", 0}};
    cede_loop *loop = hooks_open(t, &calls, 0, 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        cft_rec *rec = cft_new(t);
        opened_by = UINT32_MAX;
        cede_prep_open(rec->req, names[i].name, CEDE_OPEN_READ, 0);
        hooks_do(t, loop, rec);
        CFT_CHECK(t, rec->result.status == CEDE_EACCES && opened_by == names[i].flags);
    }
}

/* FILE_APPEND_DATA is another right there: who writes needs FILE_WRITE_DATA. */
CFT_CASE(pipe_that_is_opened_to_append_is_written)
{
    char name[80], other[80], seen[8];
    DWORD got;
    for (uint32_t i = 0; i < 3; i++) {
        static const char *const ways[] = {"\\\\.\\pipe\\%s", "//./PIPE/%s", "\\\\?\\Pipe\\%s"};
        name_pipe(name, sizeof name);
        snprintf(other, sizeof other, ways[i], strrchr(name, '\\') + 1);
        HANDLE server =
            CreateNamedPipeA(name, PIPE_ACCESS_INBOUND, PIPE_TYPE_BYTE, 1, 4096, 4096, 0, NULL);
        CFT_CHECK(t, server != INVALID_HANDLE_VALUE);
        cft_rec *open = cft_new(t), *write = cft_new(t);
        cede_prep_open(open->req, other, CEDE_OPEN_WRITE | CEDE_OPEN_APPEND | CEDE_OPEN_CREATE, 0);
        hooks_do(t, cft_loop(t), open);
        CFT_OK(t, open);
        cede_prep_write(write->req, open->result.handle, cft_input(write, "hello", 5), 5,
                        CEDE_CURRENT);
        hooks_do(t, cft_loop(t), write);
        CFT_MOVED(t, write, 5);
        CFT_CHECK(t, ReadFile(server, seen, sizeof seen, &got, NULL) && got == 5);
        CFT_CHECK(t, memcmp(seen, "hello", 5) == 0);
        cft_closed(t, open->result.handle);
        CloseHandle(server);
    }
}

static uint32_t asked_access;

static uint32_t note_access(const wchar_t *path, uint32_t access, uint32_t share,
                            uint32_t disposition, uint32_t flags, void **out)
{
    asked_access = access;
    return refuse_to_open(path, access, share, disposition, flags, out);
}

CFT_CASE(right_to_write_is_asked_for_where_a_pipe_may_be)
{
    static const cede_win32_calls calls = {.create_file = note_access};
    static const char *const pipes[] = {"\\\\.\\pipe\\x", "//?/PiPe/x", "\\\\server\\Pipe\\x",
                                        "\\\\?\\UNC\\server\\pipe\\x"};
    static const char *const files[] = {"x", "C:\\pipe\\x", "\\\\server\\share\\x"};
    cede_loop *loop = hooks_open(t, &calls, 0, 0);
    for (size_t i = 0; i < sizeof pipes / sizeof pipes[0] + sizeof files / sizeof files[0]; i++) {
        bool pipe = i < sizeof pipes / sizeof pipes[0];
        cft_rec *rec = cft_new(t);
        asked_access = 0;
        cede_prep_open(rec->req, pipe ? pipes[i] : files[i - sizeof pipes / sizeof pipes[0]],
                       CEDE_OPEN_WRITE | CEDE_OPEN_APPEND, 0);
        hooks_do(t, loop, rec);
        CFT_CHECK(t, rec->result.status == CEDE_EACCES && asked_access != 0);
        CFT_CHECK(t, pipe == ((asked_access & (GENERIC_WRITE | FILE_WRITE_DATA)) != 0));
    }
}

/* ---- The library's own ----------------------------------------------------------------------- */

static wchar_t refused[2][80];
static uint32_t refusals;

static uint32_t refuse_names(const wchar_t *name, uint32_t mode, uint32_t instances, void **out)
{
    if (refusals < 2) {
        wcsncpy(refused[refusals++], name, 79);
        *out = INVALID_HANDLE_VALUE;
        return ERROR_ACCESS_DENIED;
    }
    return cede_win32_system_calls()->create_pipe(name, mode, instances, out);
}

CFT_CASE(pair_takes_another_name_where_one_is_refused)
{
    static const cede_win32_calls calls = {.create_pipe = refuse_names};
    cede_loop *loop = hooks_open(t, &calls, 0, 0);
    cft_rec *rec = cft_new(t);
    cede_handle second;
    refusals = 0;
    cede_prep_pair(rec->req, CEDE_PAIR_STREAM, cft_buffer(rec, sizeof second));
    hooks_do(t, loop, rec);
    CFT_OK(t, rec);
    memcpy(&second, rec->bytes, sizeof second);
    CFT_CHECK(t, refusals == 2 && wcscmp(refused[0], refused[1]) != 0);
    CFT_CHECK(t, wcsncmp(refused[0], L"\\\\.\\pipe\\cede.", 14) == 0);
    CFT_CHECK(t, wcsncmp(refused[1], L"\\\\.\\pipe\\LOCAL\\cede.", 20) == 0);
    cede_drop(rec->result.handle);
    cede_drop(second);
    CFT_CHECK(t, cft_run_on(loop, 0) >= 0);
}
