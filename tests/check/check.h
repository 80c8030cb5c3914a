/*
 * Checked builds and misuse, tried: each case does one thing that a program must not do, or a thing
 * that it may do though it looks like one, in a process of its own; main.c judges how that ended
 * and what it said. cases.def lists them.
 *
 * A case says itself what must be said of it: AT(act) that a tool must name this line, HERE(act)
 * that the library's one line must, WANT(text) that it must have this in it.
 */
#ifndef CHECK_H
#define CHECK_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cede/cede.h"
#include "cede/sim.h"

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#ifndef WITH_ASAN
#define WITH_ASAN 0
#endif

/* What a case finds. */
typedef struct stage {
    cede_loop *loop;
    cede_sim *world;     /* NULL on a real kernel */
    cede_handle in, out; /* the ends of an empty pipe */
    cede_handle file;    /* 4096 bytes, open for both */
    cede_handle dir;     /* its directory, open */
    const char *path;    /* the file's */
    const char *link;    /* of a symbolic link to it, */
    bool has_link;       /* where they can be made */
    const char *absent;  /* of nothing, in the same directory, */
    const char *folder;  /* and that one's */
} stage;

typedef void check_fn(stage *);

#define CHECK_CASE(kind, name, sentence) check_fn check_##name;
#include "cases.def"

/* "touch.c:17", without folders; static. */
const char *check_place(const char *file, int line);

void check_line(const char *place);
void check_want(const char *text);
_Noreturn void check_fail(const char *file, int line, const char *what);

/* AT: does it, and a tool must name this line. HERE: does it, and the library must name it. */
#define AT(...)    (check_line(check_place(__FILE__, __LINE__)), __VA_ARGS__)
#define HERE(...)  (check_want(check_place(__FILE__, __LINE__)), __VA_ARGS__)
#define WANT(text) check_want(text)
#define HOLDS(holding)                                \
    do {                                              \
        if (!(holding))                               \
            check_fail(__FILE__, __LINE__, #holding); \
    } while (0)

#define CHECK_SKIPPED 77

/* The case's process: makes the stage, in an empty folder, and runs the case. */
int check_child(const char *backend, check_fn *, const char *folder);
/* The case makes no sense here. */
_Noreturn void check_skip(const char *why);

/* A done that keeps nothing, and one that frees the request, which was allocated alone. */
void check_done(cede_req *, cede_result);
void check_free(cede_req *, cede_result);

/* Ends what pends, runs until idle. */
void check_finish(stage *, cede_ticket);

/* Submits what makes a handle, and waits for that; two streams that are connected. */
cede_handle check_opened(stage *, cede_req *);
void check_pair(stage *, cede_handle *first, cede_handle *second);
cede_handle check_stream(stage *); /* one end of such a pair; the other stays open */

/* Another loop, in the same world. */
cede_loop *check_another(void);

/* This program, by the name that it was started with. */
extern const char *check_self;

/* AddressSanitizer leaves out the accesses that the compiler sees to be inside a named variable:
 * those of a program go through pointers, and so do these. */
void *check_hidden(void *);
#define LOOK(memory) (check_sink = *(volatile char *)check_hidden(memory))
#define HIT(memory)  (++*(volatile char *)check_hidden(memory))

/* Reads a byte so that no compiler can leave it out. */
extern volatile char check_sink;

#endif
