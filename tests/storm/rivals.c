/*
 * The other threads. They know tickets, live and stale, and handles, and do to them what any
 * thread may do at any time: also while the loops close, and when they are gone.
 */
#include "storm.h"

#define TICKETS 512
#define PENDS   256
#define HANDLES 32

typedef struct seat {
    cede_ticket ticket;
    cede_handle handle;
} seat;

typedef struct rival {
    port_thread thread;
    port_event event;
    uint64_t random;
    _Atomic int seen; /* the phase in which it acts */
} rival;

/* Each kind under its lock. */
typedef struct board {
    port_mutex mutex;
    uint32_t count;
    seat seats[TICKETS];
} board;

static board tickets, pends, handles;
static rival rivals[RIVALS];
static port_event seen; /* some rival has seen a new phase */

static seat look(board *b, uint64_t *random, const seat *put)
{
    seat *s = &b->seats[storm_random(random, b->count)], out;
    port_lock(&b->mutex);
    out = *s;
    if (put)
        *s = *put;
    port_unlock(&b->mutex);
    return out;
}

void storm_show_ticket(uint64_t *random, cede_ticket ticket)
{
    seat put = {.ticket = ticket};
    (void)look(&tickets, random, &put);
}

void storm_show_pend(uint64_t *random, cede_ticket ticket)
{
    seat put = {.ticket = ticket};
    (void)look(&pends, random, &put);
}

void storm_show_handle(uint64_t *random, cede_handle handle)
{
    seat put = {.handle = handle};
    (void)look(&handles, random, &put);
}

static void act(rival *self, int phase)
{
    uint64_t *random = &self->random;
    uint32_t choice = storm_random(random, 18);
    if (choice < 4) {
        for (uint32_t i = 0; i < choice; i++)
            cede_cancel(look(&tickets, random, NULL).ticket);
        storm_totals.wishes += choice;
    } else if (choice < 5) {
        cede_fail(look(&tickets, random, NULL).ticket, CEDE_EIO);
        storm_totals.wishes++;
    } else if (choice < 6) {
        cede_complete(look(&tickets, random, NULL).ticket, CEDE_OK, COUNT_OF_PEND);
    } else if (choice < 10) {
        for (uint32_t i = 0; i < choice; i++)
            cede_complete(look(&pends, random, NULL).ticket, CEDE_OK, COUNT_OF_PEND);
    } else if (choice < 11) {
        cede_drop(look(&handles, random, NULL).handle);
    } else if (phase == STORM && choice < 12) {
        cede_stop(storm_stations[storm_random(random, STATIONS)].loop);
    } else if (phase == STORM) {
        if (choice < 16)
            storm_small_remote(&storm_stations[storm_random(random, STATIONS)], random);
        else if (choice == 16)
            storm_raise_some(random);
    }
    if (choice == 17)
        storm_lookups_stir();
}

static void rival_main(void *context)
{
    rival *self = context;
    for (;;) {
        int phase = storm_phase;
        if (self->seen != phase) {
            self->seen = phase;
            port_event_set(&seen);
        }
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
    port_event_init(&seen);
    port_mutex_init(&tickets.mutex);
    port_mutex_init(&pends.mutex);
    port_mutex_init(&handles.mutex);
    tickets.count = TICKETS;
    pends.count = PENDS;
    handles.count = HANDLES;
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
            port_event_wait(&seen, 20 * CEDE_MILLISECOND);
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
