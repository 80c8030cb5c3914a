/*
 * Nodes: a file's facts and bytes. Contents are pages of 4096 bytes in a hash table by index, so
 * that a hole costs nothing and an offset may lie anywhere. Reserved room (allocate) is a list of
 * ranges, counted against the disk but not there. Under the world's lock.
 */
#include "watch.h"

#include <stdlib.h>

int64_t sim_time(const cede_sim *world)
{
    uint64_t most = (uint64_t)(INT64_MAX - SIM_EPOCH_NS);
    return SIM_EPOCH_NS + (int64_t)(world->now_ns < most ? world->now_ns : most);
}

sim_node *sim_node_new(cede_sim *world, uint32_t type, uint32_t mode)
{
    sim_node *node = calloc(1, sizeof *node);
    if (!node)
        return NULL;
    node->world = world;
    node->id = ++world->node_serials;
    node->type = type;
    node->mode = mode & 07777;
    node->created_ns = node->accessed_ns = node->modified_ns = node->changed_ns = sim_time(world);
    node->next = world->nodes;
    if (node->next)
        node->next->prev = node;
    world->nodes = node;
    return node;
}

static void drop_pages(sim_node *node)
{
    for (size_t i = 0; i < node->page_room; i++)
        free(node->pages[i].bytes);
    free(node->pages);
    free(node->reserved);
    node->world->pages -= node->page_count + node->reserved_pages;
    node->pages = NULL;
    node->reserved = NULL;
    node->page_room = node->page_count = node->reserved_count = 0;
    node->reserved_pages = 0;
}

void sim_node_free(sim_node *node)
{
    if (node->prev)
        node->prev->next = node->next;
    else
        node->world->nodes = node->next;
    if (node->next)
        node->next->prev = node->prev;
    drop_pages(node);
    sim_dir_free(node);
    free(node->target);
    free(node);
}

void sim_node_check(sim_node *node)
{
    if (node->links == 0 && node->uses == 0)
        sim_node_free(node);
}

void sim_node_touched(sim_node *node, bool modified)
{
    node->changed_ns = sim_time(node->world);
    if (modified)
        node->modified_ns = node->changed_ns;
}

void sim_node_changed(sim_node *node, bool modified)
{
    sim_node_touched(node, modified);
    sim_watch_changed(node);
}

void sim_node_stat(const sim_node *node, cede_stat *out)
{
    *out = (cede_stat){
        .type = node->type,
        .mode = node->mode,
        .size_bytes = node->type == CEDE_FILE_DIRECTORY ? SIM_PAGE : node->size,
        .allocated_bytes = (node->page_count + node->reserved_pages) * SIM_PAGE,
        .file_id = node->id,
        .device = 1,
        .links = node->links,
        .accessed_ns = node->accessed_ns,
        .modified_ns = node->modified_ns,
        .changed_ns = node->changed_ns,
        .created_ns = node->created_ns,
        .preferred_bytes = SIM_PAGE,
    };
    if ((node->type == CEDE_FILE_PIPE || node->type == CEDE_FILE_SOCKET) && node->links == 0)
        out->links = 1; /* without a name */
}

/* ---- Pages ----------------------------------------------------------------------------------- */

static size_t home_of(const sim_node *node, uint64_t index)
{
    return (size_t)sim_mix(1, index) & (node->page_room - 1);
}

/* The place of a page, or the empty place where it would go. There always is one. */
static sim_page *place_of(const sim_node *node, uint64_t index)
{
    size_t at = home_of(node, index);
    while (node->pages[at].bytes && node->pages[at].index != index)
        at = (at + 1) & (node->page_room - 1);
    return &node->pages[at];
}

uint8_t *sim_page_find(const sim_node *node, uint64_t index)
{
    return node->page_room ? place_of(node, index)->bytes : NULL;
}

static bool grow_pages(sim_node *node)
{
    size_t old_room = node->page_room;
    sim_page *old = node->pages;
    if (4 * (node->page_count + 1) <= 3 * old_room)
        return true;
    size_t room = old_room ? 2 * old_room : 8;
    sim_page *fresh = calloc(room, sizeof *fresh);
    if (!fresh)
        return false;
    node->pages = fresh;
    node->page_room = room;
    for (size_t i = 0; i < old_room; i++) {
        if (old[i].bytes)
            *place_of(node, old[i].index) = old[i];
    }
    free(old);
    return true;
}

static bool is_reserved(const sim_node *node, uint64_t index)
{
    for (size_t i = 0; i < node->reserved_count; i++) {
        if (index >= node->reserved[i].from && index < node->reserved[i].to)
            return true;
    }
    return false;
}

uint8_t *sim_page_make(sim_node *node, uint64_t index)
{
    cede_sim *world = node->world;
    uint8_t *bytes = sim_page_find(node, index);
    if (bytes)
        return bytes;
    bool reserved = is_reserved(node, index);
    if (!reserved && world->pages >= world->config.disk_bytes / SIM_PAGE)
        return NULL;
    if (!grow_pages(node))
        return NULL;
    sim_page *page = place_of(node, index);
    page->bytes = calloc(1, SIM_PAGE);
    if (!page->bytes)
        return NULL;
    page->index = index;
    node->page_count++;
    if (reserved)
        node->reserved_pages--;
    else
        world->pages++;
    return page->bytes;
}

/* Removes pages from `first` on. What lies behind a removed one moves up, so that look-ups meet no
 * gap; a place is looked at again until it holds a page that stays. */
