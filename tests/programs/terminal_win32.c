/*
 * The terminal test on Windows: the console's calls, counted, and results of them that Wine does
 * not give. See terminal.c.
 */
#include "terminal.h"

#include <stdatomic.h>

#include "cede/win32.h"

#define CONTROL_Z 0x1a

const char *const backends[3] = {"win32-iocp", "win32-apc", NULL};

enum { REAL, INTERRUPTED, AT_END, FEW, HALVES, SECOND_HALF, GONE };

static _Atomic int manner; /* of the next read, then REAL again */
static _Atomic unsigned begun, brought;
static unsigned begun_before;
static _Atomic bool writes_wait, write_waits;
static HANDLE silence; /* a pipe that nobody writes into */

static const cede_win32_calls *real(void)
{
    return cede_win32_system_calls();
}

static uint32_t read_console(void *input, wchar_t *units, uint32_t most, uint32_t *count)
{
    int how = atomic_exchange(&manner, REAL);
    uint32_t error;
    atomic_fetch_add(&begun, 1);
    switch (how) {
    case INTERRUPTED:
        return ERROR_OPERATION_ABORTED;
    case GONE:
        return ERROR_PIPE_NOT_CONNECTED;
    case FEW:
        return real()->read_console(input, units, 3, count);
    case HALVES:
        atomic_store(&manner, SECOND_HALF);
        units[0] = 0xd83d;
        *count = 1;
        return 0;
    case SECOND_HALF:
        units[0] = 0xde00;
        *count = 1;
        return 0;
    default:
        error = real()->read_console(input, units, most, count);
        if (how == AT_END)
            units[0] = CONTROL_Z;
        atomic_fetch_add(&brought, 1);
        return error;
    }
}

/* What the user holds up, by marking text for one: nothing tells whether it is shown later. */
static uint32_t write_console(void *output, const wchar_t *units, uint32_t count, uint32_t *written)
{
    char byte;
    DWORD got;
    if (!atomic_load(&writes_wait) || count > 100)
        return real()->write_console(output, units, count, written);
    atomic_store(&write_waits, true);
    return ReadFile(silence, &byte, 1, &got, NULL) ? ERROR_WRITE_FAULT : GetLastError();
}

/* One of Wine's now and then ends before it has begun (1359 in docs/facts-windows.md). */
static uint32_t create_process(cede_win32_process *how)
{
    uint32_t error = ERROR_INTERNAL_ERROR;
    for (uint32_t tries = 0; error == ERROR_INTERNAL_ERROR && tries < 5; tries++)
        error = real()->create_process(how);
    return error;
}

cede_status open_loop(const char *backend, cede_loop **loop)
{
    static const cede_win32_calls calls = {.read_console = read_console,
                                           .write_console = write_console,
                                           .create_process = create_process};
    static const cede_win32_config config = {.calls = &calls};
    const cede_options options = {.backend = backend, .backend_config = &config};
    return cede_loop_open(&options, loop);
}

bool is_terminal(void)
{
    DWORD mode;
    return GetConsoleMode(GetStdHandle(STD_INPUT_HANDLE), &mode) != 0;
}

static cede_handle borrow(DWORD which)
{
    cede_handle handle =
        cede_import((intptr_t)GetStdHandle(which), CEDE_KIND_AUTO, CEDE_IMPORT_BORROW);
    CHECK(handle);
    return handle;
}

void say(const char *text, size_t bytes)
{
    DWORD written;
    CHECK(WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), text, (DWORD)bytes, &written, NULL));
}

cede_handle terminal_input(void)
{
    return borrow(STD_INPUT_HANDLE);
}

cede_handle terminal_output(void)
{
    return borrow(STD_OUTPUT_HANDLE);
}

void note_reads(void)
{
    begun_before = atomic_load(&begun);
}

void await_line_begun(cede_loop *loop)
{
    while (atomic_load(&begun) == begun_before)
        CHECK(cede_run(loop, CEDE_MILLISECOND) >= 0);
}

void at_end_of_input(void)
{
    atomic_store(&manner, AT_END);
}

/* Wine's consoles know ctrl-C only. */
bool interrupt_by_break(void)
{
    bool made = GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, 0);
    bool wine = GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "wine_get_version") != NULL;
    CHECK(made != wine && (made || GetLastError() == ERROR_INVALID_HANDLE));
    return made;
}

/* ---- What Wine does not do ------------------------------------------------------------------ */

