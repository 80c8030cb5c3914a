/*
 * Memory from cede_checked_alloc: touches that trap, and what is told where no page can trap. A
 * case that traps says what the line must have in it; main.c looks at how the process died.
 */
#include "check.h"

#if defined(_WIN32)
#include <windows.h>
#else
#include <signal.h>
#endif

#define PAGE  65536u /* no system's is larger, and all divide it */
#define BYTES 64

/* A request and a buffer amid what is not ceded. */
typedef struct object {
    long before;
    cede_req req;
    long between;
    char buffer[3 * PAGE];
    long behind;
} object;

static cede_req plain;

static void *get(size_t bytes)
{
    void *memory = cede_checked_alloc(bytes);
    HOLDS(memory);
    return memory;
}

static cede_ticket pending_read(stage *s, cede_req *req, void *buffer, uint64_t bytes)
{
    cede_ticket ticket;
    cede_prep_read(req, s->in, buffer, bytes, CEDE_CURRENT);
    WANT("read, submitted at ");
    ticket = HERE(cede_submit(s->loop, req, check_done));
    HOLDS(cede_run(s->loop, 0) >= 0);
    return ticket;
}

/* ---- Touches of what is ceded --------------------------------------------------------------- */

void check_guard_touch_buffer(stage *s)
{
    char *buffer = get(2 * PAGE);
    cede_ticket ticket = pending_read(s, &plain, buffer, 2 * PAGE);
    WANT("touched while it is ceded");
    LOOK(buffer + PAGE + 5);
    check_finish(s, ticket);
}

/* It has a page to itself. */
void check_guard_touch_small(stage *s)
{
    char *buffer = get(BYTES);
    cede_ticket ticket = pending_read(s, &plain, buffer, BYTES);
    WANT("touched while it is ceded");
    HIT(buffer + BYTES - 1);
    check_finish(s, ticket);
}

void check_guard_touch_request(stage *s)
{
    cede_req *req = get(sizeof *req);
    cede_prep_pend(req);
    WANT("touched while it is ceded: pend, submitted at ");
    cede_ticket ticket = HERE(cede_submit(s->loop, req, check_done));
    LOOK(&req->user_data);
    check_finish(s, ticket);
}

void check_guard_touch_remote(stage *s)
{
    cede_req *req = get(sizeof *req);
    cede_prep_nop(req);
    WANT("touched while it is ceded: nop, submitted at ");
    HERE(cede_submit_remote(s->loop, req, check_done, NULL));
    LOOK(&req->user_data);
    HOLDS(cede_run(s->loop, CEDE_FOREVER) >= 0);
}

void check_guard_touch_taken(stage *s)
{
    cede_req *req = get(sizeof *req);
    cede_prep_pend(req);
    WANT("touched while it is ceded: pend, submitted at ");
    HERE(cede_submit_remote(s->loop, req, check_done, NULL));
    HOLDS(cede_run(s->loop, 0) >= 0);
    HIT(&req->user_data);
    HOLDS(cede_run(s->loop, 0) >= 0);
}

void check_guard_touch_follower(stage *s)
{
    cede_req *req = get(sizeof *req);
    cede_prep_pend(&plain);
    cede_prep_nop(req);
    cede_link(&plain, req, check_done);
    WANT("touched while it is ceded: nop, submitted at ");
    cede_ticket ticket = HERE(cede_submit(s->loop, &plain, check_done));
    LOOK(&req->user_data);
    check_finish(s, ticket);
}

void check_guard_touch_inside(stage *s)
{
    object *o = get(sizeof *o);
    cede_ticket ticket = pending_read(s, &o->req, o->buffer, sizeof o->buffer);
    WANT("touched while it is ceded");
    o->before = o->between = o->behind = 1; /* not ceded */
    LOOK(o->buffer + sizeof o->buffer / 2);
    check_finish(s, ticket);
}

void check_guard_touch_after_cancel(stage *s)
{
    char *buffer = get(PAGE);
    cede_ticket ticket = pending_read(s, &plain, buffer, PAGE);
    WANT("touched while it is ceded");
    cede_cancel(ticket);
    LOOK(buffer);
    check_finish(s, ticket);
}

