/*
 * What CreateProcessW takes, see command.h.
 *
 * Windows has no arguments, only a line; how a program takes it apart is its own affair. Nearly all
 * do it by the rules of Microsoft's C library, which are documented and are followed here. The
 * first one has simpler rules, by which no quotation mark can be said. A batch file's line is taken
 * apart by cmd.exe, by rules of its own, and what is an argument here would be a command there: so
 * none is run.
 */
#include "command.h"

#include <stdlib.h>
#include <string.h>

void *cedi_memory_get(size_t bytes);
void cedi_memory_free(void *);

/* ---- The line ------------------------------------------------------------------------------- */

typedef struct line {
    wchar_t *at, *end;
    bool full;
} line;

static void put(line *line, wchar_t unit, size_t times)
{
    while (times-- > 0) {
        if (line->at == line->end) {
            line->full = true;
            return;
        }
        *line->at++ = unit;
    }
}

static bool needs_quotes(const wchar_t *text)
{
    return !*text || wcspbrk(text, L" \t\n\v\"");
}

/* A backslash means itself, but for those before a quotation mark: twice as many mean them. */
static void put_argument(line *line, const wchar_t *text)
{
    size_t backslashes = 0;
    if (!needs_quotes(text)) {
        for (; *text; text++)
            put(line, *text, 1);
        return;
    }
    put(line, L'"', 1);
    for (; *text; text++) {
        if (*text == L'\\') {
            backslashes++;
            continue;
        }
        put(line, L'\\', *text == L'"' ? 2 * backslashes + 1 : backslashes);
        put(line, *text, 1);
        backslashes = 0;
    }
    put(line, L'\\', 2 * backslashes);
    put(line, L'"', 1);
}

static uint32_t put_first(line *line, const wchar_t *text)
{
    bool quotes = needs_quotes(text);
    if (wcschr(text, L'"'))
        return ERROR_INVALID_PARAMETER;
    put(line, L'"', quotes);
    for (; *text; text++)
        put(line, *text, 1);
    put(line, L'"', quotes);
    return 0;
}

/* An empty text is one here. */
static uint32_t widen(wchar_t *out, uint32_t units, const char *text)
{
    out[0] = 0;
    return *text ? cedi_win_text(out, units, text) : 0;
}

static uint32_t make_line(win_command *command, const char *const *arguments)
{
    line line = {command->line, command->line + WIN_LINE_UNITS - 1, false};
    wchar_t *text = command->directory; /* not in use yet */
    for (uint32_t i = 0; arguments[i]; i++) {
        uint32_t error = widen(text, WIN_PATH_UNITS, arguments[i]);
        if (error)
            return error == ERROR_FILENAME_EXCED_RANGE ? ERROR_BAD_ARGUMENTS : error;
        put(&line, L' ', i > 0);
        error = 0;
        if (i == 0)
            error = put_first(&line, text);
        else
            put_argument(&line, text);
        if (error)
            return error;
    }
    *line.at = 0;
    return line.full ? ERROR_BAD_ARGUMENTS : 0;
}

/* ---- The program ---------------------------------------------------------------------------- */

static bool is_file(const wchar_t *path)
{
    DWORD attributes = GetFileAttributesW(path);
    return attributes != INVALID_FILE_ATTRIBUTES && !(attributes & FILE_ATTRIBUTE_DIRECTORY);
}

static bool ends_with(const wchar_t *text, const wchar_t *end)
{
    size_t units = wcslen(text), less = wcslen(end);
    return units >= less &&
           CompareStringOrdinal(text + units - less, -1, end, -1, TRUE) == CSTR_EQUAL;
}

/* As it is, or with what a program's name ends with. */
static bool find_as(wchar_t *path, size_t room)
{
    size_t units = wcslen(path);
    if (is_file(path))
        return true;
    if (units + 5 > room)
        return false;
    memcpy(path + units, L".exe", 5 * sizeof *path);
    if (is_file(path))
        return true;
    path[units] = 0;
    return false;
}

