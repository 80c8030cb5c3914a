/*
 * Checked builds: the buffers of pools (laws 5, 17).
 *
 * A buffer that was given back is nobody's until it is picked again. So it is shut for the tools,
 * and filled with a pattern, which is looked at when it is picked or the pool goes: where no tool
 * runs that finds what was written late. And what is given back must not be in flight: the classic
 * is the echo that gives the buffer before the send of it is over. That is looked for among all
 * that the loop has, at each give.
 *
 * Kernels write through the poison. When one that keeps buffers (a ring) writes into them nobody
 * knows: of what it has filled, only the headroom is looked at.
 */
#include "guard.h"

#ifdef CEDI_CHECKED

#include <string.h>

#define PATTERN 0x5d

typedef struct look {
    uintptr_t from, to;
    bool met;
} look;

static void meet(const void *memory, uint64_t bytes, void *context)
{
    look *found = context;
    uintptr_t from = (uintptr_t)memory;
    if (from < found->to && bytes > (from < found->from ? found->from - from : 0))
        found->met = true;
}

void cedi_check_give(cede_loop *loop, const void *memory, size_t bytes)
{
    look look = {(uintptr_t)memory, (uintptr_t)memory + bytes, false};
    cedi_chunk *chunk = loop ? cedi_slot_chunks(loop) : NULL;
    for (; chunk; chunk = chunk->next) {
        for (uint32_t i = 0; i < CEDI_CHUNK_SLOTS; i++) {
            const cedi_slot *slot = &chunk->slots[i];
            uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
            if (!(word & CEDI_TAKEN) || !slot->shut || !slot->req)
                continue;
            cedi_check_each(slot, meet, &look);
            if (look.met)
                cedi_misuse("law 5: a buffer given to its pool while it is ceded or lent; give it "
                            "in that request's done",
                            slot, NULL);
        }
    }
}

void cedi_check_given(void *memory, size_t bytes, uint8_t *marked)
{
    *marked = 1;
    cedi_check_unused(memory, bytes, marked);
}

void cedi_check_unused(void *memory, size_t bytes, const uint8_t *marked)
{
    cedi_open_up(memory, bytes, NULL);
    if (*marked)
        memset(memory, PATTERN, bytes);
    cedi_shut(memory, bytes, NULL);
}

static void verify(const unsigned char *memory, size_t bytes, const uint8_t *marked)
{
    for (size_t i = 0; *marked && i < bytes; i++) {
        if (memory[i] != PATTERN)
            cedi_misuse("law 5: a buffer was changed after it was given to its pool", NULL, NULL);
    }
}

void cedi_check_picked(void *memory, size_t bytes, const uint8_t *marked)
{
    cedi_open_up(memory, bytes, NULL);
    verify(memory, bytes, marked);
}

void cedi_check_filled(void *memory, size_t bytes, size_t lead, const uint8_t *marked)
{
    cedi_open_up(memory, bytes, NULL);
    verify(memory, lead, marked);
}

#endif
