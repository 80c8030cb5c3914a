/*
 * Pipes, which are also each way of a stream: a ring of bytes, two kinds of ends, works that wait.
 * An end is a handle's open file, a socket or the peer, that is the test itself. Under the world's
 * lock but for the peer's functions.
 */
#include "fs.h"

#include <stdlib.h>

#define CAPACITY        65536u
#define STREAM_CAPACITY 212992u

static cede_sim_pipe *pipe_new(cede_sim *world, uint64_t capacity)
{
    cede_sim_pipe *pipe = calloc(1, sizeof *pipe);
    if (!pipe)
        return NULL;
    pipe->world = world;
    pipe->capacity = capacity ? capacity : CAPACITY;
    return pipe;
}

cede_sim_pipe *sim_pipe_make(cede_sim *world, uint64_t capacity)
{
    cede_sim_pipe *pipe = pipe_new(world, capacity);
    if (!pipe)
        return NULL;
    pipe->next = world->pipes;
    world->pipes = pipe;
    return pipe;
}

cede_sim_pipe *sim_pipe_bare(cede_sim *world, bool stream)
{
    cede_sim_pipe *pipe = pipe_new(world, stream ? STREAM_CAPACITY : 0);
    if (!pipe)
        return NULL;
    pipe->bare = true;
    pipe->stream = stream;
    return pipe;
}

void sim_pipe_free(cede_sim_pipe *pipe)
{
    if (pipe)
        free(pipe->ring);
    free(pipe);
}

static void count_ends(cede_sim_pipe *pipe, uint32_t flags, int by)
{
    if (flags & CEDE_OPEN_READ) {
        pipe->readers += (uint32_t)by;
        pipe->readers_ever += by > 0;
    }
    if (flags & CEDE_OPEN_WRITE) {
        pipe->writers += (uint32_t)by;
        pipe->writers_ever += by > 0;
    }
    if (pipe->readers == 0)
        sim_unblock(pipe->world, &pipe->writing);
    if (pipe->writers == 0)
        sim_unblock(pipe->world, &pipe->reading);
    if (pipe->readers == 0 && pipe->writers == 0) {
        /* Nobody can ever read it: a named pipe begins empty the next time. */
        free(pipe->ring);
        pipe->ring = NULL;
        pipe->room = pipe->head = pipe->filled = 0;
    }
}

void sim_pipe_ends(cede_sim_pipe *pipe, uint32_t flags, int by)
{
    count_ends(pipe, flags, by);
    if (pipe->bare && pipe->readers == 0 && pipe->writers == 0)
        sim_pipe_free(pipe);
}

bool sim_pipe_can_read(const cede_sim_pipe *pipe)
{
    return pipe->filled > 0 || pipe->writers == 0;
}

bool sim_pipe_can_write(const cede_sim_pipe *pipe, uint64_t bytes)
{
    bool atomic = bytes <= SIM_PIPE_ATOMIC && bytes <= pipe->capacity && !pipe->stream;
    uint64_t needed = atomic ? bytes : 1;
    return pipe->readers == 0 || pipe->capacity - pipe->filled >= needed;
}

static void take(cede_sim_pipe *pipe, uint8_t *out, uint64_t bytes)
{
    for (uint64_t done = 0; done < bytes && pipe->room > 0;) {
        uint64_t part =
            pipe->room - pipe->head < bytes - done ? pipe->room - pipe->head : bytes - done;
        memcpy(out + done, pipe->ring + pipe->head, (size_t)part);
        pipe->head = (pipe->head + part) % pipe->room;
        pipe->filled -= part;
        done += part;
    }
}

/* The ring is as large as it has been needed: a hundred thousand idle pipes cost little. */
static bool grow_ring(cede_sim_pipe *pipe, uint64_t bytes)
{
    uint64_t room = pipe->room ? pipe->room : 256;
    if (pipe->filled + bytes <= pipe->room)
        return true;
    while (room < pipe->filled + bytes)
        room *= 2;
    if (room > pipe->capacity)
        room = pipe->capacity;
    uint8_t *fresh = malloc((size_t)room);
    if (!fresh)
        return false;
    uint64_t kept = pipe->filled;
    take(pipe, fresh, kept);
    pipe->filled = kept;
    free(pipe->ring);
    pipe->ring = fresh;
    pipe->room = room;
    pipe->head = 0;
    return true;
}

uint64_t sim_pipe_in(cede_sim_pipe *pipe, const void *from, uint64_t bytes)
{
    const uint8_t *in = from;
    if (bytes > pipe->capacity - pipe->filled)
        bytes = pipe->capacity - pipe->filled;
    if (!grow_ring(pipe, bytes))
        return 0;
    for (uint64_t done = 0; done < bytes;) {
        uint64_t at = (pipe->head + pipe->filled) % pipe->room;
        uint64_t part = pipe->room - at < bytes - done ? pipe->room - at : bytes - done;
        memcpy(pipe->ring + at, in + done, (size_t)part);
        pipe->filled += part;
        done += part;
    }
    if (bytes > 0)
        sim_unblock(pipe->world, &pipe->reading);
    return bytes;
}

