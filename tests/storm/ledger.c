/*
 * The bytes. Each direction of each connection is a stream with a key of its own. It begins with
 * its key, so that who receives it knows which it is, and every further byte follows from key and
 * position: one that is lost, doubled, moved, another stream's or written too early or too late is
 * seen. At the end the counts that were told are compared.
 */
#include "storm.h"

#define MARK        0xc5
#define CHUNK       4096
#define CHUNKS_MOST 65536

enum { CLAIMED = 1, WHOLE = 2, RELAYED = 4 };

typedef struct entry {
    _Atomic uint64_t sent, received;
    _Atomic uint32_t flags;
} entry;

static entry *_Atomic chunks[CHUNKS_MOST];
static _Atomic uint64_t keys;

static entry *entry_of(uint64_t key)
{
    entry *chunk = atomic_load(&chunks[key / CHUNK]);
    if (!chunk) {
        entry *made = calloc(CHUNK, sizeof *made);
        port_must(made != NULL, "memory");
        if (atomic_compare_exchange_strong(&chunks[key / CHUNK], &chunk, made))
            chunk = made;
        else
            free(made);
    }
    return &chunk[key % CHUNK];
}

uint64_t storm_key_new(bool relayed)
{
    uint64_t key = atomic_fetch_add(&keys, 1) + 1;
    port_must(key < (uint64_t)CHUNK * CHUNKS_MOST, "so many streams");
    if (relayed)
        entry_of(key)->flags |= RELAYED;
    return key;
}

static unsigned char byte_at(uint64_t key, uint64_t at)
{
    if (at < 8)
        return at == 0 ? MARK : (unsigned char)(key >> (8 * (at - 1)));
    return (unsigned char)(((uint32_t)key * 2654435761u + (uint32_t)at * 2246822519u) >> 24);
}

void storm_fill(uint64_t key, uint64_t at, unsigned char *to, uint64_t bytes)
{
    for (uint64_t i = 0; i < bytes; i++)
        to[i] = byte_at(key, at + i);
}

void storm_sent(uint64_t key, uint64_t bytes)
{
    entry_of(key)->sent += bytes;
}

static void claim(end *e)
{
    uint64_t key = 0;
    for (int i = 7; i > 0; i--)
        key = key << 8 | e->head[i];
    if (e->head[0] != MARK || key == 0 || key > keys)
        storm_fail("a stream begins with what nobody sent");
    if (atomic_fetch_or(&entry_of(key)->flags, CLAIMED) & CLAIMED)
        storm_fail("a stream was received twice");
    e->in_key = key;
    entry_of(key)->received += 8;
}

void storm_feed(end *e, const unsigned char *from, uint64_t bytes)
{
    uint64_t i = 0;
    storm_totals.bytes += bytes;
    while (i < bytes && e->in_at < 8) {
        e->head[e->in_at++] = from[i++];
        if (e->in_at == 8)
            claim(e);
    }
    if (i == bytes)
        return;
    for (uint64_t k = i; k < bytes; k++) {
        if (from[k] != byte_at(e->in_key, e->in_at + k - i))
            storm_fail("byte %llu of stream %llu is not what was sent there",
                       (unsigned long long)(e->in_at + k - i), (unsigned long long)e->in_key);
    }
    e->in_at += bytes - i;
    entry_of(e->in_key)->received += bytes - i;
}

void storm_stream_ended(end *e)
{
    if (e->in_key)
        entry_of(e->in_key)->flags |= WHOLE;
}

void storm_ledger_check(void)
{
    for (uint64_t key = 1; key <= keys; key++) {
        entry *e = entry_of(key);
        if (e->received > e->sent)
            storm_fail("of stream %llu %llu bytes came, and %llu were told as sent",
                       (unsigned long long)key, (unsigned long long)e->received,
                       (unsigned long long)e->sent);
        if ((e->flags & WHOLE) && !(e->flags & RELAYED) && storm_tells_resets()) {
            if (e->received != e->sent)
                storm_fail("stream %llu came to its end with %llu bytes, and %llu were told as "
                           "sent",
                           (unsigned long long)key, (unsigned long long)e->received,
                           (unsigned long long)e->sent);
            storm_totals.streams++;
        }
    }
    for (uint32_t i = 0; i < CHUNKS_MOST; i++)
        free(atomic_load(&chunks[i]));
}
