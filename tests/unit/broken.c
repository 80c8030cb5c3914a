/*
 * A backend that breaks its promises stops the process, in every build, with one line that says
 * which invariant is broken and where the request was submitted: a work that is reported twice must
 * never become a second callback (law 2; backend.h). Each way in a process of its own.
 * Usage: unit_broken [WAY]
 */
#include "../regress/fake.h"

static fake backend;
static cede_loop *loop;
static note n;
static char bytes[8];

static void turn(void)
{
    CHECK(cede_run(loop, 0) >= 0);
}

/* Submits what is prepared; the token that the backend has of it. */
static uint64_t given(uint32_t op)
{
    (void)cede_submit(loop, &n.req, note_done);
    turn();
    CHECK(fake_find(&backend, op));
    return fake_find(&backend, op)->token;
}

static uint64_t given_read(void)
{
    cede_prep_read(&n.req, fake_handle(CEDE_KIND_FILE, 0), bytes, sizeof bytes, 0);
    return given(CEDE_OP_READ);
}

static cede_pool *pool;

static cede_pool_view *given_pool(uint64_t *token)
{
    CHECK(cede_pool_open(loop, 2, 64, 0, &pool) == CEDE_OK);
    cede_prep_recv_pool(&n.req, fake_handle(CEDE_KIND_STREAM, 0), pool);
    *token = given(CEDE_OP_RECV_POOL);
    return fake_pool(&backend, CEDE_OP_RECV_POOL);
}

static void no_item(cede_req *req, cede_result result)
{
    (void)req, (void)result;
}

static void reported_twice(void)
{
    uint64_t token = given_read();
    cede_core_done(backend.core, token, CEDE_OK, 0, 8);
    cede_core_done(backend.core, token, CEDE_OK, 0, 8);
}

static void failed_twice(void)
{
    uint64_t token = given_read();
    cede_core_done(backend.core, token, CEDE_EIO, 5, 0);
    cede_core_done(backend.core, token, CEDE_EIO, 5, 0);
}

static void reported_behind_its_done(void)
{
    uint64_t token = given_read();
    fake_report(&backend, token, CEDE_OK, 8);
    turn();
    CHECK(n.calls == 1);
    cede_core_done(backend.core, token, CEDE_OK, 0, 8);
}

static int report_and_refuse(fake *self, const cede_work *work)
{
    cede_core_done(self->core, work->token, CEDE_OK, 0, 8);
    return FAKE_REFUSE;
}

static void reported_and_not_taken(void)
{
    backend.on_start = report_and_refuse;
    (void)given_read();
}

static void item_behind_the_end(void)
{
    uint64_t token;
    cede_prep_accept_many(&n.req, fake_handle(CEDE_KIND_LISTENER, 0), no_item);
    token = given(CEDE_OP_ACCEPT_MANY);
    cede_core_done(backend.core, token, CEDE_EINVAL, 0, 0);
    cede_core_item(backend.core, token, 77, 0);
}

static void item_of_another(void)
{
    cede_core_item(backend.core, given_read() + (UINT64_C(1) << 32), 77, 0);
}

static void item_of_nobody(void)
{
    uint64_t idle = (uint32_t)(given_read() + 1); /* the next slot, in its first life */
    cede_core_item(backend.core, UINT64_C(1) << 32 | idle, 77, 0);
}

static void signals_behind_the_end(void)
{
    uint64_t token;
    cede_prep_signal_many(&n.req, CEDE_SIGNAL_BIT(CEDE_SIGNAL_INTERRUPT), no_item);
    token = given(CEDE_OP_SIGNAL_MANY);
    cede_core_done(backend.core, token, CEDE_EINVAL, 0, 0);
    cede_core_signals(backend.core, token, CEDE_SIGNAL_BIT(CEDE_SIGNAL_INTERRUPT));
}

static void signals_of_another(void)
{
    cede_core_signals(backend.core, given_read() + (UINT64_C(1) << 32), 2);
}

static void gone_of_what_is_not_lent(void)
{
    cede_core_gone(backend.core, given_read());
}

static void buffer_that_there_is_not(void)
{
    uint64_t token;
    (void)given_pool(&token);
    cede_core_item(backend.core, token, 8, 2);
}

static void buffer_filled_twice(void)
{
    uint64_t token;
    uint32_t number;
    CHECK(cede_core_pick(given_pool(&token), &number));
    cede_core_item(backend.core, token, 8, number);
    cede_core_item(backend.core, token, 8, number);
}

static void second_buffer_of_one(void)
{
    uint64_t token;
    uint32_t first, second;
    cede_pool_view *view = given_pool(&token);
    CHECK(cede_core_pick(view, &first) && cede_core_pick(view, &second));
    cede_core_item(backend.core, token, 8, first);
    cede_core_item(backend.core, token, 8, second);
}

static void unused_buffer_that_there_is_not(void)
{
    uint64_t token;
    (void)given_pool(&token);
    cede_core_item(backend.core, token, 0, 2);
}

static void unused_buffer_that_was_filled(void)
{
    uint64_t token;
    uint32_t number;
    CHECK(cede_core_pick(given_pool(&token), &number));
    cede_core_item(backend.core, token, 8, number);
    cede_core_item(backend.core, token, 0, number);
}

static uint64_t closed;

static int close_at_once(fake *self, const cede_work *work)
{
    if (work->op != CEDE_OP_CLOSE)
        return FAKE_KEEP;
    closed = work->token;
    cede_core_done(self->core, work->token, CEDE_OK, 0, 0);
    return FAKE_REPORTED;
}

/* The token of a drop that is over. */
static uint64_t dropped(void)
{
    cede_handle file = fake_handle(CEDE_KIND_FILE, 0);
    cede_prep_read(&n.req, file, bytes, sizeof bytes, 0);
    fake_report(&backend, given(CEDE_OP_READ), CEDE_OK, 8);
    turn();
    backend.on_start = close_at_once;
    cede_drop(file);
    turn();
    CHECK(closed);
    return closed;
}

static void drop_over_twice(void)
{
    cede_core_done(backend.core, dropped(), CEDE_OK, 0, 0);
}

static void drop_begun_again_behind_its_end(void)
{
    cede_core_done(backend.core, dropped(), CEDE_REPORT_AGAIN, 0, 0);
}

static const struct {
    const char *name;
    void (*act)(void);
} ways[] = {
#define WAY(name)   \
    {               \
#name, name \
    }
    WAY(reported_twice),
    WAY(failed_twice),
    WAY(reported_behind_its_done),
    WAY(reported_and_not_taken),
    WAY(item_behind_the_end),
    WAY(item_of_another),
    WAY(item_of_nobody),
    WAY(signals_behind_the_end),
    WAY(signals_of_another),
    WAY(gone_of_what_is_not_lent),
    WAY(buffer_that_there_is_not),
    WAY(buffer_filled_twice),
    WAY(second_buffer_of_one),
    WAY(unused_buffer_that_there_is_not),
    WAY(unused_buffer_that_was_filled),
    WAY(drop_over_twice),
    WAY(drop_begun_again_behind_its_end),
};

int main(int argc, char **argv)
{
    const size_t count = sizeof ways / sizeof ways[0];
    if (argc == 2) {
        loop = fake_loop(&backend);
        for (size_t i = 0; i < count; i++) {
            if (strcmp(ways[i].name, argv[1]) == 0)
                ways[i].act();
        }
        turn();
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        if (port_breaks_off(argv[0], ways[i].name))
            continue;
        fprintf(stderr, "%s: it was not stopped\n", ways[i].name);
        return 1;
    }
    return 0;
}
