/*
 * APCs, the program's and the backend's own, and the situation that this library comes from: cases
 * of the Windows lanes.
 */
#include "conformance.h"
#include "os.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

static void await_on(cft *t, cede_loop *loop, const cft_rec *rec)
{
    CFT_CHECK(t, cft_wait_on(loop, rec->ticket, 10 * CEDE_SECOND) == CEDE_OK);
    CFT_CHECK(t, cft_is_done(rec));
}

static cft_rec *read_pipe(cft *t, cede_loop *loop, cede_handle pipe)
{
    cft_rec *read = cft_new(t);
    cede_prep_read(read->req, pipe, cft_buffer(read, 16), 16, CEDE_CURRENT);
    cft_submit_on(read, loop);
    CFT_CHECK(t, cft_run_on(loop, 0) >= 0);
    return read;
}

/* An alertable wait for what does not come: runs the APCs that are there. */
static void be_alertable(DWORD at_most_ms)
{
    (void)WaitForSingleObjectEx(GetCurrentProcess(), at_most_ms, TRUE);
}

static uint32_t apcs_run;

static void CALLBACK count_apc(ULONG_PTR context)
{
    (void)context;
    apcs_run++;
}

/* Somebody else's, queued to the loop's thread. */
CFT_CASE(foreign_apcs_run_and_disturb_nothing)
{
    cft_pipe pipe = cft_pipe_reader(t);
    cede_loop *loop = cft_loop(t);
    apcs_run = 0;
    for (uint32_t i = 0; i < 20; i++) {
        CFT_CHECK(t, QueueUserAPC(count_apc, GetCurrentThread(), 0));
        cft_rec *read = read_pipe(t, loop, pipe.handle);
        CFT_CHECK(t, QueueUserAPC(count_apc, GetCurrentThread(), 0));
        CFT_CHECK(t, cft_run_on(loop, CEDE_MILLISECOND) == 0);
        CFT_CHECK(t, cft_peer_write(t, &pipe, "x", 1) == 1);
        await_on(t, loop, read);
        CFT_MOVED(t, read, 1);
    }
    be_alertable(0);
    CFT_CHECK(t, apcs_run == 40);
}

static void CALLBACK stop_in_apc(ULONG_PTR loop)
{
    cede_stop((cede_loop *)loop);
}

/* Nothing of the library's reports by a routine, and the sleep has no end. */
CFT_CASE(foreign_apcs_run_in_a_sleep_without_end)
{
    cede_loop *loop = cft_loop(t);
    cft_rec *pend = cft_new(t);
    cede_prep_pend(pend->req);
    cft_submit_on(pend, loop);
    CFT_CHECK(t, cft_run_on(loop, 0) == 0);
    CFT_CHECK(t, QueueUserAPC(stop_in_apc, GetCurrentThread(), (ULONG_PTR)loop));
    CFT_CHECK(t, cft_run_on(loop, CEDE_FOREVER) == 0);
    cede_complete(pend->ticket, CEDE_OK, 0);
    await_on(t, loop, pend);
}

static void CALLBACK close_in_apc(ULONG_PTR loop)
{
    (void)cede_loop_close((cede_loop *)loop, CEDE_SECOND);
}

static void CALLBACK run_in_apc(ULONG_PTR loop)
{
    (void)cede_run((cede_loop *)loop, 0);
}

static void sleep_over_apc(cft *t, void *context)
{
    cede_loop *loop = cft_loop(t);
    cft_pipe pipe = cft_pipe_reader(t);
    (void)read_pipe(t, loop, pipe.handle);
    CFT_CHECK(
        t, QueueUserAPC(context ? close_in_apc : run_in_apc, GetCurrentThread(), (ULONG_PTR)loop));
    (void)cede_run(loop, CEDE_SECOND);
}

/* The loop's sleep is no place to run or close it. */
CFT_CASE(run_or_close_in_an_apc_of_its_sleep_stops_the_process)
{
    static const char *const line[] = {"law 17", "APC", NULL};
    cft_dies(t, sleep_over_apc, NULL, line);
    cft_dies(t, sleep_over_apc, t, line);
}

/* Nobody sleeps where the system would run the routine by itself. */
CFT_CASE(routines_run_in_a_loop_that_is_only_polled)
{
    cft_pipe pipe = cft_pipe_reader(t);
    cede_loop *loop = cft_loop(t);
    cft_rec *read = read_pipe(t, loop, pipe.handle);
    CFT_CHECK(t, cft_peer_write(t, &pipe, "x", 1) == 1);
    while (!cft_is_done(read))
        CFT_CHECK(t, cft_run_on(loop, 0) >= 0);
    CFT_MOVED(t, read, 1);
}

static void wait_alertably(cft_rec *rec)
{
    cft_rec *other = rec->data;
    for (uint32_t i = 0; i < 3; i++)
        be_alertable(1);
    CFT_CHECK(rec->t, other->done == 0); /* its routine may have run; its done may not (law 3) */
}

