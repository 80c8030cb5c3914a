/*
 * A cede loop inside a loop that the program has already: a window's message loop on Windows, a
 * poll(2) loop elsewhere. Nothing of cede runs on another thread, and nobody polls in vain.
 *
 * Before each sleep the program asks cede_loop_waitable what to sleep on and how long, and after it
 * calls cede_run with no time, which calls the callbacks that are due and returns. On Windows the
 * wait must look at input that is there already (MWMO_INPUTAVAILABLE) and be alertable
 * (MWMO_ALERTABLE): transfers that report by completion routines, as all of the backend win32-apc
 * do, set the event in such a wait only. A program that cannot add a descriptor to its wait gives
 * cede_options a `wake` hook instead, which may post a message of its own.
 *
 * Here the program's own events are letters: a button was pressed, the window is to be painted, the
 * end. Each leads to a request, and each callback to the next letter.
 */
#include "example_os.h"

#include <stdio.h>
#include <stdlib.h>

enum letter { NONE, BUTTON, PAINT, QUIT };

/* ---- The program's own loop ----------------------------------------------------------------- */

#ifdef _WIN32

static DWORD own_thread;

static bool own_begin(void)
{
    MSG message;
    own_thread = GetCurrentThreadId();
    PeekMessageW(&message, NULL, WM_USER, WM_USER, PM_NOREMOVE); /* makes the queue */
    return true;
}

static void own_post(enum letter letter)
{
    PostThreadMessageW(own_thread, WM_APP, letter, 0);
}

static enum letter own_wait(intptr_t waitable, uint64_t timeout_ns)
{
    HANDLE handle = (HANDLE)waitable;
    uint64_t ms = timeout_ns / 1000000 + (timeout_ns % 1000000 != 0);
    DWORD timeout = timeout_ns == CEDE_FOREVER ? INFINITE : ms < 1000000 ? (DWORD)ms : 1000000;
    MSG message;

    MsgWaitForMultipleObjectsEx(1, &handle, timeout, QS_ALLINPUT,
                                MWMO_ALERTABLE | MWMO_INPUTAVAILABLE);
    if (!PeekMessageW(&message, NULL, 0, 0, PM_REMOVE))
        return NONE;
    if (message.message == WM_APP)
        return (enum letter)message.wParam;
    TranslateMessage(&message); /* what a window would need */
    DispatchMessageW(&message);
    return NONE;
}

#else

#include <poll.h>

static int own_pipe[2];

static bool own_begin(void)
{
    return pipe(own_pipe) == 0;
}

static void own_post(enum letter letter)
{
    char byte = (char)letter;
    if (write(own_pipe[1], &byte, 1) != 1)
        abort(); /* nothing else is ever in this pipe */
}

static enum letter own_wait(intptr_t waitable, uint64_t timeout_ns)
{
    struct pollfd fds[2] = {{.fd = own_pipe[0], .events = POLLIN},
                            {.fd = (int)waitable, .events = POLLIN}};
    uint64_t ms = timeout_ns / 1000000 + (timeout_ns % 1000000 != 0);
    char byte = NONE;

    poll(fds, 2, timeout_ns == CEDE_FOREVER ? -1 : ms < 1000000 ? (int)ms : 1000000);
    if (fds[0].revents && read(own_pipe[0], &byte, 1) != 1)
        return NONE;
    return (enum letter)byte;
}

#endif

/* ---- What it does with cede ----------------------------------------------------------------- */

static struct {
    cede_loop *loop;
    cede_handle reader, writer;
    cede_req reading, writing, waiting, working, telling;
    char text[16];
    bool over, failed;
} window;

/* Of what nothing more would come: each step leads to the next. */
static bool failed(const char *what, cede_status status)
{
    if (status == CEDE_OK || window.over)
        return status != CEDE_OK;
    fprintf(stderr, "%s: %s\n", what, cede_strerror(status));
    window.over = window.failed = true;
    return true;
}

static void on_written(cede_req *req, cede_result r)
{
    (void)req;
    failed("write", r.status); /* else on_read tells */
}

static void on_read(cede_req *req, cede_result r)
{
    (void)req;
    if (failed("read", r.status))
        return;
    printf("read: %s, \"%.*s\"\n", cede_status_name(r.status), (int)r.count, window.text);
    own_post(PAINT);
}

static void on_told(cede_req *req, cede_result r)
{
    (void)req;
    printf("told by another thread, on the window's own: %s\n", cede_status_name(r.status));
    own_post(QUIT);
}

/* On a thread of the pool, which may do what takes long, and tells the loop what came of it. */
static cede_status work(void *argument, uint64_t *count)
{
    (void)argument, (void)count;
    cede_prep_nop(&window.telling);
    cede_submit_remote(window.loop, &window.telling, on_told, NULL);
    return CEDE_OK;
}

static void on_worked(cede_req *req, cede_result r)
{
    (void)req;
    failed("work", r.status); /* else on_told may come before or after */
}

static void on_time(cede_req *req, cede_result r)
{
    (void)req;
    printf("a moment later: %s\n", cede_status_name(r.status));
    cede_prep_work(&window.working, work, NULL);
    cede_submit(window.loop, &window.working, on_worked);
}

static void letter_came(enum letter letter)
{
    switch (letter) {
    case BUTTON:
        printf("button\n");
        cede_prep_read(&window.reading, window.reader, window.text, 5, CEDE_CURRENT);
        cede_submit(window.loop, &window.reading, on_read);
        cede_prep_write(&window.writing, window.writer, "hello", 5, CEDE_CURRENT);
        cede_submit(window.loop, &window.writing, on_written);
        break;
    case PAINT:
        printf("paint\n");
        cede_prep_timer(&window.waiting, 20 * CEDE_MILLISECOND);
        cede_submit(window.loop, &window.waiting, on_time);
        break;
    case QUIT:
        printf("quit\n");
        window.over = true;
        break;
    default:
        break;
    }
}

int main(int count, char **words)
{
    char why[160];
    cede_options options = CEDE_OPTIONS_INIT;

    os_begin(&count, &words);
    options.why = why;
    options.why_bytes = sizeof why;
    if (!own_begin() || cede_loop_open(&options, &window.loop) ||
        !os_pipe(&window.reader, &window.writer)) {
        fprintf(stderr, "cannot begin: %s\n", why);
        return 1;
    }
    own_post(BUTTON);
    while (!window.over) {
        uint64_t timeout_ns;
        intptr_t waitable = cede_loop_waitable(window.loop, &timeout_ns);
        letter_came(own_wait(waitable, timeout_ns));
        if (cede_run(window.loop, 0) < 0)
            failed("the loop", CEDE_EUNKNOWN);
    }
    cede_status status = cede_loop_close(window.loop, CEDE_FOREVER); /* with all on its way */
    if (status) {
        fprintf(stderr, "close: %s\n", cede_strerror(status));
        return 1;
    }
    printf("closed\n");
    return window.failed;
}
