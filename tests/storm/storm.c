/*
 * A storm on a real kernel: loops on threads of their own that connect and accept (TCP, and local
 * names), send, receive, relay, reset, send files and datagrams, read and write, look hosts up,
 * watch a directory, begin and end children, take signals, begin timers, pends, work and scopes in
 * scopes, wait inside callbacks; other threads that cancel, fail, complete and drop whatever they
 * have heard of, raise signals, and submit. Then the loops close with everything pending. At the
 * end all of it must be accounted for: every request (done exactly once, on its thread, never
 * inline, and nobody writes to its memory afterwards), every byte and datagram (what came is what
 * was sent, in its place; the counts are true), every change of a watched directory, every child,
 * every buffer of the pools, every descriptor, every number of cede_count.
 *
 *     storm [--seconds N] [--seed N] [--backend NAME]
 *
 * Chance decides what is done, by the seed; the kernel and the scheduler decide what comes of it,
 * so that a seed brings a storm of the same kind, and not the same storm. The time decides how long
 * it goes on, and never the verdict. Ends with 0 and a line of totals, or with 1 and the reason.
 */
#include "storm.h"

#include <stdarg.h>

totals storm_totals;
station storm_stations[STATIONS];
_Atomic int storm_phase;
const char *storm_backend;
uint64_t storm_seed = 1;

static struct {
    port_mutex mutex;
    uint32_t there;
    port_event gates[STATIONS], met;
} meeting;

/* The first reason is the one that is told. */
void storm_fail(const char *format, ...)
{
    static atomic_flag told = ATOMIC_FLAG_INIT;
    va_list arguments;
    while (atomic_flag_test_and_set(&told))
        port_yield();
    va_start(arguments, format);
    (void)fflush(stdout);
    (void)fprintf(stderr, "storm: ");
    (void)vfprintf(stderr, format, arguments);
    (void)fprintf(stderr, " (seed %llu)\n", (unsigned long long)storm_seed);
    (void)fflush(stderr);
    va_end(arguments);
    _Exit(1);
}

/* Nobody spins, here or elsewhere: who yields and yields may keep the kernel's own threads from
 * running (docs/facts-linux.md). */
void storm_meet(const station *at)
{
    port_lock(&meeting.mutex);
    bool last = ++meeting.there % STATIONS == 0;
    port_unlock(&meeting.mutex);
    for (uint32_t i = 0; i < STATIONS && last; i++)
        port_event_set(&meeting.gates[i]);
    port_event_wait(&meeting.gates[at->number], CEDE_FOREVER);
    if (last)
        port_event_set(&meeting.met);
}

/* What the process makes once and keeps is made before descriptors are counted. */
static cede_status warm_work(void *argument, uint64_t *count)
{
    (void)argument;
    (void)count;
    return CEDE_OK;
}

static _Atomic uint32_t warm_done;

static void on_warm(cede_req *req, cede_result r)
{
    (void)req;
    cede_drop(r.handle);
    warm_done++;
}

static void on_no_signal(cede_req *req, cede_result r)
{
    (void)req;
    (void)r;
}

static const char *warm_up(void)
{
    enum { WARM = 5 };
    static const char *words[] = {NULL, "--child", "0", NULL};
    static char name[32];
    cede_options options = CEDE_OPTIONS_INIT;
    cede_loop *loop;
    cede_req reqs[WARM + 1];
    char why[256] = "";
    cede_address any = storm_home(), found;
    cede_spawn how = {.program = storm_program(), .arguments = words};
    words[0] = how.program;
    options.backend = storm_backend;
    options.backend_config = storm_config(0);
    options.why = why;
    options.why_bytes = sizeof why;
    if (cede_loop_open(&options, &loop) != CEDE_OK) {
        printf("storm: skipped: %s\n", why);
        exit(77);
    }
    (void)snprintf(name, sizeof name, "%s", cede_backend_name(loop));
    cede_prep_work(&reqs[0], warm_work, NULL);
    cede_prep_listen(&reqs[1], &any, 0, 0);
    cede_prep_datagram(&reqs[2], &any, 0);
    cede_prep_lookup(&reqs[3], "localhost", 1, CEDE_LOOKUP_IPV4, &found, 1);
    cede_prep_spawn(&reqs[4], &how, NULL);
    for (uint32_t i = 0; i < WARM; i++)
        (void)cede_submit(loop, &reqs[i], on_warm);
    cede_prep_signal_many(&reqs[WARM], storm_signals, on_no_signal);
    cede_background(&reqs[WARM]);
    (void)cede_submit(loop, &reqs[WARM], on_warm);
    (void)cede_run(loop, CEDE_FOREVER);
    if (warm_done != WARM || cede_loop_close(loop, CEDE_FOREVER) != CEDE_OK)
        storm_fail("a loop that did next to nothing did not close");
    return name;
}

static void meeting_make(void)
{
    port_mutex_init(&meeting.mutex);
    port_event_init(&meeting.met);
    for (uint32_t i = 0; i < STATIONS; i++)
        port_event_init(&meeting.gates[i]);
}

static void start(const char *folder)
{
    for (uint32_t i = 0; i < STATIONS; i++) {
        station *at = &storm_stations[i];
        at->number = i;
        at->random = storm_seed * 1000 + 100 + i;
        (void)snprintf(at->folder, sizeof at->folder, "%s", folder);
        port_start(&at->thread, storm_station_main, at);
    }
    port_event_wait(&meeting.met, CEDE_FOREVER);
    storm_rivals_start();
}