/* L5: a callback waits alertably while another read's routine is ready to run. */
CFT_CASE(alertable_wait_inside_a_callback_delivers_nothing)
{
    cft_pipe first = cft_pipe_reader(t);
    cft_pipe second = cft_pipe_reader(t);
    cede_loop *loop = cft_loop(t);
    cft_rec *outer = cft_new(t);
    cft_rec *inner = cft_new(t);
    cede_prep_read(inner->req, second.handle, cft_buffer(inner, 4), 4, CEDE_CURRENT);
    cft_submit_on(inner, loop);
    outer->then = wait_alertably;
    outer->data = inner;
    cede_prep_nop(outer->req);
    CFT_CHECK(t, cft_run_on(loop, 0) == 0);
    cft_submit_on(outer, loop);
    CFT_CHECK(t, cft_peer_write(t, &second, "abcd", 4) == 4);
    CFT_CHECK(t, cft_wait_on(loop, outer->ticket, 10 * CEDE_SECOND) == CEDE_OK);
    await_on(t, loop, inner);
    CFT_MOVED(t, inner, 4);
    cft_closed(t, first.handle);
}

struct seed {
    cede_req req;
    char buffer[64];
    cft *t;
    uint32_t *ended;
};

static void end_of_seed(cede_req *req, cede_result result)
{
    struct seed *seed = CEDE_CONTAINER(req, struct seed, req);
    CFT_CHECK(seed->t, result.status == CEDE_ECANCELED && result.count == 0);
    ++*seed->ended;
    memset(seed, 0xdd, sizeof *seed);
    free(seed); /* the final act */
}

/*
 * The article that this library comes from: a read is cancelled; its status says "cancelled"; the
 * program waits, even alertably; and frees the memory, while the completion routine has yet to run.
 * Here the memory is the callback's to free, and it comes when the loop says so, not before.
 */
CFT_CASE(ready_cancel_wait_for_it)
{
    uint32_t ended = 0;
    cft_pipe pipe = cft_pipe_reader(t);
    cede_loop *loop = cft_loop(t);
    for (uint32_t i = 0; i < 100; i++) {
        struct seed *seed = malloc(sizeof *seed);
        CFT_CHECK(t, seed != NULL);
        seed->t = t;
        seed->ended = &ended;
        cede_prep_read(&seed->req, pipe.handle, seed->buffer, sizeof seed->buffer, CEDE_CURRENT);
        cede_ticket ticket = cede_submit(loop, &seed->req, end_of_seed);
        CFT_CHECK(t, cft_run_on(loop, 0) == 0);
        cede_cancel(ticket);
        be_alertable(i % 2); /* the routine may run here; the callback not */
        CFT_CHECK(t, ended == i);
        CFT_CHECK(t, cft_wait_on(loop, ticket, 10 * CEDE_SECOND) == CEDE_OK);
        CFT_CHECK(t, ended == i + 1);
        cede_cancel(ticket); /* a stale name */
    }
    CFT_CHECK(t, cft_peer_write(t, &pipe, "whole", 5) == 5);
    cft_rec *read = read_pipe(t, loop, pipe.handle);
    await_on(t, loop, read);
    CFT_MOVED(t, read, 5);
    CFT_CHECK(t, memcmp(read->bytes, "whole", 5) == 0);
}

/* ---- A message loop -------------------------------------------------------------------------- */

enum { MESSAGES = 100 };

struct sender {
    cft *t;
    cft_pipe pipe;
    cede_loop *loop;
    DWORD thread;
    _Atomic uint32_t turn; /* how far the loop's thread is */
    cft_rec *posted[MESSAGES];
    uint64_t random;
};

/* user32.dll, which no other case needs. */
typedef BOOL WINAPI post_message(DWORD thread, UINT message, WPARAM, LPARAM);
typedef BOOL WINAPI peek_message(MSG *, HWND, UINT first, UINT last, UINT flags);
typedef DWORD WINAPI wait_for_messages(DWORD count, const HANDLE *, DWORD timeout_ms, DWORD what,
                                       DWORD flags);
static struct {
    post_message *post;
    peek_message *peek;
    wait_for_messages *wait;
} messages_of;

static void load_messages(cft *t)
{
    static const char library[] = "user32.dll";
    messages_of.post = (post_message *)cft_os_function(library, "PostThreadMessageW");
    messages_of.peek = (peek_message *)cft_os_function(library, "PeekMessageW");
    messages_of.wait = (wait_for_messages *)cft_os_function(library, "MsgWaitForMultipleObjectsEx");
    CFT_CHECK(t, messages_of.post && messages_of.peek && messages_of.wait);
}

