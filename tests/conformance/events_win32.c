/*
 * Console events: the handler that the system calls for them, made up (win32_seam.h) or kept in a
 * list of a case's own. Cases of the Windows lanes.
 */
#include "hooks_win32.h"
#include "win32_seam.h"

#include <stdatomic.h>
#include <string.h>

/* ---- The last ones --------------------------------------------------------------------------- */

static uint32_t events_heard, interrupts;

static void on_event(cede_req *req, cede_result item)
{
    (void)req;
    events_heard += item.count == CEDE_SIGNAL_HANGUP || item.count == CEDE_SIGNAL_TERMINATE;
    interrupts += item.count == CEDE_SIGNAL_INTERRUPT;
}

static _Atomic int close_event; /* 0: under way; what came of it, plus 1 */

static void send_close(void *context)
{
    (void)context;
    atomic_store(&close_event, cft_seam_event(CTRL_CLOSE_EVENT) + 1);
}

/* The process is over when the handler returns. */
CFT_CASE(last_event_waits_until_nobody_takes_it)
{
    events_heard = 0;
    atomic_store(&close_event, 0);
    cft_rec *rec = cft_new(t);
    cede_prep_signal_many(rec->req, CEDE_SIGNAL_BIT(CEDE_SIGNAL_HANGUP), on_event);
    cft_submit_on(rec, cft_loop(t));
    CFT_CHECK(t, cft_run_on(cft_loop(t), 0) >= 0);
    CFT_CHECK(t, !cft_seam_event(CTRL_C_EVENT)); /* nobody's */
    cft_thread(t, send_close, NULL);
    while (events_heard == 0)
        CFT_CHECK(t, cft_run_on(cft_loop(t), CEDE_MILLISECOND) >= 0);
    CFT_CHECK(t, cft_run_on(cft_loop(t), 20 * CEDE_MILLISECOND) == 0);
    CFT_CHECK(t, atomic_load(&close_event) == 0);
    cede_cancel(rec->ticket);
    hooks_await(t, cft_loop(t), rec);
    CFT_ENDED(t, rec, CEDE_ECANCELED, CEDE_BY_WISH);
    cft_join(t);
    CFT_CHECK(t, atomic_load(&close_event) == 2 && !cft_seam_event(CTRL_CLOSE_EVENT));
}

static void send_logoff(void *context)
{
    (void)context;
    atomic_store(&close_event, cft_seam_event(CTRL_LOGOFF_EVENT) + 1);
}

static int cannot_be_asked(void *context, const char *call)
{
    (void)context;
    return strcmp(call, "ProcessIdToSessionId") == 0 ? ERROR_INVALID_PARAMETER : 0;
}

static void log_off(cft *t, cede_loop *loop, bool is_told)
{
    events_heard = 0;
    atomic_store(&close_event, 0);
    cft_rec *rec = cft_new(t);
    cede_prep_signal_many(rec->req, CEDE_SIGNAL_STOPS, on_event);
    cft_submit_on(rec, loop);
    CFT_CHECK(t, cft_run_on(loop, 0) >= 0);
    cft_thread(t, send_logoff, NULL);
    while (events_heard == 0 && (is_told || atomic_load(&close_event) == 0))
        CFT_CHECK(t, cft_run_on(loop, CEDE_MILLISECOND) >= 0);
    CFT_CHECK(t, cft_run_on(loop, 0) >= 0 && events_heard == is_told);
    cede_cancel(rec->ticket);
    hooks_await(t, loop, rec);
    cft_join(t);
    CFT_CHECK(t, atomic_load(&close_event) == 2); /* it was taken: nobody else ends the process */
    CFT_CHECK(t, !cft_seam_event(CTRL_LOGOFF_EVENT));
}

/* Services hear of it, which are in session 0, and go on; elsewhere it is the session's end. */
CFT_CASE(user_who_leaves_stops_no_service)
{
    DWORD session = 0;
    CFT_CHECK(t, ProcessIdToSessionId(GetCurrentProcessId(), &session));
    log_off(t, cft_loop(t), session != 0);
    log_off(t, hooks_open_failing(t, &cft_seam_calls, cannot_be_asked, NULL), false);
}

