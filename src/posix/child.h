/*
 * Child processes. A child is its process descriptor (pidfd); until somebody asks for its end, or
 * the descriptor is closed, an ended one stays as a zombie, so that every wait is told the same.
 *
 * Those that were closed while they ran are kept in a list of the process, so that they do not stay
 * as zombies when they end. A backend that can hears of a child's end after its close, and has the
 * list looked through; it is, too, at later spawns and closes, whatever becomes of that loop. What
 * has a number in the list is told from another that has it later, and is the program's to wait
 * for, by the moment at which it was started.
 *
 * Threads: spawn is for a thread that may block; all else for any.
 */
#ifndef CEDE_POSIX_CHILD_H
#define CEDE_POSIX_CHILD_H

#include "cede/backend.h"
#include "cede/system.h"

/* Whether there are process descriptors: old kernels, filters and valgrind have none. */
bool cedi_child_possible(void);
/* Duplicates what its arguments name, on the thread that knows the handles; nothing is kept on
 * failure. 0 or an errno. */
int cedi_child_streams(cede_core *, const cede_spawn *, int streams[3]);
void cedi_child_streams_close(const int streams[3]);
/* Starts it and closes the streams. 0 or an errno. */
int cedi_child_spawn(const cede_spawn *, const int streams[3], int *native, uint64_t *id);
/* Of one that has ended: what child_wait's count is. 0 or an errno. */
int cedi_child_status(int native, uint64_t *count);
int cedi_child_kill(int native, uint32_t how);
/* It is about to be closed: what has ended is gone, what runs is left. Harmless for others. */
void cedi_child_left(int native);
/* It is the program's from now on. Harmless for others. */
void cedi_child_released(int native);
/* Whether it is one that this process started, has not left, and that runs. */
bool cedi_child_runs(int native);
/* Takes those away that were left and have ended. */
void cedi_child_sweep(void);

#endif
