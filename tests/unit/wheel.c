/*
 * The timer wheel against a list: random arming, moving, removing, also from inside an expiry, over
 * virtual time from nanoseconds to centuries. Never early, never lost, in the order of ticks; and
 * what the wheel names as its next look never lies behind an expiry.
 *
 * Built with src/core/timer.c alone; what that needs of the rest of the core stands below.
 * Usage: unit_wheel [--seed N]
 */
#include "unit.h"

#include <stdbool.h>
#include <string.h>

#include "core.h"

#define SLOTS    256u                /* of a chunk's 512 */
#define FAR_AWAY (UINT64_C(1) << 62) /* the clock begins anew behind it */
#define LATE     UINT64_MAX

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STEPS 400000u
#else
#define STEPS 4000000u
#endif

static cedi_chunk chunk;
static cedi_slot *const slots = chunk.slots; /* id 0 names nothing */
_Atomic(cedi_chunk *) cedi_chunks[1];

static cede_loop loop;
static uint64_t seed, now;

/* The list: whether a slot is armed, and from which tick on it must have fired. */
static bool armed[SLOTS + 1];
static uint64_t due[SLOTS + 1];
static uint64_t fired_in; /* the tick of the last expiry of this look */
static uint64_t fired, early_looks;

/* A relative time that waits for a reading of the clock. */
static bool waits[SLOTS + 1];
static uint64_t span_of[SLOTS + 1];
static uint64_t settled;

static uint64_t due_tick(uint64_t expiry_ns);

/* ---- What timer.c asks of the core ---------------------------------------------------------- */

uint64_t cedi_clock(cede_loop *of)
{
    bool same[SLOTS + 1];
    for (unsigned i = 1; i <= SLOTS; i++)
        same[i] = armed[i] && slots[i].expiry_ns == now + span_of[i];
    cedi_wheel_settle(of, now);
    for (unsigned i = 1; i <= SLOTS; i++) {
        if (!waits[i])
            continue;
        REQUIRE(slots[i].expiry_ns == now + span_of[i], "slot %u does not count from now", i);
        if (!same[i]) /* else it stays where it is */
            due[i] = due_tick(slots[i].expiry_ns);
        armed[i] = true;
        waits[i] = false;
        settled++;
    }
    return now;
}

uint64_t cedi_now(cede_loop *of)
{
    return of->wheel.fresh_count ? cedi_clock(of) : now;
}

_Noreturn void cedi_broken(const char *what, const cedi_slot *slot)
{
    (void)slot;
    REQUIRE(false, "broken invariant: %s", what);
    abort();
}

/* ---- Random acts ---------------------------------------------------------------------------- */

/* A span whose magnitude is as random as itself. */
static uint64_t span(unsigned bits_most)
{
    unsigned bits = (unsigned)unit_below(&seed, bits_most + 1);
    return unit_random(&seed) & ((UINT64_C(1) << bits) - 1);
}

static uint64_t tick_up(uint64_t ns)
{
    return (ns >> CEDI_TICK_SHIFT) + ((ns & ((UINT64_C(1) << CEDI_TICK_SHIFT) - 1)) != 0);
}

static uint64_t due_tick(uint64_t expiry_ns)
{
    uint64_t tick = tick_up(expiry_ns);
    return tick > loop.wheel.tick ? tick : loop.wheel.tick + 1;
}

static void arm(unsigned i, uint64_t expiry_ns)
{
    slots[i].expiry_ns = expiry_ns;
    cedi_wheel_add(&loop, &slots[i]);
    armed[i] = true;
    due[i] = due_tick(expiry_ns);
}

static void disarm(unsigned i)
{
    cedi_wheel_remove(&loop, &slots[i]);
    armed[i] = waits[i] = false;
}

static bool is_timed(unsigned i)
{
    return armed[i] || waits[i];
}

static void move_in(unsigned i, uint64_t ns)
{
    cedi_wheel_move_in(&loop, &slots[i], ns); /* may settle others */
    waits[i] = true;
    span_of[i] = ns;
}

static void move(unsigned i, uint64_t expiry_ns)
{
    uint64_t before;
    if (waits[i])
        (void)cedi_clock(&loop);
    before = armed[i] ? slots[i].expiry_ns : 0;
    cedi_wheel_move(&loop, &slots[i], expiry_ns);
    if (armed[i] && expiry_ns == before)
        return; /* stays where it is */
    armed[i] = expiry_ns != CEDE_FOREVER;
    if (armed[i])
        due[i] = due_tick(expiry_ns);
}

static uint64_t some_expiry(void)
{
    switch (unit_below(&seed, 8)) {
    case 0:
        return span(8); /* long past */
    case 1:
        return now > 1000 ? now - span(20) % now : now;
    case 2:
        return CEDE_FOREVER - 1 - span(20); /* never in this life */
    default:
        return now + span(54);
    }
}

static void act(void)
{
    unsigned i = 1 + (unsigned)unit_below(&seed, SLOTS);
    switch (unit_below(&seed, 6)) {
    case 0:
        if (is_timed(i))
            disarm(i);
        break;
    case 4: /* again and again, as idle deadlines are */
        i = 1 + i % 16;
        /* fall through */
    case 5:
        move_in(i, span(54));
        if (unit_below(&seed, 4) == 0)
            now += span(20); /* and the reading comes later */
        break;
    case 1:
        if (!is_timed(i))
            slots[i].expiry_ns = 0;
        move(i, unit_below(&seed, 16) ? some_expiry() : CEDE_FOREVER);
        break;
    case 2:
        if (armed[i] && !waits[i]) /* the usual case: a little later than it was */
            move(i, slots[i].expiry_ns > FAR_AWAY ? slots[i].expiry_ns
                                                  : slots[i].expiry_ns + span(30));
        break;
    default:
        if (!is_timed(i))
            arm(i, some_expiry());
        break;
    }
}