static HANDLE asked; /* the handler has seen that somebody takes the event */
static HANDLE over;  /* the cancel */

/* Called by the handler, which has the lock and has told nobody yet. The cancel is over, or it has
 * come as far as it can without the lock: hence the limit. */
static int pause_in_handler(void *context, const char *call)
{
    (void)context;
    if (strcmp(call, "ProcessIdToSessionId") == 0) {
        SetEvent(asked);
        (void)WaitForSingleObject(over, 20);
    }
    return 0;
}

/* Who says that it took the event keeps all others from it: so it is told. */
CFT_CASE(event_that_meets_a_cancel_is_told)
{
    DWORD session = 0;
    CFT_CHECK(t, ProcessIdToSessionId(GetCurrentProcessId(), &session));
    if (session == 0)
        cft_skip(t, "session_0"); /* the event is of others, and the handler held up by no other */
    cede_loop *loop = hooks_open_failing(t, &cft_seam_calls, pause_in_handler, NULL);
    cft_rec *rec = cft_new(t);
    asked = CreateEventW(NULL, TRUE, FALSE, NULL);
    over = CreateEventW(NULL, TRUE, FALSE, NULL);
    events_heard = 0;
    atomic_store(&close_event, 0);
    cede_prep_signal_many(rec->req, CEDE_SIGNAL_BIT(CEDE_SIGNAL_TERMINATE), on_event);
    cft_submit_on(rec, loop);
    CFT_CHECK(t, cft_run_on(loop, 0) >= 0);
    cft_thread(t, send_logoff, NULL);
    CFT_CHECK(t, WaitForSingleObject(asked, 10000) == WAIT_OBJECT_0);
    cede_cancel(rec->ticket);
    hooks_await(t, loop, rec);
    CFT_ENDED(t, rec, CEDE_ECANCELED, CEDE_BY_WISH);
    SetEvent(over);
    cft_join(t);
    CFT_CHECK(t, atomic_load(&close_event) == 2 && events_heard == 1);
    CloseHandle(asked);
    CloseHandle(over);
}

/* ---- The list of handlers -------------------------------------------------------------------- */

/* As the system has it: who was added last is asked first, and the list is locked from before the
 * first is entered until the last has returned. */
static SRWLOCK list_lock = SRWLOCK_INIT;
static PHANDLER_ROUTINE listed[8]; /* under it, like the next three */
static uint32_t listed_count, others;
static uint32_t gaps; /* moments in which an event would have ended the process */
static _Atomic uint32_t asked_to_add, added;
static _Atomic uint32_t settled; /* the number of the addition behind which another was removed */

static bool handled(DWORD event)
{
    for (uint32_t i = listed_count; i > 0; i--) {
        if (listed[i - 1](event))
            return true;
    }
    return false;
}

static bool is_handled(void)
{
    AcquireSRWLockExclusive(&list_lock);
    bool taken = handled(CTRL_C_EVENT);
    ReleaseSRWLockExclusive(&list_lock);
    return taken;
}

static BOOL CALLBACK handle_other(DWORD event)
{
    others += event == CTRL_C_EVENT;
    return event == CTRL_C_EVENT;
}

static void list(PHANDLER_ROUTINE handler)
{
    AcquireSRWLockExclusive(&list_lock);
    listed[listed_count++ % 8] = handler;
    ReleaseSRWLockExclusive(&list_lock);
}

static void forget_list(void)
{
    AcquireSRWLockExclusive(&list_lock);
    listed_count = 0;
    ReleaseSRWLockExclusive(&list_lock);
}

/* The other cases' events, made up by the seam, find the same handlers. */
static uint32_t add_to_list(void (*handler)(void))
{
    atomic_fetch_add(&asked_to_add, 1);
    list((PHANDLER_ROUTINE)handler);
    atomic_fetch_add(&added, 1);
    return cft_seam_calls.add_console_handler(handler);
}

