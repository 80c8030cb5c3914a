/*
 * What Windows can do to a backend, each situation a case, on both lanes: results at once, late,
 * failed, doubled, denied; cancels that lie; wakes that cannot be posted; handles of other makes.
 * The backend's real code runs over hooks in the place of single system calls (cede/win32.h).
 *
 * A case's own hooks are static: a process runs one case at a time.
 */
#include "conformance.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include "cede/win32.h"

static const cede_win32_calls *real(void)
{
    return cede_win32_system_calls();
}

/* A loop of the world's lane, or the one that is named, over these calls. */
static cede_loop *open_over(cft *t, const cede_win32_calls *calls, uint32_t lane, uint32_t without)
{
    static cede_win32_config config;
    cede_options options;
    cft_options(t, &options);
    config = *(const cede_win32_config *)options.backend_config;
    config.calls = calls;
    config.lane = lane;
    config.without |= without;
    options.backend_config = &config;
    return cft_open(t, &options);
}

static void await_on(cft *t, cede_loop *loop, const cft_rec *rec)
{
    CFT_CHECK(t, cft_wait_on(loop, rec->ticket, 10 * CEDE_SECOND) == CEDE_OK);
    CFT_CHECK(t, cft_is_done(rec));
}

static cede_handle open_file(cft *t, cede_loop *loop)
{
    cft_file(t, "f", NULL, 4096, 1);
    cft_rec *open = cft_new(t);
    cede_prep_open(open->req, cft_path(t, "f"), CEDE_OPEN_READ | CEDE_OPEN_WRITE, 0);
    cft_submit_on(open, loop);
    await_on(t, loop, open);
    CFT_OK(t, open);
    return open->result.handle;
}

static cft_rec *read_file(cft *t, cede_loop *loop, cede_handle file, uint64_t offset)
{
    cft_rec *read = cft_new(t);
    cede_prep_read(read->req, file, cft_buffer(read, 100), 100, (int64_t)offset);
    cft_submit_on(read, loop);
    return read;
}

static cft_rec *read_pipe(cft *t, cede_loop *loop, cede_handle pipe)
{
    cft_rec *read = cft_new(t);
    cede_prep_read(read->req, pipe, cft_buffer(read, 16), 16, CEDE_CURRENT);
    cft_submit_on(read, loop);
    CFT_CHECK(t, cft_run_on(loop, 0) >= 0);
    return read;
}

/* ---- Cancels that lie ------------------------------------------------------------------------ */

static _Atomic uint32_t denials;

static uint32_t deny_some(void *file, void *overlapped)
{
    if (atomic_load(&denials) > 0) {
        atomic_fetch_sub(&denials, 1);
        return ERROR_NOT_FOUND;
    }
    return real()->cancel_io_ex(file, overlapped);
}

/* The system says "not found" though the read lives on: the wish stands until its own report. */
CFT_CASE(cancel_that_finds_nothing_is_repeated)
{
    static const cede_win32_calls calls = {.cancel_io_ex = deny_some};
    cede_loop *loop = open_over(t, &calls, 0, 0);
    cft_pipe pipe = cft_pipe_reader(t);
    cft_rec *read = read_pipe(t, loop, pipe.handle);
    atomic_store(&denials, 5);
    cede_cancel(read->ticket);
    await_on(t, loop, read);
    CFT_ENDED(t, read, CEDE_ECANCELED, CEDE_BY_WISH);
    CFT_CHECK(t, atomic_load(&denials) == 0);
}

static uint32_t say_yes(void *file, void *overlapped)
{
    (void)file;
    (void)overlapped;
    return 0;
}

