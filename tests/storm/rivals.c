/*
 * The other threads. They know tickets, live and stale, and handles, and do to them what any
 * thread may do at any time: also while the loops close, and when they are gone.
 */
#include "storm.h"

#define TICKETS 512
#define PENDS   256
#define HANDLES 32

typedef struct seat {
    atomic_flag busy;
    cede_ticket ticket;
    cede_handle handle;
} seat;

typedef struct rival {
    port_thread thread;
    port_event event;
    uint64_t random;
    _Atomic int seen; /* the phase in which it acts */
} rival;

static seat tickets[TICKETS], pends[PENDS], handles[HANDLES];
static rival rivals[RIVALS];

static seat look(seat *seats, uint32_t count, uint64_t *random, const seat *put)
{
    seat *s = &seats[storm_random(random, count)], out;
    while (atomic_flag_test_and_set_explicit(&s->busy, memory_order_acquire))
        port_yield();
    out.ticket = s->ticket;
    out.handle = s->handle;
    if (put) {
        s->ticket = put->ticket;
        s->handle = put->handle;
    }
    atomic_flag_clear_explicit(&s->busy, memory_order_release);
    return out;
}

void storm_show_ticket(uint64_t *random, cede_ticket ticket)
{
    seat put = {.ticket = ticket};
    (void)look(tickets, TICKETS, random, &put);
}

void storm_show_pend(uint64_t *random, cede_ticket ticket)
{
    seat put = {.ticket = ticket};
    (void)look(pends, PENDS, random, &put);
}

void storm_show_handle(uint64_t *random, cede_handle handle)
{
    seat put = {.handle = handle};
    (void)look(handles, HANDLES, random, &put);
}

static void act(rival *self, int phase)
{
    uint64_t *random = &self->random;
    uint32_t choice = storm_random(random, 16);
    if (choice < 4) {
        for (uint32_t i = 0; i < choice; i++)
            cede_cancel(look(tickets, TICKETS, random, NULL).ticket);
        storm_totals.wishes += choice;
    } else if (choice < 5) {
        cede_fail(look(tickets, TICKETS, random, NULL).ticket, CEDE_EIO);
        storm_totals.wishes++;
    } else if (choice < 6) {
        cede_complete(look(tickets, TICKETS, random, NULL).ticket, CEDE_OK, COUNT_OF_PEND);
    } else if (choice < 10) {
        for (uint32_t i = 0; i < choice; i++)
            cede_complete(look(pends, PENDS, random, NULL).ticket, CEDE_OK, COUNT_OF_PEND);
    } else if (choice < 11) {
        cede_drop(look(handles, HANDLES, random, NULL).handle);
    } else if (phase == STORM && choice < 12) {
        cede_stop(storm_stations[storm_random(random, STATIONS)].loop);
    } else if (phase == STORM) {
        storm_small_remote(&storm_stations[storm_random(random, STATIONS)], random);
    }
}

static void rival_main(void *context)
{
    rival *self = context;
    for (;;) {
        int phase = storm_phase;
        self->seen = phase;
        if (phase == OVER)
            return;
        for (int i = 0; i < 8; i++)
            act(self, phase);
        /* Stirred by what is submitted; by itself when nothing is any more. */
        port_event_wait(&self->event, CEDE_MILLISECOND * (phase < CLOSING ? 20 : 1));
    }
}

void storm_rivals_make(void)
{
    for (uint32_t i = 0; i < RIVALS; i++) {
        rivals[i].random = storm_seed * 1000 + i;
        port_event_init(&rivals[i].event);
    }
    for (uint32_t i = 0; i < TICKETS; i++)
        atomic_flag_clear(&tickets[i].busy);
    for (uint32_t i = 0; i < PENDS; i++)
        atomic_flag_clear(&pends[i].busy);
    for (uint32_t i = 0; i < HANDLES; i++)
        atomic_flag_clear(&handles[i].busy);
}

void storm_rivals_start(void)
{
    for (uint32_t i = 0; i < RIVALS; i++)
        port_start(&rivals[i].thread, rival_main, &rivals[i]);
}

void storm_rivals_stir(uint32_t which)
{
    port_event_set(&rivals[which % RIVALS].event);
}

void storm_rivals_hush(void)
{
    for (uint32_t i = 0; i < RIVALS; i++) {
        while (rivals[i].seen < HUSH) {
            storm_rivals_stir(i);
            port_yield();
        }
    }
}

void storm_rivals_join(void)
{
    for (uint32_t i = 0; i < RIVALS; i++) {
        storm_rivals_stir(i);
        port_join(&rivals[i].thread);
    }
}
