/*
 * Watches: what changes in a directory, kept in a queue with a bound. Told are names that come, go
 * and move, and data and facts of what has a name there, by whichever name they were changed. Under
 * the world's lock.
 */
#include "watch.h"

#include <stddef.h>
#include <stdlib.h>

#define CHANGES_MOST 1024u /* where the settings say nothing */

struct change {
    struct change *next;
    uint8_t what;
    size_t length;
    char name[];
};

struct sim_watch {
    sim_watch *next; /* all of the world */
    sim_watch *prev;
    cede_sim *world;
    sim_node *dir;
    struct change *first;
    struct change *last;
    uint32_t count;
    bool lost; /* the queue is full, or there was no memory: told behind it */
    bool gone; /* nothing comes any more */
    bool over; /* and that has been told */
    sim_list waiting;
};

static bool ended(sim_work *work, cede_status status)
{
    work->status = status;
    return true;
}

/* ---- What changes ---------------------------------------------------------------------------- */

static void keep(sim_watch *watch, uint8_t what, const char *name, size_t length)
{
    uint32_t most =
        watch->world->config.watch_most ? watch->world->config.watch_most : CHANGES_MOST;
    struct change *change = NULL;
    if (watch->gone)
        return;
    if (watch->count < most && !watch->lost)
        change = malloc(sizeof *change + length);
    if (change) {
        change->next = NULL;
        change->what = what;
        change->length = length;
        memcpy(change->name, name, length);
        if (watch->last)
            watch->last->next = change;
        else
            watch->first = change;
        watch->last = change;
        watch->count++;
    } else {
        watch->lost = true;
    }
    sim_unblock(watch->world, &watch->waiting);
}

void sim_watch_name(sim_node *dir, uint8_t what, const char *name, size_t length)
{
    for (sim_watch *watch = dir->world->watches; watch; watch = watch->next) {
        if (watch->dir == dir)
            keep(watch, what, name, length);
    }
}

void sim_watch_gone(sim_node *dir)
{
    for (sim_watch *watch = dir->world->watches; watch; watch = watch->next) {
        if (watch->dir != dir || watch->gone)
            continue;
        watch->gone = true;
        sim_unblock(dir->world, &watch->waiting);
    }
}

void sim_watch_changed(const sim_node *node)
{
    for (sim_watch *watch = node->world->watches; watch; watch = watch->next) {
        for (size_t i = 0; i < watch->dir->name_count; i++) {
            const sim_name *name = &watch->dir->names[i];
            if (name->name && name->node == node)
                keep(watch, CEDE_CHANGE_MODIFIED, name->name, strlen(name->name));
        }
    }
}

/* ---- Telling it ------------------------------------------------------------------------------ */

static bool has_news(const sim_watch *watch)
{
    return watch->first || watch->lost || (watch->gone && !watch->over);
}

/* Packs one behind the others. False: there is no room. */
static bool pack(uint8_t *to, uint64_t room, uint64_t *used, uint8_t what, const char *name,
                 size_t length)
{
    size_t bytes = (offsetof(cede_change, name) + length + 1 + 7) & ~(size_t)7;
    if (bytes > room - *used)
        return false;
    cede_change head = {.change_bytes = (uint16_t)bytes, .what = what};
    memset(to + *used, 0, bytes);
    memcpy(to + *used, &head, offsetof(cede_change, name));
    memcpy(to + *used + offsetof(cede_change, name), name, length);
    *used += bytes;
    return true;
}

static uint64_t pack_all(sim_watch *watch, uint8_t *to, uint64_t room)
{
    uint64_t used = 0, most = sim_maybe_short(watch->world, watch->count + 1);
    while (watch->first && most > 0) {
        struct change *change = watch->first;
        if (!pack(to, room, &used, change->what, change->name, change->length))
            return used;
        watch->first = change->next;
        if (!watch->first)
            watch->last = NULL;
        watch->count--;
        most--;
        free(change);
    }
    if (!watch->first && watch->lost && pack(to, room, &used, CEDE_CHANGE_LOST, "", 0))
        watch->lost = false;
    if (!watch->first && !watch->lost && watch->gone && !watch->over)
        watch->over = pack(to, room, &used, CEDE_CHANGE_GONE, "", 0);
    return used;
}

void sim_watch_pool(cede_sim *world, sim_work *work, uint32_t *number)
{
    const cede_work asked = {.args = &work->args};
    cede_pool_view *view = cede_core_pool(&asked);
    sim_watch *watch = work->file->watch;
    if (!has_news(watch)) {
        work->status = watch->over ? CEDE_OK : CEDE_REPORT_AGAIN;
        return;
    }
    if (!cede_core_pick(view, number)) {
        work->status = CEDE_REPORT_POOL;
        return;
    }
    work->count =
        pack_all(watch, (uint8_t *)view->base + *number * view->stride_bytes, view->buffer_bytes);
    sim_note(world, SIM_RUN, work, work->count);
}

bool sim_op_watch_many(cede_sim *world, sim_work *work)
{
    sim_watch *watch = work->file ? work->file->watch : NULL;
    (void)world;
    if (!watch)
        return ended(work, work->file ? CEDE_EINVAL : CEDE_EBADF);
    if (!has_news(watch) && !watch->over)
        return sim_block(work, &watch->waiting);
    work->to_pool = true;
    return ended(work, CEDE_OK);
}

/* ---- Beginning and ending -------------------------------------------------------------------- */

bool sim_op_watch(cede_sim *world, sim_work *work)
{
    uint32_t most = world->config.open_most;
    sim_node *dir;
    sim_open *open;
    if (most && world->open_count >= most)
        return ended(work, CEDE_EMFILE);
    cede_status status = sim_find(world, work->args.path.path, SIM_FOLLOW, &dir);
    if (status == CEDE_OK && dir->type != CEDE_FILE_DIRECTORY)
        status = CEDE_ENOTDIR;
    sim_watch *watch = status == CEDE_OK ? calloc(1, sizeof *watch) : NULL;
    if (status == CEDE_OK && !watch)
        status = CEDE_ENOMEM;
    if (status == CEDE_OK)
        status = sim_open_new(world, dir, 0, &open);
    if (status != CEDE_OK) {
        free(watch);
        return ended(work, status);
    }
    watch->world = world;
    watch->dir = dir;
    watch->next = world->watches;
    if (watch->next)
        watch->next->prev = watch;
    world->watches = watch;
    open->watch = watch;
    work->count = (uint64_t)open->native;
    return ended(work, CEDE_OK);
}

void sim_watch_close(sim_watch *watch)
{
    while (watch->first) {
        struct change *change = watch->first;
        watch->first = change->next;
        free(change);
    }
    if (watch->prev)
        watch->prev->next = watch->next;
    else
        watch->world->watches = watch->next;
    if (watch->next)
        watch->next->prev = watch->prev;
    free(watch);
}
