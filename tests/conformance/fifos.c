/*
 * Pipes that have a name in the file system (mkfifo): an open of one pends until the other end is
 * there, as POSIX has it, and can be ended like everything else (laws 6, 7, 8, 13).
 */
#include "ends.h"

#include <string.h>

static cft_rec *prep_open(cft *t, const char *name, uint32_t flags)
{
    cft_rec *rec = cft_new(t);
    cede_prep_open(rec->req, cft_path(t, name), flags, 0);
    return rec;
}

static cft_rec *open_it(cft *t, const char *name, uint32_t flags)
{
    cft_rec *rec = prep_open(t, name, flags);
    cft_submit(rec);
    return rec;
}

/* What goes in at one end comes out at the other, and then its end. */
static void expect_pipe(cft *t, cede_handle from, cede_handle to)
{
    cft_rec *write = cft_new(t), *read = cft_new(t);
    cede_prep_write_all(write->req, to, cft_input(write, "hello", 5), 5, CEDE_CURRENT);
    cft_do(write);
    CFT_OK(t, write);
    cft_closed(t, to);
    cede_prep_read_all(read->req, from, cft_buffer(read, 6), 6, CEDE_CURRENT);
    cft_do(read);
    CFT_STATUS(t, read, CEDE_EEOF);
    CFT_EXPECT(t, read->result.count == 5 && memcmp(read->bytes, "hello", 5) == 0);
    cft_closed(t, from);
}

static void meet(cft *t, uint32_t first, uint32_t second)
{
    cft_fifo(t, "fifo");
    cft_rec *early = open_it(t, "fifo", first);
    cft_turn(t);
    cft_turn(t);
    CFT_EXPECT(t, !cft_is_done(early));
    cft_rec *late = open_it(t, "fifo", second);
    cft_await(t, late);
    cft_await(t, early);
    CFT_OK(t, early);
    CFT_OK(t, late);
    if (cft_faulted(t))
        return;
    if (first == CEDE_OPEN_READ)
        expect_pipe(t, early->result.handle, late->result.handle);
    else
        expect_pipe(t, late->result.handle, early->result.handle);
}

CFT_CASE(fifo_is_open_for_reading_when_a_writer_comes)
{
    meet(t, CEDE_OPEN_READ, CEDE_OPEN_WRITE);
}

CFT_CASE(fifo_is_open_for_writing_when_a_reader_comes)
{
    meet(t, CEDE_OPEN_WRITE, CEDE_OPEN_READ);
}

/* Which leaves the pipe as it was: whoever comes later waits, and meets only who is there. */
static void expect_unopened(cft *t, const char *name)
{
    cft_rec *reader = open_it(t, name, CEDE_OPEN_READ);
    cft_turn(t);
    cft_turn(t);
    CFT_EXPECT(t, !cft_is_done(reader));
    cft_rec *writer = open_it(t, name, CEDE_OPEN_WRITE);
    cft_await(t, writer);
    cft_await(t, reader);
    if (!cft_faulted(t))
        expect_pipe(t, reader->result.handle, writer->result.handle);
}

CFT_CASE(fifo_open_cancelled_leaves_nobody_at_its_end)
{
    static const uint32_t ways[] = {CEDE_OPEN_READ, CEDE_OPEN_WRITE, CEDE_OPEN_APPEND};
    cft_fifo(t, "fifo");
    for (int i = 0; i < 3; i++) {
        cft_rec *open = open_it(t, "fifo", i == 2 ? CEDE_OPEN_WRITE | ways[i] : ways[i]);
        cft_turn(t);
        cft_cancel(t, open->ticket);
        cft_await(t, open);
        CFT_STATUS(t, open, CEDE_ECANCELED);
        CFT_EXPECT(t, open->result.handle == 0);
    }
    expect_unopened(t, "fifo");
}

CFT_CASE(fifo_open_ends_at_its_deadline)
{
    cft_fifo(t, "fifo");
    for (int i = 0; i < 2; i++) {
        cft_rec *open = prep_open(t, "fifo", i ? CEDE_OPEN_READ : CEDE_OPEN_WRITE);
        cede_within(open->req, CEDE_MILLISECOND);
        cft_submit(open);
        cft_await(t, open);
        CFT_STATUS(t, open, CEDE_EDEADLINE);
    }
    expect_unopened(t, "fifo");
}

CFT_CASE(fifo_open_for_both_ways_waits_for_nobody)
{
    cft_fifo(t, "fifo");
    cede_handle both = cft_opened(t, "fifo", CEDE_OPEN_READ | CEDE_OPEN_WRITE);
    cede_handle reader = cft_opened(t, "fifo", CEDE_OPEN_READ);
    cede_handle writer = cft_opened(t, "fifo", CEDE_OPEN_WRITE);
    if (cft_faulted(t))
        return;
    cft_closed(t, both);
    expect_pipe(t, reader, writer);
}

