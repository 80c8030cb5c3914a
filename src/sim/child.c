/*
 * Programs and child processes. A child is an actor of the world: it has a work of its own, which
 * is scheduled, and waits at pipes, like any, but belongs to no loop and is never reported. It
 * writes what it has to say, copies or eats its standard input, runs for its time, and ends.
 */
#include "child.h"

#include <stdlib.h>

#define PIECE       4096u
#define SIGNAL_KILL 9u
#define SIGNAL_PIPE 13u
#define SIGNAL_TERM 15u

struct sim_program {
    struct sim_program *next;
    char *path;
    cede_sim_behaviour behaviour;
    cede_sim_begin *begin;
    void *context;
};

struct sim_child {
    sim_child *next; /* all of the world, also those that were not started */
    sim_child *prev;
    cede_sim *world;
    sim_work step;
    sim_open *stdio[3]; /* NULL: the null device */
    sim_open *open;     /* its handle's; NULL: closed */
    sim_list waiting;
    cede_sim_behaviour behaviour;
    uint8_t *saying; /* what is to be written, and where it is */
    uint64_t said;
    uint64_t to_say;
    uint64_t id;
    bool runs;
    bool ended;
    bool fed; /* its standard input has ended, or is of no interest */
    uint64_t outcome;
};

static bool ended(sim_work *work, cede_status status)
{
    work->status = status;
    return true;
}

/* ---- Programs -------------------------------------------------------------------------------- */

static struct sim_program *find_exactly(const cede_sim *world, const char *path)
{
    struct sim_program *program = world->programs;
    while (program && strcmp(program->path, path) != 0)
        program = program->next;
    return program;
}

/* A name without a slash is looked for in PATH, which is /bin. */
static struct sim_program *find_program(const cede_sim *world, const char *path)
{
    static const char bin[] = "/bin/";
    for (struct sim_program *program = world->programs; program; program = program->next) {
        if (strcmp(program->path, path) == 0 ||
            (!strchr(path, '/') && strncmp(program->path, bin, sizeof bin - 1) == 0 &&
             strcmp(program->path + sizeof bin - 1, path) == 0))
            return program;
    }
    return NULL;
}

cede_status cede_sim_executable(cede_sim *world, const char *path,
                                const cede_sim_behaviour *behaviour, cede_sim_begin *begin,
                                void *context)
{
    size_t bytes = path ? strlen(path) + 1 : 0;
    if (bytes < 2)
        return CEDE_EINVAL;
    sim_lock(world);
    struct sim_program *program = find_exactly(world, path);
    if (!program) {
        program = calloc(1, sizeof *program);
        char *copy = malloc(bytes);
        if (!program || !copy) {
            sim_unlock(world);
            free(program);
            free(copy);
            return CEDE_ENOMEM;
        }
        memcpy(copy, path, bytes);
        program->path = copy;
        program->next = world->programs;
        world->programs = program;
    }
    program->behaviour = behaviour ? *behaviour : (cede_sim_behaviour){0};
    program->begin = begin;
    program->context = context;
    sim_unlock(world);
    return CEDE_OK;
}

void sim_programs_free(cede_sim *world)
{
    while (world->programs) {
        struct sim_program *program = world->programs;
        world->programs = program->next;
        free(program->path);
        free(program);
    }
}

/* ---- Making and freeing ---------------------------------------------------------------------- */

static void close_stdio(sim_child *child)
{
    for (unsigned i = 0; i < 3; i++) {
        if (child->stdio[i])
            sim_open_release(child->stdio[i]);
        child->stdio[i] = NULL;
    }
}

/* Nothing more comes of it by itself. */
static void stop(sim_child *child)
{
    if (child->step.heap_at)
        sim_heap_remove(child->world, &child->step);
    sim_list_remove(&child->step);
}

static void child_free(sim_child *child)
{
    stop(child);
    close_stdio(child);
    if (child->prev)
        child->prev->next = child->next;
    else
        child->world->children = child->next;
    if (child->next)
        child->next->prev = child->prev;
    child->world->actors--;
    free(child->saying);
    free(child);
}

sim_child *sim_child_take(sim_loop *loop, const cede_work *given, bool *stale)
{
    cede_sim *world = loop->world;
    sim_child *child = calloc(1, sizeof *child);
    cede_handle handles[3];
    if (!child)
        return NULL;
    cede_core_touch(loop->core, given->token, true);
    memcpy(handles, given->args->spawn.how->stdio, sizeof handles);
    cede_core_touch(loop->core, given->token, false);
    child->world = world;
    child->next = world->children;
    if (child->next)
        child->next->prev = child;
    world->children = child;
    world->actors++;
    for (unsigned i = 0; i < 3; i++) {
        if (!handles[i])
            continue;
        intptr_t native = cede_core_native(loop->core, handles[i]);
        child->stdio[i] = native > 0 ? sim_native_find(world, native) : NULL;
        if (child->stdio[i])
            child->stdio[i]->uses++;
        else
            *stale = true;
    }
    return child;
}

