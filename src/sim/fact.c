/*
 * Operations on open files that move no bytes of theirs: close, facts, directory entries; and the
 * two that have no file. Under the world's lock.
 */
#include "fs.h"

static bool ended(sim_work *work, cede_status status)
{
    work->status = status;
    return true;
}

bool sim_op_roundtrip(cede_sim *world, sim_work *work)
{
    (void)world;
    return ended(work, CEDE_OK);
}

/* Its function is run when it is reported: backend.c. */
bool sim_op_work(cede_sim *world, sim_work *work)
{
    (void)world;
    return ended(work, CEDE_OK);
}

bool sim_op_close(cede_sim *world, sim_work *work)
{
    sim_open *file = work->file;
    if (!file || !file->native)
        return ended(work, CEDE_EBADF);
    sim_note(world, SIM_CLOSE, work, file->serial);
    sim_open_close(file);
    return ended(work, CEDE_OK);
}

bool sim_op_stat_handle(cede_sim *world, sim_work *work)
{
    (void)world;
    if (!work->file)
        return ended(work, CEDE_EBADF);
    if (!work->args.path.out)
        return ended(work, CEDE_EFAULT);
    sim_node_stat(work->file->node, work->args.path.out);
    return ended(work, CEDE_OK);
}

bool sim_op_set_times(cede_sim *world, sim_work *work)
{
    (void)world;
    if (!work->file)
        return ended(work, CEDE_EBADF);
    sim_node *node = work->file->node;
    if (work->args.times.accessed_ns == CEDE_TIME_KEEP &&
        work->args.times.modified_ns == CEDE_TIME_KEEP)
        return ended(work, CEDE_OK); /* nor is that told to anybody */
    if (work->args.times.accessed_ns != CEDE_TIME_KEEP)
        node->accessed_ns = work->args.times.accessed_ns;
    if (work->args.times.modified_ns != CEDE_TIME_KEEP)
        node->modified_ns = work->args.times.modified_ns;
    sim_node_changed(node, false);
    return ended(work, CEDE_OK);
}

bool sim_op_set_mode(cede_sim *world, sim_work *work)
{
    (void)world;
    if (!work->file)
        return ended(work, CEDE_EBADF);
    work->file->node->mode = work->args.path.mode & 07777;
    sim_node_changed(work->file->node, false);
    return ended(work, CEDE_OK);
}

/* ---- Directory entries ----------------------------------------------------------------------- */

/* The first name whose cookie is not below. */
static size_t seek(const sim_node *dir, uint64_t cookie)
{
    size_t low = 0, high = dir->name_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (dir->names[middle].cookie < cookie)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static size_t entry_bytes(const char *name)
{
    return (offsetof(cede_entry, name) + strlen(name) + 1 + 7) & ~(size_t)7;
}

static void put_entry(uint8_t *at, const sim_name *name, size_t bytes)
{
    cede_entry entry = {
        .file_id = name->node->id,
        .entry_bytes = (uint16_t)bytes,
        .type = (uint8_t)name->node->type,
    };
    memset(at, 0, bytes);
    memcpy(at, &entry, offsetof(cede_entry, name));
    memcpy(at + offsetof(cede_entry, name), name->name, strlen(name->name));
}

bool sim_op_readdir(cede_sim *world, sim_work *work)
{
    sim_open *file = work->file;
    if (!file)
        return ended(work, CEDE_EBADF);
    const sim_node *dir = file->node;
    if (dir->type != CEDE_FILE_DIRECTORY)
        return ended(work, CEDE_ENOTDIR);
    if (work->args.io.length_bytes < CEDE_READDIR_BYTES)
        return ended(work, CEDE_EINVAL);
    if (!work->args.io.buffer)
        return ended(work, CEDE_EFAULT);
    if (dir->links == 0)
        return ended(work, CEDE_ENOENT); /* it has been removed */
    uint8_t *out = work->args.io.buffer;
    uint64_t room = work->args.io.length_bytes;
    bool shorten = sim_chance(world, world->config.short_permille);
    for (size_t i = seek(dir, file->position); i < dir->name_count; i++) {
        const sim_name *name = &dir->names[i];
        if (!name->name)
            continue;
        size_t bytes = entry_bytes(name->name);
        if (bytes > room - work->count)
            break;
        put_entry(out + work->count, name, bytes);
        work->count += bytes;
        file->position = name->cookie + 1;
        if (shorten)
            break;
    }
    return ended(work, CEDE_OK);
}
