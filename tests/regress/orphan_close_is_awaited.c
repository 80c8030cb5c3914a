/* What pends on a handle whose close found no slot comes before that close (law 10), and so before
 * whoever waits for it (law 9): for the refusal ticket, or for a scope that the close joined. Such
 * a wait lasted for ever, or to its limit. Inside an item of what pends there it would wait for
 * itself: CEDE_EDEADLK. */
#include "orphans.h"

static cede_loop *loop;
static fake backend;
static note read_it, copy, scope, outer, close_it, other;
static cede_ticket life, outside, refused;

static void begin(unsigned spare)
{
    memory_is_out = false;
    memset(&backend, 0, sizeof backend);
    loop = fake_loop(&backend);
    notes = 0;
    cede_prep_scope(&outer.req);
    outside = cede_submit(loop, &outer.req, note_done);
    fill_slots(loop, spare + 1);
}

static void end(void)
{
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
}

static void submit(note *n, cede_done *done)
{
    (void)note_submit(loop, n, done);
}

static cede_handle pending_read(void)
{
    static char byte;
    cede_handle file = fake_handle(CEDE_KIND_FILE, 0);
    cede_prep_read(&read_it.req, file, &byte, 1, 0);
    submit(&read_it, note_done);
    return file;
}

static void close_of(cede_handle handle, cede_ticket *joins)
{
    cede_prep_close(&close_it.req, handle);
    if (joins)
        cede_in(&close_it.req, *joins);
    close_it.calls = 0;
    refused = cede_submit(loop, &close_it.req, note_done);
}

/* Ready, and of no concern. */
static void submit_other(void)
{
    cede_prep_nop(&other.req);
    submit(&other, note_done);
}

static void by_the_refusal_ticket(void)
{
    cede_handle file;
    begin(2);
    file = pending_read();
    submit_other();
    (void)cede_wait(loop, outside, 0); /* the backend has it */
    close_of(file, NULL);
    CHECK(cede_wait(loop, refused, 10 * CEDE_SECOND) == CEDE_OK);
    CHECK(read_it.result.status == CEDE_ECANCELED && read_it.order < close_it.order);
    CHECK(!other.calls);
    end();
}

/* What copies stands at two handles: either may be closed. */
static void of_either_end_of_a_copy(void)
{
    for (unsigned second = 0; second < 2; second++) {
        cede_handle from, to;
        begin(2);
        from = fake_handle(CEDE_KIND_FILE, 0);
        to = fake_handle(CEDE_KIND_FILE, 0);
        cede_prep_copy(&copy.req, from, 0, to, 0, 8);
        submit(&copy, note_done);
        (void)cede_wait(loop, outside, 0);
        close_of(second ? to : from, NULL);
        CHECK(cede_wait(loop, refused, 10 * CEDE_SECOND) == CEDE_OK);
        CHECK(copy.calls == 1 && copy.order < close_it.order);
        end();
    }
}

/* And what stands before it on its other handle is told before it (law 14). */
static void behind_what_stands_before_it(void)
{
    static note first, sent;
    cede_handle stream, file;
    begin(3);
    stream = fake_handle(CEDE_KIND_STREAM, 0);
    file = fake_handle(CEDE_KIND_FILE, 0);
    cede_prep_send(&first.req, stream, "a", 1);
    submit(&first, note_done);
    cede_prep_send_file(&sent.req, stream, file, 0, 8);
    submit(&sent, note_done);
    (void)cede_wait(loop, outside, 0);
    fake_report(&backend, fake_token(&backend, CEDE_OP_SEND), CEDE_OK, 1);
    (void)cede_wait(loop, outside, 0);
    CHECK(!first.calls && fake_find(&backend, CEDE_OP_SEND_FILE));
    close_of(file, NULL);
    CHECK(cede_wait(loop, refused, 10 * CEDE_SECOND) == CEDE_OK);
    CHECK(first.calls == 1 && sent.calls == 1 && close_it.calls == 1);
    CHECK(first.order < sent.order && sent.order < close_it.order);
    end();
}

