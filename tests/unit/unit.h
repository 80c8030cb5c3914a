/*
 * What the unit tests share: a check that ends the program, a random number from a seed.
 *
 * A unit test is a program. It ends with 0, or prints the first thing that did not hold, and where.
 */
#ifndef UNIT_H
#define UNIT_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* REQUIRE(condition, "format", ...): the text says what was the case. */
#define REQUIRE(condition, ...)                                                            \
    do {                                                                                   \
        if (!(condition)) {                                                                \
            fprintf(stderr, "%s:%d: does not hold: %s: ", __FILE__, __LINE__, #condition); \
            fprintf(stderr, __VA_ARGS__);                                                  \
            fputc('\n', stderr);                                                           \
            abort();                                                                       \
        }                                                                                  \
    } while (0)

#define UNIT_SKIPPED 77

/* splitmix64: passes through every seed once. */
static inline uint64_t unit_random(uint64_t *seed)
{
    uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static inline uint64_t unit_below(uint64_t *seed, uint64_t bound)
{
    return unit_random(seed) % bound;
}

/* The seed of this run: --seed N, or one that is always the same. */
static inline uint64_t unit_seed(int argc, char **argv)
{
    uint64_t seed = argc == 3 ? strtoull(argv[2], NULL, 0) : 1;
    printf("seed %" PRIu64 "\n", seed);
    return seed;
}

#endif
