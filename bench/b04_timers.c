/*
 * B4: a million timers (with --quick, 200,000): armed, restarted in random order, cancelled in
 * another random order; and ten thousand, to see whether a restart stays as cheap with more.
 *
 * Times are random between one minute and one hour ahead: none fires. Each phase ends with a turn
 * of the loop that does not wait, in which a loop may do what it has put off.
 *
 * floor     a plain wheel
 * libuv     uv_timer_start, the same again, uv_timer_stop
 * libevent  evtimer_add, the same again, evtimer_del
 * cede      cede_prep_timer and cede_submit, cede_extend, cede_cancel; unlike all others it calls
 *           back for each cancelled timer, and that is in the figure
 */
#include "bench.h"

#include <stdlib.h>

#include <cede/cede.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <uv.h>

#include "floor_wheel.h"

enum { FEW = 10000, MANY = 1000000, QUICK = 200000 };
enum { ARM, RESTART, CANCEL, RESTART_FEW };

/* One contestant's way to do it, for a range of timers or one of them. */
struct ways {
    void (*arm)(void *self, uint32_t timer, uint64_t ms);
    void (*restart)(void *self, uint32_t timer, uint64_t ms);
    void (*cancel)(void *self, uint32_t timer);
    void (*turn)(void *self);
};

/* Shared by all contestants, never changed, so that all touch the same memory in the same way. */
static uint32_t *restart_order, *cancel_order, *delays_ms;

static uint32_t how_many(const bench_env *env)
{
    return env->quick ? QUICK : MANY;
}

static void make_orders(const bench_env *env)
{
    uint64_t seed = 4;
    if (restart_order) {
        return;
    }
    restart_order = bench_permutation(how_many(env), 1);
    cancel_order = bench_permutation(how_many(env), 2);
    delays_ms = bench_alloc(how_many(env), sizeof *delays_ms, 0);
    for (uint32_t i = 0; i < how_many(env); i++) {
        delays_ms[i] = (uint32_t)(60000 + bench_random(&seed) % 3540000);
    }
}

/* An order over fewer: those entries of the long one that are small enough. */
static uint32_t *shorten(const uint32_t *order, uint32_t count, uint32_t from)
{
    uint32_t *out = bench_alloc(count, sizeof *out, 0), n = 0;
    for (uint32_t i = 0; i < from; i++) {
        if (order[i] < count) {
            out[n++] = order[i];
        }
    }
    return out;
}

static void phases(void *self, const struct ways *ways, uint32_t count, const uint32_t *restarts,
                   const uint32_t *cancels, double ns[3])
{
    uint64_t t0 = bench_wall_ns();
    for (uint32_t i = 0; i < count; i++) {
        ways->arm(self, i, delays_ms[i]);
    }
    ways->turn(self);
    uint64_t t1 = bench_wall_ns();
    for (uint32_t i = 0; i < count; i++) {
        ways->restart(self, restarts[i], delays_ms[i]);
    }
    ways->turn(self);
    uint64_t t2 = bench_wall_ns();
    for (uint32_t i = 0; i < count; i++) {
        ways->cancel(self, cancels[i]);
    }
    ways->turn(self);
    uint64_t t3 = bench_wall_ns();
    ns[0] = (double)(t1 - t0) / count;
    ns[1] = (double)(t2 - t1) / count;
    ns[2] = (double)(t3 - t2) / count;
}

static void round_of(void *self, const struct ways *ways, bench_run *run)
{
    enum { REPEATS = 10 };
    static uint32_t *few_restarts, *few_cancels;
    uint32_t many = how_many(run->env);
    double ns[3], few = 0;
    if (!few_restarts) {
        few_restarts = shorten(restart_order, FEW, many);
        few_cancels = shorten(cancel_order, FEW, many);
    }
    for (int i = 0; i < REPEATS; i++) {
        phases(self, ways, FEW, few_restarts, few_cancels, ns);
        few += ns[RESTART] / REPEATS;
    }
    run->ops = many;
    bench_start(run);
    phases(self, ways, many, restart_order, cancel_order, ns);
    bench_stop(run);
    run->out[ARM] = ns[0];
    run->out[RESTART] = ns[1];
    run->out[CANCEL] = ns[2];
    run->out[RESTART_FEW] = few;
}