static uint32_t remove_from_list(void (*handler)(void))
{
    AcquireSRWLockExclusive(&list_lock);
    for (uint32_t i = 0; i < listed_count; i++) {
        if (listed[i] != (PHANDLER_ROUTINE)handler)
            continue;
        memmove(listed + i, listed + i + 1, (--listed_count - i) * sizeof listed[0]);
        gaps += !handled(CTRL_C_EVENT);
        break;
    }
    ReleaseSRWLockExclusive(&list_lock);
    atomic_store(&settled, atomic_load(&added));
    return 0;
}

static const cede_win32_calls listing = {.add_console_handler = add_to_list,
                                         .remove_console_handler = remove_from_list};

static void until_count(cft *t, cede_loop *loop, const _Atomic uint32_t *count, uint32_t wanted)
{
    for (uint32_t waits = 0; waits < 10000 && atomic_load(count) < wanted; waits++)
        CFT_CHECK(t, cft_run_on(loop, CEDE_MILLISECOND) >= 0);
    CFT_CHECK(t, atomic_load(count) == wanted);
}

static cft_rec *begin(cft *t, cede_loop *loop, uint32_t signal)
{
    cft_rec *rec = cft_new(t);
    cede_prep_signal_many(rec->req, CEDE_SIGNAL_BIT(signal), on_event);
    cft_submit_on(rec, loop);
    CFT_CHECK(t, cft_run_on(loop, 0) >= 0);
    return rec;
}

static void end(cft *t, cede_loop *loop, cft_rec *rec)
{
    cede_cancel(rec->ticket);
    hooks_await(t, loop, rec);
    CFT_ENDED(t, rec, CEDE_ECANCELED, CEDE_BY_WISH);
}

/* One request that has begun, and in the list its handler alone: its registration is the second
 * there, as the first may be the process's first, which removes no other. */
static cft_rec *begin_list(cft *t, cede_loop *loop, uint32_t signal)
{
    cft_rec *rec;
    listed_count = others = gaps = events_heard = interrupts = 0;
    atomic_store(&close_event, 0);
    atomic_store(&asked_to_add, 0);
    atomic_store(&added, 0);
    atomic_store(&settled, 0);
    rec = begin(t, loop, signal);
    until_count(t, loop, &added, 1);
    end(t, loop, rec);
    rec = begin(t, loop, signal);
    until_count(t, loop, &settled, 2);
    CFT_CHECK(t, listed_count == 1);
    gaps = 0; /* it may take no ctrl-C, which gaps are found by */
    return rec;
}

/* What came is told by then. */
static uint32_t heard_by_requests(cft *t, cede_loop *loop)
{
    CFT_CHECK(t, cft_run_on(loop, 0) >= 0);
    interrupts = 0;
    CFT_CHECK(t, is_handled());
    CFT_CHECK(t, cft_run_on(loop, 0) >= 0);
    return interrupts;
}

/* By the next request that begins: of a handler that the program has set meanwhile, and when the
 * system has forgotten all of them, as it does when a console is attached or left. */
CFT_CASE(console_events_are_taken_over_again)
{
    cede_loop *loop = hooks_open(t, &listing, 0, 0);
    begin_list(t, loop, CEDE_SIGNAL_INTERRUPT);
    for (uint32_t begun = 1; begun <= 3; begun++) {
        if (begun > 1)
            begin(t, loop, CEDE_SIGNAL_INTERRUPT);
        until_count(t, loop, &settled, begun + 1);
        CFT_CHECK(t, heard_by_requests(t, loop) == begun && others == begun - 1);
        if (begun == 2)
            forget_list();
        list(handle_other);
        CFT_CHECK(t, heard_by_requests(t, loop) == 0 && others == begun);
    }
    CFT_CHECK(t, gaps == 0);
    CFT_CHECK(t, listed_count == 3); /* what was replaced is not kept */
}

static int make_no_thread(void *context, const char *call)
{
    (void)context;
    return strcmp(call, "thread") == 0 ? ERROR_MAX_THRDS_REACHED : 0;
}

