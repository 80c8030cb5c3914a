/*
 * Cases that must stop, or must not hurt, run in a process of their own. POSIX.
 */
#define _GNU_SOURCE
#include "inner.h"

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

void cft_dies(cft *t, void (*fn)(cft *, void *), void *context, const char *const *texts)
{
    struct trial trial = {t, fn, context};
    cft_end end = cft_os_child(try_it, &trial, t->limit_seconds / 2 + 1, t->verbose);
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
    struct trial trial = {t, fn, context};
    cft_end end = cft_os_child(try_it, &trial, t->limit_seconds / 2 + 1, t->verbose);
    if (end.code != 0) {
        cft_note(t, "it ended with code %d, signal %d: %.100s", end.code, end.signal,
                 end.output ? end.output : "");
        cft_failed(t, __FILE__, __LINE__, "the other process ends well");
    }
    free(end.output);
}
