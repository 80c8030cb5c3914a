/*
 * Watches of directories (laws 2, 6 to 8, 10, 14 to 16): what changes is told, in order, in buffers
 * of a pool; what cannot be kept is told to be lost.
 *
 * Systems differ in how often they tell of a file that is written to, and whether a name that comes
 * from elsewhere was renamed or is new: cases leave the first out and take both for the second.
 */
#include "conformance.h"

#include <stdio.h>
#include <string.h>

/* What came, a sign and a name each, but for what was modified. */
typedef struct log {
    cft *t;
    cede_pool *pool;
    cft_rec *rec;
    char text[4096];
    uint32_t names;
    uint32_t modified;
    char last[1024]; /* the name that was modified last */
    uint32_t lost;
    uint32_t gone;
    uint64_t bytes;
    bool keeps; /* the buffers */
    void *kept[4];
    uint32_t kept_count;
} log;

static void one_change(log *l, const cede_change *change)
{
    static const char signs[] = "?+-*<>!X";
    size_t used = strlen(l->text), room = sizeof l->text - used;
    CFT_CHECK(l->t, change->what >= CEDE_CHANGE_CREATED && change->what <= CEDE_CHANGE_GONE);
    CFT_CHECK(l->t, change->change_bytes % 8 == 0 && !l->gone);
    CFT_CHECK(l->t, strlen(change->name) < change->change_bytes);
    CFT_CHECK(l->t, (change->name[0] == '\0') == (change->what >= CEDE_CHANGE_LOST));
    l->lost += change->what == CEDE_CHANGE_LOST;
    l->gone += change->what == CEDE_CHANGE_GONE;
    if (change->what == CEDE_CHANGE_MODIFIED) {
        l->modified++;
        memcpy(l->last, change->name, strlen(change->name) + 1);
        return;
    }
    l->names++;
    if (room > strlen(change->name) + 3)
        (void)snprintf(l->text + used, room, "%c%s ", signs[change->what], change->name);
}

static void on_changes(cede_req *req, cede_result item)
{
    cft_rec *rec = req->user_data;
    log *l = rec->data;
    cft *t = rec->t;
    uint64_t at = 0;
    CFT_CHECK(t, cede_in_callback(rec->loop) && item.status == CEDE_OK && item.flags == 0);
    CFT_CHECK(t, item.buffer && item.count > 0 && !item.handle && rec->done + 1 == rec->submitted);
    for (const cede_change *c; (c = cede_next_change(item.buffer, item.count, &at)) != NULL;)
        one_change(l, c);
    CFT_CHECK(t, at == item.count);
    l->bytes += item.count;
    if (l->keeps && l->kept_count < 4)
        l->kept[l->kept_count++] = item.buffer;
    else
        cede_pool_give(l->pool, item.buffer);
}

static void give_all(log *l)
{
    while (l->kept_count)
        cede_pool_give(l->pool, l->kept[--l->kept_count]);
}

static void give_last(void *context)
{
    give_all(context);
}

/* NULL: an injected failure. */
static log *new_log(cft *t, uint32_t buffers, uint32_t bytes)
{
    cft_needs(t, CEDE_OP_WATCH);
    log *l = cft_alloc(t, sizeof *l);
    l->t = t;
    l->pool = cft_pool_open(t, buffers, bytes, 0);
    if (!l->pool)
        return NULL;
    cft_at_end(t, give_last, l);
    return l;
}

static void make_directory(cft *t, const char *name)
{
    cft_rec *rec = cft_new(t);
    cede_prep_mkdir(rec->req, cft_path(t, name), 0755);
    cft_do(rec);
    CFT_OK(t, rec);
}

static cede_handle watch_of(cft *t, const char *name)
{
    cft_rec *rec = cft_new(t);
    cede_prep_watch(rec->req, cft_path(t, name), 0);
    cft_do(rec);
    CFT_OK(t, rec);
    return rec->result.handle;
}

static void follow(log *l, cede_handle watch)
{
    l->rec = cft_new(l->t);
    l->rec->data = l;
    cede_prep_watch_many(l->rec->req, watch, l->pool, on_changes);
    cft_submit(l->rec);
    cft_flush(l->t);
}

/* A directory "d" that is watched, and who will follow it; NULL: an injected failure. */
static log *watched(cft *t, uint32_t buffers, uint32_t bytes, cede_handle *watch)
{
    log *l = new_log(t, buffers, bytes);
    if (!l)
        return NULL;
    make_directory(t, "d");
    *watch = cft_faulted(t) ? 0 : watch_of(t, "d");
    return *watch ? l : NULL;
}

