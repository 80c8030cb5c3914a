/*
 * Every way to end an operation, for those on files and paths that move no bytes. See ends.c.
 */
#include "ends.h"

#include <string.h>

static void fsync_prepare(cft *t, stage *s)
{
    cft_ends_file(t, s, CEDE_OPEN_WRITE);
    cede_prep_fsync(s->rec->req, s->handle);
}

static void fdatasync_prepare(cft *t, stage *s)
{
    cft_ends_file(t, s, CEDE_OPEN_WRITE);
    cede_prep_fdatasync(s->rec->req, s->handle);
}

static void truncate_prepare(cft *t, stage *s)
{
    cft_ends_file(t, s, CEDE_OPEN_WRITE);
    cede_prep_truncate(s->rec->req, s->handle, 7);
}

static void truncate_check(cft *t, stage *s, bool happened)
{
    CFT_CHECK(t, cft_file_size(t, s->name) == (happened ? 7 : (int64_t)ENDS_BYTES));
}

static void allocate_prepare(cft *t, stage *s)
{
    cft_ends_file(t, s, CEDE_OPEN_WRITE);
    cede_prep_allocate(s->rec->req, s->handle, 0, 2 * ENDS_BYTES, 0);
}

static void allocate_check(cft *t, stage *s, bool happened)
{
    CFT_CHECK(t, cft_file_size(t, s->name) == (int64_t)(happened ? 2 * ENDS_BYTES : ENDS_BYTES));
}

static void stat_prepare(cft *t, stage *s)
{
    cft_file(t, s->name, NULL, ENDS_BYTES, 1);
    cede_prep_stat(s->rec->req, cft_path(t, s->name), cft_buffer(s->rec, sizeof(cede_stat)), 0);
}

static void stat_handle_prepare(cft *t, stage *s)
{
    cft_ends_file(t, s, CEDE_OPEN_READ);
    cede_prep_stat_handle(s->rec->req, s->handle, cft_buffer(s->rec, sizeof(cede_stat)));
}

static void stat_check(cft *t, stage *s, bool happened)
{
    const cede_stat *info = (const cede_stat *)(const void *)s->rec->bytes;
    if (happened)
        CFT_CHECK(t, info->size_bytes == ENDS_BYTES && info->type == CEDE_FILE_REGULAR);
}

static void open_prepare(cft *t, stage *s)
{
    cede_prep_open(s->rec->req, cft_path(t, s->name), CEDE_OPEN_WRITE | CEDE_OPEN_CREATE, 0644);
}

/* ECANCELED promises that nothing was created. */
static void open_check(cft *t, stage *s, bool happened)
{
    CFT_CHECK(t, (s->rec->result.handle != 0) == happened);
    CFT_CHECK(t, (cft_file_size(t, s->name) >= 0) == happened);
}

static void rename_prepare(cft *t, stage *s)
{
    cft_file(t, s->name, NULL, ENDS_BYTES, 1);
    const char *from = cft_path(t, s->name);
    const char *to = cft_path(t, s->other);
    cede_prep_rename(s->rec->req, cft_input(s->rec, from, strlen(from) + 1),
                     cft_input(s->rec, to, strlen(to) + 1), 0);
}

static void rename_check(cft *t, stage *s, bool happened)
{
    CFT_CHECK(t, (cft_file_size(t, s->name) >= 0) == !happened);
    CFT_CHECK(t, (cft_file_size(t, s->other) >= 0) == happened);
}

static void unlink_prepare(cft *t, stage *s)
{
    cft_file(t, s->name, NULL, ENDS_BYTES, 1);
    cede_prep_unlink(s->rec->req, cft_path(t, s->name));
}

static void unlink_check(cft *t, stage *s, bool happened)
{
    CFT_CHECK(t, (cft_file_size(t, s->name) >= 0) == !happened);
}

static void mkdir_prepare(cft *t, stage *s)
{
    const char *path = cft_path(t, s->name);
    cede_prep_mkdir(s->rec->req, cft_input(s->rec, path, strlen(path) + 1), 0755);
}

