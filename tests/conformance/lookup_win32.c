/*
 * Look-ups whose answer does not come, or comes when nobody waits for it any more, by either way of
 * asking. Cases of the Windows lanes, with hooks in the place of the calls (cede/win32.h).
 */
#include "hooks_win32.h"

#include <stdlib.h>
#include <string.h>
#include <winsock2.h>
#include <ws2tcpip.h>

static HANDLE asked, go, over;
static volatile LONG unanswered; /* over, when none is */

static void set_up(cft *t, LONG questions)
{
    unanswered = questions;
    asked = CreateEventW(NULL, TRUE, FALSE, NULL);
    go = CreateEventW(NULL, TRUE, FALSE, NULL);
    over = CreateEventW(NULL, TRUE, FALSE, NULL);
    CFT_CHECK(t, asked && go && over);
}

static void clear_up(void)
{
    CloseHandle(asked);
    CloseHandle(go);
    CloseHandle(over);
}

static void one_answered(void)
{
    if (InterlockedDecrement(&unanswered) == 0)
        SetEvent(over);
}

static cft_rec *look_up(cft *t, cede_loop *loop, const char *host)
{
    cft_rec *rec = cft_new(t);
    cede_prep_lookup(rec->req, host, 80, CEDE_LOOKUP_IPV4,
                     cft_buffer(rec, 2 * sizeof(cede_address)), 2);
    cft_submit_on(rec, loop);
    return rec;
}

/* ---- A thread that blocks -------------------------------------------------------------------- */

static uint32_t hang(const wchar_t *host, int family, void **found)
{
    uint32_t error;
    SetEvent(asked);
    WaitForSingleObject(go, INFINITE);
    error = cede_win32_system_calls()->get_addresses(host, family, found);
    one_answered();
    return error;
}

static uint32_t hang_in_system(const wchar_t *host, int family, void **found, void *overlapped,
                               void (*routine)(void), void **name);

static const cede_win32_calls hanging = {.get_addresses = hang, .look_up = hang_in_system};

/* ---- The system's way ------------------------------------------------------------------------ */

typedef void CALLBACK looked_up(DWORD error, DWORD bytes, LPOVERLAPPED);

typedef struct question {
    void *overlapped;
    void (*routine)(void);
} question;

static DWORD WINAPI answer_late(void *context)
{
    question *mine = context;
    WaitForSingleObject(go, INFINITE);
    ((looked_up *)mine->routine)(WSAHOST_NOT_FOUND, 0, mine->overlapped);
    free(mine);
    one_answered();
    return 0;
}

static uint32_t hang_in_system(const wchar_t *host, int family, void **found, void *overlapped,
                               void (*routine)(void), void **name)
{
    question *mine = malloc(sizeof *mine);
    (void)host;
    (void)family;
    (void)found;
    (void)name;
    if (!mine)
        abort();
    *mine = (question){overlapped, routine};
    CloseHandle(CreateThread(NULL, 0, answer_late, mine, 0, NULL));
    SetEvent(asked);
    return WSA_IO_PENDING;
}

static void cancel_one(cft *t, uint32_t without)
{
    set_up(t, 2);
    cede_loop *loop = hooks_open(t, &hanging, 0, without);
    cft_rec *rec = look_up(t, loop, "localhost");
    CFT_CHECK(t, cft_run_on(loop, 0) == 0);
    CFT_CHECK(t, WaitForSingleObject(asked, 10000) == WAIT_OBJECT_0);
    cede_cancel(rec->ticket);
    hooks_await(t, loop, rec);
    CFT_ENDED(t, rec, CEDE_ECANCELED, CEDE_BY_WISH);
    memset(rec->bytes, 0xee, 2 * sizeof(cede_address));
    cft_rec *left = look_up(t, loop, "localhost");
    CFT_CHECK(t, cft_run_on(loop, 0) == 0);
    CFT_CHECK(t, cft_close_on(t, loop, CEDE_FOREVER) == CEDE_OK); /* does not wait for it */
    CFT_CHECK(t, cft_is_done(left));
    CFT_ENDED(t, left, CEDE_ECANCELED, CEDE_BY_LOOP);
    SetEvent(go);
    CFT_CHECK(t, WaitForSingleObject(over, 10000) == WAIT_OBJECT_0);
    for (size_t i = 0; i < 2 * sizeof(cede_address); i++)
        CFT_CHECK(t, rec->bytes[i] == 0xee);
    clear_up();
}

CFT_CASE(look_up_that_hangs_holds_nobody)
{
    cancel_one(t, CEDE_WIN32_NO_LOOKUP);
    cancel_one(t, 0);
}

/* The answer is on its way when the wish comes: it is told, or nothing is. */
CFT_CASE(look_up_answered_late_is_told)
{
    for (uint32_t i = 0; i < 2; i++) {
        set_up(t, 1);
        cede_loop *loop = hooks_open(t, &hanging, 0, i ? CEDE_WIN32_NO_LOOKUP : 0);
        cft_rec *rec = look_up(t, loop, "localhost");
        CFT_CHECK(t, cft_run_on(loop, 0) == 0);
        SetEvent(go);
        CFT_CHECK(t, WaitForSingleObject(over, 10000) == WAIT_OBJECT_0);
        if (i == 0) { /* said by the thread that has answered: it cannot be taken back */
            cede_cancel(rec->ticket);
            hooks_await(t, loop, rec);
            CFT_STATUS(t, rec, CEDE_ENONAME);
            CFT_CHECK(t, rec->result.flags & CEDE_CANCEL_ASKED);
        } else {
            hooks_await(t, loop, rec);
            const cede_address *found = (const cede_address *)(const void *)rec->bytes;
            CFT_OK(t, rec);
            CFT_CHECK(t, rec->result.count >= 1 && found->family == CEDE_ADDRESS_IPV4 &&
                             found->ip[0] == 127 && found->ip[3] == 1 && found->port == 80);
        }
        clear_up();
    }
}
