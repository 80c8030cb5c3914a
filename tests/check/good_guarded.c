/*
 * What a program may do with memory from cede_checked_alloc: in every build, and in silence.
 */
#include "../port.h"
#include "check.h"

#define PAGE 65536u

static void run(stage *s)
{
    HOLDS(cede_run(s->loop, CEDE_FOREVER) >= 0);
}

static void is_ok(cede_req *req, cede_result r)
{
    (void)req;
    HOLDS(r.status == CEDE_OK);
}

static void keep_count(cede_req *req, cede_result r)
{
    if (r.status != CEDE_OK)
        printf("operation %u: %s\n", (unsigned)cede_req_op(req), cede_status_name(r.status));
    HOLDS(r.status == CEDE_OK);
    if (req->user_data)
        *(uint64_t *)req->user_data = r.count;
}

static void *get(size_t bytes)
{
    void *memory = cede_checked_alloc(bytes);
    HOLDS(memory);
    return memory;
}

/* ---- Each operation gives what it gives to other memory -------------------------------------- */

static uint64_t go(stage *s, cede_req *req)
{
    static uint64_t count;
    count = 0;
    req->user_data = &count;
    HOLDS(cede_wait(s->loop, cede_submit(s->loop, req, keep_count), CEDE_FOREVER) == CEDE_OK);
    return count;
}

static char *text_in_pages(const char *text)
{
    char *copy = get(strlen(text) + 1);
    memcpy(copy, text, strlen(text) + 1);
    return copy;
}

static void fill(char *bytes, size_t count, unsigned from)
{
    for (size_t i = 0; i < count; i++)
        bytes[i] = (char)((i + from) % 251);
}

static bool is_filled(const char *bytes, size_t count, unsigned from)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] != (char)((i + from) % 251))
            return false;
    }
    return true;
}

void check_good_guarded_transfers(stage *s)
{
    static const size_t lengths[] = {1, 100, 4095, 4096, 10000, 3 * PAGE, 5 * PAGE + 17};
    cede_req *req = get(sizeof *req);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        size_t length = lengths[i];
        char *data = get(length), *back = get(length), *more = get(length + 10);
        cede_vec *pieces = get(3 * sizeof *pieces);
        fill(data, length, (unsigned)i);
        cede_prep_write_all(req, s->file, data, length, 3);
        HOLDS(go(s, req) == length);
        cede_prep_read_all(req, s->file, back, length, 3);
        HOLDS(go(s, req) == length && is_filled(back, length, (unsigned)i));
        memset(more, 1, length + 10);
        pieces[0] = (cede_vec){more, length / 2};
        pieces[1] = (cede_vec){NULL, 0};
        pieces[2] = (cede_vec){more + length / 2, length - length / 2};
        cede_prep_readv(req, s->file, pieces, 3, 3);
        uint64_t got = go(s, req); /* some backends make short ones of long ones */
        HOLDS(got > 0 && is_filled(more, got, (unsigned)i) && more[length] == 1);
        cede_prep_writev(req, s->file, pieces, 3, 4);
        HOLDS(go(s, req) > 0);
        cede_prep_read(req, s->file, back, 1, 4);
        HOLDS(go(s, req) == 1 && is_filled(back, 1, (unsigned)i));
        cede_checked_free(data);
        cede_checked_free(back);
        cede_checked_free(more);
        cede_checked_free(pieces);
    }
    cede_checked_free(req);
}

/* A short transfer leaves what is behind it as it was. */
void check_good_guarded_short(stage *s)
{
    cede_req *req = get(sizeof *req);
    char *buffer = get(PAGE);
    memset(buffer, 7, PAGE);
    cede_prep_read(req, s->file, buffer, PAGE, 4090);
    HOLDS(go(s, req) == 6 && buffer[5] == 0 && buffer[6] == 7 && buffer[PAGE - 1] == 7);
    cede_prep_write(req, s->out, "abc", 3, CEDE_CURRENT);
    HOLDS(go(s, req) == 3);
    cede_prep_read(req, s->in, buffer, PAGE, CEDE_CURRENT);
    HOLDS(go(s, req) == 3 && memcmp(buffer, "abc", 3) == 0 && buffer[3] == 0 && buffer[6] == 7);
    cede_checked_free(buffer);
    cede_checked_free(req);
}

