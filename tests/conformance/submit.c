/*
 * Laws 1 to 4: one verb cedes and cannot fail; exactly once; never inline; the callback owns.
 * (The recorder in rec.c checks laws 2 to 4 in every other case too.)
 */
#include "conformance.h"

#include <string.h>

CFT_CASE(submit_delivers_a_bad_handle)
{
    static const cede_handle bad[] = {0, 1, 0x1234567890abcdefu, UINT64_MAX};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cft_rec *read = cft_new(t);
        cede_prep_read(read->req, bad[i], cft_buffer(read, 16), 16, 0);
        cft_submit(read);
        CFT_CHECK(t, !cft_is_done(read));
        cft_await(t, read);
        CFT_STATUS(t, read, CEDE_EBADF);
        CFT_CHECK(t, read->result.status != CEDE_OK);
    }
}

CFT_CASE(unprepared_request_is_delivered_as_invalid)
{
    cft_rec *zeros = cft_new(t);
    memset(zeros->req, 0, sizeof *zeros->req);
    zeros->req->user_data = zeros;
    cft_submit(zeros);
    cft_await(t, zeros);
    CFT_STATUS(t, zeros, CEDE_EINVAL);
}

static void submit_again_unprepared(cft_rec *rec)
{
    if (rec->done == 1)
        cft_submit_on(rec, rec->loop);
}

CFT_CASE(submit_consumes_the_preparation)
{
    cft_rec *nop = cft_new(t);
    nop->then = submit_again_unprepared;
    cede_prep_nop(nop->req);
    cft_submit(nop);
    cft_settle(t);
    CFT_CHECK(t, nop->done == 2);
    CFT_STATUS(t, nop, CEDE_EINVAL);
}

CFT_CASE(prep_resets_every_attribute)
{
    cft_rec *scope = cft_new(t);
    cede_prep_scope(scope->req);
    cft_submit(scope);

    cft_rec *never = cft_new(t);
    cede_prep_nop(never->req);
    cft_rec *pend = cft_new(t);
    cede_prep_pend(pend->req);
    cede_in(pend->req, scope->ticket);
    cede_within(pend->req, 1);
    cede_background(pend->req);
    cede_link(pend->req, never->req, NULL);
    cede_prep_pend(pend->req); /* and all of it is gone */
    cft_submit(pend);
    cft_cancel(t, scope->ticket);
    cft_await(t, scope);
    CFT_EXPECT(t, scope->result.count == 0);
    cft_turn(t);
    cft_turn(t);
    CFT_EXPECT(t, !cft_is_done(pend));
    cft_complete(t, pend->ticket, CEDE_OK, 5);
    cft_await(t, pend);
    CFT_OK(t, pend);
    CFT_EXPECT(t, pend->result.count == 5);
    CFT_EXPECT(t, pend->result.scope.generation == 0);
    CFT_CHECK(t, never->done == 0);
}

CFT_CASE(one_input_serves_two_requests)
{
    unsigned char data[3000];
    unsigned char seen[3000];
    cft_fill(data, sizeof data, 3, 0);
    unsigned char *shared = cft_alloc(t, sizeof data);
    memcpy(shared, data, sizeof data);
    cede_handle a = cft_opened(t, "a", CEDE_OPEN_WRITE | CEDE_OPEN_CREATE);
    cede_handle b = cft_opened(t, "b", CEDE_OPEN_WRITE | CEDE_OPEN_CREATE);
    cft_rec *one = cft_new(t);
    cft_rec *two = cft_new(t);
    cede_prep_write_all(one->req, a, shared, sizeof data, 0);
    cede_prep_write_all(two->req, b, shared, sizeof data, 0);
    cft_submit(one);
    cft_submit(two);
    cft_await(t, one);
    cft_await(t, two);
    CFT_MOVED(t, one, sizeof data);
    CFT_MOVED(t, two, sizeof data);
    CFT_EXPECT(t, cft_file_read(t, "a", seen, sizeof seen, 0) == sizeof seen);
    CFT_EXPECT(t, memcmp(seen, data, sizeof data) == 0);
    CFT_EXPECT(t, cft_file_read(t, "b", seen, sizeof seen, 0) == sizeof seen);
    CFT_EXPECT(t, memcmp(seen, data, sizeof data) == 0);
    cft_closed(t, a);
    cft_closed(t, b);
}

struct object {
    char name[24];
    cede_req first;
    uint32_t number;
    cede_req second;
    uint32_t done;
};

static void on_first(cede_req *req, cede_result result)
{
    struct object *object = CEDE_CONTAINER(req, struct object, first);
    object->done += result.status == CEDE_OK ? 1 : 100;
}

static void on_second(cede_req *req, cede_result result)
{
    struct object *object = CEDE_CONTAINER(req, struct object, second);
    object->done += result.status == CEDE_OK ? 10 : 100;
}

