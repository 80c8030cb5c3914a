/*
 * The loop: opening, one turn, run, stop, and living in a foreign loop.
 *
 * A turn takes what other threads sent, ends what is due, repeats cancels that found no hearing,
 * hands what is staged to the backend, and lets the backend flush, wait and report. It delivers
 * nothing: cede_run, cede_wait and cede_loop_close choose what is delivered. Everything in it is
 * bounded, so timers, remote submits and I/O all progress under a flood of any other (law 14).
 *
 * A cede_loop is never freed, only recycled (and in checked builds not even that), so that a wish
 * or drop by an old name finds memory.
 */
#include "lookup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LOOPS        65536u
#define BATCH            64u
#define AGAIN_FIRST_NS   UINT64_C(50000)
#define PARK_NS          (10 * CEDE_MILLISECOND)
#define AGAIN_LONGEST_NS UINT64_C(20000000)

static _Atomic(cede_loop *) loops[MAX_LOOPS];
static uint32_t loop_count; /* with the free list, under the process lock */
static cede_loop *free_loops;

cede_loop *cedi_loop_at(uint32_t id)
{
    return atomic_load_explicit(&loops[id], memory_order_acquire);
}

/* ---- Opening -------------------------------------------------------------------------------- */

/* What one loop leaves behind is nothing to the next in the same memory. */
#define LIFE_BEGINS offsetof(cede_loop, backend)
#define LIFE_ENDS   (offsetof(cede_loop, wheel) + sizeof(cedi_wheel))

static cede_loop *loop_new(void)
{
    cede_loop *loop;
    cede_os_lock();
    loop = free_loops;
    if (loop) {
        free_loops = loop->next_free;
    } else if (loop_count + 1 < MAX_LOOPS && (loop = cedi_memory_get(sizeof *loop)) != NULL) {
        loop->id = ++loop_count;
        atomic_store_explicit(&loops[loop->id], loop, memory_order_release);
    }
    cede_os_unlock();
    if (!loop)
        return NULL;
    memset((char *)loop + LIFE_BEGINS, 0, LIFE_ENDS - LIFE_BEGINS);
    loop->alive = cede_os_alive();
    atomic_store(&loop->owner, 0);
    atomic_store(&loop->stop, 0);
    cedi_list_init(&loop->ready);
    cedi_list_init(&loop->staged);
    cedi_list_init(&loop->parked);
    cedi_list_init(&loop->again);
    cedi_list_init(&loop->ending);
    return loop;
}

void cedi_loop_retire(cede_loop *loop)
{
    loop->backend = NULL;
    loop->self = NULL;
    atomic_store(&loop->stop, 0);
    atomic_store(&loop->owner, CEDI_NOBODY);
    cede_os_lock();
#ifndef CEDI_CHECKED
    loop->next_free = free_loops;
    free_loops = loop;
#endif
    cede_os_unlock();
}

static cede_status fail_open(const cede_options *options, cede_status status, const char *why)
{
    if (options->why)
        (void)snprintf(options->why, options->why_bytes, "%s", why);
    return status;
}

static const cede_backend *choose(const cede_options *options)
{
    const char *name = options->backend;
    if (options->backend_table)
        return options->backend_table;
    if (!name)
        name = getenv("CEDE_BACKEND");
    return cedi_backend_by_name(name && *name ? name : NULL);
}

static cede_status open_backend(cede_loop *loop, const cede_options *options)
{
    char spare[4];
    cede_backend_setup setup = {
        .core = (cede_core *)loop,
        .config = options->backend_config,
        .queue_entries = options->queue_entries ? options->queue_entries : 256,
        .pool_threads = options->pool_threads ? options->pool_threads : 4,
        .why = options->why && options->why_bytes ? options->why : spare,
        .why_bytes = options->why && options->why_bytes ? options->why_bytes : sizeof spare,
    };
    setup.why[0] = '\0';
    return loop->backend->open(&setup, &loop->self);
}

