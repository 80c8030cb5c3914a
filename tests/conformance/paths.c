/*
 * Operations on paths, what a file is, directories (F11; law 16: one answer everywhere).
 */
#include "conformance.h"

#include <string.h>
#include <time.h>

static cft_rec *stat_path(cft *t, const char *name, uint32_t flags)
{
    cft_rec *rec = cft_new(t);
    cede_prep_stat(rec->req, cft_path(t, name), cft_buffer(rec, sizeof(cede_stat)), flags);
    cft_do(rec);
    return rec;
}

static const cede_stat *stat_of(const cft_rec *rec)
{
    return (const cede_stat *)(const void *)rec->bytes;
}

/* Makes a symbolic link. False: this system says that it did, and did not. */
static bool make_link(cft *t, const char *target, const char *name)
{
    cft_rec *link = cft_new(t);
    cede_prep_symlink(link->req, target, cft_path(t, name));
    cft_do(link);
    if (cft_deviates(t, "symlink_is_not_made")) {
        CFT_STATUS(t, link, CEDE_ENOTSUP);
        CFT_CHECK(t, cft_file_size(t, name) < 0);
        return false;
    }
    CFT_OK(t, link);
    return true;
}

CFT_CASE(open_says_why_not)
{
    cft_file(t, "file", NULL, 10, 1);
    cft_rec *made = cft_new(t);
    cede_prep_mkdir(made->req, cft_path(t, "dir"), 0755);
    cft_do(made);
    CFT_OK(t, made);
    cft_open_says(t, "nothing", CEDE_OPEN_READ, CEDE_ENOENT);
    cft_open_says(t, "nothing/below", CEDE_OPEN_READ, CEDE_ENOENT);
    cft_open_says(t, "file/below", CEDE_OPEN_READ, CEDE_ENOTDIR);
    cft_open_says(t, "file", CEDE_OPEN_READ | CEDE_OPEN_DIRECTORY, CEDE_ENOTDIR);
    cft_open_says(t, "dir", CEDE_OPEN_WRITE, CEDE_EISDIR);
    cft_open_says(t, "dir", CEDE_OPEN_READ | CEDE_OPEN_CREATE, CEDE_EISDIR);
    cft_open_says(t, "file", CEDE_OPEN_WRITE | CEDE_OPEN_CREATE | CEDE_OPEN_EXCLUSIVE, CEDE_EEXIST);
    char *name = cft_alloc(t, 400);
    memset(name, 'n', 399);
    cft_open_says(t, name, CEDE_OPEN_READ, CEDE_ENAMETOOLONG);
}

CFT_CASE(open_refuses_flags_that_it_does_not_know)
{
    cft_file(t, "f", NULL, 10, 1);
    cft_open_says(t, "f", 0, CEDE_EINVAL);
    cft_open_says(t, "f", CEDE_OPEN_CREATE, CEDE_EINVAL);
    cft_open_says(t, "f", CEDE_OPEN_READ | 0x80000000u, CEDE_EINVAL);
    cft_open_says(t, "f", CEDE_OPEN_READ | (CEDE_OPEN_ANY + 1), CEDE_EINVAL);
    CFT_EXPECT(t, cft_file_size(t, "f") == 10);
}

CFT_CASE(open_creates_truncates_and_keeps_out)
{
    cede_handle made = cft_opened(t, "f", CEDE_OPEN_WRITE | CEDE_OPEN_CREATE | CEDE_OPEN_EXCLUSIVE);
    CFT_EXPECT(t, cft_file_size(t, "f") == 0);
    cft_closed(t, made);
    cft_file(t, "f", NULL, 10, 1);
    cede_handle again = cft_opened(t, "f", CEDE_OPEN_WRITE | CEDE_OPEN_CREATE);
    CFT_EXPECT(t, cft_file_size(t, "f") == 10);
    cft_closed(t, again);
    cede_handle cut = cft_opened(t, "f", CEDE_OPEN_WRITE | CEDE_OPEN_TRUNCATE);
    CFT_EXPECT(t, cft_file_size(t, "f") == 0);
    cft_closed(t, cut);
}