/* It says yes, and the read completes all the same: the result is the truth. */
CFT_CASE(cancel_that_says_yes_and_is_too_late_changes_nothing)
{
    static const cede_win32_calls calls = {.cancel_io_ex = say_yes};
    cede_loop *loop = open_over(t, &calls, 0, 0);
    cft_pipe pipe = cft_pipe_reader(t);
    cft_rec *read = read_pipe(t, loop, pipe.handle);
    cede_cancel(read->ticket);
    CFT_CHECK(t, cft_run_on(loop, 2 * CEDE_MILLISECOND) == 0);
    cft_peer_write(t, &pipe, "late", 4);
    await_on(t, loop, read);
    CFT_MOVED(t, read, 4);
    CFT_CHECK(t, read->result.flags & CEDE_CANCEL_ASKED);
    CFT_CHECK(t, memcmp(read->bytes, "late", 4) == 0);
}

/* ---- Results at once ------------------------------------------------------------------------- */

static uint32_t calls_made, packets_made;
static bool sends_packets;
static void *last_port;

static uint32_t remember_port(void *file, void *port, uintptr_t key, void **out)
{
    if (port)
        last_port = port;
    return real()->create_port(file, port, key, out);
}

/* Reads by a call of its own, and says that it happened. */
static void read_now(void *file, void *buffer, uint32_t bytes, OVERLAPPED *overlapped)
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

static uint32_t succeed_at_once(void *file, void *buffer, uint32_t bytes, void *overlapped)
{
    calls_made++;
    read_now(file, buffer, bytes, overlapped);
    if (sends_packets && real()->post_completion(last_port, bytes, 1, overlapped) == 0)
        packets_made++;
    return 0;
}

static void expect_all_once(cft *t, cede_loop *loop, cede_handle file)
{
    enum { READS = 50 };
    cft_rec *all[READS];
    calls_made = packets_made = 0;
    for (uint32_t i = 0; i < READS; i++)
        all[i] = read_file(t, loop, file, i);
    CFT_CHECK(t, cft_run_on(loop, 10 * CEDE_SECOND) == READS);
    for (uint32_t i = 0; i < READS; i++) {
        CFT_MOVED(t, all[i], 100);
        CFT_CHECK(t, cft_filled(all[i]->bytes, 100, 1, i));
    }
    CFT_CHECK(t, cft_run_on(loop, 0) == 0);
    CFT_CHECK(t, calls_made == READS);
}

/* Skip-on-success is set: success sends no packet, and none is waited for. */
CFT_CASE(success_at_once_without_a_packet_is_not_lost)
{
    static const cede_win32_calls calls = {.read_file = succeed_at_once,
                                           .create_port = remember_port};
    cede_loop *loop = open_over(t, &calls, CEDE_WIN32_LANE_PORT, 0);
    sends_packets = false;
    expect_all_once(t, loop, open_file(t, loop));
}

/* It is not set: success sends a packet, and is told by that alone. */
CFT_CASE(success_at_once_with_a_packet_is_not_doubled)
{
    static const cede_win32_calls calls = {.read_file = succeed_at_once,
                                           .create_port = remember_port};
    cede_loop *loop = open_over(t, &calls, CEDE_WIN32_LANE_PORT, CEDE_WIN32_NO_SKIP_ON_SUCCESS);
    sends_packets = true;
    expect_all_once(t, loop, open_file(t, loop));
    CFT_CHECK(t, packets_made == calls_made);
}

/* ---- Results that come late ------------------------------------------------------------------ */

typedef struct pending {
    void *file, *buffer;
    OVERLAPPED *overlapped;
    void (*routine)(DWORD, DWORD, LPOVERLAPPED);
    uint32_t bytes;
} pending;

static pending kept;
static uint32_t asked; /* how often one was kept */

static uint32_t keep(void *file, void *buffer, uint32_t bytes, void *overlapped)
{
    kept = (pending){file, buffer, overlapped, NULL, bytes};
    asked++;
    return ERROR_IO_PENDING;
}

static uint32_t keep_ex(void *file, void *buffer, uint32_t bytes, void *overlapped,
                        void (*routine)(void))
{
    kept =
        (pending){file, buffer, overlapped, (void (*)(DWORD, DWORD, LPOVERLAPPED))routine, bytes};
    asked++;
    return 0;
}

static void CALLBACK run_routine(ULONG_PTR error)
{
    kept.routine((DWORD)error, (DWORD)kept.overlapped->InternalHigh, kept.overlapped);
}

