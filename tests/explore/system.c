/*
 * Children, watches, signals, readiness: what is asked, and what must be told of them.
 */
#include "kinds.h"

/* ---- Children -------------------------------------------------------------------------------- */

enum { IN_DIRECTORY = 7 };

/* By a spawn's place. One that is found in PATH, one that is not there, one that works in a
 * directory which may not be there. */
const behaviour behaviours[8] = {
    {"/bin/now", {.exit_code = 3}},
    {"/bin/soon", {.exit_code = 4, .runs_ns = 60000}},
    {"/bin/stays", {.runs_ns = CEDE_FOREVER}},
    {"/bin/deaf", {.runs_ns = CEDE_FOREVER, .flags = CEDE_SIM_IGNORES_ASK}},
    {"/bin/copies", {.flags = CEDE_SIM_COPIES}},
    {"copies", {.flags = CEDE_SIM_COPIES}},
    {"/bin/none", {.exit_code = 0}},
    {"/bin/soon", {.exit_code = 4, .runs_ns = 60000}},
};

bool copies_its_input(const action *a)
{
    return behaviours[a->place].does.flags & CEDE_SIM_COPIES;
}

/* The first that copies has the pipes; another one has the null device. */
void prep_spawn(call *c)
{
    static const char *const arguments[] = {"one", NULL};
    cede_spawn *how = &c->memory->spawn;
    *how = (cede_spawn){.program = behaviours[c->how->place].path, .arguments = arguments};
    c->runs = &behaviours[c->how->place];
    if (c->how->place == IN_DIRECTORY)
        how->directory = "/tmp/d0";
    if (copies_its_input(c->how) && now.child_in) {
        c->has_pipes = true;
        how->stdio[0] = now.child_in;
        how->stdio[1] = now.child_out;
        now.child_in = now.child_out = 0;
    }
    cede_prep_spawn(c->req, how, &c->memory->id);
}

/* A child has them, or another may: who started it has no use for them any more. */
static void pass_on_pipes(const call *c, bool started)
{
    const cede_handle *ends = c->memory->spawn.stdio;
    for (int i = 0; i < 2 && started; i++)
        cede_drop(ends[i]);
    now.drops += started ? 2 : 0;
    now.child_in = started ? 0 : ends[0];
    now.child_out = started ? 0 : ends[1];
}

void judge_spawned(call *c, const cede_result *r)
{
    bool may_lack = c->how->place >= 6;
    LAW(8, c, (r->status == CEDE_OK) == (r->handle != 0), "%s, and %s handle",
        cede_status_name(r->status), r->handle ? "a" : "no");
    LAW(7, c, r->status != CEDE_ENOENT || may_lack || now.faulted, "a program was not found");
    LAW(7, c, r->status != CEDE_OK || strcmp(c->runs->path, "/bin/none") != 0,
        "a program that is not there was started");
    if (c->has_pipes)
        pass_on_pipes(c, r->status == CEDE_OK);
    if (r->status != CEDE_OK)
        return;
    for (const thing *u = now.things; u < now.things + now.thing_count; u++)
        LAW(7, c, u->child.id != c->memory->id, "a child's number that another has");
    thing *t = made(c, r->handle);
    if (t) {
        t->child.runs = c->runs;
        t->child.id = c->memory->id;
    }
    if (c->has_pipes)
        now.copier = t;
}

static bool ends_by_itself(const behaviour *b)
{
    return b->does.runs_ns != CEDE_FOREVER && !(b->does.flags & CEDE_SIM_COPIES);
}

void prep_child_wait(call *c)
{
    cede_prep_child_wait(c->req, handle_of(c));
}

/* 9 and 15, and 13: it wrote into what nobody reads. */
static bool may_end_with(const thing *t, uint64_t outcome)
{
    bool copies = t->child.runs->does.flags & CEDE_SIM_COPIES;
    bool deaf = t->child.runs->does.flags & CEDE_SIM_IGNORES_ASK;
    switch (outcome) {
    case CEDE_CHILD_KILLED | 9:
        return t->child.forced;
    case CEDE_CHILD_KILLED | 15:
        return t->child.asked && !deaf;
    case CEDE_CHILD_KILLED | 13:
        return copies;
    default:
        return t->child.runs->does.runs_ns != CEDE_FOREVER &&
               outcome == t->child.runs->does.exit_code;
    }
}

