/*
 * What the system may answer and seldom does: half a transfer, a packet behind its success, no room
 * for a cancel, an error that nobody knows; and the handshake of a cancel with a call that a thread
 * makes, step by step. Cases of the Windows lanes.
 */
#include "hooks_win32.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static const cede_win32_calls *real(void)
{
    return cede_win32_system_calls();
}

/* ---- Transfers ------------------------------------------------------------------------------- */

static OVERLAPPED *succeeded;

static uint32_t succeed_once_then_keep(void *file, void *buffer, uint32_t bytes, void *overlapped)
{
    if (succeeded)
        return hooks_keep(file, buffer, bytes, overlapped);
    succeeded = overlapped;
    hooks_read_now(file, buffer, bytes, overlapped);
    return 0;
}

/* Skip-on-success is not set: as long as the packet of a success is on its way, what it names is
 * not used for another transfer, whose end it would tell too early. */
CFT_CASE(packet_of_a_success_tells_of_nothing_else)
{
    static const cede_win32_calls calls = {.read_file = succeed_once_then_keep,
                                           .create_port = hooks_create_port};
    cede_loop *loop = hooks_open(t, &calls, CEDE_WIN32_LANE_PORT, CEDE_WIN32_NO_SKIP_ON_SUCCESS);
    cede_handle file = hooks_open_file(t, loop);
    succeeded = NULL;
    cft_rec *first = hooks_read_file(t, loop, file, 3);
    CFT_CHECK(t, cft_run_on(loop, 0) >= 0);
    cft_rec *second = hooks_read_file(t, loop, file, 9);
    CFT_CHECK(t, cft_run_on(loop, 0) >= 0);
    CFT_CHECK(t, succeeded && hooks_kept.overlapped);
    hooks_kept.overlapped->Internal = 0; /* the status is written, and the rest not yet */
    CFT_CHECK(t, real()->post_completion(hooks_port, 100, 1, succeeded) == 0);
    hooks_await(t, loop, first);
    CFT_MOVED(t, first, 100);
    CFT_CHECK(t, cft_run_on(loop, 2 * CEDE_MILLISECOND) == 0 && second->done == 0);
    hooks_read_now(hooks_kept.file, hooks_kept.buffer, hooks_kept.bytes, hooks_kept.overlapped);
    hooks_tell(t, 0, 0);
    hooks_await(t, loop, second);
    CFT_MOVED(t, second, 100);
    CFT_CHECK(t, cft_filled(second->bytes, 100, 1, 9));
}

static uint32_t say_yes(void *file, void *overlapped)
{
    (void)file;
    (void)overlapped;
    return 0;
}

/* CEDE_ECANCELED would mean that nothing was moved. */
CFT_CASE(transfer_aborted_half_way_tells_what_moved)
{
    cede_win32_calls calls = hooks_keeping;
    calls.cancel_io_ex = say_yes;
    cede_loop *loop = hooks_open(t, &calls, 0, 0);
    cft_rec *read = hooks_read_file(t, loop, hooks_open_file(t, loop), 0);
    CFT_CHECK(t, cft_run_on(loop, 0) == 0);
    cede_cancel(read->ticket);
    hooks_read_now(hooks_kept.file, hooks_kept.buffer, 40, hooks_kept.overlapped);
    hooks_tell(t, ERROR_OPERATION_ABORTED, 0xC0000120); /* STATUS_CANCELLED */
    hooks_await(t, loop, read);
    CFT_MOVED(t, read, 40);
    CFT_CHECK(t, read->result.flags & CEDE_CANCEL_ASKED);
}

/* Two handles of cede for one of the system's: in turn, like two requests on one. */
CFT_CASE(two_names_of_a_file_share_its_position)
{
    cede_loop *loop = hooks_open(t, &hooks_keeping, 0, 0);
    HANDLE native = CreateFileA(cft_file(t, "f", NULL, 4096, 1), GENERIC_READ, FILE_SHARE_READ,
                                NULL, OPEN_EXISTING, FILE_FLAG_OVERLAPPED, NULL);
    cede_handle names[2] = {cede_import((intptr_t)native, CEDE_KIND_FILE, 0),
                            cede_import((intptr_t)native, CEDE_KIND_FILE, CEDE_IMPORT_BORROW)};
    cft_rec *reads[2];
    CFT_CHECK(t, names[0] && names[1]);
    for (uint32_t i = 0; i < 2; i++) {
        reads[i] = cft_new(t);
        cede_prep_read(reads[i]->req, names[i], cft_buffer(reads[i], 100), 100, CEDE_CURRENT);
        cft_submit_on(reads[i], loop);
    }
    CFT_CHECK(t, cft_run_on(loop, 0) == 0);
    for (uint32_t i = 0; i < 2; i++) {
        CFT_CHECK(t, hooks_kept.overlapped->Offset == 100 * i);
        hooks_read_now(hooks_kept.file, hooks_kept.buffer, hooks_kept.bytes, hooks_kept.overlapped);
        hooks_tell(t, 0, 0);
        hooks_await(t, loop, reads[i]);
        CFT_MOVED(t, reads[i], 100);
        CFT_CHECK(t, cft_filled(reads[i]->bytes, 100, 1, 100 * i));
    }
    cede_drop(names[1]);
}

