/*
 * The bytes. Each direction of each connection is a stream with a key of its own. It begins with
 * its key, so that who receives it knows which it is, and every further byte follows from key and
 * position: one that is lost, doubled, moved, another stream's or written too early or too late is
 * seen. At the end the counts that were told are compared.
 *
 * A datagram is such a stream, too, which is sent in one, or not at all.
 *
 * What follows is read from one pattern, from a place on that the key tells, so that a file which
 * has the pattern has each part of each stream. Its period is prime: what is lost or doubled is
 * not likely to be a multiple of it, and what is is told by the counts.
 */
#include "storm.h"

#define MARK        0xc5
#define CHUNK       4096
#define CHUNKS_MOST 65536
#define PERIOD      65521u

/* SURE: where WHOLE is the truth on any system. */
enum { CLAIMED = 1, WHOLE = 2, RELAYED = 4, SURE = 8, DATAGRAM = 16 };

typedef struct entry {
    _Atomic uint64_t sent, received;
    _Atomic uint32_t flags;
    uint32_t port; /* a datagram: where from */
} entry;

unsigned char storm_pattern[PATTERN_BYTES];

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

void storm_ledger_make(void)
{
    uint64_t state = 0x5eed;
    for (uint32_t i = 0; i < PATTERN_BYTES; i++)
        storm_pattern[i] =
            i < PERIOD ? (unsigned char)storm_random(&state, 256) : storm_pattern[i - PERIOD];
}

uint64_t storm_place(uint64_t key, uint64_t at)
{
    return (key * 40503u + at) % PERIOD;
}

static void write_head(uint64_t key, unsigned char head[8])
{
    head[0] = MARK;
    for (uint32_t i = 1; i < 8; i++)
        head[i] = (unsigned char)(key >> (8 * (i - 1)));
}

void storm_fill(uint64_t key, uint64_t at, unsigned char *to, uint64_t bytes)
{
    unsigned char head[8];
    write_head(key, head);
    memcpy(to, storm_pattern + storm_place(key, at), bytes);
    for (uint64_t i = at; i < 8 && i < at + bytes; i++)
        to[i - at] = head[i];
}

void storm_sent(uint64_t key, uint64_t bytes)
{
    entry_of(key)->sent += bytes;
}

void storm_unsure(uint64_t key)
{
    if (key)
        entry_of(key)->flags |= RELAYED;
}

static uint64_t claim(const unsigned char head[8], uint32_t kind)
{
    uint64_t key = 0;
    for (int i = 7; i > 0; i--)
        key = key << 8 | head[i];
    if (head[0] != MARK || key == 0 || key > keys || (entry_of(key)->flags & DATAGRAM) != kind)
        storm_fail("a stream or datagram begins with what nobody sent");
    if (atomic_fetch_or(&entry_of(key)->flags, CLAIMED) & CLAIMED)
        storm_fail("a stream or datagram was received twice");
    entry_of(key)->received += 8;
    return key;
}

static void compare(uint64_t key, uint64_t at, const unsigned char *from, uint64_t bytes)
{
    const unsigned char *should = storm_pattern + storm_place(key, at);
    uint64_t i = 0;
    if (memcmp(from, should, bytes) != 0) {
        while (from[i] == should[i])
            i++;
        at += i;
        storm_fail("byte %llu of stream %llu is not what was sent there", (unsigned long long)at,
                   (unsigned long long)key);
    }
    entry_of(key)->received += bytes;
}

void storm_feed(end *e, const unsigned char *from, uint64_t bytes)
{
    uint64_t i = 0;
    storm_totals.bytes += bytes;
    while (i < bytes && e->in_at < 8) {
        e->head[e->in_at++] = from[i++];
        if (e->in_at == 8)
            e->in_key = claim(e->head, 0);
    }
    if (i == bytes)
        return;
    compare(e->in_key, e->in_at, from + i, bytes - i);
    e->in_at += bytes - i;
}

void storm_stream_ended(end *e)
{
    bool sure = e->how & (END_LOCAL | END_RECEIVES);
    if (e->in_key)
        entry_of(e->in_key)->flags |= sure ? WHOLE | SURE : WHOLE;
}

uint64_t storm_datagram_new(uint32_t from_port)
{
    uint64_t key = storm_key_new(false);
    entry_of(key)->port = from_port;
    entry_of(key)->flags |= DATAGRAM;
    return key;
}

uint32_t storm_datagram_came(const unsigned char *data, uint64_t bytes, bool whole)
{
    if (bytes < 8)
        storm_fail("a datagram of %llu bytes, which nobody sent", (unsigned long long)bytes);
    uint64_t key = claim(data, DATAGRAM);
    compare(key, 8, data + 8, bytes - 8);
    if (whole)
        entry_of(key)->flags |= WHOLE | SURE;
    return entry_of(key)->port;
}

void storm_ledger_check(void)
{
    for (uint64_t key = 1; key <= keys; key++) {
        entry *e = entry_of(key);
        if (e->received > e->sent)
            storm_fail("of stream %llu %llu bytes came, and %llu were told as sent",
                       (unsigned long long)key, (unsigned long long)e->received,
                       (unsigned long long)e->sent);
        if ((e->flags & WHOLE) && !(e->flags & RELAYED) &&
            ((e->flags & SURE) || storm_tells_resets())) {
            if (e->received != e->sent)
                storm_fail("stream %llu came to its end with %llu bytes, and %llu were told as "
                           "sent",
                           (unsigned long long)key, (unsigned long long)e->received,
                           (unsigned long long)e->sent);
            storm_totals.streams += !(e->flags & DATAGRAM);
        }
    }
    for (uint32_t i = 0; i < CHUNKS_MOST; i++)
        free(atomic_load(&chunks[i]));
}
