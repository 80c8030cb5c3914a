/*
 * The servers of echo.h as contestants of a row. Main thread.
 */
#ifndef CEDE_BENCH_ECHO_ROWS_H
#define CEDE_BENCH_ECHO_ROWS_H

#include "bench.h"
#include "echo.h"

void *echo_open(const echo_side *, const bench_case *);
void echo_round(void *self, bench_run *);
void echo_close(void *self);

/* All of them; the last is cede. */
enum { ECHO_EVERYBODY = 8 };
extern const bench_contestant *const echo_everybody[ECHO_EVERYBODY];

#endif