static log *watching(cft *t, cede_handle *watch)
{
    log *l = watched(t, 4, CEDE_WATCH_BYTES, watch);
    if (l)
        follow(l, *watch);
    return l;
}

static void until_names(cft *t, const log *l, uint32_t names)
{
    while (l->names < names && !cft_is_done(l->rec) && !cft_faulted(t))
        cft_run(t, CEDE_MILLISECOND);
}

static void unlinked(cft *t, const char *name)
{
    cft_rec *rec = cft_new(t);
    cede_prep_unlink(rec->req, cft_path(t, name));
    cft_do(rec);
    CFT_OK(t, rec);
}

static void renamed(cft *t, const char *from, const char *to)
{
    cft_rec *rec = cft_new(t);
    cede_prep_rename(rec->req, cft_path(t, from), cft_path(t, to), 0);
    cft_do(rec);
    CFT_OK(t, rec);
}

static void removed(cft *t, const char *name)
{
    cft_rec *rec = cft_new(t);
    cede_prep_rmdir(rec->req, cft_path(t, name));
    cft_do(rec);
    CFT_OK(t, rec);
}

static void expect_text(cft *t, const log *l, const char *text)
{
    if (strcmp(l->text, text) != 0)
        cft_note(t, "came: %.120s", l->text);
    CFT_EXPECT(t, strcmp(l->text, text) == 0);
}

/* Cancelled; the count is the truth, no buffer is missing. */
static void finish(cft *t, log *l)
{
    cft_cancel(t, l->rec->ticket);
    cft_await(t, l->rec);
    CFT_ENDED(t, l->rec, CEDE_ECANCELED, CEDE_BY_WISH);
    CFT_CHECK(t, l->rec->result.count == l->bytes);
    CFT_CHECK(t, cede_pool_out(l->pool) == l->kept_count);
}

CFT_CASE(watch_tells_names_that_come_and_go)
{
    cede_handle watch;
    log *l = watching(t, &watch);
    if (!l)
        return;
    cft_file(t, "d/one", "x", 1, 0);
    make_directory(t, "d/two");
    unlinked(t, "d/one");
    removed(t, "d/two");
    until_names(t, l, 4);
    expect_text(t, l, "+one +two -one -two ");
    finish(t, l);
}

CFT_CASE(watch_tells_both_names_of_what_is_renamed)
{
    cede_handle watch;
    log *l = watching(t, &watch);
    if (!l)
        return;
    cft_file(t, "d/a", "x", 1, 0);
    renamed(t, "d/a", "d/b");
    until_names(t, l, 3);
    expect_text(t, l, "+a <a >b ");
    finish(t, l);
}

CFT_CASE(watch_tells_what_is_modified)
{
    cede_handle watch;
    log *l = watching(t, &watch);
    if (!l)
        return;
    cft_file(t, "d/f", "x", 1, 0);
    cft_file(t, "d/g", "x", 1, 0);
    until_names(t, l, 2);
    cede_handle file = cft_opened(t, "d/f", CEDE_OPEN_WRITE);
    if (!file)
        return;
    cft_turn(t);
    uint32_t before = l->modified;
    cft_rec *write = cft_new(t);
    cede_prep_write_all(write->req, file, cft_input(write, "more", 4), 4, 0);
    cft_do(write);
    CFT_OK(t, write);
    cft_closed(t, file); /* some tell of it only then */
    while ((l->modified == before || strcmp(l->last, "f") != 0) && !cft_faulted(t) &&
           !cft_is_done(l->rec))
        cft_run(t, CEDE_MILLISECOND);
    CFT_EXPECT(t, l->names == 2);
    finish(t, l);
}

CFT_CASE(watch_tells_what_comes_from_and_goes_elsewhere)
{
    cede_handle watch;
    log *l = watching(t, &watch);
    if (!l)
        return;
    cft_file(t, "f", "x", 1, 0);
    renamed(t, "f", "d/f");
    until_names(t, l, 1);
    CFT_EXPECT(t, strcmp(l->text, ">f ") == 0 || strcmp(l->text, "+f ") == 0);
    l->text[0] = '\0';
    renamed(t, "d/f", "g");
    until_names(t, l, 2);
    CFT_EXPECT(t, strcmp(l->text, "<f ") == 0 || strcmp(l->text, "-f ") == 0);
    finish(t, l);
}

