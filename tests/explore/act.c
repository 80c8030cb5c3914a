/*
 * Runs a program: each action is a call of the library, made in its turn or in somebody's done.
 */
#include "explore.h"

void (*explore_between)(uint32_t next);
FILE *explore_trace;

/* ---- Submitting ------------------------------------------------------------------------------ */

/* The thing that an action means: one of a role that fits, from its register on. */
static thing *thing_for(const action *a, uint32_t roles)
{
    for (uint32_t i = 0; i < THINGS; i++) {
        thing *t = now.at[(a->thing + i) % THINGS];
        if (t && (t->role & roles))
            return t;
    }
    return NULL;
}

static block *block_new(uint32_t bytes)
{
    block *b = malloc(sizeof *b + bytes);
    if (!b)
        abort();
    memset(b, 0, sizeof *b);
    b->room = bytes;
    b->next = now.blocks;
    now.blocks = b;
    return b;
}

/* The memory for a request: new, or that which the callback that runs was given back. */
static block *memory_for(const action *a, const kind *k)
{
    block *mine = now.frame_count ? now.frames[now.frame_count - 1].call->memory : NULL;
    uint32_t least = k->op == CEDE_OP_READDIR ? CEDE_READDIR_BYTES : 16;
    uint32_t bytes = length_of(a->size) < least ? least : length_of(a->size);
    if ((a->attr & A_REUSE) && mine && mine->room >= bytes &&
        !now.frames[now.frame_count - 1].item) {
        now.frames[now.frame_count - 1].call->memory = NULL;
        return mine; /* as it was left, but for what prep is to set anew */
    }
    return block_new(bytes);
}

static void attributes(call *c, const action *a)
{
    if ((a->attr & A_IN) && now.reg[a->scope] && !now.reg[a->scope]->before) {
        cede_in(c->req, now.reg[a->scope]->ticket);
        c->scope = now.reg[a->scope];
    }
    if (a->attr & A_WITHIN) {
        cede_within(c->req, time_of(a->time));
        c->deadline_ns = time_of(a->time);
    }
    c->background = (a->attr & A_BACKGROUND) != 0;
    if (c->background)
        cede_background(c->req);
}

static call *prepare(const action *a, home *h)
{
    bool pool = kinds[a->kind].traits & T_POOL;
    if (now.call_count == CALLS_MOST || (pool && now.pool_closed && now.out_count == 0))
        return NULL; /* a closed pool may be named while a buffer of it is out */
    call *c = &now.calls[now.call_count++];
    const kind *k = &kinds[a->kind];
    *c = (call){.how = a, .kind = k, .serial = now.call_count, .home = h};
    c->due_ns = c->deadline_ns = CEDE_FOREVER;
    c->length = length_of(a->size);
    c->offset = offset_of(a->place);
    c->on = k->roles ? thing_for(a, k->roles) : NULL;
    c->memory = memory_for(a, k);
    c->memory->owner = c;
    c->req = &c->memory->req;
    k->prep(c);
    if (a->kind != K_again)
        attributes(c, a);
    return c;
}

struct sending {
    cede_loop *loop;
    cede_req *req;
    cede_ticket ticket;
};

static void send_remote(void *context)
{
    struct sending *sending = context;
    cede_submit_remote(sending->loop, sending->req, on_done, &sending->ticket);
}

/* An action and those that it is linked to, which follow it. Returns the last of them. */
static uint32_t submit(const program *p, uint32_t first)
{
    home *h = &now.homes[p->action[first].home]; /* a chain has one */
    call *head = prepare(&p->action[first], h), *last = head;
    uint32_t at = first;
    if (!head)
        return first;
    while ((p->action[at].attr & A_LINK) && at + 1 < p->count && p->action[at].kind != K_again &&
           p->action[at + 1].verb == V_SUBMIT && p->action[at + 1].depth == p->action[at].depth) {
        call *next = prepare(&p->action[at + 1], h);
        if (!next)
            break;
        cede_link(last->req, next->req, on_done);
        last->after = next;
        next->before = last;
        last = next;
        at++;
    }
    for (call *c = head; c; c = c->after) {
        c->remote = (p->action[first].attr & A_ELSEWHERE) != 0;
        laws_submitted(c);
    }
    uint32_t starved = stage_starved;
    if (head->remote) {
        struct sending sending = {head->home->loop, head->req, {0, 0}};
        head->home->sent = true;
        if (p->action[first].attr & A_BACKGROUND)
            elsewhere(send_remote, &sending);
        else
            send_remote(&sending);
        head->ticket = sending.ticket;
    } else {
        head->ticket = cede_submit_at(head->home->loop, head->req, on_done, head->kind->name);
    }
    for (call *c = head; c; c = c->after)
        c->orphan = stage_starved != starved || now.hungry;
    now.starved = now.starved || stage_starved != starved;
    for (uint32_t i = first; head; head = head->after, i++)
        now.reg[p->action[i].reg] = head;
    return at;
}

