/*
 * The table of cases and the table of known deviations.
 */
#include "inner.h"

#include <stdio.h>
#include <string.h>

#define S0  CFT_SCHEDULE(0)
#define S1  CFT_SCHEDULE(1)
#define S2  CFT_SCHEDULE(2)
#define S3  CFT_SCHEDULE(3)
#define S4  CFT_SCHEDULE(4)
#define S5  CFT_SCHEDULE(5)
#define S6  CFT_SCHEDULE(6)
#define S7  CFT_SCHEDULE(7)
#define S8  CFT_SCHEDULE(8)
#define S9  CFT_SCHEDULE(9)
#define S10 CFT_SCHEDULE(10)
#define S11 CFT_SCHEDULE(11)
#define S12 CFT_SCHEDULE(12)
#define S13 CFT_SCHEDULE(13)
#define ANY (S0 | S5 | S6 | S7 | S8 | S9 | S10 | S11 | S12 | S13)
/* Those that move much: without S9 and S12, whose runs are as many as their steps. */
#define BULK (S0 | S5 | S6 | S7 | S8 | S10 | S11 | S13)
/* The same without S11, where each of hundreds of orders would move it. */
#define LARGE     (S0 | S5 | S6 | S7 | S8 | S10 | S13)
#define ANY_LOCAL (S0 | S6 | S7 | S8 | S9 | S11 | S12 | S13)
#define CANCELS   (ANY | S1 | S2 | S3 | S4)

/* The function of a case, if this system has it. */
#define FUNCTION_BOTH(name) cft_case_##name
#define FUNCTION_REAL(name) cft_case_##name
#define FUNCTION_sim(name)  cft_case_##name
#ifdef _WIN32
#define FUNCTION_WIN32(name)    cft_case_##name
#define FUNCTION_io_uring(name) NULL
#else
#define FUNCTION_WIN32(name)    NULL
#define FUNCTION_io_uring(name) cft_case_##name
#endif

static const cft_case cases[] = {
#define CONFORMANCE_CASE(name, law, sentence, backends, schedules) \
    {#name, law, sentence, #backends, schedules, FUNCTION_##backends(name)},
#include "cases.def"
#undef CONFORMANCE_CASE
};

static const struct {
    const char *kase;
    const char *world;
    uint32_t schedules; /* left out; 0: the whole case, when the condition arises */
    const char *condition;
    const char *reason;
    const char *evidence;
} deviations[] = {
#define CONFORMANCE_DEVIATION(kase, world, schedules, condition, reason, evidence) \
    {kase, world, schedules, condition, reason, evidence},
#include "deviations.def"
#undef CONFORMANCE_DEVIATION
};

static const struct {
    const char *id;
    uint32_t first, last;
} wine_rows[] = {
#define CONFORMANCE_WINE(id, first, last, wine, windows) {#id, first, last},
#include "wine.def"
#undef CONFORMANCE_WINE
};

#define DEVIATIONS (sizeof deviations / sizeof deviations[0])

const cft_case *cft_cases(size_t *count)
{
    *count = sizeof cases / sizeof cases[0];
    return cases;
}

bool cft_runs_on(const cft_case *kase, const cft_world *world)
{
    if (strcmp(kase->backends, "BOTH") == 0)
        return true;
    if (strcmp(kase->backends, "REAL") == 0)
        return strcmp(world->name, "sim") != 0;
    if (strcmp(kase->backends, "WIN32") == 0)
        return strncmp(world->name, "win32", 5) == 0;
    return strcmp(kase->backends, world->name) == 0;
}

bool cft_deviates(cft *t, const char *id)
{
    uint32_t version = t->world->wine ? t->world->wine() : 0;
    size_t used = strlen(t->board->deviates);
    for (size_t i = 0; i < sizeof wine_rows / sizeof wine_rows[0]; i++) {
        if (strcmp(wine_rows[i].id, id) != 0)
            continue;
        if (version < wine_rows[i].first || version > wine_rows[i].last)
            return false;
        if (!strstr(t->board->deviates, id) && used + strlen(id) + 2 < sizeof t->board->deviates)
            snprintf(t->board->deviates + used, sizeof t->board->deviates - used, "%s%s",
                     used ? " " : "", id);
        return true;
    }
    cft_note(t, "%s has no row in wine.def", id);
    cft_failed(t, __FILE__, __LINE__, "a deviation has its row");
    return false;
}

static bool ends(const char *pattern)
{
    return !*pattern || *pattern == ',';
}

static bool matches(const char *pattern, const char *text)
{
    for (; !ends(pattern) && *pattern != '*'; pattern++, text++) {
        if (!*text || (*pattern != '?' && *pattern != *text))
            return false;
    }
    if (ends(pattern))
        return !*text;
    for (;; text++) {
        if (matches(pattern + 1, text))
            return true;
        if (!*text)
            return false;
    }
}

bool cft_glob(const char *pattern, const char *text)
{
    while (!matches(pattern, text)) {
        pattern = strchr(pattern, ',');
        if (!pattern++)
            return false;
    }
    return true;
}

const char *cft_excuse(const char *kase, const char *world, const char *condition,
                       const char **evidence)
{
    for (size_t i = 0; i < DEVIATIONS; i++) {
        if (!deviations[i].schedules && cft_glob(deviations[i].kase, kase) &&
            cft_glob(deviations[i].world, world) &&
            strcmp(deviations[i].condition, condition) == 0) {
            *evidence = deviations[i].evidence;
            return deviations[i].reason;
        }
    }
    return NULL;
}

uint32_t cft_left_out(const char *kase, const char *world)
{
    uint32_t out = 0;
    for (size_t i = 0; i < DEVIATIONS; i++) {
        if (cft_glob(deviations[i].kase, kase) && cft_glob(deviations[i].world, world))
            out |= deviations[i].schedules;
    }
    return out;
}
