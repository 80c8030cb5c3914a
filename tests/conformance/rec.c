/*
 * The recorder: what becomes of each request, and the laws that hold for every one.
 *
 * Checked at each done: it is the only one for its submission (law 2), the loop is being driven on
 * this thread and no call that must not call back is on the stack (law 3), callbacks nest only by
 * cede_wait, the ticket names this submission, and the result keeps law 7's form. When done has
 * returned the request, the buffer and the inputs are freed: at once under AddressSanitizer or
 * with CEDE_CONFORMANCE_FREE set (valgrind), else they are kept, filled with a pattern that must be
 * intact at the end of the run (law 4). In checked builds where no such tool looks, they have pages
 * of their own, so that a touch between submit and done traps, and one after it too.
 */
#include "inner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define FREE_AT_ONCE 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FREE_AT_ONCE 1
#endif
#endif
#ifndef FREE_AT_ONCE
#define FREE_AT_ONCE 0
#endif

#define GRAVE_BYTE 0xa5

/* ---- What is ceded, and after done ----------------------------------------------------------- */

static bool has_tool(void)
{
    static _Atomic int known = -1; /* runs may have threads of their own */
    if (known < 0)
        known = FREE_AT_ONCE || getenv("CEDE_CONFORMANCE_FREE") != NULL;
    return known;
}

static bool has_pages(void)
{
    return cede_is_checked() && !has_tool();
}

static void *memory_new(const cft *t, size_t bytes)
{
    void *memory = has_pages() && !t->plain_memory ? cede_checked_alloc(bytes) : NULL;
    if (!memory) /* S9 may refuse the library's allocator what the pages need */
        memory = malloc(bytes ? bytes : 1);
    if (!memory)
        abort();
    return memory;
}

/* Of either kind. */
static void memory_free(void *memory)
{
    if (has_pages())
        cede_checked_free(memory);
    else
        free(memory);
}

void cft_plain_memory(cft *t)
{
    t->plain_memory = true;
}

struct cft_grave {
    struct cft_grave *next;
    unsigned char *memory;
    size_t bytes;
};

void cft_bury(cft *t, void *memory, size_t bytes)
{
    if (has_tool() || has_pages()) {
        memory_free(memory);
        return;
    }
    struct cft_grave *grave = malloc(sizeof *grave);
    if (!grave)
        abort();
    memset(memory, GRAVE_BYTE, bytes);
    grave->memory = memory;
    grave->bytes = bytes;
    cft_gate_lock(t->gate);
    grave->next = t->graves;
    t->graves = grave;
    cft_gate_unlock(t->gate);
}

void cft_graves_check(cft *t)
{
    while (t->graves) {
        struct cft_grave *grave = t->graves;
        size_t at = 0;
        bool untouched =
            grave->bytes == 0 || (grave->memory[0] == GRAVE_BYTE &&
                                  memcmp(grave->memory, grave->memory + 1, grave->bytes - 1) == 0);
        if (!untouched) {
            while (grave->memory[at] == GRAVE_BYTE)
                at++;
            cft_note(t, "byte %zu of %zu was written", at, grave->bytes);
            cft_failed(t, __FILE__, __LINE__, "memory stays untouched after its done (law 4)");
        }
        t->graves = grave->next;
        free(grave->memory);
        free(grave);
    }
}

/* ---- Records -------------------------------------------------------------------------------- */

cft_rec *cft_new(cft *t)
{
    cft_rec *rec = cft_alloc(t, sizeof *rec);
    rec->t = t;
    rec->req = memory_new(rec->t, sizeof *rec->req);
    memset(rec->req, 0xc3, sizeof *rec->req); /* prep needs no initialised memory */
    rec->req->user_data = rec;
    cft_gate_lock(t->gate);
    rec->id = t->record_count++;
    rec->next = t->records;
    t->records = rec;
    cft_gate_unlock(t->gate);
    return rec;
}

cft_rec *cft_reuse(cft_rec *rec)
{
    CFT_CHECK(rec->t, cft_is_done(rec));
    if (!rec->req) {
        rec->req = memory_new(rec->t, sizeof *rec->req);
        memset(rec->req, 0x3c, sizeof *rec->req);
        rec->req->user_data = rec;
    }
    return rec;
}