void judge_child_ended(call *c, const cede_result *r)
{
    thing *t = c->on;
    if (r->status != CEDE_OK || !t)
        return;
    LAW(7, c, may_end_with(t, r->count), "it ended with 0x%" PRIx64, r->count);
    LAW(7, c, !t->child.told || t->child.outcome == r->count, "it ended in two ways");
    t->child.told = t->child.ends = true;
    t->child.outcome = r->count;
}

void prep_child_kill(call *c)
{
    bool force = c->how->place & 1;
    if (c->on && force)
        c->on->child.forced = true;
    else if (c->on)
        c->on->child.asked = true;
    cede_prep_child_kill(c->req, handle_of(c), force ? CEDE_KILL_FORCE : CEDE_KILL_ASK);
}

void judge_child_killed(call *c, const cede_result *r)
{
    thing *t = c->on;
    if (r->status == CEDE_OK && t &&
        ((c->how->place & 1) || !(t->child.runs->does.flags & CEDE_SIM_IGNORES_ASK)))
        t->child.ends = true;
}

/* ---- Watches --------------------------------------------------------------------------------- */

void prep_watch(call *c)
{
    static const char *const where[3] = {"/tmp", "/tmp/d0", "/tmp/d1"};
    cede_prep_watch(c->req, where[c->how->place % 3u], 0);
}

void prep_watch_many(call *c)
{
    cede_prep_watch_many(c->req, handle_of(c), now.pool, on_item);
}

/* What was told before of this name has to agree. */
static void changed(const call *c, thing *t, const cede_change *change)
{
    bool comes = change->what == CEDE_CHANGE_CREATED || change->what == CEDE_CHANGE_RENAMED_TO;
    bool goes = change->what == CEDE_CHANGE_REMOVED || change->what == CEDE_CHANGE_RENAMED_FROM;
    uint32_t number = name_number(change->name);
    LAW(7, c, !t->watch.gone, "a change behind the end of its directory");
    if (change->what == CEDE_CHANGE_GONE) {
        LAW(7, c, t->watch.where, "a directory is gone that nobody removed");
        t->watch.gone = true;
        return;
    }
    if (change->what == CEDE_CHANGE_LOST) {
        LAW(7, c, now.forgetful, "changes were lost, and there was room");
        memset(t->watch.name, NAME_UNKNOWN, NAMES);
        t->watch.lost = true;
        return;
    }
    LAW(7, c, number < NAMES && !t->watch.where, "a change of a name that nobody made");
    LAW(7, c, comes || goes || change->what == CEDE_CHANGE_MODIFIED, "an unknown change");
    LAW(7, c, t->watch.name[number] != (comes ? NAME_THERE : NAME_ABSENT),
        "%s %s, and it was told before that it %s", change->name,
        comes ? "comes" : "goes or changes", comes ? "is there" : "is not");
    t->watch.name[number] = goes ? NAME_ABSENT : NAME_THERE;
}

/* An item, or the done behind them. */
void judge_changes(call *c, const cede_result *r)
{
    const cede_change *change;
    uint64_t at = 0;
    if (c->dones) {
        LAW(7, c, r->count == c->item_bytes, "%" PRIu32 " came in its items, and it says %" PRIu64,
            c->item_bytes, r->count);
        LAW(7, c, r->status != CEDE_OK || c->on->watch.gone, "it is over, and nothing says why");
        return;
    }
    LAW(8, c, r->buffer && r->count % 8 == 0, "an item of %" PRIu64 " bytes", r->count);
    c->item_bytes += (uint32_t)r->count;
    while ((change = cede_next_change(r->buffer, r->count, &at)))
        changed(c, c->on, change);
    LAW(7, c, at == r->count, "changes that cannot be walked");
    arrived(c, r);
}

static bool any_name_pending(void)
{
    for (const call *c = now.calls; c < now.calls + now.call_count; c++) {
        if (!c->dones && c->kind->group == G_FILE)
            return true;
    }
    return false;
}

/* What is in the directory is what was told of it last. */
static void nothing_was_missed(const call *c)
{
    const thing *t = c->on;
    for (uint32_t i = 0; i < NAMES && !t->watch.where; i++) {
        bool there = i < 4 ? now.names[i] > 0 : now.directories[i - 4] > 0;
        LAW(7, c, t->watch.name[i] == NAME_UNKNOWN || (t->watch.name[i] == NAME_THERE) == there,
            "name %" PRIu32 " is %sthere, and it did not tell", i, there ? "" : "not ");
    }
}

/* ---- Signals --------------------------------------------------------------------------------- */

