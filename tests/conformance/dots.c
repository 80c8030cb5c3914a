/*
 * Names that end with dots, and what is a directory's alone (law 16: one answer everywhere).
 */
#include "conformance.h"

static void make_directory(cft *t, const char *name, cede_status status)
{
    cft_rec *rec = cft_new(t);
    cede_prep_mkdir(rec->req, cft_path(t, name), 0755);
    cft_do(rec);
    CFT_STATUS(t, rec, status);
}

static void expect_stat(cft *t, const char *name, cede_status status)
{
    cft_rec *rec = cft_new(t);
    cede_prep_stat(rec->req, cft_path(t, name), cft_buffer(rec, sizeof(cede_stat)), 0);
    cft_do(rec);
    CFT_STATUS(t, rec, status);
}

static void expect_rename(cft *t, const char *from, const char *to, uint32_t flags,
                          cede_status status)
{
    cft_rec *rec = cft_new(t);
    cede_prep_rename(rec->req, cft_path(t, from), cft_path(t, to), flags);
    cft_do(rec);
    CFT_STATUS(t, rec, status);
}

static void expect_unlink(cft *t, const char *name, cede_status status)
{
    cft_rec *rec = cft_new(t);
    cede_prep_unlink(rec->req, cft_path(t, name));
    cft_do(rec);
    CFT_STATUS(t, rec, status);
}

static void expect_rmdir(cft *t, const char *name, cede_status status)
{
    cft_rec *rec = cft_new(t);
    cede_prep_rmdir(rec->req, cft_path(t, name));
    cft_do(rec);
    CFT_STATUS(t, rec, status);
}

/* Dots at the end are a directory's; and no name, that could be given to something else. */
CFT_CASE(dots_at_the_end_name_a_directory)
{
    static const char *const ends[] = {"d/.", "d/./", "d/.."};
    cft_file(t, "file", "x", 1, 0);
    make_directory(t, "d", CEDE_OK);
    cft_open_says(t, "file/.", CEDE_OPEN_READ, CEDE_ENOTDIR);
    expect_stat(t, "file/.", CEDE_ENOTDIR);
    cft_open_says(t, "d/.", CEDE_OPEN_READ | CEDE_OPEN_DIRECTORY, CEDE_OK);
    for (uint32_t i = 0; i < 3; i++) {
        cft_open_says(t, ends[i], CEDE_OPEN_WRITE | CEDE_OPEN_CREATE, CEDE_EISDIR);
        expect_unlink(t, ends[i], CEDE_EISDIR);
        expect_rmdir(t, ends[i], i < 2 ? CEDE_EINVAL : CEDE_ENOTEMPTY);
        expect_rename(t, ends[i], "e", 0, CEDE_EBUSY);
        expect_rename(t, "file", ends[i], 0, CEDE_EBUSY);
        expect_rename(t, "file", ends[i], CEDE_RENAME_NOREPLACE, CEDE_EEXIST);
    }
    expect_unlink(t, "file/.", CEDE_ENOTDIR);
    expect_rmdir(t, "none/.", CEDE_ENOENT);
    make_directory(t, "none/.", CEDE_ENOENT);
    make_directory(t, "d/.", CEDE_EEXIST);
    expect_stat(t, "d", CEDE_OK);
    expect_rmdir(t, "d", CEDE_OK);
}

CFT_CASE(directory_has_no_further_name)
{
    cft_rec *link = cft_new(t);
    make_directory(t, "d", CEDE_OK);
    cede_prep_link(link->req, cft_path(t, "d"), cft_path(t, "e"));
    cft_do(link);
    CFT_STATUS(t, link, CEDE_EPERM);
    expect_stat(t, "e", CEDE_ENOENT);
}