static void *cede_memory(cft_rec *rec, size_t bytes)
{
    CFT_CHECK(rec->t, rec->ceded_count_ < 4);
    void *memory = memory_new(rec->t, bytes);
    rec->ceded_[rec->ceded_count_] = memory;
    rec->ceded_bytes_[rec->ceded_count_++] = bytes;
    return memory;
}

void *cft_buffer(cft_rec *rec, size_t bytes)
{
    rec->buffer_ = cede_memory(rec, bytes);
    rec->buffer_bytes = bytes;
    memset(rec->buffer_, 0xee, bytes);
    rec->bytes = cft_alloc(rec->t, bytes + 1);
    return rec->buffer_;
}

void *cft_input(cft_rec *rec, const void *bytes, size_t count)
{
    void *memory = cede_memory(rec, count);
    memcpy(memory, bytes, count);
    return memory;
}

bool cft_is_done(const cft_rec *rec)
{
    return rec->submitted == rec->done && !rec->on_stack_;
}

/* ---- What kind of result an operation has ---------------------------------------------------- */

enum { PLAIN, ONE, WHOLE, OPENS, MANY };

static const uint8_t shapes[CEDE_OP_COUNT] = {
#define CEDE_OP(NAME, name, handle, order, shape, host, promise) [CEDE_OP_##NAME] = (shape),
#include "cede/ops.def"
};

bool cft_is_whole(uint32_t op)
{
    return op < CEDE_OP_COUNT && shapes[op] == WHOLE;
}

bool cft_is_many(uint32_t op)
{
    return op < CEDE_OP_COUNT && shapes[op] == MANY;
}

bool cft_makes_handle(uint32_t op)
{
    return op < CEDE_OP_COUNT && shapes[op] == OPENS;
}

/* Law 7's form, for whatever result. */
static void check_form(cft *t, const cft_rec *rec)
{
    const cede_result *r = &rec->result;
    uint32_t by = r->flags & CEDE_BY_ANY;
    CFT_CHECK(t, (by & (by - 1)) == 0);
    uint32_t others = rec->op == CEDE_OP_RECVFROM && r->status == CEDE_OK ? CEDE_TRUNCATED : 0;
    CFT_CHECK(t, (r->flags & ~(CEDE_BY_ANY | CEDE_CANCEL_ASKED | others)) == 0);
    CFT_CHECK(t, r->status <= 0);
    CFT_CHECK(t, strcmp(cede_status_name(r->status), cede_status_name(1)) != 0);
    bool frees = rec->op == CEDE_OP_PEND || rec->op == CEDE_OP_SCOPE || rec->op == CEDE_OP_WORK;
    if (frees) /* their statuses are the program's own */
        return;
    if (r->status == CEDE_ECANCELED)
        CFT_CHECK(t, by != 0 && by != CEDE_BY_DEADLINE);
    if (r->status == CEDE_EDEADLINE)
        CFT_CHECK(t, by == CEDE_BY_DEADLINE);
    if (r->status == CEDE_EENDED)
        CFT_CHECK(t, by == 0 || by == CEDE_BY_SCOPE || by == CEDE_BY_LOOP);
    if (r->status != CEDE_OK && !cft_is_whole(rec->op) && !cft_is_many(rec->op))
        CFT_CHECK(t, r->count == 0);
    CFT_CHECK(t, (r->handle != 0) == (cft_makes_handle(rec->op) && r->status == CEDE_OK));
}

static void bury_all(cft_rec *rec, bool request)
{
    for (uint32_t i = 0; i < rec->ceded_count_; i++)
        cft_bury(rec->t, rec->ceded_[i], rec->ceded_bytes_[i]);
    rec->ceded_count_ = 0;
    rec->buffer_ = NULL;
    if (!request)
        return;
    cft_bury(rec->t, rec->req, sizeof *rec->req);
    rec->req = NULL;
}