cede_status cede_loop_open_version(const cede_options *options, cede_loop **out, uint32_t version)
{
    static const cede_options defaults;
    const cede_backend *backend;
    cede_loop *loop;
    cede_status status;

    if (!out)
        return CEDE_EINVAL;
    *out = NULL;
    if (!options)
        options = &defaults;
    if (version / 1000 != CEDE_VERSION / 1000)
        return fail_open(options, CEDE_EVERSION,
                         "the headers are of another version than the library");
    if (*cede_os_alive() != 1)
        return fail_open(options, CEDE_ENOTSUP,
                         "a forked child of a process that uses cede has no loops; exec first");
    backend = choose(options);
    if (!backend)
        return fail_open(options, CEDE_ENOTSUP, "there is no backend of that name here");
    if (backend->abi != CEDE_BACKEND_ABI)
        return fail_open(options, CEDE_EVERSION, "the backend was built for another version");
    loop = loop_new();
    if (!loop)
        return fail_open(options, CEDE_ENOMEM, "out of memory");
    loop->backend = backend;
    loop->trace = options->trace;
    loop->trace_context = options->trace_context;
    loop->wake = options->wake;
    loop->wake_context = options->wake_context;
    loop->spin_ns = options->spin_ns;
    status = cedi_handle_family(loop) ? open_backend(loop, options) : CEDE_ENOMEM;
    if (status) {
        cedi_loop_retire(loop);
        return status;
    }
    loop->supported = 0;
    for (uint32_t op = CEDE_OP_NONE + 1; op < CEDE_OP_COUNT; op++) {
        if (cedi_ops[op].host == CEDI_CORE || backend->supports(loop->self, op))
            loop->supported |= UINT64_C(1) << op;
    }
    loop->express = loop->supported & CEDI_EXPRESS_OPS;
    loop->transfers = loop->supported & CEDI_TRANSFER_OPS;
    loop->opened_ns = backend->now(loop->self);
    cedi_wheel_init(&loop->wheel, loop->opened_ns);
    atomic_store(&loop->inbox, 0);
    atomic_store(&loop->posts, NULL);
    atomic_store(&loop->open, 1);
    *out = loop;
    return CEDE_OK;
}

void cedi_bind(cede_loop *loop)
{
    if (CEDI_LIKELY(loop->bound))
        return;
    loop->bound = true;
    atomic_store(&loop->owner, cede_os_thread());
    if (loop->backend->bind && loop->backend->bind(loop->self) != CEDE_OK) {
        loop->lost = true;
        cedi_say(loop, "cede: the backend could not be bound to this thread");
    }
}

/* A loop that was lost has no backend that would take a close, and closes all the same (law 11). */
uint32_t cedi_offer(cede_loop *loop, const cede_work *batch, uint32_t count)
{
    uint32_t taken = 0;
    if (CEDI_LIKELY(!loop->lost))
        return loop->backend->start(loop->self, batch, count);
    for (; taken < count && batch[taken].op == CEDE_OP_CLOSE; taken++) {
        loop->backend->discard(batch[taken].native);
        cede_core_done((cede_core *)loop, batch[taken].token, CEDE_OK, 0, 0);
    }
    return taken;
}

/* ---- Time ----------------------------------------------------------------------------------- */

uint64_t cedi_clock(cede_loop *loop)
{
    loop->now = loop->backend->now(loop->self);
    loop->now_known = true;
    if (loop->wheel.fresh_count)
        cedi_wheel_settle(loop, loop->now);
    return loop->now;
}

/* Whoever looks at the time finds on the wheel all that counts from before. */
uint64_t cedi_now(cede_loop *loop)
{
    return loop->now_known && !loop->wheel.fresh_count ? loop->now : cedi_clock(loop);
}

uint32_t cedi_stamp_ms(cede_loop *loop)
{
    if (!loop->stamp_known) {
        const cede_backend *backend = loop->backend;
        uint64_t now = backend->now_coarse ? backend->now_coarse(loop->self) : cedi_now(loop);
        uint64_t age = now > loop->opened_ns ? now - loop->opened_ns : 0;
        loop->stamp_ms = (uint32_t)(age / CEDE_MILLISECOND);
        loop->stamp_known = true;
    }
    return loop->stamp_ms;
}

uint64_t cede_now(cede_loop *loop)
{
    cedi_guard(loop, "now");
    return cedi_now(loop);
}

/* ---- One turn ------------------------------------------------------------------------------- */