CFT_CASE(open_can_refuse_to_follow_a_link)
{
    cft_file(t, "file", NULL, 10, 1);
    if (!make_link(t, "file", "link"))
        return;
    cft_open_says(t, "link", CEDE_OPEN_READ, CEDE_OK);
    cft_open_says(t, "link", CEDE_OPEN_READ | CEDE_OPEN_NOFOLLOW, CEDE_ELOOP);
    (void)make_link(t, "nowhere", "dead");
    cft_open_says(t, "dead", CEDE_OPEN_READ, CEDE_ENOENT);
    cft_open_says(t, "dead", CEDE_OPEN_WRITE | CEDE_OPEN_CREATE | CEDE_OPEN_EXCLUSIVE, CEDE_EEXIST);
    (void)make_link(t, "circle", "circle");
    cft_open_says(t, "circle", CEDE_OPEN_READ, CEDE_ELOOP);
}

/* Where a link has to say what it leads to, it finds that out. */
CFT_CASE(link_leads_to_a_directory_on_another_branch)
{
    static const char *const made[] = {"there", "here"};
    for (uint32_t i = 0; i < 2; i++) {
        cft_rec *mkdir = cft_new(t);
        cede_prep_mkdir(mkdir->req, cft_path(t, made[i]), 0755);
        cft_do(mkdir);
        CFT_OK(t, mkdir);
    }
    if (!make_link(t, "../there", "here/link"))
        return;
    cft_open_says(t, "here/link", CEDE_OPEN_READ | CEDE_OPEN_DIRECTORY, CEDE_OK);
}

static void path_pair(cft *t, cft_rec *rec, const char *kind, const char *a, const char *b,
                      uint32_t flags)
{
    const char *from = cft_path(t, a);
    const char *to = cft_path(t, b);
    if (*kind == 'r')
        cede_prep_rename(rec->req, from, to, flags);
    else
        cede_prep_link(rec->req, from, to);
    cft_do(rec);
}

/* A separator behind a name says that it is a directory's. */
CFT_CASE(name_with_a_separator_behind_it_is_a_directory)
{
    cft_file(t, "file", NULL, 10, 1);
    cft_open_says(t, "file/", CEDE_OPEN_READ, CEDE_ENOTDIR);
    cft_open_says(t, "file/", CEDE_OPEN_READ | CEDE_OPEN_WRITE, CEDE_ENOTDIR);
    cft_open_says(t, "new/", CEDE_OPEN_WRITE | CEDE_OPEN_CREATE, CEDE_EISDIR);
    cft_open_says(t, "file/", CEDE_OPEN_WRITE | CEDE_OPEN_CREATE, CEDE_EISDIR);
    CFT_EXPECT(t, cft_file_size(t, "new") == -1);
    CFT_STATUS(t, stat_path(t, "file/", 0), CEDE_ENOTDIR);
    cft_rec *gone = cft_new(t);
    cede_prep_unlink(gone->req, cft_path(t, "file/"));
    cft_do(gone);
    CFT_STATUS(t, gone, CEDE_ENOTDIR);
    CFT_EXPECT(t, cft_file_size(t, "file") == 10);
    cft_rec *moved = cft_new(t);
    path_pair(t, moved, "rename", "file", "new/", 0);
    CFT_STATUS(t, moved, CEDE_ENOTDIR);
    cft_rec *linked = cft_new(t);
    path_pair(t, linked, "link", "file", "new/", 0);
    CFT_STATUS(t, linked, CEDE_ENOENT);
    cft_rec *made = cft_new(t);
    cede_prep_mkdir(made->req, cft_path(t, "new/"), 0755);
    cft_do(made);
    CFT_OK(t, made);
    CFT_OK(t, stat_path(t, "new/", 0));
    cft_open_says(t, "new/", CEDE_OPEN_READ | CEDE_OPEN_DIRECTORY, CEDE_OK);
    cft_rec *removed = cft_new(t);
    cede_prep_rmdir(removed->req, cft_path(t, "new/"));
    cft_do(removed);
    CFT_OK(t, removed);
}

