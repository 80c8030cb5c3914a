/*
 * The loop on backends that differ from ours: without what a table may leave out, of another
 * version, of many families, broken, unhurried. What the core makes of each (backend.h, loop.h).
 * Public headers and a backend of the test's own.
 */
#include "../regress/fake.h"

static fake backend;
static const cede_options defaults = CEDE_OPTIONS_INIT;

/* The core may keep the first table of a family for ever. */
static cede_backend *table_new(void)
{
    static cede_backend tables[16];
    static unsigned count;
    CHECK(count < 16);
    tables[count] = fake_backend;
    return &tables[count++];
}

static void fresh(void)
{
    memset(&backend, 0, sizeof backend);
    backend.own_time = true;
}

static cede_loop *begin(void)
{
    fresh();
    return fake_loop(&backend);
}

static void end(cede_loop *loop)
{
    backend.on_start = NULL;
    backend.on_wait = NULL;
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
}

/* ---- Opening -------------------------------------------------------------------------------- */

static void another_version_is_refused(void)
{
    cede_backend *table = table_new();
    char why[100] = "";
    cede_options options = {.backend_table = table, .why = why, .why_bytes = sizeof why};
    cede_loop *loop = (cede_loop *)table;
    table->abi++;
    CHECK(cede_loop_open(&options, &loop) == CEDE_EVERSION && !loop && why[0]);
    why[0] = '\0';
    options.why_bytes = 0; /* no room for a reason */
    CHECK(cede_loop_open(&options, &loop) == CEDE_EVERSION && !why[0]);
    CHECK(cede_loop_open(&options, NULL) == CEDE_EINVAL);
}

/* No name, given or in the environment, is none. */
static void empty_name_is_the_best_there_is(void)
{
    cede_options options = {.backend = ""};
    cede_loop *loop = NULL, *same = NULL;
    cede_status status = cede_loop_open(NULL, &loop);
    CHECK(cede_loop_open(&options, &same) == status);
    if (status)
        return;
    CHECK(strcmp(cede_backend_name(loop), cede_backend_name(same)) == 0);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    CHECK(cede_loop_close(same, CEDE_FOREVER) == CEDE_OK);
}

static cede_status open_fails(const cede_backend_setup *setup, void **out)
{
    (void)out;
    CHECK(setup->why && setup->why_bytes);
    (void)snprintf(setup->why, setup->why_bytes, "it is broken");
    return CEDE_EIO;
}

/* A backend has somewhere to write its reason, whether or not somebody wants to read it. */
static void backend_says_why_it_cannot_be_opened(void)
{
    cede_backend *table = table_new();
    char why[8] = "";
    cede_options options = {.backend_table = table, .why = why, .why_bytes = sizeof why};
    cede_loop *loop;
    table->open = open_fails;
    CHECK(cede_loop_open(&options, &loop) == CEDE_EIO && strcmp(why, "it is b") == 0);
    options.why_bytes = 0;
    CHECK(cede_loop_open(&options, &loop) == CEDE_EIO && strcmp(why, "it is b") == 0);
    options.why = NULL;
    options.why_bytes = sizeof why;
    CHECK(cede_loop_open(&options, &loop) == CEDE_EIO);
}

/* A program has room for some families of descriptors; what is of one more is refused, and those
 * that are there go on. */
static void families_of_descriptors_are_few(void)
{
    static char names[10][8];
    static cede_backend tables[10];
    cede_loop *loop;
    unsigned most = 0, failed = 0;
    for (unsigned i = 0; i < 10; i++) {
        cede_options options = {.backend_table = &tables[i], .backend_config = &backend};
        cede_status status;
        fresh();
        (void)snprintf(names[i], sizeof names[i], "kind%u", i);
        tables[i] = fake_backend;
        tables[i].natives = names[i];
        status = cede_loop_open(&options, &loop);
        if (status) {
            CHECK(status == CEDE_ENOMEM);
            CHECK(cede_core_adopt(&tables[i], 5, CEDE_KIND_FILE, 0) == 0);
            failed++;
            continue;
        }
        CHECK(failed == 0);
        most++;
        CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    }
    CHECK(most >= 4 && failed > 0);
    loop = begin();
    CHECK(cede_core_adopt(&tables[0], 5, CEDE_KIND_FILE, 0));
    end(loop);
}