void check_guard_touch_readv(stage *s)
{
    cede_vec *pieces = get(2 * sizeof *pieces);
    pieces[0] = (cede_vec){get(PAGE), PAGE};
    pieces[1] = (cede_vec){get(10), 10};
    cede_prep_readv(&plain, s->in, pieces, 2, CEDE_CURRENT);
    WANT("touched while it is ceded: readv, submitted at ");
    cede_ticket ticket = HERE(cede_submit(s->loop, &plain, check_done));
    LOOK(&pieces[1].base); /* lent: may be read */
    LOOK(pieces[1].base);
    check_finish(s, ticket);
}

void check_guard_touch_stat(stage *s)
{
    cede_stat *stat = get(sizeof *stat);
    cede_prep_stat(&plain, s->path, stat, 0);
    WANT("touched while it is ceded: stat, submitted at ");
    cede_ticket ticket = HERE(cede_submit(s->loop, &plain, check_done));
    LOOK(&stat->size_bytes);
    check_finish(s, ticket);
}

void check_guard_touch_readlink(stage *s)
{
    char *text = get(100);
    cede_prep_readlink(&plain, s->link, text, 100);
    WANT("touched while it is ceded: readlink, submitted at ");
    cede_ticket ticket = HERE(cede_submit(s->loop, &plain, check_done));
    LOOK(text);
    check_finish(s, ticket);
}

void check_guard_prepare_anew(stage *s)
{
    cede_req *req = get(sizeof *req);
    cede_prep_pend(req);
    WANT("touched while it is ceded: pend, submitted at ");
    (void)HERE(cede_submit(s->loop, req, check_done));
    cede_prep_nop(req);
}

/* ---- Changes of what is lent ---------------------------------------------------------------- */

void check_guard_change_write(stage *s)
{
    char *data = get(PAGE);
    cede_prep_write(&plain, s->file, data, PAGE, 0);
    WANT("changed while it is lent: write, submitted at ");
    cede_ticket ticket = HERE(cede_submit(s->loop, &plain, check_done));
    LOOK(data); /* may be read */
    HIT(data + 100);
    check_finish(s, ticket);
}

void check_guard_change_path(stage *s)
{
    char *path = get(9);
    memcpy(path, "/nowhere", 9);
    cede_prep_open(&plain, path, CEDE_OPEN_READ, 0);
    WANT("changed while it is lent: open, submitted at ");
    cede_ticket ticket = HERE(cede_submit(s->loop, &plain, check_done));
    HOLDS(strcmp(path, "/nowhere") == 0);
    HIT(path + 1);
    check_finish(s, ticket);
}

/* The pages of a request and its own data, with nothing else in them: it may still be read. */
void check_guard_touch_lookup(stage *s)
{
    cede_address *found = get(4 * sizeof *found);
    cede_prep_lookup(&plain, "127.0.0.1", 1, 0, found, 4);
    WANT("touched while it is ceded: lookup, submitted at ");
    cede_ticket ticket = HERE(cede_submit(s->loop, &plain, check_done));
    LOOK(&found[1]);
    check_finish(s, ticket);
}

static cede_handle opened_socket(stage *s, bool listens)
{
    cede_address at = cede_address_loopback(CEDE_ADDRESS_IPV4, 0);
    if (listens)
        cede_prep_listen(&plain, &at, 0, 0);
    else
        cede_prep_datagram(&plain, &at, 0);
    return check_opened(s, &plain);
}

void check_guard_touch_sender(stage *s)
{
    static char buffer[BYTES];
    cede_address *from = get(sizeof *from);
    cede_prep_recvfrom(&plain, opened_socket(s, false), buffer, BYTES, from);
    WANT("touched while it is ceded: recvfrom, submitted at ");
    cede_ticket ticket = HERE(cede_submit(s->loop, &plain, check_done));
    LOOK(&from->ip);
    check_finish(s, ticket);
}

void check_guard_touch_accepting(stage *s)
{
    cede_req *req = get(sizeof *req);
    cede_prep_accept_many(req, opened_socket(s, true), check_done);
    WANT("touched while it is ceded: accept_many, submitted at ");
    cede_ticket ticket = HERE(cede_submit(s->loop, req, check_done));
    HOLDS(cede_run(s->loop, 0) >= 0);
    LOOK(&req->user_data);
    check_finish(s, ticket);
}

