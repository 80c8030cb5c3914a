/* What a thread sends takes effect in the order made, though some of it finds no slot and travels
 * in its own memory (1b: Threads): a close that found none does not overtake the read that was sent
 * before, and is not overtaken by the wish that was sent behind. */
#include "orphans.h"

/* A free slot for other threads is left; `lone` names a pend. */
static cede_loop *begin(fake *backend, cede_ticket *ticket)
{
    static note pend, fill[FILLERS];
    cede_loop *loop = fake_loop(backend);
    cede_prep_pend(&pend.req);
    cede_background(&pend.req);
    cede_submit_remote(loop, &pend.req, note_done, ticket);
    memory_is_out = true;
    for (unsigned i = 0; i < FILLERS - 2; i++) {
        cede_prep_pend(&fill[i].req);
        cede_background(&fill[i].req);
        cede_submit_remote(loop, &fill[i].req, note_done, NULL);
    }
    return loop;
}

static void end(cede_loop *loop)
{
    memory_is_out = false;
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
}

static cede_loop *loop;
static cede_handle file;
static cede_ticket reading, lone;
static note first, closing;

static void send_read(void)
{
    static char buffer[8];
    cede_prep_read(&first.req, file, buffer, sizeof buffer, 0);
    cede_submit_remote(loop, &first.req, note_done, &reading);
}

static void send_close(void)
{
    cede_prep_close(&closing.req, file);
    cede_submit_remote(loop, &closing.req, note_done, NULL);
}

static void send(void *nothing)
{
    (void)nothing;
    cede_complete(lone, CEDE_OK, 0);
    send_close();
    cede_cancel(reading);
}

REGRESSION(orphan_keeps_its_turn)
{
    static fake backends[2];
    port_thread thread;

    use_short_memory();
    file = fake_handle(CEDE_KIND_FILE, 0);
    loop = begin(&backends[0], &lone);
    send_read();
    send_close();
    CHECK(cede_run(loop, CEDE_FOREVER) >= 2);
    CHECK(first.result.status == CEDE_ECANCELED && first.result.flags & CEDE_BY_CLOSE);
    CHECK(closing.result.status == CEDE_OK && first.order < closing.order);
    end(loop);

    file = fake_handle(CEDE_KIND_FILE, 0);
    loop = begin(&backends[1], &lone);
    send_read();
    CHECK(cede_run(loop, 0) == 0 && fake_find(&backends[1], CEDE_OP_READ));
    port_start(&thread, send, NULL);
    port_join(&thread);
    CHECK(cede_run(loop, CEDE_FOREVER) >= 2);
    CHECK(first.result.status == CEDE_ECANCELED && first.result.flags & CEDE_BY_CLOSE);
    CHECK(closing.result.status == CEDE_OK && first.order < closing.order);
    end(loop);
    return 0;
}
