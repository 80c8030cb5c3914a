/*
 * The seam's part of Windows: the backend's hook, the calls of the programs' own, and an ear at the
 * standard input for what the driver says in bytes:
 *
 *   !    end, please: there a program is told so by its console; as this may have none, the
 *        handlers that it has given to the system are called as that would
 *   .    what fails for good fails no more
 *   its end: nobody hears the program any more, so it is over
 */
#include "fault.h"

#include <string.h>

#include "../port.h"
#include "cede/win32.h"

/* ---- Calls ---------------------------------------------------------------------------------- */

static bool refuses(const char *call)
{
    if (!fault_of_call(call))
        return false;
    SetLastError((DWORD)fault_error(ERROR_NO_SYSTEM_RESOURCES));
    return true;
}

HANDLE WINAPI fault_create_pipe(const char *name, DWORD open_mode, DWORD pipe_mode, DWORD instances,
                                DWORD out_bytes, DWORD in_bytes, DWORD timeout_ms,
                                SECURITY_ATTRIBUTES *attributes)
{
    return refuses("CreateNamedPipeA")
               ? INVALID_HANDLE_VALUE
               : CreateNamedPipeA(name, open_mode, pipe_mode, instances, out_bytes, in_bytes,
                                  timeout_ms, attributes);
}

HANDLE WINAPI fault_open(const char *path, DWORD access, DWORD share,
                         SECURITY_ATTRIBUTES *attributes, DWORD disposition, DWORD flags,
                         HANDLE like)
{
    return refuses("CreateFileA")
               ? INVALID_HANDLE_VALUE
               : CreateFileA(path, access, share, attributes, disposition, flags, like);
}

HANDLE WINAPI fault_open_wide(const wchar_t *path, DWORD access, DWORD share,
                              SECURITY_ATTRIBUTES *attributes, DWORD disposition, DWORD flags,
                              HANDLE like)
{
    return refuses("the program's CreateFileW")
               ? INVALID_HANDLE_VALUE
               : CreateFileW(path, access, share, attributes, disposition, flags, like);
}

/* A wait may be refused, and so may a cancel; neither is for good. What is no shortage, and happens
 * to a wait, is the end of the loop, which the program has to tell. */
static int call_fails(void *context, const char *call)
{
    bool wait = strcmp(call, "GetQueuedCompletionStatusEx") == 0;
    bool lasts = !wait && strncmp(call, "Cancel", 6) != 0;
    (void)context;
    if ((!lasts && fault_lasts()) || !fault_of_call(call))
        return 0;
    if (wait && fault_error(0) == ERROR_ACCESS_DENIED)
        return ERROR_NO_SYSTEM_RESOURCES;
    return fault_error(ERROR_NO_SYSTEM_RESOURCES);
}

/* ---- The ear -------------------------------------------------------------------------------- */

#define HANDLERS_MOST 8

static PHANDLER_ROUTINE handlers[HANDLERS_MOST];
static unsigned handler_count;
static port_mutex handlers_lock = SRWLOCK_INIT;

static void remember(PHANDLER_ROUTINE handler)
{
    port_lock(&handlers_lock);
    port_must(handler_count < HANDLERS_MOST, "one more handler");
    handlers[handler_count++] = handler;
    port_unlock(&handlers_lock);
}

static void forget(PHANDLER_ROUTINE handler)
{
    unsigned at = 0;
    port_lock(&handlers_lock);
    while (at < handler_count && handlers[at] != handler)
        at++;
    if (at < handler_count) {
        handler_count--;
        memmove(handlers + at, handlers + at + 1, (handler_count - at) * sizeof handlers[0]);
    }
    port_unlock(&handlers_lock);
}

BOOL WINAPI fault_console_handler(PHANDLER_ROUTINE handler, BOOL add)
{
    if (handler && add)
        remember(handler);
    else if (handler)
        forget(handler);
    return SetConsoleCtrlHandler(handler, add);
}

static uint32_t add_console_handler(void (*handler)(void))
{
    remember((PHANDLER_ROUTINE)handler);
    return cede_win32_system_calls()->add_console_handler(handler);
}

static uint32_t remove_console_handler(void (*handler)(void))
{
    forget((PHANDLER_ROUTINE)handler);
    return cede_win32_system_calls()->remove_console_handler(handler);
}

/* The last that was added is asked first; if none takes it, the system's own ends the process. */
static void control(void)
{
    PHANDLER_ROUTINE all[HANDLERS_MOST];
    unsigned count;
    port_lock(&handlers_lock);
    count = handler_count;
    memcpy(all, handlers, sizeof all);
    port_unlock(&handlers_lock);
    while (count > 0) {
        if (all[--count](CTRL_C_EVENT))
            return;
    }
    ExitProcess((UINT)STATUS_CONTROL_C_EXIT);
}

static void listen_(void *context)
{
    HANDLE input = GetStdHandle(STD_INPUT_HANDLE);
    char byte;
    DWORD got;
    (void)context;
    while (ReadFile(input, &byte, 1, &got, NULL) && got == 1) {
        if (byte == '!')
            control();
        else
            fault_is_over();
    }
    (void)TerminateProcess(GetCurrentProcess(), 1);
}

void fault_os_begin(void)
{
    static port_thread ear;
    /* No window that asks somebody what to do about a crash. */
    (void)SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX);
    port_start(&ear, listen_, NULL);
}

const void *fault_os_config(void)
{
    static const cede_win32_calls calls = {.add_console_handler = add_console_handler,
                                           .remove_console_handler = remove_console_handler};
    static const cede_win32_config config = {.fault = call_fails, .calls = &calls};
    return &config;
}
