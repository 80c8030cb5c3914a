/*
 * The wheel: deadlines and timers of one loop, in user space.
 *
 * Why not the kernel's: its timeouts cost quadratic time to cancel (docs/facts: 54 us at 10,000),
 * and one time-out passed to the wait does for all. The wheel has nine rows of 64 buckets; a row's
 * bucket spans 64 of the row below. Arming, moving and removing take constant time; a timer moves
 * down a row at most eight times in its life.
 *
 * Never early (law 13): an expiry is rounded up to the tick (16.4 us). Moving a timer to a later
 * time only notes the new expiry; it is put right when its bucket comes up, so that restarting one
 * timer again and again, the usual case of an idle deadline, touches nothing but its own slot.
 *
 * Relative times count from the first reading of the clock after they were given. Such a reading
 * costs more than all else here, so they wait in a short list (`fresh`) until somebody makes one,
 * or the list is full; and a request that is over before, as most that have a deadline are, never
 * comes onto the wheel.
 *
 * A bucket is a list by slot ids. The first of a list holds, in wheel_prev, which bucket it is in.
 */
#include "core.h"

#define FIRST  UINT32_C(0x80000000) /* wheel_prev: first of the bucket that the low bits name */
#define COLUMN (CEDI_WHEEL_ROW - 1)

static uint32_t next_of(const cedi_slot *slot)
{
    return atomic_load_explicit(&slot->wheel_next, memory_order_relaxed);
}

static void set_next(cedi_slot *slot, uint32_t id)
{
    atomic_store_explicit(&slot->wheel_next, id, memory_order_relaxed);
}

/* CEDI_PLAIN_BITS: the test of the wheel tries the plain way too. */
#if defined(__GNUC__) && !defined(CEDI_PLAIN_BITS)
static unsigned lowest_bit(uint64_t bits)
{
    return (unsigned)__builtin_ctzll(bits);
}

static unsigned highest_bit(uint64_t bits)
{
    return 63u - (unsigned)__builtin_clzll(bits);
}
#else
static unsigned highest_bit(uint64_t bits)
{
    unsigned n = 0;
    for (unsigned half = 32; half > 0; half /= 2) {
        if (bits >> half) {
            bits >>= half;
            n += half;
        }
    }
    return n;
}

static unsigned lowest_bit(uint64_t bits)
{
    return highest_bit(bits & (~bits + 1));
}
#endif

static uint64_t tick_of(uint64_t ns)
{
    uint64_t up = CEDI_FAULT(TIMER_EARLY) ? 0 : (UINT64_C(1) << CEDI_TICK_SHIFT) - 1;
    return cedi_add(ns, up) >> CEDI_TICK_SHIFT;
}

void cedi_wheel_init(cedi_wheel *wheel, uint64_t now)
{
    wheel->tick = now >> CEDI_TICK_SHIFT;
}

static void insert(cedi_wheel *wheel, cedi_slot *slot)
{
    uint64_t tick = tick_of(slot->expiry_ns);
    unsigned row, column;
    uint32_t bucket, head;
    if (tick <= wheel->tick)
        tick = wheel->tick + 1; /* due: the next look finds it */
    /* The row is where the tick and the present first differ. */
    row = highest_bit((tick ^ wheel->tick) | 1) / CEDI_WHEEL_BITS;
    column = (unsigned)(tick >> (row * CEDI_WHEEL_BITS)) & COLUMN;
    bucket = row * CEDI_WHEEL_ROW + column;
    head = wheel->bucket[row][column];
    set_next(slot, head);
    slot->wheel_prev = FIRST | bucket;
    if (head)
        cedi_slot_at(head)->wheel_prev = slot->id;
    wheel->bucket[row][column] = slot->id;
    wheel->busy[row] |= UINT64_C(1) << column;
}

/* The tick at which the next bucket comes up; UINT64_MAX if the wheel is empty. All that a row
 * holds lies ahead of the present, and a lower row before a higher one. */