CFT_CASE(stat_tells_what_a_file_is)
{
    cft_file(t, "file", NULL, 1234, 1);
    cft_rec *rec = stat_path(t, "file", 0);
    CFT_OK(t, rec);
    CFT_EXPECT(t, stat_of(rec)->type == CEDE_FILE_REGULAR);
    CFT_EXPECT(t, stat_of(rec)->size_bytes == 1234);
    CFT_EXPECT(t, stat_of(rec)->links == 1);
    CFT_EXPECT(t, stat_of(rec)->mode == 0644);
    cft_rec *none = stat_path(t, "nothing", 0);
    CFT_STATUS(t, none, CEDE_ENOENT);
    cft_rec *flags = stat_path(t, "file", 0x100);
    CFT_STATUS(t, flags, CEDE_EINVAL);
}

CFT_CASE(stat_by_handle_and_by_path_agree)
{
    cft_file(t, "file", NULL, 777, 1);
    cede_handle file = cft_opened(t, "file", CEDE_OPEN_READ);
    cft_rec *by_path = stat_path(t, "file", 0);
    cft_rec *by_handle = cft_new(t);
    cede_prep_stat_handle(by_handle->req, file, cft_buffer(by_handle, sizeof(cede_stat)));
    cft_do(by_handle);
    CFT_OK(t, by_path);
    CFT_OK(t, by_handle);
    const cede_stat *a = stat_of(by_path);
    const cede_stat *b = stat_of(by_handle);
    CFT_EXPECT(t, a->file_id == b->file_id && a->device == b->device);
    CFT_EXPECT(t, a->size_bytes == b->size_bytes && a->type == b->type && a->mode == b->mode);
    CFT_EXPECT(t, a->modified_ns == b->modified_ns);
    cft_closed(t, file);
}

CFT_CASE(stat_can_look_at_the_link_itself)
{
    cft_file(t, "file", NULL, 1234, 1);
    if (!make_link(t, "file", "link"))
        return;
    cft_rec *through = stat_path(t, "link", 0);
    cft_rec *itself = stat_path(t, "link", CEDE_NOFOLLOW);
    CFT_OK(t, through);
    CFT_OK(t, itself);
    CFT_EXPECT(t, stat_of(through)->type == CEDE_FILE_REGULAR);
    CFT_EXPECT(t, stat_of(through)->size_bytes == 1234);
    CFT_EXPECT(t, stat_of(itself)->type == CEDE_FILE_SYMLINK);
    CFT_EXPECT(t, stat_of(itself)->size_bytes == 4);
}

static bool was_just_now(int64_t at_ns)
{
    int64_t since = (int64_t)time(NULL) - at_ns / (int64_t)CEDE_SECOND;
    return since >= -5 && since <= 60;
}

/* Whether a read counts as an access where the files are: not if that was mounted with noatime. */
static bool reads_are_noted(cft *t)
{
    cede_handle file = cft_opened(t, "file", CEDE_OPEN_READ);
    cft_rec *read = cft_new(t);
    cede_prep_read(read->req, file, cft_buffer(read, 1), 1, 0);
    cft_do(read);
    cft_closed(t, file);
    cft_rec *seen = stat_path(t, "file", 0);
    return was_just_now(stat_of(seen)->accessed_ns);
}

static void expect_accessed(cft *t, const cft_rec *seen, int64_t set_ns)
{
    if (cft_deviates(t, "asking_counts_as_access") &&
        (was_just_now(stat_of(seen)->accessed_ns) || reads_are_noted(t)))
        CFT_EXPECT(t, was_just_now(stat_of(seen)->accessed_ns));
    else
        CFT_EXPECT(t, stat_of(seen)->accessed_ns == set_ns);
}