static void on_done(cede_req *req, cede_result result)
{
    cft_rec *rec = req->user_data;
    cft *t = rec->t;
    CFT_CHECK(t, rec->req == req);
    CFT_CHECK(t, rec->done + 1 == rec->submitted); /* law 2 */
    CFT_CHECK(t, cft_here.driving > 0);            /* law 3 */
    CFT_CHECK(t, cft_here.inside == 0);
    CFT_CHECK(t, cft_here.depth == 0 || cft_here.waits > 0);
    CFT_CHECK(t, cede_in_callback(rec->loop));
    uint32_t waits = cft_here.waits;
    cft_here.depth++;
    cft_here.waits = 0;
    rec->on_stack_ = true;
    rec->result = result;
    rec->done_at = atomic_fetch_add(&t->events, 1) + 1;
    if (t->verbose)
        printf("# done %s: %s, count %llu, flags 0x%02x (%s)\n", cede_op_name(rec->op),
               cede_status_name(result.status), (unsigned long long)result.count, result.flags,
               rec->where);
    if (rec->buffer_)
        memcpy(rec->bytes, rec->buffer_, rec->buffer_bytes);
    check_form(t, rec);
    if (result.handle)
        cft_keep_handle(t, result.handle);
    uint32_t ceded = rec->ceded_count_;
    void *old[4];
    size_t old_bytes[4];
    memcpy(old, rec->ceded_, sizeof old);
    memcpy(old_bytes, rec->ceded_bytes_, sizeof old_bytes);
    rec->ceded_count_ = 0;
    rec->buffer_ = NULL;
    rec->done++;
    atomic_fetch_sub(&t->undone, 1);
    uint32_t submitted = rec->submitted;
    for (uint32_t i = 0; i < ceded; i++)
        cft_bury(t, old[i], old_bytes[i]);
    if (rec->then)
        rec->then(rec);
    if (rec->submitted == submitted && rec->heir_) {
        cft_rec *heir = rec->heir_;
        rec->heir_ = NULL;
        memory_free(heir->req);
        heir->req = rec->req;
        rec->req = NULL;
        heir->req->user_data = heir;
        cede_prep_pend(heir->req);
        cede_background(heir->req);
        cft_submit_on(heir, rec->loop);
    } else if (rec->submitted == submitted && rec->req) {
        bury_all(rec, true);
    }
    rec->returned_at = atomic_fetch_add(&t->events, 1) + 1;
    rec->on_stack_ = false;
    cft_here.depth--;
    cft_here.waits = waits;
}

/* ---- Submitting ----------------------------------------------------------------------------- */

static void mark(cft_rec *rec, cede_loop *loop, const char *where)
{
    cft *t = rec->t;
    CFT_CHECK(t, rec->submitted == rec->done);
    CFT_CHECK(t, rec->req != NULL);
    rec->op = cede_req_op(rec->req);
    rec->loop = loop;
    rec->where = where;
    rec->submitted++;
    atomic_fetch_add(&t->undone, 1);
    rec->started_at = atomic_fetch_add(&t->events, 1) + 1;
    if (rec->linked_) {
        cft_rec *next = rec->linked_;
        rec->linked_ = NULL;
        memset(&next->ticket, 0, sizeof next->ticket);
        mark(next, loop, where);
    }
}

cede_ticket cft_submit_on_at(cft_rec *rec, cede_loop *loop, const char *where)
{
    mark(rec, loop, where);
    cft_here.inside++;
    cede_ticket ticket = cede_submit_at(loop, rec->req, on_done, where);
    cft_here.inside--;
    CFT_CHECK(rec->t, ticket.id != 0 || ticket.generation != 0);
    rec->ticket = ticket;
    return ticket;
}

cede_ticket cft_submit_remote_at(cft_rec *rec, cede_loop *loop, const char *where)
{
    mark(rec, loop, where);
    cft_here.inside++;
    /* Through rec: by the time that this returns, done may have come on the loop's thread. */
    cede_submit_remote_at(loop, rec->req, on_done, &rec->ticket, where);
    cft_here.inside--;
    return rec->ticket;
}

struct submission {
    cft_rec *rec;
    const char *where;
};

static void submit_here(void *context)
{
    struct submission *s = context;
    cft *t = s->rec->t;
    if (cft_os_self() == t->thread)
        cft_submit_on_at(s->rec, t->loop, s->where);
    else
        cft_submit_remote_at(s->rec, t->loop, s->where);
}

