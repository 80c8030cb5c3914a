/*
 * What moved: the bytes that results say were sent and received are the ones that are there, once
 * and in order; files hold what writes say; names are there as often as they were made.
 *
 * Each request's data is a pattern of its own, so that a byte tells who wrote it.
 */
#include "explore.h"

uint8_t pattern(uint32_t serial, uint64_t at)
{
    uint64_t x = (at + 1) * UINT64_C(0x9e3779b97f4a7c15) + serial * UINT64_C(0xbf58476d1ce4e5b9);
    return (uint8_t)(x >> 56 ^ x >> 24);
}

void bytes_add(bytes *to, const void *data, size_t count)
{
    if (count == 0)
        return;
    if (to->used + count > to->room) {
        to->room = 2 * (to->used + count) + 256;
        to->data = realloc(to->data, to->room);
        if (!to->data)
            abort();
    }
    memcpy(to->data + to->used, data, count);
    to->used += count;
}

void truth_sent(call *c, uint64_t count)
{
    uint8_t data[1024];
    LAW(7, c, count <= c->length, "%" PRIu64 " bytes of %" PRIu32, count, c->length);
    for (uint64_t i = 0; i < count; i++)
        data[i] = pattern(c->serial, i);
    if (c->on)
        bytes_add(&c->on->out, data, count);
}

void truth_received(call *c, const void *data, uint64_t count)
{
    if (c->on)
        bytes_add(&c->on->in, data, count);
}

/* ---- The file that is read and written at offsets -------------------------------------------- */

#define FILE_MOST 2048u

/* What a call may have put at an offset. */
static bool covers(const call *w, uint32_t at, uint8_t *value)
{
    bool truncates = w->kind->op == CEDE_OP_TRUNCATE;
    uint64_t moved = !w->dones ? w->length : truncates ? w->length : w->result.count;
    if (w->kind->judge != kinds[K_write_at].judge || at < w->offset || w->stale_handle)
        return false;
    if (truncates) {
        *value = 0;
        return !w->dones || w->result.status == CEDE_OK;
    }
    if (at >= w->offset + moved)
        return false;
    *value = w->kind->op == CEDE_OP_COPY ? pattern(SOURCE, at - w->offset)
                                         : pattern(w->serial, at - w->offset);
    return true;
}

/* Whether a byte may have been there at a time between two steps: nothing may have been put over it
 * for sure meanwhile. */
static bool may_be_there(uint32_t at, uint8_t value, uint64_t asked)
{
    uint64_t last = 0; /* before this nothing counts any more: something was put over it */
    uint8_t found;
    for (const call *w = now.calls; w < now.calls + now.call_count; w++) {
        if (w->dones && w->told < asked && covers(w, at, &found) && w->asked > last)
            last = w->asked;
    }
    for (const call *w = now.calls; w < now.calls + now.call_count; w++) {
        if (covers(w, at, &found) && found == value && (!w->dones || w->told >= last))
            return true;
    }
    return last == 0 && value == (at < FILE_FIRST ? pattern(FIRST, at) : 0);
}

void truth_read(const call *c, uint64_t count)
{
    const uint8_t *data = c->memory->data;
    for (uint64_t i = 0; i < count; i++)
        LAW(7, c, may_be_there(c->offset + (uint32_t)i, data[i], c->asked),
            "nobody wrote what it read at %" PRIu64, c->offset + i);
}

static void file_final(void)
{
    uint8_t data[FILE_MOST];
    int64_t got = cede_sim_get(now.world, "/file", 0, data, sizeof data);
    for (int64_t i = 0; i < got; i++)
        LAW(7, NULL, may_be_there((uint32_t)i, data[i], UINT64_MAX),
            "the file holds at %" PRId64 " what nobody wrote last", i);
}

static void exactly(const char *path, const bytes *told)
{
    uint8_t *data = malloc(told->used + 1);
    int64_t got = data ? cede_sim_get(now.world, path, 0, data, told->used + 1) : -1;
    LAW(7, NULL,
        got >= 0 && (size_t)got == told->used &&
            (!got || memcmp(data, told->data, told->used) == 0),
        "%s holds %" PRId64 " bytes, and results tell of %zu, or of others", path, got, told->used);
    free(data);
}