/* The system may leave out what dots and spaces are behind a name, and runs what is left. */
static bool is_batch(wchar_t *path)
{
    size_t units = wcslen(path);
    wchar_t *end, kept;
    bool batch;
    while (units > 0 && (path[units - 1] == L'.' || path[units - 1] == L' '))
        units--;
    end = path + units;
    kept = *end;
    *end = 0;
    batch = ends_with(path, L".bat") || ends_with(path, L".cmd");
    *end = kept;
    return batch;
}

/* The next entry of PATH, and what is behind it. Quotation marks are left out, as the shell does;
 * between two of them a semicolon is a character like others. */
static const wchar_t *next_entry(wchar_t **rest)
{
    wchar_t *entry = *rest, *from = entry, *to = entry;
    bool quoted = false;
    for (; *from && (quoted || *from != L';'); from++) {
        if (*from == L'"')
            quoted = !quoted && wcschr(from + 1, L'"');
        else
            *to++ = *from;
    }
    *rest = from + (*from == L';');
    *to = 0;
    return entry;
}

/* The directories of PATH, without those that depend on where this process works just now. */
static uint32_t find_in_path(win_path *out, const wchar_t *name)
{
    DWORD units = GetEnvironmentVariableW(L"PATH", NULL, 0);
    wchar_t *path = units ? cedi_memory_get(units * sizeof *path) : NULL, *at = path;
    wchar_t *given = cedi_memory_get(WIN_PATH_UNITS * sizeof *given);
    uint32_t error = ERROR_FILE_NOT_FOUND;
    bool found = false;
    if (path && GetEnvironmentVariableW(L"PATH", path, units) >= units)
        *path = 0; /* somebody has made it longer meanwhile */
    while (at && given && *at && !found) {
        const wchar_t *entry = next_entry(&at);
        size_t length = wcslen(entry), total = wcslen(name);
        bool absolute =
            (length > 2 && entry[1] == L':' && (entry[2] == L'\\' || entry[2] == L'/')) ||
            (length > 2 && entry[0] == L'\\' && entry[1] == L'\\');
        if (absolute && length + total + 2 < WIN_PATH_UNITS) {
            memcpy(given, entry, length * sizeof *given);
            given[length] = L'\\';
            memcpy(given + length + 1, name, (total + 1) * sizeof *given);
            found = cedi_win_path_full(out, given) == 0 && find_as(out->text, WIN_PATH_UNITS);
        }
    }
    if (!found && (!given || (units && !path)))
        error = ERROR_NOT_ENOUGH_MEMORY;
    cedi_memory_free(given);
    cedi_memory_free(path);
    return found ? 0 : error;
}

/* Programs ask for their own names, and seldom expect the long form; but where the plain one is too
 * long, CreateProcessW takes that (bazel, pull request 29921). */
static uint32_t find_program(win_command *command, win_path *path, const char *program)
{
    wchar_t *name = command->directory; /* not in use yet */
    uint32_t error;
    if (strpbrk(program, "/\\:")) {
        bool found;
        error = cedi_win_path(path, program);
        if (error)
            return error;
        found = !path->directory && find_as(path->text, WIN_PATH_UNITS);
        if (!found && GetFileAttributesW(path->text) != INVALID_FILE_ATTRIBUTES)
            return ERROR_ACCESS_DENIED; /* a directory */
        if (!found)
            return cedi_win_path_why(path, ERROR_PATH_NOT_FOUND);
    } else {
        error = cedi_win_text(name, WIN_PATH_UNITS, program);
        if (error == 0)
            error = cedi_win_check_names(name);
        if (error == 0)
            error = find_in_path(path, name);
        if (error)
            return error;
    }
    if (is_batch(path->text))
        return ERROR_BAD_EXE_FORMAT;
    if (!cedi_win_path_plain(path, command->program, MAX_PATH))
        memcpy(command->program, path->text, sizeof path->text);
    return 0;
}

