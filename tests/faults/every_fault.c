/*
 * Runs an example program again and again, each time with another of its fallible calls failing
 * (fault.c), and judges each run: no crash, no hang, no leak, no client that waits in vain; it goes
 * on rightly, or says what is wrong and ends with a code that is not 0.
 *
 *   every_fault [--backend NAME] NAME PROGRAM WORK-DIRECTORY [EVERY [KIND,WHEN,K]]
 *
 * EVERY: only each so many-th call (1: all). With the last, one run, whose output is shown.
 */
#include "session.h"

#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES 300000
#define STARTS     3
#define TOLD_MOST  400

static struct {
    const char *name, *program, *work;
    int port; /* that the program is to reach */
} plan;

/* Blocks that were not given back: by the program itself, by the library. What they keep for their
 * life is there when nothing fails, too. */
typedef struct kept {
    long long own, library;
} kept;

/* What the seam has told. */
static struct {
    bool begun, hit;
    kept kept;
    char call[TOLD_MOST];
} told;

static kept kept_by_the_good; /* by the run in which nothing fails */

static bool is(const char *name)
{
    return strcmp(plan.name, name) == 0;
}

static const char *path_of(const char *name)
{
    static char paths[8][512];
    static unsigned turn;
    char *path = paths[turn++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", plan.work, name);
    return path;
}

/* ---- The program ---------------------------------------------------------------------------- */

static const char *const *words(void)
{
    static char target[32];
    static const char *all[10];
    const char *const cp[] = {"--verify", path_of("from"), path_of("to"), NULL};
    const char *const echo[] = {"127.0.0.1:0", "2", NULL};
    const char *const proxy[] = {"127.0.0.1:0", target, "--clients", "2", NULL};
    const char *const serve[] = {"--at", "127.0.0.1:0", "--clients", "2", path_of("from"), NULL};
    const char *const race[] = {"127.0.0.1:1", target, NULL};
    const char *const race_name[] = {target, NULL};
    const char *const race_sim[] = {
        "--sim", "--a", "10", "192.0.2.1=refused@20", "192.0.2.2=40", "[2001:db8::1]=lost", NULL};
    const char *const none[] = {NULL};
    const char *const *its = is("cede-cp")          ? cp
                             : is("cede-echo")      ? echo
                             : is("cede-proxy")     ? proxy
                             : is("cede-serve")     ? serve
                             : is("cede-race")      ? race
                             : is("cede-race-name") ? race_name
                             : is("cede-race-sim")  ? race_sim
                                                    : none;
    int count = 0;
    snprintf(target, sizeof target, "%s:%d", is("cede-race-name") ? "localhost" : "127.0.0.1",
             plan.port);
    all[count++] = plan.program;
    do
        all[count++] = *its;
    while (*its++);
    return all;
}

static const char *const *questions(void)
{
    static const char *const hello[] = {"hello, whoever hears it\n", NULL};
    static const char *const web[] = {"GET /large HTTP/1.0\r\n\r\n", "GET / HTTP/1.0\r\n\r\n",
                                      NULL};
    return is("cede-serve") ? web : is("cede-echo") || is("cede-proxy") ? hello : NULL;
}

static void hear_seam(void)
{
    static const char failed[] = "failed: ";
    char line[TOLD_MOST];
    FILE *file = fopen(path_of("told"), "r");
    memset(&told, 0, sizeof told);
    while (file && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\r\n")] = '\0';
        told.begun = true;
        (void)sscanf(line, "kept: %lld %lld", &told.kept.own, &told.kept.library);
        if (strncmp(line, failed, sizeof failed - 1) == 0) {
            told.hit = true;
            memcpy(told.call, line + sizeof failed - 1, sizeof line - sizeof failed + 1);
        }
    }
    if (file)
        fclose(file);
}

/* ---- The stage ------------------------------------------------------------------------------ */

static void make_file(const char *path, size_t bytes)
{
    FILE *file = fopen(path, "wb");
    if (!file)
        session_die(path, CEDE_EACCES);
    for (size_t i = 0; i < bytes; i++)
        fputc((int)(i * 7 % 251), file);
    if (fclose(file) != 0)
        session_die(path, CEDE_EIO);
}

static void make_folder(const char *path)
{
    cede_req req;
    cede_status status;
    cede_prep_mkdir(&req, path, 0700);
    status = session_do(&req).status;
    if (status && status != CEDE_EEXIST)
        session_die(path, status);
}

static void gone(const char *path, cede_status status)
{
    if (status)
        session_die(path, status);
}

static void remove_tree(const char *path);

static void remove_names(const char *path, const void *names, uint64_t count)
{
    const cede_entry *entry;
    uint64_t position = 0;
    cede_req req;
    while ((entry = cede_next_entry(names, count, &position)) != NULL) {
        char below[1400];
        snprintf(below, sizeof below, "%s/%s", path, entry->name);
        if (entry->type == CEDE_FILE_DIRECTORY) {
            remove_tree(below);
            continue;
        }
        cede_prep_unlink(&req, below);
        gone(below, session_do(&req).status);
    }
}

/* With all that is in it; there may be none. */
static void remove_tree(const char *path)
{
    uint64_t names[1024];
    cede_result r;
    cede_handle folder;
    cede_req req;
    cede_prep_open(&req, path, CEDE_OPEN_READ | CEDE_OPEN_DIRECTORY, 0);
    r = session_do(&req);
    if (r.status == CEDE_ENOENT)
        return;
    gone(path, r.status);
    folder = r.handle;
    do {
        cede_prep_readdir(&req, folder, names, sizeof names);
        r = session_do(&req);
        gone(path, r.status);
        remove_names(path, names, r.count);
    } while (r.count > 0);
    cede_prep_close(&req, folder);
    gone(path, session_do(&req).status);
    cede_prep_rmdir(&req, path);
    gone(path, session_do(&req).status);
}

/* ---- Judging -------------------------------------------------------------------------------- */

static bool same_file(const char *one, const char *other)
{
    static char bytes[2][FILE_BYTES + 1];
    const char *const names[] = {one, other};
    size_t got[2];
    for (int i = 0; i < 2; i++) {
        FILE *file = fopen(names[i], "rb");
        if (!file)
            return false;
        got[i] = fread(bytes[i], 1, sizeof bytes[i], file);
        fclose(file);
    }
    return got[0] == got[1] && memcmp(bytes[0], bytes[1], got[0]) == 0;
}

/* By a signal or an exception of Windows', whose abort ends with 3 where there are no signals. */
static bool broke_off(void)
{
    return (run.code & CEDE_CHILD_KILLED) || run.code >= UINT64_C(0x80000000) || run.code == 3;
}

/* By SIGTERM, or as the system's own console handler does. */
static bool ended_by_wish(void)
{
    return run.code == (CEDE_CHILD_KILLED | SIGTERM) || run.code == UINT64_C(0xc000013a);
}

/* Why a run is bad; NULL: it is not. */
static const char *judge(void)
{
    static const char *const never[] = {"Sanitizer", "runtime error", "cede: broken", "cede: law"};
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++) {
        if (strstr(run.complained.at, never[i]))
            return never[i];
    }
    if (run.in_vain)
        return "a client waits in vain";
    if (run.hung)
        return "it hangs";
    if (run.asked_to_end && ended_by_wish())
        return run.complained.bytes ? NULL : "a wish to end ended it in the middle";
    if (broke_off())
        return "it crashed";
    if (run.code != 0) {
        bool tells_there = strncmp(plan.name, "cede-race", 9) == 0 || is("sim_your_code");
        return run.complained.bytes || (tells_there && run.said.bytes) ? NULL
                                                                       : "it failed without a word";
    }
    if (is("cede-cp") && (!same_file(path_of("from/large"), path_of("to/large")) ||
                          !same_file(path_of("from/inner/small"), path_of("to/inner/small"))))
        return "it says that it has copied, and has not";
    if (told.kept.own > kept_by_the_good.own)
        return "it leaks";
    /* A question that is under way keeps its memory, and may outlive its loop. */
    if (told.kept.library > kept_by_the_good.library && !is("cede-race-name"))
        return "the library leaks";
    return NULL;
}

