/*
 * Operations on paths. What they answer, and which complaint comes first, is what Linux does, run
 * as root. Under the world's lock.
 */
#include "fs.h"

#include <stdlib.h>

#define UMASK 022u

static bool ended(sim_work *work, cede_status status)
{
    work->status = status;
    return true;
}

/* ---- Open ------------------------------------------------------------------------------------ */

/* An open of a named pipe waits for the other end, unless it is for both. */
static bool must_wait(sim_work *work, const cede_sim_pipe *pipe)
{
    uint32_t flags = work->args.path.flags, both = CEDE_OPEN_READ | CEDE_OPEN_WRITE;
    if ((flags & both) == both)
        return false;
    bool reads = (flags & CEDE_OPEN_READ) != 0;
    uint64_t ever = reads ? pipe->writers_ever : pipe->readers_ever;
    if ((reads ? pipe->writers : pipe->readers) > 0)
        return false;
    if (work->rest_offset && work->rest_offset != ever + 1)
        return false; /* one came and went while this one waited */
    work->rest_offset = ever + 1;
    return true;
}

/* Its own end is there while it waits: who comes meanwhile finds it. */
static bool open_pipe(cede_sim *world, sim_work *work, sim_open *open)
{
    cede_sim_pipe *pipe = open->node->pipe;
    if (!work->opened)
        sim_unblock(world, &pipe->opening);
    work->opened = open;
    if (must_wait(work, pipe) && !sim_block(work, &pipe->opening))
        return false;
    if (work->status != CEDE_OK) {
        sim_opened_drop(work);
        return true;
    }
    work->opened = NULL;
    work->count = (uint64_t)open->native;
    return true;
}

void sim_opened_drop(sim_work *work)
{
    if (work->opened)
        sim_open_close(work->opened);
    work->opened = NULL;
}

static cede_status make_file(cede_sim *world, const sim_place *place, uint32_t mode, sim_node **out)
{
    if (place->dir->links == 0)
        return CEDE_ENOENT;
    sim_node *node = sim_node_new(world, CEDE_FILE_REGULAR, mode & ~UMASK);
    if (!node)
        return CEDE_ENOMEM;
    cede_status status = sim_dir_put(place->dir, place->name, place->length, node);
    sim_node_check(node);
    *out = node;
    return status;
}

static cede_status check_existing(const sim_node *node, uint32_t flags)
{
    if ((flags & CEDE_OPEN_CREATE) && (flags & CEDE_OPEN_EXCLUSIVE))
        return CEDE_EEXIST;
    if (node->type == CEDE_FILE_SYMLINK)
        return flags & CEDE_OPEN_DIRECTORY ? CEDE_ENOTDIR : CEDE_ELOOP;
    if (node->type == CEDE_FILE_DIRECTORY && (flags & (CEDE_OPEN_WRITE | CEDE_OPEN_CREATE)))
        return CEDE_EISDIR;
    if (node->type != CEDE_FILE_DIRECTORY && (flags & CEDE_OPEN_DIRECTORY))
        return CEDE_ENOTDIR;
    return node->type == CEDE_FILE_SOCKET ? CEDE_ENXIO : CEDE_OK;
}

/* "name/" is no file's name, whatever is there. */
static bool no_file(const sim_place *place)
{
    return place->dir && place->slash && !place->dots;
}

static cede_status find_to_open(cede_sim *world, const char *path, uint32_t flags, sim_place *place)
{
    bool create = (flags & CEDE_OPEN_CREATE) != 0;
    bool exclusive = create && (flags & CEDE_OPEN_EXCLUSIVE);
    enum sim_last last = flags & CEDE_OPEN_NOFOLLOW || exclusive ? SIM_NOFOLLOW : SIM_FOLLOW;
    cede_status status = CEDE_OK;
    if (create)
        status = sim_walk(world, path, SIM_NAME, place);
    if (status == CEDE_OK && !(create && no_file(place)))
        status = sim_walk(world, path, last, place);
    if (status == CEDE_OK && create && no_file(place))
        status = CEDE_EISDIR;
    if (status == CEDE_OK && (place->node || place->too_long || !create))
        status = sim_place_check(place);
    return status;
}

