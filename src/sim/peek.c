/*
 * The tree, directly: files put and read without a loop, hashed and listed. Each function takes
 * the world's lock.
 */
#include "fs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* Makes the missing directories of a path: all, or all but the last component. */
static cede_status make_dirs(cede_sim *world, const char *path, bool all)
{
    char part[SIM_PATH_MOST + 1];
    size_t length = strlen(path);
    cede_status status = CEDE_OK;
    if (length > SIM_PATH_MOST)
        return CEDE_ENAMETOOLONG;
    for (size_t i = 1; i <= length && status == CEDE_OK; i++) {
        sim_place place;
        if (path[i] != '/' && !(all && i == length))
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        status = sim_walk(world, part, SIM_FOLLOW, &place);
        if (status == CEDE_OK && place.too_long)
            status = CEDE_ENAMETOOLONG;
        if (status != CEDE_OK || place.node)
            continue;
        sim_node *node = sim_node_new(world, CEDE_FILE_DIRECTORY, 0755);
        if (!node)
            return CEDE_ENOMEM;
        status = sim_dir_put(place.dir, place.name, place.length, node);
        sim_node_check(node);
    }
    return status;
}

/* The node at a path, made of this type if it is missing. */
static cede_status make_node(cede_sim *world, const char *path, uint32_t type, sim_node **out)
{
    sim_place place;
    cede_status status = make_dirs(world, path, false);
    if (status == CEDE_OK)
        status = sim_walk(world, path, SIM_FOLLOW, &place);
    if (status == CEDE_OK && (place.node || place.too_long))
        status = sim_place_check(&place);
    if (status != CEDE_OK)
        return status;
    *out = place.node;
    if (place.node)
        return place.node->type == type ? CEDE_OK : CEDE_EEXIST;
    if (place.slash)
        return CEDE_EISDIR;
    sim_node *node = sim_node_new(world, type, 0644);
    if (!node)
        return CEDE_ENOMEM;
    *out = node;
    status = sim_dir_put(place.dir, place.name, place.length, node);
    sim_node_check(node);
    return status;
}

cede_status cede_sim_put(cede_sim *world, const char *path, const void *data, size_t bytes)
{
    sim_node *node;
    sim_lock(world);
    cede_status status = make_node(world, path, CEDE_FILE_REGULAR, &node);
    if (status == CEDE_OK) {
        sim_node_resize(node, 0);
        if (sim_node_write(node, 0, data, bytes) < bytes)
            status = CEDE_ENOSPC;
        sim_node_changed(node, true);
    }
    sim_unlock(world);
    return status;
}

int64_t cede_sim_get(cede_sim *world, const char *path, uint64_t offset, void *data, size_t bytes)
{
    sim_node *node;
    sim_lock(world);
    int64_t answer = sim_find(world, path, SIM_FOLLOW, &node);
    if (answer == CEDE_OK && node->type == CEDE_FILE_DIRECTORY)
        answer = CEDE_EISDIR;
    if (answer == CEDE_OK && offset < node->size) {
        uint64_t part = node->size - offset < bytes ? node->size - offset : bytes;
        sim_node_read(node, offset, data, part);
        answer = (int64_t)part;
    }
    sim_unlock(world);
    return answer;
}

cede_status cede_sim_mkdir(cede_sim *world, const char *path)
{
    sim_lock(world);
    cede_status status = make_dirs(world, path, true);
    sim_unlock(world);
    return status;
}

cede_status cede_sim_fifo(cede_sim *world, const char *path)
{
    sim_node *node;
    sim_lock(world);
    cede_status status = make_node(world, path, CEDE_FILE_PIPE, &node);
    if (status == CEDE_OK && !node->pipe) {
        node->pipe = sim_pipe_make(world, 0);
        status = node->pipe ? CEDE_OK : CEDE_ENOMEM;
    }
    sim_unlock(world);
    return status;
}

cede_status cede_sim_stat(cede_sim *world, const char *path, cede_stat *out)
{
    sim_node *node;
    sim_lock(world);
    cede_status status = sim_find(world, path, SIM_NOFOLLOW, &node);
    if (status == CEDE_OK)
        sim_node_stat(node, out);
    sim_unlock(world);
    return status;
}

/* ---- The whole tree -------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const sim_name *const *)a)->name, (*(const sim_name *const *)b)->name);
}

/* The names of a directory, sorted; NULL if there is none, or no memory. */
static const sim_name **sorted(const sim_node *dir)
{
    if (dir->live_count == 0)
        return NULL;
    const sim_name **list = malloc(dir->live_count * sizeof(const sim_name *));
    size_t count = 0;
    for (size_t i = 0; list && i < dir->name_count; i++) {
        if (dir->names[i].name)
            list[count++] = &dir->names[i];
    }
    if (list)
        qsort(list, count, sizeof(const sim_name *), by_name);
    return list;
}

