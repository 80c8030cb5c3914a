/*
 * Works held and failed on purpose: rules that are asked as each work comes to its start, its
 * middle and its end. Under the world's lock.
 */
#include "fs.h"

#include <stdlib.h>

struct sim_hold {
    struct sim_hold *next;
    cede_sim_target target;
    char *path;
    uint32_t number;
    uint32_t where;
    uint32_t caught; /* so far */
};

struct sim_fault {
    struct sim_fault *next;
    cede_sim_target target;
    char *path;
    uint32_t caught;
    cede_status status;
};

/* ---- Matching -------------------------------------------------------------------------------- */

static bool has_path(uint32_t op)
{
    return op == CEDE_OP_OPEN || op == CEDE_OP_STAT || op == CEDE_OP_RENAME ||
           op == CEDE_OP_UNLINK || op == CEDE_OP_MKDIR || op == CEDE_OP_RMDIR ||
           op == CEDE_OP_LINK || op == CEDE_OP_SYMLINK || op == CEDE_OP_READLINK ||
           op == CEDE_OP_WATCH;
}

static bool same_path(const char *a, const char *b)
{
    /* Relative paths start at the root. */
    while (*a == '/')
        a++;
    while (b && *b == '/')
        b++;
    return b && strcmp(a, b) == 0;
}

static bool on_path(sim_work *work, const char *path)
{
    sim_node *node = NULL;
    if (work->op == CEDE_OP_LISTEN || work->op == CEDE_OP_CONNECT) {
        sim_touch(work, true);
        bool same = work->args.net.address.family == CEDE_ADDRESS_LOCAL &&
                    same_path(path, work->args.net.address.path);
        sim_touch(work, false);
        return same;
    }
    if (work->op == CEDE_OP_LOOKUP || work->op == CEDE_OP_SPAWN) {
        sim_touch(work, true);
        bool same = strcmp(path, work->op == CEDE_OP_LOOKUP ? work->args.path.path
                                                            : work->args.spawn.how->program) == 0;
        sim_touch(work, false);
        return same;
    }
    if (has_path(work->op)) {
        sim_touch(work, true);
        bool same = same_path(path, work->args.path.path) || same_path(path, work->args.path.to);
        sim_touch(work, false);
        return same;
    }
    if (sim_find(work->loop->world, path, SIM_FOLLOW, &node) != CEDE_OK)
        return false;
    return (work->file && work->file->node == node) || (work->to && work->to->node == node);
}

static bool matches(const cede_sim_target *target, sim_work *work)
{
    if (target->op && target->op != work->op)
        return false;
    if (target->pipe &&
        !(work->file && (work->file->in == target->pipe || work->file->out == target->pipe)))
        return false;
    return !target->path || on_path(work, target->path);
}

static char *copy_text(const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = malloc(bytes);
    if (copy)
        memcpy(copy, text, bytes);
    return copy;
}

static bool keep_target(cede_sim_target *to, char **path, const cede_sim_target *from)
{
    *to = from ? *from : (cede_sim_target){0};
    *path = to->path ? copy_text(to->path) : NULL;
    if (to->path && !*path)
        return false;
    to->path = *path;
    return true;
}

/* Counts down what is to pass by, and up what is caught. */
static bool catches(cede_sim_target *target, uint32_t *caught)
{
    if (target->skip > 0) {
        target->skip--;
        return false;
    }
    if (target->most && *caught >= target->most)
        return false;
    ++*caught;
    return true;
}

/* ---- Holds ----------------------------------------------------------------------------------- */

bool sim_hold_here(sim_work *work, uint32_t where)
{
    cede_sim *world = work->loop->world;
    for (struct sim_hold *hold = world->holds; hold; hold = hold->next) {
        if ((hold->where & ~CEDE_SIM_DEAF) != where || !matches(&hold->target, work) ||
            !catches(&hold->target, &hold->caught))
            continue;
        if (work->wished && where == CEDE_SIM_AT_START) {
            /* Its cancel was taken up: it must not come to hang for good. */
            sim_seal(work, CEDE_ECANCELED, 0);
            return true;
        }
        work->hold = hold->number;
        work->deaf = (hold->where & CEDE_SIM_DEAF) != 0;
        work->phase = where == CEDE_SIM_AT_START ? SIM_FROZEN : SIM_MIDWAY;
        sim_list_add(&world->frozen, work);
        sim_note(world, SIM_HOLD, work, hold->number);
        return true;
    }
    return false;
}

