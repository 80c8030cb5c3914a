/*
 * cede-cp: what is done: walk, copy, compare.
 *
 * A copy grows under a temporary name beside its final one and is renamed when it is complete, so
 * the final name never stands for a wrong or half file, whatever happens when.
 */
#include "cede-cp.h"
#include "example_os.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_BYTES (UINT64_C(8) << 20) /* between two pieces come progress and cancel */
#define SET_ID_BITS 06000u

static item_work finish, copy_file, copy_link, verify;
static cede_done walk_end, copy_end, simple_end;

static void simple_end(cede_req *scope, cede_result r)
{
    item_over(CEDE_CONTAINER(scope, struct item, scope), r);
}

/* The source of an item was looked at. */
static void found(struct item *it, cede_result r)
{
    uint32_t type = it->source.type;

    if (r.status) {
        item_over(it, r); /* gone again, say */
    } else if (type == CEDE_FILE_DIRECTORY) {
        item_queue(it, walk, walk_end);
    } else if (type == CEDE_FILE_REGULAR || type == CEDE_FILE_SYMLINK) {
        it->copy->found_files++;
        if (type == CEDE_FILE_REGULAR)
            it->copy->found_bytes += it->source.size_bytes * (it->copy->verify ? 2 : 1);
        item_queue(it, type == CEDE_FILE_REGULAR ? copy_file : copy_link, copy_end);
    } else {
        report_error(it->copy, it->from, "pipe, socket or device: left out");
        item_over(it, r);
    }
}

static char *join(const char *directory, const char *name)
{
    size_t bytes = strlen(directory) + strlen(name) + 2;
    char *path = malloc(bytes);

    if (path)
        snprintf(path, bytes, "%s%s%s", directory, *name ? "/" : "", name);
    return path;
}

/* The work of the whole. A source goes to DEST, or below it if that is a directory. */
void add_sources(struct item *it, cede_result r)
{
    struct room *room = it->room;
    struct copy *c = it->copy;

    BEGIN(it);
    cede_prep_stat(item_req(it), c->dest, &room->stat, 0);
    TRY(it, c->dest);
    c->into = r.status == CEDE_OK && room->stat.type == CEDE_FILE_DIRECTORY;
    if (!c->into && c->sources[1]) {
        report_error(c, c->dest, "is no directory, and there is more than one source");
        return; /* no member is left in the scope, so it ends */
    }
    for (; *c->sources; c->sources++) {
        os_trim(*c->sources);
        const char *name = os_last_name(*c->sources);
        if (!c->into || !strcmp(name, ".") || !strcmp(name, ".."))
            name = "";
        room->child = item_new(c, it, join(*c->sources, ""), join(c->dest, name));
        if (!room->child)
            continue;
        room->stat = (cede_stat){0};
        cede_prep_stat(item_req(it), room->child->to, &room->stat, CEDE_NOFOLLOW);
        TRY(it, room->child->to);
        cede_prep_stat(item_req(it), room->child->from, &room->child->source, CEDE_NOFOLLOW);
        TRY(it, room->child->from);
        if (r.status == CEDE_OK && room->stat.device == room->child->source.device &&
            room->stat.file_id == room->child->source.file_id) {
            report_error(c, room->child->from, "source and destination are the same");
            item_over(room->child, (cede_result){0});
        } else {
            found(room->child, r);
        }
        if (r.flags & CEDE_BY_SCOPE)
            return;
    }
    item_leave_room(it);
    END;
}

/* ---- Directories ---------------------------------------------------------------------------- */

