/* A pend is completed by one thread while another still submits it and the loop takes it: whatever
 * comes first, its done has the status and the count of the completion, never half of it, and never
 * that of the slot's next tenant (laws 2, 6). */
#include "fake.h"

#include <stdatomic.h>

#define ROUNDS 20000

typedef struct pend {
    cede_req req;
    uint64_t count;
} pend;

static cede_loop *loop;
static pend pends[ROUNDS];
static cede_ticket tickets[ROUNDS];
static _Atomic unsigned submitted; /* tickets written so far */
static unsigned done_count;

static void on_done(cede_req *req, cede_result r)
{
    pend *p = CEDE_CONTAINER(req, pend, req);
    uint64_t number = (uint64_t)(p - pends);
    CHECK(r.count == number + 1 && r.status == -(cede_status)(number % 40 + 1));
    done_count++;
}

static void submits(void *context)
{
    (void)context;
    for (unsigned i = 0; i < ROUNDS; i++) {
        cede_prep_pend(&pends[i].req);
        cede_submit_remote(loop, &pends[i].req, on_done, &tickets[i]);
        atomic_store(&submitted, i + 1);
    }
}

/* Both wish the same, so that it does not matter who comes first. */
static void completes(void *context)
{
    (void)context;
    for (unsigned i = 0; i < ROUNDS; i++) {
        while (atomic_load(&submitted) <= i)
            port_yield();
        cede_complete(tickets[i], -(cede_status)(i % 40 + 1), i + 1);
    }
}

REGRESSION(complete_carries_its_count)
{
    static fake backend;
    port_thread threads[3];
    loop = fake_loop(&backend);
    (void)cede_run(loop, 0);
    port_start(&threads[0], submits, NULL);
    port_start(&threads[1], completes, NULL);
    port_start(&threads[2], completes, NULL);
    while (done_count < ROUNDS)
        CHECK(cede_run(loop, CEDE_MILLISECOND) >= 0);
    for (int i = 0; i < 3; i++)
        port_join(&threads[i]);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    return 0;
}