bool sim_hold_midway(sim_work *work)
{
    for (struct sim_hold *hold = work->loop->world->holds; hold; hold = hold->next) {
        if (hold->where == CEDE_SIM_MIDWAY && matches(&hold->target, work) &&
            hold->target.skip == 0 && (hold->target.most == 0 || hold->caught < hold->target.most))
            return true;
    }
    return false;
}

static void let_go(sim_work *work)
{
    cede_sim *world = work->loop->world;
    bool begun = work->phase == SIM_MIDWAY;
    sim_list_remove(work);
    sim_note(world, SIM_LET_GO, work, work->hold);
    work->hold = 0;
    work->deaf = false;
    if (!begun) {
        sim_schedule(work, SIM_QUEUED);
        return;
    }
    if (work->rest_bytes > 0) {
        sim_touch(work, true);
        sim_io_rest(world, work);
        sim_touch(work, false);
    }
    sim_seal(work, work->status, work->count);
}

uint32_t cede_sim_hold(cede_sim *world, const cede_sim_target *target, uint32_t where)
{
    uint32_t point = where & ~CEDE_SIM_DEAF;
    if (point < CEDE_SIM_AT_START || point > CEDE_SIM_AT_END ||
        (point != CEDE_SIM_AT_START && (where & CEDE_SIM_DEAF)))
        return 0;
    struct sim_hold *hold = calloc(1, sizeof *hold);
    if (!hold)
        return 0;
    if (!keep_target(&hold->target, &hold->path, target)) {
        free(hold);
        return 0;
    }
    sim_lock(world);
    uint32_t number = hold->number = ++world->hold_numbers;
    hold->where = where;
    struct sim_hold **at = &world->holds;
    while (*at)
        at = &(*at)->next;
    *at = hold;
    sim_unlock(world);
    return number;
}

uint64_t cede_sim_held(cede_sim *world, uint32_t number)
{
    uint64_t count = 0;
    sim_lock(world);
    for (const sim_work *work = world->frozen.first; work; work = work->next) {
        if (work->hold == number || (number == 0 && work->hold != SIM_HANGS))
            count++;
    }
    sim_unlock(world);
    return count;
}

void cede_sim_release(cede_sim *world, uint32_t number)
{
    sim_lock(world);
    for (struct sim_hold **at = &world->holds; *at;) {
        struct sim_hold *hold = *at;
        if (number != 0 && hold->number != number) {
            at = &hold->next;
            continue;
        }
        *at = hold->next;
        free(hold->path);
        free(hold);
    }
    for (sim_work *work = world->frozen.first, *next; work; work = next) {
        next = work->next;
        if (work->hold == number || (number == 0 && work->hold != SIM_HANGS))
            let_go(work);
    }
    sim_poke(world);
    sim_unlock(world);
}

/* ---- Failures -------------------------------------------------------------------------------- */