static uint32_t write_half(void *file, const void *buffer, uint32_t bytes, void *overlapped)
{
    return real()->write_file(file, buffer, (bytes + 1) / 2, overlapped);
}

static uint32_t write_half_ex(void *file, const void *buffer, uint32_t bytes, void *overlapped,
                              void (*routine)(void))
{
    return real()->write_file_ex(file, buffer, (bytes + 1) / 2, overlapped, routine);
}

/* One transfer tells its count; a whole one goes on. */
CFT_CASE(short_write_is_told_as_it_was)
{
    static const cede_win32_calls calls = {.write_file = write_half,
                                           .write_file_ex = write_half_ex};
    unsigned char bytes[100], got[200];
    cede_loop *loop = hooks_open(t, &calls, 0, 0);
    cede_handle file = hooks_open_file(t, loop);
    cft_fill(bytes, sizeof bytes, 2, 0);
    cft_rec *one = cft_new(t);
    cede_prep_write(one->req, file, cft_input(one, bytes, 100), 100, 0);
    cft_submit_on(one, loop);
    hooks_await(t, loop, one);
    CFT_MOVED(t, one, 50);
    cft_rec *all = cft_new(t);
    cede_prep_write_all(all->req, file, cft_input(all, bytes, 100), 100, 100);
    cft_submit_on(all, loop);
    hooks_await(t, loop, all);
    CFT_MOVED(t, all, 100);
    CFT_CHECK(t, cft_file_read(t, "f", got, 200, 0) == 200);
    CFT_CHECK(t, memcmp(got, bytes, 50) == 0 && cft_filled(got + 50, 50, 1, 50));
    CFT_CHECK(t, memcmp(got + 100, bytes, 100) == 0);
}

#define NAMELESS 5999u /* no error of Windows has this number */

static uint32_t fail_oddly(void *file, void *buffer, uint32_t bytes, void *overlapped)
{
    (void)file;
    (void)buffer;
    (void)bytes;
    (void)overlapped;
    return NAMELESS;
}

static uint32_t fail_oddly_ex(void *file, void *buffer, uint32_t bytes, void *overlapped,
                              void (*routine)(void))
{
    (void)routine;
    return fail_oddly(file, buffer, bytes, overlapped);
}

CFT_CASE(error_without_a_name_keeps_its_number)
{
    static const cede_win32_calls calls = {.read_file = fail_oddly, .read_file_ex = fail_oddly_ex};
    cede_loop *loop = hooks_open(t, &calls, 0, 0);
    cft_rec *read = hooks_read_file(t, loop, hooks_open_file(t, loop), 0);
    hooks_await(t, loop, read);
    CFT_STATUS(t, read, CEDE_EUNKNOWN);
    CFT_CHECK(t, read->result.os_error == (int32_t)NAMELESS && read->result.count == 0);
}

/* ---- Cancels --------------------------------------------------------------------------------- */

static _Atomic uint32_t refusals;

static uint32_t lack_room(void *file, void *overlapped)
{
    if (atomic_load(&refusals) > 0) {
        atomic_fetch_sub(&refusals, 1);
        return ERROR_NO_SYSTEM_RESOURCES;
    }
    return real()->cancel_io_ex(file, overlapped);
}

CFT_CASE(cancel_that_the_system_has_no_room_for_is_repeated)
{
    static const cede_win32_calls calls = {.cancel_io_ex = lack_room};
    cede_loop *loop = hooks_open(t, &calls, 0, 0);
    cft_pipe pipe = cft_pipe_reader(t);
    cft_rec *read = hooks_read_pipe(t, loop, pipe.handle);
    atomic_store(&refusals, 5);
    cede_cancel(read->ticket);
    hooks_await(t, loop, read);
    CFT_ENDED(t, read, CEDE_ECANCELED, CEDE_BY_WISH);
    CFT_CHECK(t, atomic_load(&refusals) == 0);
}

/* ---- Calls that threads make ----------------------------------------------------------------- */