/* ---- floor ----------------------------------------------------------------------------------- */

struct wheels {
    timer_wheel wheel;
    wheel_timer timers[MANY];
};

static void on_fired(wheel_timer *timer)
{
    (void)timer;
    bench_die("a timer fired a minute too early");
}

static void wheels_arm(void *self, uint32_t timer, uint64_t ms)
{
    struct wheels *wheels = self;
    wheels->timers[timer].fired = on_fired;
    wheel_add(&wheels->wheel, &wheels->timers[timer], wheels->wheel.now + ms);
}

static void wheels_restart(void *self, uint32_t timer, uint64_t ms)
{
    struct wheels *wheels = self;
    wheel_remove(&wheels->timers[timer]);
    wheel_add(&wheels->wheel, &wheels->timers[timer], wheels->wheel.now + ms);
}

static void wheels_cancel(void *self, uint32_t timer)
{
    wheel_remove(&((struct wheels *)self)->timers[timer]);
}

static void wheels_turn(void *self)
{
    struct wheels *wheels = self;
    wheel_advance(&wheels->wheel, wheels->wheel.now + 1);
}

static void *wheels_open(const bench_env *env, const bench_case *of, const char **why)
{
    (void)of, (void)why;
    make_orders(env);
    return bench_alloc(1, sizeof(struct wheels), 64);
}

static void wheels_round(void *self, bench_run *run)
{
    static const struct ways ways = {wheels_arm, wheels_restart, wheels_cancel, wheels_turn};
    round_of(self, &ways, run);
}

static const bench_contestant floor_wheel = {"floor", BENCH_FLOOR, wheels_open, wheels_round, free};

/* ---- libuv ----------------------------------------------------------------------------------- */

struct uvs {
    uv_loop_t loop;
    uint32_t count;
    uv_timer_t timers[MANY];
};

static void on_uv(uv_timer_t *timer)
{
    (void)timer;
    bench_die("a timer fired a minute too early");
}

static void uvs_start(void *self, uint32_t timer, uint64_t ms)
{
    uv_timer_start(&((struct uvs *)self)->timers[timer], on_uv, ms, 0);
}

static void uvs_stop(void *self, uint32_t timer)
{
    uv_timer_stop(&((struct uvs *)self)->timers[timer]);
}

static void uvs_turn(void *self)
{
    uv_run(&((struct uvs *)self)->loop, UV_RUN_NOWAIT);
}

static void *uvs_open(const bench_env *env, const bench_case *of, const char **why)
{
    struct uvs *uvs = bench_alloc(1, sizeof *uvs, 64);
    (void)of, (void)why;
    make_orders(env);
    bench_check_neg(uv_loop_init(&uvs->loop), "uv_loop_init");
    uvs->count = how_many(env);
    for (uint32_t i = 0; i < uvs->count; i++) {
        uv_timer_init(&uvs->loop, &uvs->timers[i]);
    }
    return uvs;
}

static void uvs_round(void *self, bench_run *run)
{
    static const struct ways ways = {uvs_start, uvs_start, uvs_stop, uvs_turn};
    round_of(self, &ways, run);
}

static void uvs_close(void *self)
{
    struct uvs *uvs = self;
    for (uint32_t i = 0; i < uvs->count; i++) {
        uv_close((uv_handle_t *)&uvs->timers[i], NULL);
    }
    uv_run(&uvs->loop, UV_RUN_DEFAULT);
    bench_check_neg(uv_loop_close(&uvs->loop), "uv_loop_close");
    free(uvs);
}

static const bench_contestant peer_uv = {"libuv", BENCH_PEER, uvs_open, uvs_round, uvs_close};

/* ---- libevent -------------------------------------------------------------------------------- */

struct events {
    struct event_base *base;
    struct event timers[MANY];
};

static void on_event(evutil_socket_t fd, short what, void *argument)
{
    (void)fd, (void)what, (void)argument;
    bench_die("a timer fired a minute too early");
}

