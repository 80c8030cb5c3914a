/*
 * What Windows can do to a backend, each situation a case, on both lanes: results at once, late,
 * failed, doubled, denied; cancels that lie; wakes that cannot be posted; handles of other makes.
 * The backend's real code runs over hooks in the place of single system calls (cede/win32.h).
 *
 * A case's own hooks are static: a process runs one case at a time.
 */
#include "hooks_win32.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* ---- Cancels that lie ------------------------------------------------------------------------ */

static _Atomic uint32_t denials;

static uint32_t deny_some(void *file, void *overlapped)
{
    if (atomic_load(&denials) > 0) {
        atomic_fetch_sub(&denials, 1);
        return ERROR_NOT_FOUND;
    }
    return cede_win32_system_calls()->cancel_io_ex(file, overlapped);
}

/* The system says "not found" though the read lives on: the wish stands until its own report. */
CFT_CASE(cancel_that_finds_nothing_is_repeated)
{
    static const cede_win32_calls calls = {.cancel_io_ex = deny_some};
    cede_loop *loop = hooks_open(t, &calls, 0, 0);
    cft_pipe pipe = cft_pipe_reader(t);
    cft_rec *read = hooks_read_pipe(t, loop, pipe.handle);
    atomic_store(&denials, 5);
    cede_cancel(read->ticket);
    hooks_await(t, loop, read);
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
    cede_loop *loop = hooks_open(t, &calls, 0, 0);
    cft_pipe pipe = cft_pipe_reader(t);
    cft_rec *read = hooks_read_pipe(t, loop, pipe.handle);
    cede_cancel(read->ticket);
    CFT_CHECK(t, cft_run_on(loop, 2 * CEDE_MILLISECOND) == 0);
    cft_peer_write(t, &pipe, "late", 4);
    hooks_await(t, loop, read);
    CFT_MOVED(t, read, 4);
    CFT_CHECK(t, read->result.flags & CEDE_CANCEL_ASKED);
    CFT_CHECK(t, memcmp(read->bytes, "late", 4) == 0);
}

/* ---- Results at once ------------------------------------------------------------------------- */

static uint32_t calls_made, packets_made;
static bool sends_packets;

static uint32_t succeed_at_once(void *file, void *buffer, uint32_t bytes, void *overlapped)
{
    calls_made++;
    hooks_read_now(file, buffer, bytes, overlapped);
    if (sends_packets &&
        cede_win32_system_calls()->post_completion(hooks_port, bytes, 1, overlapped) == 0)
        packets_made++;
    return 0;
}

static void expect_all_once(cft *t, cede_loop *loop, cede_handle file)
{
    enum { READS = 50 };
    cft_rec *all[READS];
    calls_made = packets_made = 0;
    for (uint32_t i = 0; i < READS; i++)
        all[i] = hooks_read_file(t, loop, file, i);
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
                                           .create_port = hooks_create_port};
    cede_loop *loop = hooks_open(t, &calls, CEDE_WIN32_LANE_PORT, 0);
    sends_packets = false;
    expect_all_once(t, loop, hooks_open_file(t, loop));
}

/* It is not set: success sends a packet, and is told by that alone. */
CFT_CASE(success_at_once_with_a_packet_is_not_doubled)
{
    static const cede_win32_calls calls = {.read_file = succeed_at_once,
                                           .create_port = hooks_create_port};
    cede_loop *loop = hooks_open(t, &calls, CEDE_WIN32_LANE_PORT, CEDE_WIN32_NO_SKIP_ON_SUCCESS);
    sends_packets = true;
    expect_all_once(t, loop, hooks_open_file(t, loop));
    CFT_CHECK(t, packets_made == calls_made);
}

/* ---- Results that come late ------------------------------------------------------------------ */