/* But not if that is still the kernel's: the one behind it has ended without ever starting. */
static int is_deaf(fake *self, uint64_t token)
{
    (void)self, (void)token;
    return CEDE_CANCEL_SENT;
}

static void behind_what_goes_on(void)
{
    static note first, unstarted;
    cede_ticket ticket;
    cede_handle stream;
    begin(2);
    backend.on_cancel = is_deaf;
    stream = fake_handle(CEDE_KIND_STREAM, 0);
    cede_prep_send(&first.req, stream, "a", 1);
    submit(&first, note_done);
    cede_prep_send(&unstarted.req, stream, "b", 1);
    ticket = note_submit(loop, &unstarted, note_done);
    (void)cede_wait(loop, outside, 0);
    cede_cancel(ticket);
    close_of(stream, NULL);
    CHECK(cede_wait(loop, refused, 0) == CEDE_EDEADLINE);
    CHECK(!first.calls && unstarted.calls == 1 && !close_it.calls);
    fake_report(&backend, fake_token(&backend, CEDE_OP_SEND), CEDE_OK, 1);
    CHECK(cede_wait(loop, refused, 10 * CEDE_SECOND) == CEDE_OK);
    CHECK(first.calls == 1 && close_it.calls == 1 && first.order < close_it.order);
    end();
}

static void by_its_scope(void)
{
    cede_handle file;
    begin(2);
    file = pending_read();
    submit_other();
    (void)cede_wait(loop, outside, 0);
    close_of(file, &outside);
    CHECK(cede_wait(loop, outside, 10 * CEDE_SECOND) == CEDE_OK);
    CHECK(read_it.order < close_it.order && close_it.order < outer.order && !other.calls);
    end();
}

/* The close joined a scope that found no slot either, and that is in one that is awaited. */
static void by_the_scope_of_its_scope(void)
{
    cede_handle file;
    begin(2);
    file = pending_read();
    submit_other();
    (void)cede_wait(loop, outside, 0);
    cede_prep_scope(&scope.req);
    cede_in(&scope.req, outside);
    scope.calls = 0;
    life = cede_submit(loop, &scope.req, note_done);
    close_of(file, &life);
    CHECK(cede_wait(loop, outside, 10 * CEDE_SECOND) == CEDE_OK);
    CHECK(read_it.order < close_it.order && close_it.order < scope.order);
    CHECK(scope.order < outer.order && !other.calls);
    end();
}

/* A close that joined nothing leads to no scope; and what pends on another handle, or is over
 * there, is left alone. */
static void nobody_else_is_awaited(void)
{
    static note elsewhere;
    cede_handle file;
    begin(3);
    file = pending_read();
    submit_other();
    cede_prep_fsync(&elsewhere.req, fake_handle(CEDE_KIND_FILE, 0));
    submit(&elsewhere, note_done);
    (void)cede_wait(loop, outside, 0);
    fake_report(&backend, fake_find(&backend, CEDE_OP_FSYNC)->token, CEDE_OK, 0);
    close_of(file, NULL);
    CHECK(cede_wait(loop, outside, CEDE_MILLISECOND) == CEDE_EDEADLINE);
    CHECK(!read_it.calls && !close_it.calls);
    CHECK(cede_wait(loop, refused, 10 * CEDE_SECOND) == CEDE_OK);
    CHECK(read_it.calls == 1 && close_it.calls == 1 && !elsewhere.calls && !other.calls);
    end();
}

static cede_status says[4];

static void on_client(cede_req *req, cede_result result)
{
    cede_drop(result.handle);
    close_of(req->handle_, NULL);
    says[0] = cede_wait(loop, refused, 10 * CEDE_SECOND);
}

/* The close joined a scope that found no slot, which nothing has looked at yet. */
static void on_client_in_a_scope(cede_req *req, cede_result result)
{
    cede_drop(result.handle);
    cede_prep_scope(&scope.req);
    cede_in(&scope.req, outside);
    scope.calls = 0;
    life = cede_submit(loop, &scope.req, note_done);
    close_of(req->handle_, &life);
    says[1] = cede_wait(loop, outside, 10 * CEDE_SECOND);
}

