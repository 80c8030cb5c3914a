/*
 * What the suite needs of the operating system: child processes, threads, a clock for people.
 * One implementation a system (os_posix.c). Any thread unless said otherwise.
 */
#ifndef CFT_OS_H
#define CFT_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How a child process ended. */
typedef struct cft_end {
    int code;     /* its exit code, or -1 */
    int signal;   /* or the signal that ended it */
    bool hung;    /* it was killed, because it did not end in time */
    char *output; /* what it wrote, NUL-terminated; the caller's, from malloc */
    size_t bytes;
} cft_end;

/* What a child is to do. Where the system can copy a process (cft_os_copies), fn(context) runs in a
 * copy, and its exit code is what fn returns. Elsewhere this program is started anew with these
 * arguments, separated by spaces, which must lead it to the same. */
typedef struct cft_order {
    int (*fn)(void *);
    void *context;
    const char *arguments;
    const volatile uint64_t *moves; /* in shared memory: as long as it changes the child goes on */
} cft_order;

extern const bool cft_os_copies;

/* Runs a child to its end, or until it has not moved for the limit, or twice that. Its output is
 * collected; with `echo` also passed on as it comes. Only for a process of one thread. */
cft_end cft_os_child(const cft_order *, uint32_t limit_seconds, bool echo);
/* Memory that children share with their parent, zeroed. In a copy it is there by itself; a program
 * started anew gives the name that its parent had from cft_os_shared_name (one word, static). */
void *cft_os_shared(size_t bytes, const char *name);
const char *cft_os_shared_name(void);

/* Of this process: its program's path; its arguments behind the first; its environment; the
 * directory that it works in (NULL: unknown): all in UTF-8, static or in `out`. How many
 * descriptors it has beside the standard ones. */
const char *cft_os_program(void);
const char *const *cft_os_words(int argc, char **argv);
const char *const *cft_os_environment(void);
const char *cft_os_directory(char *out, size_t bytes);
uint32_t cft_os_handles(void);
/* Reads standard input: what there is; 0: the end. */
size_t cft_os_input(void *out, size_t bytes);
/* Standard input (0) or output (1), as the system names it. */
intptr_t cft_os_standard(int which);
/* Whether this process leads a group of its own; where that cannot be asked, it does. */
bool cft_os_leads_a_group(void);
/* What asks this process to end does not end it. */
void cft_os_ignore_asks(void);
/* A shell starts what shall stay in the background with some signals ignored, which children
 * inherit; a case shall find what a program has that was started by hand. A child of cft_os_child
 * does. */
void cft_os_forget_ignored(void);

/* First in main: standard output as it is written, and no window when the program breaks off. */
void cft_os_begin(void);

/* In a child: calls on_late(context) on the calling thread after so many seconds, then ends the
 * process. 0: not any more. */
void cft_os_watch(uint32_t seconds, void (*on_late)(void *), void *context);

typedef struct cft_thread_ cft_os_thread;
cft_os_thread *cft_os_start(void (*fn)(void *), void *context);
void cft_os_join(cft_os_thread *);
void cft_os_yield(void);
uint64_t cft_os_self(void);

typedef struct cft_gate cft_gate; /* a mutex and a condition */
cft_gate *cft_gate_new(void);
void cft_gate_free(cft_gate *);
void cft_gate_lock(cft_gate *);
void cft_gate_unlock(cft_gate *);
void cft_gate_wait(cft_gate *);   /* locked */
void cft_gate_signal(cft_gate *); /* locked */

uint64_t cft_os_now_ns(void);

#ifdef _WIN32
/* The function of that name in a library of the system, or NULL. Loads the library, which stays:
 * user32 and shell32, which few cases need, would make each start of this program half as long
 * again. */
typedef void cft_os_any(void);
cft_os_any *cft_os_function(const char *library, const char *name);
#endif

#endif