CFT_CASE(request_may_lie_anywhere)
{
    static struct object fixed;
    struct object automatic;
    struct object *allocated = cft_alloc(t, sizeof *allocated);
    struct object *all[] = {&fixed, &automatic, allocated};
    cede_loop *loop = cft_loop(t);
    for (size_t i = 0; i < 3; i++) {
        all[i]->done = 0;
        all[i]->number = 0x600d;
        cede_prep_nop(&all[i]->first);
        cede_prep_timer(&all[i]->second, 1);
        cede_submit(loop, &all[i]->first, on_first);
        cede_submit(loop, &all[i]->second, on_second);
    }
    cft_run(t, CEDE_FOREVER);
    for (size_t i = 0; i < 3; i++)
        CFT_CHECK(t, all[i]->done == 11 && all[i]->number == 0x600d);
}

CFT_CASE(many_kinds_at_once_each_come_back_once)
{
    enum { CROWD = 60 };
    cft_rec *all[CROWD];
    cft_file(t, "data", NULL, 4096, 1);
    cede_handle file = cft_opened(t, "data", CEDE_OPEN_READ);
    for (uint32_t i = 0; i < CROWD; i++) {
        cft_rec *rec = all[i] = cft_new(t);
        switch (i % 6) {
        case 0:
            cede_prep_nop(rec->req);
            break;
        case 1:
            cede_prep_roundtrip(rec->req);
            break;
        case 2:
            cede_prep_timer(rec->req, 1 + cft_below(t, 200000));
            break;
        case 3:
            cede_prep_read(rec->req, file, cft_buffer(rec, 64), 64, cft_below(t, 4000));
            break;
        case 4:
            cede_prep_stat(rec->req, cft_path(t, "data"), cft_buffer(rec, sizeof(cede_stat)), 0);
            break;
        default:
            cede_prep_pend(rec->req);
            break;
        }
        cft_submit(rec);
    }
    for (uint32_t i = 5; i < CROWD; i += 6) {
        if (i % 12 == 5)
            cft_complete(t, all[i]->ticket, CEDE_OK, i);
        else
            cft_cancel(t, all[i]->ticket);
    }
    cft_settle(t);
    for (uint32_t i = 0; i < CROWD; i++) {
        CFT_CHECK(t, all[i]->done == 1);
        if (i % 12 == 11)
            CFT_ENDED(t, all[i], CEDE_ECANCELED, CEDE_BY_WISH);
        else
            CFT_OK(t, all[i]);
    }
    cft_closed(t, file);
}

static void again(cft_rec *rec)
{
    if (++rec->number >= 300)
        return;
    if (rec->number % 3 == 0)
        cede_prep_timer(rec->req, 1);
    else if (rec->number % 3 == 1)
        cede_prep_roundtrip(rec->req);
    else
        cede_prep_nop(rec->req);
    cft_submit_on(rec, rec->loop);
}

CFT_CASE(resubmitted_in_its_callback_it_comes_again)
{
    cft_rec *rec = cft_new(t);
    rec->then = again;
    cede_prep_nop(rec->req);
    cft_submit(rec);
    cft_settle(t);
    CFT_CHECK(t, rec->done == 300);
    CFT_EXPECT(t, rec->result.status == CEDE_OK);
}

CFT_CASE(immediate_results_are_not_inline)
{
    cft_rec *all[4];
    for (uint32_t i = 0; i < 4; i++)
        all[i] = cft_new(t);
    cede_prep_nop(all[0]->req);
    cede_prep_close(all[1]->req, 0);
    cede_prep_timer(all[2]->req, 0);
    cede_prep_work(all[3]->req, NULL, NULL);
    for (uint32_t i = 0; i < 4; i++) {
        cft_submit_on(all[i], cft_loop(t)); /* the recorder fails the case if done comes inside */
        CFT_CHECK(t, !cft_is_done(all[i]));
    }
    cft_settle(t);
    CFT_OK(t, all[0]);
    CFT_STATUS(t, all[1], CEDE_EBADF);
    CFT_OK(t, all[2]);
    CFT_STATUS(t, all[3], CEDE_EINVAL);
}

CFT_CASE(wishes_call_nothing)
{
    cft_rec *scope = cft_new(t);
    cede_prep_scope(scope->req);
    cft_submit(scope);
    cft_rec *all[4];
    for (uint32_t i = 0; i < 4; i++) {
        all[i] = cft_new(t);
        cede_prep_pend(all[i]->req);
        if (i == 2)
            cede_in(all[i]->req, scope->ticket);
        cft_submit(all[i]);
    }
    cft_flush(t);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_WRITE | CEDE_OPEN_CREATE);
    uint32_t before = 0;
    uint32_t after = 0;
    for (uint32_t i = 0; i < 4; i++)
        before += all[i]->done;
    CFT_EXPECT(t, before == 0);
    cede_cancel(all[0]->ticket);
    cede_complete(all[1]->ticket, CEDE_OK, 1);
    cede_fail(scope->ticket, CEDE_EIO);
    cede_fail(all[3]->ticket, CEDE_EIO);
    cede_drop(file);
    for (uint32_t i = 0; i < 4; i++)
        after += all[i]->done;
    CFT_CHECK(t, after == before);
    cft_settle(t);
    CFT_ENDED(t, all[0], CEDE_ECANCELED, CEDE_BY_WISH);
    CFT_OK(t, all[1]);
    CFT_ENDED(t, all[2], CEDE_ECANCELED, CEDE_BY_SCOPE);
    CFT_ENDED(t, all[3], CEDE_ECANCELED, CEDE_BY_WISH);
    CFT_STATUS(t, scope, CEDE_EIO);
}

