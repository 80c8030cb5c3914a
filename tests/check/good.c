/*
 * What a program may do, though it looks like what it must not: nothing here may be reported by any
 * build or tool.
 */
#include "../port.h"
#include "check.h"

static void run(stage *s)
{
    HOLDS(cede_run(s->loop, CEDE_FOREVER) >= 0);
}

static void look(const volatile void *memory)
{
    check_sink = *(const volatile char *)memory;
}

static void is_ok(cede_req *req, cede_result r)
{
    (void)req;
    HOLDS(r.status == CEDE_OK);
}

/* ---- Places --------------------------------------------------------------------------------- */

/* The first of two neighbours comes back while the second is still ceded, and the bytes before,
 * between and behind them are in use all the time. */
void check_good_granule(stage *s)
{
    static _Alignas(8) char block[64];
    static cede_req first, second;
    cede_ticket ticket, other;
    cede_prep_read(&first, s->in, block + 3, 17, CEDE_CURRENT);
    ticket = cede_submit(s->loop, &first, check_done);
    cede_prep_read(&second, s->in, block + 21, 18, CEDE_CURRENT);
    other = cede_submit(s->loop, &second, check_done);
    HOLDS(cede_run(s->loop, 0) >= 0);
    for (int i = 0; i < 64; i++) {
        if (i < 3 || i == 20 || i >= 39)
            ++*(volatile char *)&block[i];
    }
    cede_cancel(ticket);
    HOLDS(cede_wait(s->loop, ticket, CEDE_FOREVER) == CEDE_OK);
    for (int i = 0; i < 21; i++)
        ++*(volatile char *)&block[i];
    check_finish(s, other);
    for (int i = 0; i < 64; i++)
        ++*(volatile char *)&block[i];
}

void check_good_odd(stage *s)
{
    for (unsigned from = 0; from < 9; from++) {
        for (unsigned bytes = 0; bytes < 26; bytes++) {
            char *block = malloc(48);
            cede_req req;
            memset(block, 1, 48);
            cede_prep_read(&req, s->file, block + from, bytes, 0);
            (void)cede_submit(s->loop, &req, is_ok);
            for (unsigned i = 0; i < from; i++)
                block[i]++;
            for (unsigned i = from + bytes; i < 48; i++)
                block[i]++;
            run(s);
            for (unsigned i = 0; i < 48; i++)
                HOLDS(block[i] == (i >= from && i < from + bytes ? 0 : 2));
            free(block);
        }
    }
}

static void on_the_stack(stage *s, unsigned depth)
{
    cede_req req;
    char buffer[100];
    cede_prep_read(&req, s->file, buffer, sizeof buffer, 0);
    (void)cede_submit(s->loop, &req, is_ok);
    if (depth > 0)
        on_the_stack(s, depth - 1);
    else
        run(s);
    HOLDS(buffer[99] == 0);
}

/* The same frames again, with nothing ceded in them any more. */
static void on_the_same_stack(unsigned depth)
{
    volatile char used[sizeof(cede_req) + 100];
    for (unsigned i = 0; i < sizeof used; i++)
        used[i] = (char)i;
    if (depth > 0)
        on_the_same_stack(depth - 1);
    check_sink = used[depth];
}

void check_good_stack(stage *s)
{
    on_the_stack(s, 20);
    on_the_same_stack(20);
}

void check_good_static(stage *s)
{
    static cede_req requests[100];
    static char buffers[100][24];
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 100; i++) {
            cede_prep_read(&requests[i], s->file, buffers[i], sizeof buffers[i], 0);
            (void)cede_submit(s->loop, &requests[i], is_ok);
        }
        run(s);
        for (unsigned i = 0; i < 100; i++)
            HOLDS(buffers[i][round] == 0 && !requests[i].user_data);
    }
}

/* ---- Lives ---------------------------------------------------------------------------------- */

struct again {
    cede_req req;
    stage *s;
    char buffer[33];
    unsigned left;
};

static void submit_again(cede_req *req, cede_result r)
{
    struct again *a = CEDE_CONTAINER(req, struct again, req);
    HOLDS(r.status == CEDE_OK && a->buffer[0] == 0);
    memset(a->buffer, 0, sizeof a->buffer);
    if (a->left-- == 0)
        return;
    if (a->left % 2)
        cede_prep_read(req, a->s->file, a->buffer, sizeof a->buffer, 0);
    else
        cede_prep_write(req, a->s->file, a->buffer, sizeof a->buffer, 0);
    (void)cede_submit(a->s->loop, req, submit_again);
    CEDE_GONE(a);
}

void check_good_again(stage *s)
{
    struct again *a = calloc(1, sizeof *a);
    a->s = s;
    a->left = 100;
    cede_prep_nop(&a->req);
    (void)cede_submit(s->loop, &a->req, submit_again);
    run(s);
    HOLDS(a->left == UINT32_MAX);
    free(a);
}

struct pair {
    char odd[5];
    char buffer[11];
    cede_req read;
    char more;
    char data[7];
    cede_req write;
    unsigned left;
};

static void pair_part(struct pair *p)
{
    if (--p->left == 0)
        free(p);
}

static void pair_read(cede_req *req, cede_result r)
{
    HOLDS(r.status == CEDE_OK);
    pair_part(CEDE_CONTAINER(req, struct pair, read));
}

static void pair_wrote(cede_req *req, cede_result r)
{
    HOLDS(r.status == CEDE_OK);
    pair_part(CEDE_CONTAINER(req, struct pair, write));
}

void check_good_embedded(stage *s)
{
    for (unsigned i = 0; i < 50; i++) {
        struct pair *p = calloc(1, sizeof *p);
        p->left = 2;
        cede_prep_read(&p->read, s->file, p->buffer, sizeof p->buffer, 0);
        cede_prep_write(&p->write, s->file, p->data, sizeof p->data, 100);
        (void)cede_submit(s->loop, &p->read, pair_read);
        (void)cede_submit(s->loop, &p->write, pair_wrote);
        memset(p->odd, 1, sizeof p->odd); /* neighbours of what is ceded */
        p->more = p->data[6];
        look(&p->left);
    }
    run(s);
}

struct alone {
    cede_req req;
    char *buffer;
};

static void free_both(cede_req *req, cede_result r)
{
    struct alone *a = CEDE_CONTAINER(req, struct alone, req);
    HOLDS(r.buffer == a->buffer);
    free(a->buffer);
    free(a);
}

void check_good_free(stage *s)
{
    for (unsigned i = 0; i < 100; i++) {
        struct alone *a = malloc(sizeof *a);
        a->buffer = malloc(1 + i);
        cede_prep_read(&a->req, i % 3 ? s->file : s->in, a->buffer, 1 + i,
                       i % 3 ? 0 : CEDE_CURRENT);
        cede_within(&a->req, CEDE_MILLISECOND);
        (void)cede_submit(s->loop, &a->req, free_both);
    }
    run(s);
}

struct page {
    cede_req req;
    char buffer[1000];
};

static void unmap(cede_req *req, cede_result r)
{
    HOLDS(r.status == CEDE_OK);
    port_page_gone(req);
}

void check_good_unmap(stage *s)
{
    for (unsigned i = 0; i < 20; i++) {
        struct page *page = port_page();
        cede_prep_read(&page->req, s->file, page->buffer, sizeof page->buffer, 0);
        (void)cede_submit(s->loop, &page->req, unmap);
        if (i % 2)
            run(s);
    }
    run(s);
}