static cede_status add(void *argument, uint64_t *count)
{
    *count = ++*(unsigned *)argument;
    return CEDE_OK;
}

void check_good_guarded_paths(stage *s)
{
    cede_req *req = get(sizeof *req);
    char *path = text_in_pages(s->path), *absent = text_in_pages(s->absent);
    char *link = text_in_pages(s->link), *target = text_in_pages("file");
    char *entries = get(CEDE_READDIR_BYTES), *text = get(7);
    cede_stat *stat = get(sizeof *stat);
    unsigned *number = get(sizeof *number);
    uint64_t at = 0, bytes, names = 0;
    cede_prep_stat(req, path, stat, 0), (void)go(s, req);
    HOLDS(stat->type == CEDE_FILE_REGULAR && stat->size_bytes == 4096);
    memset(stat, 0, sizeof *stat);
    cede_prep_stat_handle(req, s->file, stat), (void)go(s, req);
    HOLDS(stat->type == CEDE_FILE_REGULAR && stat->size_bytes == 4096);
    if (s->has_link) {
        cede_prep_readlink(req, link, text, 7);
        HOLDS(go(s, req) == 4 && memcmp(text, "file", 4) == 0 && text[4] == 0);
    }
    cede_prep_readdir(req, s->dir, entries, CEDE_READDIR_BYTES);
    bytes = go(s, req);
    while (cede_next_entry(entries, bytes, &at))
        names++;
    HOLDS(names == 1u + s->has_link);
    cede_prep_rename(req, path, absent, 0), (void)go(s, req);
    cede_prep_rename(req, absent, path, CEDE_RENAME_NOREPLACE), (void)go(s, req);
    if (s->has_link) {
        cede_prep_unlink(req, link), (void)go(s, req);
        cede_prep_symlink(req, target, link), (void)go(s, req);
    }
    cede_prep_mkdir(req, absent, 0700), (void)go(s, req);
    cede_prep_rmdir(req, absent), (void)go(s, req);
    cede_prep_link(req, path, absent), (void)go(s, req);
    cede_prep_unlink(req, absent), (void)go(s, req);
    cede_prep_open(req, path, CEDE_OPEN_READ, 0), (void)go(s, req);
    cede_prep_append(req, s->file, path, 5);
    HOLDS(go(s, req) == 5);
    cede_prep_copy(req, s->file, 0, s->file, 8192, 4096);
    HOLDS(go(s, req) == 4096);
    cede_prep_work(req, add, number);
    HOLDS(go(s, req) == 1 && *number == 1);
    cede_prep_roundtrip(req), (void)go(s, req);
    cede_prep_timer(req, 1), (void)go(s, req);
    cede_prep_fsync(req, s->file), (void)go(s, req);
    void *const all[] = {req, path, absent, link, target, entries, text, stat, number};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        cede_checked_free(all[i]);
}

static void count_up(cede_req *req, cede_result r)
{
    HOLDS(r.status != CEDE_OK);
    ++*(unsigned *)req->user_data;
}

/* What fails leaves its output as it was; what cannot be looked at is not. */
void check_good_guarded_refused(stage *s)
{
    unsigned done = 0;
    char *buffer = get(PAGE);
    memset(buffer, 3, PAGE);
    for (unsigned i = 0; i < 6; i++) {
        cede_req *req = get(sizeof *req);
        if (i == 0)
            cede_prep_read(req, 12345, buffer, PAGE, 0);
        else if (i == 1)
            cede_prep_read(req, s->file, NULL, 100, 0);
        else if (i == 2)
            cede_prep_write(req, s->file, buffer, UINT64_MAX, 0);
        else if (i == 3)
            cede_prep_readlink(req, s->path, buffer, PAGE);
        else if (i == 4)
            cede_prep_read(req, s->dir, buffer, PAGE, CEDE_CURRENT);
        else
            cede_prep_open(req, NULL, CEDE_OPEN_READ, 0);
        req->user_data = &done;
        HOLDS(cede_wait(s->loop, cede_submit(s->loop, req, count_up), CEDE_FOREVER) == CEDE_OK);
        cede_checked_free(req);
    }
    HOLDS(done == 6 && buffer[0] == 3 && buffer[PAGE - 1] == 3);
    cede_checked_free(buffer);
}

