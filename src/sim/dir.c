/*
 * Directories and looking up paths. Names are kept in the order made, with ascending cookies, so
 * that readdir goes on where it stopped whatever came and went meanwhile; a hash table finds them.
 * Under the world's lock.
 */
#include "watch.h"

#include <stdlib.h>

/* ---- Names ----------------------------------------------------------------------------------- */

static size_t home_of(const sim_node *dir, const char *name, size_t length)
{
    return (size_t)sim_mix_bytes(2, name, length) & (dir->index_room - 1);
}

static bool is_name(const sim_name *entry, const char *name, size_t length)
{
    return entry->name && strncmp(entry->name, name, length) == 0 && entry->name[length] == '\0';
}

static sim_name *find(const sim_node *dir, const char *name, size_t length)
{
    if (dir->index_room == 0)
        return NULL;
    for (size_t at = home_of(dir, name, length); dir->index[at];
         at = (at + 1) & (dir->index_room - 1)) {
        sim_name *entry = &dir->names[dir->index[at] - 1];
        if (is_name(entry, name, length))
            return entry;
    }
    return NULL;
}

static void index_name(sim_node *dir, size_t place)
{
    const char *name = dir->names[place].name;
    size_t at = home_of(dir, name, strlen(name));
    while (dir->index[at])
        at = (at + 1) & (dir->index_room - 1);
    dir->index[at] = (uint32_t)place + 1;
}

/* Makes room for one more name: drops the removed ones, and grows if few were. */
static bool make_room(sim_node *dir)
{
    if (dir->name_count < dir->name_room)
        return true;
    size_t room = dir->name_room;
    if (2 * dir->live_count >= room)
        room = room ? 2 * room : 8;
    sim_name *names = malloc(room * sizeof *names);
    uint32_t *index = calloc(2 * room, sizeof *index);
    if (!names || !index) {
        free(names);
        free(index);
        return false;
    }
    size_t count = 0;
    for (size_t i = 0; i < dir->name_count; i++) {
        if (dir->names[i].name)
            names[count++] = dir->names[i];
    }
    free(dir->names);
    free(dir->index);
    dir->names = names;
    dir->name_room = room;
    dir->name_count = count;
    dir->index = index;
    dir->index_room = 2 * room;
    for (size_t i = 0; i < count; i++)
        index_name(dir, i);
    return true;
}

sim_node *sim_dir_get(const sim_node *dir, const char *name, size_t length)
{
    const sim_name *entry = find(dir, name, length);
    return entry ? entry->node : NULL;
}

static void enter(sim_node *dir, sim_node *node)
{
    node->links++;
    sim_node_touched(node, false);
    if (node->type == CEDE_FILE_DIRECTORY) {
        node->parent = dir;
        dir->links++; /* its ".." */
    }
    sim_node_touched(dir, true);
}

static void leave(sim_node *dir, sim_node *node)
{
    node->links--;
    sim_node_touched(node, false);
    if (node->type == CEDE_FILE_DIRECTORY)
        dir->links--;
    sim_node_touched(dir, true);
}

static cede_status put(sim_node *dir, const char *name, size_t length, sim_node *node)
{
    char *copy = malloc(length + 1);
    if (!copy || !make_room(dir)) {
        free(copy);
        return CEDE_ENOMEM;
    }
    memcpy(copy, name, length);
    copy[length] = '\0';
    sim_name *entry = &dir->names[dir->name_count];
    entry->name = copy;
    entry->node = node;
    entry->cookie = ++dir->cookies;
    index_name(dir, dir->name_count++);
    dir->live_count++;
    if (node->type == CEDE_FILE_DIRECTORY && node->links == 0)
        node->links = 1; /* its "." */
    enter(dir, node);
    return CEDE_OK;
}

/* A directory that has lost its name has lost its "." as well. */
static void check_gone(sim_node *node)
{
    if (node->type == CEDE_FILE_DIRECTORY && node->links == 1) {
        node->links = 0;
        sim_watch_gone(node);
    }
    sim_node_check(node);
}

static void replace(sim_node *dir, const char *name, size_t length, sim_node *node)
{
    sim_name *entry = find(dir, name, length);
    sim_node *old = entry->node;
    entry->node = node;
    enter(dir, node);
    leave(dir, old);
    check_gone(old);
}

static void take_out(sim_node *dir, const char *name, size_t length)
{
    sim_name *entry = find(dir, name, length);
    sim_node *node = entry->node;
    free(entry->name);
    entry->name = NULL;
    entry->node = NULL;
    dir->live_count--;
    leave(dir, node);
    check_gone(node);
}