static cede_handle closing;

static void sends_close(void *nothing)
{
    (void)nothing;
    cede_prep_close(&close_it.req, closing);
    close_it.calls = 0;
    cede_submit_remote(loop, &close_it.req, note_done, &refused);
}

/* It is another's, and on its way when the wait begins. */
static void on_client_and_thread(cede_req *req, cede_result result)
{
    port_thread thread;
    cede_drop(result.handle);
    closing = req->handle_;
    port_start(&thread, sends_close, NULL);
    port_join(&thread);
    says[2] = cede_wait(loop, refused, 10 * CEDE_SECOND);
}

/* Of another handle: that may be awaited. */
static void on_client_elsewhere(cede_req *req, cede_result result)
{
    (void)req;
    cede_drop(result.handle);
    close_of(fake_handle(CEDE_KIND_FILE, 0), NULL);
    says[3] = cede_wait(loop, refused, 10 * CEDE_SECOND);
}

static void inside_an_item(void)
{
    static cede_item *const acts[] = {on_client, on_client_in_a_scope, on_client_and_thread};
    for (unsigned i = 0; i < 3; i++) {
        begin(1);
        cede_prep_accept_many(&read_it.req, fake_handle(CEDE_KIND_LISTENER, 0), acts[i]);
        submit(&read_it, note_done);
        (void)cede_run(loop, 0);
        cede_core_item(backend.core, fake_find(&backend, CEDE_OP_ACCEPT_MANY)->token, 1000, 0);
        (void)cede_run(loop, 0);
        CHECK(says[i] == CEDE_EDEADLK);
        CHECK(cede_wait(loop, refused, 10 * CEDE_SECOND) == CEDE_OK);
        CHECK(read_it.calls == 1 && read_it.order < close_it.order);
        end();
    }
}

static void inside_an_item_of_another(void)
{
    begin(1);
    cede_prep_accept_many(&read_it.req, fake_handle(CEDE_KIND_LISTENER, 0), on_client_elsewhere);
    submit(&read_it, note_done);
    (void)cede_run(loop, 0);
    cede_core_item(backend.core, fake_find(&backend, CEDE_OP_ACCEPT_MANY)->token, 1000, 0);
    (void)cede_run(loop, 0);
    CHECK(says[3] == CEDE_OK && close_it.calls == 1 && !read_it.calls);
    end();
}

/* The other way round: a refused one without a slot, and a close with one. A wait for the close
 * left it for later, when what it lay in was gone. */
static void behind_one_without_a_slot(void)
{
    cede_ticket its, filled;
    cede_handle file;
    begin(1);
    cede_prep_nop(&other.req);
    filled = note_submit(loop, &other, note_done); /* has the last slot */
    file = pending_read();
    CHECK(cede_wait(loop, filled, 0) == CEDE_OK && !read_it.calls);
    cede_prep_close(&close_it.req, file);
    its = note_submit(loop, &close_it, note_done);
    CHECK(its.generation && cede_wait(loop, its, 10 * CEDE_SECOND) == CEDE_OK);
    CHECK(read_it.calls == 1 && read_it.order < close_it.order);
    CHECK(read_it.result.status == CEDE_ENOMEM && close_it.result.status == CEDE_OK);
    end();
}

REGRESSION(orphan_close_is_awaited)
{
    use_short_memory();
    CHECK(fake_handle(CEDE_KIND_FILE, 0)); /* the table of handles has its memory */
    by_the_refusal_ticket();
    of_either_end_of_a_copy();
    behind_what_stands_before_it();
    behind_what_goes_on();
    by_its_scope();
    by_the_scope_of_its_scope();
    nobody_else_is_awaited();
    inside_an_item();
    inside_an_item_of_another();
    behind_one_without_a_slot();
    return 0;
}
