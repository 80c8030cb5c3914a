/*
 * The example programs, with the k-th fallible call failing: included before their sources by the
 * builds that tests/faults makes of them, and by nothing else. What they allocate, the calls that
 * they make of the system, and the loop that they open, go through the seam (fault.c, and a file
 * for each system); nothing in the examples knows of it.
 */
#ifndef FAULT_H
#define FAULT_H

#include <stdlib.h>

#include "cede/cede.h"

#if defined(_WIN32)
#include <windows.h>
#else
#include <unistd.h>
#endif

void *fault_malloc(size_t bytes);
void *fault_calloc(size_t count, size_t bytes);
void *fault_realloc(void *memory, size_t bytes);
void fault_free(void *memory);
cede_status fault_loop_open(const cede_options *, cede_loop **);

#if defined(_WIN32)
HANDLE WINAPI fault_create_pipe(const char *name, DWORD open_mode, DWORD pipe_mode, DWORD instances,
                                DWORD out_bytes, DWORD in_bytes, DWORD timeout_ms,
                                SECURITY_ATTRIBUTES *);
HANDLE WINAPI fault_open(const char *path, DWORD access, DWORD share, SECURITY_ATTRIBUTES *,
                         DWORD disposition, DWORD flags, HANDLE like);
HANDLE WINAPI fault_open_wide(const wchar_t *path, DWORD access, DWORD share, SECURITY_ATTRIBUTES *,
                              DWORD disposition, DWORD flags, HANDLE like);
BOOL WINAPI fault_console_handler(PHANDLER_ROUTINE, BOOL add);
#else
int fault_pipe(int ends[2]);
#endif

#ifndef FAULT_INSIDE
#define malloc         fault_malloc
#define calloc         fault_calloc
#define realloc        fault_realloc
#define free           fault_free
#define cede_loop_open fault_loop_open
#if defined(_WIN32)
#define CreateNamedPipeA      fault_create_pipe
#define CreateFileA           fault_open
#define CreateFileW           fault_open_wide
#define SetConsoleCtrlHandler fault_console_handler
#else
#define pipe fault_pipe
#endif
#endif

#ifdef FAULT_INSIDE
/* ---- Between the seam's files --------------------------------------------------------------- */

/* Whether a system call, of the backend or of the program's own, is to fail now. */
bool fault_of_call(const char *name);
/* The error that was asked for by its number; else this one. */
int fault_error(int otherwise);
/* Whether all behind the k-th call fail, too; from now on they do not. Any thread. */
bool fault_lasts(void);
void fault_is_over(void);

/* Each system's: before anything of the program; how its backends are set up. */
void fault_os_begin(void);
const void *fault_os_config(void);
#endif

#endif