static void show(const char *how, const char *bad)
{
    printf("%s %s%s%s: %s\n", plan.name, how, told.hit ? ", " : "", told.call, bad ? bad : "well");
    printf("its output:\n%s%s", run.said.at, run.complained.at);
    if (!run.hung)
        printf("its code: 0x%" PRIx64 "; not given back: %lld blocks, %lld by the library\n",
               run.code, told.kept.own, told.kept.library);
    fflush(stdout);
}

/* One run. One that has not begun is the system's affair: then it is started again. */
static bool try(const char *how, bool shown)
{
    session what = {.words = words(), .questions = questions(), .patient = !strstr(how, ",on,")};
    const char *bad;
#if defined(_WIN32) /* what finds no room waits for some, as long as it takes (law 15) */
    what.relieved = !what.questions && strncmp(how, "call,on,", 8) == 0;
#endif
    if (is("cede-cp"))
        remove_tree(path_of("to"));
    session_set("CEDE_FAULT", how);
    session_set("CEDE_FAULT_TOLD", path_of("told"));
    told.begun = false;
    for (int i = 0; i < STARTS && !told.begun; i++) {
        (void)remove(path_of("told"));
        session_run(&what);
        hear_seam();
    }
    bad = told.begun ? judge() : "it has not begun";
    if (bad || shown)
        show(how, bad);
    return !bad;
}