/* ---- Lives ---------------------------------------------------------------------------------- */

void check_good_guarded_sizes(stage *s)
{
    static const size_t sizes[] = {0,    1,    15,       16,       17,      4095,
                                   4096, 4097, 3 * PAGE, 1u << 22, 5u << 23};
    (void)s;
    cede_checked_free(NULL);
    for (unsigned round = 0; round < 3; round++) {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            char *memory = get(sizes[i]);
            HOLDS(((uintptr_t)memory & 15) == 0);
            for (size_t at = 0; at < sizes[i]; at += 1 + at / 100)
                HOLDS(memory[at] == 0);
            memset(memory, 1, sizes[i]);
            cede_checked_free(memory);
        }
    }
}

struct again {
    cede_req req;
    stage *s;
    char *buffer;
    unsigned left;
};

static void submit_again(cede_req *req, cede_result r)
{
    struct again *a = req->user_data;
    HOLDS(r.status == CEDE_OK);
    if (a->left-- == 0) {
        cede_checked_free(a->buffer);
        cede_checked_free(a);
        return;
    }
    if (a->left % 2)
        cede_prep_read_all(req, a->s->file, a->buffer, 4096, 0);
    else
        cede_prep_write_all(req, a->s->file, a->buffer, 4096, 0);
    (void)cede_submit(a->s->loop, req, submit_again);
}

void check_good_guarded_again(stage *s)
{
    for (unsigned i = 0; i < 10; i++) {
        struct again *a = get(sizeof *a);
        a->s = s;
        a->left = 100;
        a->buffer = get(4096);
        a->req.user_data = a;
        cede_prep_nop(&a->req);
        (void)cede_submit(s->loop, &a->req, submit_again);
    }
    run(s);
}

static void free_both(cede_req *req, cede_result r)
{
    cede_checked_free(r.buffer);
    cede_checked_free(req);
}

static void submit_read(stage *s, unsigned i, bool remotely)
{
    cede_req *req = get(sizeof *req);
    char *buffer = get(1 + i % 5000);
    cede_prep_read(req, i % 3 ? s->file : s->in, buffer, 1 + i % 5000, i % 3 ? 0 : CEDE_CURRENT);
    cede_within(req, 20 * CEDE_MILLISECOND);
    if (remotely)
        cede_submit_remote(s->loop, req, free_both, NULL);
    else
        (void)cede_submit(s->loop, req, free_both);
}

/* What has pages of its own ends with the last of them. */
static bool has_pages(const void *memory, size_t bytes)
{
    return (((uintptr_t)memory + bytes) & 4095u) == 0;
}

enum { LIMIT = 8192, BEYOND = 64, SMALL = 16 };

/* A neighbour of plain memory may end there by chance. */
static void are_plain(char *const *memory, unsigned count)
{
    unsigned chance = 0;
    for (unsigned i = 0; i < count; i++)
        chance += has_pages(memory[i], SMALL);
    HOLDS(chance <= count / 16);
}

/* The number of mappings that the system allows is larger, but not by much. */
void check_good_guarded_limit(stage *s)
{
    static char *all[LIMIT + BEYOND];
    bool paged = cede_is_checked() && !WITH_ASAN;
    (void)s;
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < LIMIT + BEYOND; i++) {
            all[i] = get(SMALL);
            memset(all[i], 1, SMALL);
            HOLDS(!paged || i >= LIMIT || has_pages(all[i], SMALL));
        }
        if (paged)
            are_plain(all + LIMIT, BEYOND);
        cede_checked_free(all[round * 100]); /* makes room for one */
        all[round * 100] = get(SMALL);
        HOLDS(!paged || has_pages(all[round * 100], SMALL));
        for (unsigned i = 0; i < LIMIT + BEYOND; i++)
            cede_checked_free(all[i]);
    }
}

/* More than have pages to give: what comes beyond is plain memory. */
void check_good_guarded_many(stage *s)
{
    for (unsigned i = 0; i < 6000; i++)
        submit_read(s, i, false);
    run(s);
}

