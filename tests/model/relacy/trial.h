/*
 * Trials: small programs of up to three threads that use the library, run again and again under
 * relacy, which chooses the schedule and what each relaxed load sees.
 *
 * The core is compiled as it stands, with gcc's -fsanitize=thread. The compiler then calls a
 * function for each access to memory, with the memory order that the source names; memory.cc has
 * these functions, and hands each atomic operation to relacy, and looks at each plain one for a
 * data race. So nothing in the core knows of this, and nothing of the core is left out.
 *
 * memory.cc   what gcc's calls do          world.c   the operating system, and a backend
 * trials.c    the trials                   words.c   names for what the threads share
 */
#ifndef CEDE_TRIAL_H
#define CEDE_TRIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "cede/backend.h"
#include "cede/cede.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TRIAL_THREADS 3

typedef struct trial {
    const char *name;
    void (*before)(void);                /* NULL: nothing. No other thread runs */
    void (*thread[TRIAL_THREADS])(void); /* the first opens, runs and closes the loop */
    unsigned long times;                 /* as part of the tests */
} trial;

extern const trial trials[]; /* ends with one without a name */

/* ---- memory.cc: what relacy does for the world ---------------------------------------------- */

/* Ends the run: the trial found something. Does not come back. */
void trial_fail(const char *what);
#define TRIAL_CHECK(condition)                 \
    do {                                       \
        if (!(condition))                      \
            trial_fail("not so: " #condition); \
    } while (0)
unsigned trial_choose(unsigned below); /* one of the things that may happen */
void trial_yield(void);
void trial_lock(void); /* the lock of the process */
void trial_unlock(void);
/* A flag that a kernel keeps, one a loop: set by any thread, taken by its own. */
void trial_signal(unsigned which);
void trial_await(unsigned which, bool timed);
void trial_calm(unsigned which); /* takes it if it is set */

/* ---- words.c -------------------------------------------------------------------------------- */

/* The name of a shared word of the core's: "slot.word", "loop.inbox"; "other" for the rest. */
const char *trial_word(uintptr_t address);

/* ---- world.c -------------------------------------------------------------------------------- */

extern const cede_backend trial_backend;
extern bool trial_no_memory;     /* whatever is asked for from now on is refused */
extern cede_handle trial_handle; /* the one of this trial; 0: none */

/* Makes the world as it is at the start of a trial. */
void trial_world_begin(void);
/* Work of kind ROUNDTRIP is kept by the kernel, whatever cancels come, until it is let go. */
void trial_hold(void);
void trial_let_go(void); /* any thread */

#ifdef __cplusplus
}
#endif

#endif
