/*
 * cede-cp: the bar on standard error, drawn ten times a second by a background timer, which does
 * not keep the loop from being idle. The rate is that of the last seconds; the time left is known
 * once the whole tree has been walked.
 */
#include "cede-cp.h"

#include <stdio.h>
#include <string.h>

#ifdef _WIN32
#include <io.h>
#define STDERR_IS_TERMINAL() (_isatty(2) != 0)
#else
#include <unistd.h>
#define STDERR_IS_TERMINAL() (isatty(2) != 0)
#endif

#define TICK_NS (100 * CEDE_MILLISECOND)

static struct {
    cede_req tick;
    uint64_t last_ns, last_bytes;
    double rate;  /* bytes a second */
    size_t drawn; /* characters on the line now */
} bar;

char *progress_bytes(char *out, double bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    size_t unit = 0;

    while (bytes >= 1024 && unit + 1 < sizeof units / sizeof units[0]) {
        bytes /= 1024;
        unit++;
    }
    snprintf(out, 16, unit && bytes < 100 ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
    return out;
}

void progress_clear(void)
{
    if (bar.drawn)
        fprintf(stderr, "\r%*s\r", (int)bar.drawn, "");
    bar.drawn = 0;
}

static void draw(const struct copy *c)
{
    char line[160], moved[16], found[16], rate[16];
    double share = c->found_bytes ? (double)c->moved_bytes / (double)c->found_bytes : 0;
    double seconds_left = bar.rate > 0 ? (double)(c->found_bytes - c->moved_bytes) / bar.rate : 0;

    progress_bytes(moved, (double)c->moved_bytes);
    progress_bytes(found, (double)c->found_bytes);
    progress_bytes(rate, bar.rate);
    if (c->walking || c->walks) {
        snprintf(line, sizeof line, "%llu of %llu files found so far, %s, %s/s",
                 (unsigned long long)c->done_files, (unsigned long long)c->found_files, moved,
                 rate);
    } else {
        if (share > 1 || seconds_left < 0 || c->moved_bytes > c->found_bytes) {
            share = 1; /* files grew */
            seconds_left = 0;
        }
        snprintf(line, sizeof line, "[%-20.*s] %3.0f%% %s of %s, %s/s, %.0f:%02.0f left",
                 (int)(share * 20), "====================", share * 100, moved, found, rate,
                 (double)(uint64_t)(seconds_left / 60), (double)((uint64_t)seconds_left % 60));
    }
    size_t length = strlen(line);
    fprintf(stderr, "\r%-*s", (int)bar.drawn, line);
    bar.drawn = length > bar.drawn ? length : bar.drawn;
    fflush(stderr);
}

static void on_tick(cede_req *req, cede_result r)
{
    struct copy *c = req->user_data;
    uint64_t now = cede_now(c->loop);

    if (r.status)
        return; /* the loop is closing */
    if (now > bar.last_ns) {
        double passed = (double)(now - bar.last_ns) / (double)CEDE_SECOND;
        double fresh = (double)(c->moved_bytes - bar.last_bytes) / passed;
        double weight = passed < 1 ? passed : 1; /* of about one second */

        bar.rate += (bar.rate > 0 ? weight : 1) * (fresh - bar.rate);
        bar.last_ns = now;
        bar.last_bytes = c->moved_bytes;
    }
    draw(c);
    cede_prep_timer(req, TICK_NS);
    cede_background(req);
    cede_submit(c->loop, req, on_tick);
}

void progress_begin(struct copy *c)
{
    if (c->quiet || !STDERR_IS_TERMINAL())
        return;
    bar.last_ns = cede_now(c->loop);
    bar.tick.user_data = c;
    cede_prep_timer(&bar.tick, 0);
    cede_background(&bar.tick);
    cede_submit(c->loop, &bar.tick, on_tick);
}