CFT_CASE(console_events_come_where_no_thread_takes_them_over)
{
    cede_loop *loop = hooks_open(t, &listing, 0, 0);
    cede_loop *failing = hooks_open_failing(t, &listing, make_no_thread, NULL);
    begin_list(t, loop, CEDE_SIGNAL_INTERRUPT);
    begin(t, failing, CEDE_SIGNAL_INTERRUPT);
    CFT_CHECK(t, heard_by_requests(t, loop) == 1);
    CFT_CHECK(t, heard_by_requests(t, failing) == 1);
    begin(t, loop, CEDE_SIGNAL_INTERRUPT); /* and the next */
    until_count(t, loop, &settled, 3);
    CFT_CHECK(t, listed_count == 1 && atomic_load(&asked_to_add) == 3 && gaps == 0);
}

static void send_close_to_list(void *context)
{
    (void)context;
    AcquireSRWLockExclusive(&list_lock);
    SetEvent(asked);
    (void)WaitForSingleObject(over, 500);
    bool taken = handled(CTRL_CLOSE_EVENT);
    ReleaseSRWLockExclusive(&list_lock);
    atomic_store(&close_event, taken + 1);
}

/* The process is over when the handler has returned, whoever it was that kept it waiting. */
static void heard_before_the_end(cft *t, cede_loop *loop)
{
    while (events_heard == 0 && atomic_load(&close_event) == 0)
        CFT_CHECK(t, cft_run_on(loop, CEDE_MILLISECOND) >= 0);
    CFT_CHECK(t, events_heard == 1 && atomic_load(&close_event) == 0);
}

static void is_taken_over_behind_it(cft *t, cede_loop *loop, uint32_t additions, uint32_t requests)
{
    cft_join(t);
    CFT_CHECK(t, atomic_load(&close_event) == 2);
    until_count(t, loop, &settled, additions);
    CFT_CHECK(t, heard_by_requests(t, loop) == requests);
    CFT_CHECK(t, listed_count == 1 && gaps == 0);
    CloseHandle(asked);
    CloseHandle(over);
}

static cft_rec *send_close_to(cft *t, cede_loop *loop)
{
    cft_rec *rec = begin_list(t, loop, CEDE_SIGNAL_HANGUP);
    asked = CreateEventW(NULL, TRUE, FALSE, NULL);
    over = CreateEventW(NULL, TRUE, FALSE, NULL);
    cft_thread(t, send_close_to_list, NULL);
    CFT_CHECK(t, WaitForSingleObject(asked, 10000) == WAIT_OBJECT_0);
    return rec;
}

/* The system is about to call the handler, which will wait for the loop. */
CFT_CASE(request_begins_while_a_last_event_is_on_its_way)
{
    cede_loop *loop = hooks_open(t, &listing, 0, 0);
    cft_rec *rec = send_close_to(t, loop);
    begin(t, loop, CEDE_SIGNAL_INTERRUPT);
    CFT_CHECK(t, atomic_load(&close_event) == 0 && events_heard == 0);
    SetEvent(over);
    heard_before_the_end(t, loop);
    end(t, loop, rec);
    is_taken_over_behind_it(t, loop, 3, 1);
}

/* It waits for the loop. Another loop, whose request began as well, closes. */
CFT_CASE(request_begins_while_a_last_event_is_kept_waiting)
{
    cede_loop *loop = hooks_open(t, &listing, 0, 0), *other = hooks_open(t, &listing, 0, 0);
    cft_rec *rec = send_close_to(t, loop), *second;
    SetEvent(over);
    heard_before_the_end(t, loop);
    begin(t, loop, CEDE_SIGNAL_INTERRUPT);
    until_count(t, loop, &asked_to_add, 3); /* and waits for the list */
    second = begin(t, other, CEDE_SIGNAL_INTERRUPT);
    end(t, other, second);
    CFT_CHECK(t, cft_close_on(t, other, CEDE_FOREVER) == CEDE_OK);
    CFT_CHECK(t, atomic_load(&close_event) == 0 && atomic_load(&added) == 2);
    end(t, loop, rec);
    is_taken_over_behind_it(t, loop, 4, 1);
}