/* ---- Wishes ---------------------------------------------------------------------------------- */

static void cancel(void *context)
{
    cede_cancel(((const call *)context)->ticket);
}

static void fail(void *context)
{
    const call *c = context;
    cede_fail(c->ticket, c->why);
}

static void complete(void *context)
{
    const call *c = context;
    cede_complete(c->ticket, CEDE_OK, c->completed_count);
}

static void drop(void *context)
{
    cede_drop(((const thing *)context)->handle);
}

static void here_or_elsewhere(const action *a, void (*fn)(void *), void *context)
{
    if (!(a->attr & A_ELSEWHERE)) {
        fn(context);
        return;
    }
    for (home *h = now.homes; h < now.homes + now.home_count; h++)
        h->sent = true;
    elsewhere(fn, context);
}

static void wish(const action *a)
{
    static const cede_status reasons[4] = {CEDE_EIO, CEDE_OK, CEDE_EPIPE, CEDE_EBUSY};
    bool here = !(a->attr & A_ELSEWHERE);
    call *c = now.reg[a->verb == V_FAIL ? a->scope : a->reg];
    if (!c || c->before)
        return; /* a follower has no ticket */
    if (a->verb == V_CANCEL) {
        laws_asked(c, CEDE_ECANCELED, here);
        here_or_elsewhere(a, cancel, c);
    } else if (a->verb == V_FAIL) {
        call copy = *c;
        copy.why = reasons[a->size % 4];
        laws_asked(c, copy.why, here);
        here_or_elsewhere(a, fail, &copy);
    } else {
        call copy = *c;
        cede_pending seen;
        copy.completed_count = a->size;
        if (c->kind->op == CEDE_OP_PEND && !c->dones) {
            bool sure = here && c->home->bound && !c->completed && !laws_may_be_sent(c) &&
                        laws_pending(c, &seen);
            if (!c->completed)
                c->completed_count = a->size;
            else if (!c->ended_sure)
                c->completed_count = UINT64_MAX; /* one of several */
            c->ended_sure = c->ended_sure || (sure && !(seen.wishes & CEDE_BY_ANY));
            c->completed = true;
        }
        here_or_elsewhere(a, complete, &copy);
    }
}

static void extend(const action *a)
{
    call *c = now.reg[a->reg];
    uint64_t ns = time_of(a->time);
    if (!c || c->before || c->home->closed)
        return;
    bool timer = c->kind->op == CEDE_OP_TIMER;
    uint64_t *due = timer ? &c->due_ns : &c->deadline_ns, at = cede_sim_now(now.world) + ns;
    if (!c->dones && (*due == CEDE_FOREVER || *due > cede_sim_now(now.world) || at < *due))
        *due = at;
    if (!timer && !c->dones)
        c->causes |= CEDE_BY_DEADLINE;
    cede_extend(c->ticket, ns);
}

static void drop_or_own(const action *a)
{
    thing *t = thing_for(a, R_ALL);
    if (!t)
        return;
    if (a->verb == V_DROP) {
        handles_closing(t, !(a->attr & A_ELSEWHERE));
        now.drops++;
        here_or_elsewhere(a, drop, t);
    } else if (now.reg[a->scope] && !now.reg[a->scope]->before) {
        call *scope = now.reg[a->scope];
        size_t home = (size_t)(scope->home - now.homes);
        cede_pending seen;
        bool lives = scope->kind->op == CEDE_OP_SCOPE && laws_pending(scope, &seen) &&
                     !(seen.wishes & CEDE_BY_ANY);
        t->maybe_shut = true; /* from when on, the scope knows */
        if (!lives)
            handles_closing(t, false); /* it may be dropped */
        if (!t->owner[home] && scope->kind->op == CEDE_OP_SCOPE)
            t->owner[home] = scope;
        t->named |= home_bit(scope->home);
        now.drops++;
        cede_own(scope->ticket, t->handle);
    }
}

/* ---- The world ------------------------------------------------------------------------------- */

