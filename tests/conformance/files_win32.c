/*
 * What Windows says and does to files where Wine does otherwise: room, lengths, rights, questions
 * and wishes that a version or a file system does not know. Cases of the Windows lanes.
 */
#include "hooks_win32.h"

#include <stdio.h>
#include <string.h>

static const cede_win32_calls *real(void)
{
    return cede_win32_system_calls();
}

static cede_loop *at; /* the loop that the helpers use */

static cede_status did(cft *t, cft_rec *rec)
{
    hooks_do(t, at, rec);
    return rec->result.status;
}

static cede_status do_open(cft *t, const char *name, uint32_t flags, uint32_t mode,
                           cede_handle *file)
{
    cft_rec *rec = cft_new(t);
    cede_prep_open(rec->req, cft_path(t, name), flags, mode);
    cede_status status = did(t, rec);
    *file = rec->result.handle;
    return status;
}

static void let_go(cft *t, cede_handle file)
{
    cft_rec *rec = cft_new(t);
    cede_prep_close(rec->req, file);
    CFT_CHECK(t, did(t, rec) == CEDE_OK);
}

static cede_status do_allocate(cft *t, cede_handle file, uint64_t length, uint32_t flags)
{
    cft_rec *rec = cft_new(t);
    cede_prep_allocate(rec->req, file, 0, length, flags);
    return did(t, rec);
}

/* Of nothing that is open now. */
static uint64_t size_of(cft *t, const char *name)
{
    WIN32_FILE_ATTRIBUTE_DATA data;
    CFT_CHECK(t, GetFileAttributesExA(cft_path(t, name), GetFileExInfoStandard, &data));
    return data.nFileSizeLow;
}

/* ---- Room ------------------------------------------------------------------------------------ */

static uint32_t rooms; /* wishes for room */

static uint32_t say_sparse(void *file, int what, void *out, uint32_t bytes)
{
    uint32_t error = real()->get_file_info(file, what, out, bytes);
    if (error == 0 && what == FileStandardInfo)
        ((FILE_STANDARD_INFO *)out)->AllocationSize.QuadPart = 4096;
    return error;
}

/* FILE_ALLOCATION_INFO's page: less room than there are bytes cuts the file. */
static uint32_t cut_by_room(void *file, int what, void *in, uint32_t bytes)
{
    LARGE_INTEGER size;
    const FILE_ALLOCATION_INFO *room = in;
    FILE_END_OF_FILE_INFO end;
    if (what != FileAllocationInfo)
        return real()->set_file_info(file, what, in, bytes);
    rooms++;
    end.EndOfFile = room->AllocationSize;
    if (!GetFileSizeEx(file, &size) || room->AllocationSize.QuadPart >= size.QuadPart)
        return 0;
    return real()->set_file_info(file, FileEndOfFileInfo, &end, sizeof end);
}

/* It is sparse or compressed. */
CFT_CASE(allocate_cuts_no_file_with_less_room_than_bytes)
{
    static const cede_win32_calls calls = {.get_file_info = say_sparse,
                                           .set_file_info = cut_by_room};
    cede_handle file;
    at = hooks_open(t, &calls, 0, 0);
    cft_file(t, "f", NULL, 9000, 1);
    rooms = 0;
    CFT_CHECK(t, do_open(t, "f", CEDE_OPEN_READ | CEDE_OPEN_WRITE, 0, &file) == CEDE_OK);
    CFT_CHECK(t, do_allocate(t, file, 8000, CEDE_ALLOCATE_KEEP_SIZE) == CEDE_OK);
    CFT_CHECK(t, do_allocate(t, file, 8000, 0) == CEDE_OK);
    CFT_CHECK(t, do_allocate(t, file, 9000, 0) == CEDE_OK && rooms == 0);
    CFT_CHECK(t, do_allocate(t, file, 9500, CEDE_ALLOCATE_KEEP_SIZE) == CEDE_OK && rooms == 1);
    let_go(t, file);
    CFT_CHECK(t, size_of(t, "f") == 9000);
    CFT_CHECK(t, do_open(t, "f", CEDE_OPEN_WRITE, 0, &file) == CEDE_OK);
    CFT_CHECK(t, do_allocate(t, file, 9500, 0) == CEDE_OK);
    let_go(t, file);
    CFT_CHECK(t, size_of(t, "f") == 9500);
}

/* ---- Versions -------------------------------------------------------------------------------- */

#define DISPOSITION_EX 21 /* FileDispositionInfoEx, FileRenameInfoEx: Windows 10, 1607 */
#define RENAME_EX      22

