/*
 * cede-cp: the queue of what is to be done, and the steps of what is.
 *
 * So many items work at one time as there may be rooms, and fewer when descriptors run out. One
 * that waits is a scope without a member, which a cancel of the whole ends like any other.
 */
#include "cede-cp.h"

#include <stdlib.h>
#include <string.h>

#define WAITING_MOST 100000u /* from here on, walking ahead would only take memory */

/* ---- Steps ---------------------------------------------------------------------------------- */

/* The callback of everything that belongs to a step. */
static void on_step(cede_req *req, cede_result r)
{
    struct item *it = req->user_data;
    struct room *room = it->room;

    if (r.status && r.status != CEDE_EEOF && !room->trying) {
        cede_fail(it->life, r.status); /* of several reasons the first counts */
        room->line = -1;
    }
    if (--room->links == 0 && room->line >= 0)
        it->work(it, r);
}

cede_req *item_req(struct item *it)
{
    return &it->room->chain[it->room->links++];
}

void item_go(struct item *it, const char *path, int line, bool trying)
{
    struct room *room = it->room;

    room->at = path;
    room->line = line;
    room->trying = trying;
    for (uint32_t i = 0; i < room->links; i++) {
        cede_req *req = &room->chain[i];

        req->user_data = it;
        cede_in(req, it->life);
        if (i)
            cede_link(req - 1, req, on_step);
    }
    cede_submit(it->copy->loop, &room->chain[0], on_step);
}

/* ---- The queue ------------------------------------------------------------------------------ */

/* Walks come first, in a quarter of the rooms, so that the size of the whole is known early. */
static void start_some(struct copy *c)
{
    while (c->working < c->limit && (c->walks || c->others)) {
        bool ahead = c->walking < c->limit / 4 && c->waiting < WAITING_MOST;
        bool walks = c->walks && (ahead || !c->others);
        struct item **list = walks ? &c->walks : &c->others, *it = *list;
        struct room *room = c->rooms ? c->rooms : calloc(1, sizeof *room);

        *list = it->next;
        c->waiting--;
        if (!room) {
            cede_fail(it->life, CEDE_ENOMEM);
            continue;
        }
        c->rooms = room->next;
        c->working++;
        c->walking += walks;
        memset(room, 0, offsetof(struct room, block));
        room->walk = walks;
        room->limit = c->limit;
        it->room = room;
        it->work(it, (cede_result){0});
    }
}

void item_queue(struct item *it, item_work *work, cede_done *end)
{
    struct copy *c = it->copy;
    struct item **list = work == walk || work == add_sources ? &c->walks : &c->others;

    it->work = work;
    it->end = end;
    cede_prep_scope(&it->scope);
    if (it->parent)
        cede_in(&it->scope, it->parent->life);
    it->life = cede_submit(c->loop, &it->scope, end);
    it->next = *list;
    *list = it;
    c->waiting++;
}

void item_leave_room(struct item *it)
{
    struct copy *c = it->copy;
    struct room *room = it->room;

    if (room) {
        it->room = NULL;
        room->next = c->rooms;
        c->rooms = room;
        c->working--;
        c->walking -= room->walk;
    }
    start_some(c);
}

/* ---- Beginning and end ---------------------------------------------------------------------- */

struct item *item_new(struct copy *c, struct item *parent, char *from, char *to)
{
    struct item *it = calloc(1, sizeof *it);

    if (it && from && to) {
        *it = (struct item){.copy = c, .parent = parent, .from = from, .to = to};
        return it;
    }
    report_error(c, from ? from : "a name", cede_strerror(CEDE_ENOMEM));
    free(from);
    free(to);
    free(it);
    return NULL;
}

void item_over(struct item *it, cede_result r)
{
    struct copy *c = it->copy;
    struct room *room = it->room;
    bool full = r.status == CEDE_EMFILE || r.status == CEDE_ENFILE, again = false;

    if (r.flags & CEDE_BY_SCOPE) { /* the whole has ended; so do all that wait, each by itself */
        c->walks = c->others = NULL;
        c->waiting = 0;
    } else if (full && room && room->limit > 1) {
        if (c->limit == room->limit) /* the first of those let in under this limit */
            c->limit /= 2;
        item_queue(it, it->work, it->end);
        again = true;
    } else if (r.status) {
        report_error(c, room && room->at ? room->at : it->from, cede_strerror(r.status));
    }
    item_leave_room(it);
    if (again)
        return;
    free(it->from);
    free(it->to);
    free(it);
}