static void in_a_manner(cede_loop *loop, cede_handle input, int how, const char *keys,
                        const char *text)
{
    atomic_store(&manner, how);
    expect_line(loop, input, keys, text);
    CHECK(atomic_load(&manner) == REAL);
}

static void two_loops_take_turns(cede_loop *loop, cede_handle input)
{
    static note mine, theirs;
    cede_loop *other;
    cede_ticket ticket;
    static char their_room[20];
    unsigned brought_before;
    CHECK(open_loop(backends[0], &other) == CEDE_OK);
    for (int i = 0; i < 2; i++) { /* with the first there, and gone */
        ticket = begin_read(loop, &mine, input, 20);
        CHECK(cede_run(loop, 0) >= 0);
        memset(&theirs, 0, sizeof theirs);
        brought_before = atomic_load(&brought);
        cede_prep_read(&theirs.req, borrow(STD_INPUT_HANDLE), their_room, sizeof their_room,
                       CEDE_CURRENT);
        cede_submit(other, &theirs.req, note_done);
        CHECK(cede_run(other, 0) >= 0);
        type("first\\r");
        if (i == 0) {
            expect_text(loop, &mine, "first\r\n");
            type("second\\r");
        } else {
            while (atomic_load(&brought) == brought_before)
                port_yield();
            cede_cancel(ticket); /* it may have been told that there is something for it */
            CHECK(cede_wait(loop, ticket, CEDE_FOREVER) == CEDE_OK);
            CHECK(mine.result.status == CEDE_ECANCELED && mine.result.count == 0);
        }
        while (theirs.calls == 0)
            CHECK(cede_run(other, CEDE_MILLISECOND) >= 0);
        CHECK(theirs.result.status == CEDE_OK);
        CHECK(strncmp(their_room, i == 0 ? "second\r\n" : "first\r\n", 7) == 0);
    }
    CHECK(cede_loop_close(other, CEDE_FOREVER) == CEDE_OK);
}

/* Each side is for its own. */
static void output_is_not_read(cede_loop *loop, cede_handle input)
{
    static note wrong;
    cede_handle output = terminal_output();
    cede_ticket ticket = begin_read(loop, &wrong, output, 10);
    CHECK(cede_wait(loop, ticket, CEDE_FOREVER) == CEDE_OK);
    CHECK(wrong.result.status == CEDE_EBADF);
    memset(&wrong, 0, sizeof wrong);
    cede_prep_write(&wrong.req, input, "x", 1, CEDE_CURRENT);
    ticket = cede_submit(loop, &wrong.req, note_done);
    CHECK(cede_wait(loop, ticket, CEDE_FOREVER) == CEDE_OK);
    CHECK(wrong.result.status == CEDE_EBADF);
    cede_drop(output);
}

/* The first piece is shown; the second is held up, and may be, so it is not counted. */
static void held_write_ends(cede_loop *loop)
{
    static char text[4096 + 20];
    static note write;
    cede_handle output = terminal_output();
    cede_ticket ticket;
    HANDLE other;
    CHECK(CreatePipe(&silence, &other, NULL, 0));
    memset(text, '.', sizeof text);
    memset(&write, 0, sizeof write);
    atomic_store(&writes_wait, true);
    cede_prep_write_all(&write.req, output, text, sizeof text, CEDE_CURRENT);
    atomic_store(&write_waits, false);
    ticket = cede_submit(loop, &write.req, note_done);
    while (!atomic_load(&write_waits))
        CHECK(cede_run(loop, CEDE_MILLISECOND) >= 0);
    cede_cancel(ticket);
    CHECK(cede_wait(loop, ticket, CEDE_FOREVER) == CEDE_OK);
    atomic_store(&writes_wait, false);
    CHECK(write.result.status == CEDE_ECANCELED && write.result.count == 4096);
    cede_drop(output);
    CHECK(CloseHandle(silence) && CloseHandle(other));
}

void odd_results(cede_loop *loop)
{
    cede_handle input = terminal_input();
    in_a_manner(loop, input, INTERRUPTED, "again\\r", "again\r\n");
    in_a_manner(loop, input, HALVES, "\\r", "\xf0\x9f\x98\x80");
    expect_line(loop, input, NULL, "\r\n");
    in_a_manner(loop, input, GONE, "back\\r", "");
    expect_line(loop, input, NULL, "back\r\n");
    in_a_manner(loop, input, FEW, "longer\\r", "lon");
    expect_line(loop, input, NULL, "ger\r\n");
    output_is_not_read(loop, input);
    two_loops_take_turns(loop, input);
    held_write_ends(loop);
}
