/*
 * Descriptors and open files. A descriptor is a number: a place in a table of the process, and how
 * often that place was used, so that a stale one names nothing. The table has its own lock, taken
 * inside a world's or alone, and is never freed: a descriptor may be dropped after its world.
 */
#include "child.h"
#include "net.h"
#include "watch.h"

#include <stdlib.h>

#if INTPTR_MAX > INT32_MAX
#define PLACE_BITS 24
#else
#define PLACE_BITS 16
#endif
#define PLACES    ((size_t)1 << PLACE_BITS)
#define USES_MOST ((uintptr_t)INTPTR_MAX >> PLACE_BITS)

struct entry {
    sim_open *open;   /* NULL: nothing is open here */
    uintptr_t uses;   /* 1 at first, so that no descriptor is 0 */
    size_t next_free; /* place plus 1 */
};

static struct {
    atomic_flag lock;
    struct entry *entries;
    size_t count;
    size_t room;
    size_t free; /* place plus 1 */
} table = {.lock = ATOMIC_FLAG_INIT};

static void lock_table(void)
{
    while (atomic_flag_test_and_set_explicit(&table.lock, memory_order_acquire))
        cede_os_yield();
}

static void unlock_table(void)
{
    atomic_flag_clear_explicit(&table.lock, memory_order_release);
}

static struct entry *entry_of(intptr_t native)
{
    size_t place = (size_t)((uintptr_t)native & (PLACES - 1));
    if (native <= 0 || place >= table.count)
        return NULL;
    struct entry *entry = &table.entries[place];
    return entry->open && entry->uses == (uintptr_t)native >> PLACE_BITS ? entry : NULL;
}

static bool grow_table(void)
{
    if (table.count < table.room)
        return true;
    size_t room = table.room ? 2 * table.room : 64;
    if (room > PLACES)
        return false;
    struct entry *fresh = realloc(table.entries, room * sizeof *fresh);
    if (!fresh)
        return false;
    table.entries = fresh;
    table.room = room;
    return true;
}

/* 0: no room. */
static intptr_t enter_table(sim_open *open)
{
    lock_table();
    size_t place = table.free;
    if (place == 0) {
        if (!grow_table()) {
            unlock_table();
            return 0;
        }
        table.entries[table.count] = (struct entry){.uses = 1};
        place = ++table.count;
    } else {
        table.free = table.entries[place - 1].next_free;
    }
    struct entry *entry = &table.entries[place - 1];
    entry->open = open;
    intptr_t native = (intptr_t)(entry->uses << PLACE_BITS | (place - 1));
    unlock_table();
    return native;
}

void sim_native_forget(sim_open *open)
{
    lock_table();
    struct entry *entry = entry_of(open->native);
    if (entry) {
        entry->open = NULL;
        if (entry->uses < USES_MOST) { /* else the place is worn out: it must not come again */
            entry->uses++;
            entry->next_free = table.free;
            table.free = (size_t)(entry - table.entries) + 1;
        }
    }
    unlock_table();
}

sim_open *sim_native_find(cede_sim *world, intptr_t native)
{
    lock_table();
    const struct entry *entry = entry_of(native);
    sim_open *open = entry && entry->open->world == world ? entry->open : NULL;
    unlock_table();
    return open;
}

cede_sim *sim_native_enter(intptr_t native, sim_open **out)
{
    lock_table();
    const struct entry *entry = entry_of(native);
    cede_sim *world = entry ? entry->open->world : NULL;
    if (world)
        world->entered++; /* keeps it from being freed between the two locks */
    unlock_table();
    if (!world)
        return NULL;
    sim_lock(world);
    *out = sim_native_find(world, native);
    if (*out)
        return world;
    sim_native_leave(world);
    return NULL;
}

void sim_native_leave(cede_sim *world)
{
    sim_unlock(world);
    lock_table();
    world->entered--;
    unlock_table();
}

void sim_native_retire(cede_sim *world)
{
    for (;;) {
        lock_table();
        uint32_t entered = world->entered;
        unlock_table();
        if (entered == 0)
            return;
        cede_os_yield();
    }
}

/* ---- Open files ------------------------------------------------------------------------------ */

cede_status sim_open_new(cede_sim *world, sim_node *node, uint32_t flags, sim_open **out)
{
    uint32_t most = world->config.open_most;
    if (most && world->open_count >= most)
        return CEDE_EMFILE;
    sim_open *open = calloc(1, sizeof *open);
    if (!open)
        return CEDE_ENOMEM;
    open->world = world;
    open->serial = ++world->open_serials;
    open->flags = flags;
    open->uses = 1; /* its descriptor's */
    open->node = node;
    open->in = flags & CEDE_OPEN_READ ? node->pipe : NULL;
    open->out = flags & CEDE_OPEN_WRITE ? node->pipe : NULL;
    open->native = enter_table(open);
    if (open->native == 0) {
        free(open);
        return CEDE_EMFILE;
    }
    node->uses++;
    if (node->pipe)
        sim_pipe_ends(node->pipe, flags, 1);
    open->next = world->opens;
    if (open->next)
        open->next->prev = open;
    world->opens = open;
    world->open_count++;
    *out = open;
    return CEDE_OK;
}

void sim_open_close(sim_open *open)
{
    sim_native_forget(open);
    open->native = 0;
    open->world->open_count--;
    sim_open_release(open);
}

void sim_open_release(sim_open *open)
{
    cede_sim *world = open->world;
    if (--open->uses > 0)
        return;
    if (open->child)
        sim_child_leave(open->child);
    if (open->watch)
        sim_watch_close(open->watch);
    if (open->socket)
        sim_socket_close(open->socket);
    else if (open->node->pipe)
        sim_pipe_ends(open->node->pipe, open->flags, -1);
    if (open->prev)
        open->prev->next = open->next;
    else
        world->opens = open->next;
    if (open->next)
        open->next->prev = open->prev;
    open->node->uses--;
    sim_node_check(open->node);
    free(open);
}

uint32_t sim_open_kind(const sim_open *open)
{
    if (open->socket)
        return open->socket->kind;
    if (open->child)
        return CEDE_KIND_CHILD;
    if (open->watch)
        return CEDE_KIND_WATCH;
    switch (open->node->type) {
    case CEDE_FILE_DIRECTORY:
        return CEDE_KIND_DIR;
    case CEDE_FILE_PIPE:
        return CEDE_KIND_PIPE;
    case CEDE_FILE_CHARACTER:
        return CEDE_KIND_CHAR;
    default:
        return CEDE_KIND_FILE;
    }
}
