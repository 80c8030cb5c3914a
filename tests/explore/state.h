/* A hash of all that the rest of a run depends on; see state.c. */
#ifndef EXPLORE_STATE_H
#define EXPLORE_STATE_H

#include "explore.h"

/* Before action `next`. 0: this state cannot be hashed, take it for one never seen. */
uint64_t state_hash(uint32_t next);
/* When all is over: the results and what moved, without their order. */
uint64_t state_outcome(void);

#endif