/* Statuses that the system might give for an operation. */
static cede_status plausible(cede_sim *world, uint32_t op)
{
    static const cede_status opens[] = {CEDE_EIO, CEDE_EMFILE, CEDE_ENFILE, CEDE_EACCES};
    static const cede_status writes[] = {CEDE_EIO, CEDE_ENOSPC, CEDE_EDQUOT};
    static const cede_status names[] = {CEDE_EIO, CEDE_EACCES, CEDE_EROFS, CEDE_ENOSPC};
    static const cede_status binds[] = {CEDE_EADDRINUSE, CEDE_EACCES, CEDE_EMFILE, CEDE_ENFILE};
    static const cede_status connects[] = {CEDE_ECONNREFUSED, CEDE_ETIMEDOUT, CEDE_EHOSTUNREACH,
                                           CEDE_EMFILE};
    static const cede_status lookups[] = {CEDE_EAGAIN, CEDE_ENONAME, CEDE_ENOMEM};
    static const cede_status spawns[] = {CEDE_EAGAIN, CEDE_ENOMEM, CEDE_EMFILE, CEDE_EACCES};
    static const cede_status watches[] = {CEDE_EMFILE, CEDE_ENOSPC, CEDE_ENOMEM};
    static const cede_status accepts[] = {CEDE_EMFILE, CEDE_ENFILE, CEDE_ENOMEM, CEDE_ECONNABORTED};
    switch (op) {
    case CEDE_OP_ROUNDTRIP:
        return CEDE_OK;
    case CEDE_OP_WORK:
        return CEDE_ENOMEM;
    case CEDE_OP_OPEN:
        return opens[sim_choose(world, 4)];
    case CEDE_OP_WRITE:
    case CEDE_OP_WRITEV:
    case CEDE_OP_WRITE_ALL:
    case CEDE_OP_APPEND:
    case CEDE_OP_ALLOCATE:
    case CEDE_OP_COPY:
        return writes[sim_choose(world, 3)];
    case CEDE_OP_RENAME:
    case CEDE_OP_UNLINK:
    case CEDE_OP_MKDIR:
    case CEDE_OP_RMDIR:
    case CEDE_OP_LINK:
    case CEDE_OP_SYMLINK:
        return names[sim_choose(world, 4)];
    case CEDE_OP_LISTEN:
    case CEDE_OP_DATAGRAM:
        return binds[sim_choose(world, 4)];
    case CEDE_OP_CONNECT:
        return connects[sim_choose(world, 4)];
    case CEDE_OP_ACCEPT:
    case CEDE_OP_ACCEPT_MANY:
        return accepts[sim_choose(world, 4)];
    case CEDE_OP_PAIR:
        return CEDE_EMFILE;
    case CEDE_OP_LOOKUP:
        return lookups[sim_choose(world, 3)];
    case CEDE_OP_SPAWN:
        return spawns[sim_choose(world, 4)];
    case CEDE_OP_WATCH:
        return watches[sim_choose(world, 3)];
    case CEDE_OP_POLL:
    case CEDE_OP_SIGNAL_MANY:
    case CEDE_OP_CHILD_WAIT:
    case CEDE_OP_WATCH_MANY:
        return CEDE_ENOMEM;
    case CEDE_OP_SENDTO:
        return CEDE_ENETDOWN;
    default:
        return CEDE_EIO;
    }
}

static cede_status arranged(sim_work *work)
{
    for (struct sim_fault *fault = work->loop->world->faults; fault; fault = fault->next) {
        if (matches(&fault->target, work) && catches(&fault->target, &fault->caught))
            return fault->status;
    }
    return CEDE_OK;
}

cede_status sim_fault_here(sim_work *work)
{
    cede_sim *world = work->loop->world;
    const cede_sim_config *config = &world->config;
    /* A spawn has what its handles named; begun anew it would look for them again. */
    bool restarts =
        work->op != CEDE_OP_CLOSE && work->op != CEDE_OP_WORK && work->op != CEDE_OP_SPAWN;
    cede_status status = arranged(work);
    if (status == CEDE_OK && config->fault)
        status = config->fault(config->fault_context, cede_op_name(work->op));
    if (status == CEDE_OK && restarts && sim_chance(world, config->again_permille))
        status = CEDE_REPORT_AGAIN;
    if (status == CEDE_OK && restarts && work->loop->in_flight > 1 &&
        sim_chance(world, config->park_permille))
        status = CEDE_REPORT_PARK;
    if (status == CEDE_OK && sim_chance(world, config->fail_permille))
        status = plausible(world, work->op);
    /* What closes is closed: it cannot be begun anew. */
    if (work->op == CEDE_OP_CLOSE && status < CEDE_EOVERFLOW)
        status = CEDE_OK;
    return status;
}

cede_status cede_sim_fail(cede_sim *world, const cede_sim_target *target, cede_status status)
{
    struct sim_fault *fault = calloc(1, sizeof *fault);
    if (!fault)
        return CEDE_ENOMEM;
    if (!keep_target(&fault->target, &fault->path, target)) {
        free(fault);
        return CEDE_ENOMEM;
    }
    fault->status = status;
    sim_lock(world);
    struct sim_fault **at = &world->faults;
    while (*at)
        at = &(*at)->next;
    *at = fault;
    sim_unlock(world);
    return CEDE_OK;
}

static void faults_free(cede_sim *world)
{
    while (world->faults) {
        struct sim_fault *fault = world->faults;
        world->faults = fault->next;
        free(fault->path);
        free(fault);
    }
}

void cede_sim_heal(cede_sim *world)
{
    sim_lock(world);
    faults_free(world);
    sim_unlock(world);
}

void sim_holds_free(cede_sim *world)
{
    while (world->holds) {
        struct sim_hold *hold = world->holds;
        world->holds = hold->next;
        free(hold->path);
        free(hold);
    }
    faults_free(world);
}