/* A writer that came, wrote and left was one. */
CFT_CASE(fifo_is_open_for_reading_also_when_its_writer_has_left)
{
    cft_fifo(t, "fifo");
    cft_rec *open = open_it(t, "fifo", CEDE_OPEN_READ);
    cft_turn(t);
    cede_handle writer = cft_opened(t, "fifo", CEDE_OPEN_WRITE);
    if (cft_faulted(t))
        return;
    cft_rec *write = cft_new(t), *read = cft_new(t);
    cede_prep_write_all(write->req, writer, cft_input(write, "hello", 5), 5, CEDE_CURRENT);
    cft_do(write);
    cft_closed(t, writer);
    cft_await(t, open);
    CFT_OK(t, open);
    if (cft_faulted(t))
        return;
    cede_prep_read_all(read->req, open->result.handle, cft_buffer(read, 6), 6, CEDE_CURRENT);
    cft_do(read);
    CFT_STATUS(t, read, CEDE_EEOF);
    CFT_EXPECT(t, read->result.count == 5);
    cft_closed(t, open->result.handle);
}

/* They wait for somebody else, and hold up nobody, however many they are. */
CFT_CASE(fifo_opens_that_wait_hold_up_nobody)
{
    enum { MANY = 24 };
    cft_rec *opens[MANY];
    cft_fifo(t, "fifo");
    cft_file(t, "file", "x", 1, 0);
    for (int i = 0; i < MANY; i++)
        opens[i] = open_it(t, "fifo", CEDE_OPEN_READ);
    cft_turn(t);
    cft_closed(t, cft_opened(t, "file", CEDE_OPEN_READ));
    cede_handle writer = cft_opened(t, "fifo", CEDE_OPEN_WRITE);
    for (int i = 0; i < MANY; i++) {
        cft_await(t, opens[i]);
        CFT_OK(t, opens[i]);
        if (opens[i]->result.handle)
            cft_closed(t, opens[i]->result.handle);
    }
    if (writer)
        cft_closed(t, writer);
}

/* ---- What a name stands for ------------------------------------------------------------------ */

static uint32_t type_of(cft *t, const char *path)
{
    cft_rec *rec = cft_new(t);
    cede_prep_stat(rec->req, path, cft_buffer(rec, sizeof(cede_stat)), CEDE_NOFOLLOW);
    cft_do(rec);
    CFT_OK(t, rec);
    return ((const cede_stat *)(const void *)rec->bytes)->type;
}

static uint32_t listed_as(cft *t, cede_handle directory, const char *name)
{
    uint32_t type = CEDE_FILE_UNKNOWN;
    uint64_t position = 0;
    const cede_entry *entry;
    cft_rec *rec = cft_new(t);
    cede_prep_readdir(rec->req, directory, cft_buffer(rec, CEDE_READDIR_BYTES), CEDE_READDIR_BYTES);
    cft_do(rec);
    CFT_OK(t, rec);
    while ((entry = cede_next_entry(rec->bytes, rec->result.count, &position)) != NULL) {
        if (strcmp(entry->name, name) == 0)
            type = entry->type;
    }
    return type;
}

/* Each is alone in a directory of its own. */
CFT_CASE(fifo_and_socket_are_told_as_what_they_are)
{
    cft_rec *made = cft_new(t);
    cede_prep_mkdir(made->req, cft_path(t, "d"), 0755);
    cft_do(made);
    if (cft_faulted(t))
        return;
    cft_fifo(t, "d/fifo");
    cede_handle directory = cft_opened(t, "d", CEDE_OPEN_READ | CEDE_OPEN_DIRECTORY);
    CFT_EXPECT(t, type_of(t, cft_path(t, "d/fifo")) == CEDE_FILE_PIPE);
    CFT_EXPECT(t, listed_as(t, directory, "fifo") == CEDE_FILE_PIPE);
    cft_rec *listen = cft_new(t);
    cede_address at = cede_address_local(cft_path(t, "d/socket"));
    cede_prep_listen(listen->req, &at, 0, 0);
    cft_do(listen);
    CFT_OK(t, listen);
    if (cft_faulted(t))
        return;
    CFT_EXPECT(t, type_of(t, at.path) == CEDE_FILE_SOCKET);
    directory = cft_opened(t, "d", CEDE_OPEN_READ | CEDE_OPEN_DIRECTORY);
    CFT_EXPECT(t, listed_as(t, directory, "socket") == CEDE_FILE_SOCKET);
}

/* ---- Every way to end one -------------------------------------------------------------------- */

static void fifo_read_prepare(cft *t, stage *s)
{
    cft_fifo(t, s->name);
    cede_prep_open(s->rec->req, cft_path(t, s->name), CEDE_OPEN_READ, 0);
}

static void fifo_write_prepare(cft *t, stage *s)
{
    cft_fifo(t, s->name);
    cede_prep_open(s->rec->req, cft_path(t, s->name), CEDE_OPEN_WRITE, 0);
}

static void fifo_feed(cft *t, stage *s)
{
    s->second = cft_opened(t, s->name, CEDE_OPEN_READ | CEDE_OPEN_WRITE);
}

ENDS(fifo_read, OPEN, fifo_read_prepare, fifo_feed, cft_ends_made)
ENDS(fifo_write, OPEN, fifo_write_prepare, fifo_feed, cft_ends_made)
