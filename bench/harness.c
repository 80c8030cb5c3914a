/*
 * Running one case: contestants opened, calibrated, run in turn, their figures put together.
 *
 * Ratios are taken within a round, between neighbours in time, and the median of these is what is
 * judged: the quotient of two medians would mix moments between which the machine has drifted.
 */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

#include "heap.h"

enum { ROUND_LIMIT_S = 60, COUNT_LIMIT_S = 300 };

void bench_start(bench_run *run)
{
    run->start_allocations = bench_cede_allocations();
    run->start_heap = heap_allocations();
    run->start_cpu_ns = bench_cpu_ns();
    run->start_wall_ns = bench_wall_ns();
    bench_count_marker();
}

void bench_stop(bench_run *run)
{
    bench_count_marker();
    uint64_t wall_ns = bench_wall_ns() - run->start_wall_ns;
    uint64_t cpu_ns = bench_cpu_ns() - run->start_cpu_ns;
    run->allocations = bench_cede_allocations() - run->start_allocations;
    run->heap = heap_allocations() - run->start_heap;
    run->out[0] = (double)wall_ns / (double)run->ops;
    run->out[1] = (double)cpu_ns / (double)run->ops;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median of up to BENCH_ROUNDS values; *spread, if wanted, half the quartiles' distance. */
static double median(const double *values, unsigned count, double *spread)
{
    double sorted[BENCH_ROUNDS];
    memcpy(sorted, values, count * sizeof *values);
    qsort(sorted, count, sizeof *sorted, compare);
    double middle = (sorted[count / 2] + sorted[(count - 1) / 2]) / 2;
    if (spread) {
        *spread = middle > 0 ? (sorted[3 * count / 4] - sorted[count / 4]) / 2 / middle : 0;
    }
    return middle;
}

static double cost(const bench_result *result, unsigned who, unsigned measure, unsigned round)
{
    double value = result->series[who].rounds[measure][round];
    return result->of->measures[measure].more_is_better ? 1 / value : value;
}

/* The median over the rounds of what `a` costs, in units of what `b` costs. */
static double ratio(const bench_result *result, unsigned a, unsigned b, unsigned measure)
{
    double ratios[BENCH_ROUNDS] = {0};
    for (unsigned i = 0; i < result->rounds; i++) {
        ratios[i] = cost(result, a, measure, i) / cost(result, b, measure, i);
    }
    return median(ratios, result->rounds, NULL);
}

/* The first contestant of that role, or with that name, that took part; -1: none. */
static int find(const bench_result *result, bench_role role, const char *name)
{
    for (unsigned i = 0; i < result->count; i++) {
        const bench_series *series = &result->series[i];
        if (!series->why_not &&
            (name ? strcmp(series->who->name, name) == 0 : series->who->role == role)) {
            return (int)i;
        }
    }
    return -1;
}

/* ---- Judging --------------------------------------------------------------------------------- */

/* Which contestant a goal holds cede against; -1: none took part. */
static int opponent(const bench_result *result, const bench_goal *goal)
{
    int best = -1;
    if (goal->against != BENCH_BEST_PEER) {
        return find(result, BENCH_FLOOR, goal->against == BENCH_FLOOR_GROWTH ? NULL : goal->who);
    }
    for (unsigned i = 0; i < result->count; i++) {
        const bench_series *series = &result->series[i];
        if (series->who->role == BENCH_PEER && !series->why_not &&
            (best < 0 || ratio(result, i, (unsigned)best, goal->measure) < 1)) {
            best = (int)i;
        }
    }
    return best;
}

static void judge(bench_result *result, const bench_goal *goal, unsigned cede)
{
    bench_verdict *verdict = &result->verdict[result->verdicts];
    const bench_series *series = &result->series[cede];
    const bench_measure *measure = &result->of->measures[goal->measure];
    int other = goal->against == BENCH_ABSOLUTE ? (int)cede : opponent(result, goal);
    double found;

    if (other < 0) {
        return;
    }
    verdict->goal = goal;
    if (goal->against == BENCH_ABSOLUTE) {
        found = series->median[goal->measure];
        snprintf(verdict->text, sizeof verdict->text, "%.1f %s", found, measure->unit);
    } else if (goal->against == BENCH_FLOOR_GROWTH) {
        const bench_series *floor = &result->series[other];
        double own = series->median[goal->measure] / series->median[goal->base];
        double its = floor->median[goal->measure] / floor->median[goal->base];
        found = own / its;
        snprintf(verdict->text, sizeof verdict->text, "%.1f times, the floor %.1f", own, its);
    } else {
        found = ratio(result, cede, (unsigned)other, goal->measure);
        double shown = measure->more_is_better || goal->limit < 1 ? 1 / found : found;
        snprintf(verdict->text, sizeof verdict->text, "%.2f%s of %s", shown,
                 measure->more_is_better ? ""
                 : goal->limit < 1       ? " times the speed"
                                         : "",
                 result->series[other].who->name);
    }
    verdict->found = found;
    verdict->is = goal->against == BENCH_SHOWN ? BENCH_NO_VERDICT
                  : found <= goal->limit       ? BENCH_REACHED
                                               : BENCH_NOT_REACHED;
    result->verdicts++;
}

/* The goal of the instructions, which are no measure of the rounds. */
static void judge_instructions(bench_result *result, unsigned cede)
{
    const bench_case *of = result->of;
    bench_verdict *verdict = &result->verdict[result->verdicts];
    int floor = find(result, BENCH_FLOOR, NULL);
    double found = result->series[cede].instructions;
    double limit = of->instructions_limit;

    if (found < 0 || (limit <= 0 && of->instructions_above_floor <= 0)) {
        return;
    }
    if (limit <= 0) {
        if (floor < 0 || result->series[floor].instructions < 0) {
            return;
        }
        found -= result->series[floor].instructions;
        limit = of->instructions_above_floor;
    }
    snprintf(verdict->text, sizeof verdict->text, "%.0f", found);
    verdict->found = found;
    verdict->is = found <= limit ? BENCH_REACHED : BENCH_NOT_REACHED;
    result->verdicts++;
}

static void summarize(bench_result *result)
{
    int floor = find(result, BENCH_FLOOR, NULL), cede = find(result, BENCH_CEDE, NULL);
    for (unsigned i = 0; i < result->count; i++) {
        bench_series *series = &result->series[i];
        for (unsigned m = 0; m < BENCH_MEASURES && result->of->measures[m].name; m++) {
            if (!series->why_not) {
                series->median[m] = median(series->rounds[m], result->rounds, &series->spread[m]);
                /* Where the floor costs nothing (memory), nothing is a multiple of it. */
                series->of_floor[m] = floor < 0 || result->series[floor].rounds[m][0] <= 0
                                          ? 0
                                          : ratio(result, i, (unsigned)floor, m);
            }
        }
    }
    if (cede >= 0) {
        for (unsigned g = 0; g < BENCH_GOALS && result->of->goals[g].text; g++) {
            judge(result, &result->of->goals[g], (unsigned)cede);
        }
        judge_instructions(result, (unsigned)cede);
    }
}

/* ---- Running --------------------------------------------------------------------------------- */

static bool wanted(const bench_env *env, const char *name)
{
    size_t length = strlen(name);
    const char *at = env->who;
    while (at && *at && !(strncmp(at, name, length) == 0 && strchr(",", at[length]))) {
        at += strcspn(at, ",");
        at += *at == ',';
    }
    return !at || *at;
}

/* How many operations fill a round; also warms caches, pools and the library's free lists up. */
static uint64_t calibrate(const bench_env *env, const bench_row *row, const bench_case *of,
                          const bench_contestant *who, void *self)
{
    bench_run run = {.env = env, .of = of, .ops = of->fixed ? of->size : 512};
    for (int i = 0; i < 4 && !(env->quick && of->slow); i++) {
        bench_guard(ROUND_LIMIT_S, row, of, who->name);
        who->round(self, &run);
        double ns = run.out[0] * (double)run.ops, target = (double)env->round_ns;
        if (of->fixed || ns > target * 0.7) {
            break;
        }
        double factor = ns > 0 ? target / ns : 16;
        run.ops = (uint64_t)((double)run.ops * (factor > 64 ? 64 : factor));
    }
    return run.ops;
}

static void count_instructions(const bench_env *env, bench_result *result)
{
    for (unsigned i = 0; i < result->count && !bench_interrupted(); i++) {
        bench_series *series = &result->series[i];
        if (!series->why_not && series->who->role != BENCH_PEER) {
            bench_guard(COUNT_LIMIT_S, result->row, result->of, series->who->name);
            series->instructions = bench_count_instructions(env, result->row, result->of,
                                                            series->who, &result->no_instructions);
        }
    }
}

static void run_rounds(const bench_env *env, bench_result *result, void **self)
{
    const bench_row *row = result->row;
    const bench_case *of = result->of;
    unsigned rounds = env->rounds;
    if (of->rounds_max && rounds > of->rounds_max) {
        rounds = of->rounds_max;
    }
    if (env->quick && of->fixed && rounds > 3) {
        rounds = of->slow ? 1 : 3;
    }
    for (unsigned r = 0; r < rounds && !bench_interrupted(); r++) {
        for (unsigned i = 0; i < result->count; i++) {
            bench_series *series = &result->series[i];
            bench_run run = {.env = env, .of = of, .ops = series->ops};
            if (series->why_not) {
                continue;
            }
            bench_guard(ROUND_LIMIT_S, row, of, series->who->name);
            series->who->round(self[i], &run);
            for (unsigned m = 0; m < BENCH_MEASURES; m++) {
                series->rounds[m][r] = run.out[m];
            }
            if (series->who->role == BENCH_CEDE && run.allocations > series->allocations) {
                series->allocations = run.allocations;
            }
        }
        result->rounds = r + 1;
    }
}

bool bench_run_case(const bench_env *env, const bench_row *row, const bench_case *of,
                    bool instructions, bench_result *result)
{
    void *self[BENCH_CONTESTANTS] = {NULL};
    unsigned able = 0;

    *result = (bench_result){.row = row, .of = of};
    for (unsigned i = 0; i < BENCH_CONTESTANTS && of->contestants[i]; i++) {
        const bench_contestant *who = of->contestants[i];
        if (wanted(env, who->name)) {
            bench_series *series = &result->series[result->count];
            series->who = who;
            bench_guard(ROUND_LIMIT_S, row, of, who->name);
            series->instructions = -1;
            self[result->count] = who->open(env, of, &series->why_not);
            if (self[result->count]) {
                series->why_not = NULL;
                series->ops = calibrate(env, row, of, who, self[result->count]);
                able++;
            } else if (!series->why_not) {
                series->why_not = "not possible here";
            }
            result->count++;
        }
    }
    run_rounds(env, result, self);
    for (unsigned i = 0; i < result->count; i++) {
        if (self[i]) {
            bench_guard(ROUND_LIMIT_S, row, of, result->series[i].who->name);
            result->series[i].who->close(self[i]);
        }
    }
    if (of->instructions && instructions && able) {
        count_instructions(env, result);
    }
    bench_guard(0, NULL, NULL, NULL);
    if (result->rounds) {
        summarize(result);
    }
    return result->rounds > 0 && result->count > 0;
}