struct turned {
    union {
        cede_req req;
        unsigned char other[sizeof(cede_req)];
    } memory;
    unsigned char buffer[64];
    bool done;
};

static void turn_to_other_use(cede_req *req, cede_result result)
{
    struct turned *object = CEDE_CONTAINER(req, struct turned, memory.req);
    (void)result;
    memset(object->memory.other, 0x5a, sizeof object->memory.other);
    memset(object->buffer, 0x5a, sizeof object->buffer);
    object->done = true;
}

CFT_CASE(memory_turned_to_other_use_in_done_is_left_alone)
{
    struct turned *object = cft_alloc(t, 20 * sizeof *object);
    cft_file(t, "f", NULL, 4096, 1);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_READ);
    for (uint32_t i = 0; i < 20; i++) {
        cede_prep_read(&object[i].memory.req, file, object[i].buffer, 64, i);
        cede_submit(cft_loop(t), &object[i].memory.req, turn_to_other_use);
    }
    cft_settle(t);
    cft_turn(t);
    for (uint32_t i = 0; i < 20; i++) {
        while (!object[i].done) /* one that found no room is tried again later */
            CFT_CHECK(t, cft_run_on(cft_loop(t), CEDE_SECOND) >= 0);
        for (size_t b = 0; b < sizeof(cede_req); b++)
            CFT_CHECK(t, object[i].memory.other[b] == 0x5a);
        for (size_t b = 0; b < 64; b++)
            CFT_CHECK(t, object[i].buffer[b] == 0x5a);
    }
    cft_closed(t, file);
}

CFT_CASE(result_names_buffer_scope_and_cause)
{
    cft_rec *scope = cft_new(t);
    cede_prep_scope(scope->req);
    cft_submit(scope);
    cft_file(t, "f", NULL, 100, 1);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_READ);
    cft_rec *read = cft_new(t);
    void *buffer = cft_buffer(read, 100);
    cede_prep_read(read->req, file, buffer, 100, 0);
    cede_in(read->req, scope->ticket);
    cft_submit(read);
    cft_await(t, read);
    CFT_MOVED(t, read, 100);
    CFT_EXPECT(t, read->result.buffer == buffer);
    CFT_EXPECT(t, read->result.scope.id == scope->ticket.id);
    CFT_EXPECT(t, read->result.scope.generation == scope->ticket.generation);
    CFT_EXPECT(t, read->result.flags == 0);
    CFT_EXPECT(t, read->result.os_error == 0);
    cft_cancel(t, scope->ticket);
    cft_await(t, scope);
    CFT_EXPECT(t, scope->result.count == 1);
    CFT_EXPECT(t, scope->result.buffer == NULL);
    cft_closed(t, file);
}

CFT_CASE(op_names_and_statuses_are_known)
{
    for (uint32_t i = 0; i < CEDE_OP_COUNT; i++) {
        CFT_CHECK(t, strcmp(cede_op_name(i), "unknown") != 0);
        for (uint32_t j = 0; j < i; j++)
            CFT_CHECK(t, strcmp(cede_op_name(i), cede_op_name(j)) != 0);
    }
    CFT_CHECK(t, strcmp(cede_op_name(CEDE_OP_COUNT), "unknown") == 0);
    CFT_CHECK(t, strcmp(cede_op_name(UINT32_MAX), "unknown") == 0);
    for (cede_status i = CEDE_EOVERFLOW; i <= 0; i++) {
        CFT_CHECK(t, strncmp(cede_status_name(i), i ? "CEDE_E" : "CEDE_OK", 6) == 0);
        CFT_CHECK(t, cede_strerror(i)[0] != '\0');
        for (cede_status j = CEDE_EOVERFLOW; j < i; j++)
            CFT_CHECK(t, strcmp(cede_status_name(i), cede_status_name(j)) != 0);
    }
    CFT_CHECK(t, cede_strerror(INT32_MIN) && cede_strerror(INT32_MAX));
    CFT_CHECK(t, cede_status_name(INT32_MIN) && cede_status_name(INT32_MAX));
    CFT_CHECK(t, cede_version() == CEDE_VERSION);
    CFT_CHECK(t, strcmp(cede_backend_name(cft_loop(t)), cft_backend(t)) == 0);
}
