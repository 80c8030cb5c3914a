/*
 * The runner: chooses cases, runs each schedule in a child process, reports.
 *
 * The parent never touches the library, so each child finds it as fresh as a new program would. All
 * schedules of a case but S9 share a child, and so do the calls of a kind that fail under S9; each
 * allocation that fails has its own, since the library keeps memory that it got. Under --no-fork
 * cases run in this process itself, and what ends a child ends the runner: where starts are dear
 * CTest runs its one case so, and `./dev soak` all of them.
 */
#include "inner.h"
#include "options.h"
#include "report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct job {
    const cft_settings *set;
    const cft_case *kase;
    const cft_world *world;
    cft_board *board;
    uint32_t schedules; /* an OR of CFT_SCHEDULE(n): what the child runs, all but S9 or S9 alone */
    uint32_t schedule;  /* in the child: the present one */
    uint32_t variant;   /* S9 only */
    uint64_t k;         /* S9 only */
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
    t->only_trial = job->set->trial;
    t->stays = !job->set->fork;
    snprintf(t->board->at, sizeof t->board->at, "%s S%u/%u/%" PRIu64 " seed %" PRIu64,
             job->world->name, t->schedule, variant, k, t->base_seed);
    if (t->verbose)
        printf("# run %s.%s %s\n", job->world->name, job->kase->name, t->board->at);
    cft_os_watch(t->limit_seconds, cft_late_exit, t);
    int code = cft_run_once(t);
    cft_os_watch(0, NULL, NULL);
    free(t);
    return job->set->trial ? CFT_EXIT_FAILED : code; /* the trial should have ended it */
}

/* Variants that only differ in their seed. */
static uint32_t seeds_of(uint32_t schedule)
{
    if (schedule == 5 || schedule == 10)
        return SEEDS;
    return schedule == 11 ? ORDERS : 0;
}

static uint32_t variants_of(const cft_world *world, uint32_t schedule)
{
    uint32_t own = world->variants ? world->variants(schedule) : 0, seeds = seeds_of(schedule);
    if (own)
        return own;
    return seeds ? seeds : 1;
}

/* S11's last variant: every order there is. A failure has ended the process before. */
static int explore_program(void *context, void *given)
{
    const job *job = context;
    return run_one(job, 0, ORDERS, 0, given);
}

static void explore(const job *job)
{
    const cft_settings *set = job->set;
    if (job->schedule != 11 || !job->world->explore || !(job->kase->schedules & CFT_SCHEDULE(9)))
        return; /* what moves too much for each step to fail does so for each order, too */
    if (set->only_variant ? set->variant != ORDERS : set->every > 1)
        return;
    job->world->explore(explore_program, (void *)job);
}

/* What a slice takes of a case: of each something else, so that all together see every kind; and
 * with another seed the next one, so that many runs see all. */
static uint32_t choice(const job *job)
{
    uint32_t sum = (unsigned char)job->world->name[strlen(job->world->name) - 1];
    for (const char *c = job->kase->name; *c; c++)
        sum = sum * 31 + (unsigned char)*c;
    return sum + (uint32_t)job->set->seed;
}

static uint64_t first_step(const job *job)
{
    return 1 + (uint64_t)(choice(job) % job->set->every);
}

/* A schedule's variants, one after the other; of a slice each so many-th, and at least one. */
static int run_schedule(const job *job)
{
    const cft_settings *set = job->set;
    uint32_t variants = variants_of(job->world, job->schedule);
    uint32_t first = set->only_variant ? 0 : (uint32_t)(first_step(job) - 1) % variants;
    uint32_t stride = set->only_variant ? 1 : set->every;
    for (uint32_t round = 0; round < set->repeat; round++) {
        for (uint32_t v = first; v < variants; v += stride) {
            if (set->only_variant && set->variant != v)
                continue;
            uint64_t k = job->schedule == 12 ? first_step(job) : 0;
            if (set->only_variant && set->k)
                k = set->k;
            for (;;) {
                int code = run_one(job, round, v, k, NULL);
                if (code == CFT_EXIT_NO_MORE)
                    break;
                if (code != CFT_EXIT_OK)
                    return code;
                k += set->every;
                if (job->schedule != 12 || set->only_variant || k > STEPS_MAX)
                    break;
            }
        }
    }
    explore(job);
    return CFT_EXIT_OK;
}

/* S9: one k, or (0) one after the other until there is no more. */
static int run_fault(const job *job)
{
    int code = CFT_EXIT_OK;
    if (job->k)
        return run_one(job, 0, job->variant, job->k, NULL);
    for (uint64_t k = first_step(job); k <= FAULTS_MAX && code == CFT_EXIT_OK; k += job->set->every)
        code = run_one(job, 0, job->variant, k, NULL);
    return code;
}

static int child_main(void *context)
{
    job job = *(const struct job *)context;
    cft_faults_install();
    for (job.schedule = 0; job.schedule < CFT_SCHEDULES; job.schedule++) {
        if (!(job.schedules & CFT_SCHEDULE(job.schedule)))
            continue;
        if (job.schedule == 9) /* alone */
            return run_fault(&job);
        int code = run_schedule(&job);
        if (code != CFT_EXIT_OK)
            return code;
    }
    return CFT_EXIT_OK;
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
    const cft_settings *set = job->set;
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

/* What leads this program, started anew, to the same job. */
static void write_arguments(const job *job, char *out, size_t bytes)
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
             " --repeat %u --limit %u --every %u%s%s",
             cft_os_shared_name(), job->world->name, job->kase->name, schedule, set->seed,
             set->repeat, set->limit_seconds, set->every, without,
             set->verbose ? " --verbose" : "");
}