static int by_index(const void *a, const void *b)
{
    uint64_t first = ((const sim_page *)a)->index, second = ((const sim_page *)b)->index;
    return (first > second) - (first < second);
}

static bool is_zero(const uint8_t *bytes)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, SIM_PAGE - 1) == 0;
}

static uint64_t hash_content(const sim_node *node, uint64_t hash)
{
    size_t count = 0;
    hash = sim_mix(hash, node->size);
    if (node->page_count == 0)
        return hash;
    sim_page *pages = malloc(node->page_count * sizeof *pages);
    if (!pages)
        return hash;
    for (size_t i = 0; i < node->page_room; i++) {
        if (node->pages[i].bytes && !is_zero(node->pages[i].bytes))
            pages[count++] = node->pages[i];
    }
    qsort(pages, count, sizeof *pages, by_index);
    for (size_t i = 0; i < count; i++)
        hash = sim_mix_bytes(sim_mix(hash, pages[i].index), pages[i].bytes, SIM_PAGE);
    free(pages);
    return hash;
}

/* Which names are one file is told by the first of them: nodes met are kept in a list. */
struct met {
    const sim_node **nodes;
    size_t count;
    size_t room;
};

static uint64_t meet(struct met *met, const sim_node *node)
{
    for (size_t i = 0; i < met->count; i++) {
        if (met->nodes[i] == node)
            return i + 1;
    }
    if (met->count == met->room) {
        size_t room = met->room ? 2 * met->room : 16;
        const sim_node **fresh = realloc(met->nodes, room * sizeof(const sim_node *));
        if (!fresh)
            return 0;
        met->nodes = fresh;
        met->room = room;
    }
    met->nodes[met->count++] = node;
    return met->count;
}

static uint64_t hash_node(const sim_node *node, struct met *met, uint64_t hash)
{
    hash = sim_mix(sim_mix(hash, node->type), node->mode);
    if (node->type != CEDE_FILE_DIRECTORY && node->links > 1)
        hash = sim_mix(hash, meet(met, node));
    if (node->type == CEDE_FILE_REGULAR)
        return hash_content(node, hash);
    if (node->type == CEDE_FILE_SYMLINK)
        return sim_mix_bytes(hash, node->target, strlen(node->target));
    const sim_name **list = sorted(node);
    for (size_t i = 0; list && i < node->live_count; i++) {
        hash = sim_mix_bytes(hash, list[i]->name, strlen(list[i]->name) + 1);
        hash = hash_node(list[i]->node, met, hash);
    }
    free(list);
    return sim_mix(hash, node->live_count);
}

uint64_t cede_sim_hash_tree(cede_sim *world, const char *path)
{
    sim_node *node;
    struct met met = {0};
    uint64_t hash = 0;
    sim_lock(world);
    if (sim_find(world, path, SIM_NOFOLLOW, &node) == CEDE_OK)
        hash = hash_node(node, &met, 1);
    sim_unlock(world);
    free(met.nodes);
    return hash;
}

struct dumper {
    cede_trace_fn *fn;
    void *context;
};

static void dump_node(const struct dumper *dumper, const char *name, const sim_node *node,
                      int depth)
{
    static const char kinds[] = "?-dlpscb";
    char line[SIM_NAME_MOST + 160];
    (void)snprintf(line, sizeof line, "%*s%c%04" PRIo32 " %12" PRIu64 "  %s%s%.80s", 2 * depth, "",
                   kinds[node->type], node->mode,
                   node->type == CEDE_FILE_DIRECTORY ? (uint64_t)node->live_count : node->size,
                   name, node->target ? " -> " : "", node->target ? node->target : "");
    dumper->fn(dumper->context, line);
    const sim_name **list = sorted(node);
    for (size_t i = 0; list && i < node->live_count; i++)
        dump_node(dumper, list[i]->name, list[i]->node, depth < 16 ? depth + 1 : depth);
    free(list);
}

void cede_sim_dump_tree(cede_sim *world, const char *path, cede_trace_fn *fn, void *context)
{
    struct dumper dumper = {fn, context};
    sim_node *node;
    sim_lock(world);
    if (sim_find(world, path, SIM_NOFOLLOW, &node) == CEDE_OK)
        dump_node(&dumper, path, node, 0);
    sim_unlock(world);
}
