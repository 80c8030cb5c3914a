/*
 * Terminals: consoles. Their text is UTF-8 here; the console's own is UTF-16, and what it makes of
 * it for ReadFile and WriteFile depends on code pages, and is broken for UTF-8 on Windows 10.
 *
 * Input. A read that the console has begun cannot be taken back: the call can be made to return,
 * but the console goes on to the end of the line, and throws it away (docs/facts-windows.md). So it
 * is never cancelled. A process has one console, that one input, and one thread of ours reads it
 * for all loops, into memory of its own, from where requests take what has come, in their order. A
 * cancel takes a request out of that order, and no byte is lost; what had been begun by then is for
 * the next that asks, on whatever loop. The thread reads when somebody waits and a key has been
 * pressed, so that nothing is begun where nobody types; and it ends when nobody waits.
 *
 * Output. Pieces of UTF-8 are brought into UTF-16 on the thread of their job (job.c). A character
 * that ends in a later write is kept until then.
 *
 * Threads: `console` is under its lock, but what is named the reader's. Whoever has the turn was
 * told that there is something, and takes it on its loop's thread; until then nobody else does.
 */
#include "calls.h"

#include <process.h>
#include <string.h>

#define UNITS       8192u /* of a line, like the command processor's */
#define PIECE_BYTES 4096u /* written by one call */
#define CONTROL_Z   0x1a
#define CHARACTER   4u /* UTF-8's longest */
#define IS_HIGH(u)  ((u) >= 0xd800 && (u) <= 0xdbff)
#define UNITS_BYTES 3u /* UTF-8 for a unit, at most */

typedef uint32_t read_call(void *input, wchar_t *units, uint32_t most, uint32_t *count);

static struct {
    SRWLOCK lock;
    bool running; /* the reader */
    HANDLE input; /* its own */
    HANDLE woken; /* that somebody came, took or left; made once */
    read_call *read;
    win_io *first, *last; /* who waits */
    win_io *turn;
    uint32_t at, end; /* of `bytes`: what nobody has taken yet */
    uint32_t error;   /* for one of them to be told; so is: */
    bool over;        /* the end was typed */
    /* the reader's */
    bool in_line; /* what it has of the line is not all */
    bool half;    /* of a character: the first of `units` */
    wchar_t units[UNITS + 1];
    char bytes[(UNITS + 1) * UNITS_BYTES]; /* while nothing is in it, and nobody has the turn */
} console = {.lock = SRWLOCK_INIT};

uint8_t cedi_win_console_look(HANDLE handle)
{
    DWORD value;
    if (!GetConsoleMode(handle, &value))
        return WIN_CONSOLE_NONE;
    return GetNumberOfConsoleInputEvents(handle, &value) ? WIN_CONSOLE_INPUT : WIN_CONSOLE_OUTPUT;
}

/* ---- Turns; with the lock ------------------------------------------------------------------- */

static bool has_news(void)
{
    return console.at < console.end || console.over || console.error;
}

static void enqueue(win_io *io)
{
    io->next = NULL;
    if (console.last)
        console.last->next = io;
    else
        console.first = io;
    console.last = io;
}

/* False: it does not wait any more. */
static bool unqueue(const win_io *io)
{
    win_io **place = &console.first, *before = NULL;
    while (*place && *place != io) {
        before = *place;
        place = &before->next;
    }
    if (!*place)
        return false;
    *place = io->next;
    if (console.last == io)
        console.last = before;
    return true;
}

/* Tells the first, if there is something for it, and leaves the lock. */
static void give_turn(void)
{
    win_io *io = console.turn || !has_news() ? NULL : console.first;
    win *self = io ? io->self : NULL;
    if (io) {
        (void)unqueue(io);
        console.turn = io;
        AcquireSRWLockShared(&self->visits);
    }
    ReleaseSRWLockExclusive(&console.lock);
    if (io) {
        cedi_win_event_tell(io);
        ReleaseSRWLockShared(&self->visits);
    }
}

/* ---- The reader ----------------------------------------------------------------------------- */

/* What makes a read begin, or have something. Other events it would throw away. */
static bool is_typed(const INPUT_RECORD *record)
{
    const KEY_EVENT_RECORD *key = &record->Event.KeyEvent;
    DWORD mode = 0;
    if (record->EventType != KEY_EVENT)
        return false;
    if (!key->bKeyDown) /* a character by its number ends with its key's release */
        return key->wVirtualKeyCode == VK_MENU && key->uChar.UnicodeChar != 0;
    (void)GetConsoleMode(console.input, &mode);
    return key->uChar.UnicodeChar != 0 || (mode & ENABLE_LINE_INPUT);
}

