/*
 * From a cede_spawn to what CreateProcessW takes: the program's file, one line of all arguments,
 * one block of all variables, a directory. Stateless; any thread; 200 KiB, for the allocator.
 */
#ifndef CEDE_WIN32_COMMAND_H
#define CEDE_WIN32_COMMAND_H

#include "path.h"

#include "cede/system.h"

#define WIN_LINE_UNITS 32767u /* the longest that there is, with its end */

typedef struct win_command {
    wchar_t program[WIN_PATH_UNITS];
    wchar_t line[WIN_LINE_UNITS];
    wchar_t directory[WIN_PATH_UNITS];
    bool has_directory;
    wchar_t *environment; /* NULL: this process's */
} win_command;

/* 0, or the error: ERROR_FILE_NOT_FOUND, ERROR_PATH_NOT_FOUND, ERROR_DIRECTORY (that is none),
 * ERROR_BAD_EXE_FORMAT (a batch file), ERROR_NO_UNICODE_TRANSLATION (not UTF-8),
 * ERROR_FILENAME_EXCED_RANGE (a path is too long, or the directory's is for a process),
 * ERROR_BAD_ARGUMENTS (all arguments together, of which the system would say the same),
 * ERROR_INVALID_PARAMETER (a name that no line can hold), ERROR_INVALID_NAME (one that the system
 * would change, path.c). */
uint32_t cedi_win_command(win_command *, const cede_spawn *);
void cedi_win_command_free(win_command *);

#endif
