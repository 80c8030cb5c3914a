/*
 * cede-cp: copies files and trees, many at a time, and can be stopped at any moment without leaving
 * a wrong or half file. This file: options, signals, the beginning and the last line.
 */
#include "cede-cp.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { EXIT_SOME_FAILED = 1, EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };

static const char usage[] =
    "usage: cede-cp [options] SOURCE... DEST\n"
    "Copies files, symbolic links and whole directories, many at a time.\n"
    "\n"
    "  --limit N     work on at most N names at a time (64; two descriptors each)\n"
    "  --verify      compare each copy with its source\n"
    "  --sync        force each file to the medium before it gets its name\n"
    "  --fail-fast   stop at the first error\n"
    "  -v, --verbose name each copy when it is there\n"
    "  -q, --quiet   no progress bar, no last line\n"
    "  -h, --help    this text\n"
    "\n"
    "A file is copied under a temporary name (.cede-cp-...) in its directory and\n"
    "renamed when it is complete, so an existing file is replaced in one step.\n"
    "Ctrl-C stops everything, removes the half-written copies and names them.\n"
    "\n"
    "Kept: contents, holes, permissions, times of access and modification, symbolic\n"
    "links as links. Not kept: owners (so set-user-id bits only where the owner is\n"
    "the same), times of symbolic links, extended attributes. Hard links become\n"
    "separate files. Named pipes, sockets and devices are reported and left out. In\n"
    "directories that exist already, other files stay.\n"
    "\n"
    "Exit status: 0 all copied, 1 something failed, 2 wrong usage, 130 interrupted.\n";

static struct copy whole = {.limit = 64};

/* ---- Beginning and end ---------------------------------------------------------------------- */

/* A signal interrupts this very thread, perhaps inside the library, where a cancel takes effect in
 * the call. So the handler only remembers it and stops the loop, which is an atomic store and a
 * wake; the cancel follows in run_all. */
static volatile sig_atomic_t caught;

static void on_signal(int number)
{
    signal(number, on_signal);
    caught = 1;
    cede_stop(whole.loop);
}

/* What nohup and & have had ignored stays ignored. */
static void handle_signals(void (*handler)(int))
{
    static const int numbers[] = {
        SIGINT,
        SIGTERM,
#ifdef SIGHUP
        SIGHUP,
#endif
    };

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (signal(numbers[i], SIG_IGN) != SIG_IGN)
            signal(numbers[i], handler);
    }
#ifdef SIGPIPE
    signal(SIGPIPE, SIG_IGN); /* a reader of --verbose that goes away does not stop the copy */
#endif
}

static void on_life_end(cede_req *req, cede_result r)
{
    struct copy *c = CEDE_CONTAINER(req, struct copy, scope);

    c->end = r.status;
    c->ended = true;
    c->stopping = true;
}

static void on_keeper(cede_req *req, cede_result r)
{
    struct copy *c = CEDE_CONTAINER(req, struct copy, keeper);

    if (r.status)
        c->stopping = true;
}

static void begin(struct copy *c)
{
    cede_prep_scope(&c->scope);
    c->life = cede_submit(c->loop, &c->scope, on_life_end);
    cede_prep_pend(&c->keeper);
    cede_in(&c->keeper, c->life);
    c->keeping = cede_submit(c->loop, &c->keeper, on_keeper);
    c->started_ns = cede_now(c->loop);
    c->temp_random = (uint32_t)(c->started_ns ^ (uint64_t)time(NULL) * 2654435761u);
    handle_signals(on_signal);
    progress_begin(c);
}

static cede_status looked;

static void on_look(cede_req *req, cede_result r)
{
    (void)req;
    looked = r.status;
}

/* Looks at a path and waits for the answer. */
static cede_status look(struct copy *c, const char *path, uint32_t flags, cede_stat *out)
{
    cede_req req;

    cede_prep_stat(&req, path, out, flags);
    cede_wait(c->loop, cede_submit(c->loop, &req, on_look), CEDE_FOREVER);
    return looked;
}

/* Where a source goes: to DEST, or below it if it is a directory; allocated. The source loses its
 * last slashes. */
static char *root_to(char *source, const char *dest, bool into)
{
    size_t length = strlen(source);

    while (length > 1 && source[length - 1] == '/')
        source[--length] = '\0';
    const char *slash = strrchr(source, '/');
    const char *name = slash ? slash + 1 : source;
    bool below = into && *name && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
    char *to = malloc(strlen(dest) + strlen(name) + 2);

    if (to)
        sprintf(to, "%s%s%s", dest, below ? "/" : "", below ? name : "");
    return to;
}