/* The system's word about what was kept, in either lane. */
static void tell(cft *t, uint32_t error, ULONG_PTR status)
{
    kept.overlapped->Internal = status;
    if (kept.routine)
        CFT_CHECK(t, QueueUserAPC(run_routine, GetCurrentThread(), error));
    else
        CFT_CHECK(t, real()->post_completion(last_port, 0, 1, kept.overlapped) == 0);
}

static const cede_win32_calls keeping = {
    .read_file = keep, .read_file_ex = keep_ex, .create_port = remember_port};

CFT_CASE(file_read_that_pends_is_told_by_its_own_word)
{
    cede_loop *loop = open_over(t, &keeping, 0, 0);
    cft_rec *read = read_file(t, loop, open_file(t, loop), 7);
    CFT_CHECK(t, cft_run_on(loop, 2 * CEDE_MILLISECOND) == 0);
    CFT_CHECK(t, kept.overlapped && read->done == 0);
    read_now(kept.file, kept.buffer, kept.bytes, kept.overlapped);
    CFT_CHECK(t, cft_run_on(loop, 2 * CEDE_MILLISECOND) == 0); /* status is no evidence */
    tell(t, 0, 0);
    await_on(t, loop, read);
    CFT_MOVED(t, read, 100);
    CFT_CHECK(t, cft_filled(read->bytes, 100, 1, 7));
}

/* A packet (routine) of a failure is a report like any other. */
CFT_CASE(packet_of_a_failure_is_delivered)
{
    cede_loop *loop = open_over(t, &keeping, 0, 0);
    cft_rec *read = read_file(t, loop, open_file(t, loop), 0);
    CFT_CHECK(t, cft_run_on(loop, 0) == 0);
    tell(t, ERROR_IO_DEVICE, 0xC0000185); /* STATUS_IO_DEVICE_ERROR */
    await_on(t, loop, read);
    CFT_STATUS(t, read, CEDE_EIO);
    CFT_CHECK(t, read->result.os_error == ERROR_IO_DEVICE && read->result.count == 0);
}

/* What the system gives up by itself is begun anew: nobody wished for it. */
CFT_CASE(transfer_aborted_by_the_system_is_begun_anew)
{
    cede_loop *loop = open_over(t, &keeping, 0, 0);
    cft_rec *read = read_file(t, loop, open_file(t, loop), 0);
    CFT_CHECK(t, cft_run_on(loop, 0) == 0);
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t before = asked;
        uint64_t limit = cede_now(loop) + 10 * CEDE_SECOND;
        tell(t, ERROR_OPERATION_ABORTED, 0xC0000120); /* STATUS_CANCELLED */
        while (asked == before && cede_now(loop) < limit)
            CFT_CHECK(t, cft_run_on(loop, CEDE_MILLISECOND) == 0);
        CFT_CHECK(t, asked == before + 1 && kept.overlapped->Internal == 0x103);
    }
    read_now(kept.file, kept.buffer, kept.bytes, kept.overlapped);
    tell(t, 0, 0);
    await_on(t, loop, read);
    CFT_MOVED(t, read, 100);
}

/* Packets that no transfer waits for: of one that lives on, and of one that is over. */
CFT_CASE(packet_that_nobody_waits_for_is_dropped)
{
    static const cede_win32_calls calls = {
        .create_port = remember_port, .read_file = keep, .read_file_ex = keep_ex};
    cede_loop *loop = open_over(t, &calls, 0, 0);
    cede_handle file = open_file(t, loop);
    cft_rec *read = read_file(t, loop, file, 0);
    CFT_CHECK(t, cft_run_on(loop, 0) == 0);
    if (!kept.routine) {
        CFT_CHECK(t, real()->post_completion(last_port, 0, 1, kept.overlapped) == 0);
        CFT_CHECK(t, cft_run_on(loop, 2 * CEDE_MILLISECOND) == 0);
        CFT_CHECK(t, read->done == 0);
    }
    read_now(kept.file, kept.buffer, kept.bytes, kept.overlapped);
    tell(t, 0, 0);
    tell(t, 0, 0);
    await_on(t, loop, read);
    cft_rec *next = read_file(t, loop, file, 0); /* its record may be the same */
    CFT_CHECK(t, cft_run_on(loop, 2 * CEDE_MILLISECOND) == 0);
    CFT_CHECK(t, next->done == 0);
    read_now(kept.file, kept.buffer, kept.bytes, kept.overlapped);
    tell(t, 0, 0);
    await_on(t, loop, next);
    CFT_MOVED(t, next, 100);
}