/* What is simulated makes no system call, and sim_your_code is thousands of runs in one: of these
 * only the first calls fail. */
static bool try_all(unsigned every)
{
    static const char *const ways[] = {
        "alloc,once",
        "alloc,on",
        "work,once",
        "work,on",
        "call,on",
#if defined(_WIN32) /* no resources, no memory, no access, no handles */
        "call,1450",
        "call,8",
        "call,5",
        "call,4"
#else
        "call,11",
        "call,4",
        "call,16",
        "call,12",
        "call,1"
#endif
    };
    size_t way_count = sizeof ways / sizeof ways[0];
    unsigned runs = 0, failures = 0, most = 10000;
    if (strstr(plan.name, "sim"))
        way_count = 4;
    if (is("sim_your_code"))
        most = 16;
    for (size_t i = 0; i < way_count; i++) {
        told.hit = true;
        for (unsigned k = 1 + (unsigned)i % every; told.hit && failures < 20 && k <= most;
             k += every) {
            char how[40];
            snprintf(how, sizeof how, "%s,%u", ways[i], k);
            failures += !try(how, false);
            runs++;
        }
    }
    printf("%s: %u runs, %u of them bad\n", plan.name, runs, failures);
    return failures == 0;
}

/* With nothing failing. */
static bool works(void)
{
    kept_by_the_good = (kept){INT_MAX, INT_MAX};
    if (!try("none,once,1", false) || run.code != 0) {
        printf("not even with nothing failing:\n%s%s", run.said.at, run.complained.at);
        return false;
    }
    kept_by_the_good = told.kept;
    return true;
}

int main(int count, char **given)
{
    unsigned every;
    bool well;
    if (count > 2 && strcmp(given[1], "--backend") == 0) {
        session_set("CEDE_BACKEND", given[2]);
        count -= 2;
        given += 2;
    }
    every = count > 4 ? (unsigned)atoi(given[4]) : 1;
    if (count < 4 || every == 0) {
        fprintf(stderr, "usage: every_fault [--backend NAME] NAME PROGRAM WORK-DIRECTORY "
                        "[EVERY [KIND,WHEN,K]]\n");
        return 2;
    }
    plan.name = given[1];
    plan.program = given[2];
    plan.work = given[3];
    plan.port = session_begin();
    make_folder(plan.work);
    make_folder(path_of("from"));
    make_folder(path_of("from/inner"));
    make_file(path_of("from/large"), FILE_BYTES);
    make_file(path_of("from/inner/small"), 1000);
    well = works() && (count > 5 ? try(given[5], true) : try_all(every));
    session_end();
    return well ? 0 : 1;
}