CFT_CASE(watch_looks_no_deeper)
{
    cede_handle watch;
    log *l = watching(t, &watch);
    if (!l)
        return;
    make_directory(t, "d/s");
    cft_file(t, "d/s/deep", "x", 1, 0);
    cft_file(t, "d/last", "x", 1, 0);
    until_names(t, l, 2);
    expect_text(t, l, "+s +last ");
    finish(t, l);
}

CFT_CASE(changes_are_kept_while_nobody_reads_them)
{
    cede_handle watch;
    log *l = watched(t, 2, CEDE_WATCH_BYTES, &watch);
    if (!l)
        return;
    cft_file(t, "d/early", "x", 1, 0);
    follow(l, watch);
    until_names(t, l, 1);
    expect_text(t, l, "+early ");
    finish(t, l);
    cft_file(t, "d/between", "x", 1, 0);
    l->bytes = 0;
    follow(l, watch);
    until_names(t, l, 2);
    expect_text(t, l, "+early +between ");
    finish(t, l);
}

CFT_CASE(watch_waits_while_its_pool_is_empty)
{
    char name[16], text[256] = "";
    cede_handle watch;
    log *l = watched(t, 1, CEDE_WATCH_BYTES, &watch);
    if (!l)
        return;
    l->keeps = true;
    follow(l, watch);
    for (int i = 0; i < 8; i++) {
        (void)snprintf(name, sizeof name, "d/%d", i);
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), "+%s ", name + 2);
        cft_file(t, name, "x", 1, 0);
        while (!l->kept_count && !cft_is_done(l->rec) && !cft_faulted(t))
            cft_run(t, CEDE_MILLISECOND);
    }
    CFT_EXPECT(t, l->kept_count == 1 && cede_pool_out(l->pool) == 1 && l->names < 8);
    while (l->names < 8 && !cft_is_done(l->rec) && !cft_faulted(t)) {
        give_all(l);
        cft_run(t, CEDE_MILLISECOND);
    }
    expect_text(t, l, text);
    finish(t, l);
}

CFT_CASE(watch_that_waits_for_a_buffer_can_be_cancelled)
{
    cede_handle watch;
    log *l = watched(t, 1, CEDE_WATCH_BYTES, &watch);
    if (!l)
        return;
    l->keeps = true;
    follow(l, watch);
    cft_file(t, "d/a", "x", 1, 0);
    while (!l->kept_count && !cft_is_done(l->rec) && !cft_faulted(t))
        cft_run(t, CEDE_MILLISECOND);
    cft_file(t, "d/b", "x", 1, 0);
    cft_run(t, CEDE_MILLISECOND);
    finish(t, l);
    give_all(l);
    l->keeps = false;
    l->bytes = 0;
    follow(l, watch); /* what could not be told keeps */
    until_names(t, l, 2);
    expect_text(t, l, "+a +b ");
    finish(t, l);
}

CFT_CASE(changes_that_are_lost_are_told_to_be)
{
    cede_handle watch;
    log *l = watched(t, 4, 4 * CEDE_WATCH_BYTES, &watch);
    if (!l)
        return;
    cft_file(t, "d/a", "x", 1, 0);
    for (uint32_t i = 0; i <= cft_watch_room(t) / 2 && !cft_faulted(t); i++)
        renamed(t, i % 2 ? "d/b" : "d/a", i % 2 ? "d/a" : "d/b");
    follow(l, watch);
    if (cft_deviates(t, "no_change_is_lost")) {
        until_names(t, l, 2 * (cft_watch_room(t) / 2 + 1) + 1);
        CFT_EXPECT(t, l->lost == 0);
        finish(t, l);
        return;
    }
    while (!l->lost && !cft_is_done(l->rec) && !cft_faulted(t))
        cft_run(t, CEDE_MILLISECOND);
    CFT_EXPECT(t, l->lost == 1 && l->names <= cft_watch_room(t));
    uint32_t before = l->names;
    cft_file(t, "d/later", "", 0, 0); /* it goes on */
    until_names(t, l, before + 1);
    CFT_EXPECT(t, l->names == before + 1 && l->lost == 1);
    finish(t, l);
}

