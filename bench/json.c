/*
 * The results for programs: JSON with every round, and the lines for bench/plot.gp. Main thread.
 */
#include "bench.h"

#include "machine.h"

static const char *const roles[] = {"floor", "peer", "cede"};
static const char *const verdicts[] = {"reached", "not reached", "shown"};

/* A string; names and texts are ours or the machine's, plain but for quotes and backslashes. */
static void text(FILE *to, const char *key, const char *value, const char *end)
{
    fprintf(to, "\"%s\": \"", key);
    for (; *value; value++) {
        if (*value == '"' || *value == '\\') {
            fputc('\\', to);
        }
        fputc((unsigned char)*value < ' ' ? ' ' : *value, to);
    }
    fprintf(to, "\"%s", end);
}

static void machine(FILE *to, const bench_env *env)
{
    bench_machine m;
    bench_look_at_machine(&m, env->dir);
    text(to, "when", m.when, ",\n  ");
    fputs("\"machine\": {", to);
    text(to, "processor", m.processor, ", ");
    text(to, "kernel", m.kernel, ", ");
    text(to, "file_system", m.file_system, ", ");
    fprintf(to, "\"processors\": %ld, \"memory_gib\": %.1f, \"load_before\": %.2f},\n  ",
            m.processors, m.memory_gib, m.load);
    fputs("\"versions\": {", to);
    text(to, "cede", m.cede, ", ");
    text(to, "liburing", m.liburing, ", ");
    text(to, "libuv", m.libuv, ", ");
    text(to, "libevent", m.libevent, ", ");
    text(to, "compiler", m.compiler, "},\n  ");
}

static void one_series(FILE *to, const bench_result *result, const bench_series *series)
{
    fputs("      {", to);
    text(to, "name", series->who->name, ", ");
    text(to, "role", roles[series->who->role], "");
    if (series->why_not) {
        fputs(", ", to);
        text(to, "why_not", series->why_not, "}");
        return;
    }
    fprintf(to, ", \"ops_a_round\": %llu", (unsigned long long)series->ops);
    if (series->instructions >= 0) {
        fprintf(to, ", \"instructions\": %.2f", series->instructions);
    }
    if (series->who->role == BENCH_CEDE) {
        fprintf(to, ", \"allocations\": %llu", (unsigned long long)series->allocations);
    }
    fputs(",\n       \"measures\": [", to);
    for (unsigned m = 0; m < BENCH_MEASURES && result->of->measures[m].name; m++) {
        fputs(m ? ",\n         {" : "\n         {", to);
        text(to, "name", result->of->measures[m].name, ", ");
        text(to, "unit", result->of->measures[m].unit, ", ");
        fprintf(to, "\"median\": %.4g, \"spread\": %.3f, \"cost_of_floor\": %.4f, \"rounds\": [",
                series->median[m], series->spread[m], series->of_floor[m]);
        for (unsigned r = 0; r < result->rounds; r++) {
            fprintf(to, "%s%.5g", r ? ", " : "", series->rounds[m][r]);
        }
        fputs("]}", to);
    }
    fputs("]}", to);
}

static void one_result(FILE *to, const bench_result *result)
{
    fputs("    {", to);
    text(to, "row", result->row->id, ", ");
    text(to, "title", result->row->title, ", ");
    text(to, "case", result->of->name, ",\n     \"contestants\": [\n");
    for (unsigned i = 0; i < result->count; i++) {
        one_series(to, result, &result->series[i]);
        fputs(i + 1 < result->count ? ",\n" : "],\n", to);
    }
    fputs("     \"goals\": [", to);
    for (unsigned i = 0; i < result->verdicts; i++) {
        const bench_verdict *verdict = &result->verdict[i];
        fputs(i ? ",\n       {" : "\n       {", to);
        text(to, "goal", verdict->goal ? verdict->goal->text : "instructions", ", ");
        text(to, "found", verdict->text, ", ");
        fprintf(to, "\"value\": %.4g, ", verdict->found);
        text(to, "is", verdicts[verdict->is], "}");
    }
    fputs("]}", to);
}

void bench_write_json(FILE *to, const bench_env *env, const bench_result *results, unsigned count)
{
    fputs("{\n  \"format\": 1,\n  ", to);
    fprintf(to, "\"quick\": %s,\n  ", env->quick ? "true" : "false");
    machine(to, env);
    fputs("\"results\": [\n", to);
    for (unsigned i = 0; i < count; i++) {
        one_result(to, &results[i]);
        fputs(i + 1 < count ? ",\n" : "\n", to);
    }
    fputs("  ]\n}\n", to);
}

/* Tab-separated: number, case, cede, then the cheapest and the dearest peer, as costs in units of
 * the floor's, of the measure that the case wants plotted; NaN where there is none. */
void bench_write_plot_data(FILE *to, const bench_result *results, unsigned count)
{
    fputs("number\tcase\tcede\tbest peer\tworst peer\n", to);
    for (unsigned i = 0; i < count; i++) {
        const bench_result *result = &results[i];
        double cede = 0, least = 0, most = 0;
        for (unsigned s = 0; s < result->count; s++) {
            const bench_series *series = &result->series[s];
            double value = series->of_floor[result->of->plotted];
            if (series->who->role == BENCH_CEDE) {
                cede = value;
            } else if (series->who->role == BENCH_PEER && value > 0) {
                least = least == 0 || value < least ? value : least;
                most = value > most ? value : most;
            }
        }
        fprintf(to, "%u\t%s %s, %s\t", i + 1, result->row->id, result->of->name,
                result->of->measures[result->of->plotted].name);
        const double figures[] = {cede, least, most};
        for (unsigned f = 0; f < 3; f++) {
            if (figures[f] > 0) {
                fprintf(to, "%.4f%s", figures[f], f < 2 ? "\t" : "\n");
            } else {
                fprintf(to, "NaN%s", f < 2 ? "\t" : "\n");
            }
        }
    }
}