/* What a window's thread meets: bytes, posts from other threads, messages; in any order. */
static void send_all(void *context)
{
    struct sender *sender = context;
    for (uint32_t i = 0; i < MESSAGES; i++) {
        cft_dawdle(&sender->random);
        switch (i % 3) {
        case 0:
            CFT_CHECK(sender->t, cft_peer_write(sender->t, &sender->pipe, "x", 1) == 1);
            break;
        case 1:
            cft_submit_remote(sender->posted[i], sender->loop);
            break;
        default:
            CFT_CHECK(sender->t, messages_of.post(sender->thread, WM_APP, i, 0));
            break;
        }
    }
}

static uint32_t take_messages(void)
{
    uint32_t count = 0;
    MSG message;
    while (messages_of.peek(&message, NULL, 0, 0, PM_REMOVE))
        count += message.message == WM_APP;
    return count;
}

static void count_up(cft_rec *rec)
{
    ++*(uint32_t *)rec->data;
}

/* It sleeps for messages and for the loop's event, alertably and without a limit: a wake that is
 * lost is a hang. */
CFT_CASE(loop_lives_in_a_message_loop)
{
    struct sender *sender = cft_alloc(t, sizeof *sender);
    uint32_t messages = 0, posts = 0, bytes = 0;
    cede_loop *loop = cft_loop(t);
    sender->t = t;
    sender->loop = loop;
    sender->random = cft_random(t);
    sender->pipe = cft_pipe_reader(t);
    sender->thread = GetCurrentThreadId();
    load_messages(t);
    (void)take_messages(); /* makes the queue */
    for (uint32_t i = 0; i < MESSAGES; i++) {
        sender->posted[i] = cft_new(t);
        sender->posted[i]->then = count_up;
        sender->posted[i]->data = &posts;
        cede_prep_nop(sender->posted[i]->req);
    }
    cft_rec *read = read_pipe(t, loop, sender->pipe.handle);
    cft_thread(t, send_all, sender);
    while (messages + posts + bytes < MESSAGES) {
        uint64_t timeout_ns;
        HANDLE event = (HANDLE)cede_loop_waitable(loop, &timeout_ns);
        CFT_CHECK(t, (intptr_t)event > 0);
        (void)messages_of.wait(
            1, &event, timeout_ns == CEDE_FOREVER ? INFINITE : (DWORD)(timeout_ns / 1000000 + 1),
            QS_ALLINPUT, MWMO_ALERTABLE | MWMO_INPUTAVAILABLE);
        messages += take_messages();
        CFT_CHECK(t, cft_run_on(loop, 0) >= 0);
        while (read->done) { /* the next one may find its bytes there */
            CFT_CHECK(t, read->result.status == CEDE_OK && read->result.count > 0);
            bytes += (uint32_t)read->result.count;
            read = read_pipe(t, loop, sender->pipe.handle);
        }
    }
    cft_join(t);
    CFT_CHECK(t, messages == MESSAGES / 3 && posts == MESSAGES / 3);
    cft_closed(t, sender->pipe.handle);
}

/* ---- The process's pool ---------------------------------------------------------------------- */

enum { CALLBACKS = 520 }; /* its threads are 500 at most */

static void CALLBACK wait_for_all(PTP_CALLBACK_INSTANCE instance, void *event, PTP_WORK work)
{
    (void)instance;
    (void)work;
    (void)WaitForSingleObject(event, INFINITE);
}

/* The program's callbacks have all threads of the process's pool, and may wait for the loop. */
CFT_CASE(full_pool_of_the_process_holds_nothing_up)
{
    cede_loop *loop = cft_loop(t);
    HANDLE all = CreateEventW(NULL, TRUE, FALSE, NULL),
           object = CreateEventW(NULL, TRUE, FALSE, NULL);
    PTP_WORK work = CreateThreadpoolWork(wait_for_all, all, NULL);
    CFT_CHECK(t, all && object && work);
    for (uint32_t i = 0; i < CALLBACKS; i++)
        SubmitThreadpoolWork(work);
    cede_handle handle = cede_import((intptr_t)object, CEDE_KIND_OBJECT, 0);
    cft_rec *comes = cft_new(t), *ends = cft_new(t);
    cede_prep_poll(ends->req, handle, CEDE_POLL_IN);
    cede_within(ends->req, CEDE_MILLISECOND);
    cft_submit_on(ends, loop);
    await_on(t, loop, ends);
    CFT_ENDED(t, ends, CEDE_EDEADLINE, CEDE_BY_DEADLINE);
    cede_prep_poll(comes->req, handle, CEDE_POLL_IN);
    cft_submit_on(comes, loop);
    CFT_CHECK(t, cft_run_on(loop, 0) == 0);
    SetEvent(object);
    await_on(t, loop, comes);
    CFT_OK(t, comes);
    cede_drop(handle);
    SetEvent(all);
    WaitForThreadpoolWorkCallbacks(work, FALSE);
    CloseThreadpoolWork(work);
    CloseHandle(all);
}
