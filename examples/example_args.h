/*
 * Words of the command line, for the example programs.
 */
#ifndef EXAMPLE_ARGS_H
#define EXAMPLE_ARGS_H

#include "cede/cede.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whether nothing but the usage is asked for, which is then told. */
static inline bool args_help(int count, char **words, const char *usage)
{
    if (count != 2 || (strcmp(words[1], "-h") != 0 && strcmp(words[1], "--help") != 0))
        return false;
    fputs(usage, stdout);
    return true;
}

/* A time above 0 in seconds, as nanoseconds; false: it is none. */
static inline bool args_seconds(const char *word, uint64_t *ns)
{
    char *end;
    double value = strtod(word, &end);
    *ns = value > 0 && value < 1e9 ? (uint64_t)(value * (double)CEDE_SECOND) : 0;
    return *end == '\0' && *ns != 0;
}

/* A number from 1 to most; false: it is none. */
static inline bool args_number(const char *word, unsigned long most, unsigned long *value)
{
    char *end;
    *value = strtoul(word, &end, 10);
    return word[0] >= '0' && word[0] <= '9' && *end == '\0' && *value > 0 && *value <= most;
}

/* Cuts "HOST:PORT" in two; false: it is none. */
static inline bool args_host(char *word, uint16_t *port)
{
    char *colon = strrchr(word, ':'), *end;
    unsigned long number = colon ? strtoul(colon + 1, &end, 10) : 0;
    if (number == 0 || number > 65535 || *end || colon == word)
        return false;
    *colon = '\0';
    *port = (uint16_t)number;
    return true;
}

#endif
