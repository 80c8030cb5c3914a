/*
 * Directory entries. On a pool thread; they lie in the job's buffer until the loop's thread gives
 * them.
 *
 * The system gives whole records, in its own form and moves on. So it is asked for no more at once
 * than surely fits as entries: a record of n units takes 104 + 2n bytes, an entry at most 3n + 19,
 * which for the longest name, 255, is 784 to 614; three quarters are on the safe side. The shorter
 * form takes 68 + 2n, which is 578 there: two thirds.
 */
#include "calls.h"
#include "path.h"

#include <string.h>

#define RECORDS_MOST 32768u

static uint8_t type_of(DWORD attributes, DWORD tag)
{
    if (attributes & FILE_ATTRIBUTE_REPARSE_POINT)
        return cedi_win_is_link(attributes, tag) ? CEDE_FILE_SYMLINK : CEDE_FILE_UNKNOWN;
    return attributes & FILE_ATTRIBUTE_DIRECTORY ? CEDE_FILE_DIRECTORY : CEDE_FILE_REGULAR;
}

static bool is_dots(const wchar_t *name, size_t units)
{
    return (units == 1 && name[0] == L'.') || (units == 2 && name[0] == L'.' && name[1] == L'.');
}

/* One of the system's records, of either form. */
typedef struct record {
    const wchar_t *name;
    DWORD name_bytes;
    DWORD attributes;
    DWORD tag;
    LONGLONG id;
    DWORD step; /* to the next; 0: it is the last */
} record;

static record read_both(const unsigned char *at)
{
    const FILE_ID_BOTH_DIR_INFO *info = (const FILE_ID_BOTH_DIR_INFO *)(const void *)at;
    return (record){.name = info->FileName,
                    .name_bytes = info->FileNameLength,
                    .attributes = info->FileAttributes,
                    .tag = info->EaSize, /* there */
                    .id = info->FileId.QuadPart,
                    .step = info->NextEntryOffset};
}

static record read_full(const unsigned char *at)
{
    const FILE_FULL_DIR_INFO *info = (const FILE_FULL_DIR_INFO *)(const void *)at;
    return (record){.name = info->FileName,
                    .name_bytes = info->FileNameLength,
                    .attributes = info->FileAttributes,
                    .tag = info->EaSize,
                    .step = info->NextEntryOffset};
}

/* The system's two forms: with a number for each file, and what file systems have that do not know
 * the first. How much of the caller's room may be asked for, as a share. */
typedef struct form {
    FILE_INFO_BY_HANDLE_CLASS what;
    uint32_t of, share;
    record (*read)(const unsigned char *at);
} form;

static const form both = {FileIdBothDirectoryInfo, 4, 3, read_both};
static const form full = {FileFullDirectoryInfo, 3, 2, read_full};

/* Returns the entry's bytes; 0 for what is left out. */
static size_t convert(const record *record, unsigned char *to)
{
    cede_entry entry;
    size_t units = record->name_bytes / sizeof(wchar_t), bytes, whole;
    if (units == 0 || is_dots(record->name, units))
        return 0;
    memset(&entry, 0, sizeof entry);
    bytes = cedi_win_utf8(entry.name, CEDE_NAME_BYTES - 1, record->name, units);
    if (bytes == 0)
        return 0;
    whole = (offsetof(cede_entry, name) + bytes + 1 + 7) & ~(size_t)7;
    entry.file_id = (uint64_t)record->id;
    entry.entry_bytes = (uint16_t)whole;
    entry.type = type_of(record->attributes, record->tag);
    memcpy(to, &entry, whole);
    return whole;
}

static uint32_t read_some(win_job *job, const form *form, unsigned char *records, DWORD most)
{
    uint64_t room = job->args.io.length_bytes / form->of * form->share;
    DWORD ask = room < most ? (DWORD)(room & ~(uint64_t)7) : most;
    do {
        const unsigned char *at = records;
        record record;
        uint32_t error =
            job->self->calls.get_file_info((HANDLE)job->native, form->what, records, ask);
        if (error)
            return error;
        do {
            record = form->read(at);
            job->count += convert(&record, job->scratch->bytes + job->count);
            at += record.step;
        } while (record.step);
    } while (job->count == 0); /* dots alone are not the end */
    return 0;
}

/* "Not found" is said of the root of a volume that has nothing in it, not even dots. */
uint32_t cedi_win_do_readdir(win_job *job)
{
    union {
        FILE_ID_BOTH_DIR_INFO first;
        unsigned char all[RECORDS_MOST];
    } records;
    uint32_t error = read_some(job, &both, records.all, sizeof records);
    if (error == ERROR_INVALID_PARAMETER || error == ERROR_NOT_SUPPORTED ||
        error == ERROR_INVALID_FUNCTION || error == ERROR_INVALID_LEVEL)
        error = read_some(job, &full, records.all, sizeof records);
    return error == ERROR_NO_MORE_FILES || error == ERROR_FILE_NOT_FOUND ? 0 : error;
}