static uint64_t next_busy(const cedi_wheel *wheel, unsigned *row)
{
    for (*row = 0; *row < CEDI_WHEEL_LEVELS; ++*row) {
        unsigned shift = *row * CEDI_WHEEL_BITS;
        if (wheel->busy[*row]) {
            uint64_t base = wheel->tick >> shift & ~(uint64_t)COLUMN;
            return (base | lowest_bit(wheel->busy[*row])) << shift;
        }
    }
    return UINT64_MAX;
}

/* Of one that is TIMED: it may be on its way. */
static bool is_on_wheel(const cedi_slot *slot)
{
    return slot->wheel_prev;
}

/* An empty wheel may. */
static void skip_to(cedi_wheel *wheel, uint64_t now)
{
    if (now >> CEDI_TICK_SHIFT > wheel->tick)
        wheel->tick = now >> CEDI_TICK_SHIFT;
}

void cedi_wheel_add(cede_loop *loop, cedi_slot *slot)
{
    if (loop->wheel.count++ == 0)
        skip_to(&loop->wheel, cedi_now(loop));
    slot->bits |= CEDI_TIMED;
    insert(&loop->wheel, slot);
}

static void take_out(cedi_wheel *wheel, cedi_slot *slot)
{
    uint32_t next = next_of(slot);
    if (next)
        cedi_slot_at(next)->wheel_prev = slot->wheel_prev;
    if (slot->wheel_prev & FIRST) {
        uint32_t bucket = slot->wheel_prev & ~FIRST;
        unsigned row = bucket / CEDI_WHEEL_ROW, column = bucket % CEDI_WHEEL_ROW;
        wheel->bucket[row][column] = next;
        if (!next)
            wheel->busy[row] &= ~(UINT64_C(1) << column);
    } else {
        set_next(cedi_slot_at(slot->wheel_prev), next);
    }
}

static void forget_fresh(cedi_wheel *wheel, cedi_slot *slot)
{
    wheel->fresh[slot->fresh - 1].slot = NULL;
    if (slot->fresh == wheel->fresh_count)
        wheel->fresh_count--;
    slot->fresh = 0;
}

void cedi_wheel_remove(cede_loop *loop, cedi_slot *slot)
{
    if (is_on_wheel(slot))
        take_out(&loop->wheel, slot);
    if (slot->fresh)
        forget_fresh(&loop->wheel, slot);
    slot->bits &= (uint8_t)~CEDI_TIMED;
    loop->wheel.count--;
}

/* Of one that is on the wheel. A later time is only noted: its bucket comes up early, and then it
 * is put right. */
static void replace(cedi_wheel *wheel, cedi_slot *slot, uint64_t expiry_ns)
{
    bool sooner = expiry_ns < slot->expiry_ns;
    slot->expiry_ns = expiry_ns;
    if (sooner) {
        take_out(wheel, slot);
        insert(wheel, slot);
    }
}

void cedi_wheel_move(cede_loop *loop, cedi_slot *slot, uint64_t expiry_ns)
{
    if (slot->fresh)
        (void)cedi_clock(loop); /* it gets its place */
    if (slot->bits & CEDI_TIMED) {
        if (expiry_ns == CEDE_FOREVER)
            cedi_wheel_remove(loop, slot);
        else
            replace(&loop->wheel, slot, expiry_ns);
    } else {
        slot->expiry_ns = expiry_ns;
        if (expiry_ns != CEDE_FOREVER)
            cedi_wheel_add(loop, slot);
    }
}

