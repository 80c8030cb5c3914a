/*
 * The wheel of floor_wheel.h. Level n has slots of 64^n ticks; a timer lies in the level of the
 * highest digit (to base 64) in which its tick differs from now, and moves down as time comes near.
 */
#include "floor_wheel.h"

#include <stddef.h>

void wheel_add(timer_wheel *wheel, wheel_timer *timer, uint64_t at)
{
    uint64_t differs = at ^ wheel->now;
    unsigned level = (unsigned)(63 - __builtin_clzll(differs | 1)) / WHEEL_BITS;
    level = level < WHEEL_LEVELS ? level : WHEEL_LEVELS - 1;
    wheel_timer **slot = &wheel->slots[level][(at >> (level * WHEEL_BITS)) % WHEEL_SLOTS];
    timer->at = at;
    timer->link = slot;
    timer->next = *slot;
    if (*slot) {
        (*slot)->link = &timer->next;
    }
    *slot = timer;
}

void wheel_remove(wheel_timer *timer)
{
    *timer->link = timer->next;
    if (timer->next) {
        timer->next->link = timer->link;
    }
    timer->link = NULL;
}

/* All of a slot that time has come to: fired, or put down a level. */
static void empty(timer_wheel *wheel, wheel_timer **slot)
{
    while (*slot) {
        wheel_timer *timer = *slot;
        wheel_remove(timer);
        if (timer->at > wheel->now) {
            wheel_add(wheel, timer, timer->at);
        } else {
            timer->fired(timer);
        }
    }
}

void wheel_advance(timer_wheel *wheel, uint64_t to)
{
    while (wheel->now < to) {
        wheel->now++;
        for (unsigned level = WHEEL_LEVELS; level-- > 0;) {
            unsigned shift = level * WHEEL_BITS;
            if ((wheel->now & ((UINT64_C(1) << shift) - 1)) == 0) {
                empty(wheel, &wheel->slots[level][(wheel->now >> shift) % WHEEL_SLOTS]);
            }
        }
    }
}
