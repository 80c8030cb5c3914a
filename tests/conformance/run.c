/*
 * One run of a case: its loop, how it is driven, and the end, where everything must add up.
 *
 * A run that must stop early (an injected failure that left no loop, S12's close at a step) jumps
 * out of the case's body; so all memory that outlives a call hangs on the run.
 */
#include "inner.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

CFT_THREAD_LOCAL cft_depths cft_here;

/* ---- Failing -------------------------------------------------------------------------------- */

static void print_one(void *context, const cede_pending *pending)
{
    (void)context;
    printf("#   %-10s %-10s handle %" PRIx64 " age %" PRIu64
           " ms, wishes 0x%02x, cancel tries %u, %s\n",
           pending->op, pending->state, (uint64_t)pending->handle, pending->age_ns / 1000000u,
           pending->wishes, pending->cancel_tries, pending->where ? pending->where : "?");
}

void cft_print_pending(cft *t)
{
    printf("# not done, by the suite's record:\n");
    uint32_t shown = 0;
    for (cft_rec *rec = t->records; rec; rec = rec->next) {
        if (rec->submitted == rec->done)
            continue;
        printf("#   %s, submitted %u times, done %u, at %s\n", cede_op_name(rec->op),
               rec->submitted, rec->done, rec->where ? rec->where : "?");
        if (++shown == 32)
            break;
    }
    if (!shown)
        printf("#   nothing\n");
    if (t->loop && !t->closed && cft_os_self() == t->thread) {
        printf("# pending, by the loop's dump:\n");
        cede_dump(t->loop, print_one, NULL);
    }
    for (uint32_t i = 0; i < t->note_count && i < CFT_NOTES; i++)
        printf("# note: %s\n", t->notes[i]);
}

static void print_replay(cft *t)
{
    printf("# replay: cede-conformance --no-fork --backend %s --case %s --schedule S%u/%u/%" PRIu64
           " --seed %" PRIu64 "\n",
           t->world->name, t->kase->name, t->schedule, t->variant, t->k, t->base_seed);
}

static void abandon(cft *t)
{
    if (t->world->abandon && t->state)
        t->world->abandon(t->state);
}

void cft_failed(cft *t, const char *file, int line, const char *what)
{
    const char *name = strrchr(file, '/');
    printf("# FAILED %s:%d: %s\n", name ? name + 1 : file, line, what);
    printf("# in %s, %s\n", t->kase->name, t->board->at);
    cft_print_pending(t);
    print_replay(t);
    fflush(stdout);
    abandon(t);
    _Exit(CFT_EXIT_FAILED);
}

void cft_late_exit(void *context)
{
    cft *t = context;
    printf("# HUNG %s: no end after %u s, in %s\n", t->kase->name, t->limit_seconds, t->board->at);
    printf("# it waits for:\n");
    print_replay(t);
    fflush(stdout);
    cft_print_pending(t);
    fflush(stdout);
    abandon(t);
}

void cft_note(cft *t, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(t->notes[t->note_count % CFT_NOTES], sizeof t->notes[0], format, arguments);
    va_end(arguments);
    if (t->verbose)
        printf("# %s\n", t->notes[t->note_count % CFT_NOTES]);
    t->note_count++;
}

void cft_skip(cft *t, const char *condition)
{
    snprintf(t->board->skip, sizeof t->board->skip, "%s", condition);
    if (t->stays)
        cft_leave(t);
    fflush(stdout);
    abandon(t);
    _Exit(CFT_EXIT_SKIP);
}

void cft_needs(cft *t, uint32_t op)
{
    if (!cede_supports(cft_loop(t), op))
        cft_skip(t, "not_here_yet");
}

/* ---- Small things --------------------------------------------------------------------------- */

uint32_t cft_schedule(const cft *t)
{
    return t->schedule;
}

uint32_t cft_variant(const cft *t)
{
    return t->variant;
}

const char *cft_backend(const cft *t)
{
    return t->world->name;
}

bool cft_late(const cft *t)
{
    return t->schedule == 3 || t->schedule == 4;
}

void *cft_given(const cft *t)
{
    return t->given;
}