/* Some tell of it at once, Linux when nobody has the directory open any more. */
static void goes(cft *t, bool is_open)
{
    cede_handle watch;
    log *l = watching(t, &watch);
    cede_handle open = l && is_open ? cft_opened(t, "d", CEDE_OPEN_READ | CEDE_OPEN_DIRECTORY) : 0;
    if (!l || (is_open && !open))
        return;
    removed(t, "d");
    if (is_open)
        cft_closed(t, open);
    if (cft_deviates(t, "gone_directory_is_not_told")) {
        cft_run(t, CEDE_MILLISECOND);
        CFT_EXPECT(t, l->gone == 0 && !cft_is_done(l->rec));
        finish(t, l);
        return;
    }
    cft_await(t, l->rec);
    CFT_OK(t, l->rec);
    CFT_EXPECT(t, l->gone == 1 && l->names == 1 && l->rec->result.count == l->bytes);
    cft_closed(t, watch);
}

CFT_CASE(watch_of_a_directory_that_goes_is_over)
{
    goes(t, false);
}

CFT_CASE(watch_of_a_directory_that_goes_while_it_is_open_is_over)
{
    goes(t, true);
}

/* Whoever follows it then learns at once that nothing comes, without descriptors, too. */
CFT_CASE(watch_that_is_over_stays_so)
{
    cede_handle watch;
    log *l = watching(t, &watch);
    if (!l)
        return;
    cft_run(t, 0); /* it has begun */
    cft_no_descriptors(t);
    removed(t, "d");
    if (cft_deviates(t, "gone_directory_is_not_told")) {
        finish(t, l);
        return;
    }
    cft_await(t, l->rec);
    CFT_OK(t, l->rec);
    for (int i = 0; i < 2; i++) {
        follow(l, watch);
        cft_await(t, l->rec);
        CFT_OK(t, l->rec);
        CFT_EXPECT(t, l->rec->result.count == 0);
    }
    CFT_EXPECT(t, l->gone == 1);
    cft_closed(t, watch);
}

CFT_CASE(watch_says_why_it_cannot_begin)
{
    static const struct {
        const char *name;
        cede_status status;
    } bad[] = {{"missing", CEDE_ENOENT}, {"file", CEDE_ENOTDIR}, {"file/x", CEDE_ENOTDIR}};
    cft_needs(t, CEDE_OP_WATCH);
    cft_file(t, "file", "x", 1, 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cft_rec *rec = cft_new(t);
        cede_prep_watch(rec->req, cft_path(t, bad[i].name), 0);
        cft_do(rec);
        if (i == 2) /* on Windows a path through a file is not found */
            CFT_EXPECT(t, rec->result.status == CEDE_ENOTDIR || rec->result.status == CEDE_ENOENT);
        else
            CFT_STATUS(t, rec, bad[i].status);
    }
    cft_rec *rec = cft_new(t);
    cede_prep_watch(rec->req, cft_path(t, "file"), 1);
    cft_do(rec);
    CFT_STATUS(t, rec, CEDE_EINVAL);
    rec = cft_new(t);
    cede_prep_watch(rec->req, NULL, 0);
    cft_do(rec);
    CFT_STATUS(t, rec, CEDE_EINVAL);
}

CFT_CASE(watch_many_needs_a_watch_and_room)
{
    cede_handle watch, reader, writer;
    log *l = watching(t, &watch), *small = new_log(t, 1, CEDE_WATCH_BYTES - 64);
    if (!l || !small)
        return;
    cft_pipe_both(t, &reader, &writer);
    cft_rec *rec[4];
    for (int i = 0; i < 4; i++) {
        rec[i] = cft_new(t);
        rec[i]->data = l;
    }
    cede_prep_watch_many(rec[0]->req, reader, l->pool, on_changes);
    cede_prep_watch_many(rec[1]->req, watch, NULL, on_changes);
    cede_prep_watch_many(rec[2]->req, watch, l->pool, NULL);
    cede_prep_watch_many(rec[3]->req, watch, small->pool, on_changes);
    for (int i = 0; i < 4; i++) {
        cft_do(rec[i]);
        CFT_STATUS(t, rec[i], CEDE_EINVAL);
    }
    finish(t, l);
}

CFT_CASE(watch_many_behind_another_waits_for_its_turn)
{
    cede_handle watch;
    log *first = watching(t, &watch);
    if (!first)
        return;
    log *second = new_log(t, 1, CEDE_WATCH_BYTES);
    if (!second)
        return;
    follow(second, watch);
    cft_file(t, "d/a", "x", 1, 0);
    until_names(t, first, 1);
    finish(t, first);
    cft_file(t, "d/b", "x", 1, 0);
    until_names(t, second, 1);
    expect_text(t, first, "+a ");
    expect_text(t, second, "+b ");
    finish(t, second);
}