cede_status sim_dir_put(sim_node *dir, const char *name, size_t length, sim_node *node)
{
    cede_status status = put(dir, name, length, node);
    if (status == CEDE_OK)
        sim_watch_name(dir, CEDE_CHANGE_CREATED, name, length);
    return status;
}

void sim_dir_remove(sim_node *dir, const char *name, size_t length)
{
    sim_watch_name(dir, CEDE_CHANGE_REMOVED, name, length);
    take_out(dir, name, length);
}

cede_status sim_dir_move(const sim_place *from, const sim_place *to)
{
    sim_node *node = from->node;
    cede_status status = CEDE_OK;
    if (to->node)
        replace(to->dir, to->name, to->length, node);
    else
        status = put(to->dir, to->name, to->length, node);
    if (status != CEDE_OK)
        return status;
    take_out(from->dir, from->name, from->length);
    sim_watch_name(from->dir, CEDE_CHANGE_RENAMED_FROM, from->name, from->length);
    sim_watch_name(to->dir, CEDE_CHANGE_RENAMED_TO, to->name, to->length);
    if (node->type == CEDE_FILE_DIRECTORY)
        sim_watch_gone(node); /* it is elsewhere */
    return CEDE_OK;
}

void sim_dir_free(sim_node *dir)
{
    for (size_t i = 0; i < dir->name_count; i++)
        free(dir->names[i].name);
    free(dir->names);
    free(dir->index);
}

/* ---- Paths ----------------------------------------------------------------------------------- */

static sim_node *step(sim_node *dir, const char *name, size_t length)
{
    if (length == 1 && name[0] == '.')
        return dir;
    if (length == 2 && name[0] == '.' && name[1] == '.')
        return dir->parent;
    return sim_dir_get(dir, name, length);
}

static bool is_dots(const char *name, size_t length)
{
    return name[0] == '.' && (length == 1 || (length == 2 && name[1] == '.'));
}

/* Puts a link's text before what is left of the path. */
static void splice(char *rest, const char *target, const char *after)
{
    size_t target_length = strlen(target), after_length = strlen(after);
    memmove(rest + target_length, after, after_length + 1);
    memcpy(rest, target, target_length);
}

cede_status sim_walk(cede_sim *world, const char *path, enum sim_last end, sim_place *place)
{
    char *rest = world->path;
    sim_node *dir = world->root;
    int links = 0;
    *place = (sim_place){0};
    if (!path)
        return CEDE_EFAULT;
    size_t length = strlen(path);
    if (length == 0)
        return CEDE_ENOENT;
    if (length > SIM_PATH_MOST)
        return CEDE_ENAMETOOLONG;
    memcpy(rest, path, length + 1);
    const char *at = rest;
    for (;;) {
        at += strspn(at, "/");
        size_t name = strcspn(at, "/");
        const char *after = at + name;
        bool last = after[strspn(after, "/")] == '\0';
        if (name == 0) { /* the root */
            place->node = dir;
            place->slash = true;
            return CEDE_OK;
        }
        if (name > SIM_NAME_MOST && last) {
            place->dir = dir;
            place->too_long = true;
            place->slash = *after == '/';
            return CEDE_OK;
        }
        if (name > SIM_NAME_MOST)
            return CEDE_ENAMETOOLONG;
        sim_node *node = step(dir, at, name);
        bool link = node && node->type == CEDE_FILE_SYMLINK;
        bool follow = end == SIM_FOLLOW || (end == SIM_NOFOLLOW && *after);
        if (last && !(link && follow)) {
            place->dir = dir;
            place->node = node;
            memcpy(place->name, at, name);
            place->length = name;
            place->slash = *after == '/';
            place->dots = is_dots(at, name);
            return CEDE_OK;
        }
        if (!node)
            return CEDE_ENOENT;
        if (link) {
            if (++links > SIM_LINKS_MOST)
                return CEDE_ELOOP;
            splice(rest, node->target, after);
            at = rest;
            if (*at == '/')
                dir = world->root;
            continue;
        }
        if (node->type != CEDE_FILE_DIRECTORY)
            return CEDE_ENOTDIR;
        dir = node;
        at = after;
    }
}

cede_status sim_place_check(const sim_place *place)
{
    if (place->too_long)
        return CEDE_ENAMETOOLONG;
    if (!place->node)
        return CEDE_ENOENT;
    return place->slash && place->node->type != CEDE_FILE_DIRECTORY ? CEDE_ENOTDIR : CEDE_OK;
}

cede_status sim_find(cede_sim *world, const char *path, enum sim_last end, sim_node **out)
{
    sim_place place;
    cede_status status = sim_walk(world, path, end, &place);
    if (status == CEDE_OK)
        status = sim_place_check(&place);
    *out = status == CEDE_OK ? place.node : NULL;
    return status;
}