/* What the backend is shown of a slot. */
static inline void show(cedi_slot *slot, cede_work *work)
{
    work->token = cedi_slot_token(slot);
    work->args = cedi_check_args(slot);
    work->native = work->native_other = -1;
    work->moved = slot->count;
    work->op = slot->op;
    work->kind = 0;
    work->how = slot->bits & CEDI_POLL ? CEDE_WORK_POLL : 0;
    if (CEDI_UNLIKELY(slot->op == CEDE_OP_RECV_MANY) && work->args->many.credit != CEDE_CREDIT_ALL)
        work->how |= CEDE_WORK_ONE;
    if (slot->op == CEDE_OP_CLOSE || (slot->bits & CEDI_LISTED)) {
        const cedi_entry *entry = cedi_entry_at(slot->at.on.entry);
        work->native = entry->native;
        work->kind = entry->kind;
        if (CEDI_UNLIKELY((entry->flags & (CEDI_ATTACHED | CEDI_BORROWED)) != CEDI_ATTACHED))
            work->how |= entry->flags & CEDI_BORROWED ? CEDE_WORK_BORROWED : CEDE_WORK_UNSEEN;
    }
    if (CEDI_UNLIKELY(CEDI_PIN_OPS >> slot->op & 1))
        work->native_other = cedi_entry_at(cedi_slot_at(slot->at.on.pin)->at.on.entry)->native;
}

/* Something is to be handed over that was not, or is to be again. */
static inline bool leftover(const cede_loop *loop)
{
    return !cedi_list_empty(&loop->staged) || loop->drops;
}

/* The backend took a part: the rest goes back to the front, in order. */
static CEDI_NOINLINE void take_back(cede_loop *loop, const cede_work *works, uint32_t taken,
                                    uint32_t count)
{
    for (uint32_t i = count; i-- > taken;) {
        cedi_slot *slot = cedi_slot_at((uint32_t)works[i].token);
        if (works[i].how & CEDE_WORK_POLL)
            slot->bits |= CEDI_POLL;
        cedi_req_untaken(loop, slot);
    }
}

/* Hands over what is staged now; what is staged anew meanwhile keeps for the next turn. */
static void flush(cede_loop *loop)
{
    cede_work works[BATCH];
    const cedi_link *last = loop->staged.prev;
    bool more = true;
    while (more) {
        uint32_t count = 0, taken;
        cedi_link *link = loop->staged.next;
        while (more && count < BATCH) {
            cedi_slot *slot = cedi_slot_of(link);
            more = link != last;
            link = link->next;
            if (CEDI_UNLIKELY(slot->op == CEDE_OP_LOOKUP) && cedi_lookup_number(loop, slot))
                continue;
            show(slot, &works[count++]);
            cedi_req_taken(loop, slot); /* before it can be reported */
        }
        loop->staged.next = link;
        link->prev = &loop->staged;
        taken = count ? cedi_offer(loop, works, count) : 0;
        loop->started += taken;
        for (uint32_t i = 0; CEDI_IS_CHECKED && i < count; i++)
            cedi_check_touch(cedi_slot_at((uint32_t)works[i].token), false, false);
        if (CEDI_UNLIKELY(taken != count)) {
            take_back(loop, works, taken, count);
            return;
        }
    }
}

/* Closes of dropped handles, then what is staged. The backend may take a part, or nothing: it makes
 * room in its wait, so it is offered the rest again after one that does not sleep. If it takes
 * nothing then, that is a shortage: with nothing in flight nobody will end it, and the first fails
 * (law 15); else it is offered again now and then. */
static void hand_over(cede_loop *loop)
{
    uint64_t started = loop->started, reports = loop->reports;
    if (CEDI_UNLIKELY(loop->drops))
        cedi_handle_drops_start(loop);
    if (!cedi_list_empty(&loop->staged))
        flush(loop);
    if (CEDI_LIKELY(!leftover(loop)) || loop->started != started) {
        loop->stuck = 0;
        return;
    }
    if (++loop->stuck > 1 && loop->inflight == 0 && loop->ready_count == 0 &&
        loop->reports == reports && !cedi_list_empty(&loop->staged))
        cedi_req_starve(loop);
}

/* What found no room is tried again when something else was reported, which may have made some, and
 * else after a while: what it says itself is no reason (law 15: the loop never spins on it). */
static void unpark(cede_loop *loop)
{
    uint64_t others = loop->reports - loop->parks;
    if (loop->unparked == others && cedi_now(loop) < loop->unpark_at && !CEDI_FAULT(PARK_SPINS))
        return;
    loop->unparked = others;
    loop->unpark_at = cedi_add(cedi_now(loop), PARK_NS);
    while (!cedi_list_empty(&loop->parked)) {
        cedi_slot *slot = cedi_slot_of(loop->parked.next);
        cedi_list_remove(&slot->link);
        cedi_req_unhold(loop, slot, CEDI_HOLD_PARK);
    }
}

