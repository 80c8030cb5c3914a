/* What the runner was told on its command line. The runner's thread only. */
#ifndef CFT_OPTIONS_H
#define CFT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct cft_settings {
    const char *backend;
    const char *pattern;
    uint32_t only_schedule; /* CFT_SCHEDULES: all */
    uint32_t without;       /* these are left out, an OR of CFT_SCHEDULE(n) */
    bool only_variant;      /* with variant and k */
    uint32_t variant;
    uint64_t k;
    uint64_t seed;
    uint32_t repeat;
    uint32_t limit_seconds;
    uint32_t every; /* of the steps of S9 and S12, and of seeds: each so many-th */
    uint32_t turns; /* of the schedules but S0 and S9: each so many-th */
    const char *junit;
    const char *board; /* in a child that was started anew: the name of its parent's */
    uint32_t trial;    /* in one that is for a trial (trial.c): which */
    bool tap, list, verbose, fork;
} cft_settings;

/* False: it cannot be understood; the usage was written to standard error. */
bool cft_parse(cft_settings *, int argc, char **argv);

#endif