uint64_t cft_mix(uint64_t a, uint64_t b)
{
    uint64_t x = a + b * UINT64_C(0x9e3779b97f4a7c15) + UINT64_C(0x7f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

uint64_t cft_hash(const char *text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return hash;
}

uint64_t cft_random(cft *t)
{
    t->random++;
    return cft_mix(t->seed, t->random);
}

uint32_t cft_below(cft *t, uint32_t bound)
{
    return bound ? (uint32_t)(cft_random(t) % bound) : 0;
}

/* The bytes from there to the end of their word of eight, the next one lowest. Sets how many. */
static uint64_t fill_word(uint64_t key, uint64_t offset, size_t bytes, size_t *count)
{
    size_t rest = 8 - offset % 8;
    *count = bytes < rest ? bytes : rest;
    return cft_mix(key, offset / 8) >> (offset % 8 * 8);
}

void cft_fill(void *memory, size_t bytes, uint64_t key, uint64_t offset)
{
    unsigned char *out = memory;
    while (bytes) {
        size_t count;
        uint64_t word = fill_word(key, offset, bytes, &count);
        for (size_t i = 0; i < count; i++, word >>= 8)
            *out++ = (unsigned char)word;
        bytes -= count;
        offset += count;
    }
}

bool cft_filled(const void *memory, size_t bytes, uint64_t key, uint64_t offset)
{
    const unsigned char *in = memory;
    while (bytes) {
        size_t count;
        uint64_t word = fill_word(key, offset, bytes, &count);
        for (size_t i = 0; i < count; i++, word >>= 8) {
            if (*in++ != (unsigned char)word)
                return false;
        }
        bytes -= count;
        offset += count;
    }
    return true;
}

struct cft_block {
    struct cft_block *next;
    uint64_t memory[]; /* aligned for all that a case puts there */
};

void *cft_alloc(cft *t, size_t bytes)
{
    struct cft_block *block = calloc(1, sizeof *block + bytes);
    if (!block)
        abort();
    cft_gate_lock(t->gate);
    block->next = t->blocks;
    t->blocks = block;
    cft_gate_unlock(t->gate);
    return block->memory;
}

bool cft_faulted(const cft *t)
{
    return t->schedule == 9 && cft_faults_hit(t);
}

/* ---- The loop ------------------------------------------------------------------------------- */

void cft_options(cft *t, cede_options *out)
{
    memset(out, 0, sizeof *out);
    out->backend = t->world->name;
    if (t->world->table) {
        out->backend = NULL;
        out->backend_table = t->world->table;
    }
    if (t->schedule == 8) {
        out->queue_entries = 1 + t->variant % 2;
        out->pool_threads = 1;
    }
    if (t->world->options)
        t->world->options(t, t->state, out);
}

static cede_loop *open_loop(cft *t, const cede_options *given)
{
    char why[256] = "";
    cede_options options = *given;
    cede_loop *loop = NULL;
    if (!options.why) {
        options.why = why;
        options.why_bytes = sizeof why;
    }
    cede_status status = cede_loop_open(&options, &loop);
    if (status == CEDE_OK) {
        CFT_CHECK(t, loop != NULL);
        return loop;
    }
    CFT_CHECK(t, loop == NULL);
    CFT_CHECK(t, options.why != why || why[0] != '\0');
    if (!cft_faulted(t)) {
        cft_note(t, "cede_loop_open: %s: %s", cede_status_name(status), why);
        cft_failed(t, __FILE__, __LINE__, "cede_loop_open succeeds");
    }
    return NULL;
}

cede_loop *cft_loop(cft *t)
{
    if (!t->loop) {
        CFT_CHECK(t, !t->closed);
        cede_options options;
        cft_options(t, &options);
        t->loop = open_loop(t, &options);
        if (!t->loop)
            cft_leave(t);
    }
    return t->loop;
}

cede_loop *cft_open(cft *t, const cede_options *options)
{
    uint32_t place = 0;
    while (place < t->loop_count && t->loops[place])
        place++;
    CFT_CHECK(t, place < CFT_LOOPS);
    cede_loop *loop = open_loop(t, options);
    if (!loop)
        cft_leave(t);
    t->loops[place] = loop;
    if (place == t->loop_count)
        t->loop_count++;
    return loop;
}

void cft_leave(cft *t)
{
    longjmp(t->out, 1);
}

int64_t cft_run_on(cede_loop *loop, uint64_t at_most_ns)
{
    cft_here.driving++;
    int64_t ran = cede_run(loop, at_most_ns);
    cft_here.driving--;
    return ran;
}

cede_status cft_wait_on(cede_loop *loop, cede_ticket ticket, uint64_t at_most_ns)
{
    bool nested = cft_here.depth > 0;
    cft_here.driving++;
    cft_here.waits += nested;
    cede_status status = cede_wait(loop, ticket, at_most_ns);
    cft_here.waits -= nested;
    cft_here.driving--;
    return status;
}

cede_status cft_close_on(cft *t, cede_loop *loop, uint64_t at_most_ns)
{
    cft_here.driving++;
    cede_status status = cede_loop_close(loop, at_most_ns);
    cft_here.driving--;
    cft_gate_lock(t->gate); /* two threads may close theirs at once */
    for (uint32_t i = 0; i < t->loop_count; i++) {
        if (t->loops[i] == loop && status == CEDE_OK)
            t->loops[i] = NULL;
    }
    cft_gate_unlock(t->gate);
    return status;
}

int64_t cft_run(cft *t, uint64_t at_most_ns)
{
    cft_step(t);
    int64_t ran = cft_run_on(cft_loop(t), at_most_ns);
    if (ran < 0 && !cft_faulted(t)) {
        cft_note(t, "cede_run: %s", cede_status_name((cede_status)ran));
        cft_failed(t, __FILE__, __LINE__, "cede_run returns no failure");
    }
    if (t->step_due)
        cft_step(t);
    return ran;
}

void cft_flush(cft *t)
{
    (void)cft_run(t, 0);
}

cede_status cft_wait(cft *t, const cft_rec *rec, uint64_t at_most_ns)
{
    cft_step(t);
    cede_status status = cft_wait_on(cft_loop(t), rec->ticket, at_most_ns);
    if (t->step_due)
        cft_step(t);
    return status;
}

/* How long to wait before looking whether an injected failure left something hanging. */
#define PATIENCE_NS (20 * CEDE_MILLISECOND)

void cft_await(cft *t, cft_rec *rec)
{
    cft_step(t);
    CFT_CHECK(t, rec->submitted > 0);
    if (rec->ticket.generation == 0) { /* behind a link: it has no ticket */
        while (!cft_is_done(rec)) {
            int64_t ran = cft_run_on(cft_loop(t), t->schedule == 9 ? PATIENCE_NS : CEDE_SECOND);
            CFT_CHECK(t, ran >= 0 || cft_faulted(t));
        }
    }
    while (!cft_is_done(rec)) {
        uint64_t limit = t->schedule == 9 ? PATIENCE_NS : CEDE_FOREVER;
        uint32_t before = rec->done;
        cede_status status = cft_wait_on(cft_loop(t), rec->ticket, limit);
        if (status == CEDE_EDEADLINE && t->schedule == 9) {
            if (cft_faulted(t))
                cede_cancel(rec->ticket);
            continue;
        }
        CFT_CHECK(t, status == CEDE_OK);
        CFT_CHECK(t, rec->done > before); /* it may have ceded itself anew */
    }
    if (t->step_due)
        cft_step(t);
}

void cft_settle(cft *t)
{
    cft_step(t);
    for (;;) {
        int64_t ran = cft_run_on(cft_loop(t), t->schedule == 9 ? PATIENCE_NS : CEDE_FOREVER);
        CFT_CHECK(t, ran >= 0 || cft_faulted(t));
        if (t->schedule != 9 || !atomic_load(&t->undone))
            break;
        if (!cft_faulted(t))
            continue;
        for (cft_rec *rec = t->records; rec; rec = rec->next) {
            if (!cft_is_done(rec) && rec->ticket.generation)
                cede_cancel(rec->ticket);
        }
    }
    if (t->step_due)
        cft_step(t);
}

cede_status cft_close(cft *t, uint64_t at_most_ns)
{
    CFT_CHECK(t, !t->closed && t->loop);
    cede_status status = cft_close_on(t, t->loop, at_most_ns);
    CFT_CHECK(t, status == CEDE_OK || (status == CEDE_EDEADLINE && at_most_ns != CEDE_FOREVER));
    if (status == CEDE_OK) {
        t->closed = true;
        for (cft_rec *rec = t->records; rec; rec = rec->next) {
            if (rec->loop == t->loop)
                CFT_CHECK(t, cft_is_done(rec));
        }
        t->loop = NULL;
    }
    return status;
}

/* ---- S12: the loop is closed at each step ---------------------------------------------------- */

void cft_step(cft *t)
{
    if (t->schedule != 12 || t->ending || t->closed)
        return;
    if (cft_os_self() != t->thread)
        return;
    if (!t->step_due && ++t->steps != t->k)
        return;
    if (cft_here.depth || cft_here.driving) { /* a loop cannot be closed in its callback */
        t->step_due = true;
        return;
    }
    t->step_due = false;
    t->stepped = true;
    cft_join(t);
    if (t->loop) {
        if (t->frozen) {
            CFT_CHECK(t, cft_close(t, 2 * CEDE_MILLISECOND) == CEDE_EDEADLINE);
            cft_thaw(t);
        }
        CFT_CHECK(t, cft_close(t, CEDE_FOREVER) == CEDE_OK);
    }
    cft_leave(t);
}

/* ---- A run from start to end ----------------------------------------------------------------- */

void cft_at_end(cft *t, void (*fn)(void *), void *context)
{
    struct cft_last *last = cft_alloc(t, sizeof *last);
    *last = (struct cft_last){t->lasts, fn, context};
    t->lasts = last;
}

static void end_loops(cft *t)
{
    t->ending = true;
    cft_join(t);
    if (t->frozen)
        cft_thaw(t);
    if (t->loop)
        CFT_CHECK(t, cft_close(t, CEDE_FOREVER) == CEDE_OK);
    for (uint32_t i = 0; i < t->loop_count; i++) {
        if (t->loops[i])
            CFT_CHECK(t, cft_close_on(t, t->loops[i], CEDE_FOREVER) == CEDE_OK);
    }
    t->closed = true;
    for (; t->lasts; t->lasts = t->lasts->next)
        t->lasts->fn(t->lasts->context);
}

int cft_run_once(cft *t)
{
    t->thread = cft_os_self();
    t->gate = cft_gate_new();
    t->board->runs++;
    memset(&cft_here, 0, sizeof cft_here);
    t->state = t->world->start ? t->world->start(t) : NULL;
    int64_t open_before = t->world->open_natives ? t->world->open_natives(t, t->state) : 0;
    if (t->schedule == 9)
        cft_faults_arm(t);
    if (!setjmp(t->out)) {
        t->kase->run(t);
        cft_heirs_check(t);
        cft_pools_check(t);
    }
    end_loops(t);
    for (uint32_t i = 0; i < t->handle_count; i++)
        cede_drop(t->handles[i]); /* those that no loop ever used; stale ones: nothing */
    free(t->handles);
    bool hit = t->schedule == 9 && cft_faults_hit(t);
    cft_faults_off(t);
    cft_actor_stop(t);
    cft_records_check(t, true);
    cft_graves_check(t);
    for (uint32_t i = 0; i < t->peer_count; i++) {
        if (t->peers[i] >= 0)
            t->world->peer_close(t, t->state, t->peers[i]);
    }
    int64_t open_after = t->world->open_natives ? t->world->open_natives(t, t->state) : 0;
    if (open_before != open_after) {
        cft_note(t, "%" PRId64 " descriptors open before, %" PRId64 " after", open_before,
                 open_after);
        cft_failed(t, __FILE__, __LINE__, "as many descriptors are open after the run as before");
    }
    if (t->world->end)
        t->world->end(t, t->state);
    cft_records_free(t);
    while (t->blocks) {
        struct cft_block *next = t->blocks->next;
        free(t->blocks);
        t->blocks = next;
    }
    cft_gate_free(t->gate);
    if (t->board->skip[0])
        return CFT_EXIT_SKIP;
    if ((t->schedule == 9 && !hit) || (t->schedule == 12 && !t->stepped))
        return CFT_EXIT_NO_MORE;
    return CFT_EXIT_OK;
}
