/*
 * Directory entries. On a pool thread; they lie in the job's buffer until the loop's thread gives
 * them.
 *
 * The system gives whole records, in its own form and moves on. So it is asked for no more at once
 * than surely fits as entries: a record of n units takes 104 + 2n bytes, an entry at most 3n + 19,
 * which for the longest name, 255, is 784 to 614; three quarters are on the safe side.
 */
#include "calls.h"

#include <string.h>

#define RECORDS_MOST 32768u

static uint8_t type_of(DWORD attributes, DWORD tag)
{
    if (attributes & FILE_ATTRIBUTE_REPARSE_POINT)
        return tag == IO_REPARSE_TAG_SYMLINK || tag == IO_REPARSE_TAG_MOUNT_POINT
                   ? CEDE_FILE_SYMLINK
                   : CEDE_FILE_UNKNOWN;
    return attributes & FILE_ATTRIBUTE_DIRECTORY ? CEDE_FILE_DIRECTORY : CEDE_FILE_REGULAR;
}

static bool is_dots(const wchar_t *name, size_t units)
{
    return (units == 1 && name[0] == L'.') || (units == 2 && name[0] == L'.' && name[1] == L'.');
}

/* Returns the entry's bytes; 0 for what is left out. */
static size_t convert(const FILE_ID_BOTH_DIR_INFO *record, unsigned char *to)
{
    cede_entry entry;
    size_t units = record->FileNameLength / sizeof(wchar_t), whole;
    int bytes;
    if (units == 0 || is_dots(record->FileName, units))
        return 0;
    memset(&entry, 0, sizeof entry);
    bytes = WideCharToMultiByte(CP_UTF8, 0, record->FileName, (int)units, entry.name,
                                CEDE_NAME_BYTES - 1, NULL, NULL);
    if (bytes <= 0)
        return 0;
    whole = (offsetof(cede_entry, name) + (size_t)bytes + 1 + 7) & ~(size_t)7;
    entry.file_id = (uint64_t)record->FileId.QuadPart;
    entry.entry_bytes = (uint16_t)whole;
    entry.type = type_of(record->FileAttributes, record->EaSize); /* there: the reparse tag */
    memcpy(to, &entry, whole);
    return whole;
}

uint32_t cedi_win_do_readdir(win_job *job)
{
    union {
        FILE_ID_BOTH_DIR_INFO first;
        unsigned char all[RECORDS_MOST];
    } records;
    uint64_t room = job->args.io.length_bytes / 4 * 3;
    DWORD ask = room < sizeof records ? (DWORD)(room & ~(uint64_t)7) : (DWORD)sizeof records;
    do {
        const unsigned char *at = records.all;
        DWORD step;
        if (!GetFileInformationByHandleEx((HANDLE)job->native, FileIdBothDirectoryInfo, &records,
                                          ask))
            return GetLastError() == ERROR_NO_MORE_FILES ? 0 : GetLastError();
        do {
            const FILE_ID_BOTH_DIR_INFO *record = (const FILE_ID_BOTH_DIR_INFO *)(const void *)at;
            job->count += convert(record, job->scratch->bytes + job->count);
            step = record->NextEntryOffset;
            at += step;
        } while (step);
    } while (job->count == 0); /* dots alone are not the end */
    return 0;
}