CFT_CASE(file_read_that_pends_is_told_by_its_own_word)
{
    cede_loop *loop = hooks_open(t, &hooks_keeping, 0, 0);
    cft_rec *read = hooks_read_file(t, loop, hooks_open_file(t, loop), 7);
    CFT_CHECK(t, cft_run_on(loop, 2 * CEDE_MILLISECOND) == 0);
    CFT_CHECK(t, hooks_kept.overlapped && read->done == 0);
    hooks_read_now(hooks_kept.file, hooks_kept.buffer, hooks_kept.bytes, hooks_kept.overlapped);
    CFT_CHECK(t, cft_run_on(loop, 2 * CEDE_MILLISECOND) == 0); /* status is no evidence */
    hooks_tell(t, 0, 0);
    hooks_await(t, loop, read);
    CFT_MOVED(t, read, 100);
    CFT_CHECK(t, cft_filled(read->bytes, 100, 1, 7));
}

/* A packet (routine) of a failure is a report like any other. */
CFT_CASE(packet_of_a_failure_is_delivered)
{
    cede_loop *loop = hooks_open(t, &hooks_keeping, 0, 0);
    cft_rec *read = hooks_read_file(t, loop, hooks_open_file(t, loop), 0);
    CFT_CHECK(t, cft_run_on(loop, 0) == 0);
    hooks_tell(t, ERROR_IO_DEVICE, 0xC0000185); /* STATUS_IO_DEVICE_ERROR */
    hooks_await(t, loop, read);
    CFT_STATUS(t, read, CEDE_EIO);
    CFT_CHECK(t, read->result.os_error == ERROR_IO_DEVICE && read->result.count == 0);
}

/* What the system gives up by itself is begun anew: nobody wished for it. */
CFT_CASE(transfer_aborted_by_the_system_is_begun_anew)
{
    cede_loop *loop = hooks_open(t, &hooks_keeping, 0, 0);
    cft_rec *read = hooks_read_file(t, loop, hooks_open_file(t, loop), 0);
    CFT_CHECK(t, cft_run_on(loop, 0) == 0);
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t before = hooks_asked;
        uint64_t limit = cede_now(loop) + 10 * CEDE_SECOND;
        hooks_tell(t, ERROR_OPERATION_ABORTED, 0xC0000120); /* STATUS_CANCELLED */
        while (hooks_asked == before && cede_now(loop) < limit)
            CFT_CHECK(t, cft_run_on(loop, CEDE_MILLISECOND) == 0);
        CFT_CHECK(t, hooks_asked == before + 1 && hooks_kept.overlapped->Internal == 0x103);
    }
    hooks_read_now(hooks_kept.file, hooks_kept.buffer, hooks_kept.bytes, hooks_kept.overlapped);
    hooks_tell(t, 0, 0);
    hooks_await(t, loop, read);
    CFT_MOVED(t, read, 100);
}

/* Packets that no transfer waits for: of one that lives on, and of one that is over. */
CFT_CASE(packet_that_nobody_waits_for_is_dropped)
{
    cede_loop *loop = hooks_open(t, &hooks_keeping, 0, 0);
    cede_handle file = hooks_open_file(t, loop);
    cft_rec *read = hooks_read_file(t, loop, file, 0);
    CFT_CHECK(t, cft_run_on(loop, 0) == 0);
    if (!hooks_kept.routine) {
        CFT_CHECK(t, cede_win32_system_calls()->post_completion(hooks_port, 0, 1,
                                                                hooks_kept.overlapped) == 0);
        CFT_CHECK(t, cft_run_on(loop, 2 * CEDE_MILLISECOND) == 0);
        CFT_CHECK(t, read->done == 0);
    }
    hooks_read_now(hooks_kept.file, hooks_kept.buffer, hooks_kept.bytes, hooks_kept.overlapped);
    hooks_tell(t, 0, 0);
    hooks_tell(t, 0, 0);
    hooks_await(t, loop, read);
    cft_rec *next = hooks_read_file(t, loop, file, 0); /* its record may be the same */
    CFT_CHECK(t, cft_run_on(loop, 2 * CEDE_MILLISECOND) == 0);
    CFT_CHECK(t, next->done == 0);
    hooks_read_now(hooks_kept.file, hooks_kept.buffer, hooks_kept.bytes, hooks_kept.overlapped);
    hooks_tell(t, 0, 0);
    hooks_await(t, loop, next);
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
    return cede_win32_system_calls()->read_file(file, buffer, bytes, overlapped);
}

