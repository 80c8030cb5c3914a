/*
 * The runner: chooses cases, runs each schedule in a child process, reports.
 *
 * The parent never touches the library, so each child finds it as fresh as a new program would. A
 * schedule's variants share a child; under S9 each k has its own.
 */
#include "inner.h"
#include "report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct settings {
    const char *backend;
    const char *pattern;
    uint32_t only_schedule; /* CFT_SCHEDULES: all */
    bool only_variant;      /* with variant and k */
    uint32_t variant;
    uint64_t k;
    uint64_t seed;
    uint32_t repeat;
    uint32_t limit_seconds;
    const char *junit;
    bool tap, list, verbose, fork;
} settings;

typedef struct job {
    const settings *set;
    const cft_case *kase;
    const cft_world *world;
    cft_board *board;
    uint32_t schedule;
    uint32_t variant; /* S9 only */
    uint64_t k;       /* S9 only */
} job;

#define SEEDS      4u  /* of S5 and S10 */
#define ORDERS     24u /* seeds of S11 */
#define FAULTS_MAX 400u
#define STEPS_MAX  400u

/* ---- In the child --------------------------------------------------------------------------- */

static int run_one(const job *job, uint32_t round, uint32_t variant, uint64_t k, void *given)
{
    cft *t = calloc(1, sizeof *t);
    if (!t)
        abort();
    t->kase = job->kase;
    t->world = job->world;
    t->board = job->board;
    t->schedule = job->schedule;
    t->variant = variant;
    t->k = k;
    t->given = given;
    t->base_seed = job->set->seed + round;
    t->seed = cft_mix(cft_mix(t->base_seed, cft_hash(job->kase->name)), variant);
    t->limit_seconds = job->set->limit_seconds;
    t->verbose = job->set->verbose;
    snprintf(t->board->at, sizeof t->board->at, "%s S%u/%u/%" PRIu64 " seed %" PRIu64,
             job->world->name, t->schedule, variant, k, t->base_seed);
    if (t->verbose)
        printf("# run %s.%s %s\n", job->world->name, job->kase->name, t->board->at);
    cft_os_watch(t->limit_seconds, cft_late_exit, t);
    int code = cft_run_once(t);
    cft_os_watch(0, NULL, NULL);
    free(t);
    return code;
}

static uint32_t variants_of(const cft_world *world, uint32_t schedule)
{
    uint32_t own = world->variants ? world->variants(schedule) : 0;
    if (own)
        return own;
    if (schedule == 5 || schedule == 10)
        return SEEDS;
    return schedule == 11 ? ORDERS : 1;
}

/* S11's last variant: every order there is. A failure has ended the process before. */
static int explore_program(void *context, void *given)
{
    const job *job = context;
    return run_one(job, 0, ORDERS, 0, given);
}

static void explore(const job *job)
{
    const settings *set = job->set;
    if (job->schedule != 11 || !job->world->explore)
        return;
    if (set->only_variant && set->variant != ORDERS)
        return;
    job->world->explore(explore_program, (void *)job);
}

/* A schedule's variants, one after the other. */
static int child_main(void *context)
{
    const job *job = context;
    const settings *set = job->set;
    cft_faults_install();
    uint32_t variants = variants_of(job->world, job->schedule);
    for (uint32_t round = 0; round < set->repeat; round++) {
        for (uint32_t v = 0; v < variants; v++) {
            if (set->only_variant && set->variant != v)
                continue;
            uint64_t k = job->schedule == 12 ? 1 : 0;
            if (set->only_variant && set->k)
                k = set->k;
            for (;;) {
                int code = run_one(job, round, v, k, NULL);
                if (code == CFT_EXIT_NO_MORE)
                    break;
                if (code != CFT_EXIT_OK)
                    return code;
                if (job->schedule != 12 || set->only_variant || ++k > STEPS_MAX)
                    break;
            }
        }
    }
    explore(job);
    return CFT_EXIT_OK;
}

static int fault_child(void *context)
{
    const job *job = context;
    cft_faults_install();
    return run_one(job, 0, job->variant, job->k, NULL);
}

/* ---- In the parent -------------------------------------------------------------------------- */

typedef struct tally {
    bool failed;
    bool skipped;
    char *text;
} tally;