CFT_CASE(directory_may_be_watched_twice)
{
    cede_handle one;
    log *l = watching(t, &one);
    log *m = l ? new_log(t, 1, CEDE_WATCH_BYTES) : NULL;
    cede_handle other = m ? watch_of(t, "d") : 0;
    if (!other)
        return;
    follow(m, other);
    cft_file(t, "d/a", "x", 1, 0);
    until_names(t, l, 1);
    until_names(t, m, 1);
    expect_text(t, l, "+a ");
    expect_text(t, m, "+a ");
    cft_closed(t, one);
    CFT_ENDED(t, l->rec, CEDE_ECANCELED, CEDE_BY_CLOSE);
    cft_file(t, "d/b", "x", 1, 0);
    until_names(t, m, 2);
    expect_text(t, m, "+a +b ");
    finish(t, m);
}

CFT_CASE(watch_tells_long_and_foreign_names)
{
    char name[260] = "d/";
    cede_handle watch;
    log *l = watching(t, &watch);
    if (!l)
        return;
    memset(name + 2, 'n', 200);
    cft_file(t, "d/gr\xc3\xbc\xc3\x9f", "x", 1, 0);
    make_directory(t, "d/\xe2\x82\xac"); /* by the library: a name in UTF-8 */
    cft_file(t, name, "x", 1, 0);
    until_names(t, l, 3);
    CFT_EXPECT(t, strstr(l->text, "+\xe2\x82\xac ") != NULL);
    CFT_EXPECT(t, strstr(l->text, name + 2) != NULL && l->names == 3);
    finish(t, l);
}

static void give_back(cft_rec *recv)
{
    log *l = recv->data;
    if (recv->result.buffer)
        cede_pool_give(l->pool, recv->result.buffer);
}

/* Whoever has the free buffers: changes and bytes come by turns. */
CFT_CASE(watch_shares_its_pool_with_receives)
{
    cede_handle a = 0, b = 0;
    log *l = new_log(t, 2, CEDE_WATCH_BYTES);
    if (!l)
        return;
    cft_connected(t, CFT_TCP, &a, &b);
    make_directory(t, "d");
    cede_handle watch = cft_faulted(t) ? 0 : watch_of(t, "d");
    if (!watch)
        return;
    for (uint32_t i = 0; i < 3; i++) {
        char name[] = "d/0";
        cft_rec *recv = cft_new(t);
        recv->then = give_back;
        recv->data = l;
        cede_prep_recv_pool(recv->req, b, l->pool);
        cft_submit(recv);
        if (i == 0)
            follow(l, watch);
        cft_await(t, cft_send_all(t, a, "hello", 5));
        cft_await(t, recv);
        CFT_OK(t, recv);
        CFT_EXPECT(t, recv->result.count > 0);
        name[2] = (char)('0' + i);
        cft_file(t, name, "", 0, 0);
        until_names(t, l, i + 1);
        CFT_EXPECT(t, l->names == i + 1);
    }
    CFT_EXPECT(t, cede_pool_out(l->pool) == 0);
    finish(t, l);
}

CFT_CASE(close_of_a_watch_ends_who_follows_it)
{
    cede_handle watch;
    log *l = watching(t, &watch);
    if (!l)
        return;
    cft_file(t, "d/a", "x", 1, 0); /* it may be told or not */
    cft_rec *close = cft_close_of(t, watch);
    cft_await(t, close);
    CFT_OK(t, close);
    CFT_ENDED(t, l->rec, CEDE_ECANCELED, CEDE_BY_CLOSE);
    CFT_CHECK(t, l->rec->done_at < close->done_at && l->rec->result.count == l->bytes);
    CFT_CHECK(t, cede_pool_out(l->pool) == 0);
}

CFT_CASE(watch_without_a_descriptor_says_so)
{
    cft_needs(t, CEDE_OP_WATCH);
    make_directory(t, "d");
    cft_no_descriptors(t);
    cft_rec *rec = cft_new(t);
    cede_prep_watch(rec->req, cft_path(t, "d"), 0);
    cft_do(rec);
    CFT_STATUS(t, rec, CEDE_EMFILE);
}
