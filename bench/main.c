/*
 * cede-bench: the options, the list of rows, and the order of the run. Main thread.
 */
#include "bench.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "echo.h"
#include "env.h"
#include "load.h"

const bench_row *const bench_rows[] = {&bench_b1,  &bench_b2,  &bench_b3,  &bench_b4,  &bench_b5,
                                       &bench_b6,  &bench_b7,  &bench_b8,  &bench_b9,  &bench_b10,
                                       &bench_b11, &bench_b12, &bench_b13, &bench_b14, &bench_b15};
const unsigned bench_row_count = sizeof bench_rows / sizeof bench_rows[0];

enum { RESULTS = 64 };

struct options {
    const char *rows, *dir, *json, *plot_data, *child_dir;
    bool no_instructions, list, load, idle;
};

static const char usage[] =
    "usage: cede-bench [--rows B1,B2] [--who floor,cede] [--rounds N] [--quick] [--dir DIR]\n"
    "                  [--json FILE] [--plot-data FILE] [--no-instructions] [--list]\n";

static const struct option long_options[] = {
    {"rows", required_argument, NULL, 'r'},
    {"who", required_argument, NULL, 'w'},
    {"rounds", required_argument, NULL, 'n'},
    {"quick", no_argument, NULL, 'q'},
    {"dir", required_argument, NULL, 'd'},
    {"json", required_argument, NULL, 'j'},
    {"plot-data", required_argument, NULL, 'p'},
    {"no-instructions", no_argument, NULL, 'i'},
    {"list", no_argument, NULL, 'l'},
    {"help", no_argument, NULL, 'h'},
    {"counted-child", required_argument, NULL, 'c'}, /* from icount.c, not for people */
    {"load", no_argument, NULL, 'L'},                /* from load.c, the same */
    {"idle", no_argument, NULL, 'I'},                /* from b13_idle.c */
    {NULL, 0, NULL, 0},
};

static void parse(int argc, char **argv, struct options *o, bench_env *env)
{
    int c;
    while ((c = getopt_long(argc, argv, "", long_options, NULL)) >= 0) {
        switch (c) {
        case 'r':
            o->rows = optarg;
            break;
        case 'w':
            env->who = optarg;
            break;
        case 'n':
            env->rounds = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'q':
            env->quick = true;
            break;
        case 'd':
            o->dir = optarg;
            break;
        case 'j':
            o->json = optarg;
            break;
        case 'p':
            o->plot_data = optarg;
            break;
        case 'i':
            o->no_instructions = true;
            break;
        case 'l':
            o->list = true;
            break;
        case 'c':
            o->child_dir = optarg;
            break;
        case 'I':
            o->idle = true;
            break;
        case 'L':
            o->load = true;
            break;
        default:
            fputs(usage, c == 'h' ? stdout : stderr);
            exit(c == 'h' ? 0 : 2);
        }
    }
    if (optind < argc && !o->child_dir && !o->idle) {
        fputs(usage, stderr);
        exit(2);
    }
}

static const bench_row *row_called(const char *name, size_t length)
{
    for (unsigned i = 0; i < bench_row_count; i++) {
        if (strlen(bench_rows[i]->id) == length && strncmp(bench_rows[i]->id, name, length) == 0) {
            return bench_rows[i];
        }
    }
    bench_die("no row is called %.*s; --list shows them", (int)length, name);
}

/* One row's cases, added to the results. */
static void run_row(const bench_env *env, const bench_row *row, bool instructions,
                    bench_result *results, unsigned *count)
{
    for (unsigned i = 0; i < row->case_count && !bench_interrupted(); i++) {
        bench_result *result = &results[*count];
        if (*count == RESULTS) {
            bench_die("more than %d cases", RESULTS);
        }
        if (bench_run_case(env, row, &row->cases[i], instructions, result)) {
            bench_print_result(stdout, result);
            fflush(stdout);
            *count += 1;
        }
    }
}

static FILE *output(const char *path)
{
    FILE *to = path ? fopen(path, "w") : NULL;
    if (path && !to) {
        bench_die("cannot write %s", path);
    }
    return to;
}

int main(int argc, char **argv)
{
    static bench_result results[RESULTS];
    struct options o = {0};
    bench_env env = {0};
    unsigned count = 0;

    parse(argc, argv, &o, &env);
    if (o.load) {
        return load_main(STDIN_FILENO);
    }
    if (o.idle) {
        return idle_main(argv[optind], strtoull(argv[optind + 1], NULL, 10));
    }
    if (o.child_dir) {
        env.dir = o.child_dir;
        return bench_counted_child(&env, argv + optind);
    }
    if (o.list) {
        for (unsigned i = 0; i < bench_row_count; i++) {
            printf("%-4s %s\n", bench_rows[i]->id, bench_rows[i]->title);
        }
        return 0;
    }
    /* Before anything is measured: a path that cannot be written should not cost five minutes. */
    FILE *json = output(o.json);
    FILE *plot_data = output(o.plot_data);

    env.rounds = env.rounds ? env.rounds : env.quick ? 5 : 15;
    env.rounds = env.rounds > BENCH_ROUNDS ? BENCH_ROUNDS : env.rounds;
    env.round_ns = env.quick ? 8000000 : 80000000;
    bench_env_open(&env, o.dir);
    bench_print_head(stdout, &env);

    for (const char *at = o.rows; at && *at;) {
        size_t length = strcspn(at, ",");
        run_row(&env, row_called(at, length), !o.no_instructions, results, &count);
        at += length + (at[length] != 0);
    }
    for (unsigned i = 0; !o.rows && i < bench_row_count; i++) {
        run_row(&env, bench_rows[i], !o.no_instructions, results, &count);
    }

    bench_print_summary(stdout, results, count);
    if (json) {
        bench_write_json(json, &env, results, count);
        fclose(json);
    }
    if (plot_data) {
        bench_write_plot_data(plot_data, results, count);
        fclose(plot_data);
    }
    bench_env_close(&env);
    return bench_interrupted() ? 130 : 0;
}
