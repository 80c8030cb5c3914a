/*
 * What the parts of the terminal test share: see terminal.c.
 */
#ifndef TESTS_TERMINAL_H
#define TESTS_TERMINAL_H

#include "../regress/fake.h"

#if defined(_WIN32)
#define NEW_LINE "\r\n"
#define END_KEYS "\\x1a\\r" /* a line that begins with ctrl-Z */
#else
#define NEW_LINE "\n"
#define END_KEYS "\\x04"
#endif

/* Has these keys typed, as printf %b understands them. Returns at once. */
void type(const char *keys);

/* A read of up to so many bytes, at most 100, one at a time; and what it must come to. */
cede_ticket begin_read(cede_loop *, note *, cede_handle, uint64_t bytes);
void expect_text(cede_loop *, note *, const char *);
void expect_line(cede_loop *, cede_handle, const char *keys, const char *text);

/* ---- The system's part ---------------------------------------------------------------------- */

#if defined(_WIN32)
extern const char *const backends[3];
void say(const char *, size_t bytes); /* in one piece, and not by cede */
cede_handle terminal_input(void);     /* borrowed */
cede_handle terminal_output(void);
/* Its reads of the console can be counted and changed. */
cede_status open_loop(const char *backend, cede_loop **);
/* Since `note_reads` the system has begun to read what is being typed. */
void note_reads(void);
void await_line_begun(cede_loop *);
void at_end_of_input(void);    /* Wine does not take ctrl-Z: made of the next line */
void odd_results(cede_loop *); /* that Windows gives and Wine does not */
bool interrupt_by_break(void); /* false: it cannot be made here */
bool is_terminal(void);        /* standard input */
#else
#include <unistd.h>
static inline void say(const char *text, size_t bytes)
{
    CHECK(write(1, text, bytes) == (ssize_t)bytes);
}
static inline cede_handle terminal_input(void)
{
    return cede_import(0, CEDE_KIND_AUTO, CEDE_IMPORT_BORROW);
}
static inline cede_handle terminal_output(void)
{
    return cede_import(1, CEDE_KIND_AUTO, CEDE_IMPORT_BORROW);
}
static const char *const backends[] = {NULL, NULL};
static inline cede_status open_loop(const char *backend, cede_loop **loop)
{
    (void)backend;
    return cede_loop_open(NULL, loop);
}
static inline void note_reads(void)
{
}
static inline void await_line_begun(cede_loop *loop)
{
    (void)loop; /* the system has it in any case */
}
static inline void at_end_of_input(void)
{
}
static inline void odd_results(cede_loop *loop)
{
    (void)loop;
}
static inline bool interrupt_by_break(void)
{
    type("\\x1c");
    return true;
}
static inline bool is_terminal(void)
{
    return isatty(0) != 0;
}
#endif

#endif
