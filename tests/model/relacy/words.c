/*
 * Names for the words that threads share, so that what was found can be told, and so that a mutant
 * can say whose memory order it weakens. Looks at the core's tables past all models.
 */
#include "trial.h"

#include <stddef.h>

#include "core.h"

struct field {
    const char *name;
    size_t offset;
};

static const struct field of_loop[] = {
    {"loop.owner", offsetof(cede_loop, owner)},
    {"loop.inbox", offsetof(cede_loop, inbox)},
    {"loop.sleeping", offsetof(cede_loop, sleeping)},
    {"loop.open", offsetof(cede_loop, open)},
    {"loop.wakers", offsetof(cede_loop, wakers)},
    {"loop.stop", offsetof(cede_loop, stop)},
    {"loop.posts", offsetof(cede_loop, posts)},
    {"loop.remote_free", offsetof(cede_loop, remote_free)},
};

static const struct field of_slot[] = {
    {"slot.word", offsetof(cedi_slot, word)},
    {"slot.inbox", offsetof(cedi_slot, inbox)},
    {"slot.wheel_next", offsetof(cedi_slot, wheel_next)},
};

static const struct field of_entry[] = {
    {"entry.word", offsetof(cedi_entry, word)},
    {"entry.inbox", offsetof(cedi_entry, inbox)},
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char *find(const struct field *fields, size_t count, size_t offset)
{
    for (size_t i = 0; i < count; i++) {
        if (fields[i].offset == offset)
            return fields[i].name;
    }
    return NULL;
}

const char *trial_word(uintptr_t address)
{
    const char *name = NULL;
    for (uint32_t i = 1; !name && i < 8; i++) {
        uintptr_t chunk = (uintptr_t)atomic_load_explicit(&cedi_chunks[i], memory_order_relaxed);
        uintptr_t slots = chunk + offsetof(cedi_chunk, slots);
        if (chunk && address == chunk + offsetof(cedi_chunk, loop))
            name = "chunk.loop";
        else if (chunk && address >= slots && address < chunk + sizeof(cedi_chunk))
            name = find(of_slot, COUNT(of_slot), (address - slots) % sizeof(cedi_slot));
        if (address == (uintptr_t)&cedi_chunks[i])
            name = "chunks";
    }
    for (uint32_t i = 1; !name && i < 8; i++) {
        uintptr_t loop = (uintptr_t)cedi_loop_at(i);
        if (loop && address - loop < sizeof(cede_loop))
            name = find(of_loop, COUNT(of_loop), address - loop);
    }
    if (!name && trial_handle) {
        uintptr_t entry = (uintptr_t)cedi_entry_at((uint32_t)(trial_handle & 0xffffff));
        if (address - entry < sizeof(cedi_entry))
            name = find(of_entry, COUNT(of_entry), address - entry);
    }
    return name ? name : "other";
}
