/*
 * Paths. The rules are Windows' own, but for what its old forms change in silence: a name with a
 * trailing dot or space, which it would cut, and the names of devices, which it would open, are
 * refused.
 */
#include "path.h"

#include <string.h>

#define NAME_UNITS 255u /* of one component, on every file system */

static bool is_separator(wchar_t c)
{
    return c == L'\\' || c == L'/';
}

static wchar_t upper(wchar_t c)
{
    return c >= L'a' && c <= L'z' ? (wchar_t)(c - L'a' + L'A') : c;
}

static bool starts_with(const wchar_t *name, size_t units, const char *word)
{
    size_t i = 0;
    for (; word[i]; i++) {
        if (i >= units || upper(name[i]) != (wchar_t)word[i])
            return false;
    }
    return true;
}

/* CON, PRN, AUX, NUL, COM1 to LPT9, whatever follows a dot, a colon or spaces. */
static bool is_reserved(const wchar_t *name, size_t units)
{
    static const char *const words[] = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"};
    size_t end = 0;
    while (end < units && name[end] != L'.' && name[end] != L':')
        end++;
    while (end > 0 && name[end - 1] == L' ')
        end--;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strlen(words[i]) == end && starts_with(name, end, words[i]))
            return true;
    }
    if (end != 4 || (!starts_with(name, end, "COM") && !starts_with(name, end, "LPT")))
        return false;
    return (name[3] >= L'1' && name[3] <= L'9') || name[3] == 0xb9 || name[3] == 0xb2 ||
           name[3] == 0xb3; /* superscripts count as digits */
}

static uint32_t check_name(const wchar_t *name, size_t units)
{
    if (units == 0 || (units == 1 && name[0] == L'.') ||
        (units == 2 && name[0] == L'.' && name[1] == L'.'))
        return 0;
    if (units > NAME_UNITS)
        return ERROR_FILENAME_EXCED_RANGE;
    for (size_t i = 0; i < units; i++) {
        if (name[i] < 32 || (name[i] < 128 && strchr("<>:\"|?*", (char)name[i])))
            return ERROR_INVALID_NAME;
    }
    if (name[units - 1] == L'.' || name[units - 1] == L' ' || is_reserved(name, units))
        return ERROR_INVALID_NAME;
    return 0;
}

uint32_t cedi_win_check_names(const wchar_t *path)
{
    const wchar_t *at = path;
    bool drive = upper(at[0]) >= L'A' && upper(at[0]) <= L'Z' && at[1] == L':';
    if (drive)
        at += 2;
    while (*at) {
        size_t units = 0;
        uint32_t error;
        while (at[units] && !is_separator(at[units]))
            units++;
        error = check_name(at, units);
        if (error)
            return error;
        at += units;
        while (is_separator(*at))
            at++;
    }
    return 0;
}

/* What the full path needs before it, to be taken as it is. Returns how much of it is replaced. */
static size_t long_prefix(const wchar_t *full, const wchar_t **prefix)
{
    if (full[0] == L'\\' && full[1] == L'\\') {
        *prefix = L"\\\\?\\UNC\\";
        return 2;
    }
    *prefix = L"\\\\?\\";
    return 0;
}

uint32_t cedi_win_path_full(win_path *path, const wchar_t *given)
{
    const wchar_t *prefix;
    size_t before, cut, units;
    wchar_t *text = path->text;
    /* The longest prefix goes in front, so the full path is made behind its place. */
    DWORD made = GetFullPathNameW(given, WIN_PATH_UNITS - 16, text + 8, NULL);
    path->device = false;
    if (made == 0)
        return GetLastError();
    if (made >= WIN_PATH_UNITS - 16)
        return ERROR_FILENAME_EXCED_RANGE;
    units = made;
    if (text[8] == L'\\' && text[9] == L'\\' && (text[10] == L'.' || text[10] == L'?')) {
        memmove(text, text + 8, (units + 1) * sizeof *text);
        path->device = true; /* after all */
        return 0;
    }
    cut = long_prefix(text + 8, &prefix);
    before = wcslen(prefix);
    memmove(text + before, text + 8 + cut, (units - cut + 1) * sizeof *text);
    memcpy(text, prefix, before * sizeof *text);
    units = before + units - cut;
    while (units > before + 3 && text[units - 1] == L'\\')
        text[--units] = 0; /* "name/" is "name", if that is a directory */
    return 0;
}

