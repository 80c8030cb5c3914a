/*
 * What a program may do with what is lent, with several requests together, and with bad arguments:
 * nothing here may be reported by any build or tool. good.c has places and lives.
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

/* ---- Lent inputs ---------------------------------------------------------------------------- */

static void count_up(cede_req *req, cede_result r)
{
    (void)r;
    ++*(unsigned *)req->user_data;
}

/* Literals may be merged with others of the program, and lie in memory that cannot be written. */
void check_good_literals(stage *s)
{
    static cede_req requests[40];
    unsigned done = 0;
    for (unsigned i = 0; i < 40; i++) {
        if (i % 2)
            cede_prep_open(&requests[i], "/nowhere/at/all", CEDE_OPEN_READ, 0);
        else
            cede_prep_write(&requests[i], s->file, "at/all", 6, 0);
        requests[i].user_data = &done;
        (void)cede_submit(s->loop, &requests[i], count_up);
        look("/nowhere/at/all");
        HOLDS(strcmp("at/all", "at/all") == 0);
    }
    run(s);
    HOLDS(done == 40);
}

void check_good_lent_twice(stage *s)
{
    static cede_req requests[40];
    char *data = calloc(1, 300);
    cede_vec pieces[2] = {{data, 100}, {data + 50, 200}};
    for (unsigned i = 0; i < 40; i++) {
        if (i % 2)
            cede_prep_write(&requests[i], s->file, data + i, 200, 0);
        else
            cede_prep_writev(&requests[i], s->file, pieces, 2, 0);
        (void)cede_submit(s->loop, &requests[i], is_ok);
        look(data + i);
        look(&pieces[1]);
    }
    run(s);
    free(data);
}

/* ---- Together ------------------------------------------------------------------------------- */

void check_good_chain(stage *s)
{
    for (unsigned broken = 0; broken < 2; broken++) {
        struct alone *a[4];
        for (unsigned i = 0; i < 4; i++) {
            a[i] = malloc(sizeof *a[i]);
            a[i]->buffer = malloc(10);
            cede_prep_read(&a[i]->req, broken && i == 1 ? 0 : s->file, a[i]->buffer, 10, 0);
        }
        for (unsigned i = 0; i < 3; i++)
            cede_link(&a[i]->req, &a[i + 1]->req, free_both);
        (void)cede_submit(s->loop, &a[0]->req, free_both);
        run(s);
    }
}

struct life {
    cede_req scope, up, down;
    char buffer[64];
};

static void life_over(cede_req *req, cede_result r)
{
    (void)r;
    free(CEDE_CONTAINER(req, struct life, scope));
}

void check_good_scope(stage *s)
{
    for (unsigned i = 0; i < 20; i++) {
        struct life *l = malloc(sizeof *l);
        cede_ticket life;
        cede_prep_scope(&l->scope);
        life = cede_submit(s->loop, &l->scope, life_over);
        cede_prep_read(&l->up, s->in, l->buffer, 32, CEDE_CURRENT);
        cede_in(&l->up, life);
        (void)cede_submit(s->loop, &l->up, check_done);
        cede_prep_pend(&l->down);
        cede_in(&l->down, life);
        (void)cede_submit(s->loop, &l->down, check_done);
        l->buffer[40] = 1;
        CEDE_GONE(l);
        HOLDS(cede_run(s->loop, 0) >= 0);
        cede_cancel(life);
    }
    run(s);
}

static void send_many(void *context)
{
    const stage *s = context;
    for (unsigned i = 0; i < 300; i++) {
        struct alone *a = malloc(sizeof *a);
        a->buffer = malloc(20);
        cede_prep_read(&a->req, s->file, a->buffer, 20, 0);
        cede_submit_remote(s->loop, &a->req, free_both, NULL);
    }
}

void check_good_remote(stage *s)
{
    port_thread threads[2];
    for (unsigned i = 0; i < 2; i++)
        port_start(&threads[i], send_many, s);
    HOLDS(cede_run(s->loop, 0) >= 0);
    for (unsigned i = 0; i < 2; i++)
        port_join(&threads[i]);
    run(s);
}

static void is_refused(cede_req *req, cede_result r)
{
    HOLDS(r.status != CEDE_OK);
    count_up(req, r);
}

/* Arguments that cannot be looked at are not. */
void check_good_refused(stage *s)
{
    static cede_req requests[8];
    static char buffer[16], text[16];
    unsigned done = 0;
    cede_prep_read(&requests[0], s->file, NULL, 100, 0);
    cede_prep_readv(&requests[1], s->file, NULL, 3, 0);
    cede_prep_write(&requests[2], s->file, buffer, UINT64_MAX, 0);
    cede_prep_open(&requests[3], NULL, CEDE_OPEN_READ, 0);
    cede_prep_stat(&requests[4], s->path, NULL, 0);
    cede_prep_read(&requests[5], 12345, buffer, sizeof buffer, 0);
    cede_prep_readlink(&requests[6], s->path, text, sizeof text);
    cede_prep_rename(&requests[7], s->path, NULL, 0);
    for (unsigned i = 0; i < 8; i++) {
        requests[i].user_data = &done;
        (void)cede_submit(s->loop, &requests[i], is_refused);
    }
    run(s);
    HOLDS(done == 8);
}

/* ---- Every operation with memory of its own ------------------------------------------------- */

static cede_status add(void *argument, uint64_t *count)
{
    *count = ++*(unsigned *)argument;
    return CEDE_OK;
}

static void go(stage *s, cede_req *req)
{
    cede_ticket ticket = cede_submit(s->loop, req, is_ok);
    HOLDS(cede_wait(s->loop, ticket, CEDE_FOREVER) == CEDE_OK);
}

void check_good_operations(stage *s)
{
    cede_req req;
    char *memory = malloc(8192), first[7], second[9];
    cede_stat stat;
    cede_vec pieces[2] = {{first, sizeof first}, {second, sizeof second}};
    unsigned number = 1;
    memset(memory, 0, 8192);
    memset(first, 0, sizeof first);
    memset(second, 0, sizeof second);
    cede_prep_write_all(&req, s->file, memory, 4096, 0), go(s, &req);
    cede_prep_read_all(&req, s->file, memory, 4096, 0), go(s, &req);
    cede_prep_writev(&req, s->file, pieces, 2, 0), go(s, &req);
    cede_prep_readv(&req, s->file, pieces, 2, 0), go(s, &req);
    HOLDS(first[6] == 0 && second[8] == 0);
    cede_prep_append(&req, s->file, memory, 100), go(s, &req);
    cede_prep_stat(&req, s->path, &stat, 0), go(s, &req);
    HOLDS(stat.type == CEDE_FILE_REGULAR && stat.size_bytes == 4196);
    cede_prep_stat_handle(&req, s->file, &stat), go(s, &req);
    HOLDS(stat.links == 1);
    if (s->has_link) {
        cede_prep_readlink(&req, s->link, first, sizeof first), go(s, &req);
        HOLDS(memcmp(first, "file", 4) == 0);
    }
    cede_prep_readdir(&req, s->dir, memory, 4096), go(s, &req);
    HOLDS(((const cede_entry *)(const void *)memory)->entry_bytes > 0);
    cede_prep_rename(&req, s->path, s->absent, 0), go(s, &req);
    cede_prep_rename(&req, s->absent, s->path, CEDE_RENAME_NOREPLACE), go(s, &req);
    cede_prep_copy(&req, s->file, 0, s->file, 8192, 4096), go(s, &req);
    cede_prep_work(&req, add, &number), go(s, &req);
    HOLDS(number == 2);
    free(memory);
}
