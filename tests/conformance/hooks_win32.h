/*
 * Helpers for cases that put hooks of their own in the place of single system calls (cede/win32.h):
 * a loop over them, and a transfer that is taken out of the system's hands until the case says what
 * came of it.
 *
 * What is kept is static: a process runs one case at a time.
 */
#ifndef CFT_HOOKS_WIN32_H
#define CFT_HOOKS_WIN32_H

#include "conformance.h"

#include <windows.h>

#include "cede/win32.h"

/* A loop over these calls, of the world's lane or the one that is named. */
cede_loop *hooks_open(cft *, const cede_win32_calls *, uint32_t lane, uint32_t without);
/* The same over a hook that makes calls fail, or makes them wait. */
cede_loop *hooks_open_failing(cft *, const cede_win32_calls *,
                              int (*fault)(void *context, const char *call), void *context);

void hooks_await(cft *, cede_loop *, const cft_rec *);
void hooks_do(cft *, cede_loop *, cft_rec *); /* submits and awaits it */
void hooks_look(cft *, cede_loop *);          /* runs what there is */
/* The same of what makes a socket: its handle, and where it is. */
cede_handle hooks_made(cft *, cede_loop *, cft_rec *, cede_address *at);
/* A file of 4096 bytes, of key 1. */
cede_handle hooks_open_file(cft *, cede_loop *);
cft_rec *hooks_read_file(cft *, cede_loop *, cede_handle, uint64_t offset); /* 100 bytes */
cft_rec *hooks_read_pipe(cft *, cede_loop *, cede_handle); /* and hands it to the system */

/* Remembers the port that was used last. */
extern void *hooks_port;
uint32_t hooks_create_port(void *file, void *port, uintptr_t key, void **out);

/* Reads by a call of its own, and fills in the OVERLAPPED as if that had. */
void hooks_read_now(void *file, void *buffer, uint32_t bytes, OVERLAPPED *);

/* The read that was asked for last, of either lane; it pends until hooks_tell. */
typedef struct hooks_pending {
    void *file, *buffer;
    OVERLAPPED *overlapped;
    void (*routine)(DWORD error, DWORD bytes, LPOVERLAPPED); /* NULL: a packet tells */
    uint32_t bytes;
} hooks_pending;

extern hooks_pending hooks_kept;
extern uint32_t hooks_asked; /* how often one was kept */
extern const cede_win32_calls hooks_keeping;
uint32_t hooks_keep(void *file, void *buffer, uint32_t bytes, void *overlapped);
uint32_t hooks_keep_ex(void *file, void *buffer, uint32_t bytes, void *overlapped,
                       void (*routine)(void));
/* The system's word about it, by packet or routine: an error and its NTSTATUS. */
void hooks_tell(cft *, uint32_t error, ULONG_PTR status);

#endif
