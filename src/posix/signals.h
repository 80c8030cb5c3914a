/*
 * Signals to the process, told to all who listen.
 *
 * While anybody listens for a signal it has our handler; when the last has gone, what it had
 * before, unless somebody else has set something meanwhile. What somebody else has set is what it
 * had before, from the next request on, which takes the signal over again. The handler allocates,
 * locks and waits for nothing: it marks the signal with each listener and wakes it. Listeners are
 * recycled, never freed, so it may look at one that has gone.
 *
 * Threads: listen, heeded, want and leave are for any but lock; take is the listener's own; the
 * handler runs on whichever thread the system chose.
 */
#ifndef CEDE_POSIX_SIGNALS_H
#define CEDE_POSIX_SIGNALS_H

#include "cede/backend.h"
#include "cede/system.h"

typedef struct cedi_listener cedi_listener;

/* `wake` is called by the handler, and must be safe there (signal-safety(7)). NULL: out of memory.
 */
cedi_listener *cedi_signals_listen(void (*wake)(void *), void *context);
/* What is left of a request's signals, if it leaves those that are ignored. */
uint32_t cedi_signals_heeded(uint32_t bits);
/* ORs of CEDE_SIGNAL_BIT: those that it wants from now on, and those that a request which begins
 * is for. */
void cedi_signals_want(cedi_listener *, uint32_t bits, uint32_t begun);
/* What has come since the last time; also before it sleeps, so that it does not. */
uint32_t cedi_signals_take(cedi_listener *);
bool cedi_signals_came(const cedi_listener *);
/* Wants nothing any more; its wake is not under way and will not be called again. */
void cedi_signals_leave(cedi_listener *);

#endif
