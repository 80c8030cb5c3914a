/*
 * Look-ups that the core answers itself. The loop's thread.
 */
#ifndef CEDE_LOOKUP_INNER_H
#define CEDE_LOOKUP_INNER_H

#include "core.h"

/* A look-up whose turn it is to be offered to the backend. One that needs none is reported, and
 * true. */
bool cedi_lookup_number(cede_loop *, cedi_slot *);

#endif
