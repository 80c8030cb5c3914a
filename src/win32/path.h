/*
 * From a path in UTF-8 to one that means exactly one file: absolute, in the long form, so that the
 * system neither cuts nor reinterprets it. Stateless; any thread; a win_path is 64 KiB, for the
 * stack of a pool thread.
 */
#ifndef CEDE_WIN32_PATH_H
#define CEDE_WIN32_PATH_H

#include "system.h"

#include <stdbool.h>
#include <stdint.h>

#define WIN_PATH_UNITS 32768u

typedef struct win_path {
    wchar_t text[WIN_PATH_UNITS];
    bool device;    /* begins with \\.\ or \\?\: the latter is taken as it is */
    bool directory; /* has a separator behind it, or dots */
    uint8_t dots;   /* as given: 1: its last name is ".", 2: ".."; they are resolved in `text` */
} win_path;

/* 0, or why it names nothing: ERROR_FILE_NOT_FOUND (empty), ERROR_INVALID_NAME (a character, a
 * trailing dot or space, a reserved name), ERROR_FILENAME_EXCED_RANGE, ERROR_NO_UNICODE_TRANSLATION
 * (not UTF-8), ERROR_DIRECTORY (a separator behind what is there and no directory). */
uint32_t cedi_win_path(win_path *, const char *utf8);

/* The same of a path whose names are not looked at; `directory` is not set. */
uint32_t cedi_win_path_full(win_path *, const wchar_t *given);

/* Without what makes it a long one, as programs expect it; one of a device is as it is. False:
 * with its end it is longer than `room`. */
bool cedi_win_path_plain(const win_path *, wchar_t *out, uint32_t room);

/* Whether it is a pipe of this machine, by its name. */
bool cedi_win_path_is_pipe(const win_path *);
/* Whether what is there may be served by some program, as pipes are, and devices for all we know;
 * not the files of drives and shares. */
bool cedi_win_path_has_server(const win_path *);

/* The part of it that looks at names: ERROR_INVALID_NAME, ERROR_FILENAME_EXCED_RANGE. */
uint32_t cedi_win_check_names(const wchar_t *);

/* Windows says "path not found" for two things: ERROR_DIRECTORY, if something on the way is there
 * and no directory; else the error as it was. */
uint32_t cedi_win_path_why(const win_path *, uint32_t error);

/* ---- text.c --------------------------------------------------------------------------------- */

/* The same characters in the system's form, nothing else: the text of a link. `units` is the room,
 * with that for a NUL. Errors as of cedi_win_path. */
uint32_t cedi_win_text(wchar_t *out, uint32_t units, const char *utf8);
/* And back. How many bytes, without a NUL; 0: they do not fit. */
size_t cedi_win_utf8(char *out, size_t room, const wchar_t *text, size_t units);

#endif