/* FILE_RENAME_INFORMATION */
typedef struct new_name {
    DWORD flags;
    HANDLE root;
    DWORD bytes;
    wchar_t units[1];
} new_name;

static uint32_t posix_deletes, posix_renames, old_deletes;

static bool is_read_only(DWORD attributes)
{
    return attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_READONLY);
}

static uint32_t delete_as_1607(void *file, DWORD flags)
{
    FILE_DISPOSITION_INFO gone = {TRUE};
    FILE_BASIC_INFO info;
    if (flags != 0x03) /* DELETE, POSIX_SEMANTICS; IGNORE_READONLY_ATTRIBUTE came with 1809 */
        return ERROR_INVALID_PARAMETER;
    posix_deletes++;
    if (real()->get_file_info(file, FileBasicInfo, &info, sizeof info) ||
        is_read_only(info.FileAttributes))
        return ERROR_ACCESS_DENIED;
    return real()->set_file_info(file, FileDispositionInfo, &gone, sizeof gone);
}

static bool denies; /* whatever is there */
static uint32_t old_moves;

/* (Wine 8 has none of them: the old way moves it. What is there may be open, which that minds, so
 * it is moved away, and lives on as a file that has lost its name and is open would.) */
static uint32_t rename_as_1607(HANDLE file, const new_name *name)
{
    wchar_t from[MAX_PATH], to[MAX_PATH] = {0}, gone[MAX_PATH + 8];
    if (name->flags & 0x40) /* IGNORE_READONLY_ATTRIBUTE: 1809 */
        return ERROR_INVALID_PARAMETER;
    posix_renames++;
    memcpy(to, name->units, name->bytes < sizeof to - 2 ? name->bytes : sizeof to - 2);
    if (denies || is_read_only(GetFileAttributesW(to)))
        return ERROR_ACCESS_DENIED;
    if (GetFinalPathNameByHandleW(file, from, MAX_PATH, 0) >= MAX_PATH)
        return ERROR_INVALID_LEVEL;
    (void)wcscat(wcscpy(gone, to), L".gone");
    (void)real()->move_file(to, gone, 0);
    return real()->move_file(from, to, 0);
}

/* MoveFileEx, as its page has it: Wine's minds open files only. */
static uint32_t move_old(const wchar_t *from, const wchar_t *to, uint32_t flags)
{
    old_moves++;
    return denies || is_read_only(GetFileAttributesW(to)) ? ERROR_ACCESS_DENIED
                                                          : real()->move_file(from, to, flags);
}

static uint32_t answer_as_1607(void *file, int what, void *in, uint32_t bytes)
{
    if (what == DISPOSITION_EX)
        return delete_as_1607(file, *(const DWORD *)in);
    if (what == RENAME_EX)
        return rename_as_1607(file, in);
    old_deletes += what == FileDispositionInfo;
    return real()->set_file_info(file, what, in, bytes);
}

static cede_status do_unlink(cft *t, const char *name)
{
    cft_rec *rec = cft_new(t);
    cede_prep_unlink(rec->req, cft_path(t, name));
    return did(t, rec);
}

static cede_status do_rename(cft *t, const char *from, const char *to)
{
    cft_rec *rec = cft_new(t);
    cede_prep_rename(rec->req, cft_path(t, from), cft_path(t, to), 0);
    return did(t, rec);
}

static bool is_there(cft *t, const char *name)
{
    return GetFileAttributesA(cft_path(t, name)) != INVALID_FILE_ATTRIBUTES;
}

static void make_read_only(cft *t, const char *name)
{
    CFT_CHECK(t, SetFileAttributesA(cft_file(t, name, "1", 1, 0), FILE_ATTRIBUTE_READONLY));
}

static const cede_win32_calls old = {.move_file = move_old};
static const cede_win32_calls as_1607 = {.set_file_info = answer_as_1607, .move_file = move_old};

/* It has POSIX's deletes and renames, but none of what is read-only. */
CFT_CASE(flags_for_what_is_read_only_may_be_unknown)
{
    at = hooks_open(t, &as_1607, 0, 0);
    posix_deletes = posix_renames = old_deletes = old_moves = 0;
    denies = false;
    cft_file(t, "a", "a", 1, 0);
    CFT_CHECK(t, do_unlink(t, "a") == CEDE_OK);
    make_read_only(t, "b");
    CFT_CHECK(t, do_unlink(t, "b") == CEDE_OK && !is_there(t, "b"));
    CFT_CHECK(t, posix_deletes == 2 && old_deletes == 0);
    cft_file(t, "from", "12", 2, 0);
    make_read_only(t, "to");
    denies = true; /* it is as it was */
    CFT_CHECK(t, do_rename(t, "from", "to") == CEDE_EACCES);
    CFT_CHECK(t, is_read_only(GetFileAttributesA(cft_path(t, "to"))) && size_of(t, "to") == 1);
    denies = false;
    posix_renames = old_moves = 0;
    CFT_CHECK(t, do_rename(t, "from", "to") == CEDE_OK && posix_renames == 2 && old_moves == 0);
    CFT_CHECK(t, size_of(t, "to") == 2 && !is_there(t, "from"));
}