static void events_add(void *self, uint32_t timer, uint64_t ms)
{
    struct timeval in = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};
    evtimer_add(&((struct events *)self)->timers[timer], &in);
}

static void events_del(void *self, uint32_t timer)
{
    evtimer_del(&((struct events *)self)->timers[timer]);
}

static void events_turn(void *self)
{
    event_base_loop(((struct events *)self)->base, EVLOOP_NONBLOCK);
}

static void *events_open(const bench_env *env, const bench_case *of, const char **why)
{
    struct events *events = bench_alloc(1, sizeof *events, 64);
    (void)of, (void)why;
    make_orders(env);
    events->base = bench_event_base(false);
    for (uint32_t i = 0; i < how_many(env); i++) {
        evtimer_assign(&events->timers[i], events->base, on_event, NULL);
    }
    return events;
}

static void events_round(void *self, bench_run *run)
{
    static const struct ways ways = {events_add, events_add, events_del, events_turn};
    round_of(self, &ways, run);
}

static void events_close(void *self)
{
    struct events *events = self;
    event_base_free(events->base);
    free(events);
}

static const bench_contestant peer_event = {"libevent", BENCH_PEER, events_open, events_round,
                                            events_close};

/* ---- cede ------------------------------------------------------------------------------------ */

struct timers {
    cede_loop *loop;
    uint64_t cancelled; /* and not yet back */
    cede_ticket tickets[MANY];
    cede_req timers[MANY];
};

static void on_timer(cede_req *req, cede_result r)
{
    struct timers *timers = req->user_data;
    if (r.status != CEDE_ECANCELED) {
        bench_die("a timer ended with %s", cede_status_name(r.status));
    }
    timers->cancelled--;
}

static void timers_arm(void *self, uint32_t timer, uint64_t ms)
{
    struct timers *timers = self;
    cede_req *req = &timers->timers[timer];
    req->user_data = timers;
    cede_prep_timer(req, ms * CEDE_MILLISECOND);
    timers->tickets[timer] = cede_submit(timers->loop, req, on_timer);
}

static void timers_restart(void *self, uint32_t timer, uint64_t ms)
{
    cede_extend(((struct timers *)self)->tickets[timer], ms * CEDE_MILLISECOND);
}

static void timers_cancel(void *self, uint32_t timer)
{
    struct timers *timers = self;
    timers->cancelled++;
    cede_cancel(timers->tickets[timer]);
}

/* Turns until every cancelled timer has come back. */
static void timers_turn(void *self)
{
    struct timers *timers = self;
    do {
        cede_run(timers->loop, 0);
    } while (timers->cancelled);
}

static void *timers_open(const bench_env *env, const bench_case *of, const char **why)
{
    struct timers *timers = bench_alloc(1, sizeof *timers, 64);
    (void)of, (void)why;
    make_orders(env);
    timers->loop = bench_cede_open(0);
    return timers;
}

static void timers_round(void *self, bench_run *run)
{
    static const struct ways ways = {timers_arm, timers_restart, timers_cancel, timers_turn};
    round_of(self, &ways, run);
}

static void timers_close(void *self)
{
    struct timers *timers = self;
    bench_cede_close(timers->loop);
    free(timers);
}

static const bench_contestant side_cede = {"cede", BENCH_CEDE, timers_open, timers_round,
                                           timers_close};

/* ---- The row --------------------------------------------------------------------------------- */

static const bench_case cases[] = {{
    .name = "in random order",
    .size = MANY,
    .fixed = true,
    .rounds_max = 7,
    .plotted = RESTART,
    .measures = {{"arm", "ns", false},
                 {"restart", "ns", false},
                 {"cancel", "ns", false},
                 {"restart of 10k", "ns", false}},
    .contestants = {&floor_wheel, &peer_uv, &peer_event, &side_cede},
    .goals = {{"restart 10 times as fast as libuv", BENCH_CONTESTANT, RESTART, 0, "libuv", 0.1},
              {"flat: 10k to a million like the floor (1.25)", BENCH_FLOOR_GROWTH, RESTART,
               RESTART_FEW, NULL, 1.25}},
}};

const bench_row bench_b4 = {"B4", "a million timers", cases, 1};
