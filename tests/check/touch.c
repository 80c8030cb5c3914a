/*
 * What law 5 catches: touches of what is ceded, changes of what is lent, frees of both. Each case
 * marks the line that does it, and then lets the request end, so that a tool which only reports has
 * a program that goes on.
 */
#include "check.h"

#define BYTES 64

/* An object of which two parts are ceded: its request and its buffer. */
typedef struct object {
    long before;
    cede_req req;
    char buffer[BYTES];
    cede_vec pieces[2];
    long behind;
} object;

static object thing;

static cede_ticket submit(stage *s, cede_req *req)
{
    return cede_submit(s->loop, req, check_done);
}

/* A read that pends in the kernel: nobody writes to the pipe. */
static cede_ticket pending_read(stage *s, cede_req *req, void *buffer, uint64_t bytes)
{
    cede_ticket ticket;
    cede_prep_read(req, s->in, buffer, bytes, CEDE_CURRENT);
    ticket = submit(s, req);
    HOLDS(cede_run(s->loop, 0) >= 0);
    return ticket;
}

/* ---- Requests ------------------------------------------------------------------------------- */

void check_touch_request(stage *s)
{
    cede_ticket ticket = pending_read(s, &thing.req, thing.buffer, BYTES);
    AT(LOOK(&thing.req.user_data));
    check_finish(s, ticket);
}

void check_touch_nop(stage *s)
{
    cede_prep_nop(&thing.req);
    cede_ticket ticket = submit(s, &thing.req);
    AT(LOOK(&thing.req.handle_));
    check_finish(s, ticket);
}

void check_touch_timer(stage *s)
{
    cede_prep_timer(&thing.req, 1000 * CEDE_SECOND);
    cede_ticket ticket = submit(s, &thing.req);
    AT(LOOK(&thing.req.args_));
    check_finish(s, ticket);
}

void check_touch_scope(stage *s)
{
    cede_prep_scope(&thing.req);
    cede_ticket ticket = submit(s, &thing.req);
    AT(LOOK(&thing.req.next_done_));
    check_finish(s, ticket);
}

static cede_status no_work(void *argument, uint64_t *count)
{
    (void)argument, (void)count;
    return CEDE_OK;
}

void check_touch_work(stage *s)
{
    cede_prep_work(&thing.req, no_work, NULL);
    cede_ticket ticket = submit(s, &thing.req);
    AT(LOOK(&thing.req.user_data));
    check_finish(s, ticket);
}

void check_touch_remote(stage *s)
{
    cede_ticket ticket;
    cede_prep_pend(&thing.req);
    cede_submit_remote(s->loop, &thing.req, check_done, &ticket);
    AT(LOOK(&thing.req.user_data));
    check_finish(s, ticket);
}

void check_touch_follower(stage *s)
{
    static cede_req first;
    cede_prep_pend(&first);
    cede_prep_nop(&thing.req);
    cede_link(&first, &thing.req, check_done);
    cede_ticket ticket = submit(s, &first);
    AT(LOOK(&thing.req.user_data));
    check_finish(s, ticket);
}

void check_change_request(stage *s)
{
    cede_ticket ticket = pending_read(s, &thing.req, thing.buffer, BYTES);
    WANT("read");
    AT(HIT(&thing.req.user_data));
    check_finish(s, ticket);
}

/* ---- Outputs -------------------------------------------------------------------------------- */

/* The article's mistake: cancel does not give the buffer back. */
void check_touch_after_cancel(stage *s)
{
    cede_ticket ticket = pending_read(s, &thing.req, thing.buffer, BYTES);
    cede_cancel(ticket);
    AT(LOOK(thing.buffer));
    check_finish(s, ticket);
}

void check_touch_after_wait(stage *s)
{
    cede_ticket ticket = pending_read(s, &thing.req, thing.buffer, BYTES);
    HOLDS(cede_wait(s->loop, ticket, CEDE_MILLISECOND) == CEDE_EDEADLINE);
    AT(LOOK(thing.buffer + 8));
    check_finish(s, ticket);
}

void check_touch_read(stage *s)
{
    cede_ticket ticket = pending_read(s, &thing.req, thing.buffer, BYTES);
    AT(LOOK(thing.buffer + BYTES / 2));
    check_finish(s, ticket);
}

void check_touch_read_end(stage *s)
{
    cede_ticket ticket = pending_read(s, &thing.req, thing.buffer, BYTES);
    AT(HIT(&thing.buffer[BYTES - 1]));
    check_finish(s, ticket);
}