/* "to" and "other", of one file. */
static void make_two_names(cft *t)
{
    DeleteFileA(cft_path(t, "to"));
    make_read_only(t, "to");
    CFT_CHECK(t, CreateHardLinkA(cft_path(t, "other"), cft_path(t, "to"), NULL));
}

static void lose_other_name(cft *t)
{
    const char *other = cft_path(t, "other");
    CFT_CHECK(t, is_read_only(GetFileAttributesA(other)) && size_of(t, "other") == 1);
    CFT_CHECK(t, SetFileAttributesA(other, FILE_ATTRIBUTE_NORMAL) && DeleteFileA(other));
    (void)DeleteFileA(cft_path(t, "to.gone"));
}

/* The flag is the file's. Whichever way the system knows. */
CFT_CASE(file_that_loses_a_name_stays_read_only_by_the_others)
{
    static const cede_win32_calls *const calls[] = {&old, NULL, &as_1607};
    denies = false;
    for (uint32_t i = 0; i < 3; i++) {
        at = hooks_open(t, calls[i], 0,
                        i == 0 ? CEDE_WIN32_NO_POSIX_RENAME | CEDE_WIN32_NO_POSIX_DELETE : 0);
        make_two_names(t);
        CFT_CHECK(t, do_unlink(t, "to") == CEDE_OK && !is_there(t, "to"));
        lose_other_name(t);
        make_two_names(t);
        cft_file(t, "from", "12", 2, 0);
        CFT_CHECK(t, do_rename(t, "from", "to") == CEDE_OK && size_of(t, "to") == 2);
        CFT_CHECK(t, !is_read_only(GetFileAttributesA(cft_path(t, "to"))));
        lose_other_name(t);
    }
}

/* ---- Rights ---------------------------------------------------------------------------------- */

static ACCESS_MASK rights_of(HANDLE file)
{
    typedef LONG WINAPI query(HANDLE, void *block, void *out, ULONG bytes, int what);
    FARPROC found = GetProcAddress(GetModuleHandleA("ntdll.dll"), "NtQueryInformationFile");
    uintptr_t block[2];
    ACCESS_MASK rights = 0;
    (void)((query *)(void (*)(void))found)(file, block, &rights, sizeof rights, 8);
    return rights;
}

/* ZwQueryInformationFile's page; Wine does not look. */
static uint32_t describe_by_right(void *file, void *out)
{
    return rights_of(file) & FILE_READ_ATTRIBUTES ? real()->describe_file(file, out)
                                                  : ERROR_ACCESS_DENIED;
}

#define TO_APPEND (CEDE_OPEN_WRITE | CEDE_OPEN_APPEND)

CFT_CASE(what_only_appends_unbuffered_is_looked_at)
{
    static const cede_win32_calls calls = {.describe_file = describe_by_right};
    static const uint32_t hows[] = {TO_APPEND, TO_APPEND | CEDE_OPEN_DIRECT};
    cede_handle file;
    at = hooks_open(t, &calls, 0, 0);
    CreateDirectoryA(cft_path(t, "d"), NULL);
    for (uint32_t i = 0; i < 2; i++) {
        cft_rec *stat = cft_new(t);
        cft_file(t, "f", "12", 2, 0);
        CFT_CHECK(t, do_open(t, "f", hows[i] | CEDE_OPEN_TRUNCATE, 0, &file) == CEDE_OK);
        cede_prep_stat_handle(stat->req, file, cft_buffer(stat, sizeof(cede_stat)));
        CFT_CHECK(t, did(t, stat) == CEDE_OK);
        CFT_CHECK(t, ((const cede_stat *)(const void *)stat->bytes)->size_bytes == 0);
        let_go(t, file);
        CFT_CHECK(t, do_open(t, "d", hows[i], 0, &file) == CEDE_EISDIR);
    }
}

static uint32_t describe_nothing(void *file, void *out)
{
    (void)file;
    (void)out;
    return ERROR_ACCESS_DENIED;
}

