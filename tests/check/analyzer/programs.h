/*
 * What the programs for the static analyzer share. They are read, never run. A line that must be
 * reported ends with the mark BAD; every other line must not be.
 */
#ifndef PROGRAMS_H
#define PROGRAMS_H

#include <stdlib.h>

#include "cede/cede.h"

/* An object of the usual kind: a request in its middle, memory for it around. */
typedef struct object {
    int number;
    char buffer[64];
    cede_req req;
    struct object *next;
} object;

/* Two requests, neither at the start. */
typedef struct pair {
    int left;
    cede_req up, down;
    char buffers[2][64];
} pair;

/* Somewhere else in the program. */
extern cede_loop *loop;
extern cede_handle file;
void on_done(cede_req *, cede_result);
void on_up(cede_req *, cede_result);
void on_down(cede_req *, cede_result);
void note(int);

static inline object *object_new(void)
{
    object *o = malloc(sizeof *o);
    if (o)
        o->number = 0;
    return o;
}

#endif