/* A read of an anonymous pipe, which a thread of its own makes; and that thread's way to it. */
struct stage {
    HANDLE in, out; /* the pipe */
    HANDLE thread;
    HANDLE arrived, go;        /* the thread stands before its call; it may make it */
    _Atomic uint32_t nameless; /* so often it does not learn its own name */
    _Atomic uint32_t attempts;
};

static int stand_before_the_call(void *context, const char *call)
{
    struct stage *stage = context;
    if (strcmp(call, "OpenThread") != 0)
        return 0;
    atomic_fetch_add(&stage->attempts, 1);
    if (atomic_load(&stage->nameless) > 0) {
        atomic_fetch_sub(&stage->nameless, 1);
        return ERROR_NOT_ENOUGH_MEMORY;
    }
    (void)DuplicateHandle(GetCurrentProcess(), GetCurrentThread(), GetCurrentProcess(),
                          &stage->thread, SYNCHRONIZE, FALSE, 0);
    (void)SetEvent(stage->arrived);
    (void)WaitForSingleObject(stage->go, INFINITE);
    return 0;
}

static void set_up(cft *t, struct stage *stage)
{
    memset(stage, 0, sizeof *stage);
    stage->arrived = CreateEventW(NULL, TRUE, FALSE, NULL);
    stage->go = CreateEventW(NULL, TRUE, FALSE, NULL);
    CFT_CHECK(t, stage->arrived && stage->go && CreatePipe(&stage->in, &stage->out, NULL, 4096));
}

static void clear_up(struct stage *stage)
{
    CloseHandle(stage->out);
    CloseHandle(stage->arrived);
    CloseHandle(stage->go);
    if (stage->thread)
        CloseHandle(stage->thread);
}

static cft_rec *read_by_thread(cft *t, cede_loop *loop, const struct stage *stage)
{
    cede_handle handle = cede_import((intptr_t)stage->in, CEDE_KIND_AUTO, 0);
    CFT_CHECK(t, handle != 0);
    return hooks_read_pipe(t, loop, handle);
}

static void arrive(cft *t, const struct stage *stage)
{
    CFT_CHECK(t, WaitForSingleObject(stage->arrived, 10000) == WAIT_OBJECT_0);
}

/* There is no call yet that could be stopped: then none is made. */
CFT_CASE(cancel_before_a_threads_call_begins_keeps_it_back)
{
    struct stage stage;
    set_up(t, &stage);
    cede_loop *loop = hooks_open_failing(t, NULL, stand_before_the_call, &stage);
    cft_rec *read = read_by_thread(t, loop, &stage);
    arrive(t, &stage);
    cede_cancel(read->ticket);
    CFT_CHECK(t, cft_run_on(loop, 0) == 0);
    SetEvent(stage.go);
    hooks_await(t, loop, read);
    CFT_ENDED(t, read, CEDE_ECANCELED, CEDE_BY_WISH);
    clear_up(&stage);
}

static uint32_t stops;

static uint32_t count_stops(void *thread)
{
    stops++;
    return real()->cancel_synchronous_io(thread);
}

/* Whatever the thread does next, or whoever has its number then, is left alone. */
CFT_CASE(cancel_after_a_threads_call_is_over_stops_nothing)
{
    static const cede_win32_calls calls = {.cancel_synchronous_io = count_stops};
    struct stage stage;
    DWORD wrote;
    stops = 0;
    set_up(t, &stage);
    SetEvent(stage.go);
    cede_loop *loop = hooks_open_failing(t, &calls, stand_before_the_call, &stage);
    cft_rec *read = read_by_thread(t, loop, &stage);
    arrive(t, &stage);
    CFT_CHECK(t, WriteFile(stage.out, "x", 1, &wrote, NULL) && wrote == 1);
    CFT_CHECK(t, WaitForSingleObject(stage.thread, 10000) == WAIT_OBJECT_0);
    CFT_CHECK(t, read->done == 0);
    cede_cancel(read->ticket);
    hooks_await(t, loop, read);
    CFT_MOVED(t, read, 1);
    CFT_CHECK(t, (read->result.flags & CEDE_CANCEL_ASKED) && stops == 0);
    clear_up(&stage);
}