static uint32_t lack_some_ex(void *file, void *buffer, uint32_t bytes, void *overlapped,
                             void (*routine)(void))
{
    if (shortages > 0) {
        shortages--;
        return ERROR_INVALID_USER_BUFFER; /* "too many requests" */
    }
    return cede_win32_system_calls()->read_file_ex(file, buffer, bytes, overlapped, routine);
}

CFT_CASE(shortage_in_a_transfer_is_waited_out)
{
    static const cede_win32_calls calls = {.read_file = lack_some, .read_file_ex = lack_some_ex};
    cede_loop *loop = hooks_open(t, &calls, 0, 0);
    cede_handle file = hooks_open_file(t, loop);
    cft_rec *timer = cft_new(t); /* something is under way */
    cede_prep_timer(timer->req, 200 * CEDE_MILLISECOND);
    cft_submit_on(timer, loop);
    cft_rec *others[4];
    shortages = 3;
    for (uint32_t i = 0; i < 4; i++)
        others[i] = hooks_read_file(t, loop, file, i);
    for (uint32_t i = 0; i < 4; i++) {
        hooks_await(t, loop, others[i]);
        CFT_MOVED(t, others[i], 100);
    }
    CFT_CHECK(t, shortages == 0);
    cede_cancel(timer->ticket);
    hooks_await(t, loop, timer);
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
    cede_loop *loop = hooks_open(t, &calls, 0, 0);
    cft_pipe pipe = cft_pipe_reader(t);
    cft_rec *read = hooks_read_pipe(t, loop, pipe.handle); /* keeps the loop from being idle */
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
    hooks_await(t, loop, read);
}

struct doorstep {
    cft *t;
    struct poster poster;
    bool armed;
};

static int before_call(void *context, const char *call)
{
    struct doorstep *door = context;
    if (door->armed && strcmp(call, "GetQueuedCompletionStatusEx") == 0) {
        door->armed = false;
        cft_thread(door->t, post, &door->poster);
        cft_join(door->t);
    }
    return 0;
}

/* The loop has looked for the last time and is about to enter the kernel to sleep. */
CFT_CASE(post_on_the_doorstep_of_the_port_ends_the_sleep)
{
    struct doorstep *door = cft_alloc(t, sizeof *door);
    cede_loop *loop = hooks_open_failing(t, NULL, before_call, door);
    cft_pipe pipe = cft_pipe_reader(t);
    cft_rec *read = hooks_read_pipe(t, loop, pipe.handle);
    door->t = t;
    door->poster.loop = loop;
    for (uint32_t i = 0; i < 20; i++) {
        door->poster.rec = cft_new(t);
        door->poster.rec->then = stop_its_loop;
        cede_prep_nop(door->poster.rec->req);
        door->armed = true;
        CFT_CHECK(t, cft_run_on(loop, CEDE_FOREVER) == 1);
        CFT_CHECK(t, !door->armed && door->poster.rec->done == 1);
    }
    cede_cancel(read->ticket);
    hooks_await(t, loop, read);
}

static atomic_bool no_room;

static int refuse_wakes(void *context, const char *call)
{
    (void)context;
    return atomic_load(&no_room) && (strcmp(call, "PostQueuedCompletionStatus") == 0 ||
                                     strcmp(call, "ConnectNamedPipe") == 0)
               ? ERROR_NO_SYSTEM_RESOURCES
               : 0;
}

/* Who waits in a loop of their own sleeps on an event, which needs no room; also while neither a
 * packet is to be had nor the pipe whose end is one. */
