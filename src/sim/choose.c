/*
 * Decisions and the trace. Every decision that a real kernel would leave to chance goes through
 * sim_choose: from a seed, or along a script (explore.c). Everything that happens is noted here,
 * so that equal runs have equal hashes. Under the world's lock.
 */
#include "world.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static uint64_t next_random(cede_sim *world)
{
    /* splitmix64: a counter through a bijection; every seed is a good one. */
    uint64_t z = world->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t follow(sim_script *script, uint64_t n)
{
    uint32_t at = script->made++;
    uint64_t choice = 0;
    if (at < script->given_count && script->given[at] < n)
        choice = script->given[at];
    if (at < CEDE_SIM_DEPTH_MOST) {
        script->choice[at] = (uint16_t)choice;
        script->among[at] = (uint16_t)n;
    }
    return choice;
}

uint64_t sim_choose(cede_sim *world, uint64_t n)
{
    uint64_t choice;
    if (n < 2)
        return 0;
    world->counts.choices++;
    if (world->script)
        choice = follow(world->script, n > UINT16_MAX ? UINT16_MAX : n);
    else
        choice = next_random(world) % n;
    world->hash = sim_mix(world->hash, (n << 8 | SIM_CHOICE) ^ choice << 32);
    return choice;
}

uint32_t cede_sim_choose(cede_sim *world, uint32_t n)
{
    sim_lock(world);
    uint32_t choice = (uint32_t)sim_choose(world, n);
    sim_unlock(world);
    return choice;
}

bool sim_chance(cede_sim *world, uint32_t permille)
{
    if (permille == 0)
        return false;
    if (permille >= 1000)
        return true;
    if (world->script)
        return sim_choose(world, 2) == 1;
    return sim_choose(world, 1000) < permille;
}

uint64_t sim_shorten(cede_sim *world, uint64_t n)
{
    if (n < 2)
        return n;
    if (world->script) /* one byte and a half stand for all lengths */
        return n > 2 && sim_choose(world, 2) == 1 ? n / 2 : 1;
    return 1 + sim_choose(world, n - 1);
}

uint64_t sim_maybe_short(cede_sim *world, uint64_t bytes)
{
    if (bytes > 1 && sim_chance(world, world->config.short_permille))
        return sim_shorten(world, bytes);
    return bytes;
}

uint64_t sim_mix(uint64_t hash, uint64_t value)
{
    hash ^= value;
    hash *= UINT64_C(0xd6e8feb86659fd93);
    hash ^= hash >> 32;
    hash *= UINT64_C(0xd6e8feb86659fd93);
    return hash ^ (hash >> 29);
}

uint64_t sim_mix_bytes(uint64_t hash, const void *data, size_t bytes)
{
    const uint8_t *at = data;
    for (; bytes >= 8; at += 8, bytes -= 8) {
        /* By value, not by memory: the same on a machine of the other byte order. */
        uint64_t word = 0;
        for (unsigned i = 0; i < 8; i++)
            word |= (uint64_t)at[i] << (8 * i);
        hash = sim_mix(hash, word);
    }
    for (size_t i = 0; i < bytes; i++)
        hash = sim_mix(hash, 0x100u | at[i]);
    return hash;
}

static const char *const what_names[] = {
    [SIM_TAKE] = "take",     [SIM_RUN] = "run",       [SIM_BLOCK] = "block",
    [SIM_HOLD] = "hold",     [SIM_LET_GO] = "let go", [SIM_SEAL] = "seal",
    [SIM_REPORT] = "report", [SIM_CANCEL] = "cancel", [SIM_CANCEL_LOST] = "lose cancel",
    [SIM_REFUSE] = "refuse", [SIM_JUMP] = "jump",     [SIM_CHOICE] = "choose",
    [SIM_PEER] = "peer",     [SIM_CLOSE] = "close",   [SIM_DEADLOCK] = "deadlock",
    [SIM_SIGNAL] = "signal", [SIM_CHILD] = "child",
};

static void render(const sim_event *event, char *line, size_t bytes)
{
    if (event->work)
        (void)snprintf(line, bytes,
                       "%12" PRIu64 " ns  loop %" PRIu32 "  %-11s #%" PRIu64 " %s %" PRId64,
                       event->at_ns, event->loop, what_names[event->what], event->work,
                       cede_op_name(event->op), (int64_t)event->value);
    else
        (void)snprintf(line, bytes, "%12" PRIu64 " ns  %-11s %" PRId64, event->at_ns,
                       what_names[event->what], (int64_t)event->value);
}

void sim_note(cede_sim *world, enum sim_what what, const sim_work *work, uint64_t value)
{
    sim_event *event = &world->event[world->events++ % SIM_EVENTS];
    event->at_ns = world->now_ns;
    event->work = work ? work->serial : 0;
    event->loop = work ? work->loop->serial : 0;
    event->op = work ? work->op : 0;
    event->value = value;
    event->what = (uint8_t)what;
    uint64_t hash = sim_mix(world->hash, event->at_ns);
    hash = sim_mix(hash, event->work << 16 | (uint64_t)event->loop << 8 | event->what);
    world->hash = sim_mix(hash, value ^ (uint64_t)event->op << 56);
    if (world->config.trace) {
        char line[160];
        render(event, line, sizeof line);
        world->config.trace(world->config.trace_context, line);
    }
}

void cede_sim_trace(cede_sim *world, cede_trace_fn *fn, void *context)
{
    sim_lock(world);
    uint64_t at = world->events > SIM_EVENTS ? world->events - SIM_EVENTS : 0;
    for (; at < world->events; at++) {
        char line[160];
        render(&world->event[at % SIM_EVENTS], line, sizeof line);
        fn(context, line);
    }
    sim_unlock(world);
}

static const char *phase_name(const sim_work *work)
{
    switch ((enum sim_phase)work->phase) {
    case SIM_QUEUED:
        return "queued";
    case SIM_BLOCKED:
        return "blocked";
    case SIM_FROZEN:
        return work->hold == SIM_HANGS ? "hanging" : "held at start";
    case SIM_MIDWAY:
        return "held midway";
    case SIM_SEALED:
    case SIM_DONE:
        return "sealed";
    case SIM_FREE:
        break;
    }
    return "free";
}

void sim_describe(const sim_work *work, char *line, size_t bytes)
{
    (void)snprintf(line, bytes,
                   "loop %" PRIu32 " #%" PRIu64 " %s: %s, taken at %" PRIu64
                   " ns, cancelled %" PRIu32 " times%s",
                   work->loop->serial, work->serial, cede_op_name(work->op), phase_name(work),
                   work->born_ns, work->cancels, work->deaf ? ", deaf" : "");
}

struct teller {
    cede_trace_fn *fn;
    void *context;
};

static void tell(sim_work *work, void *context)
{
    const struct teller *teller = context;
    char line[200];
    sim_describe(work, line, sizeof line);
    teller->fn(teller->context, line);
}

void cede_sim_pending(cede_sim *world, cede_trace_fn *fn, void *context)
{
    struct teller teller = {fn, context};
    sim_lock(world);
    sim_each(world, tell, &teller);
    sim_unlock(world);
}