/* ---- Shortage -------------------------------------------------------------------------------- */

static uint32_t shortages;

static uint32_t lack_some(void *file, void *buffer, uint32_t bytes, void *overlapped)
{
    if (shortages > 0) {
        shortages--;
        return ERROR_NO_SYSTEM_RESOURCES;
    }
    return real()->read_file(file, buffer, bytes, overlapped);
}

static uint32_t lack_some_ex(void *file, void *buffer, uint32_t bytes, void *overlapped,
                             void (*routine)(void))
{
    if (shortages > 0) {
        shortages--;
        return ERROR_INVALID_USER_BUFFER; /* "too many requests" */
    }
    return real()->read_file_ex(file, buffer, bytes, overlapped, routine);
}

CFT_CASE(shortage_in_a_transfer_is_waited_out)
{
    static const cede_win32_calls calls = {.read_file = lack_some, .read_file_ex = lack_some_ex};
    cede_loop *loop = open_over(t, &calls, 0, 0);
    cede_handle file = open_file(t, loop);
    cft_rec *timer = cft_new(t); /* something is under way */
    cede_prep_timer(timer->req, 200 * CEDE_MILLISECOND);
    cft_submit_on(timer, loop);
    cft_rec *others[4];
    shortages = 3;
    for (uint32_t i = 0; i < 4; i++)
        others[i] = read_file(t, loop, file, i);
    for (uint32_t i = 0; i < 4; i++) {
        await_on(t, loop, others[i]);
        CFT_MOVED(t, others[i], 100);
    }
    CFT_CHECK(t, shortages == 0);
    cede_cancel(timer->ticket);
    await_on(t, loop, timer);
}

/* ---- Wakes ----------------------------------------------------------------------------------- */

static uint32_t refuse_post(void *port, uint32_t bytes, uintptr_t key, void *overlapped)
{
    (void)port;
    (void)bytes;
    (void)key;
    (void)overlapped;
    return ERROR_NO_SYSTEM_RESOURCES;
}

struct poster {
    cft_rec *rec;
    cede_loop *loop;
};

static void stop_its_loop(cft_rec *rec)
{
    cede_stop(rec->loop);
}

static void post(void *context)
{
    struct poster *poster = context;
    cft_submit_remote(poster->rec, poster->loop);
}

/* A wake must not depend on a packet that has to be allocated. */
CFT_CASE(wake_that_cannot_be_posted_comes_all_the_same)
{
    static const cede_win32_calls calls = {.post_completion = refuse_post};
    cede_loop *loop = open_over(t, &calls, 0, 0);
    cft_pipe pipe = cft_pipe_reader(t);
    cft_rec *read = read_pipe(t, loop, pipe.handle); /* keeps the loop from being idle */
    for (uint32_t i = 0; i < 20; i++) {
        struct poster poster = {cft_new(t), loop};
        cede_prep_nop(poster.rec->req);
        poster.rec->then = stop_its_loop;
        cft_thread(t, post, &poster);
        CFT_CHECK(t, cft_run_on(loop, CEDE_FOREVER) == 1);
        cft_join(t);
        CFT_OK(t, poster.rec);
    }
    cede_cancel(read->ticket);
    await_on(t, loop, read);
}

/* ---- Sleep ----------------------------------------------------------------------------------- */

static uint32_t longest_ms;