void sim_child_leave(sim_child *child)
{
    child->open = NULL;
    if (!child->runs)
        child_free(child);
}

/* Also those that run for ever. None may go on when another's pipes end. */
void sim_children_free(cede_sim *world)
{
    for (sim_child *child = world->children; child; child = child->next)
        stop(child);
    for (sim_child *child = world->children, *next; child; child = next) {
        next = child->next;
        if (child->open)
            child->open->child = NULL;
        child_free(child);
    }
}

/* ---- Running --------------------------------------------------------------------------------- */

static void end(sim_child *child, uint64_t outcome)
{
    cede_sim *world = child->world;
    child->runs = false;
    child->ended = true;
    child->outcome = outcome;
    world->counts.children--;
    sim_note(world, SIM_CHILD, NULL, outcome);
    close_stdio(child);
    sim_unblock(world, &child->waiting);
    if (!child->open)
        child_free(child);
}

static void kill_by(sim_child *child, uint32_t signal)
{
    stop(child);
    end(child, CEDE_CHILD_KILLED | signal);
}

static void go_on(sim_child *child)
{
    sim_schedule(&child->step, SIM_QUEUED);
}

static void go_on_in(sim_child *child, uint64_t ns)
{
    cede_sim *world = child->world;
    uint64_t due = sim_later(world->now_ns, ns);
    if (ns == CEDE_FOREVER)
        return; /* until it is killed */
    go_on(child);
    if (child->step.due_ns >= due)
        return;
    sim_heap_remove(world, &child->step);
    child->step.due_ns = child->step.latest_ns = due;
    sim_heap_add(world, &child->step);
}

static void wait_at(sim_child *child, sim_list *list)
{
    child->step.phase = SIM_BLOCKED;
    sim_list_add(list, &child->step);
}

/* Writes a piece of what is to be said. False: it must wait, or is dead. */
static bool say(sim_child *child)
{
    sim_open *out = child->stdio[1];
    uint64_t left = child->to_say - child->said;
    uint64_t bytes = left < PIECE ? left : PIECE;
    const uint8_t *from = child->saying + child->said;
    if (out && out->out && out->out->readers == 0) {
        kill_by(child, SIGNAL_PIPE);
        return false;
    }
    if (out && out->out && !sim_pipe_can_write(out->out, 1)) {
        wait_at(child, &out->out->writing);
        return false;
    }
    if (out && out->out) {
        bytes = sim_pipe_in(out->out, from, sim_maybe_short(child->world, bytes));
    } else if (out && out->node->type == CEDE_FILE_REGULAR && (out->flags & CEDE_OPEN_WRITE)) {
        bytes = sim_node_write(out->node, out->position, from, bytes);
        out->position += bytes;
        sim_node_changed(out->node, true);
    }
    child->said += bytes ? bytes : left; /* no room on the disk: the rest is lost */
    return true;
}

/* Reads a piece of its standard input, to be said if it copies. False: it must wait. */
static bool eat(sim_child *child)
{
    sim_open *in = child->stdio[0];
    uint64_t bytes = 0;
    if (in && in->in) {
        if (!sim_pipe_can_read(in->in)) {
            wait_at(child, &in->in->reading);
            return false;
        }
        bytes = sim_pipe_out(in->in, child->saying, PIECE);
    } else if (in && in->node->type == CEDE_FILE_REGULAR && (in->flags & CEDE_OPEN_READ)) {
        uint64_t left = in->position < in->node->size ? in->node->size - in->position : 0;
        bytes = left < PIECE ? left : PIECE;
        sim_node_read(in->node, in->position, child->saying, bytes);
        in->position += bytes;
    }
    child->fed = bytes == 0;
    child->said = child->to_say = 0;
    if (child->behaviour.flags & CEDE_SIM_COPIES)
        child->to_say = bytes;
    return true;
}

void sim_child_step(cede_sim *world, sim_work *work)
{
    sim_child *child = (sim_child *)(void *)((char *)work - offsetof(sim_child, step));
    sim_note(world, SIM_CHILD, NULL, child->id);
    if (child->said < child->to_say) {
        if (say(child))
            go_on(child);
    } else if (!child->fed) {
        if (eat(child))
            go_on(child);
    } else if (child->behaviour.runs_ns > 0) {
        go_on_in(child, child->behaviour.runs_ns);
        child->behaviour.runs_ns = 0;
    } else {
        end(child, child->behaviour.exit_code);
    }
}