CFT_CASE(set_times_and_set_mode_are_seen_by_stat)
{
    cft_file(t, "file", NULL, 10, 1);
    cede_handle file = cft_opened(t, "file", CEDE_OPEN_WRITE);
    cft_rec *times = cft_new(t);
    cede_prep_set_times(times->req, file, INT64_C(1000000000) * CEDE_SECOND + 500,
                        INT64_C(1100000000) * CEDE_SECOND + 700);
    cft_do(times);
    CFT_OK(t, times);
    cft_rec *mode = cft_new(t);
    cede_prep_set_mode(mode->req, file, 0600);
    cft_do(mode);
    CFT_OK(t, mode);
    cft_rec *seen = stat_path(t, "file", 0);
    CFT_OK(t, seen);
    expect_accessed(t, seen, INT64_C(1000000000) * (int64_t)CEDE_SECOND + 500);
    CFT_EXPECT(t, stat_of(seen)->modified_ns == INT64_C(1100000000) * (int64_t)CEDE_SECOND + 700);
    CFT_EXPECT(t, ((stat_of(seen)->mode ^ 0600) & cft_mode_bits(t)) == 0);
    cft_rec *shut = cft_new(t);
    cede_prep_set_mode(shut->req, file, 0400);
    cft_do(shut);
    CFT_OK(t, shut);
    cft_rec *closed = stat_path(t, "file", 0);
    CFT_OK(t, closed);
    CFT_EXPECT(t, ((stat_of(closed)->mode ^ 0400) & cft_mode_bits(t)) == 0);
    cft_rec *keep = cft_new(t);
    cede_prep_set_times(keep->req, file, CEDE_TIME_KEEP, INT64_C(1200000000) * CEDE_SECOND);
    cft_do(keep);
    CFT_OK(t, keep);
    cft_rec *kept = stat_path(t, "file", 0);
    expect_accessed(t, kept, INT64_C(1000000000) * (int64_t)CEDE_SECOND + 500);
    CFT_EXPECT(t, stat_of(kept)->modified_ns == INT64_C(1200000000) * (int64_t)CEDE_SECOND);
    cft_closed(t, file);
}

/* Systems have it that they are its directory's, or nobody's. */
CFT_CASE(watch_has_no_facts_of_its_own)
{
    cft_rec *rec[3];
    cft_needs(t, CEDE_OP_WATCH);
    cft_rec *watch = cft_new(t);
    cede_prep_watch(watch->req, cft_path(t, "."), 0);
    cft_do(watch);
    CFT_OK(t, watch);
    if (!watch->result.handle)
        return;
    cft_rec *before = stat_path(t, ".", 0);
    for (int i = 0; i < 3; i++)
        rec[i] = cft_new(t);
    cede_prep_stat_handle(rec[0]->req, watch->result.handle, cft_buffer(rec[0], sizeof(cede_stat)));
    cede_prep_set_times(rec[1]->req, watch->result.handle, 1, 1);
    cede_prep_set_mode(rec[2]->req, watch->result.handle, 0);
    for (int i = 0; i < 3; i++) {
        cft_do(rec[i]);
        CFT_STATUS(t, rec[i], CEDE_EINVAL);
    }
    cft_rec *after = stat_path(t, ".", 0);
    CFT_EXPECT(t, stat_of(before)->modified_ns == stat_of(after)->modified_ns);
    CFT_EXPECT(t, stat_of(before)->mode == stat_of(after)->mode);
    cft_closed(t, watch->result.handle);
}

/* Of several names of a file that is open, one is given up: it can be had for something else. */
CFT_CASE(unlinked_name_of_an_open_file_is_free)
{
    cft_file(t, "a", "aaa", 3, 0);
    cede_handle file = cft_opened(t, "a", CEDE_OPEN_READ);
    for (uint32_t i = 0; i < 2; i++) {
        cft_rec *link = cft_new(t);
        cede_prep_link(link->req, cft_path(t, "a"), cft_path(t, "b"));
        cft_do(link);
        CFT_OK(t, link);
        cft_rec *gone = cft_new(t);
        cede_prep_unlink(gone->req, cft_path(t, "b"));
        cft_do(gone);
        CFT_OK(t, gone);
        cft_rec *made = cft_new(t);
        cede_prep_mkdir(made->req, cft_path(t, "b"), 0755);
        cft_do(made);
        if (cft_deviates(t, "link_goes_with_its_file")) {
            CFT_STATUS(t, made, CEDE_EEXIST);
            CFT_EXPECT(t, cft_file_size(t, "b") == 3);
            break;
        }
        CFT_OK(t, made);
        cft_rec *removed = cft_new(t);
        cede_prep_rmdir(removed->req, cft_path(t, "b"));
        cft_do(removed);
        CFT_OK(t, removed);
    }
    cft_closed(t, file);
    CFT_EXPECT(t, cft_file_size(t, "b") == -1);
    CFT_EXPECT(t, cft_file_size(t, "a") == 3);
}