void check_guard_change_zero_copy(stage *s)
{
    size_t many = 2 * PAGE;
    char *data = get(many);
    cede_prep_send_zero_copy(&plain, check_stream(s), data, many);
    WANT("changed while it is lent: send_zero_copy, submitted at ");
    cede_ticket ticket = HERE(cede_submit(s->loop, &plain, check_done));
    HIT(data + many - 1);
    check_finish(s, ticket);
}

void check_guard_change_argument(stage *s)
{
    static const char *words[] = {"program", NULL, NULL};
    static cede_spawn how = {.program = "/nowhere/at/all", .arguments = words};
    char *word = get(8);
    memcpy(word, "--quiet", 8);
    words[1] = word;
    cede_prep_spawn(&plain, &how, NULL);
    WANT("changed while it is lent: spawn, submitted at ");
    cede_ticket ticket = HERE(cede_submit(s->loop, &plain, check_done));
    HIT(word + 2);
    check_finish(s, ticket);
}

void check_guard_change_mixed(stage *s)
{
    struct {
        cede_req req;
        char data[BYTES];
    } *both = get(sizeof *both);
    cede_prep_append(&both->req, s->file, both->data, BYTES);
    WANT("changed while it is lent: append, submitted at ");
    cede_ticket ticket = HERE(cede_submit(s->loop, &both->req, check_done));
    LOOK(both->data);
    HIT(&both->req.user_data);
    check_finish(s, ticket);
}

/* ---- The program's own handler -------------------------------------------------------------- */

static char *touched;

static void other_handler(const void *address)
{
    WANT(address == touched ? "touched while it is ceded" : "not this address");
    _Exit(4); /* which is no trap */
}

#if defined(_WIN32)
static LONG CALLBACK on_exception(EXCEPTION_POINTERS *exception)
{
    other_handler((const void *)exception->ExceptionRecord->ExceptionInformation[1]);
    return EXCEPTION_CONTINUE_SEARCH;
}

static void handle(void)
{
    (void)SetUnhandledExceptionFilter(on_exception);
}
#else
static void on_signal(int number, siginfo_t *info, void *context)
{
    (void)context;
    (void)number;
    other_handler(info->si_addr);
}

static void handle(void)
{
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    HOLDS(sigaction(SIGSEGV, &action, NULL) == 0 && sigaction(SIGBUS, &action, NULL) == 0);
}
#endif

/* It was there first, and is called after the line, with the address. */
void check_guard_handler(stage *s)
{
    handle();
    touched = get(PAGE);
    cede_ticket ticket = pending_read(s, &plain, touched, PAGE);
    LOOK(touched);
    check_finish(s, ticket);
}

/* ---- Bounds --------------------------------------------------------------------------------- */

void check_guard_overrun(stage *s)
{
    char *memory = get(160);
    (void)s;
    HIT(memory + 159);
    WANT("touched beyond the end of checked memory");
    HIT(memory + 160);
}

void check_guard_underrun(stage *s)
{
    char *memory = get(3 * PAGE);
    (void)s;
    HIT(memory);
    WANT("touched before the beginning of checked memory");
    HIT(memory - 1);
}

void check_guard_freed(stage *s)
{
    char *memory = get(100);
    (void)s;
    cede_checked_free(memory);
    WANT("touched after cede_checked_free");
    LOOK(memory);
}

void check_guard_freed_long_ago(stage *s)
{
    char *memory = get(PAGE);
    (void)s;
    cede_checked_free(memory);
    for (unsigned i = 0; i < 1000; i++)
        cede_checked_free(get(PAGE));
    WANT("touched after cede_checked_free");
    LOOK(memory);
}

void check_guard_too_long(stage *s)
{
    char *buffer = get(BYTES);
    cede_prep_read(&plain, s->in, buffer, BYTES + 1, CEDE_CURRENT);
    WANT("beyond the end of checked memory: read, submitted at ");
    (void)HERE(cede_submit(s->loop, &plain, check_done));
}