static void cut_pages(sim_node *node, uint64_t first)
{
    size_t mask = node->page_room - 1;
    for (size_t i = 0; i < node->page_room;) {
        sim_page *page = &node->pages[i];
        if (!page->bytes || page->index < first) {
            i++;
            continue;
        }
        free(page->bytes);
        page->bytes = NULL;
        node->page_count--;
        node->world->pages--;
        size_t hole = i;
        for (size_t at = (hole + 1) & mask; node->pages[at].bytes; at = (at + 1) & mask) {
            size_t home = home_of(node, node->pages[at].index);
            if (((at - home) & mask) >= ((at - hole) & mask)) {
                node->pages[hole] = node->pages[at];
                node->pages[at].bytes = NULL;
                hole = at;
            }
        }
    }
}

/* ---- Reserved room --------------------------------------------------------------------------- */

/* Pages in [from, to) that neither have bytes nor are reserved. */
static uint64_t count_free(const sim_node *node, uint64_t from, uint64_t to)
{
    uint64_t count = to - from;
    for (size_t i = 0; i < node->reserved_count; i++) {
        uint64_t low = node->reserved[i].from > from ? node->reserved[i].from : from;
        uint64_t high = node->reserved[i].to < to ? node->reserved[i].to : to;
        if (low < high)
            count -= high - low;
    }
    for (size_t i = 0; i < node->page_room; i++) {
        uint64_t index = node->pages[i].index;
        if (node->pages[i].bytes && index >= from && index < to && !is_reserved(node, index))
            count--;
    }
    return count;
}

cede_status sim_node_reserve(sim_node *node, uint64_t from, uint64_t to)
{
    cede_sim *world = node->world;
    uint64_t more = count_free(node, from, to);
    if (more > world->config.disk_bytes / SIM_PAGE - world->pages)
        return CEDE_ENOSPC;
    sim_range *fresh = malloc((node->reserved_count + 1) * sizeof *fresh);
    if (!fresh)
        return CEDE_ENOSPC;
    /* The new range swallows those that it meets; the others stay apart and sorted. */
    size_t count = 0;
    sim_range all = {from, to};
    for (size_t i = 0; i < node->reserved_count; i++) {
        sim_range range = node->reserved[i];
        if (range.to < all.from) {
            fresh[count++] = range;
        } else if (range.from <= all.to) {
            all.from = range.from < all.from ? range.from : all.from;
            all.to = range.to > all.to ? range.to : all.to;
        }
    }
    fresh[count++] = all;
    for (size_t i = 0; i < node->reserved_count; i++) {
        if (node->reserved[i].from > all.to)
            fresh[count++] = node->reserved[i];
    }
    free(node->reserved);
    node->reserved = fresh;
    node->reserved_count = count;
    node->reserved_pages += more;
    world->pages += more;
    return CEDE_OK;
}

/* After the pages have been cut. */
static void cut_reserved(sim_node *node, uint64_t first)
{
    uint64_t total = 0, filled = 0;
    size_t count = 0;
    for (size_t i = 0; i < node->reserved_count; i++) {
        sim_range range = node->reserved[i];
        range.to = range.to < first ? range.to : first;
        if (range.from >= range.to)
            continue;
        node->reserved[count++] = range;
        total += range.to - range.from;
    }
    node->reserved_count = count;
    for (size_t i = 0; i < node->page_room && count > 0; i++) {
        if (node->pages[i].bytes && is_reserved(node, node->pages[i].index))
            filled++;
    }
    node->world->pages -= node->reserved_pages - (total - filled);
    node->reserved_pages = total - filled;
}

/* ---- Bytes ----------------------------------------------------------------------------------- */

void sim_node_resize(sim_node *node, uint64_t bytes)
{
    if (bytes == 0) {
        drop_pages(node);
    } else if (bytes < node->size) {
        uint64_t first = (bytes + SIM_PAGE - 1) / SIM_PAGE;
        if (node->page_room)
            cut_pages(node, first);
        cut_reserved(node, first);
        /* What the file grows over again reads as zeros. */
        uint8_t *last = sim_page_find(node, bytes / SIM_PAGE);
        if (last && bytes % SIM_PAGE)
            memset(last + bytes % SIM_PAGE, 0, (size_t)(SIM_PAGE - bytes % SIM_PAGE));
    }
    node->size = bytes;
}

void sim_node_read(const sim_node *node, uint64_t offset, void *to, uint64_t bytes)
{
    uint8_t *out = to;
    while (bytes > 0) {
        uint64_t within = offset % SIM_PAGE;
        size_t part = (size_t)(SIM_PAGE - within < bytes ? SIM_PAGE - within : bytes);
        const uint8_t *page = sim_page_find(node, offset / SIM_PAGE);
        if (page)
            memcpy(out, page + within, part);
        else
            memset(out, 0, part);
        out += part;
        offset += part;
        bytes -= part;
    }
}

uint64_t sim_node_write(sim_node *node, uint64_t offset, const void *from, uint64_t bytes)
{
    const uint8_t *in = from;
    uint64_t done = 0;
    while (done < bytes) {
        uint64_t within = (offset + done) % SIM_PAGE, left = bytes - done;
        size_t part = (size_t)(SIM_PAGE - within < left ? SIM_PAGE - within : left);
        uint8_t *page = sim_page_make(node, (offset + done) / SIM_PAGE);
        if (!page)
            break;
        memcpy(page + within, in + done, part);
        done += part;
    }
    if (done > 0 && offset + done > node->size)
        node->size = offset + done;
    return done;
}