void cedi_wheel_move_in(cede_loop *loop, cedi_slot *slot, uint64_t ns)
{
    cedi_wheel *wheel = &loop->wheel;
    if (!slot->fresh) {
        if (CEDI_UNLIKELY(wheel->fresh_count == CEDI_FRESH))
            (void)cedi_clock(loop);
        slot->fresh = (uint16_t)++wheel->fresh_count;
        wheel->fresh[slot->fresh - 1].slot = slot;
        if (!(slot->bits & CEDI_TIMED)) {
            slot->bits |= CEDI_TIMED;
            slot->wheel_prev = 0; /* not on the wheel yet */
            wheel->count++;
        }
    }
    wheel->fresh[slot->fresh - 1].ns = ns;
}

void cedi_wheel_settle(cede_loop *loop, uint64_t now)
{
    cedi_wheel *wheel = &loop->wheel;
    uint32_t count = wheel->fresh_count;
    unsigned row;
    wheel->fresh_count = 0;
    if (next_busy(wheel, &row) == UINT64_MAX)
        skip_to(wheel, now);
    for (uint32_t i = 0; i < count; i++) {
        cedi_slot *slot = wheel->fresh[i].slot;
        uint64_t expiry = cedi_add(now, wheel->fresh[i].ns);
        if (!slot)
            continue;
        slot->fresh = 0;
        if (is_on_wheel(slot)) {
            replace(wheel, slot, expiry);
        } else {
            slot->expiry_ns = expiry;
            insert(wheel, slot);
        }
    }
}

static uint32_t reversed(uint32_t id)
{
    uint32_t before = 0;
    while (id) {
        cedi_slot *slot = cedi_slot_at(id);
        uint32_t next = next_of(slot);
        set_next(slot, before);
        before = id;
        id = next;
    }
    return before;
}

/* Empties a bucket: what is due at its tick goes to the machine, the rest to where it belongs now:
 * also what is due by now but later than the bucket, so that the order is that of the ticks after a
 * long absence too. Ending one (a scope, say) may take others off the wheel, so those that are due
 * stand in a proper bucket, of an extra row, while they are taken one by one. */
static void turn_out(cede_loop *loop, unsigned row, unsigned column)
{
    cedi_wheel *wheel = &loop->wheel;
    uint32_t *due = &wheel->bucket[CEDI_WHEEL_LEVELS][0];
    uint32_t id = reversed(wheel->bucket[row][column]); /* lists are last in, first out */
    uint32_t last = 0;
    wheel->bucket[row][column] = 0;
    wheel->busy[row] &= ~(UINT64_C(1) << column);
    while (id) {
        cedi_slot *slot = cedi_slot_at(id);
        uint32_t next = next_of(slot);
        if (tick_of(slot->expiry_ns) > wheel->tick && !CEDI_FAULT(TIMER_EARLY)) {
            insert(wheel, slot);
        } else {
            set_next(slot, 0);
            slot->wheel_prev = last ? last : FIRST | (CEDI_WHEEL_LEVELS * CEDI_WHEEL_ROW);
            if (last)
                set_next(cedi_slot_at(last), id);
            else
                *due = id;
            last = id;
        }
        id = next;
    }
    while (*due) {
        cedi_slot *slot = cedi_slot_at(*due);
        cedi_wheel_remove(loop, slot);
        cedi_req_expired(loop, slot);
    }
}

void cedi_wheel_expire(cede_loop *loop, uint64_t now)
{
    cedi_wheel *wheel = &loop->wheel;
    uint64_t target = now >> CEDI_TICK_SHIFT;
    while (wheel->tick < target) {
        unsigned row;
        uint64_t step = next_busy(wheel, &row);
        if (step > target) {
            wheel->tick = target;
            return;
        }
        wheel->tick = step;
        turn_out(loop, row, (unsigned)(step >> (row * CEDI_WHEEL_BITS)) & COLUMN);
    }
}

uint64_t cedi_wheel_next(const cede_loop *loop)
{
    unsigned row;
    uint64_t tick = next_busy(&loop->wheel, &row);
    return tick == UINT64_MAX ? CEDE_FOREVER : tick << CEDI_TICK_SHIFT;
}
