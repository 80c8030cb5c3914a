/*
 * Operations on open files and on names.
 */
#include "kinds.h"

static const char *const names[4] = {"/tmp/n0", "/tmp/n1", "/tmp/n2", "/tmp/n3"};
static const char *const directories[2] = {"/tmp/d0", "/tmp/d1"};

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
    cede_prep_symlink(c->req, "anything", names[first_name(c)]);
}

void prep_mkdir(call *c)
{
    cede_prep_mkdir(c->req, directories[c->how->place % 2u], 0755);
}

void prep_rmdir(call *c)
{
    cede_prep_rmdir(c->req, directories[c->how->place % 2u]);
}
