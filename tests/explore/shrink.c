/*
 * The shortest program that still fails: delta debugging over its actions, then over what each of
 * them says. Whether it is the same failure is not asked: any failure is one.
 */
#include "explore.h"

static bool still_fails(const program *p, program *best, verdict *v, unsigned *tries)
{
    verdict now_is = child_try(p);
    ++*tries;
    if (!now_is.failed)
        return false;
    *best = *p;
    *v = now_is;
    return true;
}

static program without(const program *p, uint32_t at, uint32_t count)
{
    program q = *p;
    uint32_t end = at + count < p->count ? at + count : p->count;
    q.count = p->count - (end - at);
    for (uint32_t i = at; i < q.count; i++)
        q.action[i] = p->action[i + (end - at)];
    return q;
}

/* Takes away runs of actions, long ones first. */
static bool fewer(program *best, verdict *v, unsigned *tries)
{
    bool any = false;
    for (uint32_t length = best->count / 2 ? best->count / 2 : 1; length > 0; length /= 2) {
        for (uint32_t at = 0; at < best->count;) {
            program q = without(best, at, length);
            if (still_fails(&q, best, v, tries))
                any = true;
            else
                at += length;
        }
    }
    return any;
}

/* Two that need each other: a hold and its release, a scope and a member. */
#define PAIRS_OF 16

static bool fewer_pairs(program *best, verdict *v, unsigned *tries)
{
    for (uint32_t i = 1; i < best->count && best->count <= PAIRS_OF; i++) {
        for (uint32_t j = 0; j < i; j++) {
            program q = without(best, i, 1);
            q = without(&q, j, 1);
            if (still_fails(&q, best, v, tries))
                return true;
        }
    }
    return false;
}

/* Makes one byte of the program 0, or at least smaller. */
static bool simpler(program *best, verdict *v, unsigned *tries)
{
    uint8_t bytes[BYTES_MOST];
    bool any = false;
    size_t count = program_to_bytes(best, bytes);
    for (size_t i = 0; i < count; i++) {
        bool attributes = i >= HEAD_BYTES && (i - HEAD_BYTES) % ACTION_BYTES == ACTION_BYTES - 1;
        bool what = i >= HEAD_BYTES && (i - HEAD_BYTES) % ACTION_BYTES == 0;
        uint8_t was = bytes[i];
        if (was == 0)
            continue;
        for (uint32_t bit = 0; bit < (attributes ? 9u : 1u); bit++) {
            program q;
            uint8_t less = bit == 0 ? 0 : (uint8_t)(was & ~(1u << (bit - 1)));
            bytes[i] = what ? was & 63 : less; /* the verb stays, its depth may go */
            if (bytes[i] == was)
                continue;
            program_from_bytes(&q, bytes, count);
            if (still_fails(&q, best, v, tries)) {
                any = true;
                was = bytes[i];
            }
        }
        bytes[i] = was;
    }
    return any;
}

program shrink(const program *p, verdict *v, unsigned *tries)
{
    program best = *p;
    while (fewer(&best, v, tries) || simpler(&best, v, tries) || fewer_pairs(&best, v, tries))
        continue;
    return best;
}