/* A handle of one family never reaches a backend of another. */
static void handle_of_another_family_is_refused(void)
{
    static note n;
    cede_backend *other = table_new();
    cede_loop *loop = begin();
    cede_handle handle;
    other->natives = "kind0";
    handle = cede_core_adopt(other, 5, CEDE_KIND_FILE, 0);
    CHECK(handle);
    cede_prep_fsync(&n.req, handle);
    (void)cede_submit(loop, &n.req, note_done);
    CHECK(cede_run(loop, CEDE_FOREVER) == 1);
    CHECK(n.result.status == CEDE_EINVAL && backend.starts == 0);
    cede_drop(handle);
    end(loop);
}

static void bind_may_be_left_out(void)
{
    static note n;
    cede_backend *table = table_new();
    cede_loop *loop;
    fresh();
    table->bind = NULL;
    loop = fake_loop_on(&backend, table, defaults);
    cede_prep_nop(&n.req);
    (void)cede_submit(loop, &n.req, note_done);
    CHECK(cede_run(loop, CEDE_FOREVER) == 1);
    cede_core_trace(backend.core, "nobody listens");
    end(loop);
}

/* ---- Handles -------------------------------------------------------------------------------- */

static cede_status detach_says;
static unsigned detached, forgot;
static uint32_t attached_as;

static cede_status attach_notes(void *self, intptr_t native, uint32_t *kind)
{
    (void)self;
    attached_as = *kind;
    *kind &= CEDE_KIND_ANY;
    return native == 666 ? CEDE_EIO : CEDE_OK;
}

static cede_status detach(void *self, intptr_t native)
{
    (void)self, (void)native;
    detached++;
    return detach_says;
}

static void forget(void *self, intptr_t native)
{
    (void)self, (void)native;
    forgot++;
}

static unsigned discarded;

static void count_discard(intptr_t native)
{
    (void)native;
    discarded++;
}

static cede_status use_of(cede_loop *loop, note *n, cede_handle handle)
{
    cede_prep_fsync(&n->req, handle);
    (void)cede_submit(loop, &n->req, note_done);
    CHECK(cede_run(loop, 0) >= 0);
    if (fake_find(&backend, CEDE_OP_FSYNC)) {
        fake_report(&backend, fake_find(&backend, CEDE_OP_FSYNC)->token, CEDE_OK, 0);
        CHECK(cede_run(loop, 0) == 1);
    }
    return n->result.status;
}

static cede_status use(cede_loop *loop, cede_handle handle)
{
    static note n;
    return use_of(loop, &n, handle);
}

static void borrowed_one_is_forgotten_not_closed(void)
{
    static note close;
    cede_backend *table = table_new();
    cede_loop *loop;
    cede_handle a, b, c, never;
    table->attach = attach_notes;
    table->forget = forget;
    table->discard = count_discard;
    table->attach_flags = CEDE_ATTACH_APC | CEDE_ATTACH_BORROW;
    fresh();
    loop = fake_loop_on(&backend, table, defaults);
    a = cede_core_adopt(table, 10, CEDE_KIND_FILE, CEDE_IMPORT_BORROW);
    b = cede_core_adopt(table, 11, CEDE_KIND_FILE, CEDE_IMPORT_BORROW | CEDE_IMPORT_APC);
    c = cede_core_adopt(table, 12, CEDE_KIND_FILE, CEDE_IMPORT_BORROW);
    never = cede_core_adopt(table, 666, CEDE_KIND_FILE, CEDE_IMPORT_BORROW);
    CHECK(use(loop, a) == CEDE_OK && attached_as == (CEDE_KIND_FILE | CEDE_ATTACH_BORROW));
    CHECK(use(loop, b) == CEDE_OK);
    CHECK(attached_as == (CEDE_KIND_FILE | CEDE_ATTACH_BORROW | CEDE_ATTACH_APC));
    CHECK(use(loop, c) == CEDE_OK && use(loop, never) == CEDE_EIO);
    cede_drop(a);
    CHECK(forgot == 1);
    cede_prep_close(&close.req, b);
    (void)cede_submit(loop, &close.req, note_done);
    CHECK(cede_run(loop, CEDE_FOREVER) == 1 && close.result.status == CEDE_OK && forgot == 2);
    cede_drop(never); /* which was not attached */
    CHECK(forgot == 2);
    end(loop);
    CHECK(forgot == 3 && discarded == 0);
    CHECK(!fake_find(&backend, CEDE_OP_CLOSE));
}

