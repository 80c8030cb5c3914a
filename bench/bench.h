/*
 * The bench: what a row is made of, and the helpers that its files share.
 *
 * A row (B1, B2, ...) has cases (depth 1, depth 32); a case has contestants: the floor, which is
 * the same work written by hand with nothing between it and the kernel, the peers, and cede. The
 * harness opens all contestants of a case and runs them in turn, round by round (A B C A B C ...),
 * so that whatever drifts on the machine drifts for all of them.
 *
 * Everything here is for the main thread. Whatever goes wrong in a contestant ends the program
 * (bench_die): a number from work that failed would be worse than none.
 */
#ifndef CEDE_BENCH_H
#define CEDE_BENCH_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
    BENCH_MEASURES = 4,    /* figures that one round gives, at most */
    BENCH_CONTESTANTS = 8, /* in one case, at most */
    BENCH_GOALS = 4,
    BENCH_ROUNDS = 101 /* kept, at most */
};

/* ---- The surroundings ----------------------------------------------------------------------- */

typedef struct bench_env {
    const char *dir;   /* our own directory, on a file system that takes O_DIRECT if there is one */
    bool direct;       /* it takes O_DIRECT */
    bool quick;        /* everything small: to see that it works, not to publish */
    unsigned rounds;   /* measured rounds of a case, unless the case asks for fewer */
    uint64_t round_ns; /* how long one round of one contestant should take */
    const char *who;   /* comma-separated names: only these contestants; NULL: all */
} bench_env;