void cedi_req_expired(cede_loop *of, cedi_slot *slot)
{
    unsigned i = (unsigned)(slot - slots);
    REQUIRE(of == &loop && i > 0 && i <= SLOTS, "a foreign slot");
    REQUIRE(armed[i], "slot %u fired, but is not armed", i);
    REQUIRE(slot->expiry_ns <= now, "slot %u is %" PRIu64 " ns early", i, slot->expiry_ns - now);
    REQUIRE(!(slot->bits & CEDI_TIMED), "slot %u is still on the wheel", i);
    REQUIRE(due[i] >= fired_in, "slot %u of tick %" PRIu64 " came after tick %" PRIu64, i, due[i],
            fired_in);
    fired_in = due[i];
    armed[i] = false;
    fired++;
    /* What the machine may do in there: end others, start others. */
    for (uint64_t n = unit_below(&seed, 3); n > 0; n--) {
        i = 1 + (unsigned)unit_below(&seed, SLOTS);
        if (is_timed(i))
            disarm(i);
        else
            arm(i, some_expiry());
    }
}

/* ---- Judging -------------------------------------------------------------------------------- */

static uint64_t earliest(void)
{
    uint64_t tick = LATE;
    for (unsigned i = 1; i <= SLOTS; i++) {
        if (armed[i] && due[i] < tick)
            tick = due[i];
    }
    return tick;
}

static void look(void)
{
    uint64_t count = 0;
    fired_in = 0;
    cedi_wheel_expire(&loop, cedi_now(&loop));
    REQUIRE(earliest() > now >> CEDI_TICK_SHIFT, "lost: tick %" PRIu64 ", now %" PRIu64, earliest(),
            now >> CEDI_TICK_SHIFT);
    for (unsigned i = 1; i <= SLOTS; i++)
        count += armed[i];
    REQUIRE(count == loop.wheel.count, "%" PRIu64 " armed, the wheel counts %" PRIu64, count,
            loop.wheel.count);
}

/* As the loop sleeps: until the wheel says. A look is in vain when a timer moves down a row. */
static void sleep_until_next(void)
{
    uint64_t next, before = fired, first;
    (void)cedi_now(&loop);
    next = cedi_wheel_next(&loop);
    first = earliest();
    if (first == LATE) {
        REQUIRE(next == CEDE_FOREVER, "an empty wheel wakes the loop");
        return;
    }
    REQUIRE(next >> CEDI_TICK_SHIFT <= first, "the wheel sleeps through tick %" PRIu64, first);
    if (next > FAR_AWAY)
        return;
    if (next > now)
        now = next;
    look();
    early_looks += fired == before;
}

static void begin_anew(uint64_t at)
{
    for (unsigned i = 1; i <= SLOTS; i++) {
        if (is_timed(i))
            disarm(i);
    }
    memset(&loop.wheel, 0, sizeof loop.wheel);
    now = at;
    cedi_wheel_init(&loop.wheel, now);
}

/* The wheel's head says: a timer moves down at most eight rows before it fires. */
static void a_far_timer_takes_few_looks(void)
{
    for (unsigned bits = 0; bits < 54; bits++) {
        unsigned looks = 0;
        begin_anew(span(50));
        arm(1, now + (UINT64_C(1) << bits) + span(bits));
        for (uint64_t before = fired; fired == before; looks++)
            sleep_until_next();
        REQUIRE(looks <= CEDI_WHEEL_LEVELS, "2^%u ns took %u looks", bits, looks);
    }
}

/* An idle deadline that is put off at each use, the usual case, stays one entry of one bucket. */
static void restarting_is_lazy(void)
{
    begin_anew(span(50));
    arm(1, now + CEDE_SECOND);
    for (unsigned i = 0; i < 100000; i++) {
        now += 10 * CEDE_MICROSECOND;
        move(1, now + CEDE_SECOND);
        look();
        REQUIRE(armed[1], "it fired although it was put off");
    }
    now += CEDE_SECOND + (UINT64_C(1) << CEDI_TICK_SHIFT);
    look();
    REQUIRE(!armed[1], "it did not fire");
}

int main(int argc, char **argv)
{
    seed = unit_seed(argc, argv);
    atomic_store(&cedi_chunks[0], &chunk);
    for (unsigned i = 1; i <= SLOTS; i++)
        slots[i].id = i;

    a_far_timer_takes_few_looks();
    restarting_is_lazy();
    begin_anew(span(50));
    for (unsigned step = 0; step < STEPS; step++) {
        if (now > FAR_AWAY)
            begin_anew(span(50));
        switch (unit_below(&seed, 8)) {
        case 0:
            now += span(unit_below(&seed, 64) ? 36 : 57);
            look();
            break;
        case 1:
            sleep_until_next();
            break;
        default:
            act();
            break;
        }
    }
    printf("%u steps, %" PRIu64 " expiries, %" PRIu64 " looks in vain\n", STEPS, fired,
           early_looks);
    REQUIRE(fired > STEPS / 20, "hardly anything fired");
    REQUIRE(settled > STEPS / 20, "hardly anything waited for the clock");
    return 0;
}
