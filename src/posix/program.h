/*
 * Where the program of a child is.
 *
 * Threads: for a thread that may block.
 */
#ifndef CEDE_POSIX_PROGRAM_H
#define CEDE_POSIX_PROGRAM_H

#include "cede/system.h"

/* What posix_spawnp is to be given so that it finds the program from this process's directory,
 * though it looks for it when the child has gone to its own; in `room`, which has PATH_MAX bytes,
 * or as it is. 0 or an errno. */
int cedi_program_find(const cede_spawn *, char *room, const char **program);

#endif