/* What a child's end means. True: go on. */
static bool judge(const job *job, cft_end *end, tally *sum)
{
    const settings *set = job->set;
    if (end->code == CFT_EXIT_OK || end->code == CFT_EXIT_NO_MORE) {
        free(end->output);
        return true;
    }
    if (end->code == CFT_EXIT_SKIP) {
        const char *evidence = "";
        const char *reason =
            cft_excuse(job->kase->name, job->world->name, job->board->skip, &evidence);
        char text[512];
        if (reason)
            snprintf(text, sizeof text, "%s: %s (%s)", job->board->skip, reason, evidence);
        else
            snprintf(text, sizeof text, "# skipped for \"%s\", which deviations.def does not know",
                     job->board->skip);
        free(end->output);
        end->output = NULL;
        sum->skipped = reason != NULL;
        sum->failed = !reason;
        sum->text = malloc(strlen(text) + 1);
        if (sum->text)
            strcpy(sum->text, text);
        return false;
    }
    sum->failed = true;
    size_t room = end->bytes + 512;
    sum->text = malloc(room);
    if (!sum->text)
        abort();
    int at = snprintf(sum->text, room, "# %s in %s: ", job->kase->name, job->board->at);
    if (end->hung)
        at += snprintf(sum->text + at, room - (size_t)at,
                       "killed, its watchdog did not get through (stuck in the kernel?)\n");
    else if (end->signal)
        at += snprintf(sum->text + at, room - (size_t)at, "ended by signal %d\n", end->signal);
    else
        at += snprintf(sum->text + at, room - (size_t)at, "exit code %d\n", end->code);
    snprintf(sum->text + at, room - (size_t)at, "%s", end->output ? end->output : "");
    if (!set->verbose)
        fputs(sum->text, set->tap ? stdout : stderr);
    free(end->output);
    return false;
}

static bool run_child(const job *job, int (*fn)(void *), tally *sum, int *code)
{
    /* The second line behind the child's own watchdog, which counts anew for each run in it. */
    uint32_t limit = job->set->limit_seconds * 4 + 30;
    if (!job->set->fork) {
        *code = fn((void *)job);
        cft_end end = {*code, 0, false, NULL, 0};
        return judge(job, &end, sum);
    }
    cft_end end = cft_os_child(fn, (void *)job, limit, job->set->verbose);
    *code = end.code;
    return judge(job, &end, sum);
}

static bool run_faults(job *job, tally *sum)
{
    uint32_t modes = CFT_ALLOC_MODES + job->world->fault_modes;
    int code = 0;
    for (job->variant = 0; job->variant < modes; job->variant++) {
        if (job->set->only_variant && job->set->variant != job->variant)
            continue;
        for (job->k = 1; job->k <= FAULTS_MAX; job->k++) {
            if (job->set->only_variant && job->set->k && job->set->k != job->k)
                continue;
            if (!run_child(job, fault_child, sum, &code))
                return false;
            if (code == CFT_EXIT_NO_MORE)
                break;
        }
    }
    return true;
}

static void run_case(const settings *set, const cft_case *kase, const cft_world *world,
                     cft_board *board)
{
    job job = {set, kase, world, board, 0, 0, 0};
    tally sum = {false, false, NULL};
    char name[192];
    uint64_t began = cft_os_now_ns();
    memset(board, 0, sizeof *board);
    uint32_t schedules =
        kase->schedules & world->schedules & ~cft_left_out(kase->name, world->name);
    int code = 0;
    for (uint32_t s = 0; s < CFT_SCHEDULES; s++) {
        if (!(schedules & CFT_SCHEDULE(s)))
            continue;
        if (set->only_schedule != CFT_SCHEDULES && set->only_schedule != s)
            continue;
        job.schedule = s;
        if (s == 9 ? !run_faults(&job, &sum) : !run_child(&job, child_main, &sum, &code))
            break;
    }
    snprintf(name, sizeof name, "%s.%s", world->name, kase->name);
    cft_outcome outcome = {name, CFT_PASSED, sum.text ? sum.text : "",
                           (double)(cft_os_now_ns() - began) / 1e9, board->runs};
    if (!board->runs && set->only_schedule == CFT_SCHEDULES && !sum.skipped) {
        sum.failed = true;
        outcome.text = "# no schedule of the case can be made in this world";
    }
    if (sum.failed)
        outcome.verdict = CFT_FAILED;
    else if (sum.skipped)
        outcome.verdict = CFT_SKIPPED;
    cft_report_add(&outcome);
    free(sum.text);
}

static void skip_all(const settings *set, const cft_world *world, const char *condition)
{
    size_t count = 0;
    const cft_case *cases = cft_cases(&count);
    for (size_t i = 0; i < count; i++) {
        if (!cft_runs_on(&cases[i], world) || !cft_glob(set->pattern, cases[i].name))
            continue;
        char name[192];
        char text[512];
        const char *evidence = "";
        const char *reason = cft_excuse(cases[i].name, world->name, condition, &evidence);
        snprintf(name, sizeof name, "%s.%s", world->name, cases[i].name);
        snprintf(text, sizeof text, "%s: %s (%s)", condition, reason ? reason : "unexplained",
                 evidence);
        cft_outcome outcome = {name, reason ? CFT_SKIPPED : CFT_FAILED, text, 0, 0};
        cft_report_add(&outcome);
    }
}

static uint32_t chosen(const settings *set, const cft_world *world)
{
    size_t count = 0;
    uint32_t n = 0;
    const cft_case *cases = cft_cases(&count);
    if (set->backend && !cft_glob(set->backend, world->name))
        return 0;
    for (size_t i = 0; i < count; i++)
        n += cft_runs_on(&cases[i], world) && cft_glob(set->pattern, cases[i].name);
    return n;
}

