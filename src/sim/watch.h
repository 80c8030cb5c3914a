/*
 * Watches of directories of a simulated world. Under the world's lock.
 */
#ifndef CEDE_SIM_WATCH_H
#define CEDE_SIM_WATCH_H

#include "fs.h"

/* A name of a directory has changed (CEDE_CHANGE_): tells those that watch it. */
void sim_watch_name(sim_node *dir, uint8_t what, const char *name, size_t length);
/* A directory has lost its place, or is gone. */
void sim_watch_gone(sim_node *dir);
/* Data or facts of a node: tells those that watch a directory where it has a name. */
void sim_watch_changed(const sim_node *);
void sim_watch_close(sim_watch *);
/* What a watch_many is about to report: packs it into a buffer. */
void sim_watch_pool(cede_sim *, sim_work *, uint32_t *number);

#endif