/* Where a failing allocation needs a start of this program, that is made also under --no-fork. */
static bool runs_here(const job *job)
{
    bool starts = job->schedules == CFT_SCHEDULE(9) && job->k && !job->set->k && !cft_os_copies;
    return !job->set->fork && !starts;
}

static bool run_child(const job *job, tally *sum, int *code)
{
    /* The second line behind the child's own watchdog, which counts anew for each run in it. */
    uint32_t limit = job->set->limit_seconds + 30;
    if (runs_here(job)) {
        *code = child_main((void *)job);
        cft_end end = {*code, 0, false, NULL, 0};
        return judge(job, &end, sum);
    }
    char arguments[512];
    write_arguments(job, arguments, sizeof arguments);
    cft_order order = {child_main, (void *)job, arguments, &job->board->runs};
    cft_end end = cft_os_child(&order, limit, job->set->verbose);
    *code = end.code;
    return judge(job, &end, sum);
}

/* A case of a slice has one kind of call fail, once or from then on. Where each failing allocation
 * needs a start of this program but all other calls of a kind share one: one kind of these, and
 * each fourth case has one kind of allocations. */
static bool leaves_out(const job *job, uint32_t modes)
{
    uint32_t other = choice(job) / job->set->every;
    if (job->set->every == 1)
        return false;
    if (cft_os_copies)
        return job->variant != other % modes;
    if (job->variant < CFT_ALLOC_MODES)
        return job->variant != other % (4 * CFT_ALLOC_MODES);
    return job->variant - CFT_ALLOC_MODES != other % (modes - CFT_ALLOC_MODES);
}

static bool run_faults(job *job, tally *sum)
{
    uint32_t modes = CFT_ALLOC_MODES + job->world->fault_modes;
    int code = 0;
    job->schedules = CFT_SCHEDULE(9);
    for (job->variant = 0; job->variant < modes; job->variant++) {
        if (job->set->only_variant ? job->set->variant != job->variant : leaves_out(job, modes))
            continue;
        if (job->variant >= CFT_ALLOC_MODES && !job->set->k) {
            job->k = 0; /* all of them: the library keeps no answers of the system */
            if (!run_child(job, sum, &code))
                return false;
            continue;
        }
        bool one = job->set->only_variant && job->set->k;
        uint64_t last = one ? job->set->k : FAULTS_MAX;
        for (job->k = one ? last : first_step(job); job->k <= last; job->k += job->set->every) {
            if (!run_child(job, sum, &code))
                return false;
            if (code == CFT_EXIT_NO_MORE)
                break;
        }
    }
    return true;
}

/* The schedules that a case is run under. */
static uint32_t schedules_of(const cft_settings *set, const cft_case *kase, const cft_world *world)
{
    uint32_t schedules =
        kase->schedules & world->schedules & ~cft_left_out(kase->name, world->name);
    if (set->only_schedule != CFT_SCHEDULES)
        schedules &= CFT_SCHEDULE(set->only_schedule);
    return schedules & ~set->without;
}

static void run_schedules(job *job, uint32_t schedules, tally *sum)
{
    int code = 0;
    job->schedules = schedules & ~CFT_SCHEDULE(9);
    if (job->schedules && !run_child(job, sum, &code))
        return;
    if (schedules & CFT_SCHEDULE(9))
        run_faults(job, sum);
}

static void run_case(const cft_settings *set, const cft_case *kase, const cft_world *world,
                     cft_board *board)
{
    job job = {set, kase, world, board, 0, 0, 0, 0};
    tally sum = {false, false, NULL};
    char name[192];
    uint64_t began = cft_os_now_ns();
    memset(board, 0, sizeof *board);
    run_schedules(&job, schedules_of(set, kase, world), &sum);
    snprintf(name, sizeof name, "%s.%s", world->name, kase->name);
    cft_outcome outcome = {name, CFT_PASSED, sum.text ? sum.text : "",
                           (double)(cft_os_now_ns() - began) / 1e9, board->runs};
    if (!board->runs && set->only_schedule == CFT_SCHEDULES && !set->without && !sum.skipped) {
        sum.failed = true;
        outcome.text = "# no schedule of the case can be made in this world";
    }
    if (sum.failed)
        outcome.verdict = CFT_FAILED;
    else if (sum.skipped)
        outcome.verdict = CFT_SKIPPED;
    else if (board->deviates[0]) {
        outcome.verdict = CFT_DEVIATED;
        outcome.text = board->deviates;
    }
    cft_report_add(&outcome);
    free(sum.text);
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
    job job = {set, NULL, NULL, cft_os_shared(sizeof(cft_board), set->board), 0, 0, 0, 0};
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
    job.schedules = schedules_of(set, job.kase, job.world);
    if (set->only_schedule == 9) {
        job.variant = set->variant;
        job.k = set->k;
    } else {
        job.schedules &= ~CFT_SCHEDULE(9);
    }
    return child_main(&job);
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
    uint32_t planned = 0;
    for (size_t w = 0; worlds[w]; w++)
        planned += chosen(&set, worlds[w]);
    if (!planned) {
        fprintf(stderr, "no case of that name for that backend; see --list\n");
        return 2;
    }
    cft_board *board = cft_os_shared(sizeof *board, NULL);
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
    uint32_t passed = cft_report_count(CFT_PASSED) + cft_report_count(CFT_DEVIATED);
    int code = passed ? 0 : 77;
    if (!cft_report_end(set.junit) || failed)
        code = 1;
    return set.fork ? cft_quit(code) : code;
}