/* ---- Starting -------------------------------------------------------------------------------- */

/* Linux's limit for each. Those for all together are the stack's, which is not simulated. */
static bool is_too_long(const char *const *texts)
{
    enum { TEXT_MOST = 131072 };
    for (; texts && *texts; texts++) {
        if (strlen(*texts) >= TEXT_MOST)
            return true;
    }
    return false;
}

static cede_status check_start(cede_sim *world, const cede_spawn *how, struct sim_program **program)
{
    uint32_t most = world->config.open_most;
    sim_node *node;
    cede_status status = CEDE_OK;
    if (most && world->open_count >= most)
        return CEDE_EMFILE;
    if (how->directory) {
        status = sim_find(world, how->directory, SIM_FOLLOW, &node);
        if (status == CEDE_OK && node->type != CEDE_FILE_DIRECTORY)
            status = CEDE_ENOTDIR;
    }
    if (status != CEDE_OK)
        return status;
    *program = find_program(world, how->program);
    if (*program)
        return is_too_long(how->arguments) || is_too_long(how->environment) ? CEDE_E2BIG : CEDE_OK;
    if (!strchr(how->program, '/'))
        return CEDE_ENOENT;
    status = sim_find(world, how->program, SIM_FOLLOW, &node);
    if (status == CEDE_OK && node->type == CEDE_FILE_REGULAR && (node->mode & 0111))
        return CEDE_ENOEXEC;
    return status == CEDE_OK ? CEDE_EACCES : status;
}

static bool prepare(sim_child *child, const struct sim_program *program, const cede_spawn *how)
{
    cede_sim_behaviour *does = &child->behaviour;
    *does = program->behaviour;
    if (program->begin)
        program->begin(program->context, how, does);
    bool reads = (does->flags & (CEDE_SIM_COPIES | CEDE_SIM_WAITS)) != 0;
    size_t room = does->output_bytes > PIECE ? does->output_bytes : PIECE;
    child->saying = malloc(room);
    if (!child->saying)
        return false;
    if (does->output_bytes > 0)
        memcpy(child->saying, does->output, does->output_bytes);
    does->output = NULL;
    child->to_say = does->output_bytes;
    child->fed = !reads;
    return true;
}

bool sim_op_spawn(cede_sim *world, sim_work *work)
{
    const cede_spawn *how = work->args.spawn.how;
    sim_child *child = work->child;
    struct sim_program *program;
    sim_open *open = NULL;
    if (work->stale)
        return ended(work, CEDE_EBADF);
    cede_status status = check_start(world, how, &program);
    sim_node *node = status == CEDE_OK ? sim_node_new(world, CEDE_FILE_UNKNOWN, 0600) : NULL;
    if (status == CEDE_OK && (!node || !prepare(child, program, how)))
        status = CEDE_ENOMEM;
    if (status == CEDE_OK)
        status = sim_open_new(world, node, 0, &open);
    if (node)
        sim_node_check(node);
    if (status != CEDE_OK)
        return ended(work, status);
    open->child = child;
    child->open = open;
    child->runs = true;
    child->id = ++world->child_serials;
    child->step = (sim_work){.loop = &world->outside, .serial = ++world->work_serials};
    work->child = NULL;
    world->counts.children++;
    if (work->args.spawn.id)
        *work->args.spawn.id = child->id;
    go_on(child);
    work->count = (uint64_t)open->native;
    return ended(work, CEDE_OK);
}

/* ---- Waiting and killing --------------------------------------------------------------------- */

bool sim_op_child_wait(cede_sim *world, sim_work *work)
{
    sim_child *child = work->file ? work->file->child : NULL;
    (void)world;
    if (!child)
        return ended(work, work->file ? CEDE_EINVAL : CEDE_EBADF);
    if (!child->ended)
        return sim_block(work, &child->waiting);
    work->count = child->outcome;
    return ended(work, CEDE_OK);
}

bool sim_op_child_kill(cede_sim *world, sim_work *work)
{
    sim_child *child = work->file ? work->file->child : NULL;
    bool force = work->args.range.flags == CEDE_KILL_FORCE;
    (void)world;
    if (!child)
        return ended(work, work->file ? CEDE_EINVAL : CEDE_EBADF);
    if (child->runs && (force || !(child->behaviour.flags & CEDE_SIM_IGNORES_ASK)))
        kill_by(child, force ? SIGNAL_KILL : SIGNAL_TERM);
    return ended(work, CEDE_OK);
}
