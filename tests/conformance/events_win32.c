/*
 * Console events: the handler that the system calls for them, made up (win32_seam.h) or kept in a
 * list of a case's own. Cases of the Windows lanes.
 */
#include "hooks_win32.h"
#include "win32_seam.h"

#include <stdatomic.h>
#include <string.h>

/* ---- The last ones --------------------------------------------------------------------------- */

static uint32_t events_heard;

static void on_event(cede_req *req, cede_result item)
{
    (void)req;
    events_heard += item.count == CEDE_SIGNAL_HANGUP || item.count == CEDE_SIGNAL_TERMINATE;
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
    cede_loop *loop = hooks_open_failing(t, &cft_seam_calls, pause_in_handler, NULL);
    cft_rec *rec = cft_new(t);
    CFT_CHECK(t, ProcessIdToSessionId(GetCurrentProcessId(), &session));
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
    CFT_CHECK(t, atomic_load(&close_event) == 2);
    CFT_CHECK(t, events_heard == (session != 0)); /* else it is of others */
    CloseHandle(asked);
    CloseHandle(over);
}

/* ---- Ctrl-C ---------------------------------------------------------------------------------- */

static uint32_t interrupts;

static void on_interrupt(cede_req *req, cede_result item)
{
    (void)req;
    interrupts += item.count == CEDE_SIGNAL_INTERRUPT;
}

static cft_rec *take_interrupts(cft *t, cede_loop *loop)
{
    cft_rec *rec = cft_new(t);
    cede_prep_signal_many(rec->req, CEDE_SIGNAL_BIT(CEDE_SIGNAL_INTERRUPT), on_interrupt);
    cft_submit_on(rec, loop);
    CFT_CHECK(t, cft_run_on(loop, 0) >= 0);
    return rec;
}

/* As the system has it: who was added last is asked first. */
static PHANDLER_ROUTINE listed[8];
static uint32_t listed_count, others;

static bool is_handled(void)
{
    for (uint32_t i = listed_count; i > 0; i--) {
        if (listed[i - 1](CTRL_C_EVENT))
            return true;
    }
    return false;
}

static BOOL CALLBACK handle_other(DWORD event)
{
    others += event == CTRL_C_EVENT;
    return event == CTRL_C_EVENT;
}

static uint32_t add_to_list(void (*handler)(void))
{
    if (listed_count == 8)
        return ERROR_NOT_ENOUGH_MEMORY;
    listed[listed_count++] = (PHANDLER_ROUTINE)handler;
    return 0;
}

static uint32_t gaps; /* moments in which an event would have ended the process */

static uint32_t remove_from_list(void (*handler)(void))
{
    for (uint32_t i = 0; i < listed_count; i++) {
        if (listed[i] != (PHANDLER_ROUTINE)handler)
            continue;
        memmove(listed + i, listed + i + 1, (--listed_count - i) * sizeof listed[0]);
        gaps += !is_handled();
        return 0;
    }
    return ERROR_INVALID_PARAMETER;
}

/* What came is told by then. */
static uint32_t heard_by_requests(cft *t, cede_loop *loop)
{
    interrupts = 0;
    CFT_CHECK(t, is_handled());
    CFT_CHECK(t, cft_run_on(loop, 0) >= 0);
    return interrupts;
}

/* By the next request that begins: of a handler that the program has set meanwhile, and when the
 * system has forgotten all of them, as it does when a console is attached or left. */
CFT_CASE(console_events_are_taken_over_again)
{
    static const cede_win32_calls calls = {.add_console_handler = add_to_list,
                                           .remove_console_handler = remove_from_list};
    cede_loop *loop = hooks_open(t, &calls, 0, 0);
    listed_count = others = gaps = 0;
    for (uint32_t begun = 1; begun <= 3; begun++) {
        take_interrupts(t, loop);
        CFT_CHECK(t, cft_run_on(loop, 0) >= 0);
        CFT_CHECK(t, heard_by_requests(t, loop) == begun && others == begun - 1);
        if (begun == 2)
            listed_count = 0;
        add_to_list((void (*)(void))handle_other);
        CFT_CHECK(t, heard_by_requests(t, loop) == 0 && others == begun);
    }
    CFT_CHECK(t, gaps == 0);
    CFT_CHECK(t, listed_count == 3); /* what was replaced is not kept */
}
