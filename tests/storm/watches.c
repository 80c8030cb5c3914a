/*
 * A directory of the station's own, which is watched while names come and go in it. A watch has an
 * era: so many names, then one that marks its end. When the mark is told, all before it must have
 * been: each name that was made once, each that was removed once, none that was not. A watch_many
 * that is cancelled is begun anew, and has missed nothing; where the system says that changes were
 * lost, and where a rival has closed the watch, the era tells nothing.
 *
 * Every system tells names in the order in which they come and go; how often one is modified is
 * its own affair.
 */
#include "storm.h"

#define MARK (WATCHED - 1)

/* A name: not yet; asked for; there; not made. */
enum { NOT_YET, ASKED, THERE, NOT_MADE };

static void begin_watch(record *);
static void begin_many(record *);

static watched *name_of(record *rec)
{
    return rec->part;
}

/* ---- What is told --------------------------------------------------------------------------- */

static void check_era(station *at)
{
    watch *w = &at->watch;
    for (uint32_t i = 0; i < MARK; i++) {
        const watched *n = &w->names[i];
        if (n->told_created != (n->state == THERE) || n->told_removed != n->removed)
            storm_fail("of %s it is told %u times that it was made and %u times that it was "
                       "removed; it was %smade, and %sremoved",
                       n->path, n->told_created, n->told_removed, n->state == THERE ? "" : "not ",
                       n->removed ? "" : "not ");
    }
    storm_totals.eras++;
}

static void one_change(station *at, const cede_change *change)
{
    watch *w = &at->watch;
    unsigned era, number;
    char more;
    storm_totals.changes++;
    if (change->what == CEDE_CHANGE_LOST) {
        w->lost = true;
        return;
    }
    if (sscanf(change->name, "%u-%u%c", &era, &number, &more) != 2 || number >= WATCHED)
        storm_fail("a change of \"%s\" (%u), which is nobody's", change->name, change->what);
    watched *n = &w->names[number];
    if (era != w->era) {
        if (era > w->era)
            storm_fail("a change of %s, before its time", change->name);
        return; /* the last of those before were removed just before this watch */
    }
    if (n->state == NOT_YET)
        storm_fail("a change of %s, which was not asked for", change->name);
    if (change->what == CEDE_CHANGE_CREATED)
        n->told_created++;
    else if (change->what == CEDE_CHANGE_REMOVED)
        n->told_removed++;
    else if (change->what != CEDE_CHANGE_MODIFIED)
        storm_fail("%s is said to be renamed, or gone", change->name);
    if (number == MARK && change->what == CEDE_CHANGE_CREATED)
        w->over = true;
}

static void on_changes(record *rec, cede_result r)
{
    station *at = rec->at;
    uint64_t position = 0;
    const cede_change *change;
    if (!r.buffer || !r.count)
        storm_fail("changes without a buffer");
    rec->items += r.count;
    while ((change = cede_next_change(r.buffer, r.count, &position)) != NULL)
        one_change(at, change);
    storm_hold(at, rec->pool, r.buffer);
    if (at->watch.over) /* the rest may be of no interest, but must come to an end */
        cede_drop(at->watch.handle);
    else if (storm_random(&at->random, 16) == 0)
        cede_cancel(rec->ticket); /* more may have come by now, and is told (law 8) */
}

/* ---- An era: its names ---------------------------------------------------------------------- */

/* Who has nothing more to do with a name. */
static void leave(record *rec)
{
    rec->at->watch.pending--;
    storm_rest(rec);
}

static void on_removed(record *rec, cede_result r)
{
    if (r.status == CEDE_OK)
        name_of(rec)->removed = true;
    else if (r.status != CEDE_ECANCELED && r.status != CEDE_EDEADLINE && r.status != CEDE_EENDED)
        storm_fail("%s cannot be removed: %s", name_of(rec)->path, cede_status_name(r.status));
    leave(rec);
}

/* Only what nobody has open is gone when it is removed. */
static void on_name_closed(record *rec, cede_result r)
{
    (void)r;
    watched *n = name_of(rec);
    if (n == &rec->at->watch.names[MARK] || storm_random(&rec->at->random, 2)) {
        leave(rec);
        return;
    }
    cede_prep_unlink(&rec->as.req, n->path);
    storm_perhaps_within(rec);
    storm_submit(rec, on_removed);
}

static void on_made(record *rec, cede_result r)
{
    watched *n = name_of(rec);
    bool expected = r.status == CEDE_OK || r.status == CEDE_ECANCELED ||
                    r.status == CEDE_EDEADLINE || r.status == CEDE_EENDED;
    if (!expected || (r.status == CEDE_OK) != (r.handle != 0))
        storm_fail("%s cannot be made: %s", n->path, cede_status_name(r.status));
    n->state = r.handle ? THERE : NOT_MADE;
    if (!r.handle) {
        leave(rec);
        return;
    }
    cede_prep_close(&rec->as.req, r.handle);
    storm_submit(rec, on_name_closed);
}