bool cedi_win_path_plain(const win_path *path, wchar_t *out, uint32_t room)
{
    const wchar_t *text = path->text;
    size_t cut = 0, units = wcslen(text);
    if (!path->device)
        cut = wcsncmp(text, L"\\\\?\\UNC\\", 8) == 0 ? 6 : 4;
    if (units - cut >= room)
        return false;
    memcpy(out, text + cut, (units - cut + 1) * sizeof *out);
    if (cut == 6)
        out[0] = L'\\'; /* of "C\server" */
    return true;
}

/* Unless it is not there, which is for the operation to say. */
static uint32_t check_directory(const win_path *path)
{
    DWORD attributes = GetFileAttributesW(path->text);
    return attributes != INVALID_FILE_ATTRIBUTES && !(attributes & FILE_ATTRIBUTE_DIRECTORY)
               ? ERROR_DIRECTORY
               : 0;
}

/* As the system would take it: but for \\?\ it resolves "." and "..", which may lead from a drive
 * to a pipe and back. */
static uint32_t copy_device(wchar_t *text, const wchar_t *given)
{
    DWORD units;
    if (wcsncmp(given, L"\\\\?\\", 4) == 0) {
        memcpy(text, given, (wcslen(given) + 1) * sizeof *given);
        return 0;
    }
    units = GetFullPathNameW(given, WIN_PATH_UNITS, text, NULL);
    if (units == 0)
        return GetLastError();
    return units >= WIN_PATH_UNITS ? ERROR_FILENAME_EXCED_RANGE : 0;
}

/* Every path has four units of prefix. */
bool cedi_win_path_is_pipe(const win_path *path)
{
    const wchar_t *at = path->text + 4;
    return path->device && starts_with(at, wcslen(at), "PIPE\\") && at[5];
}

bool cedi_win_path_has_server(const win_path *path)
{
    const wchar_t *at = path->text + 4;
    size_t units = wcslen(at);
    if (starts_with(at, units, "UNC\\")) {
        const wchar_t *share = wcschr(at + 4, L'\\');
        return share && starts_with(share + 1, wcslen(share + 1), "PIPE\\");
    }
    return path->device && !(units >= 2 && at[1] == L':') && !starts_with(at, units, "VOLUME{");
}

/* How many dots the last name is made of, if of nothing else; 0 of more than two. */
static uint8_t count_dots(const wchar_t *given)
{
    size_t end = wcslen(given), at;
    while (end > 0 && is_separator(given[end - 1]))
        end--;
    for (at = end; at > 0 && given[at - 1] == L'.';)
        at--;
    if (at > 0 && !is_separator(given[at - 1]) && given[at - 1] != L':')
        return 0;
    return end - at <= 2 ? (uint8_t)(end - at) : 0;
}

uint32_t cedi_win_path(win_path *path, const char *utf8)
{
    wchar_t given[WIN_PATH_UNITS];
    uint32_t error = cedi_win_text(given, WIN_PATH_UNITS, utf8);
    path->device = path->directory = false;
    path->dots = 0;
    if (error)
        return error;
    path->directory = is_separator(given[wcslen(given) - 1]);
    if (is_separator(given[0]) && is_separator(given[1]) &&
        (given[2] == L'.' || given[2] == L'?') && is_separator(given[3])) {
        path->device = true;
        return copy_device(path->text, given);
    }
    path->dots = count_dots(given);
    path->directory = path->directory || path->dots;
    error = cedi_win_check_names(given);
    if (error)
        return error;
    error = cedi_win_path_full(path, given);
    return error == 0 && path->directory ? check_directory(path) : error;
}

uint32_t cedi_win_path_why(const win_path *path, uint32_t error)
{
    wchar_t part[WIN_PATH_UNITS];
    size_t units;
    if ((error != ERROR_PATH_NOT_FOUND && error != ERROR_DIRECTORY &&
         error != ERROR_INVALID_NAME) ||
        path->device)
        return error;
    units = wcslen(path->text);
    memcpy(part, path->text, (units + 1) * sizeof *part);
    while (units > 0) {
        DWORD attributes;
        while (units > 0 && part[units - 1] != L'\\')
            units--;
        if (units <= 4)
            break;
        part[--units] = 0;
        attributes = GetFileAttributesW(part);
        if (attributes != INVALID_FILE_ATTRIBUTES)
            return attributes & FILE_ATTRIBUTE_DIRECTORY ? error : ERROR_DIRECTORY;
    }
    return error;
}
