/*
 * Every way to end an operation, for children and watches. See ends.c.
 */
#include "ends.h"

#include <string.h>

/* A child that ends when s->second is closed. */
static cede_handle waiting_child(cft *t, stage *s)
{
    cede_handle input;
    s->second = cft_half(t, CEDE_PAIR_TO_CHILD, &input);
    cede_handle child = cft_child(t, input, 0, "cat");
    cft_drop(t, input);
    return child;
}

static void spawn_prepare(cft *t, stage *s)
{
    static const char *const words[] = {"exit:3", NULL};
    cft_needs(t, CEDE_OP_SPAWN);
    s->rec = cft_prep_child(t, 0, 0, words);
}

static void spawn_check(cft *t, stage *s, bool happened)
{
    cede_handle child = s->rec->result.handle;
    uint64_t number;
    CFT_CHECK(t, (child != 0) == happened);
    memcpy(&number, s->rec->bytes, sizeof number);
    CFT_CHECK(t, !happened || (number && number != UINT64_C(0xeeeeeeeeeeeeeeee)));
    if (!child || s->round == BY_LOOP) /* not after the loop has closed */
        return;
    cft_rec *wait = cft_child_wait(t, child);
    cft_await(t, wait);
    CFT_OK(t, wait);
    CFT_EXPECT(t, wait->result.count == 3);
    cft_closed(t, child);
}

static void child_wait_prepare(cft *t, stage *s)
{
    cft_needs(t, CEDE_OP_SPAWN);
    s->handle = waiting_child(t, s);
    cede_prep_child_wait(s->rec->req, s->handle);
}

static void child_wait_feed(cft *t, stage *s)
{
    cft_closed(t, s->second);
    s->second = 0;
}

static void child_wait_check(cft *t, stage *s, bool happened)
{
    (void)happened;
    CFT_CHECK(t, s->rec->result.count == 0);
}

static void child_kill_prepare(cft *t, stage *s)
{
    cft_needs(t, CEDE_OP_SPAWN);
    s->handle = waiting_child(t, s);
    cede_prep_child_kill(s->rec->req, s->handle, CEDE_KILL_FORCE);
}

static void watch_prepare(cft *t, stage *s)
{
    cft_needs(t, CEDE_OP_WATCH);
    cft_rec *rec = cft_new(t);
    cede_prep_mkdir(rec->req, cft_path(t, s->name), 0755);
    cft_do(rec);
    CFT_OK(t, rec);
    cede_prep_watch(s->rec->req, cft_path(t, s->name), 0);
}

ENDS(spawn, SPAWN, spawn_prepare, NULL, spawn_check)
ENDS(child_wait, CHILD_WAIT, child_wait_prepare, child_wait_feed, child_wait_check)
ENDS(child_kill, CHILD_KILL, child_kill_prepare, NULL, cft_ends_nothing)
ENDS(watch, WATCH, watch_prepare, NULL, cft_ends_made)