static void list(const settings *set)
{
    size_t count = 0;
    const cft_case *cases = cft_cases(&count);
    for (size_t i = 0; i < count; i++) {
        if (!cft_glob(set->pattern, cases[i].name))
            continue;
        printf("%s\n    law %s, %s:", cases[i].name, cases[i].law, cases[i].backends);
        for (uint32_t s = 0; s < CFT_SCHEDULES; s++) {
            if (cases[i].schedules & CFT_SCHEDULE(s))
                printf(" S%u", s);
        }
        printf("\n    %s\n", cases[i].sentence);
    }
}

/* ---- Options -------------------------------------------------------------------------------- */

static void usage(FILE *to)
{
    fputs("usage: cede-conformance [options]\n"
          "  --list               the cases, with law, backends, schedules and sentence\n"
          "  --backend NAME       only this backend (pattern)\n"
          "  --case NAME          only these cases (pattern: * and ?)\n"
          "  --schedule Sn[/v[/k]]  only this schedule, variant, failing call or closing step\n"
          "  --seed N             where the seeds start (1)\n"
          "  --repeat N           so many rounds, each from another seed\n"
          "  --limit SECONDS      for one run (30; CEDE_CONFORMANCE_LIMIT)\n"
          "  --tap                Test Anything Protocol on standard output\n"
          "  --junit FILE         JUnit XML\n"
          "  --verbose            each run and each callback\n"
          "  --no-fork            in this process, for a debugger\n"
          "Exit status: 0, 1 if anything failed, 77 if everything was skipped.\n",
          to);
}

static bool parse_schedule(settings *set, const char *text)
{
    char *rest = NULL;
    if (*text != 'S' && *text != 's')
        return false;
    set->only_schedule = (uint32_t)strtoul(text + 1, &rest, 10);
    if (*rest == '/') {
        set->only_variant = true;
        set->variant = (uint32_t)strtoul(rest + 1, &rest, 10);
        if (*rest == '/')
            set->k = strtoull(rest + 1, &rest, 10);
    }
    return *rest == '\0' && set->only_schedule < CFT_SCHEDULES;
}

static bool parse(settings *set, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *option = argv[i];
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(option, "--list") == 0) {
            set->list = true;
        } else if (strcmp(option, "--tap") == 0) {
            set->tap = true;
        } else if (strcmp(option, "--verbose") == 0) {
            set->verbose = true;
        } else if (strcmp(option, "--no-fork") == 0) {
            set->fork = false;
        } else if (!value) {
            return false;
        } else if (strcmp(option, "--backend") == 0) {
            set->backend = argv[++i];
        } else if (strcmp(option, "--case") == 0) {
            set->pattern = argv[++i];
        } else if (strcmp(option, "--schedule") == 0) {
            if (!parse_schedule(set, argv[++i]))
                return false;
        } else if (strcmp(option, "--seed") == 0) {
            set->seed = strtoull(argv[++i], NULL, 0);
        } else if (strcmp(option, "--repeat") == 0) {
            set->repeat = (uint32_t)strtoul(argv[++i], NULL, 10);
        } else if (strcmp(option, "--limit") == 0) {
            set->limit_seconds = (uint32_t)strtoul(argv[++i], NULL, 10);
        } else if (strcmp(option, "--junit") == 0) {
            set->junit = argv[++i];
        } else {
            return false;
        }
    }
    return set->limit_seconds > 0 && set->repeat > 0;
}

int cft_main(int argc, char **argv, const cft_world *const *worlds)
{
    const char *limit = getenv("CEDE_CONFORMANCE_LIMIT");
    settings set = {.pattern = "*",
                    .only_schedule = CFT_SCHEDULES,
                    .seed = 1,
                    .repeat = 1,
                    .limit_seconds = limit ? (uint32_t)strtoul(limit, NULL, 10) : 30,
                    .fork = true};
    if (!parse(&set, argc, argv)) {
        usage(stderr);
        return 2;
    }
    if (set.list) {
        list(&set);
        return 0;
    }
    uint32_t planned = 0;
    for (size_t w = 0; worlds[w]; w++)
        planned += chosen(&set, worlds[w]);
    if (!planned) {
        fprintf(stderr, "no case of that name for that backend; see --list\n");
        return 2;
    }
    cft_board *board = cft_os_shared(sizeof *board);
    cft_report_begin(set.tap, planned);
    for (size_t w = 0; worlds[w]; w++) {
        size_t count = 0;
        const cft_case *cases = cft_cases(&count);
        if (!chosen(&set, worlds[w]))
            continue;
        const char *unusable = worlds[w]->unusable ? worlds[w]->unusable() : NULL;
        if (unusable) {
            skip_all(&set, worlds[w], unusable);
            continue;
        }
        for (size_t i = 0; i < count; i++) {
            if (cft_runs_on(&cases[i], worlds[w]) && cft_glob(set.pattern, cases[i].name))
                run_case(&set, &cases[i], worlds[w], board);
        }
    }
    uint32_t failed = cft_report_count(CFT_FAILED);
    uint32_t passed = cft_report_count(CFT_PASSED);
    if (!cft_report_end(set.junit) || failed)
        return 1;
    return passed ? 0 : 77;
}
