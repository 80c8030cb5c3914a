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