/* Looks at every entry, so that the size of the whole is known long before all is copied. */
void walk(struct item *it, cede_result r)
{
    struct room *room = it->room;
    const cede_entry *entry;

    BEGIN(it);
    cede_prep_open(item_req(it), it->from,
                   CEDE_OPEN_READ | CEDE_OPEN_DIRECTORY | CEDE_OPEN_NOFOLLOW, 0);
    STEP(it, it->from);
    cede_own(it->life, room->in = r.handle);
    cede_prep_stat_handle(item_req(it), room->in, &it->source);
    STEP(it, it->from);
    for (struct item *up = it->parent; up; up = up->parent) {
        if (up->copied && up->copy_id == it->source.file_id &&
            up->copy_device == it->source.device) {
            report_error(it->copy, it->from, "a directory is not copied into itself");
            return;
        }
    }

    cede_prep_mkdir(item_req(it), it->to, 0700); /* the owner's alone until it is finished */
    TRY(it, it->to);
    if (r.status && r.status != CEDE_EEXIST) {
        cede_fail(it->life, r.status);
        return;
    }
    cede_prep_stat(item_req(it), it->to, &room->stat, 0);
    STEP(it, it->to);
    if (room->stat.type != CEDE_FILE_DIRECTORY) {
        cede_fail(it->life, CEDE_ENOTDIR);
        return;
    }
    it->copied = true;
    it->copy_id = room->stat.file_id;
    it->copy_device = room->stat.device;
    if ((room->stat.mode & 0700) != 0700) { /* an earlier copy, which must take new names */
        cede_prep_open(item_req(it), it->to, CEDE_OPEN_READ | CEDE_OPEN_DIRECTORY, 0);
        STEP(it, it->to);
        cede_prep_set_mode(item_req(it), r.handle, room->stat.mode | 0700);
        cede_prep_close(item_req(it), r.handle);
        STEP(it, it->to);
    }

    do {
        cede_prep_readdir(item_req(it), room->in, room->block, sizeof room->block);
        TRY(it, it->from);
        if (r.status && !(r.flags & CEDE_BY_SCOPE))
            report_error(it->copy, it->from, cede_strerror(r.status)); /* what was found goes on */
        room->filled_bytes = r.count;
        room->passed = 0;
        while ((entry = cede_next_entry(room->block, room->filled_bytes, &room->passed))) {
            room->child =
                item_new(it->copy, it, join(it->from, entry->name), join(it->to, entry->name));
            if (!room->child)
                continue;
            cede_prep_stat(item_req(it), room->child->from, &room->child->source, CEDE_NOFOLLOW);
            TRY(it, room->child->from);
            found(room->child, r);
            if (r.flags & CEDE_BY_SCOPE)
                return;
        }
    } while (room->filled_bytes);
    cede_prep_close(item_req(it), room->in);
    TRY(it, it->from);
    item_leave_room(it); /* what was found keeps the scope */
    END;
}

/* All below is over. */
static void walk_end(cede_req *scope, cede_result r)
{
    struct item *it = CEDE_CONTAINER(scope, struct item, scope);

    if (r.status || !it->copied) {
        item_over(it, r);
        return;
    }
    item_queue(it, finish, simple_end);
    item_leave_room(it);
}

/* Not before, as a mode may forbid writing, and each new name changes the times. */
static void finish(struct item *it, cede_result r)
{
    BEGIN(it);
    cede_prep_open(item_req(it), it->to, CEDE_OPEN_READ | CEDE_OPEN_DIRECTORY, 0);
    STEP(it, it->to);
    cede_own(it->life, r.handle);
    cede_prep_set_mode(item_req(it), r.handle, it->source.mode);
    cede_prep_set_times(item_req(it), r.handle, it->source.accessed_ns, it->source.modified_ns);
    if (it->copy->sync)
        cede_prep_fsync(item_req(it), r.handle);
    STEP(it, it->to);
    it->copy->done_directories++;
    END;
}

/* ---- Files and symbolic links --------------------------------------------------------------- */

/* A name in the same directory that nobody else has. */
static void name_temp(struct item *it)
{
    struct room *room = it->room;

    room->temp = (char *)room->block[1];
    snprintf(room->temp, BLOCK_BYTES, "%.*s.cede-cp-%08" PRIx32 "-%" PRIu32,
             (int)(os_last_name(it->to) - it->to), it->to, it->copy->temp_random,
             it->copy->temp_number++);
}

static void copy_link(struct item *it, cede_result r)
{
    struct room *room = it->room;
    char *text = (char *)room->block;

    BEGIN(it);
    name_temp(it);
    cede_prep_readlink(item_req(it), it->from, text, BLOCK_BYTES - 1);
    STEP(it, it->from);
    text[r.count] = '\0';
    cede_prep_symlink(item_req(it), text, room->temp);
    STEP(it, it->to);
    room->temp_made = true;
    cede_prep_rename(item_req(it), room->temp, it->to, 0);
    STEP(it, it->to);
    it->copied = true;
    END;
}

static bool is_hole(const void *block, uint64_t bytes)
{
    const char *byte = block;

    return bytes == 0 || (*byte == 0 && memcmp(byte, byte + 1, bytes - 1) == 0);
}