void check_touch_read_all(stage *s)
{
    cede_prep_read_all(&thing.req, s->in, thing.buffer, BYTES, CEDE_CURRENT);
    cede_ticket ticket = submit(s, &thing.req);
    AT(LOOK(thing.buffer));
    check_finish(s, ticket);
}

void check_touch_readv(stage *s)
{
    static char second[BYTES];
    thing.pieces[0] = (cede_vec){thing.buffer, BYTES};
    thing.pieces[1] = (cede_vec){second, BYTES};
    cede_prep_readv(&thing.req, s->in, thing.pieces, 2, CEDE_CURRENT);
    cede_ticket ticket = submit(s, &thing.req);
    LOOK(&thing.pieces[1].base); /* lent: may be read */
    AT(LOOK(second + 5));
    check_finish(s, ticket);
}

void check_touch_readdir(stage *s)
{
    static _Alignas(8) char entries[CEDE_READDIR_BYTES];
    cede_prep_readdir(&thing.req, s->dir, entries, sizeof entries);
    cede_ticket ticket = submit(s, &thing.req);
    AT(LOOK(entries + 100));
    check_finish(s, ticket);
}

void check_touch_readlink(stage *s)
{
    cede_prep_readlink(&thing.req, s->link, thing.buffer, BYTES);
    cede_ticket ticket = submit(s, &thing.req);
    AT(LOOK(thing.buffer));
    check_finish(s, ticket);
}

void check_touch_stat(stage *s)
{
    static cede_stat stat;
    cede_prep_stat(&thing.req, s->path, &stat, 0);
    cede_ticket ticket = submit(s, &thing.req);
    AT(LOOK(&stat.size_bytes));
    check_finish(s, ticket);
}

void check_touch_stat_handle(stage *s)
{
    static cede_stat stat;
    cede_prep_stat_handle(&thing.req, s->file, &stat);
    cede_ticket ticket = submit(s, &thing.req);
    AT(LOOK(&stat.created_ns));
    check_finish(s, ticket);
}

/* ---- Lent inputs ---------------------------------------------------------------------------- */

/* Submits, changes a byte, lets it end: the line names the operation and this place. */
#define LEND(name)                                                \
    do {                                                          \
        WANT(name);                                               \
        HERE((void)cede_submit(s->loop, &thing.req, check_done)); \
    } while (0)

static void change(stage *s, char *byte)
{
    ++*(volatile char *)byte;
    HOLDS(cede_run(s->loop, CEDE_FOREVER) >= 0);
}

void check_change_write(stage *s)
{
    cede_prep_write(&thing.req, s->file, thing.buffer, BYTES, 0);
    LEND("write");
    change(s, &thing.buffer[BYTES - 1]);
}

void check_change_write_all(stage *s)
{
    cede_prep_write_all(&thing.req, s->file, thing.buffer, BYTES, 0);
    LEND("write_all");
    change(s, &thing.buffer[0]);
}

void check_change_append(stage *s)
{
    cede_prep_append(&thing.req, s->file, thing.buffer, 3);
    LEND("append");
    change(s, &thing.buffer[2]);
}

static void prepare_pieces(void)
{
    thing.pieces[0] = (cede_vec){thing.buffer, BYTES / 2};
    thing.pieces[1] = (cede_vec){thing.buffer + BYTES / 2, BYTES / 2};
}

void check_change_writev(stage *s)
{
    prepare_pieces();
    cede_prep_writev(&thing.req, s->file, thing.pieces, 2, 0);
    LEND("writev");
    change(s, &thing.buffer[BYTES / 2]);
}

void check_change_writev_vector(stage *s)
{
    prepare_pieces();
    cede_prep_writev(&thing.req, s->file, thing.pieces, 2, 0);
    LEND("writev");
    thing.pieces[1].length_bytes = 7;
    HOLDS(cede_run(s->loop, CEDE_FOREVER) >= 0);
}

void check_change_readv_vector(stage *s)
{
    prepare_pieces();
    cede_prep_readv(&thing.req, s->file, thing.pieces, 2, 0);
    LEND("readv");
    thing.pieces[0].length_bytes = 7;
    HOLDS(cede_run(s->loop, CEDE_FOREVER) >= 0);
}

static char text[] = "/nowhere";

void check_change_open_path(stage *s)
{
    cede_prep_open(&thing.req, text, CEDE_OPEN_READ, 0);
    LEND("open");
    change(s, &text[3]);
}

