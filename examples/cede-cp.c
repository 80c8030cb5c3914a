/*
 * cede-cp: copies files and trees, many at a time, and can be stopped at any moment without leaving
 * a wrong or half file. This file: options, sources, the bar, the last line.
 */
#include "cede-cp.h"
#include "example_args.h"
#include "example_os.h"

#include <inttypes.h>
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

/* ---- The bar -------------------------------------------------------------------------------- */

#define TICK_NS (100 * CEDE_MILLISECOND)

static struct {
    cede_req tick;
    uint64_t last_ns, last_bytes;
    double rate; /* bytes a second, of about the last one */
    int drawn;   /* characters on the line now */
} bar;

/* "1.5 GiB" */
static const char *scaled(char out[16], double bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    size_t unit = 0;

    for (; bytes >= 1024 && unit + 1 < sizeof units / sizeof units[0]; unit++)
        bytes /= 1024;
    snprintf(out, 16, unit && bytes < 100 ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
    return out;
}

void bar_clear(void)
{
    if (bar.drawn)
        fprintf(stderr, "\r%*s\r", bar.drawn, "");
    bar.drawn = 0;
}

static void draw(const struct copy *c)
{
    char line[160], moved[16], found[16], rate[16];
    uint64_t all = c->found_bytes > c->moved_bytes ? c->found_bytes : c->moved_bytes; /* it grew */
    double share = all ? (double)c->moved_bytes / (double)all : 0;
    double left = bar.rate > 0 ? (double)(all - c->moved_bytes) / bar.rate : 0;
    int width = os_columns() - 1, length;

    scaled(moved, (double)c->moved_bytes);
    scaled(rate, bar.rate);
    if (c->walking || c->walks)
        length =
            snprintf(line, sizeof line, "%" PRIu64 " of %" PRIu64 " files found so far, %s, %s/s",
                     c->done_files, c->found_files, moved, rate);
    else
        length = snprintf(
            line, sizeof line, "[%-20.*s] %3.0f%% %s of %s, %s/s, %" PRIu64 ":%02" PRIu64 " left",
            (int)(share * 20), "====================", share * 100, moved,
            scaled(found, (double)all), rate, (uint64_t)left / 60, (uint64_t)left % 60);
    length = length < width ? length : width;
    fprintf(stderr, "\r%-*.*s", bar.drawn, length, line);
    bar.drawn = length > bar.drawn ? length : bar.drawn;
    fflush(stderr);
}

/* A background timer does not keep the loop from being idle. */
static void on_tick(cede_req *req, cede_result r)
{
    struct copy *c = req->user_data;
    double passed = (double)(cede_now(c->loop) - bar.last_ns) / (double)CEDE_SECOND;

    if (r.status)
        return; /* the loop is closing */
    if (passed > 0) {
        double fresh = (double)(c->moved_bytes - bar.last_bytes) / passed;

        bar.rate += (bar.rate > 0 && passed < 1 ? passed : 1) * (fresh - bar.rate);
        bar.last_ns = cede_now(c->loop);
        bar.last_bytes = c->moved_bytes;
        draw(c);
    }
    cede_prep_timer(req, TICK_NS);
    cede_background(req);
    cede_submit(c->loop, req, on_tick);
}

/* ---- What is said --------------------------------------------------------------------------- */

void report(const char *path, const char *message)
{
    bar_clear();
    fprintf(stderr, "cede-cp: %s: %s\n", path, message);
}

void report_error(struct copy *c, const char *path, const char *message)
{
    report(path, message);
    c->errors++;
    if (c->fail_fast)
        cede_fail(c->whole->life, CEDE_EENDED);
}

static int last_line(const struct copy *c)
{
    char bytes[16], rate[16];
    double seconds = (double)(cede_now(c->loop) - c->started_ns) / (double)CEDE_SECOND;
    bool interrupted = c->status == CEDE_ECANCELED;

    if (bar.drawn)
        draw(c);
    bar_clear();
    if (interrupted)
        fprintf(stderr,
                "cede-cp: interrupted: %" PRIu64 " of %" PRIu64 " files found were copied whole\n",
                c->done_files, c->found_files);
    if (!c->quiet)
        printf("%" PRIu64 " files, %" PRIu64 " directories, %s in %.2f s, %s/s%s\n", c->done_files,
               c->done_directories, scaled(bytes, (double)c->done_bytes), seconds,
               scaled(rate, seconds > 0 ? (double)c->done_bytes / seconds : 0),
               c->verify && !c->errors && !interrupted ? ", verified" : "");
    return interrupted ? EXIT_INTERRUPTED : c->errors ? EXIT_SOME_FAILED : 0;
}

/* ---- Beginning and end ---------------------------------------------------------------------- */

static struct copy copy = {.limit = 64};
static struct item all = {.copy = &copy};

static void on_interrupt(void)
{
    cede_stop(copy.loop);
}

static void on_over(cede_req *scope, cede_result r)
{
    struct copy *c = CEDE_CONTAINER(scope, struct item, scope)->copy;

    c->status = r.status;
    c->over = true;
    if (r.status && r.status != CEDE_ECANCELED && !c->errors) /* nothing in it has said why */
        report_error(c, c->dest, cede_strerror(r.status));
}

static void run(struct copy *c)
{
    c->whole = &all;
    c->started_ns = bar.last_ns = cede_now(c->loop);
    c->temp_random = (uint32_t)(c->started_ns ^ (uint64_t)time(NULL) * 2654435761u);
    os_on_interrupt(on_interrupt);
    if (!c->quiet && os_columns()) {
        bar.tick.user_data = c;
        cede_prep_timer(&bar.tick, 0);
        cede_background(&bar.tick);
        cede_submit(c->loop, &bar.tick, on_tick);
    }
    item_queue(&all, add_sources, on_over);
    item_leave_room(&all);
    while (!c->over && cede_run(c->loop, CEDE_FOREVER) >= 0)
        cede_cancel(all.life); /* it was stopped; or it is over, and this does nothing */
    if (!c->over)
        report_error(c, "loop", "the interface to the system has broken down");
    os_on_interrupt(NULL); /* too late now */
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
    int i = 1;

    for (; i < count && words[i][0] == '-' && words[i][1]; i++) {
        bool known = false;

        if (strcmp(words[i], "--") == 0)
            return count - ++i < 2 ? 0 : i;
        if (strcmp(words[i], "--limit") == 0 && i + 1 < count) {
            long limit = strtol(words[++i], NULL, 10);
            known = limit >= 1 && limit <= 65536;
            c->limit = (uint32_t)limit;
        }
        for (size_t k = 0; k < sizeof flags / sizeof flags[0]; k++) {
            if (!strcmp(words[i], flags[k].name) || !strcmp(words[i], flags[k].brief))
                known = *flags[k].flag = true;
        }
        if (!known)
            return 0;
    }
    return count - i < 2 ? 0 : i;
}

int main(int count, char **words)
{
    struct copy *c = &copy;
    char why[256] = "";
    cede_options how = {.why = why, .why_bytes = sizeof why};

    os_begin(&count, &words);
    if (args_help(count, words, usage))
        return 0;
    int first = options(c, count, words);
    if (!first) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    cede_status status = cede_loop_open(&how, &c->loop);
    if (status) {
        fprintf(stderr, "cede-cp: %s: %s\n", cede_strerror(status), why);
        return EXIT_SOME_FAILED;
    }
    c->dest = words[count - 1];
    c->sources = words + first;
    words[count - 1] = NULL;
    run(c);
    int result = last_line(c);
    status = cede_loop_close(c->loop, CEDE_FOREVER);
    if (status) {
        report("loop", cede_strerror(status));
        return EXIT_SOME_FAILED;
    }
    for (struct room *room; (room = c->rooms) != NULL;) {
        c->rooms = room->next;
        free(room);
    }
    return result;
}