static void send_many(void *context)
{
    for (unsigned i = 0; i < 300; i++)
        submit_read(context, i, true);
}

void check_good_guarded_remote(stage *s)
{
    port_thread threads[2];
    for (unsigned i = 0; i < 2; i++)
        port_start(&threads[i], send_many, s);
    HOLDS(cede_run(s->loop, 0) >= 0);
    for (unsigned i = 0; i < 2; i++)
        port_join(&threads[i]);
    run(s);
}

struct life {
    cede_req scope, up, down;
    char buffer[2 * PAGE];
};

static void life_over(cede_req *req, cede_result r)
{
    (void)r;
    cede_checked_free(CEDE_CONTAINER(req, struct life, scope));
}

void check_good_guarded_scope(stage *s)
{
    for (unsigned i = 0; i < 20; i++) {
        struct life *l = get(sizeof *l);
        cede_ticket life;
        cede_prep_scope(&l->scope);
        life = cede_submit(s->loop, &l->scope, life_over);
        cede_prep_read(&l->up, s->in, l->buffer, PAGE, CEDE_CURRENT);
        cede_in(&l->up, life);
        (void)cede_submit(s->loop, &l->up, check_done);
        cede_prep_pend(&l->down);
        cede_in(&l->down, life);
        (void)cede_submit(s->loop, &l->down, check_done);
        l->buffer[2 * PAGE - 1] = 1; /* not ceded */
        HOLDS(cede_run(s->loop, 0) >= 0);
        cede_cancel(life);
    }
    run(s);
}

void check_good_guarded_chain(stage *s)
{
    for (unsigned broken = 0; broken < 2; broken++) {
        cede_req *reqs[4];
        for (unsigned i = 0; i < 4; i++) {
            reqs[i] = get(sizeof *reqs[i]);
            cede_prep_read(reqs[i], broken && i == 1 ? 0 : s->file, get(10), 10, 0);
        }
        for (unsigned i = 0; i < 3; i++)
            cede_link(reqs[i], reqs[i + 1], free_both);
        if (broken)
            (void)cede_submit(s->loop, reqs[0], free_both);
        else
            cede_submit_remote(s->loop, reqs[0], free_both, NULL);
        run(s);
    }
}

/* Pages that several have at a time: lent to many, and the neighbours' parts ceded. */
void check_good_guarded_shared(stage *s)
{
    static cede_req requests[40];
    char *data = get(3 * PAGE);
    for (unsigned i = 0; i < 40; i++) {
        if (i % 4 == 3)
            cede_prep_read(&requests[i], s->file, data + 2 * PAGE + 100 * i, 100, 0);
        else
            cede_prep_write(&requests[i], s->file, data + i, 2 * PAGE - 50, 0);
        (void)cede_submit(s->loop, &requests[i], is_ok);
        check_sink = data[PAGE + i];
        data[3 * PAGE - 1 - i]++;
    }
    HOLDS(cede_run(s->loop, 0) >= 0);
    data[3 * PAGE - 1]++;
    run(s);
    for (size_t i = 0; i < 3 * PAGE; i++)
        data[i]++;
    cede_checked_free(data);
}

/* ---- For hours ------------------------------------------------------------------------------ */

/* Memory comes round again: after the first rounds no new place is used. CEDE_CHECK_ROUNDS: longer.
 * Sixteen are on their way at any time. */
void check_good_guarded_soak(stage *s)
{
    const char *wanted = getenv("CEDE_CHECK_ROUNDS");
    unsigned long rounds = wanted ? strtoul(wanted, NULL, 10) : 5000;
    uintptr_t lowest = UINTPTR_MAX, highest = 0;
    for (unsigned long i = 0; i < rounds; i++) {
        cede_req *req = get(sizeof *req);
        char *buffer = get(8000);
        uintptr_t at = (uintptr_t)buffer;
        if (cede_is_checked() && !WITH_ASAN && i > rounds / 2)
            HOLDS(at >= lowest && at <= highest);
        lowest = at < lowest ? at : lowest;
        highest = at > highest ? at : highest;
        cede_prep_read(req, s->file, buffer, 8000, 0);
        (void)cede_submit(s->loop, req, free_both);
        if (i % 16 == 15)
            run(s);
    }
    run(s);
}