/* cede_release asks the backend, and believes it. (Its descriptors must be the system's.) */
static void release_asks_the_backend(void)
{
    static note scope;
    cede_ticket life;
    cede_backend *table = table_new();
    cede_loop *loop;
    cede_handle handle;
    intptr_t native = 0;
    fresh();
#ifdef _WIN32
    table->natives = "handle";
#else
    table->natives = "fd";
#endif
    table->attach = attach_notes;
    table->detach = detach;
    loop = fake_loop_on(&backend, table, defaults);
    handle = cede_core_adopt(table, 10, CEDE_KIND_FILE, 0);
    CHECK(cede_release(handle, NULL) == CEDE_EINVAL && cede_release(0, &native) == CEDE_EBADF);
    CHECK(use(loop, handle) == CEDE_OK);
    detach_says = CEDE_ENOTSUP;
    CHECK(cede_release(handle, &native) == CEDE_ENOTSUP && native == 0 && detached == 1);
    CHECK(use(loop, handle) == CEDE_OK); /* it is as it was */
    detach_says = CEDE_OK;
    CHECK(cede_release(handle, &native) == CEDE_OK && native == 10 && detached == 2);
    CHECK(use(loop, handle) == CEDE_EBADF);
    /* one that was bound in vain has nothing to undo */
    handle = cede_core_adopt(table, 666, CEDE_KIND_FILE, 0);
    CHECK(use(loop, handle) == CEDE_EIO);
    CHECK(cede_release(handle, &native) == CEDE_OK && native == 666 && detached == 2);
    /* a scope's is not given away */
    handle = cede_core_adopt(table, 12, CEDE_KIND_FILE, 0);
    cede_prep_scope(&scope.req);
    life = cede_submit(loop, &scope.req, note_done);
    cede_own(life, handle);
    CHECK(cede_release(handle, &native) == CEDE_EBUSY && native == 666);
    end(loop);
    CHECK(scope.calls == 1);
}

/* ---- Turns ---------------------------------------------------------------------------------- */

static cede_status wait_breaks(void *self, uint64_t timeout_ns)
{
    (void)self, (void)timeout_ns;
    return CEDE_EIO;
}

/* What comes of a backend that is broken beyond use: everybody is told. */
static void broken_wait_is_told(void)
{
    static note n, late;
    cede_backend *table = table_new();
    cede_options options = CEDE_OPTIONS_INIT;
    cede_ticket ticket;
    for (unsigned spins = 0; spins < 2; spins++) {
        cede_loop *loop;
        fresh();
        table->wait = wait_breaks;
        options.spin_ns = spins ? CEDE_MILLISECOND : 0;
        loop = fake_loop_on(&backend, table, options);
        cede_prep_roundtrip(&n.req);
        ticket = cede_submit(loop, &n.req, note_done);
        CHECK(cede_run(loop, CEDE_FOREVER) == CEDE_EIO);
        CHECK(cede_wait(loop, ticket, CEDE_FOREVER) == CEDE_EIO);
        cede_prep_nop(&late.req);
        late.calls = 0;
        ticket = cede_submit(loop, &late.req, note_done);
        CHECK(cede_wait(loop, ticket, CEDE_FOREVER) == CEDE_OK && late.calls == 1);
        CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_EIO);
        table->wait = fake_wait; /* mended, so that nothing is left behind */
        CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK && n.calls == (int)spins + 1);
    }
}

