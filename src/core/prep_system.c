/*
 * Preparations for what a program is told by its system.
 */
#include "prep.h"

#define ALL_SIGNALS ((CEDE_SIGNAL_BIT(CEDE_SIGNAL_COUNT) - 1) & ~1u)

static void flagged(cede_req *req, uint8_t op, cede_handle handle, uint32_t flags)
{
    cede_args *args = cedi_prep_on(req, op, handle);
    args->range.offset = args->range.length_bytes = 0;
    args->range.flags = flags;
}

void cede_prep_poll(cede_req *req, cede_handle handle, uint32_t events)
{
    flagged(req, CEDE_OP_POLL, handle, events);
    cedi_prep_require(req, events && !(events & ~(CEDE_POLL_IN | CEDE_POLL_OUT)));
}

void cede_prep_signal_many(cede_req *req, uint32_t signals, cede_item *item)
{
    cede_args *args = cedi_prep(req, CEDE_OP_SIGNAL_MANY, 0);
    args->many.pool = NULL;
    args->many.item = item;
    args->many.credit = signals;
    cedi_prep_require(req, item && (signals & ALL_SIGNALS) &&
                               !(signals & ~(ALL_SIGNALS | CEDE_SIGNAL_UNLESS_IGNORED)));
}

void cede_prep_spawn(cede_req *req, const cede_spawn *how, uint64_t *id)
{
    cede_args *args = cedi_prep(req, CEDE_OP_SPAWN, 0);
    args->spawn.how = how;
    args->spawn.id = id;
    cedi_prep_require(req, how && how->program && how->program[0] && how->arguments &&
                               how->arguments[0] && !(how->flags & ~CEDE_SPAWN_ANY));
}

void cede_prep_child_wait(cede_req *req, cede_handle child)
{
    flagged(req, CEDE_OP_CHILD_WAIT, child, 0);
}

void cede_prep_child_kill(cede_req *req, cede_handle child, uint32_t how)
{
    flagged(req, CEDE_OP_CHILD_KILL, child, how);
    cedi_prep_require(req, how <= CEDE_KILL_FORCE);
}

void cede_prep_watch(cede_req *req, const char *path, uint32_t flags)
{
    cede_args *args = cedi_prep(req, CEDE_OP_WATCH, 0);
    args->path.path = path;
    args->path.to = NULL;
    args->path.out = NULL;
    args->path.length_bytes = 0;
    args->path.flags = flags;
    args->path.mode = 0;
    cedi_prep_require(req, path && flags == 0);
}

/* A pool whose buffers are too small is found by the submit. */
void cede_prep_watch_many(cede_req *req, cede_handle watch, cede_pool *pool, cede_item *item)
{
    cedi_prep_many(req, CEDE_OP_WATCH_MANY, watch, pool, CEDE_CREDIT_ALL, item);
}

const cede_change *cede_next_change(const void *buffer, uint64_t count, uint64_t *position_bytes)
{
    const cede_change *change;
    if (!buffer || *position_bytes >= count)
        return NULL;
    change = (const cede_change *)(const void *)((const char *)buffer + *position_bytes);
    *position_bytes += change->change_bytes;
    return change;
}
