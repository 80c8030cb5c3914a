/*
 * The table on the terminal. Main thread.
 */
#include "bench.h"

#include <string.h>

#include "machine.h"

static const char *const verdicts[] = {"reached", "NOT reached", "shown"};

void bench_print_head(FILE *to, const bench_env *env)
{
    bench_machine m;
    bench_look_at_machine(&m, env->dir);
    fprintf(
        to,
        "cede %s against its floors and peers: %s, %ld processors, %.0f GiB, %s, %s\n"
        "liburing %s, libuv %s, libevent %s, %s\n"
        "load before: %.2f; medians of %u interleaved rounds; ratios are of cost, less is better\n",
        m.cede, m.processor, m.processors, m.memory_gib, m.kernel, m.file_system, m.liburing,
        m.libuv, m.libevent, m.compiler, m.load, env->rounds);
    if (m.load > 0.5) {
        fputs("the machine is busy with other things; wall times of two threads say little\n", to);
    }
    if (env->quick) {
        fputs("--quick: small and few; do not quote these figures\n", to);
    }
    if (strstr(m.cede, "checked")) {
        fputs("a checked build pays for its checks; do not quote these figures\n", to);
    }
}

static void print_series(FILE *to, const bench_result *result, const bench_series *series)
{
    fprintf(to, "  %-14s", series->who->name);
    if (series->why_not) {
        fprintf(to, "  %s\n", series->why_not);
        return;
    }
    for (unsigned m = 0; m < BENCH_MEASURES && result->of->measures[m].name; m++) {
        fprintf(to, " %9.*f", series->median[m] < 100 ? 1 : 0, series->median[m]);
        fprintf(to, " ±%2.0f%%", 100 * series->spread[m]);
        if (series->of_floor[m] > 0) {
            fprintf(to, " %7.2f", series->of_floor[m]);
        } else {
            fprintf(to, " %7s", "");
        }
    }
    if (series->instructions >= 0) {
        fprintf(to, "  %.0f instructions", series->instructions);
    }
    if (series->who->role == BENCH_CEDE) {
        fprintf(to, "  %llu allocations", (unsigned long long)series->allocations);
    }
    fputc('\n', to);
}

static void print_verdict(FILE *to, const bench_result *result, const bench_verdict *verdict)
{
    const bench_case *of = result->of;
    char text[64];
    const char *goal = text;
    if (verdict->goal) {
        goal = verdict->goal->text;
    } else if (of->instructions_limit > 0) {
        snprintf(text, sizeof text, "at most %.0f instructions", of->instructions_limit);
    } else {
        snprintf(text, sizeof text, "at most %.0f instructions above the floor",
                 of->instructions_above_floor);
    }
    fprintf(to, "%-44s %s: %s\n", goal, verdict->text, verdicts[verdict->is]);
}

void bench_print_result(FILE *to, const bench_result *result)
{
    const bench_case *of = result->of;
    fprintf(to, "\n%s %s, %s\n  %-14s", result->row->id, result->row->title, of->name, "");
    for (unsigned m = 0; m < BENCH_MEASURES && of->measures[m].name; m++) {
        char head[32];
        snprintf(head, sizeof head, "%s %s", of->measures[m].name, of->measures[m].unit);
        fprintf(to, " %14s %7s", head, "floor=1");
    }
    fputc('\n', to);
    for (unsigned i = 0; i < result->count; i++) {
        print_series(to, result, &result->series[i]);
    }
    for (unsigned i = 0; i < result->verdicts; i++) {
        fputs("  goal: ", to);
        print_verdict(to, result, &result->verdict[i]);
    }
    if (result->no_instructions) {
        fprintf(to, "  instructions not counted: %s\n", result->no_instructions);
    }
}

void bench_print_summary(FILE *to, const bench_result *results, unsigned count)
{
    unsigned reached = 0, missed = 0;
    for (unsigned i = 0; i < count; i++) {
        for (unsigned v = 0; v < results[i].verdicts; v++) {
            reached += results[i].verdict[v].is == BENCH_REACHED;
            missed += results[i].verdict[v].is == BENCH_NOT_REACHED;
        }
    }
    if (reached + missed == 0) {
        return;
    }
    fprintf(to, "\n%u of %u goals reached\n", reached, reached + missed);
    for (unsigned i = 0; i < count; i++) {
        for (unsigned v = 0; v < results[i].verdicts; v++) {
            if (results[i].verdict[v].is == BENCH_NOT_REACHED) {
                fprintf(to, "  %-4s %-16s ", results[i].row->id, results[i].of->name);
                print_verdict(to, &results[i], &results[i].verdict[v]);
            }
        }
    }
}