static void add_sources(struct copy *c, char **sources, int count, const char *dest)
{
    cede_stat from, there;
    bool into = look(c, dest, 0, &there) == CEDE_OK && there.type == CEDE_FILE_DIRECTORY;

    if (!into && count > 1) {
        report_error(c, dest, "is no directory, and there is more than one source");
        return;
    }
    for (char **source = sources; source < sources + count; source++) {
        char *to = root_to(*source, dest, into);
        cede_status status = to ? look(c, *source, CEDE_NOFOLLOW, &from) : CEDE_ENOMEM;

        if (status) {
            report_error(c, *source, cede_strerror(status));
            free(to);
        } else if (look(c, to, CEDE_NOFOLLOW, &there) == CEDE_OK && there.device == from.device &&
                   there.file_id == from.file_id) {
            report_error(c, *source, "source and destination are the same");
            free(to);
        } else {
            node_add(c, NULL, *source, *source, to, &from);
        }
    }
}

/* One cancel of the whole is all there is to stopping; what must still be done then is done by the
 * jobs, each for itself. */
static void run_all(struct copy *c)
{
    while (!c->ended || c->running) {
        if (cede_run(c->loop, CEDE_FOREVER) < 0) {
            report_error(c, "loop", "the interface to the system has broken down");
            return;
        }
        if (caught)
            cede_cancel(c->life);
    }
}

static int last_line(struct copy *c)
{
    char bytes[16], rate[16];
    double seconds = (double)(cede_now(c->loop) - c->started_ns) / (double)CEDE_SECOND;
    bool interrupted = c->end == CEDE_ECANCELED;

    progress_clear();
    if (interrupted)
        fprintf(stderr, "cede-cp: interrupted: %llu of %llu files found were copied whole\n",
                (unsigned long long)c->done_files, (unsigned long long)c->found_files);
    if (!c->quiet)
        printf("%llu files, %llu directories, %s in %.2f s, %s/s%s\n",
               (unsigned long long)c->done_files, (unsigned long long)c->done_dirs,
               progress_bytes(bytes, (double)c->done_bytes), seconds,
               progress_bytes(rate, seconds > 0 ? (double)c->done_bytes / seconds : 0),
               c->verify && !c->errors && !interrupted ? ", verified" : "");
    return interrupted ? EXIT_INTERRUPTED : c->errors ? EXIT_SOME_FAILED : 0;
}

/* Reads the options; the index of the first path, or 0 if they make no sense. */
static int options(struct copy *c, int count, char **words)
{
    const struct {
        const char *brief, *name;
        bool *flag;
    } flags[] = {{"-v", "--verbose", &c->verbose},
                 {"-q", "--quiet", &c->quiet},
                 {"", "--verify", &c->verify},
                 {"", "--sync", &c->sync},
                 {"", "--fail-fast", &c->fail_fast}};
    const size_t last = sizeof flags / sizeof flags[0];
    int i = 1;

    for (; i < count && words[i][0] == '-' && words[i][1]; i++) {
        size_t known = 0;

        while (known < last && strcmp(words[i], flags[known].name) != 0 &&
               strcmp(words[i], flags[known].brief) != 0)
            known++;
        if (known < last) {
            *flags[known].flag = true;
        } else if (strcmp(words[i], "--limit") == 0 && i + 1 < count) {
            long limit = strtol(words[++i], NULL, 10);
            if (limit < 1 || limit > 65536)
                return 0;
            c->limit = (uint32_t)limit;
        } else {
            i += strcmp(words[i], "--") == 0 ? 1 : count;
            break;
        }
    }
    return count - i < 2 ? 0 : i;
}

int main(int count, char **words)
{
    struct copy *c = &whole;
    char why[256] = "";
    cede_options how = {.why = why, .why_bytes = sizeof why};
    int first = options(c, count, words);

    if (!first) {
        bool asked = count == 2 && (!strcmp(words[1], "-h") || !strcmp(words[1], "--help"));
        fputs(usage, asked ? stdout : stderr);
        return asked ? 0 : EXIT_USAGE;
    }
    cede_status status = cede_loop_open(&how, &c->loop);
    if (status) {
        fprintf(stderr, "cede-cp: %s: %s\n", cede_strerror(status), why);
        return EXIT_SOME_FAILED;
    }
    begin(c);
    add_sources(c, words + first, count - first - 1, words[count - 1]);
    pump(c);
    run_all(c);
    drop_waiting(c);
    int result = last_line(c);
    handle_signals(SIG_IGN); /* too late now, and the loop goes */
    cede_loop_close(c->loop, CEDE_FOREVER);
    return result;
}