static void made_check(cft *t, stage *s, bool happened)
{
    CFT_CHECK(t, (cft_file_size(t, s->name) >= 0) == happened);
}

static void rmdir_prepare(cft *t, stage *s)
{
    cft_rec *made = cft_new(t);
    cede_prep_mkdir(made->req, cft_path(t, s->name), 0755);
    cft_do(made);
    CFT_OK(t, made);
    cede_prep_rmdir(s->rec->req, cft_path(t, s->name));
}

static void link_prepare(cft *t, stage *s)
{
    cft_file(t, s->name, NULL, ENDS_BYTES, 1);
    cede_prep_link(s->rec->req, cft_path(t, s->name), cft_path(t, s->other));
}

static void linked_check(cft *t, stage *s, bool happened)
{
    CFT_CHECK(t, (cft_file_size(t, s->other) >= 0) == happened);
}

static void symlink_prepare(cft *t, stage *s)
{
    cede_prep_symlink(s->rec->req, "target", cft_path(t, s->name));
}

static void readlink_prepare(cft *t, stage *s)
{
    cft_rec *made = cft_new(t);
    cede_prep_symlink(made->req, "target", cft_path(t, s->name));
    cft_do(made);
    if (cft_deviates(t, "symlink_is_not_made"))
        CFT_STATUS(t, made, CEDE_ENOTSUP);
    else
        CFT_OK(t, made);
    cede_prep_readlink(s->rec->req, cft_path(t, s->name), cft_buffer(s->rec, 32), 32);
}

static void readlink_check(cft *t, stage *s, bool happened)
{
    if (happened)
        CFT_CHECK(t, s->rec->result.count == 6 && memcmp(s->rec->bytes, "target", 6) == 0);
}

static void readdir_prepare(cft *t, stage *s)
{
    cft_rec *made = cft_new(t);
    cede_prep_mkdir(made->req, cft_path(t, s->name), 0755);
    cft_do(made);
    CFT_OK(t, made);
    s->handle = cft_opened(t, s->name, CEDE_OPEN_READ | CEDE_OPEN_DIRECTORY);
    cede_prep_readdir(s->rec->req, s->handle, cft_buffer(s->rec, 2048), 2048);
}

static void times_prepare(cft *t, stage *s)
{
    cft_ends_file(t, s, CEDE_OPEN_WRITE);
    cede_prep_set_times(s->rec->req, s->handle, 0, INT64_C(1000000000));
}

static void mode_prepare(cft *t, stage *s)
{
    cft_ends_file(t, s, CEDE_OPEN_WRITE);
    cede_prep_set_mode(s->rec->req, s->handle, 0600);
}

/* ---- The cases ------------------------------------------------------------------------------ */

ENDS(fsync, FSYNC, fsync_prepare, NULL, cft_ends_nothing)
ENDS(fdatasync, FDATASYNC, fdatasync_prepare, NULL, cft_ends_nothing)
ENDS(truncate, TRUNCATE, truncate_prepare, NULL, truncate_check)
ENDS(allocate, ALLOCATE, allocate_prepare, NULL, allocate_check)
ENDS(stat, STAT, stat_prepare, NULL, stat_check)
ENDS(stat_handle, STAT_HANDLE, stat_handle_prepare, NULL, stat_check)
ENDS(open, OPEN, open_prepare, NULL, open_check)
ENDS(rename, RENAME, rename_prepare, NULL, rename_check)
ENDS(unlink, UNLINK, unlink_prepare, NULL, unlink_check)
ENDS(mkdir, MKDIR, mkdir_prepare, NULL, made_check)
ENDS(rmdir, RMDIR, rmdir_prepare, NULL, unlink_check)
ENDS(link, LINK, link_prepare, NULL, linked_check)
ENDS(symlink, SYMLINK, symlink_prepare, NULL, made_check)
ENDS(readlink, READLINK, readlink_prepare, NULL, readlink_check)
ENDS(readdir, READDIR, readdir_prepare, NULL, cft_ends_nothing)
ENDS(set_times, SET_TIMES, times_prepare, NULL, cft_ends_nothing)
ENDS(set_mode, SET_MODE, mode_prepare, NULL, cft_ends_nothing)
