/*
 * What people are told: the dump of what is pending, counters, law 17's line, the trace hook.
 * The loop's thread, but for misuse, which stops the process on whatever thread it happens.
 */
#include "core.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

_Noreturn void cedi_misuse(const char *what, const cedi_slot *slot, const char *where)
{
    char line[512];
    const char *op = slot && slot->op < CEDE_OP_COUNT ? cedi_ops[slot->op].name : NULL;
    (void)snprintf(line, sizeof line, "cede: %s%s%s%s%s%s%s", what, op ? ": " : "", op ? op : "",
                   slot && slot->where ? ", submitted at " : "",
                   slot && slot->where ? slot->where : "", where ? ", now at " : "",
                   where ? where : "");
    cede_os_fatal(line);
}

_Noreturn void cedi_misuse_of(const char *what, const cede_req *req, const char *where)
{
    cedi_slot shown = {.op = CEDE_OP_COUNT};
    if (req && req->seal_ == CEDI_PREPARED)
        shown.op = req->op_;
    cedi_misuse(what, &shown, where);
}

_Noreturn void cedi_misuse_foreign(const cede_loop *loop, const char *what, const cede_req *req,
                                   const char *where)
{
    char line[160];
    const char *how = !loop                      ? "without a loop"
                      : *loop->alive != 1        ? "in a forked child"
                      : atomic_load(&loop->open) ? "on a thread that is not the loop's"
                                                 : "of a closed loop";
    (void)snprintf(line, sizeof line, "law 17: %s %s", what, how);
    cedi_misuse_of(line, req, where);
}

_Noreturn void cedi_misuse_inside(const cede_loop *loop, const char *what)
{
    cedi_misuse(what, loop->frame->slot, NULL);
}

_Noreturn void cedi_broken(const char *what, const cedi_slot *slot)
{
    char line[512];
    (void)snprintf(line, sizeof line, "cede: broken invariant: %s (%s %s, submitted at %s)", what,
                   slot ? cedi_ops[slot->op].name : "-", slot ? cedi_req_state(slot) : "-",
                   slot && slot->where ? slot->where : "an unknown place");
    cede_os_fatal(line);
}

/* The hook is inside the loop, wherever it is called: run, wait and close stop there (law 17). */
static void call_hook(cede_loop *loop, const char *line)
{
    bool turning = loop->turning;
    loop->turning = true;
    loop->trace(loop->trace_context, line);
    loop->turning = turning;
}

void cedi_say(cede_loop *loop, const char *line)
{
    if (loop->trace)
        call_hook(loop, line);
    else
        cede_os_say(line);
}

void cede_core_trace(cede_core *core, const char *line)
{
    cede_loop *loop = (cede_loop *)core;
    if (loop->trace)
        call_hook(loop, line);
}

static void describe(cede_loop *loop, const cedi_slot *slot, cede_pending *out)
{
    bool sealed = cedi_req_is_ready(slot);
    uint64_t now = cedi_now(loop), since = loop->opened_ns;
    memset(out, 0, sizeof *out);
    out->ticket = cedi_slot_ticket(slot);
    if (slot->scope)
        out->scope = cedi_slot_ticket(cedi_slot_at(slot->scope));
    out->op = cedi_ops[slot->op].name;
    out->state = cedi_req_state(slot);
    out->where = slot->where ? slot->where : "an unknown place";
    if (slot->bits & CEDI_LISTED)
        out->handle = cedi_handle_value(cedi_entry_at(slot->at.on.entry), slot->at.on.entry);
    since += slot->u.since_ms * CEDE_MILLISECOND;
    out->age_ns = sealed || since > now ? 0 : now - since;
    out->wishes = slot->cause;
    out->cancel_tries = slot->cause & CEDE_BY_ANY ? slot->tries : 0; /* else of tries to go on */
}

void cede_dump(cede_loop *loop, cede_dump_fn *fn, void *context)
{
    cedi_guard(loop, "dump");
    if (!fn)
        return;
    loop->now_known = false;
    for (cedi_chunk *chunk = cedi_slot_chunks(loop); chunk; chunk = chunk->next) {
        for (uint32_t i = 0; i < CEDI_CHUNK_SLOTS; i++) {
            const cedi_slot *slot = &chunk->slots[i];
            uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
            cede_pending pending;
            if (!(word & CEDI_TAKEN) || !cedi_req_is_live(slot))
                continue;
            describe(loop, slot, &pending);
            fn(context, &pending);
        }
    }
}

struct telling {
    cede_loop *loop;
    const char *title;
};

static void tell(void *context, const cede_pending *pending)
{
    struct telling *telling = context;
    char line[512];
    (void)snprintf(line, sizeof line,
                   "%s: %s, %s, handle %" PRIx64 ", for %" PRIu64
                   " ms, submitted at %s, asked %u times to end",
                   telling->title, pending->op, pending->state, pending->handle,
                   pending->age_ns / CEDE_MILLISECOND, pending->where, pending->cancel_tries);
    cedi_say(telling->loop, line);
}

void cedi_say_pending(cede_loop *loop, const char *title)
{
    struct telling telling = {loop, title};
    char line[128];
    cede_dump(loop, tell, &telling);
    if (loop->dropping) {
        (void)snprintf(line, sizeof line, "%s: %" PRIu64 " handles to be closed", title,
                       loop->dropping);
        cedi_say(loop, line);
    }
}

void cede_count(cede_loop *loop, cede_counts *out)
{
    cedi_guard(loop, "count");
    cede_os_lock(); /* a remote submit may be adding slots */
    *out = loop->counts;
    cede_os_unlock();
    out->undelivered = out->submitted - out->delivered;
    out->background = loop->background;
}
