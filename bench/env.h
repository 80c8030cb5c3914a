/*
 * The test directory and the handling of SIGINT: for main.c only.
 */
#ifndef CEDE_BENCH_ENV_H
#define CEDE_BENCH_ENV_H

#include "bench.h"

/* Makes a directory under `parent`, or, without one, under the first of $TMPDIR, /var/tmp, the
 * working directory and /tmp whose file system takes O_DIRECT. It is removed at exit. */
void bench_env_open(bench_env *, const char *parent);
void bench_env_close(bench_env *);

#endif