static void on_world(const action *a)
{
    static const uint32_t wheres[4] = {CEDE_SIM_AT_START, CEDE_SIM_AT_START | CEDE_SIM_DEAF,
                                       CEDE_SIM_MIDWAY, CEDE_SIM_AT_END};
    static const cede_status faults[4] = {CEDE_EIO, CEDE_ENOMEM, CEDE_REPORT_AGAIN,
                                          CEDE_REPORT_PARK};
    const cede_sim_target next = {.skip = a->place % 3u, .most = 1};
    cede_sim_counts counts;
    if (now.settled && a->verb != V_ADVANCE)
        return;
    switch (a->verb) {
    case V_HOLD:
        (void)cede_sim_hold(now.world, &next, wheres[a->size % 4]);
        break;
    case V_RELEASE:
        cede_sim_release(now.world, 0);
        break;
    case V_FAULT:
        now.faulted = true;
        (void)cede_sim_fail(now.world, &next, faults[a->size % 4]);
        break;
    case V_LIMIT:
        now.limited = true;
        cede_sim_count(now.world, &counts);
        cede_sim_limit_open(now.world, (uint32_t)counts.open + a->size % 3u);
        break;
    case V_SIGNAL:
        system_raise(1 + a->size % SIGNALS);
        break;
    default:
        cede_sim_advance(now.world, time_of(a->time));
        break;
    }
}

/* ---- One action ------------------------------------------------------------------------------ */

static home *other(const home *h)
{
    return &now.homes[h == now.homes];
}

static void call_back(const action *a)
{
    call *c = now.reg[a->reg];
    home *h = &now.homes[a->home];
    if (a->verb == V_WAIT) {
        h = c && (a->attr & A_OTHER) && now.home_count > 1 ? other(c->home) : c ? c->home : h;
        if (c && !c->before && !h->closed && now.caller_count < FRAMES - 1)
            (void)waits_wait(h, c, time_of(a->time));
    } else if (now.frame_count == 0 && a->verb == V_RUN) {
        waits_run(h, time_of(a->time));
    } else if (now.frame_count == 0) {
        (void)waits_close(h, time_of(a->time));
    }
}

static void act(const action *a)
{
    uint64_t timeout_ns;
    home *h = &now.homes[a->home];
    switch (a->verb) {
    case V_RUN:
    case V_WAIT:
    case V_LOOP_CLOSE:
        call_back(a);
        break;
    case V_CANCEL:
    case V_FAIL:
    case V_COMPLETE:
        wish(a);
        break;
    case V_EXTEND:
        extend(a);
        break;
    case V_DROP:
    case V_OWN:
        drop_or_own(a);
        break;
    case V_STOP:
        h->stop_asked = true;
        cede_stop(h->loop);
        break;
    case V_FLUSH:
        (void)cede_loop_waitable(h->loop, &timeout_ns);
        break;
    case V_GIVE:
        truth_give();
        break;
    case V_POOL_CLOSE:
        if (now.pool && !now.pool_closed)
            cede_pool_close(now.pool);
        now.pool_closed = true;
        break;
    case V_STARVE:
        stage_starving = now.settled ? 0 : 1 + a->size % 4u;
        break;
    case V_FLOOD:
        stage_flood(h);
        break;
    default:
        on_world(a);
        break;
    }
}

/* Does the action, or some that belong together; returns the last that was done. What a closed loop
 * can still be asked is only a wish. */
static uint32_t step(const program *p, uint32_t at)
{
    const action *a = &p->action[at];
    now.step++;
    if (now.homes[a->home].closed && a->verb != V_CANCEL && a->verb != V_FAIL &&
        a->verb != V_COMPLETE && a->verb != V_GIVE)
        return at;
    if (explore_trace) {
        fprintf(explore_trace, "%12" PRIu64 " ns  ", cede_sim_now(now.world));
        program_print_action(a, explore_trace);
    }
    if (a->verb == V_SUBMIT)
        return submit(p, at);
    act(a);
    return at;
}

void act_all(const program *p)
{
    for (uint32_t i = 0; i < p->count; i++) {
        if (p->action[i].depth > 0)
            continue;
        if (explore_between)
            explore_between(i);
        i = step(p, i);
    }
}

/* In the done of a submit: the actions behind it that are deeper by one, up to the next that is
 * not deeper. */
void act_body(const call *c)
{
    const program *p = now.program;
    uint32_t at = (uint32_t)(c->how - p->action);
    if (at >= p->count)
        return;
    uint8_t depth = p->action[at].depth;
    for (uint32_t i = at + 1; i < p->count && p->action[i].depth > depth; i++) {
        if (p->action[i].depth == depth + 1)
            i = step(p, i);
    }
}
