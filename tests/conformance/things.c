/*
 * Files, pipes and frozen memory for cases: thin layers over the world.
 */
#include "inner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Files ---------------------------------------------------------------------------------- */

const char *cft_path(cft *t, const char *name)
{
    char *path = cft_alloc(t, 512);
    t->world->path(t, t->state, name, path, 512);
    return path;
}

const char *cft_file(cft *t, const char *name, const void *bytes, uint64_t count, uint64_t key)
{
    void *filled = NULL;
    if (!bytes) {
        filled = malloc(count ? count : 1);
        if (!filled)
            abort();
        cft_fill(filled, count, key, 0);
    }
    t->world->make_file(t, t->state, name, bytes ? bytes : filled, count);
    free(filled);
    return cft_path(t, name);
}

void cft_fifo(cft *t, const char *name)
{
    if (!t->world->make_fifo)
        cft_skip(t, "no_fifo");
    t->world->make_fifo(t, t->state, name);
}

int64_t cft_file_size(cft *t, const char *name)
{
    return t->world->file_size(t, t->state, name);
}

uint64_t cft_file_read(cft *t, const char *name, void *out, uint64_t count, uint64_t offset)
{
    return t->world->file_read(t, t->state, name, out, count, offset);
}

cede_handle cft_opened(cft *t, const char *name, uint32_t flags)
{
    cft_rec *rec = cft_new(t);
    cede_prep_open(rec->req, cft_path(t, name), flags, 0644);
    cft_submit(rec);
    cft_await(t, rec);
    CFT_OK(t, rec);
    return rec->result.handle;
}

void cft_open_says(cft *t, const char *name, uint32_t flags, cede_status status)
{
    cft_rec *rec = cft_new(t);
    cede_prep_open(rec->req, cft_path(t, name), flags, 0644);
    cft_do(rec);
    CFT_STATUS(t, rec, status);
    if (rec->result.handle)
        cft_closed(t, rec->result.handle);
}

void cft_closed(cft *t, cede_handle handle)
{
    cft_rec *rec = cft_new(t);
    cede_prep_close(rec->req, handle);
    cft_submit(rec);
    cft_await(t, rec);
    CFT_OK(t, rec);
}

uint32_t cft_mode_bits(const cft *t)
{
    return t->world->mode_bits ? t->world->mode_bits : 07777;
}

void cft_limit_descriptors(cft *t, uint32_t more)
{
    if (!t->world->limit)
        cft_skip(t, "cannot_limit_descriptors");
    t->limited = true;
    t->world->limit(t, t->state, more);
}

void cft_no_descriptors(cft *t)
{
    cede_status status = CEDE_OK;
    cft_file(t, "one-more", "x", 1, 0);
    cft_limit_descriptors(t, 2);
    for (uint32_t i = 0; i < 64 && status == CEDE_OK; i++) {
        cft_rec *rec = cft_new(t);
        cede_prep_open(rec->req, cft_path(t, "one-more"), CEDE_OPEN_READ, 0);
        cft_do(rec);
        status = rec->result.status;
    }
    CFT_EXPECT(t, status == CEDE_EMFILE);
}

/* ---- Pipes ---------------------------------------------------------------------------------- */

static void keep_peer(cft *t, intptr_t peer)
{
    CFT_CHECK(t, t->peer_count < sizeof t->peers / sizeof t->peers[0]);
    t->peers[t->peer_count++] = peer;
}

void cft_keep_handle(cft *t, cede_handle handle)
{
    if (!handle)
        return;
    cft_gate_lock(t->gate);
    if (t->handle_count == t->handle_room) {
        t->handle_room = t->handle_room ? t->handle_room * 2 : 64;
        t->handles = realloc(t->handles, t->handle_room * sizeof *t->handles);
        if (!t->handles)
            abort();
    }
    t->handles[t->handle_count++] = handle;
    cft_gate_unlock(t->gate);
}

static cft_pipe pipe_one(cft *t, bool reads)
{
    cft_pipe p = {0, -1, -1};
    cft_loop(t);
    CFT_CHECK(t, t->world->pipe(t, t->state, reads ? &p : NULL, reads ? NULL : &p));
    CFT_EXPECT(t, p.handle != 0);
    keep_peer(t, p.peer);
    cft_keep_handle(t, p.handle);
    return p;
}

cft_pipe cft_pipe_reader(cft *t)
{
    return pipe_one(t, true);
}

cft_pipe cft_pipe_writer(cft *t)
{
    return pipe_one(t, false);
}

void cft_pipe_both(cft *t, cede_handle *reader, cede_handle *writer)
{
    cft_pipe in = {0, -1, -1};
    cft_pipe out = {0, -1, -1};
    cft_loop(t);
    CFT_CHECK(t, t->world->pipe(t, t->state, &in, &out));
    CFT_EXPECT(t, in.handle && out.handle);
    cft_keep_handle(t, in.handle);
    cft_keep_handle(t, out.handle);
    *reader = in.handle;
    *writer = out.handle;
}

size_t cft_peer_write(cft *t, cft_pipe *p, const void *bytes, size_t count)
{
    int64_t moved = t->world->peer_write(t, t->state, p->peer, bytes, count);
    return moved > 0 ? (size_t)moved : 0;
}

size_t cft_peer_read(cft *t, cft_pipe *p, void *out, size_t count)
{
    int64_t moved = t->world->peer_read(t, t->state, p->peer, out, count);
    return moved > 0 ? (size_t)moved : 0;
}

void cft_peer_close(cft *t, cft_pipe *p)
{
    for (uint32_t i = 0; i < t->peer_count; i++) {
        if (t->peers[i] == p->peer)
            t->peers[i] = -1;
    }
    t->world->peer_close(t, t->state, p->peer);
    p->peer = -1;
}

size_t cft_pipe_fill(cft *t, cft_pipe *writer)
{
    uint64_t room = t->world->pipe_bytes(t, t->state, writer);
    unsigned char *bytes = cft_alloc(t, room);
    cft_rec *rec = cft_new(t);
    cft_fill(bytes, room, 9, 0);
    cede_prep_write_all(rec->req, writer->handle, bytes, room, CEDE_CURRENT);
    cft_submit(rec);
    cft_await(t, rec);
    CFT_MOVED(t, rec, room);
    return rec->result.count;
}

/* ---- Freezing ------------------------------------------------------------------------------- */

bool cft_can_freeze(const cft *t)
{
    return t->world->freeze != NULL;
}

void *cft_frozen_buffer(cft *t, size_t bytes)
{
    if (!cft_can_freeze(t))
        cft_skip(t, "cannot_freeze");
    void *memory = t->world->frozen_buffer(t, t->state, bytes);
    if (!memory)
        cft_skip(t, "cannot_freeze");
    return memory;
}

void cft_freeze(cft *t)
{
    t->frozen = true;
    t->world->freeze(t, t->state);
}

void cft_frozen_await_on(cft *t, cede_loop *loop)
{
    CFT_CHECK(t, t->frozen);
    while (!t->world->frozen(t, t->state))
        CFT_CHECK(t, cft_run_on(loop, 0) >= 0);
}

void cft_frozen_await(cft *t)
{
    cft_frozen_await_on(t, cft_loop(t));
}

void cft_thaw(cft *t)
{
    t->frozen = false;
    t->world->thaw(t, t->state);
}

const char *cft_frozen_file(cft *t, size_t bytes)
{
    return t->world->frozen_file(t, t->state, bytes);
}