static void finish(void)
{
    storm_phase = HUSH;
    storm_rivals_hush();
    storm_phase = CLOSING;
    for (uint32_t i = 0; i < STATIONS; i++)
        port_join(&storm_stations[i].thread);
    storm_phase = OVER;
    storm_rivals_join();
    storm_lookups_over();
}

/* What was left behind of the look-ups ends by itself, and may have a file open until then; and a
 * pool of threads may have events of its own until they have been idle for some seconds, for which
 * a short storm does not wait. */
static void check_descriptors(uint64_t before, uint64_t events, bool brief, port_event *never)
{
    uint64_t after, more, until = port_now() + 60 * CEDE_SECOND;
    uint64_t most = events + (brief ? SPARE_EVENTS : 0);
    for (;;) {
        after = storm_count_descriptors();
        more = storm_count_events();
        if ((after == before && more <= most) || port_now() > until)
            break;
        port_event_wait(never, CEDE_MILLISECOND);
    }
    if (after == before && more <= most)
        return;
    storm_tell_descriptors();
    storm_fail("%llu descriptors and %llu events before, %llu and %llu after",
               (unsigned long long)before, (unsigned long long)events, (unsigned long long)after,
               (unsigned long long)more);
}

static void print_totals(const char *backend, uint64_t descriptors)
{
    uint64_t requests = 0, items = 0;
    for (uint32_t i = 0; i < STATIONS; i++) {
        requests += storm_stations[i].done;
        items += storm_stations[i].items;
    }
    const struct {
        const char *what;
        uint64_t count;
    } rows[] = {
        {"requests", requests},
        {"items", items},
        {"connections", storm_totals.connections},
        {"by local names", storm_totals.locals},
        {"accepted", storm_totals.accepted},
        {"handed to another loop", storm_totals.handed},
        {"bytes received", storm_totals.bytes},
        {"streams to their end", storm_totals.streams},
        {"pool buffers", storm_totals.pooled},
        {"relays", storm_totals.relays},
        {"files sent", storm_totals.files_sent},
        {"datagrams sent", storm_totals.datagrams},
        {"datagrams received", storm_totals.datagrams_got},
        {"look-ups", storm_totals.lookups},
        {"that hung", storm_totals.hung},
        {"changes told", storm_totals.changes},
        {"watches to their end", storm_totals.eras},
        {"children", storm_totals.children},
        {"ends of children told", storm_totals.waited},
        {"kills", storm_totals.killed},
        {"signals raised", storm_totals.raised},
        {"signals told", storm_totals.heard},
        {"of ears", storm_totals.ears},
        {"resets", storm_totals.resets},
        {"file operations", storm_totals.files},
        {"pends completed", storm_totals.completed},
        {"chains broken", storm_totals.broken},
        {"waits in callbacks", storm_totals.waits},
        {"wishes of other threads", storm_totals.wishes},
        {"cancelled", storm_totals.canceled},
        {"at their deadline", storm_totals.deadlines},
        {"descriptors before and after", descriptors},
    };
    printf("storm on %s: ", backend);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        printf("%llu %s, ", (unsigned long long)rows[i].count, rows[i].what);
    printf("all accounted for (seed %llu)\n", (unsigned long long)storm_seed);
}

static uint64_t number_after(const char *text)
{
    char *rest;
    unsigned long long number = text ? strtoull(text, &rest, 10) : 0;
    if (!text || *rest || rest == text) {
        (void)fprintf(stderr, "usage: storm [--seconds N] [--seed N] [--backend NAME]\n");
        exit(2);
    }
    return number;
}

int main(int count, char **words)
{
    uint64_t seconds = 3, began = port_now();
    char folder[256];
    port_event time;
    if (count == 3 && strcmp(words[1], "--child") == 0)
        return storm_child_main(words[2]);
    for (int i = 1; i < count; i += 2) {
        const char *value = i + 1 < count ? words[i + 1] : NULL;
        if (strcmp(words[i], "--seed") == 0)
            storm_seed = number_after(value);
        else if (strcmp(words[i], "--backend") == 0 && value)
            storm_backend = value;
        else
            seconds = number_after(strcmp(words[i], "--seconds") == 0 ? value : NULL);
    }
    storm_os_make();
    storm_ledger_make();
    storm_lookups_make();
    const char *backend = warm_up();
    port_event_init(&time);
    meeting_make();
    storm_rivals_make();
    port_folder(folder, sizeof folder);
    uint64_t before = storm_count_descriptors(), events = storm_count_events();
    start(folder);
    uint64_t now = port_now() - began; /* what it took to get here counts */
    if (now < seconds * CEDE_SECOND)
        port_event_wait(&time, seconds * CEDE_SECOND - now); /* which nobody sets */
    finish();
    storm_children_gone();
    check_descriptors(before, events, seconds < 10, &time);
    storm_signals_check();
    for (uint32_t i = 0; i < STATIONS; i++) {
        storm_watch_gone(&storm_stations[i]);
        storm_files_gone(&storm_stations[i]);
        storm_records_check(&storm_stations[i]);
    }
    port_folder_gone(folder);
    storm_ledger_check();
    storm_datagrams_check();
    print_totals(backend, before);
    return 0;
}