/* Prints one line to standard error and ends the program, the directory removed. */
_Noreturn void bench_die(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* bench_die with `what` and the error's text unless `result` is 0 or more; returns it. */
long bench_check(long result, const char *what);
/* The same for results that are -errno. */
long bench_check_neg(long result, const char *what);

uint64_t bench_wall_ns(void);
uint64_t bench_cpu_ns(void); /* of all threads of the process, the kernel's workers for it too */

/* A pseudo-random number; the same sequence in every run. */
uint64_t bench_random(uint64_t *state);
/* 0 ... count-1 in random order. */
uint32_t *bench_permutation(uint32_t count, uint64_t seed);
/* malloc or die; zeroed. align 0: any. */
void *bench_alloc(size_t count, size_t bytes, size_t align);

/* A file of that many random bytes in the directory, made once, on the disk and in the page cache;
 * the descriptor is the caller's. flags: for open. */
int bench_file(const bench_env *, const char *name, uint64_t bytes, int flags);
/* The path of a file in the directory, for as long as the program runs. */
const char *bench_path(const bench_env *, const char *name);

/* ---- Rows ------------------------------------------------------------------------------------ */

typedef enum bench_role { BENCH_FLOOR, BENCH_PEER, BENCH_CEDE } bench_role;

typedef struct bench_case bench_case;

/* One round of one contestant. */
typedef struct bench_run {
    const bench_env *env;
    const bench_case *of;
    uint64_t ops;               /* how many operations to do */
    double out[BENCH_MEASURES]; /* the figures, in the order of the case's measures */
    uint64_t start_wall_ns, start_cpu_ns, start_allocations;
    uint64_t allocations;      /* the library's, between start and stop */
    uint64_t start_heap, heap; /* the whole thread's */
} bench_run;

/* Around the work that is measured. stop sets out[0] to the wall time of an operation and out[1]
 * to its CPU time, both in nanoseconds; a row with other measures overwrites them. */
void bench_start(bench_run *);
void bench_stop(bench_run *);

typedef struct bench_contestant {
    const char *name;
    bench_role role;
    /* All that is not measured. NULL: not possible here, and *why says why. */
    void *(*open)(const bench_env *, const bench_case *, const char **why);
    void (*round)(void *self, bench_run *);
    void (*close)(void *self);
} bench_contestant;

typedef struct bench_measure {
    const char *name; /* "wall", "CPU", "restart" */
    const char *unit; /* "ns", "k/s" */
    bool more_is_better;
} bench_measure;

/* Against what cede's figure is held. */
typedef enum bench_against {
    BENCH_ABSOLUTE,     /* the figure itself is at most `limit` */
    BENCH_CONTESTANT,   /* its cost is at most `limit` times that of `who` */
    BENCH_BEST_PEER,    /* the same, of the cheapest peer */
    BENCH_FLOOR_GROWTH, /* this measure divided by `base`: at most `limit` times the floor's */
    BENCH_SHOWN         /* no limit was set: shown against `who`, no verdict */
} bench_against;

typedef struct bench_goal {
    const char *text; /* a sentence without verb: "at most 1.10 of the floor" */
    bench_against against;
    unsigned measure, base;
    const char *who;
    double limit; /* of cost: for rates, of the reciprocal */
} bench_goal;

struct bench_case {
    const char *name;    /* "depth 32" */
    uint64_t size;       /* depth, or how many */
    unsigned variant;    /* what tells cases of a row apart besides the size; the row's own */
    bool fixed;          /* a round is `size` operations; else as many as fill its time */
    bool slow;           /* --quick runs one round, without another to warm up */
    unsigned rounds_max; /* 0: no limit; for what takes long */
    bool instructions;   /* user-space instructions can be counted: one thread does the work */
    unsigned plotted;    /* the measure for the plot */
    double instructions_limit;       /* goal: at most so many ... */
    double instructions_above_floor; /* ... or so many above the floor's; 0: none */
    bench_measure measures[BENCH_MEASURES];
    const bench_contestant *contestants[BENCH_CONTESTANTS];
    bench_goal goals[BENCH_GOALS];
};

typedef struct bench_row {
    const char *id;    /* "B2" */
    const char *title; /* "kernel no-op" */
    const bench_case *cases;
    unsigned case_count;
} bench_row;

extern const bench_row bench_b1, bench_b2, bench_b3, bench_b4, bench_b5, bench_b6, bench_b7,
    bench_b8, bench_b9, bench_b10, bench_b11, bench_b12, bench_b13, bench_b14, bench_b15;
extern const bench_row *const bench_rows[];
extern const unsigned bench_row_count;

/* ---- Results --------------------------------------------------------------------------------- */

typedef struct bench_series {
    const bench_contestant *who;
    const char *why_not;  /* could not be opened; nothing else is set */
    uint64_t ops;         /* in each round */
    uint64_t allocations; /* most in a measured round; cede only */
    double rounds[BENCH_MEASURES][BENCH_ROUNDS];
    double median[BENCH_MEASURES];
    double spread[BENCH_MEASURES];   /* half the distance of the quartiles, of the median */
    double of_floor[BENCH_MEASURES]; /* median of the rounds' ratios of cost; 0: no floor */
    double instructions;             /* of one operation, in user space; < 0: not counted */
} bench_series;

typedef struct bench_verdict {
    const bench_goal *goal; /* NULL: the goal of instructions */
    char text[96];
    double found;
    enum { BENCH_REACHED, BENCH_NOT_REACHED, BENCH_NO_VERDICT } is;
} bench_verdict;

typedef struct bench_result {
    const bench_row *row;
    const bench_case *of;
    unsigned rounds, count, verdicts;
    const char *no_instructions; /* wanted, but not to be had: why */
    bench_series series[BENCH_CONTESTANTS];
    bench_verdict verdict[BENCH_GOALS + 1];
} bench_result;

/* Runs one case and judges it. false: nobody could take part, or interrupted. */
bool bench_run_case(const bench_env *, const bench_row *, const bench_case *, bool instructions,
                    bench_result *);
/* SIGINT or SIGTERM came: finish the round, write what there is, clean up. */
bool bench_interrupted(void);
/* Ends the program, saying for whom it waited, unless called again within so many seconds (0: for
 * good). A contestant that hangs should not hang whoever waits for the bench. */
void bench_guard(unsigned seconds, const bench_row *, const bench_case *, const char *who);

/* User-space instructions of one operation of that contestant, counted by stepping a child through
 * two rounds of different length. < 0: not possible here, *why says why. */
double bench_count_instructions(const bench_env *, const bench_row *, const bench_case *,
                                const bench_contestant *, const char **why);
/* The child's side: the arguments as the parent made them; returns an exit status. */
int bench_counted_child(const bench_env *, char **argv);
/* Between two of these the parent counts; nothing in a process that is not such a child. */
void bench_count_marker(void);

void bench_print_head(FILE *, const bench_env *);
void bench_print_result(FILE *, const bench_result *);
void bench_print_summary(FILE *, const bench_result *, unsigned count);
/* All of it, every round too; and one line for each bar of the plot. */
void bench_write_json(FILE *, const bench_env *, const bench_result *, unsigned count);
void bench_write_plot_data(FILE *, const bench_result *, unsigned count);

/* ---- What several rows share ----------------------------------------------------------------- */

struct io_uring;
/* A ring with the best flags that the kernel takes: one issuer, deferred task work, a registered
 * descriptor. */
void bench_ring_open(struct io_uring *, unsigned entries, unsigned cq_entries);

struct cede_loop;
/* A cede loop on io_uring, whose allocations bench_stop counts. */
struct cede_loop *bench_cede_open(uint64_t spin_ns);
void bench_cede_close(struct cede_loop *);
uint64_t bench_cede_allocations(void);
_Noreturn void bench_cede_failed(int32_t status, const char *what);
/* Dies unless the status is CEDE_OK. */
static inline void bench_cede_check(int32_t status, const char *what)
{
    if (status != 0) {
        bench_cede_failed(status, what);
    }
}

struct event_base;
/* A libevent base; locks: usable from several threads. */
struct event_base *bench_event_base(bool locks);

#endif
