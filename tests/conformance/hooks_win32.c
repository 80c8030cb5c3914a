/*
 * See hooks_win32.h.
 */
#include "hooks_win32.h"

#include <string.h>

static const cede_win32_calls *real(void)
{
    return cede_win32_system_calls();
}

/* ---- Loops and requests ---------------------------------------------------------------------- */

static cede_win32_config config;

static void configure(cft *t, cede_options *options, const cede_win32_calls *calls)
{
    cft_options(t, options);
    config = *(const cede_win32_config *)options->backend_config;
    config.calls = calls;
    options->backend_config = &config;
}

cede_loop *hooks_open(cft *t, const cede_win32_calls *calls, uint32_t lane, uint32_t without)
{
    cede_options options;
    configure(t, &options, calls);
    config.lane = lane;
    config.without |= without;
    return cft_open(t, &options);
}

cede_loop *hooks_open_failing(cft *t, const cede_win32_calls *calls,
                              int (*fault)(void *context, const char *call), void *context)
{
    cede_options options;
    configure(t, &options, calls);
    config.fault = fault;
    config.fault_context = context;
    return cft_open(t, &options);
}

void hooks_await(cft *t, cede_loop *loop, const cft_rec *rec)
{
    CFT_CHECK(t, cft_wait_on(loop, rec->ticket, 10 * CEDE_SECOND) == CEDE_OK);
    CFT_CHECK(t, cft_is_done(rec));
}

void hooks_do(cft *t, cede_loop *loop, cft_rec *rec)
{
    cft_submit_on(rec, loop);
    hooks_await(t, loop, rec);
}

void hooks_look(cft *t, cede_loop *loop)
{
    CFT_CHECK(t, cft_run_on(loop, 2 * CEDE_MILLISECOND) >= 0);
}

cede_handle hooks_made(cft *t, cede_loop *loop, cft_rec *rec, cede_address *at)
{
    cft_rec *name = cft_new(t);
    hooks_do(t, loop, rec);
    CFT_OK(t, rec);
    cede_prep_name(name->req, rec->result.handle, CEDE_NAME_OWN, cft_buffer(name, sizeof *at));
    hooks_do(t, loop, name);
    memcpy(at, name->bytes, sizeof *at);
    return rec->result.handle;
}

cede_handle hooks_open_file(cft *t, cede_loop *loop)
{
    cft_file(t, "f", NULL, 4096, 1);
    cft_rec *open = cft_new(t);
    cede_prep_open(open->req, cft_path(t, "f"), CEDE_OPEN_READ | CEDE_OPEN_WRITE, 0);
    cft_submit_on(open, loop);
    hooks_await(t, loop, open);
    CFT_OK(t, open);
    return open->result.handle;
}

cft_rec *hooks_read_file(cft *t, cede_loop *loop, cede_handle file, uint64_t offset)
{
    cft_rec *read = cft_new(t);
    cede_prep_read(read->req, file, cft_buffer(read, 100), 100, (int64_t)offset);
    cft_submit_on(read, loop);
    return read;
}

cft_rec *hooks_read_pipe(cft *t, cede_loop *loop, cede_handle pipe)
{
    cft_rec *read = cft_new(t);
    cede_prep_read(read->req, pipe, cft_buffer(read, 16), 16, CEDE_CURRENT);
    cft_submit_on(read, loop);
    CFT_CHECK(t, cft_run_on(loop, 0) >= 0);
    return read;
}

/* ---- Transfers in the case's hands ----------------------------------------------------------- */

void *hooks_port;

uint32_t hooks_create_port(void *file, void *port, uintptr_t key, void **out)
{
    if (port)
        hooks_port = port;
    return real()->create_port(file, port, key, out);
}

void hooks_read_now(void *file, void *buffer, uint32_t bytes, OVERLAPPED *overlapped)
{
    HANDLE event = CreateEventW(NULL, TRUE, FALSE, NULL);
    OVERLAPPED here = {0};
    here.Offset = overlapped->Offset;
    here.OffsetHigh = overlapped->OffsetHigh;
    here.hEvent = (HANDLE)((uintptr_t)event | 1);
    if (real()->read_file(file, buffer, bytes, &here) == ERROR_IO_PENDING)
        WaitForSingleObject(event, INFINITE);
    overlapped->InternalHigh = here.InternalHigh;
    overlapped->Internal = here.Internal;
    CloseHandle(event);
}

hooks_pending hooks_kept;
uint32_t hooks_asked;

uint32_t hooks_keep(void *file, void *buffer, uint32_t bytes, void *overlapped)
{
    hooks_kept = (hooks_pending){file, buffer, overlapped, NULL, bytes};
    hooks_asked++;
    return ERROR_IO_PENDING;
}

uint32_t hooks_keep_ex(void *file, void *buffer, uint32_t bytes, void *overlapped,
                       void (*routine)(void))
{
    hooks_kept = (hooks_pending){file, buffer, overlapped,
                                 (void (*)(DWORD, DWORD, LPOVERLAPPED))routine, bytes};
    hooks_asked++;
    return 0;
}

static void CALLBACK run_routine(ULONG_PTR error)
{
    hooks_kept.routine((DWORD)error, (DWORD)hooks_kept.overlapped->InternalHigh,
                       hooks_kept.overlapped);
}

void hooks_tell(cft *t, uint32_t error, ULONG_PTR status)
{
    hooks_kept.overlapped->Internal = status;
    if (hooks_kept.routine)
        CFT_CHECK(t, QueueUserAPC(run_routine, GetCurrentThread(), error));
    else
        CFT_CHECK(t, real()->post_completion(hooks_port, 0, 1, hooks_kept.overlapped) == 0);
}

const cede_win32_calls hooks_keeping = {
    .read_file = hooks_keep, .read_file_ex = hooks_keep_ex, .create_port = hooks_create_port};