/* Where a process works is kept with a separator behind it, in MAX_PATH units, whatever the form
 * and whoever sets it (the page of SetCurrentDirectory; libuv, issue 4684). */
static uint32_t find_directory(win_command *command, win_path *path, const char *directory)
{
    uint32_t error = cedi_win_path(path, directory);
    DWORD attributes;
    if (error)
        return error;
    attributes = GetFileAttributesW(path->text);
    if (attributes == INVALID_FILE_ATTRIBUTES)
        return cedi_win_path_why(path, GetLastError());
    if (!(attributes & FILE_ATTRIBUTE_DIRECTORY))
        return ERROR_DIRECTORY;
    command->has_directory = true;
    return cedi_win_path_plain(path, command->directory, MAX_PATH - 1) ? 0
                                                                       : ERROR_FILENAME_EXCED_RANGE;
}

/* ---- The variables -------------------------------------------------------------------------- */

/* The system looks names up by halving, whatever their letters' case. */
static int by_name(const void *a, const void *b)
{
    const wchar_t *first = *(const wchar_t *const *)a, *second = *(const wchar_t *const *)b;
    int one = (int)wcscspn(first + (*first == L'='), L"=") + (*first == L'=');
    int two = (int)wcscspn(second + (*second == L'='), L"=") + (*second == L'=');
    return CompareStringOrdinal(first, one, second, two, TRUE) - CSTR_EQUAL;
}

static uint32_t fill_block(wchar_t *block, size_t room, const wchar_t **texts,
                           const char *const *variables)
{
    wchar_t *text = block + room, *at = block; /* made behind the block, and put there in order */
    size_t count = 0;
    for (; *variables; variables++) {
        size_t left = room - (size_t)(text - (block + room));
        uint32_t error;
        if (!**variables)
            continue;
        error = cedi_win_text(text, (uint32_t)(left < INT32_MAX ? left : INT32_MAX), *variables);
        if (error)
            return error;
        texts[count++] = text;
        text += wcslen(text) + 1;
    }
    qsort((void *)(uintptr_t)texts, count, sizeof *texts, by_name);
    for (size_t i = 0; i < count; i++) {
        size_t units = wcslen(texts[i]) + 1;
        memcpy(at, texts[i], units * sizeof *at);
        at += units;
    }
    *at++ = 0;
    *at = 0; /* of none at all, too */
    return 0;
}

/* A text in UTF-8 has no more units than bytes. An empty one would be the block's end. */
static uint32_t make_environment(win_command *command, const char *const *variables)
{
    size_t room = 2, count = 0;
    const wchar_t **texts;
    uint32_t error = ERROR_NOT_ENOUGH_MEMORY;
    for (; variables[count]; count++)
        room += strlen(variables[count]) + 1;
    texts = cedi_memory_get((count + 1) * sizeof *texts);
    command->environment = cedi_memory_get(2 * room * sizeof(wchar_t));
    if (texts && command->environment)
        error = fill_block(command->environment, room, texts, variables);
    cedi_memory_free((void *)(uintptr_t)texts);
    return error;
}

uint32_t cedi_win_command(win_command *command, const cede_spawn *how)
{
    win_path *path = cedi_memory_get(sizeof *path);
    uint32_t error = path ? make_line(command, how->arguments) : ERROR_NOT_ENOUGH_MEMORY;
    if (error == 0)
        error = find_program(command, path, how->program);
    command->directory[0] = 0;
    if (error == 0 && how->directory)
        error = find_directory(command, path, how->directory);
    cedi_memory_free(path);
    if (error == 0 && how->environment)
        error = make_environment(command, how->environment);
    return error;
}

void cedi_win_command_free(win_command *command)
{
    cedi_memory_free(command->environment);
    cedi_memory_free(command);
}