/* The mark when all else is done with, and as often as it takes. */
void storm_watch(station *at)
{
    watch *w = &at->watch;
    bool mark = w->next == MARK;
    if (!w->handle || w->over || (mark && (w->pending || w->names[MARK].state == THERE)))
        return;
    record *rec = storm_take(at, false);
    if (!rec)
        return;
    watched *n = &w->names[w->next];
    snprintf(n->path, sizeof n->path, "%s/w%u/%u-%u", at->folder, at->number, w->era, w->next);
    n->state = ASKED;
    w->pending++;
    w->next += !mark;
    rec->part = n;
    cede_prep_open(&rec->as.req, n->path, CEDE_OPEN_WRITE | CEDE_OPEN_CREATE | CEDE_OPEN_EXCLUSIVE,
                   0644);
    storm_perhaps_within(rec);
    storm_submit(rec, on_made);
}

/* ---- An era: its watch ---------------------------------------------------------------------- */

static void remove_rest(watch *w)
{
    for (uint32_t i = 0; i < WATCHED; i++) {
        if (w->names[i].state == THERE && !w->names[i].removed)
            (void)remove(w->names[i].path);
    }
}

/* Again and again until nobody has to do with the old names any more. */
static void on_between(record *rec, cede_result r)
{
    watch *w = &rec->at->watch;
    (void)r;
    if (storm_phase >= CLOSING) {
        storm_rest(rec);
        return;
    }
    if (w->pending) {
        cede_prep_timer(&rec->as.req, CEDE_MILLISECOND);
        storm_submit(rec, on_between);
        return;
    }
    remove_rest(w);
    begin_watch(rec);
}

static void on_many(record *rec, cede_result r)
{
    station *at = rec->at;
    watch *w = &at->watch;
    if (r.count != rec->items)
        storm_fail("watch_many says %llu, and its items brought %llu", (unsigned long long)r.count,
                   (unsigned long long)rec->items);
    if (r.status != CEDE_ECANCELED && r.status != CEDE_EDEADLINE && r.status != CEDE_EENDED &&
        r.status != CEDE_EBADF)
        storm_fail("watch_many says %s", cede_status_name(r.status));
    if (w->over) {
        if (!w->lost)
            check_era(at);
    } else if (!(r.flags & CEDE_BY_LOOP) && r.status != CEDE_EBADF) {
        begin_many(rec); /* its pool may have been closed, too */
        return;
    }
    cede_drop(w->handle);
    w->handle = 0;
    on_between(rec, r);
}

static void begin_many(record *rec)
{
    station *at = rec->at;
    rec->items = 0;
    rec->item = on_changes;
    rec->pool = at->pool;
    cede_prep_watch_many(&rec->as.req, at->watch.handle, rec->pool, storm_item);
    storm_perhaps_within(rec);
    storm_submit(rec, on_many);
}

static void on_watch(record *rec, cede_result r)
{
    station *at = rec->at;
    watch *w = &at->watch;
    bool expected = r.status == CEDE_OK || r.status == CEDE_ECANCELED ||
                    r.status == CEDE_EDEADLINE || r.status == CEDE_EENDED;
    if (!expected || (r.status == CEDE_OK) != (r.handle != 0))
        storm_fail("a watch of %s/w%u: %s", at->folder, at->number, cede_status_name(r.status));
    if (!r.handle) {
        on_between(rec, r);
        return;
    }
    w->handle = r.handle;
    if (storm_random(&at->random, 8) == 0)
        storm_show_handle(&at->random, w->handle);
    begin_many(rec);
}

static void begin_watch(record *rec)
{
    station *at = rec->at;
    watch *w = &at->watch;
    w->era++;
    w->next = 0;
    w->lost = w->over = false;
    memset(w->names, 0, sizeof w->names);
    cede_prep_watch(&rec->as.req, w->path, 0);
    storm_perhaps_within(rec);
    storm_submit(rec, on_watch);
}

void storm_watch_begin(station *at)
{
    snprintf(at->watch.path, sizeof at->watch.path, "%s/w%u", at->folder, at->number);
    storm_folder_make(at->watch.path);
    begin_watch(storm_take(at, false));
}

/* The mark is there, and was not told yet. */
bool storm_watch_waits(const station *at)
{
    const watch *w = &at->watch;
    return w->handle && !w->over && w->names[MARK].state == THERE;
}

void storm_watch_gone(station *at)
{
    remove_rest(&at->watch);
    port_folder_gone(at->watch.path);
}
