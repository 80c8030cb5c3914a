/*
 * Many runs of one program: for a range of seeds, or along every sequence of choices. The second
 * is a depth-first walk without saved states: a run records what it was asked and what it chose;
 * the next run repeats the longest prefix whose last choice can still be raised. On the caller's
 * thread; worlds live for one run.
 */
#include "world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define WAITS_MOST 1000000u /* a run that never ends is a failure, not a wait for ever */

static cede_sim_config settings(const cede_sim_config *given)
{
    cede_sim_config config = given ? *given : (cede_sim_config){0};
    config.flags |= CEDE_SIM_DEADLOCK_FAILS;
    config.patience_ns = 0;
    if (config.waits_most == 0)
        config.waits_most = WAITS_MOST;
    return config;
}

/* One run. Out of memory is CEDE_ENOMEM, like a program's own failure of that number. */
static int run(const cede_sim_config *config, sim_script *script, cede_sim_program *program,
               void *context, cede_sim_stats *stats)
{
    cede_sim_counts counts;
    cede_sim *world = sim_new_scripted(config, script);
    if (!world)
        return CEDE_ENOMEM;
    int failure = program(world, context);
    cede_sim_count(world, &counts);
    if (failure == 0 && counts.deadlocks > 0)
        failure = CEDE_EDEADLK;
    /* A program that failed may have left its loop: then the world must stay, too. */
    (void)cede_sim_free(world);
    stats->runs++;
    stats->choices += counts.choices;
    if (counts.choices > stats->deepest)
        stats->deepest = (uint32_t)(counts.choices < UINT32_MAX ? counts.choices : UINT32_MAX);
    return failure;
}

cede_status cede_sim_seeds(const cede_sim_config *given, cede_sim_program *program, void *context,
                           uint64_t first, uint64_t count, cede_sim_stats *out)
{
    cede_sim_stats own = {0};
    cede_sim_stats *stats = out ? out : &own;
    cede_sim_config config = settings(given);
    *stats = (cede_sim_stats){0};
    for (uint64_t i = 0; i < count; i++) {
        config.seed = first + i;
        stats->failure = run(&config, NULL, program, context, stats);
        if (stats->failure != 0) {
            stats->by_seed = true;
            stats->seed = config.seed;
            return CEDE_EUNKNOWN;
        }
    }
    stats->complete = true;
    return CEDE_OK;
}

/* What the run before was asked, to see whether the program repeats itself. */
static bool repeats(const sim_script *now, const sim_script *before, uint32_t prefix)
{
    for (uint32_t i = 0; i < prefix; i++) {
        if (i >= now->made || now->among[i] != before->among[i])
            return false;
    }
    return true;
}

/* Raises the last choice that can be; false: all have been walked. */
static bool next_prefix(const sim_script *script, uint32_t depth, uint16_t *given, uint32_t *count)
{
    uint32_t at = script->made < depth ? script->made : depth;
    while (at > 0 && script->choice[at - 1] + 1u >= script->among[at - 1])
        at--;
    if (at == 0)
        return false;
    memcpy(given, script->choice, at * sizeof *given);
    given[at - 1]++;
    *count = at;
    return true;
}

static void keep_failure(cede_sim_stats *stats, const sim_script *script)
{
    uint32_t count = script->made < CEDE_SIM_DEPTH_MOST ? script->made : CEDE_SIM_DEPTH_MOST;
    while (count > 0 && script->choice[count - 1] == 0)
        count--; /* the plain way needs no telling */
    memcpy(stats->choice, script->choice, count * sizeof *stats->choice);
    stats->choice_count = count;
}

cede_status cede_sim_explore(const cede_sim_config *given, cede_sim_program *program, void *context,
                             uint32_t depth_most, uint64_t runs_most, cede_sim_stats *out)
{
    cede_sim_stats own = {0};
    cede_sim_stats *stats = out ? out : &own;
    cede_sim_config config = settings(given);
    sim_script *script = calloc(2, sizeof *script);
    uint16_t *prefix = calloc(CEDE_SIM_DEPTH_MOST, sizeof *prefix);
    uint32_t count = 0, depth = depth_most < CEDE_SIM_DEPTH_MOST ? depth_most : CEDE_SIM_DEPTH_MOST;
    cede_status status = script && prefix ? CEDE_OK : CEDE_ENOMEM;
    *stats = (cede_sim_stats){0};
    while (status == CEDE_OK && (runs_most == 0 || stats->runs < runs_most)) {
        script[1] = script[0];
        script[0].given = prefix;
        script[0].given_count = count;
        script[0].made = 0;
        stats->failure = run(&config, &script[0], program, context, stats);
        if (stats->failure != 0) {
            keep_failure(stats, &script[0]);
            status = CEDE_EUNKNOWN;
        } else if (!repeats(&script[0], &script[1], count)) {
            status = CEDE_EINVAL;
        } else {
            stats->cut = stats->cut || script[0].made > depth;
            stats->complete = !next_prefix(&script[0], depth, prefix, &count);
            if (stats->complete)
                break;
        }
    }
    free(script);
    free(prefix);
    return status;
}

int cede_sim_replay(const cede_sim_config *given, cede_sim_program *program, void *context,
                    const uint16_t *choice, uint32_t count)
{
    cede_sim_config config = settings(given);
    cede_sim_stats stats = {0};
    sim_script *script = calloc(1, sizeof *script);
    if (!script)
        return CEDE_ENOMEM;
    script->given = choice;
    script->given_count = count;
    int failure = run(&config, script, program, context, &stats);
    free(script);
    return failure;
}

char *cede_sim_explain(const cede_sim_stats *stats, char *text, size_t bytes)
{
    size_t used = 0;
    int part = snprintf(text, bytes, stats->by_seed ? "seed %" PRIu64 : "choices", stats->seed);
    for (uint32_t i = 0; i < stats->choice_count && !stats->by_seed; i++) {
        used += part > 0 ? (size_t)part : 0;
        if (used >= bytes)
            break;
        part = snprintf(text + used, bytes - used, " %u", (unsigned)stats->choice[i]);
    }
    return text;
}
