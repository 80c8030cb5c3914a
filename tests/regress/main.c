/* See regression.h. */
#include "regression.h"

#include "../port.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define ON_ANY(text) text
#ifdef _WIN32
#define ON_POSIX(text)
#else
#define ON_POSIX(text) text
#endif
#ifdef __linux__
#define ON_LINUX(text) text
#else
#define ON_LINUX(text)
#endif

#define ROW(system, name) ON_##system(int regression_##name(void);)
#include "regressions.def"
#undef ROW

static const struct {
    const char *name;
    int (*run)(void);
} rows[] = {
#define ENTRY(name)       {#name, regression_##name},
#define ROW(system, name) ON_##system(ENTRY(name))
#include "regressions.def"
#undef ROW
};

const char *regression_program;
const char *regression_act;
static const char *this_name;

bool regression_breaks_off(const char *act)
{
    char words[256];
    snprintf(words, sizeof words, "%s:%s", this_name, act);
    return port_breaks_off(regression_program, words);
}

int main(int argc, char **argv)
{
    if (argc == 2) {
        size_t bytes = strcspn(argv[1], ":");
        regression_program = argv[0];
        regression_act = argv[1][bytes] ? argv[1] + bytes + 1 : NULL;
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            this_name = rows[i].name;
            if (strlen(this_name) == bytes && memcmp(this_name, argv[1], bytes) == 0)
                return rows[i].run();
        }
    }
    fprintf(stderr, "usage: regress NAME[:ACT], with NAME one of\n");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        fprintf(stderr, "  %s\n", rows[i].name);
    return 2;
}
