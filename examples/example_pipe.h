/*
 * An operating system's pipe as a pair of cede handles, for examples: cede has no call that makes
 * one. The one place in the examples that differs between systems.
 */
#ifndef EXAMPLE_PIPE_H
#define EXAMPLE_PIPE_H

#include "cede/cede.h"

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include <stdio.h>

/* CreatePipe makes no overlapped pipes, so this is a named one that nobody else can open. */
static bool example_pipe(cede_handle *reader, cede_handle *writer)
{
    char name[64];

    snprintf(name, sizeof name, "\\\\.\\pipe\\cede-example-%lu",
             (unsigned long)GetCurrentProcessId());
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
#include <unistd.h>

static bool example_pipe(cede_handle *reader, cede_handle *writer)
{
    int ends[2];

    if (pipe(ends) < 0)
        return false;
    *reader = cede_import(ends[0], CEDE_KIND_PIPE, 0);
    *writer = cede_import(ends[1], CEDE_KIND_PIPE, 0);
    return *reader && *writer;
}

#endif
#endif