CFT_CASE(rename_moves_and_replaces)
{
    cft_file(t, "a", "aaa", 3, 0);
    cft_file(t, "b", "bb", 2, 0);
    cft_rec *refused = cft_new(t);
    path_pair(t, refused, "rename", "a", "b", CEDE_RENAME_NOREPLACE);
    CFT_STATUS(t, refused, CEDE_EEXIST);
    CFT_EXPECT(t, cft_file_size(t, "b") == 2);
    cft_rec *moved = cft_new(t);
    path_pair(t, moved, "rename", "a", "b", 0);
    CFT_OK(t, moved);
    CFT_EXPECT(t, cft_file_size(t, "a") == -1 && cft_file_size(t, "b") == 3);
    cft_rec *fresh = cft_new(t);
    path_pair(t, fresh, "rename", "b", "c", CEDE_RENAME_NOREPLACE);
    CFT_OK(t, fresh);
    CFT_EXPECT(t, cft_file_size(t, "c") == 3);
    cft_rec *missing = cft_new(t);
    path_pair(t, missing, "rename", "nothing", "d", 0);
    CFT_STATUS(t, missing, CEDE_ENOENT);
    cft_rec *flags = cft_new(t);
    path_pair(t, flags, "rename", "c", "d", 0x40);
    CFT_STATUS(t, flags, CEDE_EINVAL);
    CFT_EXPECT(t, cft_file_size(t, "c") == 3);
}

static void expect_renamed(cft *t, const char *from, const char *to, uint32_t flags,
                           cede_status status)
{
    cft_rec *rec = cft_new(t);
    path_pair(t, rec, "rename", from, to, flags);
    CFT_STATUS(t, rec, status);
}

static void make_directory(cft *t, const char *name)
{
    cft_rec *made = cft_new(t);
    cede_prep_mkdir(made->req, cft_path(t, name), 0755);
    cft_do(made);
    CFT_OK(t, made);
}

CFT_CASE(rename_keeps_files_and_directories_apart)
{
    cft_file(t, "f", "ff", 2, 0);
    make_directory(t, "full");
    make_directory(t, "d");
    make_directory(t, "e");
    cft_file(t, "full/x", "x", 1, 0);
    expect_renamed(t, "f", "d", 0, CEDE_EISDIR);
    expect_renamed(t, "f", "d", CEDE_RENAME_NOREPLACE, CEDE_EEXIST);
    expect_renamed(t, "d", "f", 0, CEDE_ENOTDIR);
    expect_renamed(t, "d", "full", 0, CEDE_ENOTEMPTY);
    expect_renamed(t, "full", "full/y", 0, CEDE_EINVAL);
    expect_renamed(t, "full", "d", 0, CEDE_OK); /* over an empty one */
    CFT_EXPECT(t, cft_file_size(t, "d/x") == 1);
    expect_renamed(t, "e", "d/y", 0, CEDE_OK);
    CFT_EXPECT(t, cft_file_size(t, "f") == 2);
}

/* Two names of one file: what is there already need not be moved, and nothing is lost. */
CFT_CASE(rename_to_another_name_of_the_file_changes_nothing)
{
    cft_file(t, "a", "aaa", 3, 0);
    expect_renamed(t, "a", "a", 0, CEDE_OK);
    expect_renamed(t, "a", "a", CEDE_RENAME_NOREPLACE, CEDE_EEXIST);
    cft_rec *link = cft_new(t);
    path_pair(t, link, "link", "a", "b", 0);
    CFT_OK(t, link);
    expect_renamed(t, "a", "b", 0, CEDE_OK);
    CFT_EXPECT(t, cft_file_size(t, "a") == 3 && cft_file_size(t, "b") == 3);
    make_directory(t, "d");
    expect_renamed(t, "d", "d", 0, CEDE_OK);
}

CFT_CASE(unlink_removes_names_that_are_no_directories)
{
    cft_file(t, "a", "aaa", 3, 0);
    cft_rec *gone = cft_new(t);
    cede_prep_unlink(gone->req, cft_path(t, "a"));
    cft_do(gone);
    CFT_OK(t, gone);
    CFT_EXPECT(t, cft_file_size(t, "a") == -1);
    cft_rec *again = cft_new(t);
    cede_prep_unlink(again->req, cft_path(t, "a"));
    cft_do(again);
    CFT_STATUS(t, again, CEDE_ENOENT);
    cft_rec *made = cft_new(t);
    cede_prep_mkdir(made->req, cft_path(t, "d"), 0755);
    cft_do(made);
    cft_rec *directory = cft_new(t);
    cede_prep_unlink(directory->req, cft_path(t, "d"));
    cft_do(directory);
    CFT_STATUS(t, directory, CEDE_EISDIR);
}