uint64_t sim_pipe_out(cede_sim_pipe *pipe, void *to, uint64_t bytes)
{
    if (bytes > pipe->filled)
        bytes = pipe->filled;
    take(pipe, to, bytes);
    if (bytes > 0)
        sim_unblock(pipe->world, &pipe->writing);
    return bytes;
}

/* ---- The peer -------------------------------------------------------------------------------- */

static cede_handle give_end(cede_sim *world, sim_node *node, uint32_t flags, intptr_t *native)
{
    sim_open *open;
    *native = 0;
    if (sim_open_new(world, node, flags, &open) != CEDE_OK)
        return 0;
    *native = open->native;
    return 1;
}

cede_sim_pipe *cede_sim_pipe_new(cede_sim *world, uint64_t capacity, cede_handle *read_end,
                                 cede_handle *write_end)
{
    intptr_t reads = 0, writes = 0;
    bool made = true;
    sim_lock(world);
    cede_sim_pipe *pipe = sim_pipe_make(world, capacity);
    sim_node *node = pipe ? sim_node_new(world, CEDE_FILE_PIPE, 0600) : NULL;
    if (node) {
        node->pipe = pipe;
        node->uses++; /* until the ends are there */
        pipe->peer_reads = !read_end;
        pipe->peer_writes = !write_end;
        count_ends(pipe, (read_end ? 0 : CEDE_OPEN_READ) | (write_end ? 0 : CEDE_OPEN_WRITE), 1);
        if (read_end)
            made = give_end(world, node, CEDE_OPEN_READ, &reads) != 0;
        if (made && write_end)
            made = give_end(world, node, CEDE_OPEN_WRITE, &writes) != 0;
        node->uses--;
        sim_node_check(node);
    }
    sim_unlock(world);
    if (!node)
        return NULL;
    if (made && read_end) {
        *read_end = cede_core_adopt(&cede_sim_backend, reads, CEDE_KIND_PIPE, 0);
        made = *read_end != 0;
        reads = made ? 0 : reads;
    }
    if (made && write_end) {
        *write_end = cede_core_adopt(&cede_sim_backend, writes, CEDE_KIND_PIPE, 0);
        made = *write_end != 0;
        writes = made ? 0 : writes;
    }
    if (made)
        return pipe;
    if (reads)
        cede_sim_backend.discard(reads);
    else if (read_end && *read_end)
        cede_drop(*read_end);
    if (writes)
        cede_sim_backend.discard(writes);
    return NULL;
}

cede_sim_pipe *cede_sim_pipe_at(cede_sim *world, const char *path)
{
    sim_node *node;
    sim_lock(world);
    cede_sim_pipe *pipe = sim_find(world, path, SIM_FOLLOW, &node) == CEDE_OK ? node->pipe : NULL;
    sim_unlock(world);
    return pipe;
}

uint64_t cede_sim_pipe_put(cede_sim_pipe *pipe, const void *data, uint64_t bytes)
{
    sim_lock(pipe->world);
    uint64_t moved = pipe->readers > 0 ? sim_pipe_in(pipe, data, bytes) : 0;
    sim_note(pipe->world, SIM_PEER, NULL, moved);
    sim_poke(pipe->world);
    sim_unlock(pipe->world);
    return moved;
}

uint64_t cede_sim_pipe_take(cede_sim_pipe *pipe, void *data, uint64_t bytes)
{
    sim_lock(pipe->world);
    uint64_t moved = sim_pipe_out(pipe, data, bytes);
    sim_note(pipe->world, SIM_PEER, NULL, moved);
    sim_poke(pipe->world);
    sim_unlock(pipe->world);
    return moved;
}

uint64_t cede_sim_pipe_filled(cede_sim_pipe *pipe)
{
    sim_lock(pipe->world);
    uint64_t filled = pipe->filled;
    sim_unlock(pipe->world);
    return filled;
}

void cede_sim_pipe_shut(cede_sim_pipe *pipe)
{
    sim_lock(pipe->world);
    uint32_t ends =
        (pipe->peer_reads ? CEDE_OPEN_READ : 0) | (pipe->peer_writes ? CEDE_OPEN_WRITE : 0);
    pipe->peer_reads = pipe->peer_writes = false;
    count_ends(pipe, ends, -1);
    sim_note(pipe->world, SIM_PEER, NULL, ends);
    sim_poke(pipe->world);
    sim_unlock(pipe->world);
}