CFT_CASE(wake_of_a_foreign_loop_needs_no_room_at_all)
{
    atomic_store(&no_room, false);
    cede_loop *loop = hooks_open_failing(t, NULL, refuse_wakes, NULL);
    cft_pipe pipe = cft_pipe_reader(t);
    cft_rec *read = hooks_read_pipe(t, loop, pipe.handle);
    for (uint32_t i = 0; i < 10; i++) {
        struct poster poster = {cft_new(t), loop};
        HANDLE event = (HANDLE)cede_loop_waitable(loop, NULL);
        CFT_CHECK(t, (intptr_t)event > 0);
        cede_prep_nop(poster.rec->req);
        atomic_store(&no_room, i < 8);
        cft_thread(t, post, &poster);
        CFT_CHECK(t, WaitForSingleObjectEx(event, 10000, TRUE) != WAIT_TIMEOUT);
        while (!cft_is_done(poster.rec))
            CFT_CHECK(t, cft_run_on(loop, 0) >= 0);
        cft_join(t);
        CFT_OK(t, poster.rec);
    }
    cede_cancel(read->ticket);
    hooks_await(t, loop, read);
}

/* ---- Sleep ----------------------------------------------------------------------------------- */

static uint32_t longest_ms;

static uint32_t note_timeout(void *port, void *entries, uint32_t most, uint32_t *count,
                             uint32_t timeout_ms, int alertable)
{
    if (timeout_ms > longest_ms)
        longest_ms = timeout_ms;
    return cede_win32_system_calls()->get_completions(port, entries, most, count, timeout_ms,
                                                      alertable);
}

/* A fine timer ends a sleep sooner; that it does is not what the end hangs on. */
CFT_CASE(sleep_with_an_end_has_it_without_a_timer_too)
{
    static const cede_win32_calls calls = {.get_completions = note_timeout};
    cede_loop *loop = hooks_open(t, &calls, 0, 0);
    cft_rec *timer = cft_new(t);
    longest_ms = 0;
    cede_prep_timer(timer->req, 3 * CEDE_MILLISECOND);
    cft_submit_on(timer, loop);
    hooks_await(t, loop, timer);
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
    return is_crooked(buffer, bytes)
               ? ERROR_INVALID_PARAMETER
               : cede_win32_system_calls()->read_file(file, buffer, bytes, overlapped);
}

static uint32_t read_straight_ex(void *file, void *buffer, uint32_t bytes, void *overlapped,
                                 void (*routine)(void))
{
    return is_crooked(buffer, bytes)
               ? ERROR_INVALID_PARAMETER
               : cede_win32_system_calls()->read_file_ex(file, buffer, bytes, overlapped, routine);
}

static uint32_t write_straight(void *file, const void *buffer, uint32_t bytes, void *overlapped)
{
    return is_crooked(buffer, bytes)
               ? ERROR_INVALID_PARAMETER
               : cede_win32_system_calls()->write_file(file, buffer, bytes, overlapped);
}

static uint32_t write_straight_ex(void *file, const void *buffer, uint32_t bytes, void *overlapped,
                                  void (*routine)(void))
{
    return is_crooked(buffer, bytes)
               ? ERROR_INVALID_PARAMETER
               : cede_win32_system_calls()->write_file_ex(file, buffer, bytes, overlapped, routine);
}

/* Two pieces in whole sectors: what is between them and the file is aligned, too. */
CFT_CASE(vectors_of_unbuffered_files_are_aligned)
{
    static const cede_win32_calls calls = {.read_file = read_straight,
                                           .read_file_ex = read_straight_ex,
                                           .write_file = write_straight,
                                           .write_file_ex = write_straight_ex};
    cede_loop *loop = hooks_open(t, &calls, 0, 0);
    cft_file(t, "f", NULL, 16384, 1);
    cft_rec *open = cft_new(t);
    cede_prep_open(open->req, cft_path(t, "f"), CEDE_OPEN_READ | CEDE_OPEN_WRITE | CEDE_OPEN_DIRECT,
                   0);
    cft_submit_on(open, loop);
    hooks_await(t, loop, open);
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
        hooks_await(t, loop, rec);
        CFT_MOVED(t, rec, 8192);
        CFT_CHECK(t, cft_filled(memory, 4096, 1, 4096) && cft_filled(memory + 8192, 4096, 1, 8192));
    }
    CFT_CHECK(t, vectors_made == 2);
    VirtualFree(memory, 0, MEM_RELEASE);
}
