/*
 * Handles: names of open files, pipes, terminals, directories, sockets, child processes and
 * watches, valid in the whole process.
 *
 * A handle is a value. It is bound to a loop by its first submission, so that handing it to another
 * loop before that is passing the value; afterwards it is release and import. On a handle of
 * another loop a request completes with CEDE_EINVAL; on a stale one with CEDE_EBADF: never can it
 * reach another file (law 10).
 */
#ifndef CEDE_HANDLE_H
#define CEDE_HANDLE_H

#include "cede/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a handle is. Files have positions; pipes, terminals and connected sockets are streams. */
#define CEDE_KIND_AUTO     0x000u /* import: ask the system at the first submission */
#define CEDE_KIND_FILE     0x001u
#define CEDE_KIND_PIPE     0x002u
#define CEDE_KIND_TTY      0x004u
#define CEDE_KIND_DIR      0x008u
#define CEDE_KIND_DISK     0x010u /* a block device */
#define CEDE_KIND_CHAR     0x020u /* another character device (/dev/null) */
#define CEDE_KIND_STREAM   0x040u /* a socket that is connected, for bytes both ways */
#define CEDE_KIND_LISTENER 0x080u /* one that listens */
#define CEDE_KIND_DATAGRAM 0x100u /* one for datagrams */
#define CEDE_KIND_CHILD    0x200u /* a child process (system.h) */
#define CEDE_KIND_WATCH    0x400u /* a watch of a directory (system.h) */
#define CEDE_KIND_OBJECT   0x800u /* something else that can be polled: see cede_prep_poll */

#define CEDE_KIND_STREAMS (CEDE_KIND_PIPE | CEDE_KIND_TTY | CEDE_KIND_STREAM)
#define CEDE_KIND_BYTES   (CEDE_KIND_STREAMS | CEDE_KIND_FILE | CEDE_KIND_DISK | CEDE_KIND_CHAR)
#define CEDE_KIND_SYNCS   (CEDE_KIND_FILE | CEDE_KIND_DIR | CEDE_KIND_DISK)
#define CEDE_KIND_SOCKETS (CEDE_KIND_STREAM | CEDE_KIND_LISTENER | CEDE_KIND_DATAGRAM)
#define CEDE_KIND_POLLED  (CEDE_KIND_STREAMS | CEDE_KIND_SOCKETS | CEDE_KIND_OBJECT)
#define CEDE_KIND_ANY     0xfffu
#define CEDE_KIND_FACTS   (CEDE_KIND_ANY & ~CEDE_KIND_WATCH) /* what can be asked for its facts */

/* cede_import: the descriptor stays the caller's; close and drop forget it without closing it. It
 * is lent, as memory is: it stays open until the library has let go of it, else what comes next
 * under its number may be met: its data, its end, on Windows its position (law 10). The library
 * has let go when a close request is delivered, or the loop closed; with cede_drop, when that
 * returns, if it is the loop's thread that drops and nothing is pending on it. A drop from another
 * thread tells nobody: use a close request there. (Of a watch: that its directory is gone is told
 * once; the library's own say so ever after.) */
#define CEDE_IMPORT_BORROW 0x1u
/* On Windows: its transfers report by completion routines (APCs), not by the loop's completion
 * port; for handles that must not be bound to it. Its owner may bind it to a port of his own at any
 * time. The loop's thread has to wait alertably, which cede_run does whenever it sleeps: the
 * program's own APCs for that thread run there, too. Elsewhere it means nothing. */
#define CEDE_IMPORT_APC 0x2u
#define CEDE_IMPORT_ANY 0x3u

/* Makes a handle for a native descriptor (Linux: a file descriptor; Windows: a HANDLE or a SOCKET)
 * and takes ownership of it, unless BORROW. `kind` is one CEDE_KIND_, or AUTO. 0 if native is
 * negative (Linux: or above INT_MAX), kind or flags are unknown, or memory is out; then it stays
 * the caller's. A kind that is named is believed: with a wrong one order and positions are of that
 * kind, and on Linux a write to a peer that is gone may raise SIGPIPE; AUTO asks the system. What
 * names no file, and on Windows a pipe in the mode PIPE_NOWAIT (where its handle may be asked: one
 * without FILE_READ_ATTRIBUTES, as PIPE_ACCESS_OUTBOUND alone makes it, may not, and its transfers
 * then say what they say in that mode), fails its requests with CEDE_EBADF or CEDE_EINVAL, and on
 * Linux a socket that is neither SOCK_STREAM nor SOCK_DGRAM with CEDE_ENOTSUP; it can still be
 * closed. (As CEDE_KIND_OBJECT such a socket can be polled.) A linger that is set behind the
 * library's back, when it has used the socket, may block the loop that closes it; so may, for some
 * 0.25 s, the close of an inotify descriptor that was named something else than CEDE_KIND_WATCH,
 * CEDE_KIND_OBJECT or CEDE_KIND_AUTO (system.h). A Windows socket without WSA_FLAG_OVERLAPPED does
 * one thing at a time: a shutdown, an option or a poll that comes while a receive pends on it keeps
 * the loop until that ends. Any thread; may allocate. */
CEDE_API cede_handle cede_import(intptr_t native, uint32_t kind, uint32_t flags);

/* Gives the native descriptor back and makes the handle stale. CEDE_OK: *native is the caller's.
 * CEDE_EBUSY: a scope owns it, or a request of its loop that names it is not delivered: pending,
 * refused, or a close or spawn that is yet to begin (without memory for a slot, of two handles the
 * first, and none of a spawn; of a relay, what its receives and sends name). CEDE_EBADF: stale;
 * CEDE_ENOTSUP: the system cannot detach it (a Windows port), or it names nothing of the system
 * (sim; a listener at a local name on Windows). Windows: one that was used in the port lane has
 * been told to send no packets for what succeeds at once (FILE_SKIP_COMPLETION_PORT_ON_SUCCESS),
 * which cannot be taken back; a borrowed handle is not told. The thread of the loop that it is
 * bound to; any thread if unbound. */
CEDE_API cede_status cede_release(cede_handle, intptr_t *native);

/* Closes without a request: the handle is stale at once, what is pending on it is cancelled and
 * delivered, then comes the system's close. Cannot fail, allocates nothing. An unbound handle is
 * closed in the call. 0 and stale handles: nothing. Any thread; on another than the loop's, and
 * before the loop's first run, it takes effect when the loop looks (laws 10, 15; cede_cancel). */
CEDE_API void cede_drop(cede_handle);

/* The scope owns the handle from here: it is closed after the last member's done has returned and
 * before the scope's own. Binds it to the scope's loop. If the scope has ended, is ending, or
 * never was one, the handle is dropped. On a handle of another loop, a stale or owned one: nothing.
 * One that is closed or dropped before is the scope's no longer: its end does not wait for that
 * close. The loop's thread (law 12). */
CEDE_API void cede_own(cede_ticket scope, cede_handle);

#ifdef __cplusplus
}
#endif
#endif