void check_change_stat_path(stage *s)
{
    static cede_stat stat;
    cede_prep_stat(&thing.req, text, &stat, 0);
    LEND("stat");
    change(s, &text[sizeof text - 2]);
}

void check_change_rename_target(stage *s)
{
    cede_prep_rename(&thing.req, s->absent, text, 0);
    LEND("rename");
    change(s, &text[1]);
}

void check_change_symlink_text(stage *s)
{
    cede_prep_symlink(&thing.req, text, s->absent);
    LEND("symlink");
    change(s, &text[1]);
}

/* ---- Frees ---------------------------------------------------------------------------------- */

void check_free_request(stage *s)
{
    cede_req *req = malloc(sizeof *req);
    cede_prep_pend(req);
    WANT("pend");
    cede_ticket ticket = HERE(cede_submit(s->loop, req, check_done));
    free(req);
    check_finish(s, ticket);
}

void check_free_object(stage *s)
{
    object *o = malloc(sizeof *o);
    cede_ticket ticket = pending_read(s, &o->req, o->buffer, BYTES);
    WANT("read");
    free(o);
    check_finish(s, ticket);
}

void check_reallocate_object(stage *s)
{
    object *o = malloc(sizeof *o);
    cede_ticket ticket = pending_read(s, &o->req, o->buffer, BYTES);
    WANT("read");
    o = realloc(o, 100 * sizeof *o);
    check_finish(s, ticket);
    free(o);
}

void check_free_after_cancel(stage *s)
{
    object *o = malloc(sizeof *o);
    cede_ticket ticket = pending_read(s, &o->req, o->buffer, BYTES);
    WANT("read");
    cede_cancel(ticket);
    free(o);
    check_finish(s, ticket);
}

void check_free_read_buffer(stage *s)
{
    char *buffer = malloc(BYTES);
    cede_ticket ticket = pending_read(s, &thing.req, buffer, BYTES);
    WANT("read");
    free(buffer);
    check_finish(s, ticket);
}

void check_output_too_short(stage *s)
{
    char *buffer = malloc(BYTES);
    cede_prep_read(&thing.req, s->in, buffer, BYTES + 1, CEDE_CURRENT);
    cede_ticket ticket = AT(cede_submit(s->loop, &thing.req, check_done));
    check_finish(s, ticket);
}

void check_output_freed_before(stage *s)
{
    char *buffer = malloc(BYTES);
    cede_prep_read(&thing.req, s->in, buffer, BYTES, CEDE_CURRENT);
    free(buffer);
    cede_ticket ticket = AT(cede_submit(s->loop, &thing.req, check_done));
    check_finish(s, ticket);
}

void check_output_twice(stage *s)
{
    static cede_req second;
    char *buffer = malloc(BYTES);
    cede_prep_read(&thing.req, s->in, buffer, BYTES, CEDE_CURRENT);
    WANT("law 5: an output that is another's already: read, submitted at ");
    HERE((void)cede_submit(s->loop, &thing.req, check_done));
    cede_prep_read(&second, s->in, buffer + BYTES / 2, BYTES / 2, CEDE_CURRENT);
    WANT("now at ");
    HERE((void)cede_submit(s->loop, &second, check_done));
}

void check_output_over_request(stage *s)
{
    static union {
        cede_req req;
        char bytes[sizeof(cede_req)];
    } both;
    cede_prep_pend(&both.req);
    WANT("law 5: an output that is another's already: pend, submitted at ");
    HERE((void)cede_submit(s->loop, &both.req, check_done));
    cede_prep_read(&thing.req, s->in, both.bytes, sizeof both.bytes, CEDE_CURRENT);
    WANT("now at ");
    HERE((void)cede_submit(s->loop, &thing.req, check_done));
}

/* Not inlined, so that its frame is left; and deep, so that the next calls do not reach it. */
static cede_ticket (*volatile leave)(stage *);

static cede_ticket on_my_stack(stage *s)
{
    struct {
        cede_req req;
        char room[8192];
    } frame;
    LOOK(memset(frame.room, 0, sizeof frame.room));
    cede_prep_pend(&frame.req);
    return submit(s, &frame.req);
}

void check_leave_frame(stage *s)
{
    leave = on_my_stack;
    WANT("pend");
    check_finish(s, leave(s));
}

void check_free_lent(stage *s)
{
    char *data = calloc(1, BYTES);
    cede_prep_write(&thing.req, s->file, data, BYTES, 0);
    (void)submit(s, &thing.req);
    AT(free(data));
    HOLDS(cede_run(s->loop, CEDE_FOREVER) >= 0);
}
