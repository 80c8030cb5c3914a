/*
 * Misuse stops the process, in every build, with one line that names the law, the operation and
 * where it was submitted (law 17). Each is tried in a process of its own.
 */
#include "conformance.h"

#include <stdlib.h>
#include <string.h>

#define LINE(...) ((const char *const[]){__VA_ARGS__, NULL})

static void nothing(cede_req *req, cede_result result)
{
    (void)req;
    (void)result;
}

static void submit_twice(cft *t, void *context)
{
    static cede_req req;
    (void)context;
    cede_prep_pend(&req);
    cede_submit(cft_loop(t), &req, nothing);
    cede_submit(cft_loop(t), &req, nothing);
}

CFT_CASE(submitting_what_is_in_flight_stops_the_process)
{
    cft_dies(t, submit_twice, NULL, LINE("law 17", "pend", "misuse.c:"));
}

static void prepare_in_flight(cft *t, void *context)
{
    static cede_req req;
    (void)context;
    cede_prep_pend(&req);
    cede_submit_remote(cft_loop(t), &req, nothing, NULL);
    cede_submit_remote(cft_loop(t), &req, nothing, NULL);
}

CFT_CASE(submitting_remotely_what_is_in_flight_stops_the_process)
{
    cft_dies(t, prepare_in_flight, NULL, LINE("law 17", "pend", "misuse.c:"));
}

static void link_circle(cft *t, void *context)
{
    static cede_req first, second;
    (void)context;
    cede_prep_pend(&first);
    cede_prep_nop(&second);
    cede_link(&first, &second, nothing);
    cede_link(&second, &first, nothing);
    cede_submit(cft_loop(t), &first, nothing);
}

/* Else its first request would come back twice. */
CFT_CASE(links_in_a_circle_stop_the_process)
{
    cft_dies(t, link_circle, NULL, LINE("law 17", "in flight", "pend", "misuse.c:"));
}

static void run_inside(cede_req *req, cede_result result)
{
    (void)result;
    (void)cede_run(req->user_data, 0);
}

static void close_inside(cede_req *req, cede_result result)
{
    (void)result;
    (void)cede_loop_close(req->user_data, 0);
}

static void in_callback(cft *t, void *context)
{
    static cede_req req;
    req.user_data = cft_loop(t);
    cede_prep_nop(&req);
    cede_submit(cft_loop(t), &req, context ? close_inside : run_inside);
    (void)cede_run(cft_loop(t), CEDE_FOREVER);
}

/* L4 */
CFT_CASE(run_inside_a_callback_stops_the_process)
{
    cft_dies(t, in_callback, NULL, LINE("law 17", "callback"));
}

/* L3 */
CFT_CASE(loop_close_inside_a_callback_stops_the_process)
{
    cft_dies(t, in_callback, t, LINE("law 17", "callback"));
}

struct stray {
    cede_loop *loop;
    int how;
};

static void stray_thread(void *context)
{
    static cede_req req;
    struct stray *stray = context;
    if (stray->how == 0) {
        (void)cede_run(stray->loop, 0);
    } else if (stray->how == 1) {
        (void)cede_loop_close(stray->loop, 0);
    } else if (stray->how == 2) {
        cede_prep_nop(&req);
        cede_submit(stray->loop, &req, nothing);
    } else {
        (void)cede_wait(stray->loop, (cede_ticket){0, 0}, 0);
    }
}

static void wrong_thread(cft *t, void *context)
{
    struct stray stray = {cft_loop(t), *(int *)context};
    cede_run(cft_loop(t), 0); /* binds it to this thread */
    cft_thread(t, stray_thread, &stray);
    cft_join(t);
}

CFT_CASE(wrong_thread_stops_the_process)
{
    for (int how = 0; how < 4; how++) {
        cft_note(t, "how %d", how);
        cft_dies(t, wrong_thread, &how, LINE("law 17", "thread"));
    }
}

