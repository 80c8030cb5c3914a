/*
 * Children, signals and watches for cases.
 */
#include "inner.h"

#include <stdlib.h>
#include <string.h>

/* ---- Children ------------------------------------------------------------------------------- */

const char *cft_program(cft *t)
{
    return t->world->program ? t->world->program(t, t->state) : cft_os_program();
}

cft_rec *cft_prep_child(cft *t, cede_handle input, cede_handle output, const char *const *words)
{
    cft_rec *rec = cft_new(t);
    const char *arguments[16] = {cft_program(t), "--child"};
    size_t count = 2;
    for (; *words && count < 15; words++)
        arguments[count++] = *words;
    cede_spawn how = {.program = arguments[0], .stdio = {input, output}};
    how.arguments = cft_input(rec, arguments, (count + 1) * sizeof arguments[0]);
    rec->data = cft_input(rec, &how, sizeof how); /* for cases that change it before the submit */
    cede_prep_spawn(rec->req, rec->data, cft_buffer(rec, sizeof(uint64_t)));
    return rec;
}

cede_handle cft_child(cft *t, cede_handle input, cede_handle output, const char *what)
{
    const char *words[] = {what, NULL};
    cft_rec *rec = cft_prep_child(t, input, output, words);
    cft_do(rec);
    CFT_OK(t, rec);
    return rec->result.handle;
}

cede_handle cft_half(cft *t, uint32_t what, cede_handle *its)
{
    cft_rec *rec = cft_new(t);
    cft_prep_pair(rec, what);
    cft_do(rec);
    CFT_OK(t, rec);
    *its = rec->number;
    return rec->result.handle;
}

cft_rec *cft_child_wait(cft *t, cede_handle child)
{
    cft_rec *rec = cft_new(t);
    cede_prep_child_wait(rec->req, child);
    cft_submit(rec);
    return rec;
}

cft_rec *cft_child_kill(cft *t, cede_handle child, uint32_t how)
{
    cft_rec *rec = cft_new(t);
    cede_prep_child_kill(rec->req, child, how);
    cft_do(rec);
    return rec;
}

bool cft_has_child(cft *t, uint64_t number)
{
    return t->world->has_child && t->world->has_child(t, t->state, number);
}

/* ---- Signals -------------------------------------------------------------------------------- */

int cft_taken(cft *t, uint32_t signal)
{
    return t->world->signal_taken ? t->world->signal_taken(t, t->state, signal) : -1;
}

bool cft_raise(cft *t, uint32_t signal)
{
    if (!t->world->raise)
        cft_skip(t, "cannot_raise");
    return t->world->raise(t, t->state, signal);
}

struct ignored {
    cft *t;
    uint32_t signal;
};

static void heed(void *context)
{
    struct ignored *ignored = context;
    cft *t = ignored->t;
    t->world->ignore(t, t->state, ignored->signal, false);
}

bool cft_ignored(cft *t, uint32_t signal)
{
    struct ignored *ignored = cft_alloc(t, sizeof *ignored);
    if (!t->world->ignore)
        return false;
    *ignored = (struct ignored){t, signal};
    t->world->ignore(t, t->state, signal, true);
    cft_at_end(t, heed, ignored);
    return true;
}

uint32_t cft_watch_room(const cft *t)
{
    return t->world->watch_room ? t->world->watch_room : 16384;
}
