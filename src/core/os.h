/*
 * What the core needs of an operating system, and nothing more: who is calling, has the process
 * forked, one lock for rare growth, a gate for a thread to sleep at, the clock; in checked builds
 * pages. Each system implements it in its folder (src/posix/os.c, os_pages.c); os_thread.h there is
 * found by the include path.
 */
#ifndef CEDE_OS_H
#define CEDE_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "checked.h"
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

/* A gate: open lets one wait pass, the present or the next. One thread waits at it. */
typedef struct cede_os_gate cede_os_gate;
cede_os_gate *cede_os_gate_new(void); /* NULL: out of memory */
void cede_os_gate_free(cede_os_gate *);
void cede_os_gate_open(cede_os_gate *); /* any thread, on POSIX also in a signal handler */
void cede_os_gate_wait(cede_os_gate *, uint64_t timeout_ns);

#ifdef CEDI_CHECKED
/* Pages, for checked builds. Addresses and lengths are whole pages. Any thread. */
enum { CEDE_OS_NO_ACCESS, CEDE_OS_READ_ONLY, CEDE_OS_WRITABLE };
size_t cede_os_page_bytes(void);
void *cede_os_pages_reserve(size_t bytes); /* without access or memory behind it; NULL: no room */
bool cede_os_pages_commit(void *, size_t bytes);              /* writable, and zeros */
void cede_os_pages_decommit(void *, size_t bytes);            /* as they were reserved */
bool cede_os_pages_protect(void *, size_t bytes, int access); /* what is committed */

/* Calls `fn` for each access that the system refuses, on the thread that made it, with the address;
 * then goes on as it would have without. Once in the life of a process. */
void cede_os_on_fault(void (*fn)(uintptr_t address));
#endif

#endif
