/*
 * Cases that must stop, or must not hurt, run in a process of their own.
 *
 * Where a child is a new start of the program, it runs the same case again, as the same run, up to
 * the trial that it is for (--trial), and passes over those before.
 */
#include "inner.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct trial {
    cft *t;
    void (*fn)(cft *, void *);
    void *context;
};

static int try_it(void *context)
{
    const struct trial *trial = context;
    trial->fn(trial->t, trial->context);
    return 0;
}

static cft_end try_apart(cft *t, void (*fn)(cft *, void *), void *context)
{
    struct trial trial = {t, fn, context};
    char arguments[512];
    snprintf(arguments, sizeof arguments,
             "--no-fork --trial %u --backend %s --case %s --schedule S%u/%u/%" PRIu64
             " --seed %" PRIu64 " --limit %u",
             t->trials, t->world->name, t->kase->name, t->schedule, t->variant, t->k, t->base_seed,
             t->limit_seconds);
    cft_order order = {try_it, &trial, arguments, &t->board->runs};
    return cft_os_child(&order, t->limit_seconds / 2 + 1, t->verbose);
}

void cft_alone(cft *t)
{
    if (t->stays)
        cft_skip(t, CFT_APART);
}

/* Counts a trial. True: it is not to be made here. */
static bool is_passed_over(cft *t, void (*fn)(cft *, void *), void *context)
{
    t->trials++;
    if (t->only_trial == t->trials) {
        fn(t, context);
        exit(0);
    }
    if (cft_os_copies)
        cft_alone(t); /* a copy of one that has used the library is no fresh one */
    return t->only_trial != 0;
}

void cft_dies(cft *t, void (*fn)(cft *, void *), void *context, const char *const *texts)
{
    if (is_passed_over(t, fn, context))
        return;
    cft_end end = try_apart(t, fn, context);
    if (end.code == 0 || end.hung) {
        cft_note(t, "it %s", end.hung ? "did not end" : "ended well");
        cft_failed(t, __FILE__, __LINE__, "misuse stops the process (law 17)");
    }
    cft_note(t, "it said: %.140s", end.bytes ? end.output : "nothing");
    /* One line must have all of it. */
    char *line = strtok(end.output, "\n");
    for (; line; line = strtok(NULL, "\n")) {
        size_t i = 0;
        while (texts[i] && strstr(line, texts[i]))
            i++;
        if (!texts[i]) {
            if (t->verbose)
                printf("# it said: %s\n", line);
            free(end.output);
            return;
        }
    }
    for (size_t i = 0; texts[i]; i++)
        cft_note(t, "wanted in one line: %s", texts[i]);
    cft_failed(t, __FILE__, __LINE__, "the last line names law, operation and place (law 17)");
}

void cft_lives(cft *t, void (*fn)(cft *, void *), void *context)
{
    if (is_passed_over(t, fn, context))
        return;
    cft_end end = try_apart(t, fn, context);
    if (end.code != 0) {
        cft_note(t, "it ended with code %d, signal %d: %.100s", end.code, end.signal,
                 end.output ? end.output : "");
        cft_failed(t, __FILE__, __LINE__, "the other process ends well");
    }
    free(end.output);
}

bool cft_can_fork(const cft *t)
{
    (void)t;
    return cft_os_copies;
}
