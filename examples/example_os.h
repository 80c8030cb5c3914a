/*
 * What differs between systems, for the example programs: arguments, Ctrl-C, terminals, paths,
 * pipes. With example_tree.h, the one place in the examples that includes an operating system's
 * header.
 */
#ifndef EXAMPLE_OS_H
#define EXAMPLE_OS_H

#include "cede/cede.h"

#include <string.h>

/* First thing in main: makes the arguments UTF-8, which is what cede's paths are, output the same
 * bytes everywhere, and a write to a pipe that nobody reads an error, not the end. */
static inline void os_begin(int *count, char ***words);

/* Calls a function when the user wants the program to end (Ctrl-C, kill, a closed terminal). It
 * interrupts this thread, perhaps inside the library, or runs on another one, so cede_stop is all
 * that it may call. NULL: from now on such wishes are ignored. */
static inline void os_on_interrupt(void (*interrupted)(void));

/* The width of the terminal that standard error goes to; 0: it goes elsewhere. */
static inline int os_columns(void);

/* Takes the separators at the end off a path ("/" stays), and says where its last name begins. */
static inline void os_trim(char *path);
static inline const char *os_last_name(const char *path);

/* A pipe as two handles, without a loop. (With one: cede_prep_pair.) */
static inline bool os_pipe(cede_handle *reader, cede_handle *writer);

static void (*volatile os_interrupted)(void); /* what os_on_interrupt was given */

static inline void os_interrupt(void)
{
    void (*interrupted)(void) = os_interrupted;

    if (interrupted)
        interrupted();
}

#ifdef _WIN32
#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>
#include <shellapi.h> /* link with shell32 */

#include <fcntl.h>
#include <io.h>
#include <stdio.h>
#include <stdlib.h>

static inline void os_must(const void *memory)
{
    if (memory)
        return;
    fprintf(stderr, "no memory for the arguments\n");
    exit(1);
}

static inline void os_begin(int *count, char ***words)
{
    WCHAR **wide = CommandLineToArgvW(GetCommandLineW(), count);

    _setmode(_fileno(stdout), _O_BINARY);
    _setmode(_fileno(stderr), _O_BINARY);
    SetConsoleOutputCP(CP_UTF8);
    os_must(wide);
    *words = calloc((size_t)*count + 1, sizeof **words);
    os_must(*words);
    for (int i = 0; i < *count; i++) {
        int bytes = WideCharToMultiByte(CP_UTF8, 0, wide[i], -1, NULL, 0, NULL, NULL);

        (*words)[i] = malloc((size_t)bytes);
        os_must((*words)[i]);
        WideCharToMultiByte(CP_UTF8, 0, wide[i], -1, (*words)[i], bytes, NULL, NULL);
    }
    LocalFree(wide);
}

/* On a thread that the system makes for it. After a return from CTRL_CLOSE_EVENT and the like the
 * process is ended, so that one waits for main to be through; the system's patience is 5 s. */
static inline BOOL WINAPI os_control(DWORD event)
{
    os_interrupt();
    if (event != CTRL_C_EVENT && event != CTRL_BREAK_EVENT)
        Sleep(INFINITE);
    return TRUE;
}

static inline void os_on_interrupt(void (*interrupted)(void))
{
    os_interrupted = interrupted;
    SetConsoleCtrlHandler(os_control, TRUE);
}

static inline int os_columns(void)
{
    CONSOLE_SCREEN_BUFFER_INFO info;

    if (!GetConsoleScreenBufferInfo(GetStdHandle(STD_ERROR_HANDLE), &info))
        return 0;
    return info.srWindow.Right - info.srWindow.Left + 1;
}

#define OS_SEPARATORS "/\\"

/* CreatePipe makes no overlapped pipes, so this is a named one that nobody else can open. */
static inline bool os_pipe(cede_handle *reader, cede_handle *writer)
{
    static unsigned number;
    char name[64];

    snprintf(name, sizeof name, "\\\\.\\pipe\\cede-example-%lu-%u",
             (unsigned long)GetCurrentProcessId(), number++);
    HANDLE in = CreateNamedPipeA(
        name, PIPE_ACCESS_INBOUND | FILE_FLAG_OVERLAPPED | FILE_FLAG_FIRST_PIPE_INSTANCE,
        PIPE_TYPE_BYTE | PIPE_REJECT_REMOTE_CLIENTS, 1, 65536, 65536, 0, NULL);
    if (in == INVALID_HANDLE_VALUE)
        return false;
    HANDLE out =
        CreateFileA(name, GENERIC_WRITE, 0, NULL, OPEN_EXISTING, FILE_FLAG_OVERLAPPED, NULL);
    if (out == INVALID_HANDLE_VALUE) {
        CloseHandle(in);
        return false;
    }
    *reader = cede_import((intptr_t)in, CEDE_KIND_PIPE, 0);
    *writer = cede_import((intptr_t)out, CEDE_KIND_PIPE, 0);
    return *reader && *writer;
}

#else
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

static inline void os_begin(int *count, char ***words)
{
    (void)count;
    (void)words;
    signal(SIGPIPE, SIG_IGN);
}

static inline void os_signal(int number)
{
    (void)number;
    os_interrupt();
}

/* What nohup and & have had ignored stays ignored. */
static inline void os_on_interrupt(void (*interrupted)(void))
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {0}, before;

    os_interrupted = interrupted;
    action.sa_handler = os_signal;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    for (unsigned i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(numbers[i], &action, NULL);
    }
}

static inline int os_columns(void)
{
    struct winsize size = {0};

    if (!isatty(STDERR_FILENO))
        return 0;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
}

#define OS_SEPARATORS "/"

static inline bool os_pipe(cede_handle *reader, cede_handle *writer)
{
    int ends[2];

    if (pipe(ends) < 0)
        return false;
    *reader = cede_import(ends[0], CEDE_KIND_PIPE, 0);
    *writer = cede_import(ends[1], CEDE_KIND_PIPE, 0);
    return *reader && *writer;
}

#endif

static inline void os_trim(char *path)
{
    for (size_t end = strlen(path); end > 1 && strchr(OS_SEPARATORS, path[end - 1]); end--)
        path[end - 1] = '\0';
}

static inline const char *os_last_name(const char *path)
{
    const char *end = path + strlen(path);

    while (end > path && !strchr(OS_SEPARATORS, end[-1]))
        end--;
    return end;
}

#endif
