/*
 * What the core needs of an operating system, and nothing more: who is calling, has the process
 * forked, one lock for rare growth, a gate for a thread to sleep at, the clock. Each system
 * implements it in its folder (src/posix/os.c); os_thread.h there is found by the include path.
 */
#ifndef CEDE_OS_H
#define CEDE_OS_H

#include <stddef.h>
#include <stdint.h>

#include "os_thread.h" /* uintptr_t cede_os_thread(void) */

/* Points to a word that reads 1 in this process and 0 in a forked child. Never fails: where the
 * system cannot tell, the word is always 1. */
const volatile uint32_t *cede_os_alive(void);

/* One lock for the whole process, for paths that grow tables. Not recursive. */
void cede_os_lock(void);
void cede_os_unlock(void);

/* Lets other threads run. */
void cede_os_yield(void);

/* Monotonic nanoseconds. */
uint64_t cede_os_now(void);

/* Writes a line to standard error, in one piece. */
void cede_os_say(const char *line);

/* The same, and stops the process. */
_Noreturn void cede_os_fatal(const char *line);

/* A gate: open lets one wait pass, the present or the next. */
typedef struct cede_os_gate cede_os_gate;
cede_os_gate *cede_os_gate_new(void); /* NULL: out of memory */
void cede_os_gate_free(cede_os_gate *);
void cede_os_gate_open(cede_os_gate *); /* any thread */
void cede_os_gate_wait(cede_os_gate *, uint64_t timeout_ns);

#endif