static void retry(cede_loop *loop)
{
    uint64_t now = cedi_clock(loop);
    if (now < loop->again_at)
        return;
    if (loop->again_step_ns == 0)
        loop->again_step_ns = AGAIN_FIRST_NS;
    else if (loop->again_step_ns < AGAIN_LONGEST_NS)
        loop->again_step_ns *= 2;
    loop->again_at = now + loop->again_step_ns;
    if (cedi_req_retry_cancels(loop, 256))
        loop->again_at = loop->again_step_ns = 0;
}

/* How long the backend may sleep. */
static uint64_t patience(cede_loop *loop, uint64_t until)
{
    uint64_t at = until, now;
    if (until == 0)
        return 0;
    if (loop->wheel.count) {
        uint64_t due;
        if (CEDI_UNLIKELY(loop->wheel.fresh_count))
            (void)cedi_clock(loop);
        due = cedi_wheel_next(loop);
        at = due < at ? due : at;
    }
    if (!cedi_list_empty(&loop->again) && loop->again_at < at)
        at = loop->again_at;
    if (CEDI_UNLIKELY(leftover(loop)) && loop->stuck < 2 &&
        (!cedi_list_empty(&loop->staged) || loop->parks == loop->parks_before))
        return 0;
    if (!cedi_list_empty(&loop->parked) && loop->unpark_at < at)
        at = loop->unpark_at;
    if (leftover(loop)) {
        uint64_t soon = cedi_add(cedi_now(loop), PARK_NS);
        at = soon < at ? soon : at;
    }
    if (CEDI_UNLIKELY(loop->pools) && !loop->awaited_only && cedi_pools_busy(loop))
        return 0;
    if (at == CEDE_FOREVER)
        return CEDE_FOREVER;
    now = cedi_now(loop);
    return at > now ? at - now : 0;
}

/* Looks for completions for a while, not longer than it may sleep. Returns what is left of the time
 * to sleep; 0: something came, or the time is over. */
static uint64_t spin(cede_loop *loop, uint64_t timeout_ns, cede_status *status)
{
    uint64_t most = loop->spin_ns < timeout_ns ? loop->spin_ns : timeout_ns;
    uint64_t start = cedi_clock(loop), reports = loop->reports, gone;
    do {
        *status = loop->backend->wait(loop->self, 0);
        if (*status || loop->reports != reports || !cedi_inbox_empty(loop) || cedi_stop_asked(loop))
            return 0;
        gone = cedi_clock(loop) - start;
    } while (gone < most);
    if (timeout_ns == CEDE_FOREVER)
        return CEDE_FOREVER;
    return gone < timeout_ns ? timeout_ns - gone : 0;
}

static cede_status sleep_in_backend(cede_loop *loop, uint64_t timeout_ns)
{
    cede_status status = CEDE_OK;
    if (loop->spin_ns) {
        timeout_ns = spin(loop, timeout_ns, &status);
        if (!timeout_ns)
            return status;
    }
    atomic_store(&loop->sleeping, 1);
    if ((!cedi_inbox_empty(loop) || cedi_stop_asked(loop)) && !CEDI_FAULT(CHECK_THEN_SLEEP))
        timeout_ns = 0; /* it came before the flag was up, so nobody woke us */
    status = loop->backend->wait(loop->self, timeout_ns);
    atomic_store_explicit(&loop->sleeping, 0, memory_order_relaxed);
    return status;
}

/* Nothing undelivered but background requests, no drop outstanding (1b: Run). */
static bool idle(const cede_loop *loop)
{
    return cedi_live(loop) == 0 && loop->dropping == 0 && cedi_inbox_empty(loop);
}