CFT_CASE(what_cannot_be_looked_at_is_not_opened_unseen)
{
    static const cede_win32_calls calls = {.describe_file = describe_nothing};
    cede_handle file;
    at = hooks_open(t, &calls, 0, 0);
    cft_file(t, "f", "12", 2, 0);
    CFT_CHECK(t, do_open(t, "f", CEDE_OPEN_WRITE | CEDE_OPEN_TRUNCATE, 0, &file) == CEDE_EACCES);
    CFT_CHECK(t, size_of(t, "f") == 2);
}

/* FILE_END_OF_FILE_INFO's page; Wine does not look. */
static uint32_t cut_by_right(void *file, int what, void *in, uint32_t bytes)
{
    if (what == FileEndOfFileInfo && !(rights_of(file) & FILE_WRITE_DATA))
        return ERROR_ACCESS_DENIED;
    return real()->set_file_info(file, what, in, bytes);
}

/* No second handle with more rights is to be had of it (here by the configuration: to Wine, who is
 * root on its host may write all). */
CFT_CASE(new_file_that_only_appends_may_be_read_only)
{
    static const cede_win32_calls calls = {.set_file_info = cut_by_right};
    cede_handle file;
    cft_rec *cut = cft_new(t);
    at = hooks_open(t, &calls, 0, CEDE_WIN32_NO_REOPEN);
    CFT_CHECK(t, do_open(t, "f", TO_APPEND | CEDE_OPEN_CREATE | CEDE_OPEN_TRUNCATE, 0400, &file) ==
                     CEDE_OK);
    CFT_CHECK(t, is_read_only(GetFileAttributesA(cft_path(t, "f"))));
    for (uint32_t i = 0; i < 2; i++) {
        cft_rec *write = cft_new(t);
        cede_prep_write(write->req, file, cft_input(write, "x", 1), 1, CEDE_CURRENT);
        CFT_CHECK(t, did(t, write) == CEDE_OK);
    }
    cede_prep_truncate(cut->req, file, 1);
    CFT_CHECK(t, did(t, cut) == CEDE_EACCES);
    CFT_CHECK(t, do_allocate(t, file, 3, 0) == CEDE_EACCES);
    let_go(t, file);
    CFT_CHECK(t, size_of(t, "f") == 2);
    SetFileAttributesA(cft_path(t, "f"), FILE_ATTRIBUTE_NORMAL);
    CFT_CHECK(t, do_open(t, "f", TO_APPEND | CEDE_OPEN_TRUNCATE, 0, &file) == CEDE_EACCES);
    CFT_CHECK(t, size_of(t, "f") == 2);
}

/* ---- Volumes --------------------------------------------------------------------------------- */

static uint32_t no_facts;

static uint32_t say_no_facts(void *file, void *out)
{
    (void)file;
    (void)out;
    return no_facts;
}

static uint32_t type_told(cft *t, cede_handle file)
{
    cft_rec *rec = cft_new(t);
    if (file)
        cede_prep_stat_handle(rec->req, file, cft_buffer(rec, sizeof(cede_stat)));
    else
        cede_prep_stat(rec->req, cft_path(t, "f"), cft_buffer(rec, sizeof(cede_stat)), 0);
    CFT_CHECK(t, did(t, rec) == CEDE_OK);
    return ((const cede_stat *)(const void *)rec->bytes)->type;
}

/* Each says it in its way. */
CFT_CASE(volume_has_no_facts_of_a_file)
{
    static const cede_win32_calls calls = {.describe_file = say_no_facts};
    static const uint32_t words[] = {ERROR_INVALID_FUNCTION, ERROR_INVALID_PARAMETER,
                                     ERROR_NOT_SUPPORTED};
    cede_handle file;
    at = hooks_open(t, &calls, 0, 0);
    cft_file(t, "f", "12", 2, 0);
    for (uint32_t i = 0; i < 3; i++) {
        cft_rec *mode = cft_new(t), *set = cft_new(t);
        no_facts = words[i];
        CFT_CHECK(t, type_told(t, 0) == CEDE_FILE_BLOCK);
        CFT_CHECK(t, do_open(t, "f", CEDE_OPEN_READ | CEDE_OPEN_WRITE, 0, &file) == CEDE_OK);
        CFT_CHECK(t, type_told(t, file) == CEDE_FILE_BLOCK);
        cede_prep_set_mode(mode->req, file, 0400);
        CFT_CHECK(t, did(t, mode) == CEDE_OK);
        CFT_CHECK(t, !is_read_only(GetFileAttributesA(cft_path(t, "f"))));
        cede_prep_set_times(set->req, file, 0, 0);
        CFT_CHECK(t, did(t, set) == CEDE_OK);
        let_go(t, file);
    }
}