/* There is data, and nobody has taken it: the wish is the result, or a buffer with all of it. */
static void wish_for_pool(cft *t, cede_item *item)
{
    struct stage stage;
    cede_pool *pool;
    DWORD count;
    set_up(t, &stage);
    cede_loop *loop = hooks_open_failing(t, NULL, stand_before_the_call, &stage);
    CFT_CHECK(t, cede_pool_open(loop, 1, 64, 0, &pool) == CEDE_OK);
    cede_handle handle = cede_import((intptr_t)stage.in, CEDE_KIND_AUTO, 0);
    cft_rec *recv = cft_new(t);
    if (item)
        cede_prep_recv_many(recv->req, handle, pool, CEDE_CREDIT_ALL, item);
    else
        cede_prep_recv_pool(recv->req, handle, pool);
    cft_submit_on(recv, loop);
    CFT_CHECK(t, cft_run_on(loop, 0) == 0);
    arrive(t, &stage);
    CFT_CHECK(t, WriteFile(stage.out, "hello", 5, &count, NULL) && count == 5);
    SetEvent(stage.go);
    CFT_CHECK(t, WaitForSingleObject(stage.thread, 10000) == WAIT_OBJECT_0);
    cede_cancel(recv->ticket);
    hooks_await(t, loop, recv);
    CFT_ENDED(t, recv, CEDE_ECANCELED, CEDE_BY_WISH);
    CFT_CHECK(t, recv->result.count == 0 && !recv->result.buffer && cede_pool_out(pool) == 0);
    CFT_CHECK(t, PeekNamedPipe(stage.in, NULL, 0, NULL, &count, NULL) && count == 5);
    cede_pool_close(pool);
    clear_up(&stage);
}

static void no_item(cede_req *req, cede_result item)
{
    (void)req;
    (void)item;
    abort();
}

CFT_CASE(wish_before_the_data_is_fetched_fetches_none)
{
    wish_for_pool(t, NULL);
    wish_for_pool(t, no_item);
}

/* A call that no cancel could reach would be a wish that is lost. */
CFT_CASE(call_that_nothing_could_stop_is_not_made)
{
    struct stage stage;
    set_up(t, &stage);
    atomic_store(&stage.nameless, 3);
    SetEvent(stage.go);
    cede_loop *loop = hooks_open_failing(t, NULL, stand_before_the_call, &stage);
    cft_rec *timer = cft_new(t); /* something is under way, so that a shortage may pass */
    cede_prep_timer(timer->req, 60 * CEDE_SECOND);
    cft_submit_on(timer, loop);
    cft_rec *read = read_by_thread(t, loop, &stage);
    while (atomic_load(&stage.attempts) < 4)
        CFT_CHECK(t, cft_run_on(loop, CEDE_MILLISECOND) == 0);
    arrive(t, &stage);
    cede_cancel(read->ticket);
    hooks_await(t, loop, read);
    CFT_ENDED(t, read, CEDE_ECANCELED, CEDE_BY_WISH);
    cede_cancel(timer->ticket);
    hooks_await(t, loop, timer);
    clear_up(&stage);
}

/* ---- Plain files ----------------------------------------------------------------------------- */

static _Atomic uint32_t plain_reads;

static int hold_the_first_read(void *context, const char *call)
{
    struct stage *stage = context;
    if (strcmp(call, "ReadFile") != 0 || atomic_fetch_add(&plain_reads, 1) > 0)
        return 0;
    (void)SetEvent(stage->arrived);
    (void)WaitForSingleObject(stage->go, INFINITE);
    return 0;
}

static cft_rec *read_plain(cft *t, cede_loop *loop, const char *name)
{
    const char *path = cft_file(t, name, "0123456789", 10, 0);
    HANDLE native = CreateFileA(path, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
    cede_handle file = cede_import((intptr_t)native, CEDE_KIND_AUTO, 0);
    CFT_CHECK(t, native != INVALID_HANDLE_VALUE && file != 0);
    cft_rec *read = cft_new(t);
    cede_prep_read(read->req, file, cft_buffer(read, 4), 4, 3);
    cft_submit_on(read, loop);
    CFT_CHECK(t, cft_run_on(loop, 0) >= 0);
    return read;
}

/* A call on one may hang, as where its server is gone. */
CFT_CASE(plain_files_do_not_wait_for_each_other)
{
    struct stage stage;
    set_up(t, &stage);
    atomic_store(&plain_reads, 0);
    cede_loop *loop = hooks_open_failing(t, NULL, hold_the_first_read, &stage);
    cft_rec *hangs = read_plain(t, loop, "hangs");
    arrive(t, &stage);
    cft_rec *other = read_plain(t, loop, "other");
    hooks_await(t, loop, other);
    CFT_MOVED(t, other, 4);
    CFT_CHECK(t, memcmp(other->bytes, "3456", 4) == 0 && hangs->done == 0);
    SetEvent(stage.go);
    hooks_await(t, loop, hangs);
    CFT_MOVED(t, hangs, 4);
    CloseHandle(stage.in);
    clear_up(&stage);
}