bool sim_op_open(cede_sim *world, sim_work *work)
{
    uint32_t flags = work->args.path.flags, most = world->config.open_most;
    sim_place place;
    sim_open *open;
    if (work->opened)
        return open_pipe(world, work, work->opened);
    if ((flags & ~CEDE_OPEN_ANY) || !(flags & (CEDE_OPEN_READ | CEDE_OPEN_WRITE)) ||
        ((flags & CEDE_OPEN_CREATE) && (flags & CEDE_OPEN_DIRECTORY)))
        return ended(work, CEDE_EINVAL);
    if (most && world->open_count >= most)
        return ended(work, CEDE_EMFILE); /* before anything is made */
    cede_status status = find_to_open(world, work->args.path.path, flags, &place);
    if (status == CEDE_OK && place.node)
        status = check_existing(place.node, flags);
    else if (status == CEDE_OK)
        status = make_file(world, &place, work->args.path.mode, &place.node);
    if (status != CEDE_OK)
        return ended(work, status);
    sim_node *node = place.node;
    status = sim_open_new(world, node, flags, &open);
    if (status != CEDE_OK)
        return ended(work, status);
    if ((flags & CEDE_OPEN_TRUNCATE) && node->type == CEDE_FILE_REGULAR) {
        sim_node_resize(node, 0);
        sim_node_changed(node, true);
    }
    if (node->pipe)
        return open_pipe(world, work, open);
    work->count = (uint64_t)open->native;
    return ended(work, CEDE_OK);
}

/* ---- Facts ----------------------------------------------------------------------------------- */

bool sim_op_stat(cede_sim *world, sim_work *work)
{
    sim_node *node;
    enum sim_last last = work->args.path.flags & CEDE_NOFOLLOW ? SIM_NOFOLLOW : SIM_FOLLOW;
    if (work->args.path.flags & ~CEDE_NOFOLLOW)
        return ended(work, CEDE_EINVAL);
    if (!work->args.path.out)
        return ended(work, CEDE_EFAULT);
    cede_status status = sim_find(world, work->args.path.path, last, &node);
    if (status == CEDE_OK)
        sim_node_stat(node, work->args.path.out);
    return ended(work, status);
}

bool sim_op_readlink(cede_sim *world, sim_work *work)
{
    sim_node *node;
    cede_status status = sim_find(world, work->args.path.path, SIM_NOFOLLOW, &node);
    if (status != CEDE_OK)
        return ended(work, status);
    if (node->type != CEDE_FILE_SYMLINK)
        return ended(work, CEDE_EINVAL);
    size_t length = strlen(node->target);
    if (length > work->args.path.length_bytes)
        return ended(work, CEDE_EOVERFLOW);
    if (!work->args.path.out)
        return ended(work, CEDE_EFAULT);
    memcpy(work->args.path.out, node->target, length);
    work->count = length;
    return ended(work, CEDE_OK);
}

/* ---- Names ----------------------------------------------------------------------------------- */

/* The place for a new name: it must be free. */
static cede_status find_free(cede_sim *world, const char *path, bool directory, sim_place *place)
{
    cede_status status = sim_walk(world, path, SIM_NAME, place);
    if (status != CEDE_OK)
        return status;
    if (place->node || place->dots)
        return CEDE_EEXIST;
    if (place->too_long)
        return CEDE_ENAMETOOLONG;
    if (place->slash && !directory)
        return CEDE_ENOENT;
    return place->dir->links == 0 ? CEDE_ENOENT : CEDE_OK;
}

bool sim_op_mkdir(cede_sim *world, sim_work *work)
{
    sim_place place;
    cede_status status = find_free(world, work->args.path.path, true, &place);
    if (status != CEDE_OK)
        return ended(work, status);
    sim_node *node =
        sim_node_new(world, CEDE_FILE_DIRECTORY, work->args.path.mode & 01777 & ~UMASK);
    if (!node)
        return ended(work, CEDE_ENOMEM);
    status = sim_dir_put(place.dir, place.name, place.length, node);
    sim_node_check(node);
    return ended(work, status);
}

bool sim_op_rmdir(cede_sim *world, sim_work *work)
{
    sim_place place;
    cede_status status = sim_walk(world, work->args.path.path, SIM_NAME, &place);
    if (status != CEDE_OK)
        return ended(work, status);
    if (!place.node)
        return ended(work, sim_place_check(&place));
    if (!place.dir)
        return ended(work, CEDE_EBUSY);
    if (place.dots)
        return ended(work, place.length == 1 ? CEDE_EINVAL : CEDE_ENOTEMPTY);
    if (place.node->type != CEDE_FILE_DIRECTORY)
        return ended(work, CEDE_ENOTDIR);
    if (place.node->live_count > 0)
        return ended(work, CEDE_ENOTEMPTY);
    sim_dir_remove(place.dir, place.name, place.length);
    return ended(work, CEDE_OK);
}