CFT_CASE(unlinked_file_lives_while_it_is_open)
{
    cft_file(t, "a", NULL, 100, 4);
    cede_handle file = cft_opened(t, "a", CEDE_OPEN_READ);
    cft_rec *gone = cft_new(t);
    cede_prep_unlink(gone->req, cft_path(t, "a"));
    cft_do(gone);
    CFT_OK(t, gone);
    cft_rec *read = cft_new(t);
    cede_prep_read_all(read->req, file, cft_buffer(read, 100), 100, 0);
    cft_do(read);
    CFT_MOVED(t, read, 100);
    CFT_EXPECT(t, cft_filled(read->bytes, 100, 4, 0));
    cft_closed(t, file);
}

CFT_CASE(mkdir_and_rmdir_make_and_remove)
{
    cft_rec *made = cft_new(t);
    cede_prep_mkdir(made->req, cft_path(t, "d"), 0755);
    cft_do(made);
    CFT_OK(t, made);
    cft_rec *twice = cft_new(t);
    cede_prep_mkdir(twice->req, cft_path(t, "d"), 0755);
    cft_do(twice);
    CFT_STATUS(t, twice, CEDE_EEXIST);
    cft_rec *seen = stat_path(t, "d", 0);
    CFT_OK(t, seen);
    CFT_EXPECT(t, stat_of(seen)->type == CEDE_FILE_DIRECTORY);
    cft_file(t, "d/x", "x", 1, 0);
    cft_rec *full = cft_new(t);
    cede_prep_rmdir(full->req, cft_path(t, "d"));
    cft_do(full);
    CFT_STATUS(t, full, CEDE_ENOTEMPTY);
    cft_rec *gone = cft_new(t);
    cede_prep_unlink(gone->req, cft_path(t, "d/x"));
    cft_do(gone);
    cft_rec *removed = cft_new(t);
    cede_prep_rmdir(removed->req, cft_path(t, "d"));
    cft_do(removed);
    CFT_OK(t, removed);
    cft_file(t, "f", "x", 1, 0);
    cft_rec *file = cft_new(t);
    cede_prep_rmdir(file->req, cft_path(t, "f"));
    cft_do(file);
    CFT_STATUS(t, file, CEDE_ENOTDIR);
}

CFT_CASE(hard_links_name_the_same_file)
{
    cft_file(t, "a", NULL, 50, 1);
    cft_rec *link = cft_new(t);
    path_pair(t, link, "link", "a", "b", 0);
    CFT_OK(t, link);
    cft_rec *a = stat_path(t, "a", 0);
    cft_rec *b = stat_path(t, "b", 0);
    CFT_EXPECT(t, stat_of(a)->file_id == stat_of(b)->file_id);
    CFT_EXPECT(t, stat_of(a)->links == 2);
    cft_rec *there = cft_new(t);
    path_pair(t, there, "link", "a", "b", 0);
    CFT_STATUS(t, there, CEDE_EEXIST);
}

CFT_CASE(readlink_gives_the_text_of_a_link)
{
    if (!make_link(t, "some/where", "link"))
        return;
    cft_rec *read = cft_new(t);
    cede_prep_readlink(read->req, cft_path(t, "link"), cft_buffer(read, 100), 100);
    cft_do(read);
    CFT_OK(t, read);
    CFT_EXPECT(t, read->result.count == 10 && memcmp(read->bytes, "some/where", 10) == 0);
    cft_rec *exact = cft_new(t);
    cede_prep_readlink(exact->req, cft_path(t, "link"), cft_buffer(exact, 10), 10);
    cft_do(exact);
    CFT_OK(t, exact);
    CFT_EXPECT(t, exact->result.count == 10);
    cft_rec *little = cft_new(t);
    cede_prep_readlink(little->req, cft_path(t, "link"), cft_buffer(little, 9), 9);
    cft_do(little);
    CFT_STATUS(t, little, CEDE_EOVERFLOW);
    cft_file(t, "f", "x", 1, 0);
    cft_rec *file = cft_new(t);
    cede_prep_readlink(file->req, cft_path(t, "f"), cft_buffer(file, 50), 50);
    cft_do(file);
    CFT_STATUS(t, file, CEDE_EINVAL);
}