cede_status cedi_turn(cede_loop *loop, uint64_t until_ns, uint64_t ready)
{
    uint64_t timeout_ns, reports = loop->reports - loop->parks, remote = loop->counts.remote;
    cede_status status = CEDE_OK;
    if (CEDI_UNLIKELY(loop->turning))
        cedi_misuse("law 17: run or wait inside the loop's own turn (an APC, a hook)", NULL, NULL);
    loop->turning = true;
    loop->now_known = loop->stamp_known = false;
    loop->parks_before = loop->parks;
    loop->counts.turns++;
    cedi_inbox_take(loop);
    if (loop->wheel.count)
        cedi_wheel_expire(loop, cedi_now(loop));
    if (CEDI_UNLIKELY(!cedi_list_empty(&loop->again)))
        retry(loop);
    if (CEDI_UNLIKELY(!cedi_list_empty(&loop->parked)))
        unpark(loop);
    if (CEDI_UNLIKELY(loop->pools))
        cedi_pools_turn(loop);
    if (leftover(loop))
        hand_over(loop);
    timeout_ns = patience(loop, until_ns);
    if (loop->ready_count + loop->orphan_count > ready)
        timeout_ns = 0;
    if (loop->running && cedi_live(loop) == 0 && loop->dropping == 0)
        timeout_ns = 0; /* what came just now does not keep a run from being idle */
    if (loop->reports - loop->parks != reports)
        timeout_ns = 0; /* reported inside start: that may have staged anew, or ended a drop */
    if (loop->frame && loop->counts.remote != remote)
        timeout_ns = 0; /* with what came, a wait in a callback might wait for itself */
    if (timeout_ns)
        status = sleep_in_backend(loop, timeout_ns);
    else if (loop->inflight || loop->watched || leftover(loop))
        status = loop->backend->wait(loop->self, 0);
    loop->now_known = loop->turning = false;
    return status;
}

/* ---- The calls ------------------------------------------------------------------------------ */

static bool stopped(cede_loop *loop)
{
    if (!atomic_load_explicit(&loop->stop, memory_order_relaxed))
        return false;
    return atomic_exchange(&loop->stop, 0);
}

int64_t cede_run(cede_loop *loop, uint64_t at_most_ns)
{
    uint64_t until = at_most_ns;
    int64_t ran = 0;
    cedi_guard(loop, "run");
    if (loop->frame)
        cedi_misuse_inside(loop, "law 17: run inside a callback");
    cedi_bind(loop);
    if (until != 0 && until != CEDE_FOREVER)
        until = cedi_add(cedi_clock(loop), at_most_ns);
    if (stopped(loop) && !CEDI_FAULT(STOP_IS_FORGOTTEN))
        return 0;
    loop->running = true;
    for (;;) {
        bool was_idle = idle(loop);
        cede_status status = cedi_turn(loop, was_idle ? 0 : until, 0);
        ran += cedi_req_deliver_some(loop,
                                     CEDI_FAULT(TURN_HAS_NO_END) ? UINT64_MAX : loop->ready_count);
        if (CEDI_UNLIKELY(status)) {
            ran = status;
            break;
        }
        if (stopped(loop) || at_most_ns == 0 || (was_idle && idle(loop) && !loop->ready_count))
            break;
        if (until != CEDE_FOREVER && cedi_clock(loop) >= until)
            break;
    }
    loop->running = false;
    return ran;
}

void cede_stop(cede_loop *loop)
{
    if (CEDI_UNLIKELY(*cede_os_alive() != 1))
        cedi_misuse("law 17: stop in a forked child", NULL, NULL);
    cedi_guard_open_loop(loop, "stop");
    atomic_store(&loop->stop, 1);
    cedi_wake(loop);
}

bool cede_in_callback(cede_loop *loop)
{
    return loop && atomic_load_explicit(&loop->owner, memory_order_relaxed) == cede_os_thread() &&
           loop->frame;
}

const char *cede_backend_name(cede_loop *loop)
{
    cedi_guard_open_loop(loop, "backend name");
    return loop->backend->name;
}

bool cede_supports(cede_loop *loop, uint32_t op)
{
    cedi_guard_open_loop(loop, "supports");
    if (op == CEDE_OP_NONE || op >= CEDE_OP_COUNT)
        return false;
    return loop->supported >> op & 1;
}

intptr_t cede_loop_waitable(cede_loop *loop, uint64_t *timeout_ns)
{
    uint64_t timeout;
    cedi_guard(loop, "waitable");
    cedi_bind(loop);
    loop->watched = true;
    (void)cedi_turn(loop, 0, 0);
    timeout = loop->ready_count || loop->orphan_count ? 0 : patience(loop, CEDE_FOREVER);
    atomic_store(&loop->sleeping, 1); /* until the next turn: a push wakes the descriptor */
    if (!cedi_inbox_empty(loop) || atomic_load(&loop->stop))
        timeout = 0;
    if (timeout_ns)
        *timeout_ns = timeout;
    return loop->backend->waitable(loop->self);
}
