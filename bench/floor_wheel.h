/*
 * The floor of timers: a plain hierarchical wheel, ticks of a millisecond, one thread, no clock of
 * its own. A timer is the caller's memory; it stands in one list at a time.
 */
#ifndef CEDE_BENCH_FLOOR_WHEEL_H
#define CEDE_BENCH_FLOOR_WHEEL_H

#include <stdint.h>

enum { WHEEL_BITS = 6, WHEEL_SLOTS = 1 << WHEEL_BITS, WHEEL_LEVELS = 7 };

typedef struct wheel_timer {
    struct wheel_timer *next, **link; /* link: what points here; NULL: not armed */
    uint64_t at;
    void (*fired)(struct wheel_timer *);
} wheel_timer;

typedef struct timer_wheel {
    uint64_t now;
    wheel_timer *slots[WHEEL_LEVELS][WHEEL_SLOTS];
} timer_wheel;

/* Fires at tick `at`, which is later than now. The timer must not be armed. */
void wheel_add(timer_wheel *, wheel_timer *, uint64_t at);
void wheel_remove(wheel_timer *);
/* Moves on to tick `to`, calling fired for each timer on the way, taken out of the wheel. */
void wheel_advance(timer_wheel *, uint64_t to);

#endif