/* False: woken. A console that cannot be asked is one whose read tells why. */
static bool await_key(void)
{
    HANDLE both[2] = {console.woken, console.input};
    INPUT_RECORD record;
    DWORD count;
    for (;;) {
        if (WaitForMultipleObjects(2, both, FALSE, INFINITE) == WAIT_OBJECT_0)
            return false;
        if (!PeekConsoleInputW(console.input, &record, 1, &count) ||
            (count > 0 && is_typed(&record)))
            return true;
        if (count > 0)
            (void)ReadConsoleInputW(console.input, &record, 1, &count);
    }
}

/* With the lock: what a read has brought. */
static void keep(uint32_t error, uint32_t count)
{
    bool goes_on = console.in_line;
    DWORD mode = 0;
    wchar_t last;
    int made;
    console.in_line = false;
    if (error == ERROR_OPERATION_ABORTED)
        return; /* ctrl-C has ended the line, not the input */
    /* If nobody waits, it is of a read that was given up. */
    console.error = console.first ? error : 0;
    if (error || count == 0)
        return;
    (void)GetConsoleMode(console.input, &mode);
    if ((mode & ENABLE_LINE_INPUT) && (mode & ENABLE_PROCESSED_INPUT) && !goes_on &&
        console.units[0] == CONTROL_Z) {
        console.over = true; /* the rest of its line is dropped, as the system does */
        return;
    }
    last = console.units[count - 1];
    console.in_line = (mode & ENABLE_LINE_INPUT) && last != L'\n' && last != L'\r';
    console.half = IS_HIGH(last);
    count -= console.half;
    made = count == 0 ? 0
                      : WideCharToMultiByte(CP_UTF8, 0, console.units, (int)count, console.bytes,
                                            (int)sizeof console.bytes, NULL, NULL);
    console.units[0] = last;
    console.at = 0;
    console.end = (uint32_t)made;
}

static unsigned __stdcall read_for_all(void *nothing)
{
    (void)nothing;
    AcquireSRWLockExclusive(&console.lock);
    while (console.first || console.turn) {
        bool waits_first = console.turn || has_news();
        read_call *call = console.read;
        uint32_t count = 0, error;
        ReleaseSRWLockExclusive(&console.lock);
        if (waits_first) {
            (void)WaitForSingleObject(console.woken, INFINITE);
        } else if (console.in_line || await_key()) {
            error = call(console.input, console.units + console.half, UNITS, &count);
            AcquireSRWLockExclusive(&console.lock);
            keep(error, error ? 0 : count + console.half);
            give_turn();
        }
        AcquireSRWLockExclusive(&console.lock);
    }
    (void)CloseHandle(console.input);
    console.running = false;
    ReleaseSRWLockExclusive(&console.lock);
    return 0;
}

/* With the lock. It may outlast the loop and all its program's use of this module, which stays. */
static uint32_t start_reader(const win *self, HANDLE native)
{
    HANDLE here = GetCurrentProcess(), thread = NULL;
    HMODULE module;
    uint32_t error = cedi_win_fault(self, "DuplicateHandle");
    if (!console.woken)
        console.woken = CreateEventW(NULL, FALSE, FALSE, NULL);
    if (error == 0 && (!console.woken || !DuplicateHandle(here, native, here, &console.input, 0,
                                                          FALSE, DUPLICATE_SAME_ACCESS)))
        error = GetLastError();
    if (error)
        return error;
    if (!cedi_win_fault(self, "thread"))
        thread = (HANDLE)_beginthreadex(NULL, 0, read_for_all, NULL, 0, NULL);
    if (!thread) {
        (void)CloseHandle(console.input);
        return ERROR_MAX_THRDS_REACHED;
    }
    (void)CloseHandle(thread);
    console.running = true;
    (void)GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS,
                             (const wchar_t *)(const void *)&console, &module);
    return 0;
}

/* ---- Reads; the loop's thread --------------------------------------------------------------- */

/* With the lock. */
static uint32_t take(win *self, const win_io *io, uint32_t *bytes)
{
    uint32_t error = console.error;
    *bytes = console.end - console.at;
    if (*bytes > io->asked)
        *bytes = io->asked;
    if (*bytes > 0) {
        cede_core_touch(self->core, io->record.token, true);
        memcpy(io->buffer, console.bytes + console.at, *bytes);
        cede_core_touch(self->core, io->record.token, false);
        console.at += *bytes;
        return 0;
    }
    console.error = 0;
    console.over = false;
    return error;
}