cede_ticket cft_submit_at(cft_rec *rec, const char *where)
{
    struct submission s = {rec, where};
    cft_step(rec->t);
    cft_loop(rec->t);
    cft_act(rec->t, submit_here, &s);
    return rec->ticket;
}

void cft_do_at(cft_rec *rec, const char *where)
{
    cft_submit_at(rec, where);
    cft_await(rec->t, rec);
}

void cft_link(cft_rec *first, cft_rec *next)
{
    first->linked_ = next;
    cede_link(first->req, next->req, on_done);
}

void cft_turn(cft *t)
{
    cft_rec *rec = cft_new(t);
    cede_prep_nop(rec->req);
    cft_submit_on(rec, cft_loop(t));
    cft_await(t, rec);
}

/* ---- Expectations --------------------------------------------------------------------------- */

static void wrong(cft *t, const cft_rec *rec, const char *expected, const char *file, int line)
{
    char text[256];
    snprintf(text, sizeof text,
             "%s ends with %s, but it ended with %s, count %llu, os_error %d, flags 0x%02x",
             cede_op_name(rec->op), expected, cede_status_name(rec->result.status),
             (unsigned long long)rec->result.count, rec->result.os_error, rec->result.flags);
    cft_failed(t, file, line, text);
}

void cft_expect_status(cft *t, const cft_rec *rec, cede_status status, const char *file, int line)
{
    if (cft_faulted(t))
        return;
    if (!rec->done)
        cft_failed(t, file, line, "the request is done");
    if (rec->result.status != status)
        wrong(t, rec, cede_status_name(status), file, line);
}

void cft_expect_moved(cft *t, const cft_rec *rec, uint64_t count, const char *file, int line)
{
    char text[64];
    cft_expect_status(t, rec, CEDE_OK, file, line);
    if (cft_faulted(t))
        return;
    bool shortens = !cft_is_whole(rec->op) && t->world->shortens && t->world->shortens(t, t->state);
    if (rec->result.count == count)
        return;
    if (shortens && rec->result.count > 0 && rec->result.count < count)
        return;
    snprintf(text, sizeof text, "CEDE_OK and count %llu", (unsigned long long)count);
    wrong(t, rec, text, file, line);
}

void cft_expect_ended(cft *t, const cft_rec *rec, cede_status status, uint32_t by, const char *file,
                      int line)
{
    cft_expect_status(t, rec, status, file, line);
    if (cft_faulted(t))
        return;
    if ((rec->result.flags & CEDE_BY_ANY) != by)
        wrong(t, rec, "another cause flag", file, line);
}

/* ---- The end -------------------------------------------------------------------------------- */

void cft_records_check(cft *t, bool all_done)
{
    for (cft_rec *rec = t->records; rec; rec = rec->next) {
        CFT_CHECK(t, rec->done <= rec->submitted);
        if (all_done)
            CFT_CHECK(t, cft_is_done(rec));
    }
}

void cft_records_free(cft *t)
{
    for (cft_rec *rec = t->records; rec; rec = rec->next) {
        memory_free(rec->req); /* never submitted, or given a fresh one */
        for (uint32_t i = 0; i < rec->ceded_count_; i++)
            memory_free(rec->ceded_[i]);
    }
    t->records = NULL;
}

/* S4: the wish for the first must not have reached the one that lives in its memory and slot. */
void cft_heirs_check(cft *t)
{
    if (t->schedule != 4 || t->closed || !t->loop)
        return;
    for (cft_rec *rec = t->records; rec; rec = rec->next) {
        if (!rec->is_heir_ || !rec->submitted || cft_is_done(rec))
            continue;
        cft_flush(t);
        CFT_CHECK(t, !cft_is_done(rec));
        cede_complete(rec->ticket, CEDE_OK, 7);
        cft_await(t, rec);
        CFT_CHECK(t, rec->result.status == CEDE_OK && rec->result.count == 7);
        CFT_CHECK(t, (rec->result.flags & CEDE_CANCEL_ASKED) == 0);
    }
}