static void copy_file(struct item *it, cede_result r)
{
    struct room *room = it->room;
    const cede_stat *from = &it->source, *to = &room->stat;

    BEGIN(it);
    cede_prep_open(item_req(it), it->from, CEDE_OPEN_READ | CEDE_OPEN_NOFOLLOW, 0);
    STEP(it, it->from);
    cede_own(it->life, room->in = r.handle);
    cede_prep_stat_handle(item_req(it), room->in, &it->source);
    STEP(it, it->from);
    if (from->type != CEDE_FILE_REGULAR) { /* any more */
        cede_fail(it->life, CEDE_EINVAL);
        return;
    }
    name_temp(it);
    cede_prep_open(item_req(it), room->temp,
                   CEDE_OPEN_WRITE | CEDE_OPEN_CREATE | CEDE_OPEN_EXCLUSIVE, 0600);
    STEP(it, it->to);
    room->temp_made = true;
    cede_own(it->life, room->out = r.handle);
    cede_prep_stat_handle(item_req(it), room->out, &room->stat);
    STEP(it, it->to);

    room->sparse = from->allocated_bytes < from->size_bytes && from->size_bytes > BLOCK_BYTES;
    do {
        int64_t at = (int64_t)room->offset;
        if (!room->sparse) {
            cede_prep_copy(item_req(it), room->in, room->offset, room->out, room->offset,
                           PIECE_BYTES);
            STEP(it, it->to);
        } else {
            cede_prep_read(item_req(it), room->in, room->block, BLOCK_BYTES, at);
            STEP(it, it->from);
            if (!is_hole(room->block, r.count)) {
                at = (int64_t)room->offset;
                cede_prep_write_all(item_req(it), room->out, room->block, r.count, at);
                STEP(it, it->to);
            }
        }
        room->offset += r.count;
        it->copy->moved_bytes += r.count;
    } while (r.count && r.status != CEDE_EEOF);

    if (room->sparse)
        cede_prep_truncate(item_req(it), room->out, room->offset); /* it may end with a hole */
    /* The owner cannot be kept, and set-user-id for another one would be a gift. */
    bool same = from->owner == to->owner && from->group == to->group;
    cede_prep_set_mode(item_req(it), room->out, same ? from->mode : from->mode & ~SET_ID_BITS);
    cede_prep_set_times(item_req(it), room->out, from->accessed_ns, from->modified_ns);
    if (it->copy->sync)
        cede_prep_fsync(item_req(it), room->out);
    cede_prep_close(item_req(it), room->out);
    cede_prep_rename(item_req(it), room->temp, it->to, 0);
    STEP(it, it->to);
    it->copied = true;
    END;
}

static void on_removed(cede_req *req, cede_result r)
{
    struct item *it = req->user_data;

    if (r.status)
        report_error(it->copy, it->room->temp, cede_strerror(r.status));
    else if (it->room->interrupted)
        report(it->to, "half-written, removed");
}

/* Every done of it has returned, and its handles are closed. What came of it is what the results
 * said, not what was asked: a rename that won the race against a cancel is a success. */
static void copy_end(cede_req *scope, cede_result r)
{
    struct item *it = CEDE_CONTAINER(scope, struct item, scope);
    struct copy *c = it->copy;
    struct room *room = it->room; /* NULL: it ended while it waited */

    if (it->copied) {
        c->done_files++;
        c->done_bytes += room->offset;
        if (c->verbose) {
            bar_clear();
            printf("%s\n", it->to);
            fflush(stdout);
        }
    } else if (room && room->temp_made) {
        /* In no scope: what is cancelled cleans up all the same. Waited for, because the return
         * from here may end the directory, which then gets its times. */
        room->interrupted = (r.flags & CEDE_BY_SCOPE) != 0;
        cede_prep_unlink(&room->chain[0], room->temp);
        cede_wait(c->loop, cede_submit(c->loop, &room->chain[0], on_removed), CEDE_FOREVER);
    }
    if (!it->copied || !c->verify) {
        item_over(it, r);
        return;
    }
    item_queue(it, verify, simple_end);
    item_leave_room(it);
}

/* ---- A copy compared with its source -------------------------------------------------------- */

static void read_block(struct item *it, const char *path, cede_handle file, void *block)
{
    if (it->source.type == CEDE_FILE_SYMLINK)
        cede_prep_readlink(item_req(it), path, block, BLOCK_BYTES - 1);
    else
        cede_prep_read_all(item_req(it), file, block, BLOCK_BYTES, (int64_t)it->room->offset);
}

static void verify(struct item *it, cede_result r)
{
    struct room *room = it->room;

    BEGIN(it);
    if (it->source.type != CEDE_FILE_SYMLINK) {
        cede_prep_open(item_req(it), it->from, CEDE_OPEN_READ | CEDE_OPEN_NOFOLLOW, 0);
        STEP(it, it->from);
        cede_own(it->life, room->in = r.handle);
        cede_prep_open(item_req(it), it->to, CEDE_OPEN_READ | CEDE_OPEN_NOFOLLOW, 0);
        STEP(it, it->to);
        cede_own(it->life, room->out = r.handle);
    }
    do {
        read_block(it, it->from, room->in, room->block[0]);
        STEP(it, it->from);
        room->filled_bytes = r.count;
        read_block(it, it->to, room->out, room->block[1]);
        STEP(it, it->to);
        if (r.count != room->filled_bytes || memcmp(room->block[0], room->block[1], r.count) != 0) {
            report_error(it->copy, it->to, "differs from its source");
            return;
        }
        room->offset += r.count;
        it->copy->moved_bytes += r.count;
    } while (r.count == BLOCK_BYTES);
    END;
}