/* It refuses what is new a second time running, but reports the last that it has: that is a step,
 * and no shortage. */
static unsigned refusals;

static int busy(fake *self, const cede_work *work)
{
    if (work->op == CEDE_OP_FSYNC || ++refusals > 2)
        return FAKE_KEEP;
    if (refusals == 2)
        fake_report(self, fake_find(self, CEDE_OP_FSYNC)->token, CEDE_REPORT_AGAIN, 0);
    return FAKE_REFUSE;
}

static void refusal_with_a_report_is_no_shortage(void)
{
    static note first, second;
    cede_loop *loop = begin();
    refusals = 0;
    backend.on_start = busy;
    cede_prep_fsync(&first.req, fake_handle(CEDE_KIND_FILE, 0));
    (void)cede_submit(loop, &first.req, note_done);
    CHECK(cede_run(loop, 0) == 0);
    cede_prep_roundtrip(&second.req);
    (void)cede_submit(loop, &second.req, note_done);
    for (unsigned i = 0; i < 5; i++)
        CHECK(cede_run(loop, 0) == 0);
    CHECK(fake_find(&backend, CEDE_OP_FSYNC) && fake_find(&backend, CEDE_OP_ROUNDTRIP));
    CHECK(!first.calls && !second.calls);
    end(loop);
}

/* While a close is still to be made there will be room by and by: what is parked waits for that. */
static bool closes_too;

static int park_writes(fake *self, const cede_work *work)
{
    if (work->op == CEDE_OP_CLOSE)
        return closes_too ? FAKE_KEEP : FAKE_REFUSE;
    cede_core_done(self->core, work->token, CEDE_REPORT_PARK, 0, 0);
    return FAKE_REPORTED;
}

static void what_is_parked_waits_for_a_close(void)
{
    static note write, use;
    static char byte;
    cede_loop *loop = begin();
    cede_handle closing = fake_handle(CEDE_KIND_FILE, 0);
    CHECK(use_of(loop, &use, closing) == CEDE_OK);
    closes_too = false;
    backend.on_start = park_writes;
    cede_drop(closing);
    cede_prep_write(&write.req, fake_handle(CEDE_KIND_FILE, 0), &byte, 1, 0);
    (void)cede_submit(loop, &write.req, note_done);
    (void)cede_run(loop, CEDE_SECOND);
    CHECK(!write.calls && backend.waits < 1000);
    closes_too = true;
    CHECK(cede_run(loop, 0) == 0);
    fake_report(&backend, fake_find(&backend, CEDE_OP_CLOSE)->token, CEDE_OK, 0);
    CHECK(cede_run(loop, CEDE_FOREVER) == 1 && write.result.status == CEDE_EAGAIN);
    end(loop);
}

/* What its trace hook submits from inside a turn is not slept over. */
static cede_loop *hooked;
static note hook_timer;

static void hook(void *context, const char *line)
{
    (void)context, (void)line;
    if (hook_timer.calls)
        return;
    cede_prep_timer(&hook_timer.req, 100 * CEDE_MICROSECOND);
    (void)cede_submit(hooked, &hook_timer.req, note_done);
}

static int no_descriptor(fake *self, const cede_work *work)
{
    if (work->op != CEDE_OP_ACCEPT)
        return FAKE_KEEP;
    cede_core_done(self->core, work->token, CEDE_EMFILE, 0, 0);
    return FAKE_REPORTED;
}

static uint64_t longest;

static void note_longest(fake *self, uint64_t timeout_ns)
{
    (void)self;
    longest = timeout_ns > longest ? timeout_ns : longest;
}