void check_guard_lend_too_long(stage *s)
{
    char *data = get(BYTES);
    cede_prep_write(&plain, s->file, data + 10, BYTES, 0);
    WANT("beyond the end of checked memory: write, submitted at ");
    (void)HERE(cede_submit(s->loop, &plain, check_done));
}

void check_guard_freed_before(stage *s)
{
    char *buffer = get(BYTES);
    cede_prep_read(&plain, s->in, buffer, BYTES, CEDE_CURRENT);
    cede_checked_free(buffer);
    WANT("after cede_checked_free: read, submitted at ");
    (void)HERE(cede_submit(s->loop, &plain, check_done));
}

/* ---- What no page can tell: at done, or at the free ----------------------------------------- */

/* The buffer's first bytes share a page with what is not ceded. */
void check_guard_edge(stage *s)
{
    object *o = get(sizeof *o);
    cede_ticket ticket = pending_read(s, &plain, o->buffer, 100);
    WANT("an output was changed while it was ceded");
    HIT(o->buffer + 50);
    check_finish(s, ticket);
}

void check_guard_edge_request(stage *s)
{
    object *o = get(sizeof *o);
    cede_ticket ticket = pending_read(s, &o->req, o->buffer, 100);
    WANT("a request, or an input");
    HIT(&o->req.user_data);
    check_finish(s, ticket);
}

void check_guard_edge_lent(stage *s)
{
    object *o = get(sizeof *o);
    cede_prep_write(&plain, s->file, o->buffer, 100, 0);
    WANT("an input lent with it, was changed while it was ceded: write, submitted at ");
    cede_ticket ticket = HERE(cede_submit(s->loop, &plain, check_done));
    HIT(o->buffer + 50);
    check_finish(s, ticket);
}

/* What aligns the end: 12 bytes. */
void check_guard_beside(stage *s)
{
    char *data = get(100);
    cede_prep_append(&plain, s->file, data, 50);
    cede_ticket ticket = HERE(cede_submit(s->loop, &plain, check_done));
    WANT("beside what was ceded or lent, checked memory was overrun: append, submitted at ");
    HIT(data + 111);
    check_finish(s, ticket);
}

void check_guard_beside_before(stage *s)
{
    char *data = get(100);
    HIT(data - 1);
    cede_prep_append(&plain, s->file, data, 50);
    WANT("beside checked memory was written, before this: append, submitted at ");
    (void)HERE(cede_submit(s->loop, &plain, check_done));
}

void check_guard_beside_free(stage *s)
{
    char *memory = get(100);
    (void)s;
    HIT(memory + 100);
    WANT("beside checked memory that is freed was written");
    cede_checked_free(memory);
}

void check_guard_free_request(stage *s)
{
    cede_req *req = get(sizeof *req);
    cede_prep_pend(req);
    WANT("freed while it is ceded: pend, submitted at ");
    (void)HERE(cede_submit(s->loop, req, check_done));
    cede_checked_free(req);
}

void check_guard_free_object(stage *s)
{
    object *o = get(sizeof *o);
    WANT("freed while it is ceded");
    cede_cancel(pending_read(s, &plain, o->buffer, 10));
    cede_checked_free(o);
}

void check_guard_free_lent(stage *s)
{
    char *data = get(BYTES);
    cede_prep_write(&plain, s->file, data, BYTES, 0);
    WANT("freed while it is lent: write, submitted at ");
    (void)HERE(cede_submit(s->loop, &plain, check_done));
    cede_checked_free(data);
}

void check_guard_free_twice(stage *s)
{
    char *memory = get(BYTES);
    (void)s;
    cede_checked_free(memory);
    WANT("freed is what is no allocation, or not any more");
    cede_checked_free(memory);
}

void check_guard_free_inside(stage *s)
{
    char *memory = get(BYTES);
    (void)s;
    WANT("freed is what is no allocation, or not any more");
    cede_checked_free(memory + 16);
}

/* In every build, wherever the request lies. */
void check_guard_submit_twice(stage *s)
{
    cede_req *req = get(sizeof *req);
    cede_prep_timer(req, CEDE_SECOND);
    WANT("law 17: submitted while in flight: timer, submitted at ");
    HERE((void)cede_submit(s->loop, req, check_done));
    WANT("now at ");
    HERE((void)cede_submit(s->loop, req, check_done));
}