/* ---- Streams --------------------------------------------------------------------------------- */

static bool is_prefix(const bytes *part, const bytes *whole)
{
    return part->used <= whole->used &&
           (!part->used || !memcmp(part->data, whole->data, part->used));
}

/* The child that copied what came here was never there, or ended before all had come. */
static bool was_cut_off(const thing *t)
{
    return t->relayed && (!now.copier || now.copier->child.asked || now.copier->child.forced);
}

/* What one end received is what the other sent, as far as it came. */
static bool agree(const thing *from, const thing *to)
{
    return is_prefix(&to->in, &from->out) &&
           (!to->ended || to->in.used == from->out.used || was_cut_off(to));
}

static void stream_final(const thing *t)
{
    if (t->peer) {
        LAW(14, NULL, agree(t->peer, t),
            "a stream brought %zu bytes%s, and %zu were sent, or others", t->in.used,
            t->ended ? " and its end" : "", t->peer->out.used);
        return;
    }
    bool found = false;
    for (const thing *u = now.things; u < now.things + now.thing_count && t->accepted; u++)
        found = found || (u->connected && agree(u, t) && agree(t, u));
    LAW(14, NULL, !t->accepted || found || t->in.used == 0 || now.starved,
        "an accepted stream brought what nobody sent");
}

static void source_final(const thing *t)
{
    for (size_t i = 0; i < t->in.used; i++)
        LAW(14, NULL, t->in.data[i] == pattern(SOURCE, i),
            "byte %zu of what was read from a file's position on is another", i);
}

/* ---- Names ----------------------------------------------------------------------------------- */

static void names_final(void)
{
    char path[32];
    cede_stat stat;
    for (uint32_t i = 0; i < 6; i++) {
        uint32_t made = i < 4 ? now.names[i] : now.directories[i - 4];
        snprintf(path, sizeof path, i < 4 ? "/tmp/n%" PRIu32 : "/tmp/d%" PRIu32, i % 4);
        bool there = cede_sim_stat(now.world, path, &stat) == CEDE_OK;
        LAW(7, NULL, made == there, "%s is %sthere, and was made %" PRId32 " times", path,
            there ? "" : "not ", (int32_t)made);
    }
}

void truth_final(void)
{
    for (const thing *t = now.things; t < now.things + now.thing_count; t++) {
        if (t->role & (R_PIPE_IN | R_STREAM))
            stream_final(t);
        else if (t->role == R_SOURCE)
            source_final(t);
        else if (t->role == R_LOG)
            exactly("/log", &t->out);
        else if (t->role == R_SINK)
            exactly("/sink", &t->out);
    }
    file_final();
    names_final();
}

/* ---- Buffers of the pool --------------------------------------------------------------------- */

static void give(uint32_t at)
{
    call *from = now.out[at].from;
    from->out--;
    cede_pool_give(now.pool, now.out[at].buffer);
    now.out_count--;
    for (uint32_t i = at; i < now.out_count; i++)
        now.out[i] = now.out[i + 1];
}

void truth_give(void)
{
    if (now.out_count > 0)
        give(0);
}

void truth_buffer(call *c, void *buffer)
{
    uint32_t credit = c->how->place % 3u;
    for (uint32_t i = 0; i < now.out_count; i++)
        LAW(8, c, now.out[i].buffer != buffer, "a buffer that somebody has already");
    c->out++;
    LAW(15, c, c->kind->op != CEDE_OP_RECV_MANY || credit == 0 || c->out <= credit,
        "%" PRIu32 " buffers with a credit of %" PRIu32, c->out, credit);
    LAW(8, c, now.out_count < OUT_MOST, "more buffers than the pool has");
    now.out[now.out_count].buffer = buffer;
    now.out[now.out_count++].from = c;
    if (!(c->how->attr & A_KEEP))
        give(now.out_count - 1);
}