/* It has the turn. */
static void has_turn(win *self, win_io *io, uint32_t nothing, uint32_t none)
{
    uint64_t token = io->record.token;
    uint32_t error = io->wished ? ERROR_OPERATION_ABORTED : 0, bytes = 0;
    bool parked = false;
    (void)nothing;
    (void)none;
    if (error == 0 && io->waits_for) {
        io->buffer = cedi_win_pick(&io->record, io->waits_for);
        parked = !io->buffer;
    }
    AcquireSRWLockExclusive(&console.lock);
    if (error == 0 && !parked)
        error = take(self, io, &bytes);
    console.turn = NULL;
    (void)SetEvent(console.woken);
    give_turn();
    if (parked) {
        cedi_win_io_left(self, io);
        cede_core_done(self->core, token, CEDE_REPORT_POOL, 0, 0);
        return;
    }
    io->over = NULL;
    cedi_win_completed(self, io, error, bytes);
}

/* One that has the turn finds the wish when it comes to take: it has taken nothing yet. */
static int stop(win *self, win_io *io)
{
    bool waited;
    AcquireSRWLockExclusive(&console.lock);
    waited = unqueue(io);
    if (waited)
        (void)SetEvent(console.woken);
    ReleaseSRWLockExclusive(&console.lock);
    if (waited) {
        io->over = NULL;
        cedi_win_completed(self, io, ERROR_OPERATION_ABORTED, 0);
    }
    return CEDE_CANCEL_SENT;
}

bool cedi_win_console_read(win *self, const cede_work *work, win_file *file, void *buffer,
                           uint32_t bytes, cede_pool_view *pool)
{
    uint32_t error = 0;
    bool at_once;
    win_io *io;
    if (file->console != WIN_CONSOLE_INPUT)
        return cedi_win_done_now(self, work, ERROR_INVALID_HANDLE, 0);
    io = cedi_win_io_new(self, work);
    if (!io)
        return false;
    io->file = file;
    io->buffer = buffer;
    io->asked = pool ? pool->buffer_bytes : bytes;
    io->waits_for = pool;
    io->over = has_turn;
    io->stop = stop;
    io->overlapped.Internal = SYSTEM_STATUS_SUCCESS;
    io->overlapped.InternalHigh = 0;
    file->pending++;
    AcquireSRWLockExclusive(&console.lock);
    at_once = has_news() && !console.turn && !console.first;
    if (at_once)
        console.turn = io;
    else if (!console.running)
        error = start_reader(self, (HANDLE)file->native);
    if (!at_once && error == 0) {
        console.read = self->calls.read_console;
        enqueue(io);
    }
    ReleaseSRWLockExclusive(&console.lock);
    if (at_once)
        has_turn(self, io, 0, 0);
    if (at_once || error == 0)
        return true;
    io->over = NULL;
    cedi_win_completed(self, io, error, 0);
    return true;
}

/* ---- Writes; on their thread ---------------------------------------------------------------- */

/* How much of it is whole characters. What is none, and cannot become one, counts as whole. */
static uint32_t whole(const char *text, uint32_t bytes)
{
    for (uint32_t back = 1; back < CHARACTER && back <= bytes; back++) {
        unsigned char byte = (unsigned char)text[bytes - back];
        uint32_t wants = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
        if ((byte & 0xc0) != 0x80)
            return wants > back && byte < 0xf8 ? bytes - back : bytes;
    }
    return bytes;
}

/* The console takes all of it, or says why not. */
static uint32_t write_units(const win_job *job, const wchar_t *units, uint32_t count)
{
    while (count > 0) {
        uint32_t written = 0, error = cedi_win_fault(job->self, "WriteConsoleW");
        if (error == 0)
            error = job->self->calls.write_console((HANDLE)job->native, units, count, &written);
        if (error || written == 0)
            return error ? error : ERROR_WRITE_FAULT;
        units += written;
        count -= written;
    }
    return 0;
}

uint32_t cedi_win_console_write(win_job *job, uint32_t *bytes)
{
    char text[CHARACTER + PIECE_BYTES];
    wchar_t units[CHARACTER + PIECE_BYTES];
    const char *from = (const char *)job->args.io.buffer + (size_t)job->count;
    uint32_t left = job->asked - (uint32_t)job->count, total, cut, error = 0;
    *bytes = 0;
    if (left > PIECE_BYTES)
        left = PIECE_BYTES;
    memcpy(text, job->part.bytes, job->part.count);
    memcpy(text + job->part.count, from, left);
    total = job->part.count + left;
    cut = whole(text, total);
    if (cut > 0)
        error = write_units(job, units,
                            (uint32_t)MultiByteToWideChar(CP_UTF8, 0, text, (int)cut, units,
                                                          (int)(CHARACTER + PIECE_BYTES)));
    if (error)
        return error;
    job->part.count = (uint8_t)(total - cut);
    memcpy(job->part.bytes, text + cut, total - cut);
    *bytes = left;
    return 0;
}