static void timer_from_inside_a_turn_is_not_slept_over(void)
{
    static note accept, keeper;
    cede_options options = {.trace = hook};
    fresh();
    hooked = fake_loop_on(&backend, &fake_backend, options);
    backend.on_start = no_descriptor;
    backend.on_wait = note_longest;
    cede_prep_timer(&keeper.req, 3600 * CEDE_SECOND); /* so that the wheel is not empty before */
    (void)cede_submit(hooked, &keeper.req, note_done);
    cede_prep_accept(&accept.req, fake_handle(CEDE_KIND_LISTENER, 0), NULL);
    (void)cede_submit(hooked, &accept.req, note_done);
    CHECK(cede_run(hooked, CEDE_MILLISECOND) == 1 && hook_timer.calls == 1);
    CHECK(longest <= CEDE_MILLISECOND && hook_timer.result.status == CEDE_OK);
    end(hooked);
}

/* ---- Spinning ------------------------------------------------------------------------------- */

static cede_loop *spinning;
static note posted;
static unsigned spins, sleeps;

static unsigned looks_before;

static void posted_done(cede_req *req, cede_result result)
{
    note_done(req, result);
    looks_before = spins;
}

static void post(void *nothing)
{
    (void)nothing;
    cede_prep_nop(&posted.req);
    cede_submit_remote(spinning, &posted.req, posted_done, NULL);
}

static void while_it_spins(fake *self, uint64_t timeout_ns)
{
    port_thread thread;
    if (timeout_ns)
        sleeps++;
    else
        self->time_ns += 10 * CEDE_MICROSECOND; /* a look takes time */
    if (++spins != 3)
        return;
    if (posted.calls == 0) {
        port_start(&thread, post, NULL);
        port_join(&thread);
    } else {
        cede_stop(spinning);
    }
}

static void report_in_a_sleep(fake *self, uint64_t timeout_ns)
{
    if (!timeout_ns) {
        self->time_ns += 10 * CEDE_MICROSECOND;
        return;
    }
    sleeps++;
    CHECK(timeout_ns == CEDE_FOREVER);
    fake_report(self, fake_find(self, CEDE_OP_ROUNDTRIP)->token, CEDE_OK, 0);
}

/* What comes while it spins ends that at once: what another thread sends, a stop. And what may
 * sleep for ever still may behind it. */
static void spin_ends_with_what_comes(void)
{
    static note n;
    cede_options options = {.spin_ns = CEDE_MILLISECOND};
    fresh();
    spinning = fake_loop_on(&backend, &fake_backend, options);
    cede_prep_roundtrip(&n.req);
    (void)cede_submit(spinning, &n.req, note_done);
    CHECK(cede_run(spinning, 0) == 0);
    posted.calls = 0;
    backend.on_wait = while_it_spins;
    spins = sleeps = 0;
    CHECK(cede_run(spinning, CEDE_SECOND) == 1); /* and sleeps to its limit */
    CHECK(posted.calls == 1 && looks_before <= 4 && sleeps == 1);
    spins = sleeps = 0;
    CHECK(cede_run(spinning, CEDE_FOREVER) == 0);
    CHECK(spins == 3 && sleeps == 0);
    backend.on_wait = report_in_a_sleep;
    CHECK(cede_run(spinning, CEDE_FOREVER) == 1);
    CHECK(sleeps == 1 && n.calls == 1);
    end(spinning);
}

int main(void)
{
    another_version_is_refused();
    empty_name_is_the_best_there_is();
    backend_says_why_it_cannot_be_opened();
    bind_may_be_left_out();
    release_asks_the_backend();
    borrowed_one_is_forgotten_not_closed();
    broken_wait_is_told();
    refusal_with_a_report_is_no_shortage();
    what_is_parked_waits_for_a_close();
    timer_from_inside_a_turn_is_not_slept_over();
    spin_ends_with_what_comes();
    families_of_descriptors_are_few();
    handle_of_another_family_is_refused();
    return 0;
}
