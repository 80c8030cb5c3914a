/*
 * The floor of posting from another thread: a list that many may push to, a flag that says whether
 * the reader sleeps, and an eventfd to wake it.
 */
#ifndef CEDE_BENCH_FLOOR_INBOX_H
#define CEDE_BENCH_FLOOR_INBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* A line of memory each, as messages that are part of somebody's object have. */
typedef struct bench_message {
    _Alignas(64) struct bench_message *next;
    bool (*received)(void *context);
    void *context;
} bench_message;

/* The list alone, which libuv's side uses too: libuv has a wake, but no queue. */
typedef struct bench_inbox {
    _Alignas(64) _Atomic(bench_message *) first;
    _Alignas(64) atomic_bool asleep;
    int eventfd;
} bench_inbox;

/* Any thread. */
static inline void bench_inbox_push(bench_inbox *inbox, bench_message *message)
{
    message->next = atomic_load_explicit(&inbox->first, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&inbox->first, &message->next, message,
                                                  memory_order_seq_cst, memory_order_relaxed)) {
    }
}

/* The reader: all of them, oldest first. */
static inline bench_message *bench_inbox_take(bench_inbox *inbox)
{
    bench_message *oldest = NULL;
    if (!atomic_load_explicit(&inbox->first, memory_order_seq_cst)) {
        return NULL;
    }
    for (bench_message *m = atomic_exchange_explicit(&inbox->first, NULL, memory_order_acquire);
         m;) {
        bench_message *older = m->next;
        m->next = oldest;
        oldest = m;
        m = older;
    }
    return oldest;
}

#endif