static uint32_t note_timeout(void *port, void *entries, uint32_t most, uint32_t *count,
                             uint32_t timeout_ms, int alertable)
{
    if (timeout_ms > longest_ms)
        longest_ms = timeout_ms;
    return real()->get_completions(port, entries, most, count, timeout_ms, alertable);
}

/* A fine timer ends a sleep sooner; that it does is not what the end hangs on. */
CFT_CASE(sleep_with_an_end_has_it_without_a_timer_too)
{
    static const cede_win32_calls calls = {.get_completions = note_timeout};
    cede_loop *loop = open_over(t, &calls, 0, 0);
    cft_rec *timer = cft_new(t);
    longest_ms = 0;
    cede_prep_timer(timer->req, 3 * CEDE_MILLISECOND);
    cft_submit_on(timer, loop);
    await_on(t, loop, timer);
    CFT_CHECK(t, longest_ms > 0 && longest_ms < 1000);
}

/* ---- Unbuffered files ------------------------------------------------------------------------ */

static uint32_t vectors_made;

/* What Windows says of an unbuffered file, and Wine does not. */
static bool is_crooked(const void *buffer, uint32_t bytes)
{
    vectors_made++;
    return (uintptr_t)buffer % 4096 || bytes % 4096;
}

static uint32_t read_straight(void *file, void *buffer, uint32_t bytes, void *overlapped)
{
    return is_crooked(buffer, bytes) ? ERROR_INVALID_PARAMETER
                                     : real()->read_file(file, buffer, bytes, overlapped);
}

static uint32_t read_straight_ex(void *file, void *buffer, uint32_t bytes, void *overlapped,
                                 void (*routine)(void))
{
    return is_crooked(buffer, bytes)
               ? ERROR_INVALID_PARAMETER
               : real()->read_file_ex(file, buffer, bytes, overlapped, routine);
}

static uint32_t write_straight(void *file, const void *buffer, uint32_t bytes, void *overlapped)
{
    return is_crooked(buffer, bytes) ? ERROR_INVALID_PARAMETER
                                     : real()->write_file(file, buffer, bytes, overlapped);
}

static uint32_t write_straight_ex(void *file, const void *buffer, uint32_t bytes, void *overlapped,
                                  void (*routine)(void))
{
    return is_crooked(buffer, bytes)
               ? ERROR_INVALID_PARAMETER
               : real()->write_file_ex(file, buffer, bytes, overlapped, routine);
}

/* Two pieces in whole sectors: what is between them and the file is aligned, too. */
CFT_CASE(vectors_of_unbuffered_files_are_aligned)
{
    static const cede_win32_calls calls = {.read_file = read_straight,
                                           .read_file_ex = read_straight_ex,
                                           .write_file = write_straight,
                                           .write_file_ex = write_straight_ex};
    cede_loop *loop = open_over(t, &calls, 0, 0);
    cft_file(t, "f", NULL, 16384, 1);
    cft_rec *open = cft_new(t);
    cede_prep_open(open->req, cft_path(t, "f"), CEDE_OPEN_READ | CEDE_OPEN_WRITE | CEDE_OPEN_DIRECT,
                   0);
    cft_submit_on(open, loop);
    await_on(t, loop, open);
    CFT_OK(t, open);
    unsigned char *memory = VirtualAlloc(NULL, 16384, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
    cede_vec pieces[2] = {{memory, 4096}, {memory + 8192, 4096}};
    vectors_made = 0;
    for (uint32_t i = 0; i < 2; i++) {
        cft_rec *rec = cft_new(t);
        if (i == 0)
            cede_prep_readv(rec->req, open->result.handle, pieces, 2, 4096);
        else
            cede_prep_writev(rec->req, open->result.handle, pieces, 2, 0);
        cft_submit_on(rec, loop);
        await_on(t, loop, rec);
        CFT_MOVED(t, rec, 8192);
        CFT_CHECK(t, cft_filled(memory, 4096, 1, 4096) && cft_filled(memory + 8192, 4096, 1, 8192));
    }
    CFT_CHECK(t, vectors_made == 2);
    VirtualFree(memory, 0, MEM_RELEASE);
}
