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