static uint32_t bits_of(const call *c)
{
    static const uint32_t sets[8] = {1, 2, 4, 3, 5, 6, 7, 7};
    return sets[c->how->place] << 1;
}

void prep_signal_many(call *c)
{
    memcpy(c->raised, now.raised, sizeof c->raised);
    cede_prep_signal_many(c->req, bits_of(c), on_item);
}

static bool takes(const call *c, uint32_t signal)
{
    return c->kind->op == CEDE_OP_SIGNAL_MANY && !c->dones && (bits_of(c) >> signal & 1);
}

/* All who may take it do, if those are as many as do. */
void system_raise(uint32_t signal)
{
    uint32_t most = 0, taken = cede_sim_signal(now.world, signal);
    for (const call *c = now.calls; c < now.calls + now.call_count; c++)
        most += takes(c, signal);
    LAW(7, NULL, taken <= most, "%" PRIu32 " take a signal that %" PRIu32 " asked for", taken,
        most);
    now.raised[signal - 1]++;
    for (call *c = now.calls; c < now.calls + now.call_count; c++)
        c->owed |= taken == most && takes(c, signal) ? 1u << signal : 0;
}

/* An item, or the done behind them. */
void judge_signals(call *c, const cede_result *r)
{
    if (c->dones) {
        LAW(8, c, !c->owed, "signals came, and were not told: 0x%" PRIx32, c->owed);
        LAW(7, c, r->count == c->items, "%" PRIu32 " signals were told, and it says %" PRIu64,
            c->items, r->count);
        return;
    }
    LAW(7, c, r->count < 32 && (bits_of(c) >> r->count & 1), "a signal that it did not take");
    uint32_t which = (uint32_t)r->count - 1;
    c->owed &= ~(1u << r->count);
    LAW(7, c, ++c->heard[which] <= now.raised[which] - c->raised[which],
        "signal %" PRIu64 " is told more often than it was raised", r->count);
}

/* ---- Readiness ------------------------------------------------------------------------------- */

static uint32_t events_of(const call *c)
{
    return 1 + c->how->place % 3u;
}

void prep_poll(call *c)
{
    cede_prep_poll(c->req, handle_of(c), events_of(c));
}

void judge_polled(call *c, const cede_result *r)
{
    uint32_t told = events_of(c) | CEDE_POLL_HANGUP | CEDE_POLL_ERROR;
    LAW(7, c, r->status != CEDE_OK || (r->count && !(r->count & ~(uint64_t)told)),
        "ready for 0x%" PRIx64 ", where 0x%" PRIx32 " was asked", r->count, events_of(c));
}

/* Bytes are there for its stream, and nobody is about to take them. */
static bool is_ready(const call *c)
{
    const thing *t = c->on->lender ? c->on->lender : c->on;
    if (c->on->role == R_DATAGRAM && (events_of(c) & CEDE_POLL_OUT))
        return true;
    if (!(events_of(c) & CEDE_POLL_IN) || !t->peer || t->maybe_shut || t->peer->maybe_shut ||
        t->relayed)
        return false;
    for (const call *d = now.calls; d < now.calls + now.call_count; d++) {
        if (d->on == t && !d->dones && (d->kind->traits & T_IN))
            return false;
    }
    return t->peer->out.used > t->in.used;
}

/* ---- What is overdue ------------------------------------------------------------------------- */

const char *system_overdue(const call *c)
{
    if (!c->on && c->kind->op != CEDE_OP_SIGNAL_MANY)
        return NULL;
    switch (c->kind->op) {
    case CEDE_OP_CHILD_WAIT:
        return c->on->child.ends || ends_by_itself(c->on->child.runs) ? "its child has ended"
                                                                      : NULL;
    case CEDE_OP_SIGNAL_MANY:
        return c->owed ? "a signal was raised" : NULL;
    case CEDE_OP_POLL:
        return !c->on->maybe_shut && is_ready(c) ? "it is ready" : NULL;
    case CEDE_OP_WATCH_MANY:
        return c->on->watch.gone && !now.pool_closed ? "its directory is gone" : NULL;
    default:
        return NULL;
    }
}

void system_final(void)
{
    if (now.narrow || now.starved || any_name_pending())
        return;
    for (const call *c = now.calls; c < now.calls + now.call_count; c++) {
        bool waits = c->kind->op == CEDE_OP_WATCH_MANY && !c->dones && c->on && !held_back(c) &&
                     !c->home->closing && !c->bad_pool;
        if (waits && !c->on->maybe_shut && !c->on->watch.gone && !now.pool_closed)
            nothing_was_missed(c);
    }
}
