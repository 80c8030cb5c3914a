/*
 * The suite's inside: the run's context and what its files share. Not for cases.
 */
#ifndef CFT_INNER_H
#define CFT_INNER_H

#include "conformance.h"
#include "os.h"

#include <setjmp.h>
#include <stdatomic.h>

#define CFT_LOOPS   8u
#define CFT_THREADS 32u
#define CFT_NOTES   16u

/* Exit codes of children. */
enum {
    CFT_EXIT_OK = 0,
    CFT_EXIT_FAILED = 1,
    CFT_EXIT_NO_MORE = 10, /* S9, S12: the case ended before the k-th failure or step */
    CFT_EXIT_SKIP = 77
};

typedef struct cft_case {
    const char *name;
    const char *law;
    const char *sentence;
    const char *backends; /* "BOTH", or one world's name */
    uint32_t schedules;
    void (*run)(cft *);
} cft_case;

/* A case skips for this under --no-fork if it has to have a process of its own. */
#define CFT_APART "apart"

/* What the child tells the parent beside its exit code. */
typedef struct cft_board {
    char at[96];        /* where it is: "S12/step=4 seed=0x12" */
    char skip[64];      /* the condition it skips for */
    char deviates[160]; /* ids of wine.def that it met */
    uint64_t runs;
} cft_board;

/* One run: a case under one schedule, variant and seed. */
struct cft {
    const cft_case *kase;
    const cft_world *world;
    void *state;
    cft_board *board;
    uint32_t schedule;
    uint32_t variant;
    uint64_t k; /* S9: the call that fails; S12: the step that closes */
    uint64_t base_seed;
    uint64_t seed;
    uint64_t random;
    uint64_t thread;
    uint32_t limit_seconds;
    bool verbose;
    bool stays; /* the process has other cases to run: a skip does not end it */

    void *given;
    cede_loop *loop;
    cede_loop *loops[CFT_LOOPS]; /* others that the run's end closes */
    uint32_t loop_count;
    bool closed;     /* the run's loop was closed */
    bool loop_broke; /* cede_loop_open failed by an injected failure */
    uint64_t steps;
    bool step_due; /* S12: inside a callback; close as soon as possible */
    bool stepped;  /* S12: the loop was closed at a step */
    bool frozen;
    bool ending;
    jmp_buf out;

    _Atomic uint32_t events;
    _Atomic uint32_t undone;
    cft_rec *records;
    uint32_t record_count;
    struct cft_block *blocks;
    struct cft_last {
        struct cft_last *next;
        void (*fn)(void *);
        void *context;
    } * lasts; /* cft_at_end */
    struct cft_pool *pools;
    bool limited; /* descriptors may have run out */
    struct cft_grave *graves;
    bool plain_memory; /* of what is ceded, also where it could have pages of its own */
    cft_gate *gate;    /* guards blocks, graves, records, threads */
    uint32_t waits_in_callbacks;

    struct cft_actor *actor;
    cft_os_thread *threads[CFT_THREADS];
    uint32_t thread_count;
    cede_handle *handles; /* all that came up; those not closed are dropped at the end */
    uint32_t handle_count;
    uint32_t handle_room;
    uint32_t names; /* of local sockets, so far */
    intptr_t peers[64];
    uint32_t peer_count;
    char notes[CFT_NOTES][160];
    uint32_t note_count;
    uint32_t trials;     /* calls of cft_dies and cft_lives */
    uint32_t only_trial; /* the one that this process is for; 0: a process of the case's own */
};

/* Of the calling thread: how deep in what. */
typedef struct cft_depths {
    uint32_t inside;  /* calls of the library that must not call back */
    uint32_t driving; /* run, wait, close */
    uint32_t depth;   /* callbacks */
    uint32_t waits;   /* cede_wait inside callbacks */
} cft_depths;

#if defined(_MSC_VER)
#define CFT_THREAD_LOCAL __declspec(thread)
#else
#define CFT_THREAD_LOCAL _Thread_local
#endif

extern CFT_THREAD_LOCAL cft_depths cft_here;

/* run.c */
int cft_run_once(cft *); /* an exit code */
void cft_step(cft *);    /* S12 */
void cft_leave(cft *);   /* ends the run's body early, well */
void cft_print_pending(cft *);
void cft_late_exit(void *context);

/* rec.c */
void cft_records_check(cft *, bool all_done);
void cft_records_free(cft *);
void cft_heirs_check(cft *);
void cft_bury(cft *, void *memory, size_t bytes);
void cft_graves_check(cft *);

/* pool.c */
void cft_pools_check(cft *);

/* act.c */
void cft_actor_stop(cft *);

/* faults.c */
void cft_faults_install(void);
void cft_faults_arm(cft *);
void cft_faults_off(cft *);
bool cft_faults_hit(const cft *);
#define CFT_ALLOC_MODES 2u

/* child.c */
int cft_child_main(const char *const *words); /* an exit code */
/* Ends this process, in which the library did nothing: a sanitizer that looked for what it left
 * behind would take longer for that than most cases take. */
int cft_quit(int code);
/* child_loop.c; exit codes. All of its input to its output; the end of a child with these words. */
int cft_child_own(const char *backend);
int cft_child_pass(const char *backend, const char *const *words);
/* What the child "tell" writes; returns the length, like snprintf. */
size_t cft_child_told(const char *const *words, const char *const *environment,
                      const char *directory, char *out, size_t room);

/* suite.c */
const cft_case *cft_cases(size_t *count);
bool cft_runs_on(const cft_case *, const cft_world *);
/* The reason with which a case may be skipped; NULL: it may not. */
const char *cft_excuse(const char *kase, const char *world, const char *condition,
                       const char **evidence);
/* The schedules of a case that are always left out in a world, with reasons in deviations.def. */
uint32_t cft_left_out(const char *kase, const char *world);
/* '*' stands for any text, '?' for any character, a comma between patterns for "or". */
bool cft_glob(const char *pattern, const char *text);
uint64_t cft_mix(uint64_t a, uint64_t b);
uint64_t cft_hash(const char *text);

#endif
