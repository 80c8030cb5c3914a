/*
 * The runner: chooses cases, runs each schedule in a child process, reports.
 *
 * The parent never touches the library, so each child finds it as fresh as a new program would. All
 * schedules of a case but S9 share a child, and so do the calls of a kind that fail under S9; each
 * allocation that fails has its own, since the library keeps memory that it got. Under --no-fork
 * cases run in this process itself, but for failing allocations, and what ends a child ends the
 * runner: where starts are dear CTest runs many cases so, one after the other, and `./dev soak` all
 * of them.
 */
#include "inner.h"
#include "job.h"
#include "options.h"
#include "report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What there is of a case so far. */
typedef struct tally {
    bool failed;
    bool skipped;
    bool apart; /* it has to have processes of its own: not under --no-fork */
    char *text;
    uint64_t runs;
    uint64_t ns;
} tally;

/* What a child's end means. True: go on. */
static bool judge(const cft_job *job, cft_end *end, tally *sum)
{
    const cft_settings *set = job->set;
    if (end->code == CFT_EXIT_OK || end->code == CFT_EXIT_NO_MORE) {
        free(end->output);
        return true;
    }
    if (end->code == CFT_EXIT_SKIP) {
        const char *evidence = "";
        sum->apart = strcmp(job->board->skip, CFT_APART) == 0;
        const char *reason =
            sum->apart ? "it has to have a process of its own"
                       : cft_excuse(job->kase->name, job->world->name, job->board->skip, &evidence);
        char text[512];
        if (reason)
            snprintf(text, sizeof text, *evidence ? "%s: %s (%s)" : "%s: %s", job->board->skip,
                     reason, evidence);
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

/* What leads this program, started anew, to the same job. */
static void write_arguments(const cft_job *job, char *out, size_t bytes)
{
    const cft_settings *set = job->set;
    char schedule[64] = "", without[64] = "";
    size_t used = 0;
    for (uint32_t i = 0; i < CFT_SCHEDULES; i++) {
        if (set->without & CFT_SCHEDULE(i))
            used += (size_t)snprintf(without + used, sizeof without - used, "%sS%u",
                                     used ? "," : " --without ", i);
    }
    if (job->schedules == CFT_SCHEDULE(9))
        snprintf(schedule, sizeof schedule, "--schedule S9/%u/%" PRIu64, job->variant, job->k);
    else if (set->only_variant)
        snprintf(schedule, sizeof schedule, "--schedule S%u/%u/%" PRIu64, set->only_schedule,
                 set->variant, set->k);
    else if (set->only_schedule != CFT_SCHEDULES)
        snprintf(schedule, sizeof schedule, "--schedule S%u", set->only_schedule);
    snprintf(out, bytes,
             "--board %s --backend %s --case %s %s --seed %" PRIu64
             " --repeat %u --limit %u --every %u --turns %u%s%s",
             cft_os_shared_name(), job->world->name, job->kase->name, schedule, set->seed,
             set->repeat, set->limit_seconds, set->every, set->turns, without,
             set->verbose ? " --verbose" : "");
}

/* A failing allocation needs a process that has none of the library's memory yet. */
static bool runs_here(const cft_job *job)
{
    bool apart = job->schedules == CFT_SCHEDULE(9) && job->k && !job->set->k;
    return !job->set->fork && !apart;
}

static bool run_child(const cft_job *job, tally *sum, int *code)
{
    /* The second line behind the child's own watchdog, which counts anew for each run in it. */
    uint32_t limit = job->set->limit_seconds + 30;
    if (runs_here(job)) {
        *code = cft_job_run((void *)job);
        cft_end end = {*code, 0, false, NULL, 0};
        return judge(job, &end, sum);
    }
    char arguments[512];
    write_arguments(job, arguments, sizeof arguments);
    cft_order order = {cft_job_run, (void *)job, arguments, &job->board->runs};
    cft_end end = cft_os_child(&order, limit, job->set->verbose);
    *code = end.code;
    return judge(job, &end, sum);
}

/* S9's variants from the first on, without the last. */
static void run_faults(cft_job *job, uint32_t first, uint32_t last, tally *sum)
{
    uint32_t modes = CFT_ALLOC_MODES + job->world->fault_modes;
    int code = 0;
    job->schedules = CFT_SCHEDULE(9);
    for (job->variant = first; job->variant < last; job->variant++) {
        if (job->set->only_variant ? job->set->variant != job->variant
                                   : cft_job_leaves_out(job, modes))
            continue;
        if (job->variant >= CFT_ALLOC_MODES && !job->set->k) {
            job->k = 0; /* all of them: the library keeps no answers of the system */
            if (!run_child(job, sum, &code))
                return;
            continue;
        }
        bool one = job->set->only_variant && job->set->k;
        uint64_t end = one ? job->set->k : CFT_FAULTS_MAX;
        for (job->k = one ? end : cft_job_first(job); job->k <= end; job->k += job->set->every) {
            if (!run_child(job, sum, &code))
                return;
            if (code == CFT_EXIT_NO_MORE)
                break;
        }
    }
}

/* The schedules that a case is run under. */
static uint32_t schedules_of(const cft_job *job)
{
    const cft_settings *set = job->set;
    const cft_case *kase = job->kase;
    uint32_t schedules =
        kase->schedules & job->world->schedules & ~cft_left_out(kase->name, job->world->name);
    if (set->only_schedule != CFT_SCHEDULES)
        schedules &= CFT_SCHEDULE(set->only_schedule);
    return cft_job_turns(job, schedules & ~set->without);
}

/* The two halves of a case. Processes of its own come from one that has not used the library: where
 * they are copies, all cases' first half comes before any second. */
static void fail_allocations(cft_job *job, tally *sum)
{
    if (schedules_of(job) & CFT_SCHEDULE(9))
        run_faults(job, 0, CFT_ALLOC_MODES, sum);
}

static void run_schedules(cft_job *job, tally *sum)
{
    uint32_t schedules = schedules_of(job);
    int code = 0;
    job->schedules = schedules & ~CFT_SCHEDULE(9);
    if (job->schedules && !run_child(job, sum, &code))
        return;
    if (schedules & CFT_SCHEDULE(9))
        run_faults(job, CFT_ALLOC_MODES, CFT_ALLOC_MODES + job->world->fault_modes, sum);
}

static void run_half(cft_job *job, void (*half)(cft_job *, tally *), tally *sum)
{
    uint64_t began = cft_os_now_ns(), runs = job->board->runs;
    if (sum->failed || sum->skipped)
        return;
    half(job, sum);
    sum->runs += job->board->runs - runs;
    sum->ns += cft_os_now_ns() - began;
}

static void report(const cft_job *job, tally *sum)
{
    const cft_settings *set = job->set;
    char name[192];
    snprintf(name, sizeof name, "%s.%s", job->world->name, job->kase->name);
    cft_outcome outcome = {name, CFT_PASSED, sum->text ? sum->text : "", (double)sum->ns / 1e9,
                           sum->runs};
    if (!sum->runs && set->only_schedule == CFT_SCHEDULES && !set->without && !sum->skipped) {
        sum->failed = true;
        outcome.text = "# no schedule of the case can be made in this world";
    }
    if (sum->failed) {
        outcome.verdict = CFT_FAILED;
    } else if (sum->skipped) {
        outcome.verdict = sum->apart ? CFT_LEFT : CFT_SKIPPED;
    } else if (job->board->deviates[0]) {
        outcome.verdict = CFT_DEVIATED;
        outcome.text = job->board->deviates;
    }
    cft_report_add(&outcome);
    free(sum->text);
}

static void run_case(cft_job *job, tally *sum)
{
    memset(job->board, 0, sizeof *job->board);
    run_half(job, run_schedules, sum);
    if (job->set->fork || !cft_os_copies)
        run_half(job, fail_allocations, sum);
    report(job, sum);
}

static void skip_all(const cft_settings *set, const cft_world *world, const char *condition)
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

static uint32_t chosen(const cft_settings *set, const cft_world *world)
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

static void list(const cft_settings *set)
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

/* ---- main ----------------------------------------------------------------------------------- */

/* This process is a child that was started anew: one case, for its parent. */
static int be_child(const cft_settings *set, const cft_world *const *worlds)
{
    size_t count = 0;
    const cft_case *cases = cft_cases(&count);
    cft_job job = {set, NULL, NULL, cft_os_shared(sizeof(cft_board), set->board), 0, 0, 0, 0};
    for (size_t w = 0; worlds[w]; w++) {
        if (set->backend && strcmp(worlds[w]->name, set->backend) == 0)
            job.world = worlds[w];
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(cases[i].name, set->pattern) == 0)
            job.kase = &cases[i];
    }
    if (!job.world || !job.kase)
        return 2;
    job.schedules = schedules_of(&job);
    if (set->only_schedule == 9) {
        job.variant = set->variant;
        job.k = set->k;
    } else {
        job.schedules &= ~CFT_SCHEDULE(9);
    }
    return cft_job_run(&job);
}

/* The cases that are chosen and can run here; the others are told. */
static uint32_t choose(const cft_settings *set, const cft_world *const *worlds, cft_job *jobs)
{
    cft_board *board = cft_os_shared(sizeof *board, NULL);
    uint32_t found = 0;
    for (size_t w = 0; worlds[w]; w++) {
        size_t count = 0;
        const cft_case *cases = cft_cases(&count);
        if (!chosen(set, worlds[w]))
            continue;
        const char *unusable = worlds[w]->unusable ? worlds[w]->unusable() : NULL;
        if (unusable) {
            skip_all(set, worlds[w], unusable);
            continue;
        }
        for (size_t i = 0; i < count; i++) {
            if (cft_runs_on(&cases[i], worlds[w]) && cft_glob(set->pattern, cases[i].name))
                jobs[found++] = (cft_job){set, &cases[i], worlds[w], board, 0, 0, 0, 0};
        }
    }
    return found;
}

static int run_all(const cft_settings *set, const cft_world *const *worlds)
{
    uint32_t planned = 0;
    for (size_t w = 0; worlds[w]; w++)
        planned += chosen(set, worlds[w]);
    if (!planned) {
        fprintf(stderr, "no case of that name for that backend; see --list\n");
        return 2;
    }
    cft_job *jobs = calloc(planned, sizeof *jobs);
    tally *sums = calloc(planned, sizeof *sums);
    if (!jobs || !sums)
        abort();
    if (set->junit)
        (void)remove(set->junit); /* of an earlier run: a case may end this one */
    if (!set->fork)
        cft_os_forget_ignored();
    cft_report_begin(set->tap, planned);
    uint32_t count = choose(set, worlds, jobs);
    for (uint32_t i = 0; i < count && !set->fork && cft_os_copies; i++)
        run_half(&jobs[i], fail_allocations, &sums[i]);
    for (uint32_t i = 0; i < count; i++)
        run_case(&jobs[i], &sums[i]);
    free(jobs);
    free(sums);
    uint32_t failed = cft_report_count(CFT_FAILED);
    uint32_t passed = cft_report_count(CFT_PASSED) + cft_report_count(CFT_DEVIATED);
    int code = passed ? 0 : 77;
    if (!cft_report_end(set->junit) || failed)
        code = 1;
    return set->fork ? cft_quit(code) : code;
}

int cft_main(int argc, char **argv, const cft_world *const *worlds)
{
    cft_settings set;
    cft_os_begin();
    if (argc > 2 && strcmp(argv[1], "--child") == 0)
        return cft_child_main(cft_os_words(argc, argv) + 1);
    if (!cft_parse(&set, argc, argv))
        return 2;
    if (set.list) {
        list(&set);
        return 0;
    }
    if (set.board)
        return be_child(&set, worlds);
    return run_all(&set, worlds);
}