bool sim_op_unlink(cede_sim *world, sim_work *work)
{
    sim_place place;
    cede_status status = sim_walk(world, work->args.path.path, SIM_NAME, &place);
    if (status != CEDE_OK)
        return ended(work, status);
    status = sim_place_check(&place);
    if (status != CEDE_OK)
        return ended(work, status);
    if (place.node->type == CEDE_FILE_DIRECTORY)
        return ended(work, CEDE_EISDIR);
    sim_dir_remove(place.dir, place.name, place.length);
    return ended(work, CEDE_OK);
}

bool sim_op_link(cede_sim *world, sim_work *work)
{
    sim_place place;
    sim_node *node;
    cede_status status = sim_find(world, work->args.path.path, SIM_NOFOLLOW, &node);
    if (status == CEDE_OK)
        status = find_free(world, work->args.path.to, false, &place);
    if (status == CEDE_OK && node->type == CEDE_FILE_DIRECTORY)
        status = CEDE_EPERM;
    if (status == CEDE_OK)
        status = sim_dir_put(place.dir, place.name, place.length, node);
    return ended(work, status);
}

bool sim_op_symlink(cede_sim *world, sim_work *work)
{
    sim_place place;
    const char *target = work->args.path.path;
    if (!target)
        return ended(work, CEDE_EFAULT);
    size_t length = strlen(target);
    if (length == 0)
        return ended(work, CEDE_ENOENT);
    if (length > SIM_PATH_MOST)
        return ended(work, CEDE_ENAMETOOLONG);
    cede_status status = find_free(world, work->args.path.to, false, &place);
    if (status != CEDE_OK)
        return ended(work, status);
    sim_node *node = sim_node_new(world, CEDE_FILE_SYMLINK, 0777);
    char *copy = malloc(length + 1);
    status = CEDE_ENOMEM;
    if (node && copy) {
        memcpy(copy, target, length + 1);
        node->target = copy;
        node->size = length;
        status = sim_dir_put(place.dir, place.name, place.length, node);
    } else {
        free(copy);
    }
    if (node)
        sim_node_check(node);
    return ended(work, status);
}

/* ---- Rename ---------------------------------------------------------------------------------- */

static bool is_within(const sim_node *inner, const sim_node *outer)
{
    for (; inner->parent != inner; inner = inner->parent) {
        if (inner == outer)
            return true;
    }
    return inner == outer;
}

/* The complaints of Linux, in its order. */
static cede_status check_rename(const sim_place *from, const sim_place *to, uint32_t flags)
{
    const sim_node *node = from->node, *old = to->node;
    if (!from->dir || from->dots)
        return CEDE_EBUSY;
    if (!to->dir || to->dots)
        return flags & CEDE_RENAME_NOREPLACE ? CEDE_EEXIST : CEDE_EBUSY;
    if (!node)
        return sim_place_check(from);
    if (to->too_long)
        return CEDE_ENAMETOOLONG;
    if (old && (flags & CEDE_RENAME_NOREPLACE))
        return CEDE_EEXIST;
    bool directory = node->type == CEDE_FILE_DIRECTORY;
    if (!directory && (from->slash || to->slash))
        return CEDE_ENOTDIR;
    if (directory && is_within(to->dir, node))
        return CEDE_EINVAL;
    if (old && old->type == CEDE_FILE_DIRECTORY && is_within(from->dir, old) && old != node)
        return CEDE_ENOTEMPTY;
    if (!old || old == node)
        return to->dir->links == 0 ? CEDE_ENOENT : CEDE_OK;
    if (directory && old->type != CEDE_FILE_DIRECTORY)
        return CEDE_ENOTDIR;
    if (!directory && old->type == CEDE_FILE_DIRECTORY)
        return CEDE_EISDIR;
    return old->live_count > 0 ? CEDE_ENOTEMPTY : CEDE_OK;
}

bool sim_op_rename(cede_sim *world, sim_work *work)
{
    sim_place from, to;
    uint32_t flags = work->args.path.flags;
    if (flags & ~CEDE_RENAME_NOREPLACE)
        return ended(work, CEDE_EINVAL);
    cede_status status = sim_walk(world, work->args.path.path, SIM_NAME, &from);
    if (status == CEDE_OK)
        status = sim_walk(world, work->args.path.to, SIM_NAME, &to);
    if (status == CEDE_OK)
        status = check_rename(&from, &to, flags);
    if (status != CEDE_OK || to.node == from.node)
        return ended(work, status); /* two names of one file: both stay */
    return ended(work, sim_dir_move(&from, &to));
}
