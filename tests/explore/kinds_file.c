/*
 * Operations on open files and on names.
 */
#include "kinds.h"

static const char *const names[4] = {"/tmp/n0", "/tmp/n1", "/tmp/n2", "/tmp/n3"};
static const char *const directories[2] = {"/tmp/d0", "/tmp/d1"};

#define LINK_TEXT "anything"

uint32_t name_number(const char *name)
{
    static const char *const all[NAMES] = {"n0", "n1", "n2", "n3", "d0", "d1"};
    uint32_t i = 0;
    while (i < NAMES && strcmp(name, all[i]) != 0)
        i++;
    return i;
}

static uint32_t first_name(const call *c)
{
    return c->how->place % 4u;
}

static uint32_t second_name(const call *c)
{
    return (c->how->place + 1u) % 4u;
}

void judge_named(call *c, const cede_result *r)
{
    if (r->status != CEDE_OK)
        return;
    switch (c->kind->op) {
    case CEDE_OP_UNLINK:
        now.names[first_name(c)]--;
        break;
    case CEDE_OP_RENAME:
        now.names[first_name(c)]--;
        now.names[second_name(c)]++;
        break;
    case CEDE_OP_LINK:
        now.names[second_name(c)]++;
        break;
    case CEDE_OP_SYMLINK:
    case CEDE_OP_OPEN:
        now.names[first_name(c)]++;
        break;
    case CEDE_OP_MKDIR:
        now.directories[c->how->place % 2u]++;
        break;
    default:
        now.directories[c->how->place % 2u]--;
        now.removed[c->how->place % 2u]++;
        break;
    }
}

void prep_truncate(call *c)
{
    cede_prep_truncate(c->req, handle_of(c), c->offset);
}

void prep_fsync(call *c)
{
    cede_prep_fsync(c->req, handle_of(c));
}

void prep_fdatasync(call *c)
{
    cede_prep_fdatasync(c->req, handle_of(c));
}

void prep_allocate(call *c)
{
    cede_prep_allocate(c->req, handle_of(c), c->offset, 64, 0);
}

void prep_stat(call *c)
{
    cede_prep_stat(c->req, names[first_name(c)], &c->memory->stat, 0);
}

void prep_stat_handle(call *c)
{
    cede_prep_stat_handle(c->req, handle_of(c), &c->memory->stat);
}

void prep_open(call *c)
{
    cede_prep_open(c->req, names[first_name(c)],
                   CEDE_OPEN_CREATE | CEDE_OPEN_EXCLUSIVE | CEDE_OPEN_WRITE, 0644);
}

void prep_unlink(call *c)
{
    cede_prep_unlink(c->req, names[first_name(c)]);
}

void prep_rename(call *c)
{
    cede_prep_rename(c->req, names[first_name(c)], names[second_name(c)], CEDE_RENAME_NOREPLACE);
}

void prep_link(call *c)
{
    cede_prep_link(c->req, names[first_name(c)], names[second_name(c)]);
}

void prep_symlink(call *c)
{
    cede_prep_symlink(c->req, LINK_TEXT, names[first_name(c)]);
}

void prep_mkdir(call *c)
{
    cede_prep_mkdir(c->req, directories[c->how->place % 2u], 0755);
}

void prep_rmdir(call *c)
{
    cede_prep_rmdir(c->req, directories[c->how->place % 2u]);
}

void prep_readlink(call *c)
{
    cede_prep_readlink(c->req, names[first_name(c)], room_for(c), c->length);
}

void judge_read_link(call *c, const cede_result *r)
{
    size_t length = strlen(LINK_TEXT);
    LAW(7, c, r->status != CEDE_OK || r->count == length, "%" PRIu64 " bytes", r->count);
    LAW(7, c, r->status != CEDE_OK || !memcmp(c->memory->data, LINK_TEXT, length),
        "the text of a link is another");
}

void prep_readdir(call *c)
{
    cede_prep_readdir(c->req, handle_of(c), c->memory->data, CEDE_READDIR_BYTES);
}

void judge_entries(call *c, const cede_result *r)
{
    const cede_entry *entry;
    uint64_t at = 0;
    uint32_t seen = 0;
    if (r->status != CEDE_OK)
        return;
    LAW(7, c, r->count <= CEDE_READDIR_BYTES, "%" PRIu64 " bytes", r->count);
    while ((entry = cede_next_entry(c->memory->data, r->count, &at))) {
        uint32_t number = name_number(entry->name);
        LAW(7, c, number < NAMES, "a name that nobody made");
        LAW(7, c, !(seen >> number & 1), "%s, twice", entry->name);
        seen |= 1u << number;
    }
}

void prep_set_mode(call *c)
{
    cede_prep_set_mode(c->req, handle_of(c), 0600);
}

void prep_set_times(call *c)
{
    cede_prep_set_times(c->req, handle_of(c), c->offset, c->offset);
}