struct stubborn {
    cede_req req;
    cede_loop *loop;
    cede_ticket scope;
    uint32_t tries;
    uint32_t most;
};

static void again(cede_req *req, cede_result result)
{
    struct stubborn *stubborn = CEDE_CONTAINER(req, struct stubborn, req);
    (void)result;
    if (++stubborn->tries >= stubborn->most)
        return;
    cede_prep_nop(req);
    cede_in(req, stubborn->scope);
    cede_submit(stubborn->loop, req, again);
}

static void retry_for_ever(cft *t, void *context)
{
    static struct stubborn stubborn;
    static cede_req scope;
    stubborn.loop = cft_loop(t);
    stubborn.most = *(uint32_t *)context;
    cede_prep_scope(&scope);
    stubborn.scope = cede_submit(stubborn.loop, &scope, nothing);
    cede_cancel(stubborn.scope);
    cede_prep_nop(&stubborn.req);
    cede_in(&stubborn.req, stubborn.scope);
    cede_submit(stubborn.loop, &stubborn.req, again);
    (void)cede_run(stubborn.loop, CEDE_FOREVER);
    if (cede_loop_close(stubborn.loop, CEDE_FOREVER) != CEDE_OK)
        abort();
    exit(0);
}

/* Z5 */
CFT_CASE(retry_without_end_stops_the_process)
{
    uint32_t endless = UINT32_MAX;
    uint32_t patient = 900;
    cft_lives(t, retry_for_ever, &patient);
    cft_dies(t, retry_for_ever, &endless, LINE("law 17", "nop", "misuse.c:"));
}

static void null_arguments(cft *t, void *context)
{
    static cede_req req;
    int how = *(int *)context;
    cede_prep_nop(&req);
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): one that is not there is the case */
    cede_submit(how == 0 ? NULL : cft_loop(t), how == 1 ? NULL : &req, how == 2 ? NULL : nothing);
}

CFT_CASE(submit_without_loop_request_or_done_stops_the_process)
{
    for (int how = 0; how < 3; how++) {
        cft_note(t, "how %d", how);
        cft_dies(t, null_arguments, &how, LINE("law 17"));
    }
}

static void use_in_child(cft *t, void *context)
{
    static cede_req req;
    int how = *(int *)context;
    if (how == 0) {
        (void)cede_run(cft_loop(t), 0);
    } else if (how == 1) {
        cede_prep_nop(&req);
        cede_submit(cft_loop(t), &req, nothing);
    } else if (how == 2) {
        (void)cede_loop_close(cft_loop(t), 0);
    } else {
        cede_prep_nop(&req);
        cede_submit_remote(cft_loop(t), &req, nothing, NULL);
    }
}

static void do_nothing(cft *t, void *context)
{
    (void)t;
    (void)context;
}

/* L9: the child is refused, the parent intact. */
CFT_CASE(forked_child_is_refused_and_the_parent_intact)
{
    if (!cft_can_fork(t))
        cft_skip(t, "no_fork");
    cft_pipe pipe = cft_pipe_reader(t);
    cft_rec *read = cft_new(t);
    cede_prep_read(read->req, pipe.handle, cft_buffer(read, 8), 8, CEDE_CURRENT);
    cft_submit(read);
    cft_rec *pend = cft_new(t);
    cede_prep_pend(pend->req);
    cft_submit(pend);
    cft_flush(t);
    for (int how = 0; how < 4; how++) {
        cft_note(t, "how %d", how);
        cft_dies(t, use_in_child, &how, LINE("law 17", "fork"));
    }
    cft_lives(t, do_nothing, NULL); /* a child that leaves cede alone may exit */
    CFT_CHECK(t, read->done == 0 && pend->done == 0);
    cft_peer_write(t, &pipe, "abc", 3);
    cft_await(t, read);
    CFT_MOVED(t, read, 3);
    cft_complete(t, pend->ticket, CEDE_OK, 0);
    cft_await(t, pend);
    CFT_OK(t, pend);
    cft_closed(t, pipe.handle);
}