/* ---- Directories ---------------------------------------------------------------------------- */

CFT_CASE(readdir_gives_each_name_once)
{
    enum { FILES = 80 };
    bool seen[FILES + 1] = {false};
    cft_rec *made = cft_new(t);
    cede_prep_mkdir(made->req, cft_path(t, "d"), 0755);
    cft_do(made);
    CFT_OK(t, made);
    if (cft_faulted(t))
        return;
    for (int i = 0; i < FILES; i++) {
        char name[64] = "d/a_name_that_takes_some_room_in_the_buffer_00";
        name[44] = (char)('0' + i / 10);
        name[45] = (char)('0' + i % 10);
        cft_file(t, name, "x", 1, 0);
    }
    cede_handle directory = cft_opened(t, "d", CEDE_OPEN_READ | CEDE_OPEN_DIRECTORY);
    for (;;) {
        cft_rec *read = cft_new(t);
        cede_prep_readdir(read->req, directory, cft_buffer(read, CEDE_READDIR_BYTES),
                          CEDE_READDIR_BYTES);
        cft_do(read);
        CFT_OK(t, read);
        if (read->result.status != CEDE_OK || read->result.count == 0)
            break;
        CFT_CHECK(t, read->result.count <= CEDE_READDIR_BYTES);
        uint64_t position = 0;
        const cede_entry *entry;
        while ((entry = cede_next_entry(read->bytes, read->result.count, &position)) != NULL) {
            CFT_CHECK(t, entry->entry_bytes % 8 == 0);
            CFT_CHECK(t, strncmp(entry->name, "a_name_that", 11) == 0);
            CFT_CHECK(t, entry->type == CEDE_FILE_REGULAR || entry->type == CEDE_FILE_UNKNOWN);
            int number = (entry->name[42] - '0') * 10 + entry->name[43] - '0';
            CFT_CHECK(t, number >= 0 && number < FILES && !seen[number]);
            seen[number] = true;
        }
    }
    for (int i = 0; i < FILES; i++)
        CFT_EXPECT(t, seen[i]);
    cft_closed(t, directory);
}

CFT_CASE(readdir_of_an_empty_directory_ends_at_once)
{
    cft_rec *made = cft_new(t);
    cede_prep_mkdir(made->req, cft_path(t, "d"), 0755);
    cft_do(made);
    cede_handle directory = cft_opened(t, "d", CEDE_OPEN_READ | CEDE_OPEN_DIRECTORY);
    cft_rec *read = cft_new(t);
    cede_prep_readdir(read->req, directory, cft_buffer(read, 4096), 4096);
    cft_do(read);
    CFT_OK(t, read);
    CFT_EXPECT(t, read->result.count == 0);
    cft_closed(t, directory);
}

CFT_CASE(readdir_needs_a_directory_and_room)
{
    cft_rec *made = cft_new(t);
    cede_prep_mkdir(made->req, cft_path(t, "d"), 0755);
    cft_do(made);
    cft_file(t, "f", "x", 1, 0);
    cede_handle directory = cft_opened(t, "d", CEDE_OPEN_READ | CEDE_OPEN_DIRECTORY);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_READ);
    cft_rec *little = cft_new(t);
    cede_prep_readdir(little->req, directory, cft_buffer(little, 64), CEDE_READDIR_BYTES - 1);
    cft_do(little);
    CFT_STATUS(t, little, CEDE_EINVAL);
    cft_rec *wrong = cft_new(t);
    cede_prep_readdir(wrong->req, file, cft_buffer(wrong, 4096), 4096);
    cft_do(wrong);
    CFT_STATUS(t, wrong, CEDE_ENOTDIR);
    cft_rec *read = cft_new(t);
    cede_prep_read(read->req, directory, cft_buffer(read, 16), 16, 0);
    cft_do(read);
    CFT_STATUS(t, read, CEDE_EISDIR);
    cft_closed(t, directory);
    cft_closed(t, file);
}
